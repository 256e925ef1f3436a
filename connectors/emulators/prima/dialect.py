"""The words of one site: what the contract's request types, elements, attributes and values are called there.

A dialect is a YAML or JSON file, or an object given to the control API; it says only what differs from the
contract. `elements` and `attributes` may be paths of names (`Accounts/Account`, `Name/First`): what stands
before the last step is an element around it.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connectors.emulators.prima.vocabulary import DATE, LOGICAL, MOMENT, Part

_SHIPPED = Path(__file__).parent / "dialects"
STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tables` give the site's word for a stored one, by attribute name."""

    name: str = "assumed"
    root: str = "Response"
    zone: str = "Europe/London"
    date: str = "%d/%m/%Y"
    moment: str = "%d/%m/%Y %H:%M:%S"
    yes: str = "Yes"
    no: str = "No"
    credit_sign: str = "positive"
    price_basis: str = "unit"
    requests: dict[str, str] = {}
    elements: dict[str, str] = {}
    attributes: dict[str, dict[str, str]] = {}
    tables: dict[str, dict[str, str]] = {}

    def element(self, part: Part) -> str:
        return self.elements.get(part.element, part.element)

    def attribute(self, part: Part, name: str) -> str:
        return self.attributes.get(part.element, {}).get(name, name)

    def request_called(self, name: str) -> str:
        """The contract's name of a request type; "" when the site has no such type."""
        theirs = {self.requests.get(known, known): known for known in _KNOWN}
        return theirs.get(name, "")

    def write(self, name: str, kind: str, value: str) -> str:
        """A stored value in the site's own form; what does not fit its kind is written as it is."""
        if kind == MOMENT:
            return local(value, self.zone, self.moment)
        if kind == DATE:
            return _day(value, self.date)
        if kind == LOGICAL:
            return {"Yes": self.yes, "No": self.no}.get(value, value)
        return self.tables[name].get(value, value) if name in self.tables else value

    def read(self, name: str, kind: str, text: str) -> str:
        """A value as it came in, in stored form. ValueError when a moment or date cannot be read."""
        text = text.strip()
        if text in ("", "?"):
            return ""
        if kind == MOMENT:
            return _utc(text, self.zone, self.moment)
        if kind == DATE:
            return datetime.strptime(text, self.date).date().isoformat()
        if kind == LOGICAL:
            return {self.yes.lower(): "Yes", self.no.lower(): "No"}.get(text.lower(), text)
        ours = {theirs: word for word, theirs in self.tables.get(name, {}).items()}
        return ours.get(text, text)


_KNOWN = (
    "CustomerChanges", "CustomerUpdate", "OrderChanges", "CreditChanges", "DespatchChanges", "StockStatus",
    "OrderStatus", "ProductAvailableToSell", "MultiAvailableToSell", "NewOrder", "MultiNewOrder",
)  # fmt: skip


def dialect_of(description: Mapping[str, Any]) -> Dialect:
    """ValueError when the description has a key or a shape no dialect has."""
    try:
        found = msgspec.convert(description, Dialect)
    except msgspec.ValidationError as error:
        raise ValueError(f"the dialect cannot be used: {error}") from None
    unknown = sorted(set(found.requests) - set(_KNOWN))
    if unknown:
        raise ValueError(f"the dialect renames request types that do not exist: {', '.join(unknown)}")
    try:
        ZoneInfo(found.zone)
    except (KeyError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"the dialect's zone {found.zone!r} is not a time zone") from None
    return found


@lru_cache(maxsize=32)
def named(name: str) -> Dialect:
    """A dialect that comes with the emulator, or the one in a YAML or JSON file. ValueError when there is none."""
    import yaml  # only where a file is to be read

    path = _SHIPPED / f"{name}.yaml" if "/" not in name and "." not in name else Path(name)
    if not path.is_file():
        shipped = ", ".join(sorted(found.stem for found in _SHIPPED.glob("*.yaml")))
        raise ValueError(f"no dialect {name!r}: there are {shipped}, or give the path of a file")
    # All values are words: the usual loaders would read `No` as false.
    words = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but text
    return dialect_of(words or {})


@lru_cache(maxsize=65_536)
def local(stamp: str, zone: str, form: str) -> str:
    """The repeated hour of autumn comes out twice the same: a local time cannot tell its two readings apart (7.1)."""
    try:
        moment = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    except ValueError:
        return stamp
    return moment.astimezone(ZoneInfo(zone)).strftime(form)


@lru_cache(maxsize=4_096)
def _day(text: str, form: str) -> str:
    try:
        return date.fromisoformat(text).strftime(form)
    except ValueError:
        return text


def _utc(text: str, zone: str, form: str) -> str:
    """The earlier reading where there are two (7.1)."""
    return datetime.strptime(text, form).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).strftime(STAMP)


def described(dialect: Dialect) -> dict[str, Any]:
    return msgspec.to_builtins(dialect)
