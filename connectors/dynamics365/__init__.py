"""Microsoft Dynamics 365: what its flavours share. Each folder below is one flavour and one connector."""

USUAL = "dynamics365.finance"
"""The flavour that a connection has whose environment names none."""
