"""Customers and contacts: links, planted differences, and opt-ins that nobody touched."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from checking.emulated import Emulated
from checking.report import Report
from checking.tables import Tables

FLOW = "SELECT id FROM sync_flow WHERE entity = 'customer'"
EMAIL, OPT_IN = "3", "31"
COMPARED = ("missing_in_target", "not_linked", "field_drift", "duplicate_in_target", "orphan")
EXPECTED = {
    "stale": "field_drift",
    "email_changed": "field_drift",
    "missing": "missing_in_target",
    "external_id_blanked": "not_linked",
    "duplicate_email": "duplicate_in_target",
    "ambiguous_email": "duplicate_in_target",
    "duplicate_external_id": "duplicate_in_target",
    "orphan": "orphan",
    "orphan_email": "orphan",
}
"""What is planted → the kind of exception it must become."""

STAYS = ("duplicate_email", "ambiguous_email", "orphan", "orphan_email")
"""Of the neglected start, what no sync can put right."""

FIELDS = {"loyaltyTier": "loyalty_tier"}
Found = tuple[str, str, str]
"""kind, record (customer number, or contact id for an orphan), field"""


class Sides:
    """Both systems' people as they are now."""

    def __init__(self, emulated: Emulated) -> None:
        self.external = emulated.external_field()
        self.contacts = {one["id"]: one for one in emulated.records("emarsys/contacts")}
        self.customers = {_key(one): one for one in emulated.records("dynamics365/customers")}
        self.by_number: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.by_email: dict[str, list[dict[str, str]]] = defaultdict(list)
        for contact in self.contacts.values():
            self.by_number[contact.get(self.external, "")].append(contact)
            self.by_email[contact.get(EMAIL, "").casefold()].append(contact)
        self.numbers = {key.partition("|")[2] for key in self.customers}
        self.emails = {str(one.get("PrimaryContactEmail", "")).strip().casefold() for one in self.customers.values()}
        self.planted = emulated.planted()


def _key(customer: dict[str, Any]) -> str:
    return f"{str(customer['dataAreaId']).lower()}|{str(customer['CustomerAccount']).strip()}"


def remember(emulated: Emulated, path: Path) -> None:
    """Every contact's opt-in, before anything is written."""
    opt_ins = {one["id"]: one.get(OPT_IN, "") for one in emulated.records("emarsys/contacts")}
    path.write_text(json.dumps(opt_ins), encoding="utf-8")


def check(emulated: Emulated, tables: Tables, before: Path | None, report: Report) -> None:
    sides = Sides(emulated)
    _links(sides, tables, report)
    _differences(sides, tables, report)
    _opt_ins(sides, before, report)


def _links(sides: Sides, tables: Tables, report: Report) -> None:
    report.title("Customers: emulated ERP = links")
    sql = f"SELECT source_id, target_id, state FROM sync_crossreference WHERE flow_id IN ({FLOW})"
    links = {key: target for key, target, state in tables.rows(sql) if state == "active" and target}
    sql = f"SELECT source_id FROM sync_syncissue WHERE flow_id IN ({FLOW}) AND state IN ('open', 'retrying', 'waived')"
    waiting = {row[0] for row in tables.rows(sql)}
    neither = [key for key in sides.customers if key not in links and key not in waiting]
    report.say(
        f"{len(sides.customers):,} customers: {sum(key in links for key in sides.customers):,} linked, "
        f"{sum(key not in links and key in waiting for key in sides.customers):,} with an exception instead"
    )
    report.must(not neither, "every customer has a link or an exception", neither)
    wrong = [
        f"{key} → {target}" for key, target in links.items() if key not in waiting and not _is_link(sides, key, target)
    ]
    report.must(not wrong, "every link without an exception leads to the contact with its number", wrong)


def _is_link(sides: Sides, key: str, target: str) -> bool:
    contact = sides.contacts.get(target)
    return key not in sides.customers or (contact is not None and contact.get(sides.external) == key.partition("|")[2])


def _differences(sides: Sides, tables: Tables, report: Report) -> None:
    report.title("Differences: planted by the emulator = open exceptions of the comparison")
    marks = ", ".join(["%s"] * len(COMPARED))
    sql = (
        f"SELECT source_id, target_id, kind, field, state FROM sync_syncissue "
        f"WHERE flow_id IN ({FLOW}) AND kind IN ({marks}) ORDER BY id"
    )
    issues: dict[Found, str] = {}
    for source_id, target_id, kind, field, state in tables.rows(sql, *COMPARED):
        record = source_id.partition("|")[2] if source_id else target_id
        issues[kind, record, field if kind == "field_drift" else ""] = state
    imported = {_found(one): one for one in sides.planted if one["list"] == "import"}
    started = {_found(one) for one in sides.planted if one["list"] == "start" and one["kind"] in STAYS}
    _planted(sides, imported, issues, report)
    open_now = {found for found, state in issues.items() if state in ("open", "retrying")}
    touched = {one["external_id"] for one in imported.values()}
    more = open_now - set(imported) - started
    natural = {found for found in more if found[1] not in touched and _is_true(sides, found)}
    report.say(f"{len(open_now & started):,} open ones were there from the start and need a person")
    if natural:
        report.say(f"{len(natural):,} open ones were not planted but are true: the data itself holds them")
    report.must(not more - natural, "no other exception of the comparison is open", sorted(more - natural))


def _found(one: dict[str, Any]) -> Found:
    kind = EXPECTED.get(one["kind"], one["kind"])
    record = one["contact_id"] if kind == "orphan" else one["external_id"]
    field = FIELDS.get(one["field"], one["field"]) if kind == "field_drift" else ""
    return kind, str(record), str(field or "")


def _planted(sides: Sides, imported: dict[Found, dict[str, Any]], issues: dict[Found, str], report: Report) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    missed = []
    for found, one in imported.items():
        state = issues.get(found, "")
        if state == "resolved" and not _is_settled(sides, one):
            state = ""
        word = "open" if state in ("open", "retrying") else "settled since" if state else "not found"
        counts[one["kind"]][word] += 1
        if not state:
            missed.append(f"{one['kind']} {found[1]} {found[2]}")
    words = ("open", "settled since", "not found")
    rows = [(kind, counts[kind].total(), *(counts[kind][word] for word in words)) for kind in sorted(counts)]
    report.table(("kind", "planted", *words), rows)
    report.must(not missed, f"all {len(imported):,} planted differences were found", missed)


def _is_settled(sides: Sides, one: dict[str, Any]) -> bool:
    """Whether the emulated Emarsys agrees that a planted difference is over."""
    contact = sides.contacts.get(one["contact_id"] or "") or {}
    kind = one["kind"]
    if kind in ("stale", "email_changed"):
        return contact.get(one["field_id"]) == one["erp"]
    if kind in ("missing", "external_id_blanked"):
        return bool(sides.by_number.get(one["external_id"] or contact.get(sides.external, "") or "?"))
    if kind == "orphan":
        return not contact or contact.get(sides.external) in sides.numbers
    return one.get("other_contact_id") not in sides.contacts or not contact


def _is_true(sides: Sides, found: Found) -> bool:
    """Whether the two systems' records show a difference that nobody planted."""
    kind, record, field = found
    if kind == "orphan":
        contact = sides.contacts.get(record, {})
        return contact.get(sides.external, "") not in sides.numbers
    customers = [one for key, one in sides.customers.items() if key.partition("|")[2] == record]
    emails = {str(one.get("PrimaryContactEmail", "")).strip().casefold() for one in customers} - {""}
    same = {one["id"] for email in emails for one in sides.by_email.get(email, ())}
    numbered = sides.by_number.get(record, [])
    if kind == "duplicate_in_target":
        return len(same | {one["id"] for one in numbered}) > 1
    if kind in ("missing_in_target", "not_linked"):
        return not numbered
    return field == "email" and any(one.get(EMAIL, "").casefold() not in emails for one in numbered)


def _opt_ins(sides: Sides, before: Path | None, report: Report) -> None:
    report.title("Opt-ins (field 31): untouched")
    if before is None or not before.exists():
        report.say("not compared: nobody wrote them down before the first sync (--remember)")
        return
    was: dict[str, str] = json.loads(before.read_text(encoding="utf-8"))
    changed = [
        f"contact {number}: {was.get(number) or 'empty'} became {contact.get(OPT_IN) or 'empty'}"
        for number, contact in sides.contacts.items()
        if contact.get(OPT_IN, "") != was.get(number, "")
    ]
    out = sum(value == "2" for value in was.values())
    lost = [number for number, value in was.items() if value == "2" and number not in sides.contacts]
    report.must(not changed, f"{len(sides.contacts):,} contacts have the opt-in they had ({out:,} opted out)", changed)
    report.must(not lost, "no contact that opted out has disappeared", lost)
