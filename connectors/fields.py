"""Read one value, or say which field is wrong and why. Pure.

Every function takes the raw value and returns the normalised one; an unreadable value raises RecordError
with the field, the value and the rule it breaks. `or_fault` is for what a record can do without.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import phonenumbers
import pycountry
from email_validator import EmailNotValidError, validate_email

from connectors.base import Fault
from connectors.errors import RecordError

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_E164 = re.compile(r"\+[1-9][0-9]{7,14}\Z")
_PLAIN_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\Z")

_EMPTY_DATE = date(1900, 1, 1)
_TOO_MUCH = Decimal(10) ** 12

COUNTRY_ALIASES = {
    "eire": "IE",
    "rsa": "ZA",
    "usa": "US",
    "uk": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "great britain": "GB",
    "channel islands": "JE",
    "korea": "KR",
    "south korea": "KR",
    "russia": "RU",
    "czech republic": "CZ",
    "turkey": "TR",
    "vietnam": "VN",
    "iran": "IR",
    "syria": "SY",
    "tanzania": "TZ",
    "bolivia": "BO",
    "venezuela": "VE",
    "moldova": "MD",
    "holland": "NL",
    "macau": "MO",
    "ivory coast": "CI",
    "cape verde": "CV",
    "swaziland": "SZ",
    "brunei": "BN",
    "laos": "LA",
    "palestine": "PS",
    "taiwan": "TW",
}
"""Names that ERPs use and ISO 3166-1 does not."""


def or_fault(faults: list[Fault], name: str, read: Callable[..., Any], value: str, *options: str) -> Any:
    """The value as `read` gives it; empty where it is unreadable, with the reason among the record's faults."""
    try:
        return read(value, *options)
    except RecordError as error:
        faults.append(Fault(error.kind, name, error.message, error.value))
        return ""


def text(value: object) -> str:
    """Trimmed, without control characters and lone surrogates (PostgreSQL refuses them)."""
    if value is None:
        return ""
    cleaned = str(value)
    if not cleaned.isascii() or not cleaned.isprintable():
        cleaned = _UNPRINTABLE.sub("", cleaned)
    return cleaned.strip()


def required(value: object, field: str) -> str:
    cleaned = text(value)
    if not cleaned:
        raise RecordError("missing_value", field, f"{field} is empty; the record cannot be identified without it.")
    return cleaned


def email(value: object, field: str = "email") -> str:
    """Lower-cased address, or empty. Validated by syntax (email-validator), never by a look-up."""
    if isinstance(value, str) and _PLAIN_EMAIL.match(value):  # nothing to clean: most are
        return value.lower()
    cleaned = text(value).lower()
    if not cleaned or _PLAIN_EMAIL.match(cleaned):
        return cleaned
    try:
        return validate_email(cleaned, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise RecordError("invalid_email", field, f"Not an e-mail address: {error}", cleaned) from error


def country(value: object, field: str = "country") -> str:
    """ISO 3166-1 alpha-2 from a two- or three-letter code, a name or a known alias."""
    if isinstance(value, str) and _COUNTRIES.get(value):
        return _COUNTRIES[value]
    cleaned = text(value)
    if not cleaned:
        return ""
    found = _country(cleaned)
    if not found:
        raise RecordError("unknown_country", field, "Not a country that ISO 3166-1 or the alias table knows.", cleaned)
    return found


def _country(name: str) -> str:
    if name not in _COUNTRIES:
        if len(_COUNTRIES) > 2_000:
            _COUNTRIES.clear()
        _COUNTRIES[name] = COUNTRY_ALIASES.get(name.lower()) or _iso_country(name)
    return _COUNTRIES[name]


_COUNTRIES: dict[str, str] = {}


def _iso_country(name: str) -> str:
    try:
        match = pycountry.countries.lookup(name)
    except LookupError:
        return ""
    return str(match.alpha_2)


def phone(value: object, region: str = "", field: str = "phone") -> str:
    """E.164, read as dialled in `region` (ISO alpha-2) when it has no country code."""
    if isinstance(value, str) and _E164.match(value):  # already normal: the library costs 100 µs a number
        return value
    cleaned = text(value)
    if not cleaned or _E164.match(cleaned):
        return cleaned
    try:
        number = phonenumbers.parse(cleaned, region or None)
    except phonenumbers.NumberParseException as error:
        raise RecordError("invalid_phone", field, f"Not a phone number: {error}", cleaned) from error
    if not phonenumbers.is_possible_number(number):
        raise RecordError("invalid_phone", field, "Too short or too long for a phone number of its country.", cleaned)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def money(value: object, field: str) -> Decimal:
    """A finite decimal amount; never through float."""
    try:
        amount = value if isinstance(value, Decimal) else Decimal(text(value))
    except InvalidOperation as error:
        raise RecordError("invalid_amount", field, "Not a decimal number.", text(value)[:60]) from error
    if not amount.is_finite() or abs(amount) >= _TOO_MUCH:
        raise RecordError("invalid_amount", field, "Not a finite amount below 10^12.", text(value)[:60])
    return amount


def price_of_one(price: Decimal, pieces: Decimal, field: str) -> Decimal:
    """Of a price for so many pieces (not none), to six places. Raises RecordError where that is no amount."""
    try:
        return round(money(price / pieces, field), 6)
    except ArithmeticError as error:
        raise RecordError(
            "invalid_amount", field, "No price of one piece follows from it.", f"{pieces}"[:60]
        ) from error


def day(value: object, field: str) -> date | None:
    """The date part of an ISO date or date-time, never converted; 1900-01-01 and before mean empty."""
    cleaned = text(value) if not isinstance(value, str) or value[:1] <= " " else value
    if not cleaned:
        return None
    try:
        found = date.fromisoformat(cleaned[:10])
    except ValueError as error:
        raise RecordError("invalid_date", field, "Not a date in the form YYYY-MM-DD.", text(value)[:40]) from error
    return None if found <= _EMPTY_DATE else found


def moment(value: object, field: str) -> datetime:
    """An aware moment from ISO 8601 with a zone."""
    cleaned = text(value)
    try:
        found = datetime.fromisoformat(cleaned)
    except ValueError as error:
        raise RecordError("invalid_date", field, "Not a moment in ISO 8601.", cleaned[:40]) from error
    if found.tzinfo is None:
        raise RecordError("invalid_date", field, "A moment without a time zone.", cleaned[:40])
    return found
