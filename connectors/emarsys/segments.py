"""Segments: which there are, their criteria, size and members. They are read here, not evaluated."""

import time
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from connectors.base import Segment
from connectors.emarsys import replies
from connectors.errors import BatchRefusedError, UnavailableError, UnexpectedReplyError
from connectors.http import Http, Reply

MEMBERS_A_CALL = 10_000
EVALUATING = 202


class Size(NamedTuple):
    contacts: int
    opted_in: int


class Run(NamedTuple):
    """A finished run. Its contacts can be paged through `contact_list` for twelve hours at least."""

    id: str
    contact_list: str
    size: Size
    seconds: float


class Segments:
    """`patience` is how many seconds an evaluation is waited for."""

    def __init__(self, http: Http, patience: float = 60.0) -> None:
        self._http, self._patience = http, patience
        self._running = Lock()

    def all(self) -> list[Segment]:
        listed = replies.data(self._http, "GET", "filter")
        with replies.understood(self._http.system, "GET filter"):
            return [self._segment(entry) for entry in listed or []]

    def count(self, segment: str) -> int:
        found = replies.accepted(self._evaluated("GET", f"filter/{segment}/contacts/count"))
        with replies.understood(self._http.system, "GET filter/contacts/count"):
            return int(found)

    def size(self, segment: str) -> Size:
        """A run's counts: the only source of how many are opted in."""
        return self.run(segment).size

    def run(self, segment: str, renew: bool = False) -> Run:
        """Evaluates the segment and waits for it; one at a time, or 10003 is the answer (contract 5).

        `renew` asks for a fresh run where an earlier result would do. Raises UnavailableError where another
        segment of this API user is being run, or where this one takes longer than we wait.
        """
        path = f"filter/{segment}/runs" + ("?renew=true" if renew else "")
        with self._running, replies.understood(self._http.system, "POST filter/runs"):
            number = str(replies.data(self._http, "POST", path)["run_id"])
            result = self._run(number)
            size = Size(int(result.get("user_count") or 0), int(result.get("opt_in_count") or 0))
            return Run(number, str(result.get("contact_list_id") or ""), size, float(result.get("duration") or 0))

    def members(self, segment: str) -> Iterator[Sequence[str]]:
        """The contact ids of a segment, page by page, waiting while it is being evaluated."""
        offset = 0
        while True:
            path = f"filter/{segment}/contacts?limit={MEMBERS_A_CALL}&offset={offset}"
            found = replies.accepted(self._evaluated("GET", path))
            with replies.understood(self._http.system, "GET filter/contacts"):
                ids = [str(one["id"] if isinstance(one, dict) else one) for one in found or []]
            if ids:
                yield ids
            if len(ids) < MEMBERS_A_CALL:
                return
            offset += len(ids)

    def _segment(self, entry: Mapping[str, Any]) -> Segment:
        kinds = entry.get("criteriaTypes") or []
        readable = all(kind == "contact" for kind in kinds)
        criteria = self._criteria(str(entry["id"])) if readable else None
        return Segment(str(entry["id"]), str(entry.get("name", "")), str(entry.get("type") or "standard"), criteria)

    def _criteria(self, segment: str) -> Mapping[str, object] | None:
        """The tree as Emarsys keeps it; None where it cannot be read."""
        try:
            found = replies.data(self._http, "GET", f"filter/{segment}/contact_criteria")
        except (BatchRefusedError, UnexpectedReplyError):
            return None
        if not isinstance(found, dict):
            return None
        tree = found.get("contactCriteria", found)
        return tree if isinstance(tree, dict) and tree else None

    def _run(self, run: str) -> Mapping[str, Any]:
        wait, ends = 0.5, time.monotonic() + self._patience
        while True:
            found = replies.data(self._http, "GET", f"filter/runs/{run}")
            if found.get("status") == "done":
                return found.get("result") or {}
            if found.get("status") == "error":
                raise UnexpectedReplyError(f"{self._http.system} could not evaluate the segment (run {run}).",
                                           system=self._http.system, request=f"GET filter/runs/{run}")  # fmt: skip
            wait = self._pause(wait, ends)

    def _evaluated(self, method: str, path: str) -> Reply:
        """202 is no success: the segment is still being evaluated (contract 5)."""
        wait, ends = 0.5, time.monotonic() + self._patience
        while (reply := replies.call(self._http, method, path, None)).status == EVALUATING:
            wait = self._pause(wait, ends)
        return reply

    def _pause(self, wait: float, ends: float) -> float:
        if time.monotonic() + wait > ends:
            raise UnavailableError(
                f"{self._http.system} has not evaluated the segment within {self._patience:.0f} s.",
                system=self._http.system,
                retry_after=300.0,
            )
        time.sleep(wait)
        return min(wait * 2, 10.0)
