"""Canonical records ↔ what Emarsys takes and shows, one module a kind of record. Pure."""
