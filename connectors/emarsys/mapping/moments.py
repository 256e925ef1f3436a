"""Moments as Emarsys wants and shows them. Pure."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from connectors.errors import RecordError

VIENNA = ZoneInfo("Europe/Vienna")
"""An export's `created` is local time there, without a zone (contract 3.11)."""


def zulu(moment: datetime, field: str) -> str:
    """Whole seconds in UTC with a Z: the only form every interface takes (contract 4.2, 6.1)."""
    if moment.tzinfo is None:
        raise RecordError("invalid_date", field, "A moment without a time zone.", str(moment))
    try:
        return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"
    except OverflowError as error:
        raise RecordError("invalid_date", field, "A moment outside the calendar.", str(moment)) from error


def from_vienna(text: str) -> datetime:
    """`2026-01-15 11:08:56` → UTC; in the hour that occurs twice the later moment. Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=VIENNA, fold=1).astimezone(UTC)


def day_in(zone: ZoneInfo, moment: datetime) -> date:
    return moment.astimezone(zone).date()
