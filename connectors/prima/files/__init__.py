"""Flat files over SFTP or in a folder (contract 9)."""
