"""Rows of F&O → canonical records, a module a kind. Pure; every function raises RecordError only."""
