"""What a contact field accepts, and how it is stored: strings, lists of strings, or nothing (contract 3.3, 3.12)."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from connectors.emulators.emarsys.field_table import MULTI, SINGLE

Value = str | list[str] | None
# Whatever is not longer fits every text field.
ALWAYS_FITS = 60

Check = Callable[[Any], Value]


class RowError(Exception):
    """One contact of a batch is refused: the code and text go under its key value."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def is_text(record: Mapping[str, Any]) -> bool:
    """Whether any text is a value of this field, and is stored as it came."""
    kind = record["application_type"]
    return not record.get("read_only") and kind in ("shorttext", "longtext", "largetext", "email", "url", "fax")


def check_for(record: Mapping[str, Any]) -> Check:
    """The check of one field, by its type and number."""
    number = record["id"]
    kind = record["application_type"]
    if number == "31":
        return _opt_in
    if record.get("read_only"):
        return _never(number)
    if kind == SINGLE:
        return _single(number, record.get("choices", {}))
    if kind == MULTI:
        return _multiple(number, record.get("choices", {}))
    if kind in ("date", "birthdate"):
        return _date(number)
    return _numeric(number) if kind == "numeric" else _text(number, most_characters(record))


def most_characters(record: Mapping[str, Any]) -> int | None:
    """60 for short texts, 255 for long ones, no bound for the rest (contract 3.10)."""
    return {"shorttext": 60, "longtext": 255}.get(record["application_type"])


def _text(number: str, most: int | None) -> Check:
    def check(value: Any) -> Value:
        text = value or None if type(value) is str else _scalar(value, number)
        if most is not None and text is not None and len(text) > most:
            raise RowError(2007, f"The value is longer than {most} characters for field id: {number}")
        return text

    return check


def _scalar(value: Any, number: str) -> str | None:
    """Numbers become text; arrays and objects are no value of a field with one value."""
    if value is None or value == "":
        return None
    if isinstance(value, list | dict):
        raise RowError(2007, f"Scalar expected for field id: {number}")
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _single(number: str, choices: Mapping[str, str]) -> Check:
    """A choice id, never a label; where the contract knows no list of choices any whole number is one."""

    def check(value: Any) -> Value:
        text = value if type(value) is str else _scalar(value, number)
        if not text:
            return None
        if isinstance(value, bool) or (text not in choices if choices else not text.isdecimal()):
            raise RowError(2007, f"Invalid choice id for field id: {number}")
        return text

    return check


def _opt_in(value: Any) -> Value:
    """1 opted in, 2 opted out, null or "" unknown; booleans are not accepted (contract 3.12)."""
    if value is None or value == "":
        return None
    if value in ("1", "2"):
        return str(value)
    if type(value) is int and value in (1, 2):
        return str(value)
    raise RowError(2007, "Invalid choice id for field id: 31")


def _multiple(number: str, choices: Mapping[str, str]) -> Check:
    def check(value: Any) -> Value:
        if value is None or value == "":
            return None
        if not isinstance(value, list) or not value:
            raise RowError(2007, f"Array expected for field id: {number}")
        chosen = [str(one) for one in value]
        if any(one not in choices for one in chosen):
            raise RowError(2007, f"Invalid choice id for field id: {number}")
        return chosen

    return check


def _date(number: str) -> Check:
    def check(value: Any) -> Value:
        if value is None or value == "":
            return None
        if type(value) is str and len(value) == 10 and value[4] == "-" == value[7]:
            try:
                date.fromisoformat(value)
            except ValueError:
                pass
            else:
                return value
        raise RowError(2007, f"Invalid date format for field id: {number}")

    return check


def _numeric(number: str) -> Check:
    """Up to 24 digits; leading zeros are lost."""

    def check(value: Any) -> Value:
        text = _scalar(value, number)
        if text is None:
            return None
        sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
        whole, _, part = digits.partition(".")
        if not (whole + part).isdecimal() or len(whole + part) > 24:
            raise RowError(2007, f"Invalid numeric value for field id: {number}")
        return sign + (whole.lstrip("0") or "0") + (f".{part}" if part else "")

    return check


def _never(number: str) -> Check:
    def check(value: Any) -> Value:
        raise RowError(2007, f"The field cannot be set: {number}")

    return check
