"""The site's batch window: no calls in it (contract 8, operating limits). Pure."""

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.errors import ConfigurationError, UnavailableError

_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])\Z")


def check(system: str, window: str, zone: ZoneInfo, now: datetime) -> None:
    """`window` is `HH:MM-HH:MM` of the site's clock, over midnight too; empty means none. Raises UnavailableError
    with the seconds until it ends, ConfigurationError for a window that is none."""
    if not window:
        return
    match = _WINDOW.match(window.strip())
    if not match:
        raise ConfigurationError(
            f"{system}: QUIET_HOURS is {window!r}, and a window is written as 01:00-03:30.",
            system=system,
            remedy="Correct QUIET_HOURS, or leave it empty.",
        )
    first, last = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    local = now.astimezone(zone)
    at = local.time()
    if not (first <= at < last if first <= last else at >= first or at < last):
        return
    ends = datetime.combine(local.date() + timedelta(days=at >= last), last, zone)
    raise UnavailableError(
        f"{system}: no calls in the site's batch window ({window}).",
        system=system,
        retry_after=max((ends - local).total_seconds(), 1.0),
        remedy="It goes on by itself when the window ends.",
    )
