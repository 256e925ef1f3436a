"""Which campaign a purchase is owed to: first or last open or click within a window before it (contract 8)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.mail import CLICK, OPEN, TRANSACTIONAL
from connectors.emulators.store import Record

_CONTACT_KEPT = timedelta(days=60)  # after that the contact of a send is not told any more
Purchase = dict[str, Any]


def sales_rows(account: Account) -> Iterator[Record]:
    """All loaded rows, one upload after the other."""
    for upload in list(account.sales.uploads.values()):
        if upload["rows"]:
            yield from (record for _, record in account.sales.rows.list(upload["first_row"] - 1, upload["rows"]))


def contact_of(account: Account, row: Mapping[str, str]) -> str | None:
    """The one contact a row belongs to, by `externalId` or by e-mail."""
    by_customer = "customer" in row
    key = account.fields.by_string.get("externalId", "") if by_customer else "3"
    found = account.contacts.find(key, row["customer" if by_customer else "email"])
    return found[0] if len(found) == 1 else None


def revenue(account: Account) -> Iterator[Purchase]:
    """The view `revenue_attribution`: purchases owed to a campaign. Rows whose time has no zone do not count."""
    touches = _touches(account)
    window = timedelta(days=int(account.settings["attribution_days"]))
    takes_last = account.settings["attribution"] == "last"
    for purchase in _purchases(account):
        moment = datetime.fromisoformat(purchase["event_time"])
        reached = [one for one in touches.get(purchase["contact_id"], ()) if moment - window <= one[0] <= moment]
        if not reached:
            continue
        at, event = max(reached, key=lambda one: one[0]) if takes_last else min(reached, key=lambda one: one[0])
        treatment = _treatment(account, event, at, _total(purchase))
        sent_at = datetime.fromisoformat(treatment["email"]["event_time"])
        contact_id = None if moment - sent_at > _CONTACT_KEPT else int(purchase["contact_id"])
        yield {**purchase, "contact_id": contact_id, "treatments": [treatment]}


def _touches(account: Account) -> Mapping[str, list[tuple[datetime, Record]]]:
    found: dict[str, list[tuple[datetime, Record]]] = defaultdict(list)
    for event in account.mail.events.values():
        if event["type"] in (OPEN, CLICK):
            found[event["contact_id"]].append((datetime.fromisoformat(event["at"]), event))
    return found


def _purchases(account: Account) -> Iterator[Purchase]:
    """Orders of known contacts at one moment each; what was returned is none."""
    grouped: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for row in sales_rows(account):
        if Decimal(row["price"]) > 0 and datetime.fromisoformat(row["timestamp"]).tzinfo is not None:
            grouped[row["order"], row["timestamp"]].append(row)
    loaded = account.now().isoformat()
    for (order, timestamp), rows in grouped.items():
        contact_id = contact_of(account, rows[0])
        if contact_id is None:
            continue
        items = [
            {"item_id": row["item"], "price": float(row["price"]), "quantity": float(row["quantity"])} for row in rows
        ]
        yield {
            "customer_id": int(account.settings["customer_id"]),
            "contact_id": contact_id,
            "event_time": datetime.fromisoformat(timestamp).astimezone(UTC).isoformat(),
            "loaded_at": loaded,
            "order_id": order,
            "items": items,
        }


def _total(purchase: Purchase) -> Decimal:
    return sum((Decimal(str(one["price"])) for one in purchase["items"]), Decimal(0))


def _treatment(account: Account, event: Record, at: datetime, amount: Decimal) -> dict[str, Any]:
    launch = account.mail.launches.get(event["launch_id"]) or {"at": event["at"], "kind": ""}
    is_triggered = launch["kind"] == TRANSACTIONAL
    sent = _sent_at(account, event) or launch["at"]
    return {
        "hardware_id": None,
        "campaign_id": int(event["campaign_id"]),
        "channel": "email",
        "id": f"{event['launch_id']}-{event['contact_id']}",
        "rti": {"id": None, "run_id": None},
        "ac": {"id": event["campaign_id"] if is_triggered else None, "run_id": None},
        "email": {"launch_id": int(event["launch_id"]), "event_time": sent},
        "attributed_amount": float(amount),
        "reason": {"type": event["type"], "event_time": at.isoformat()},
    }


def _sent_at(account: Account, event: Record) -> str | None:
    """When the mail that was opened or clicked had been sent."""
    wanted = (event["contact_id"], event["launch_id"])
    sends = account.mail.sends_by_recipient().get(wanted, [])
    return max((one for one in sends if one <= event["at"]), default=None)
