"""Segment runs: an evaluation whose result is a contact list (contract 5).

A run waits for some polls (switch `run_polls`), at most two seconds; meanwhile no other segment can be run.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.replies import ApiError, reply
from connectors.emulators.system import Response

_LONGEST = timedelta(seconds=2)
_RUN_LIST = 1
_FIRST_ID = 100_024_015
_KEPT_RUNS = 200


@dataclass
class Run:
    run_id: str
    segment_id: str
    started: datetime
    polls: int = 0
    result: dict[str, Any] = field(default_factory=dict)

    def is_over(self, polls: int, now: datetime) -> bool:
        return bool(self.result) or self.polls > polls or abs(now - self.started) > _LONGEST


class Runs:
    """The runs of all accounts, in memory; their contact lists stay."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Run] = {}
        self._next = _FIRST_ID

    def start(self, call: Call) -> Response:
        """A new run; one still waiting for the same segment is used again, except with `renew=true`."""
        account, segment_id = call.account, call.parts[0]
        if segment_id not in account.segments.records:
            raise ApiError(404, 10002, f"Segment not found: {segment_id}")
        waiting = self._waiting(account)
        if waiting and waiting.segment_id != segment_id:
            raise ApiError(423, 10003, "Another segment is being run.")
        if waiting is None or call.query.get("renew", "").lower() in ("true", "1"):
            waiting = self._new(account, segment_id)
        return reply({"run_id": waiting.run_id, "status": "waiting"})

    def _new(self, account: Account, segment_id: str) -> Run:
        run = Run(str(self._next), segment_id, account.now())
        self._next += 1
        for old in list(self._runs)[: max(0, len(self._runs) - _KEPT_RUNS)]:
            del self._runs[old]
        self._runs[account.name, run.run_id] = run
        return run

    def _waiting(self, account: Account) -> Run | None:
        polls, now = int(account.settings["run_polls"]), account.now()
        mine = (run for (name, _), run in self._runs.items() if name == account.name)
        return next((run for run in mine if not run.is_over(polls, now)), None)

    def state(self, call: Call) -> Response:
        account, run_id = call.account, call.parts[0]
        run = self._runs.get((account.name, run_id))
        if run is None or run.segment_id not in account.segments.records:
            raise ApiError(404, 10008, f"Run not found: {run_id}")
        run.polls += 1
        if not run.is_over(int(account.settings["run_polls"]), account.now()):
            return reply({"run_id": run_id, "status": "waiting"})
        if (account.segments.records.get(run.segment_id) or {}).get("fails"):
            return reply({"run_id": run_id, "status": "error"})
        run.result = run.result or _result(account, run)
        return reply({"run_id": run_id, "status": "done", "result": run.result})

    def start_single(self, call: Call) -> Response:
        """Asks whether one contact is in the segment; any number of these may run."""
        account, contact_id = call.account, call.query.get("contact_id", "")
        if call.parts[0] not in account.segments.records:
            raise ApiError(404, 10002, f"Segment not found: {call.parts[0]}")
        if contact_id not in account.contacts.records:
            raise ApiError(400, 2008, f"No contact found with the external id: id - {contact_id}")
        run_id = f"{call.parts[0]}-{contact_id}"
        return reply({"run_id": run_id, "status": "waiting"})

    def single_state(self, call: Call) -> Response:
        segment_id, _, contact_id = call.parts[0].partition("-")
        if segment_id not in call.account.segments.records or contact_id not in call.account.contacts.records:
            raise ApiError(404, 10008, f"Run not found: {call.parts[0]}")
        is_in = contact_id in call.account.segments.members(segment_id)
        return reply({"run_id": call.parts[0], "status": "done", "result": {"is_in_segment": is_in}})


def _result(account: Account, run: Run) -> dict[str, Any]:
    ids = account.segments.members(run.segment_id)
    records = account.contacts.records
    opted_in = sum((records.get(one) or {}).get("31") == "1" for one in ids)
    list_id = account.lists.create(f"Segment run {run.run_id}", ids, account.now(), kind=_RUN_LIST)
    milliseconds = max(int((account.now() - run.started).total_seconds() * 1000), 1)
    return {
        "contact_list_id": int(list_id),
        "user_count": len(ids),
        "opt_in_count": opted_in,
        "duration": milliseconds,
    }
