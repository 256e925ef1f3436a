"""What the emulated Emarsys does by itself when its clock says so: callbacks and the scheduled catalogue pull."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.export_files import lines_of
from connectors.emulators.emarsys.outgoing import fetch, is_allowed, send
from connectors.emulators.store import Record
from connectors.emulators.system import Host


class Chores:
    """Nothing that waits for the network holds the store's lock."""

    def __init__(self, host: Host) -> None:
        self._lock = host.store.lock

    def work(self, accounts: Iterable[Account]) -> bool:
        """Does what is due; whether anything still waits for its time."""
        waiting = [self._of(account) for account in accounts]
        return any(waiting)

    def _of(self, account: Account) -> bool:
        with self._lock:
            account.settle_exports(lines_of)
            due = account.callbacks.due(account.now())
        for record in due:
            status = send(record["url"], record["payload"])
            with self._lock:
                account.callbacks.answered(record["id"], status, account.now())
        if self._is_pull_due(account):
            self.pull(account, str(account.settings["catalogue_url"]))
        with self._lock:
            told = any(one["request"].get("notification_url") for one in account.exports.unfinished())
            return told or bool(account.callbacks.waiting()) or bool(account.settings["catalogue_url"])

    @staticmethod
    def _is_pull_due(account: Account) -> bool:
        url = str(account.settings["catalogue_url"])
        if not url or not is_allowed(url, account.outgoing_hosts):
            return False
        last = account.catalogue.last_pull()
        interval = timedelta(minutes=int(account.settings["catalogue_pull_minutes"]))
        return last is None or account.now() - last >= interval

    def pull(self, account: Account, url: str) -> dict[str, Any]:
        """Fetches a catalogue feed and loads it; what came of it. ValueError for an address that is not allowed."""
        if not is_allowed(url, account.outgoing_hosts):
            raise ValueError(
                "the feed's url must be http(s) on this machine; other hosts are named in the switch outgoing_hosts"
            )
        status, body = fetch(url)
        with self._lock:
            report: Record = account.catalogue.load(status, body, account.now())
        return report
