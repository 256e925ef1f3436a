"""Times as Emarsys writes them: Vienna local time without a zone (contract 3.11, 12.10)."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

VIENNA = ZoneInfo("Europe/Vienna")


def written(moment: datetime) -> str:
    return moment.astimezone(VIENNA).strftime("%Y-%m-%d %H:%M:%S")


def midnight(day: date) -> datetime:
    """The first moment of a day, in UTC."""
    return datetime.combine(day, time(), VIENNA).astimezone(UTC)


def moment_of(text: str) -> datetime:
    """`YYYY-MM-DD`, with minutes or with seconds, in Vienna; ValueError for anything else."""
    for pattern in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=VIENNA).astimezone(UTC)
        except ValueError:
            continue
    raise ValueError(text)
