"""The console's screens: one module per audience; importing them registers them."""

from sync.admin import (
    administration,
    arrivals,
    budget_page,
    bulk_page,
    connections,
    exceptions,
    field_mappings,
    finance,
    marketing,
    operations,
    worker_page,
)

__all__ = [
    "administration",
    "arrivals",
    "budget_page",
    "bulk_page",
    "connections",
    "exceptions",
    "field_mappings",
    "finance",
    "marketing",
    "operations",
    "worker_page",
]
