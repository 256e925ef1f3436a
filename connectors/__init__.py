"""Everything that talks to another company's system, in plain Python."""
