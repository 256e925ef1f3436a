"""Exports of an account: from scheduled to done as time passes, then a file for some days (contract 3.11)."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from connectors.emulators.emarsys.local_time import written
from connectors.emulators.store import Collection, Record

SCHEDULED, IN_PROGRESS, READY, DONE, ERROR = "scheduled", "in progress", "ready", "done", "error"
_FIRST_ID = 2140
_SHOWN = ("id", "created", "status", "type", "file_name", "ftp_host", "ftp_dir")

Lines = list[str]


class Exports:
    """`{"id", "type", "status", "request", "at", "done_at" …}`; the lines of the files stand in a collection apart."""

    def __init__(self, records: Collection, files: Collection) -> None:
        self.records = records
        self.files = files

    def start(self, kind: str, request: Mapping[str, Any], now: datetime, seconds: float) -> Record:
        number = str(max((int(one) for one in self.records), default=_FIRST_ID - 1) + 1)
        ftp = request.get("ftp_settings") or request.get("sftp_settings") or {}
        is_remote = request.get("distribution_method") in ("ftp", "sftp")
        record = {
            "id": number,
            "type": kind,
            "at": now.isoformat(),
            "created": written(now),
            "status": SCHEDULED,
            "file_name": None,
            "ftp_host": ftp.get("host") if is_remote else None,
            "ftp_dir": ftp.get("folder") if is_remote else None,
            "request": {name: value for name, value in request.items() if not name.endswith("ftp_settings")},
            "done_at": (now + timedelta(seconds=seconds)).isoformat(),
        }
        self.records.put(number, record)
        return record

    def running(self, kind: str, request: Mapping[str, Any]) -> Record | None:
        """The same export, not over yet (4001)."""
        asked = {name: value for name, value in request.items() if not name.endswith("ftp_settings")}
        every = (one for one in self.records.values() if one["type"] == kind and one["status"] not in (DONE, ERROR))
        return next((one for one in every if one["request"] == asked), None)

    def unfinished(self) -> list[Record]:
        return [one for one in self.records.values() if one["status"] not in (DONE, ERROR)]

    def settle(self, now: datetime, write: Callable[[Record], Lines]) -> list[Record]:
        """Moves every export up the ladder; those that have just ended. `write` makes the lines of a file."""
        ended = []
        for record in self.unfinished():
            status = _status(record, now)
            if status == record["status"]:
                continue
            changes: dict[str, Any] = {"status": status}
            if status == DONE:
                self.files.put(record["id"], {"lines": write(record)})
                language = record["request"].get("language") or "en"
                changes["file_name"] = f"{record['type']}_{record['id']}_1_{language}-{token_hex(3)}.csv"
            ended += [self.records.patch(record["id"], changes)] if status == DONE else []
            if status != DONE:
                self.records.patch(record["id"], changes)
        return ended


def _status(record: Record, now: datetime) -> str:
    """A third of the time each: scheduled, in progress, ready."""
    begun, ending = datetime.fromisoformat(record["at"]), datetime.fromisoformat(record["done_at"])
    if now >= ending:
        return DONE
    share = (now - begun) / (ending - begun)
    return SCHEDULED if share < 1 / 3 else IN_PROGRESS if share < 2 / 3 else READY


def shown(record: Record) -> dict[str, Any]:
    """The status payload; `notification_url` gets the same."""
    return {name: record[name] for name in _SHOWN}
