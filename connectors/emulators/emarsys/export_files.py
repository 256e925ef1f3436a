"""The CSV files exports end in: localised header, labels of choices, textual opt-in (contract 3.11)."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from io import StringIO
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.changes import API, FORM, NO_SOURCE
from connectors.emulators.emarsys.export_requests import ANALYSIS, SOURCES
from connectors.emulators.emarsys.exports import Lines
from connectors.emulators.emarsys.languages import choice_label, field_name
from connectors.emulators.emarsys.local_time import written
from connectors.emulators.store import Record

Row = tuple[str, list[str]]  # the contact's id, and what stands after its fields


def lines_of(account: Account, export: Record) -> Lines:
    """The file's lines, the header first if there is to be one."""
    request = export["request"]
    rows = _ROWS[export["type"]](account, request)
    table = [_header(account, request, export["type"])] if request["add_field_names_header"] == "1" else []
    for contact_id, more in rows:
        contact = account.contacts.records.get(contact_id)
        if contact is not None:
            table.append([contact_id, *(_value(account, contact, one, request) for one in request["contact_fields"])])
            table[-1] += more
    return _as_csv(table, request["delimiter"])


def _as_csv(table: Iterable[list[str]], delimiter: str) -> Lines:
    text = StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    lines = []
    for row in table:
        writer.writerow(row)
        lines.append(text.getvalue())
        text.seek(0)
        text.truncate()
    return lines


def _header(account: Account, request: Mapping[str, Any], kind: str) -> list[str]:
    language = request["language"]
    names = [field_name(account.fields.records.get(one) or {"id": one, "name": one}, language) for one in _own(request)]
    more = {
        "responses": [*(ANALYSIS[one] for one in request.get("analysis_fields", ())), "source"],
        "registrations": ["registration time"] if _has_timestamp(request) else [],
    }
    return ["user_id", *names, *more.get(kind, [])]


def _own(request: Mapping[str, Any]) -> list[str]:
    fields: list[str] = request["contact_fields"]
    return fields


def _has_timestamp(request: Mapping[str, Any]) -> bool:
    return str(request.get("with_timestamp", 1)) == "1"


def _value(account: Account, contact: Mapping[str, Any], number: str, request: Mapping[str, Any]) -> str:
    """Labels instead of choice ids, in the language asked for; several of them separated by commas."""
    stored = contact.get(number)
    if stored is None:
        return ""
    field = account.fields.records.get(number) or {}
    if not field.get("choices"):
        return str(stored)
    chosen = stored if isinstance(stored, list) else [stored]
    return ",".join(choice_label(field, one, request["language"]) for one in chosen)


def _changed(account: Account, request: Mapping[str, Any]) -> Iterator[Row]:
    """Each contact once. Changes by form and by API, never those by import."""
    start, end = (datetime.fromisoformat(one) for one in request["between"])
    origins = (FORM, API) if request["origin"] == "all" else (request["origin"],)
    sources = [str(one) for one in request["origin_ids"]]
    if request["origin"] == "all" and sources == [NO_SOURCE]:
        sources = []
    only_consent = account.settings["changes_fields"] != "all"
    found: dict[str, None] = {}
    for change in account.changes.between(start, end):
        if change["origin"] not in origins or (sources and change["source"] not in sources):
            continue
        is_narrow = only_consent and change["origin"] == API
        found |= dict.fromkeys(change["consent"] if is_narrow else [*change["created"], *change["changed"]])
    yield from ((one, []) for one in found)


def _registered(account: Account, request: Mapping[str, Any]) -> Iterator[Row]:
    start, end = (datetime.fromisoformat(one) for one in request["between"])
    members = account.lists.members(request["contactlist"]) if request.get("contactlist") else None
    for change in account.changes.between(start, end):
        moment = [written(datetime.fromisoformat(change["at"]))] if _has_timestamp(request) else []
        yield from ((one, moment) for one in change["created"] if members is None or one in members)


def _responded(account: Account, request: Mapping[str, Any]) -> Iterator[Row]:
    """One row for each click, open, unsubscription and complaint, with the campaign it belongs to."""
    start, end = (datetime.fromisoformat(one) for one in request["between"])
    members = account.lists.members(request["contactlist"]) if request.get("contactlist") else None
    kinds = {SOURCES[one] for one in request["sources"]} - {""}
    campaign = str(request.get("email_id") or "")
    for event in account.mail.between(start, end, kinds):
        if (members is not None and event["contact_id"] not in members) or campaign not in ("", event["campaign_id"]):
            continue
        yield event["contact_id"], [*_analysed(account, event, request["analysis_fields"]), event["type"]]


def _analysed(account: Account, event: Record, numbers: Iterable[str]) -> list[str]:
    campaign = account.mail.campaigns.get(event["campaign_id"]) or {}
    known = {
        "1": campaign.get("name", ""),
        "4": event.get("link_name", ""),
        "5": event.get("url", ""),
        "8": written(datetime.fromisoformat(event["at"])),
        "12": event["campaign_id"],
    }
    return [known.get(one, "") for one in numbers]


def _listed(account: Account, request: Mapping[str, Any]) -> Iterator[Row]:
    yield from ((one, []) for one in account.lists.members(str(request["contactlist"])))


def _in_segment(account: Account, request: Mapping[str, Any]) -> Iterator[Row]:
    yield from ((one, []) for one in account.segments.members(str(request["filter"])))


_ROWS = {
    "changes": _changed,
    "registrations": _registered,
    "responses": _responded,
    "contactlist": _listed,
    "segment": _in_segment,
}
