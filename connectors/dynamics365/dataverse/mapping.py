"""Rows of Dataverse → canonical records. Pure; raises RecordError only.

A row comes in a cover: {"table", "row"} with "etag" where the version counts, "into" for a merged row whose chain
was followed to its end, "gone" for a deleted row's id; for a contact point "customer" and "account" of the contact
that has the address, and "nth" where it is not the first.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from connectors import fields
from connectors.base import Excluded, Fault, Gone, Mapped
from connectors.dynamics365.dataverse.tables import (
    CONSENT_POINTS,
    OPTED_IN,
    OPTED_OUT,
    Flags,
    Rule,
    Table,
)
from connectors.errors import RecordError
from connectors.fields import or_fault
from connectors.records import Consent, Customer

INACTIVE = "1"


def cover(table: str, row: bytes, **more: str) -> bytes:
    """The row in its cover; `more` in alphabetical order, so that the bytes follow from the content."""
    extra = b"".join(b',"%b":%b' % (name.encode(), msgspec.json.encode(more[name])) for name in sorted(more))
    return b'{"table":"%b"%b,"row":%b}' % (table.encode(), extra, row)


class Covered(msgspec.Struct):
    table: str = ""
    row: Any = None
    etag: str = ""
    into: str = ""
    gone: str = ""
    customer: str = ""
    account: str = ""
    nth: str = ""

    @property
    def values(self) -> Mapping[str, Any]:
        return self.row


_covered = msgspec.json.Decoder(Covered)


def opened(row: bytes) -> Covered:
    try:
        found = _covered.decode(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        shown = row[:200].decode("utf-8", "replace")
        raise RecordError("malformed_row", "row", f"Not a JSON object: {error}"[:200], shown) from error
    if not isinstance(found.row, dict):
        raise RecordError("malformed_row", "row", "Not a JSON object.", row[:200].decode("utf-8", "replace"))
    return found


def guid(value: object) -> str:
    """A GUID in lower case without braces, as keys hold it."""
    return fields.text(value).strip("{}").lower()


def text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column) if column else None
    return fields.text(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def column_reader(columns: Sequence[str]) -> Callable[[bytes], Mapping[str, object]]:
    """Reads a site's own columns; those that the row's table lacks are absent. Numbers stay exact."""
    decode = msgspec.json.Decoder(Covered, float_hook=Decimal).decode

    def read(row: bytes) -> Mapping[str, object]:
        try:
            values = decode(row).row
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise RecordError("malformed_row", "row", f"Not a JSON object: {error}"[:200]) from error
        return {name: values[name] for name in columns if isinstance(values, dict) and name in values}

    return read


def key_reader(tables: Sequence[Table]) -> Callable[[bytes], str]:
    ids = {table.name: table.id for table in tables}

    def key(row: bytes) -> str:
        return _key(opened(row), ids)

    return key


def _key(found: Covered, ids: Mapping[str, str]) -> str:
    if found.gone:
        return fields.required(guid(found.gone), "id")
    column = ids.get(found.table)
    if not column:
        raise RecordError("malformed_row", "row", "Not a row of a table we read.", found.table[:100])
    return fields.required(guid(text(found.values, column)), column)


def customer_mapping(
    tables: Sequence[Table], party: str, tier: str, rules: Sequence[Rule]
) -> Callable[[bytes], Mapped]:
    """Rows of contacts and accounts to customers; the columns of party, tier and numbers differ by organisation."""
    ids = {table.name: table.id for table in tables}
    numbers = {table.name: table.number for table in tables}

    def to_customer(row: bytes) -> Mapped:
        found = opened(row)
        key = _key(found, ids)
        gone = gone_from(found, key)
        if gone:
            return Mapped(gone)
        record, faults = _customer(found.values, key, numbers[found.table], party, tier)
        rule = _broken(rules, found.values)
        return Mapped(Excluded(key, rule, record) if rule else record, faults)

    return to_customer


def gone_from(found: Covered, key: str) -> Gone | None:
    """Merged, archived (inactive and not merged) or deleted (contract 3.5); None for a live row."""
    if found.gone:
        return Gone(key, "deleted")
    row = found.values
    if row.get("merged") is True:
        return Gone(key, "merged", guid(found.into or text(row, "_masterid_value")))
    return Gone(key, "archived") if text(row, "statecode") == INACTIVE else None


def _customer(
    row: Mapping[str, Any], key: str, number: str, party: str, tier: str
) -> tuple[Customer, tuple[Fault, ...]]:
    faults: list[Fault] = []
    country = or_fault(faults, "country", fields.country, text(row, "address1_country"))
    phone = text(row, "mobilephone") or text(row, "telephone1")
    record = Customer(
        key=key,
        account=text(row, number),
        party=text(row, party),
        email=or_fault(faults, "email", fields.email, text(row, "emailaddress1")),
        first_name=text(row, "firstname"),
        last_name=text(row, "lastname"),
        organisation=text(row, "name"),
        phone=or_fault(faults, "phone", fields.phone, phone, country),
        street=", ".join(filter(None, (_line(row, "address1_line1"), _line(row, "address1_line2")))),
        city=text(row, "address1_city"),
        postcode=text(row, "address1_postalcode"),
        country=country,
        birth_date=or_fault(faults, "birth_date", fields.day, text(row, "birthdate"), "birth_date") or None,
        loyalty_tier=text(row, tier),
        unreadable=(*_lacking(row, tier), *(fault.field for fault in faults)),
    )
    return record, tuple(faults)


COLUMNS = {
    "first_name": ("firstname",),
    "last_name": ("lastname",),
    "phone": ("mobilephone", "telephone1"),
    "street": ("address1_line1", "address1_line2"),
    "city": ("address1_city",),
    "postcode": ("address1_postalcode",),
    "country": ("address1_country",),
    "birth_date": ("birthdate",),
}


def _lacking(row: Mapping[str, Any], tier: str) -> list[str]:
    """Fields without a column in this row: an account has no first name, and no table of ours a language. What a
    system does not keep blanks nothing in the target."""
    columns = {**COLUMNS, "language": (), "loyalty_tier": (tier,)}
    return [name for name, sources in columns.items() if not any(column in row for column in sources)]


def _line(row: Mapping[str, Any], column: str) -> str:
    return " ".join(text(row, column).split())


def _broken(rules: Sequence[Rule], row: Mapping[str, Any]) -> str:
    return next((rule.name for rule in rules if rule.matches.match(text(row, rule.column).lower())), "")


def consent_mapping(tables: Sequence[Table], flags: Flags) -> Callable[[bytes], Mapped]:
    """Flags of a contact (or account) to its consent on one channel. Their moment is the row's: an upper bound."""
    ids = {table.name: table.id for table in tables}
    numbers = {table.name: table.number for table in tables}

    def to_consent(row: bytes) -> Mapped:
        found = opened(row)
        key = _key(found, ids)
        gone = gone_from(found, key)
        if gone:
            return Mapped(gone)
        values = found.values
        faults: list[Fault] = []
        at = _moment(faults, text(values, "modifiedon"))
        record = Consent(
            key=key,
            customer=key,
            account=text(values, numbers[found.table]),
            channel=flags.channel,
            given=flags.given(values),
            at=at,
            at_latest=at is not None,
            source="dataverse",
            email=or_fault(faults, "email", fields.email, text(values, "emailaddress1")),
            version=found.etag,
        )
        return Mapped(record, tuple(faults))

    return to_consent


def point_key(row: bytes) -> str:
    """The consent's id; `id|contact` for the second and further contacts that have its address."""
    found = opened(row)
    if found.gone:
        return fields.required(guid(found.gone), "id")
    column = CONSENT_POINTS.removesuffix("s") + "id"
    key = fields.required(guid(text(found.values, column)), column)
    return f"{key}|{found.customer}" if found.nth else key


def point_mapping(channel: str) -> Callable[[bytes], Mapped]:
    """Contact point consent (contract 3.6) of the contacts that have the address; no contact: excluded."""

    def to_consent(row: bytes) -> Mapped:
        found = opened(row)
        key = point_key(row)
        if found.gone or text(found.values, "statecode") == INACTIVE:
            return Mapped(Gone(key, "deleted" if found.gone else "archived"))
        values = found.values
        faults: list[Fault] = []
        at = _moment(faults, text(values, "modifiedon"))
        value = text(values, "msdynmkt_value")
        record = Consent(
            key=key,
            customer=found.customer,
            account=found.account,
            channel=channel,
            given={str(OPTED_IN): "yes", str(OPTED_OUT): "no"}.get(value, ""),
            at=at,
            at_latest=at is not None,
            source="dataverse",
            email=or_fault(faults, "email", fields.email, text(values, "msdynmkt_contactpointvalue")),
            version=found.etag,
        )
        return Mapped(record if found.customer else Excluded(key, "no_contact", record), tuple(faults))

    return to_consent


def _moment(faults: list[Fault], value: str) -> datetime | None:
    try:
        return fields.moment(value, "modifiedon").astimezone(UTC) if value else None
    except (RecordError, OverflowError) as error:
        faults.append(Fault("invalid_date", "at", str(error)[:200], value[:40]))
        return None
