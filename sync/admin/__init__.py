"""The console's screens: one module per audience; importing them registers them."""

from sync.admin import administration, bulk_page, exceptions, finance, marketing, operations

__all__ = ["administration", "bulk_page", "exceptions", "finance", "marketing", "operations"]
