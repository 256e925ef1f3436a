"""Microsoft Dynamics 365: what its flavours share. Each folder below is one flavour and one connector."""
