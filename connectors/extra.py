"""A site's own fields: a column of the source, how its value is read, and the field of the target it goes to.

Values travel as text in one canonical form (a day is `2026-11-22`, yes is `yes`, an amount `12.50`), so that both
sides can be compared whatever each of them writes. Pure.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol, runtime_checkable

import msgspec

from connectors import fields
from connectors.base import Excluded, Fault, Gone, Mapped, Row, Stream
from connectors.errors import ConfigurationError, RecordError

ERP, MARKETING = "erp", "marketing"
OWNERS = (ERP, MARKETING)


class ExtraField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of a field mapping.

    `source` is the column (a path in XML), `target` the target's id of the field, `name` how both sides call it on
    screens. What marketing owns is read and compared, never written. `table` translates codes, `region` is the
    country (ISO alpha-2) in which phone numbers are dialled, `tolerance` how far two numbers may be apart.
    """

    source: str
    target: str
    name: str
    reader: str = "text"
    owner: str = ERP
    rule: str = "exact"
    tolerance: str = "0"
    personal: bool = True
    table: Mapping[str, str] = {}
    region: str = ""


class TargetField(NamedTuple):
    """A field that the target has. `kind` is text, number, date or choice, or empty for one we cannot write.

    `standard` names the canonical field where the standard mapping (or another flow) writes it already.
    """

    id: str
    name: str
    kind: str
    standard: str = ""
    size: int = 0


class SourceColumn(NamedTuple):
    """A column that the source can be asked for. `kind` is its type in the source's own words, if it tells."""

    name: str
    kind: str = ""


ReadColumns = Callable[[Row], Mapping[str, object]]
"""The extra columns of a row as their system holds them; a column that the row lacks is absent."""


@runtime_checkable
class OffersColumns(Protocol):
    """A source whose streams can carry columns of the site's own."""

    @property
    def extendable_streams(self) -> Sequence[str]: ...

    @property
    def tells_all_columns(self) -> bool:
        """Whether what `columns` does not name does not exist; else it names what was seen."""
        ...

    def columns(self, stream: str) -> Sequence[SourceColumn]:
        """What can be asked for; empty where the system does not tell. Raises ConnectorError."""
        ...

    def standard(self, stream: str) -> Mapping[str, str]:
        """Canonical field → the column or columns the standard mapping reads it from, in words."""
        ...

    def extend(self, stream: str, columns: Mapping[str, str]) -> ReadColumns:
        """From now on the stream's rows carry these columns (name → reader). Called before anything is read."""
        ...


@runtime_checkable
class TakesFields(Protocol):
    """A sink that can be given fields of the site's own."""

    @property
    def extendable_inlets(self) -> Sequence[str]: ...

    def offered(self, inlet: str) -> Sequence[TargetField]:
        """Every field of the target, those of the standard mapping included. Raises ConnectorError."""
        ...

    def choices(self, inlet: str, target: str) -> Sequence[str]:
        """What a field of the kind choice can hold, as people read it."""
        ...

    def take(self, inlet: str, extra: Sequence[ExtraField]) -> None:
        """From now on this inlet writes and shows these fields. Called before the inlet is used."""
        ...


class Reader(NamedTuple):
    """How a value is read: its words for people, the kinds of target field it fits, and the usual comparison."""

    label: str
    fits: frozenset[str]
    rule: str
    read: Callable[[object, ExtraField], str]


# ------------------------------------------------------------------------------------------------------ readers


def _whole(value: object, extra: ExtraField) -> str:
    number = _decimal_of(value, extra)
    if number is None:
        return ""
    if number != number.to_integral_value():
        raise RecordError("unreadable_value", extra.name, "Not a whole number.", fields.text(value)[:60])
    return f"{number.to_integral_value():f}"


def _decimal(value: object, extra: ExtraField) -> str:
    number = _decimal_of(value, extra)
    if number is None:
        return ""
    shown = f"{number:f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown


def _money(value: object, extra: ExtraField) -> str:
    number = _decimal_of(value, extra)
    return "" if number is None else f"{number.quantize(Decimal('0.01')):f}"


def _decimal_of(value: object, extra: ExtraField) -> Decimal | None:
    return None if fields.text(value) == "" else fields.money(value, extra.name)


def _date(value: object, extra: ExtraField) -> str:
    found = fields.day(value, extra.name)
    return found.isoformat() if found else ""


def _moment(value: object, extra: ExtraField) -> str:
    text = fields.text(value)
    if not text:
        return ""
    try:
        found = fields.moment(text, extra.name).astimezone(UTC)
    except OverflowError as error:
        raise RecordError("invalid_date", extra.name, "A year that no calendar has.", text[:40]) from error
    return "" if found.year <= 1900 else f"{found:%Y-%m-%dT%H:%M:%SZ}"


_WORDS = {
    **dict.fromkeys(("yes", "y", "true", "1", "on"), "yes"),
    **dict.fromkeys(("no", "n", "false", "0", "off"), "no"),
}


def _yes_no(value: object, extra: ExtraField) -> str:
    text = fields.text(value)
    if not text:
        return ""
    found = _WORDS.get(text.lower())
    if not found:
        raise RecordError("unreadable_value", extra.name, "Neither a word for yes nor for no.", text[:60])
    return found


def _choice(value: object, extra: ExtraField) -> str:
    text = fields.text(value)
    if not text:
        return ""
    for code, meaning in extra.table.items():
        if code.strip().casefold() == text.casefold():
            return meaning.strip()
    raise RecordError("unreadable_value", extra.name, "The field mapping's table has no such code.", text[:60])


def _list(value: object, extra: ExtraField) -> str:
    parts = {part.strip() for part in re.split("[;,|]", fields.text(value))}
    return "; ".join(sorted(part for part in parts if part))


_ANY = frozenset({"text"})
READERS: Mapping[str, Reader] = {
    "text": Reader("Text", _ANY | {"choice"}, "exact", lambda value, extra: fields.text(value)),
    "whole": Reader("Whole number", _ANY | {"number"}, "number", _whole),
    "decimal": Reader("Decimal number", _ANY | {"number"}, "number", _decimal),
    "money": Reader("Money (two decimals)", _ANY | {"number"}, "number", _money),
    "date": Reader("Date", _ANY | {"date"}, "date", _date),
    "moment": Reader("Date and time", _ANY, "exact", _moment),
    "yes_no": Reader("Yes or no", _ANY | {"choice"}, "ignore_case", _yes_no),
    "choice": Reader("Code, by a table", _ANY | {"choice"}, "ignore_case", _choice),
    "country": Reader("Country (ISO code)", _ANY, "exact", lambda value, extra: fields.country(value, extra.name)),
    "phone": Reader("Phone number", _ANY, "exact", lambda value, extra: fields.phone(value, extra.region, extra.name)),
    "email": Reader("E-mail address", _ANY, "ignore_case", lambda value, extra: fields.email(value, extra.name)),
    "list": Reader("List (separated by ; , or |)", _ANY, "set", _list),
}
PERSONAL_READERS = frozenset({"phone", "email"})
"""What these read is always about a person."""


def read(extra: ExtraField, value: object) -> str:
    """The canonical text of a source's value, empty where it holds nothing. Raises RecordError only."""
    if isinstance(value, list | dict):
        raise RecordError("unreadable_value", extra.name, "A structure, where one value was expected.")
    return READERS[extra.reader].read(value, extra)


# ---------------------------------------------------------------------------------------------------- comparing


def _number(value: str) -> Decimal | None:
    try:
        found = Decimal(value.strip() or "x")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _same_number(one: str, other: str, extra: ExtraField) -> bool:
    left, right = _number(one), _number(other)
    if left is None or right is None:
        return one.strip() == other.strip()
    return abs(left - right) <= (_number(extra.tolerance) or Decimal(0))


def _same_day(one: str, other: str, extra: ExtraField) -> bool:
    return _day(one) == _day(other)


def _day(value: str) -> date | datetime | str:
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        return value.strip()


class Rule(NamedTuple):
    label: str
    same: Callable[[str, str, ExtraField], bool]


RULES: Mapping[str, Rule] = {
    "exact": Rule("Exactly the same", lambda one, other, extra: _plain(one) == _plain(other)),
    "ignore_case": Rule(
        "Same, whatever the case", lambda one, other, extra: _plain(one).casefold() == _plain(other).casefold()
    ),
    "number": Rule("Number, within a tolerance", _same_number),
    "date": Rule("Same day, whatever the time", _same_day),
    "set": Rule(
        "Same set, in any order", lambda one, other, extra: _list(_plain(one), extra) == _list(_plain(other), extra)
    ),
}


def _plain(value: str) -> str:
    """One letter may be written in several ways (é, or e with an accent behind it): they are the same."""
    return " ".join(unicodedata.normalize("NFC", value).split())


def same(extra: ExtraField, erp: str, target: str) -> bool:
    """Whether two canonical values count as equal by the field's rule."""
    return erp == target or RULES[extra.rule].same(erp, target, extra)


# -------------------------------------------------------------------------------------------------- the mapping


def extended(stream: Stream, extra: Sequence[ExtraField], columns: ReadColumns) -> Stream:
    """The stream with the values of these fields in `record.extra`. One that cannot be read is left out of what is
    sent, with a fault; one whose column the row lacks is left out."""

    def to_record(row: Row) -> Mapped:
        mapped = stream.map(row)
        if isinstance(mapped.record, Gone | Excluded):
            return mapped
        values, faults = values_of(extra, columns(row))
        record = msgspec.structs.replace(mapped.record, extra=tuple(values.items()))
        return Mapped(record, (*mapped.faults, *faults))

    return replace(stream, map=to_record)


def values_of(extra: Sequence[ExtraField], found: Mapping[str, object]) -> tuple[dict[str, str], list[Fault]]:
    """Canonical values by the fields' names, and what could not be read."""
    values: dict[str, str] = {}
    faults: list[Fault] = []
    for one in extra:
        if one.source in found:
            try:
                values[one.name] = read(one, found[one.source])
            except RecordError as error:
                faults.append(Fault(error.kind, one.name, error.message, error.value))
    return values, faults


def check_extendable(system: str, stream: str, extendable: Collection[str]) -> None:
    """Raises ConfigurationError for a stream whose rows carry no columns but the connector's."""
    if stream not in extendable:
        raise ConfigurationError(
            f"{system}: {stream} carries no columns of the site's own.",
            system=system,
            remedy="Take them out of the flow's field mapping.",
        )


def json_columns(members: Mapping[str, str]) -> ReadColumns:
    """Reads columns from a row that is a JSON object: column → the member it stands under. Numbers stay exact."""
    names = list(members)
    slots = [(f"c{number}", Any, msgspec.field(name=members[name], default=msgspec.UNSET))
             for number, name in enumerate(names)]  # fmt: skip
    decode = msgspec.json.Decoder(msgspec.defstruct("ExtraColumns", slots), float_hook=Decimal).decode

    def read_columns(row: Row) -> Mapping[str, object]:
        try:
            found = msgspec.structs.astuple(decode(row))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            shown = row[:200].decode("utf-8", "replace")
            raise RecordError("malformed_row", "row", f"Not a JSON object: {error}"[:200], shown) from error
        return {name: value for name, value in zip(names, found, strict=True) if value is not msgspec.UNSET}

    return read_columns


_PATH = re.compile(r"(?:[A-Za-z_][\w-]{0,127}/){0,8}@?[A-Za-z_][\w-]{0,127}\Z", re.ASCII)


def is_path(name: str) -> bool:
    """Whether it can be nothing but a column's name or a path: anything else could add to a request."""
    return bool(_PATH.match(name))
