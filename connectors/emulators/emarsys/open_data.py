"""Views of Open Data as files: newline-delimited JSON as they are nested, flat CSV for spreadsheets (contract 8).

In the flat form a row of `revenue_attribution` is one treatment, its members under the names below; items, whose
prices are line totals, are left out, so that nothing is counted twice.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any
from zlib import crc32

import msgspec

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.attribution import contact_of, revenue, sales_rows
from connectors.emulators.emarsys.mail import BOUNCE, CLICK, COMPLAINT, OPEN, SEND, UNSUBSCRIBE
from connectors.emulators.store import Record
from connectors.emulators.system import Response

Row = dict[str, Any]

_encode = msgspec.json.Encoder().encode


def file_named(account: Account, name: str) -> Response | None:
    """`view.ndjson` or `view.csv`; None for what is no view."""
    view, _, kind = name.rpartition(".")
    rows = VIEWS.get(view)
    if rows is None or kind not in ("ndjson", "csv"):
        return None
    found = list(rows(account))
    if kind == "csv":
        flat = [one for row in found for one in _flat(row)]
        return Response(200, _as_csv(flat, _COLUMNS[view]), {"Content-Type": "text/csv;charset=UTF-8"}, len(flat))
    body = b"".join(_encode(row) + b"\n" for row in found)
    return Response(200, body, {"Content-Type": "application/x-ndjson"}, len(found))


def _flat(row: Row) -> Iterator[Row]:
    if "treatments" not in row:
        yield row
        return
    for one in row["treatments"]:
        yield {
            **row,
            **{name: one[name] for name in ("hardware_id", "campaign_id", "channel", "attributed_amount")},
            "treatment_id": one["id"],
            "rti_id": one["rti"]["id"],
            "rti_run_id": one["rti"]["run_id"],
            "ac_id": one["ac"]["id"],
            "ac_run_id": one["ac"]["run_id"],
            "email_launch_id": one["email"]["launch_id"],
            "email_event_time": one["email"]["event_time"],
            "reason_type": one["reason"]["type"],
            "reason_event_time": one["reason"]["event_time"],
        }


def _as_csv(rows: Iterable[Row], columns: list[str]) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([["" if row[name] is None else row[name] for name in columns] for row in rows])
    return text.getvalue().encode()


def _number_of(text: str) -> int:
    """The warehouse's own number for a customer or product: not the contact's id."""
    return 1_000_000_000 + crc32(text.encode())


def purchases(account: Account) -> Iterator[Row]:
    """`si_purchases`: one row for each sales row, refunds negative; there is no contact_id."""
    loaded = account.now().date().isoformat()
    for row in sales_rows(account):
        product = account.catalogue.products.get(row["item"]) or {}
        yield {
            "order_id": row["order"],
            "si_contact_id": _number_of(row.get("customer") or row.get("email") or ""),
            "si_product_id": _number_of(row["item"]),
            "product_external_id": row["item"],
            "product_name": product.get("title", row["item"]),
            "purchase_date": row["timestamp"][:10],
            "channel": row.get("s_sales_channel", ""),
            "quantity": float(row["quantity"]),
            "sales_amount": float(row["price"]),
            "load_date": loaded,
        }


def buyers(account: Account) -> Iterator[Row]:
    """`si_contacts`: who bought, with turnover net of refunds; generated ones are no contacts."""
    rows_of: dict[str, list[Record]] = defaultdict(list)
    for row in sales_rows(account):
        rows_of[row.get("customer") or row.get("email") or ""].append(row)
    loaded = account.now().date().isoformat()
    for number, rows in rows_of.items():
        contact_id = contact_of(account, rows[0])
        turnover = sum((Decimal(row["price"]) for row in rows), Decimal(0))
        orders = {row["order"] for row in rows if Decimal(row["price"]) >= 0}
        yield {
            "si_contact_id": _number_of(number),
            "contact_id": int(contact_id) if contact_id else None,
            "contact_external_id": number,
            "registered_on": None,
            "number_of_purchases": len(orders),
            "turnover": float(turnover),
            "average_order_value": float(round(turnover / len(orders), 2)) if orders else 0.0,
            "customer_lifecycle_status": "buyer" if len(orders) > 1 else "first_time_buyer",
            "buyer_status": "active",
            "last_order_date": max(row["timestamp"][:10] for row in rows),
            "is_generated": contact_id is None,
            "load_date": loaded,
        }


def campaigns(account: Account) -> Iterator[Row]:
    for one in account.mail.campaigns.values():
        yield {
            "campaign_id": int(one["id"]), "origin_campaign_id": int(one["id"]), "name": one["name"],
            "version_name": None, "subject": one["subject"], "language": one["language"], "campaign_type": one["kind"],
            "category_name": None, "defined_type": None, "suite_type": None, "suite_event": one.get("event_id"),
            "is_recurring": False, "program_id": None, "program_version_id": None, "status": one["status"],
            "timezone": account.settings["timezone"], "event_time": one["created"],
            "customer_id": int(account.settings["customer_id"]), "loaded_at": account.now().isoformat(),
        }  # fmt: skip


def _mail_view(kind: str, *more: str) -> Callable[[Account], Iterator[Row]]:
    def rows(account: Account) -> Iterator[Row]:
        sends = account.mail.sends_by_recipient()
        for event in account.mail.events.values():
            if event["type"] != kind:
                continue
            campaign = account.mail.campaigns.get(event["campaign_id"]) or {"kind": ""}
            contact = account.contacts.records.get(event["contact_id"])
            sent = [one for one in sends.get((event["contact_id"], event["launch_id"]), []) if one <= event["at"]]
            known = {
                "contact_id": int(event["contact_id"]) if contact else None,
                "launch_id": int(event["launch_id"]),
                "message_id": int(event["launch_id"]),
                "campaign_id": int(event["campaign_id"]),
                "campaign_type": campaign["kind"],
                "domain": (contact or {}).get("3", "").rpartition("@")[2],
                "event_time": datetime.fromisoformat(event["at"]).isoformat(),
                "customer_id": int(account.settings["customer_id"]),
                "loaded_at": account.now().isoformat(),
                "email_sent_at": max(sent, default=None),
                "source": event.get("source", "unsubscribe"),
                "bounce_type": event.get("bounce"),
                "dsn_reason": None,
                "link_name": event.get("link_name"),
            }
            yield {name: known[name] for name in (*_SEND_KEYS, *more)}

    return rows


_SEND_KEYS = (
    "contact_id", "launch_id", "message_id", "campaign_id", "campaign_type", "domain", "event_time", "customer_id",
    "loaded_at",
)  # fmt: skip
_MAIL: dict[str, tuple[str, ...]] = {
    "email_sends": (SEND,),
    "email_opens": (OPEN, "email_sent_at"),
    "email_clicks": (CLICK, "email_sent_at", "link_name"),
    "email_bounces": (BOUNCE, "bounce_type", "dsn_reason"),
    "email_complaints": (COMPLAINT, "email_sent_at"),
    "email_unsubscribes": (UNSUBSCRIBE, "email_sent_at", "source"),
}

VIEWS: dict[str, Callable[[Account], Iterator[Row]]] = {
    "revenue_attribution": revenue,
    "si_purchases": purchases,
    "si_contacts": buyers,
    "email_campaigns_v2": campaigns,
    **{name: _mail_view(*parts) for name, parts in _MAIL.items()},
}

_COLUMNS: dict[str, list[str]] = {
    "revenue_attribution": (
        "customer_id contact_id event_time loaded_at order_id hardware_id campaign_id channel treatment_id rti_id "
        "rti_run_id ac_id ac_run_id email_launch_id email_event_time attributed_amount reason_type reason_event_time"
    ).split(),
    "si_purchases": (
        "order_id si_contact_id si_product_id product_external_id product_name purchase_date channel quantity "
        "sales_amount load_date"
    ).split(),
    "si_contacts": (
        "si_contact_id contact_id contact_external_id registered_on number_of_purchases turnover average_order_value "
        "customer_lifecycle_status buyer_status last_order_date is_generated load_date"
    ).split(),
    "email_campaigns_v2": (
        "campaign_id origin_campaign_id name version_name subject language campaign_type category_name defined_type "
        "suite_type suite_event is_recurring program_id program_version_id status timezone event_time customer_id "
        "loaded_at"
    ).split(),
    **{name: [*_SEND_KEYS, *parts[1:]] for name, parts in _MAIL.items()},
}
