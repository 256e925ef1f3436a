"""`/email/responses`: who opened, clicked, bounced; asked once a minute, polled, kept for two hours (contract 2.3)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.campaign_calls import campaign_of
from connectors.emulators.emarsys.local_time import moment_of
from connectors.emulators.emarsys.mail import BOUNCE, CLICK, OPEN, SEND
from connectors.emulators.emarsys.replies import ApiError, reply
from connectors.emulators.store import Record
from connectors.emulators.system import Response

_RESULT_KEPT = timedelta(hours=2)


def _those_who(*kinds: str, bounce: str = "") -> Callable[[list[Record]], set[str]]:
    def chosen(events: list[Record]) -> set[str]:
        return {
            one["contact_id"] for one in events if one["type"] in kinds and one.get("bounce", "").startswith(bounce)
        }

    return chosen


def _received_without(*kinds: str) -> Callable[[list[Record]], set[str]]:
    received, did = _those_who(SEND), _those_who(*kinds)
    return lambda events: received(events) - did(events)


_TYPES = {
    "opened": _those_who(OPEN),
    "not_opened": _received_without(OPEN),
    "received": _received_without(BOUNCE),
    "clicked": _those_who(CLICK),
    "not_clicked": _received_without(CLICK),
    "bounced": _those_who(BOUNCE),
    "hard_bounced": _those_who(BOUNCE, bounce="hard"),
    "soft_bounced": _those_who(BOUNCE, bounce="soft"),
    "block_bounced": _those_who(BOUNCE, bounce="block"),
}


class ResponseQueries:
    """`/email/responses`: one query a minute, polled until it is there, kept for two hours; in memory."""

    def __init__(self) -> None:
        self._queries: dict[tuple[str, str], dict[str, Any]] = {}
        self._last: dict[str, datetime] = {}

    def start(self, call: Call) -> Response:
        account, body, now = call.account, call.body, call.account.now()
        interval = timedelta(seconds=int(account.settings["response_interval"]))
        last = self._last.get(account.name)
        if last is not None and timedelta(0) <= now - last < interval:
            raise ApiError(423, 6028, "Cannot run filters that often")
        if body.get("type") not in _TYPES:
            raise ApiError(400, 6026, "No such response type")
        between = _days(body.get("start_date"), body.get("end_date"))
        campaign = str(body.get("campaign_id") or body.get("email_id") or "")
        if campaign:
            campaign_of(account, campaign)
        self._last[account.name] = now
        number = str(len(self._queries) + 20)
        query = {"type": body["type"], "between": between, "campaign": campaign, "at": now, "polls": 0}
        self._queries[account.name, number] = query
        return reply({"id": int(number)})

    def result(self, call: Call) -> Response:
        """An empty result is an array of one empty text, as clients have met it."""
        account = call.account
        query = self._queries.get((account.name, call.parts[0]))
        if query is None or account.now() - query["at"] > _RESULT_KEPT:
            raise ApiError(404, 6029, "There is no job with the provided id")
        query["polls"] += 1
        if query["polls"] <= int(account.settings["response_polls"]):
            return reply("", status=202, code=202, text="The requested data is currently generated")
        start, end = query["between"]
        events = [one for one in account.mail.between(start, end) if query["campaign"] in ("", one["campaign_id"])]
        ids = sorted(_TYPES[query["type"]](events), key=int)
        return reply({"contact_ids": ids or [""]}, records=len(ids))


def _days(start: Any, end: Any) -> tuple[datetime, datetime]:
    """From the first moment of one day to the last of another; open where a date is missing."""
    try:
        first = moment_of(str(start)) if start else datetime.min.replace(tzinfo=UTC)
        last = moment_of(str(end)) if end else datetime.max.replace(tzinfo=UTC)
    except ValueError:
        raise ApiError(400, 6027, "Invalid date format") from None
    return first, last + timedelta(days=1) if end and len(str(end)) == len("2026-01-15") else last
