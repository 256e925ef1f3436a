"""What the readers of all streams share: their form, keys that may be missing, moments as text."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from connectors.base import Division, Page
from connectors.errors import RecordError


class Reader(Protocol):
    """One stream's part of a Source."""

    def read(self, since: str, resume: str) -> Iterator[Page]: ...
    def fetch(self, keys: Sequence[str]) -> Iterator[Page]: ...
    def keys(self) -> Iterator[Sequence[str]]: ...


@runtime_checkable
class Divided(Protocol):
    """A reader whose whole read can be done in parts."""

    def divide(self, parts: int, least: int) -> Division | None: ...


def key_or_nothing(key: Callable[[bytes], str]) -> Callable[[bytes], str]:
    """The row's key; empty when it has none, which whoever maps the row will say."""

    def found(row: bytes) -> str:
        try:
            return key(row)
        except RecordError:
            return ""

    return found


def moment(text: str) -> datetime | None:
    """A moment or a day as the server writes it, in UTC; None where it is neither."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, ValueError):  # the years 1 and 9999, a time zone away
        return None


def as_text(found: datetime) -> str:
    return f"{found:%Y-%m-%dT%H:%M:%SZ}"
