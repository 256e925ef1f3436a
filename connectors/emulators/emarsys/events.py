"""External events of an account, what hangs on them, and what was triggered (contract 4.1, 4.2)."""

from datetime import datetime, timedelta
from typing import Any

from connectors.emulators.emarsys.local_time import written
from connectors.emulators.store import Collection, Record

_FIRST_ID = 5_000_001
_EXECUTABLE = frozenset({"active", "testing", "paused", "failsafe", "error"})
_SENDING = frozenset({"active", "testing"})
_NO_USE: Record = {"program_ids": [], "email_ids": [], "interactions_program_ids": [], "program_status": "active"}


class Events:
    """`{"id", "name", "created", "program_ids", "program_status", "email_ids", "interactions_program_ids"}`."""

    def __init__(self, records: Collection, triggers: Collection) -> None:
        self.records = records
        self.triggers = triggers
        records.accept = self._accept
        self._known: dict[str, datetime] | None = None

    @staticmethod
    def _accept(event_id: str, record: Record) -> Record:
        if not event_id.isdecimal() or not record.get("name"):
            raise ValueError("an event needs a numeric id and a name")
        return {**_NO_USE, "created": "", **record, "id": event_id}

    def create(self, name: str, now: datetime, *, is_attached: bool) -> Record:
        """A new event; attached, it starts one active program that sends an e-mail."""
        number = max((int(one) for one in self.records), default=_FIRST_ID - 1) + 1
        programs = [str(number + 1_000_000)] if is_attached else []
        record = {**_NO_USE, "id": str(number), "name": name, "created": written(now), "program_ids": programs}
        self.records.put(record["id"], record)
        return record

    def named(self, name: str) -> Record | None:
        return next((one for one in self.records.values() if one["name"] == name), None)

    def has_seen(self, trigger_id: str, now: datetime, hours: int) -> bool:
        """Whether an event with this trigger id was processed in the hours before (contract 14.5)."""
        if self._known is None:
            self._known = {
                one["trigger_id"]: datetime.fromisoformat(one["at"])
                for one in self.triggers.values()
                if one["trigger_id"] and not one["duplicate"]
            }
        seen = self._known.get(trigger_id)
        return seen is not None and now - seen < timedelta(hours=hours)

    def keep(self, record: dict[str, Any], now: datetime) -> Record:
        """Notes one triggered event; `record["duplicate"]` says that it was not processed again."""
        number = str(len(self.triggers) + 1)
        kept = {"id": number, "at": now.isoformat(), **record}
        self.triggers.put(number, kept)
        if record["trigger_id"] and not record["duplicate"] and self._known is not None:
            self._known[record["trigger_id"]] = now
        return kept


def is_in_use(event: Record) -> bool:
    return any(event[name] for name in ("program_ids", "email_ids", "interactions_program_ids"))


def runs_something(event: Record) -> bool:
    """Whether anything executable hangs on the event: a launched e-mail, or a program in an executable state."""
    has_program = bool(event["program_ids"]) and event["program_status"].lower() in _EXECUTABLE
    return has_program or bool(event["email_ids"]) or bool(event["interactions_program_ids"])


def sends_mail(event: Record) -> bool:
    return bool(event["email_ids"]) or (bool(event["program_ids"]) and event["program_status"].lower() in _SENDING)


def connected_to(event: Record, *, is_realtime: bool) -> dict[str, bool] | bool:
    """The `connectedTo` of accounts with Interactions; false when nothing executable is attached."""
    if not runs_something(event):
        return False
    has_program = bool(event["program_ids"]) and event["program_status"].lower() in _EXECUTABLE
    shown = {"email": bool(event["email_ids"]), "acProgram": has_program}
    return {**shown, "interactionsProgram": bool(event["interactions_program_ids"])} if is_realtime else shown
