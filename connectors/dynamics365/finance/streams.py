"""What each stream is: its way of changing, its key and its mapping, by the connection's settings."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from connectors import fields
from connectors.base import Change, Settings, Stream
from connectors.dynamics365.finance.mapping.contacts import contact_key, contact_mapping
from connectors.dynamics365.finance.mapping.customers import customer_key, customer_mapping
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.dynamics365.finance.mapping.order_events import event_key, event_mapping
from connectors.dynamics365.finance.mapping.order_status import order_status_key, order_status_mapping
from connectors.dynamics365.finance.mapping.orders import order_key, order_mapping
from connectors.dynamics365.finance.mapping.products import (
    StockPolicy,
    product_key,
    product_mapping,
    stock_key,
    stock_mapping,
)
from connectors.dynamics365.finance.mapping.returns import return_key, return_mapping
from connectors.dynamics365.finance.mapping.sales import sale_key, sale_mapping
from connectors.dynamics365.finance.tenant import listed
from connectors.errors import ConfigurationError, RecordError

STREAMS = ("customer", "sale", "contact", "product", "stock", "order", "order_status", "order_event", "return")


def streams(settings: Settings, keys: Keys, left_out: Collection[str] = ()) -> Mapping[str, Stream]:
    """`left_out` are the customers' columns that the tenant does not have."""
    charges = frozenset(listed(settings.text("CHARGE_ITEMS")))
    policy = _policy(settings)
    changed = settings.text("CONTACT_MOMENT_FIELD").strip()
    inactive = frozenset(state.lower() for state in listed(settings.text("INACTIVE_LIFECYCLE_STATES")))
    currency = settings.text("PRICE_CURRENCY").strip()
    customer = customer_mapping(keys, settings.text("TIER_FIELD"), settings.text("BIRTH_DATE_FIELD"), left_out)
    found = {
        "customer": Stream("customer", Change.SCAN, customer_key(keys), customer),
        "sale": Stream("sale", Change.WINDOW, sale_key(keys), sale_mapping(keys, charges), after="customer"),
        "contact": Stream(
            "contact",
            Change.MOMENT if changed else Change.SCAN,
            contact_key(keys),
            contact_mapping(keys, changed),
        ),
        "product": Stream("product", Change.SCAN, product_key(keys), product_mapping(keys, policy, currency, inactive)),
        "stock": Stream("stock", Change.SCAN, stock_key(keys), stock_mapping(keys, policy)),
        "order": Stream("order", Change.WINDOW, order_key(keys), order_mapping(keys, charges), after="customer"),
        "order_status": Stream(
            "order_status", Change.SCAN, order_status_key(keys), order_status_mapping(keys), after="customer"
        ),
        "order_event": Stream("order_event", Change.WINDOW, event_key(keys), event_mapping(keys), after="customer"),
        "return": Stream("return", Change.SCAN, return_key(keys), return_mapping(keys), after="customer"),
    }
    return {name: found[name] for name in STREAMS}


def _policy(settings: Settings) -> StockPolicy:
    try:
        buffer = fields.money(settings.text("STOCK_BUFFER") or "0", "STOCK_BUFFER")
    except RecordError as error:
        raise ConfigurationError(
            f"{settings.connection}: STOCK_BUFFER is no number of pieces.",
            system=settings.connection,
            reply=error.value,
            remedy="Set STOCK_BUFFER to a number such as 2.",
        ) from error
    warehouses, blocked = listed(settings.text("SELLABLE_WAREHOUSES")), listed(settings.text("BLOCKED_STATUSES"))
    return StockPolicy.of(warehouses, blocked, max(Decimal(0), buffer))
