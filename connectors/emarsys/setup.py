"""What an account agreed on at onboarding, from its settings: sales data, events, catalogue."""

from decimal import Decimal, InvalidOperation

from connectors.base import Settings
from connectors.emarsys import options
from connectors.emarsys.mapping.order_event import DEFAULT as EVENTS
from connectors.emarsys.mapping.product import COLUMNS, Feed
from connectors.emarsys.mapping.sale import SALE_COLUMNS, SalesForm
from connectors.records import ORDER_EVENTS


def sales_form(settings: Settings) -> SalesForm:
    return SalesForm(
        columns=options.listed(settings, "SALES_COLUMNS", SALE_COLUMNS),
        unit_price=options.one_of(settings, "PRICE", "line_total", "unit_price") == "unit_price",
        custom_amount=options.one_of(settings, "REFUND_STYLE", "negative_rows", "custom_amount_column")
        == "custom_amount_column",
        by_order=options.one_of(settings, "SALES_ORDER", "document", "order") == "order",
        refund_item=settings.text("REFUND_ITEM").strip(),
    )


def events(settings: Settings) -> dict[str, str]:
    """Canonical event → name of the external event. Those that EVENTS does not name keep the usual name."""
    usual = dict(pair.split("=") for pair in EVENTS.split(","))
    return {**usual, **options.pairs(settings, "EVENTS", ORDER_EVENTS)}


def feed(settings: Settings) -> Feed:
    columns = options.listed(settings, "FEED_COLUMNS", COLUMNS)
    if "item" not in columns:
        raise options.wrong(settings, "FEED_COLUMNS", "leaves out item, the key of the catalogue.")
    return Feed(columns, _threshold(settings), settings.text("FEED_CURRENCY").strip().upper())


def _threshold(settings: Settings) -> Decimal:
    try:
        found = Decimal(settings.text("STOCK_THRESHOLD").strip())
    except InvalidOperation as error:
        raise options.wrong(settings, "STOCK_THRESHOLD", "is not a number.") from error
    if not found.is_finite() or found < 0:
        raise options.wrong(settings, "STOCK_THRESHOLD", "is not a number from 0 upwards.")
    return found
