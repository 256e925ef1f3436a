"""People and records for the tests of the desks: exceptions, ledger lines, deliveries."""

import json
import zlib
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.utils import timezone

from sync import catalogue, roles
from sync.models import Delivery, Flow, LedgerEntry, SyncIssue

CANARY = "canary+42@example.com"
PASSWORD = "demo-password-1"


@cache
def _hashed() -> str:
    """Slow on purpose, so once for all tests."""
    return make_password(PASSWORD)


def person(role: str, name: str = "") -> Any:
    """A user of this role; never a superuser."""
    if not Group.objects.filter(name=role).exists():
        roles.create_groups()
    defaults = {"is_staff": True, "password": _hashed()}
    user, _ = get_user_model().objects.get_or_create(username=name or role, defaults=defaults)
    user.groups.set([Group.objects.get(name=role)])
    return user


def flow(entity: str = "customer") -> Flow:
    name = f"dynamics365.{entity}"
    defaults = {"source": "dynamics365", "stream": entity, "target": "emarsys", "entity": entity}
    return Flow.objects.get_or_create(name=name, defaults=defaults)[0]


def issue(
    kind: str = "field_drift", source_id: str = "gb01|12346", *, entity: str = "customer", **given: Any
) -> SyncIssue:
    now = timezone.now()
    values: dict[str, Any] = {
        "flow": flow(entity),
        "entity": entity,
        "source_id": source_id,
        "kind": kind,
        "team": catalogue.team(kind, entity).value,
        "money": Decimal("120.50"),
        "currency": "GBP",
        "first_seen_at": now,
        "last_seen_at": now,
    }
    return SyncIssue.objects.create(**{**values, **given})


def drift(source_id: str = "gb01|12346", **given: Any) -> SyncIssue:
    """An e-mail that differs: personal on both sides, in the message, too."""
    fields = [
        {"field": "email", "erp": CANARY, "target": "old-canary@example.com", "same": False},
        {"field": "loyalty_tier", "erp": "gold", "target": "gold", "same": True},
    ]
    return issue(
        "field_drift",
        source_id,
        field="email",
        erp_value=CANARY,
        target_value="old-canary@example.com",
        message=f"email differs: {CANARY} / old-canary@example.com",
        details={"fields": fields},
        **given,
    )


def packed(content: Any) -> bytes:
    return zlib.compress(json.dumps(content).encode())


def delivery(entity: str = "customer", **given: Any) -> Delivery:
    now = timezone.now()
    values = {"flow": flow(entity), "key": f"key-{Delivery.objects.count()}", "epoch": 1, "records": 2}
    values |= {"keys": packed([]), "intended_at": now, "finished_at": now, "outcome": "partly"}
    return Delivery.objects.create(**{**values, **given})


def line(number: int = 1, document: str = "536365", **given: Any) -> LedgerEntry:
    amount = given.pop("amount", Decimal("15.30"))
    values: dict[str, Any] = {
        "flow": flow("sale"),
        "source_id": f"gb01|{document}|{number}",
        "document": document,
        "line": str(number),
        "company": "gb01",
        "customer": "gb01|17850",
        "sku": "85123A",
        "quantity": Decimal(6),
        "unit_price": Decimal("2.55"),
        "amount": amount,
        "document_total": amount,
        "currency": "GBP",
        "day": date(2010, 12, 1),
        "state": "accepted",
        "updated_at": timezone.now(),
    }
    return LedgerEntry.objects.create(**{**values, **given})


def unknown_outcome(lines: int = 3) -> SyncIssue:
    """An upload whose answer was lost, with its lines."""
    lost = delivery("sale", outcome="unknown")
    for number in range(1, lines + 1):
        line(number, state="unknown", delivery=lost)
    return issue("unknown_outcome", "", entity="sale", field=f"delivery {lost.pk}", delivery=lost, records=lines)
