"""The types of a site file's fields: text → value. Pure; raises ValueError with the rule that is broken."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,8})?\Z")


def given(text: str | None) -> str:
    """Missing, empty and `?` all mean "not given" (contract 4.2)."""
    stripped = (text or "").strip()
    return "" if stripped == "?" else stripped


def folded(text: str) -> str:
    """How codes are compared: trimmed, without case, spaces as hyphens (contract 7.4)."""
    return re.sub(r"[\s-]+", "-", text.strip().casefold())


def decimal(point: str, thousands: str) -> Callable[[str], Decimal]:
    """A sign may stand behind the number, as reports of this family print it."""

    def read(text: str) -> Decimal:
        plain = text.replace(thousands, "") if thousands else text
        plain = plain.replace(point, ".") if point != "." else plain
        if plain.endswith("-"):
            plain = f"-{plain[:-1]}"
        if not _NUMBER.match(plain):
            raise ValueError("not a decimal number")
        try:
            return Decimal(plain)
        except InvalidOperation as error:
            raise ValueError("not a decimal number") from error

    return read


def day(form: str) -> Callable[[str], date]:
    def read(text: str) -> date:
        try:
            return datetime.strptime(text, form).date()  # a day has no zone
        except ValueError as error:
            raise ValueError(f"not a date in the form {form}") from error

    return read


def yes_no(yes: frozenset[str], no: frozenset[str]) -> Callable[[str], bool]:
    """`yes` and `no` hold the words in lower case; any other word is unreadable, never a no."""

    def read(text: str) -> bool:
        word = text.casefold()
        if word not in yes and word not in no:
            raise ValueError("neither a word for yes nor for no")
        return word in yes

    return read


@dataclass(frozen=True, slots=True)
class Clock:
    """The site's clock: local date-times of one zone ↔ aware moments in UTC."""

    zone: ZoneInfo
    form: str
    short: str = ""
    """The form of a date alone; where a date-time has no time of day it is midnight."""

    def read(self, text: str) -> datetime:
        """The earlier reading where the local time is ambiguous or never was: re-reading is harmless, skipping
        is not (contract 7.1)."""
        local = self._parsed(text)
        try:
            return min(local.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        except OverflowError as error:
            raise ValueError("a year that no calendar has") from error

    def show(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime(self.form)

    def write(self, moment: datetime) -> str:
        """Local text that no reader can take for a later moment: in the repeated hour of autumn, the second
        before it began."""
        local = moment.astimezone(self.zone)
        if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
            start = local.replace(minute=0, second=0, microsecond=0, fold=0)
            while start.replace(fold=0).utcoffset() != start.replace(fold=1).utcoffset():
                start -= timedelta(minutes=15)
            local = start.replace(fold=0) + timedelta(minutes=14, seconds=59)
        return local.strftime(self.form)

    def _parsed(self, text: str) -> datetime:
        for form in (self.form, self.short):
            try:
                return datetime.strptime(text, form)
            except ValueError:
                continue
        raise ValueError(f"not a date and time in the form {self.form}")
