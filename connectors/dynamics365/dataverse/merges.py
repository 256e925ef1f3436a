"""Follows merged rows to the row that survives: A into B into C is A into C (contract 3.5)."""

from collections.abc import Iterable, Mapping

from connectors.dynamics365.dataverse import web_api
from connectors.dynamics365.dataverse.mapping import guid, text
from connectors.dynamics365.dataverse.tables import GUID, Table
from connectors.http import Http

LONGEST_CHAIN = 50
REMEMBERED = 50_000


class Merges:
    """What was learnt of masters in one read: id → its own master, empty where the row survives or is not there."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._master_of: dict[str, str] = {}

    def survivors(self, table: Table, merged: Mapping[str, str]) -> Mapping[str, str]:
        """For each merged row's id (with its direct master) the end of its chain.

        A master that is not there yet, or a ring, ends the chain with what is known: the row will be told again.
        """
        if len(self._master_of) > REMEMBERED:
            self._master_of.clear()
        self._master_of |= merged
        self._learn(table, merged.values())
        return {lost: self._end(lost, master) for lost, master in merged.items()}

    def _learn(self, table: Table, masters: Iterable[str]) -> None:
        wanted = {one for one in masters if one}
        for _ in range(LONGEST_CHAIN):
            unknown = sorted(one for one in wanted if one not in self._master_of and GUID.match(one))
            if not unknown:
                return
            select = (table.id, "merged", "_masterid_value")
            self._master_of |= dict.fromkeys(unknown, "")
            for row in web_api.by_value(self._http, table.name, table.id, unknown, select, True):
                values = web_api.members(row)
                if values.get("merged") is True:
                    self._master_of[guid(text(values, table.id))] = guid(text(values, "_masterid_value"))
            wanted = {self._master_of[one] for one in unknown} - {""}

    def _end(self, lost: str, master: str) -> str:
        passed = {lost}
        while (following := self._master_of.get(master, "")) and following not in passed:
            passed.add(master)
            master = following
        return master
