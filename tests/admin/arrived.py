"""Rows of what other systems told us or fetch from us, for the tests of their pages."""

import gzip
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from sync.models import AttributionLink, EmarsysPurchase, InboxEvent, ProductFeed
from tests.admin import desk_records

_number = count(1)


def message(state: str = "waiting", **given: Any) -> InboxEvent:
    values = {
        "connection": "dynamics365",
        "event_id": f"e{next(_number)}",
        "kind": "SalesInvoicePosted",
        "state": state,
    }
    values |= {"keys": {"sale": ["usmf|CIV-1", "usmf|CIV-2"]}, "received_at": timezone.now()}
    return InboxEvent.objects.create(**{**values, **given})


def feed(state: str = "published", **given: Any) -> ProductFeed:
    values: dict[str, Any] = {"flow": desk_records.flow("product"), "state": state, "items": 10, "before": 21}
    values |= {"digest": "d", "content": gzip.compress(b"item\nA\n"), "created_at": timezone.now()}
    return ProductFeed.objects.create(**{**values, **given})


def attribution(order: str = "SO-1", **given: Any) -> AttributionLink:
    values: dict[str, Any] = {"flow": desk_records.flow("attribution"), "source_id": f"a{next(_number)}"}
    values |= {"order_number": order, "campaign": "SPRING", "treatment": "t1", "channel": "email"}
    values |= {"amount": Decimal("12.5"), "updated_at": timezone.now(), "treated_at": timezone.now()}
    return AttributionLink.objects.create(**{**values, **given})


def purchase(order: str = "SO-1", **given: Any) -> EmarsysPurchase:
    values: dict[str, Any] = {"flow": desk_records.flow("purchase"), "source_id": f"p{next(_number)}"}
    values |= {"order_number": order, "sku": "MUG-1", "quantity": Decimal(2), "amount": Decimal("24.00")}
    values |= {"purchased_on": date(2026, 3, 1), "updated_at": timezone.now()}
    return EmarsysPurchase.objects.create(**{**values, **given})


def everything(text: str = "plain") -> None:
    """A row of every kind and state, with this text wherever a system's words are kept."""
    short = text[:60]
    for state in ("waiting", "done", "ignored", "unreadable"):
        message(state, kind=text[:100], message=text, keys={short: [text]}, repeats=1, late=True)
    feed("refused", message=text)
    feed("replaced", message=text, published_by=desk_records.person("admin"))
    attribution(short, campaign=short, channel=text[:30], contact=short)
    purchase(short, sku=short, contact=short)
