"""Which contacts changed, when and where from: what `getchanges` and `getregistrations` export (contract 3.11)."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from connectors.emulators.emarsys.contacts import Contact
from connectors.emulators.store import Collection

API, FORM, IMPORT = "api", "form", "import"
NO_SOURCE = "0"
CONSENT_FIELDS = ("3", "31")

Change = dict[str, Any]


class Changes:
    """One record for each write: `{"at", "origin", "source", "created": ids, "changed": ids, "consent": ids}`.

    `consent` are those among both whose e-mail or opt-in differs from before. A write that changes nothing
    is no change.
    """

    def __init__(self, records: Collection) -> None:
        self.records = records

    def note(
        self,
        now: datetime,
        origin: str,
        *,
        source: str = NO_SOURCE,
        created: Iterable[str] = (),
        changed: Iterable[str] = (),
        consent: Iterable[str] = (),
    ) -> None:
        record = {"at": now.isoformat(), "origin": origin, "source": source}
        ids = {"created": list(created), "changed": list(changed), "consent": list(consent)}
        if ids["created"] or ids["changed"]:
            number = str(len(self.records) + 1)
            self.records.put(number, {"id": number, **record, **ids})

    def between(self, start: datetime, end: datetime) -> Iterator[Change]:
        """Those from `start` on and before `end`, oldest first."""
        for record in self.records.values():
            if start <= datetime.fromisoformat(record["at"]) < end:
                yield record


class Written:
    """The rows of one request, gathered by their source until they are stored."""

    def __init__(self) -> None:
        self._by_source: dict[str, dict[str, dict[str, None]]] = {}

    def add(self, contact_id: str, before: Contact | None, after: Contact, source: str) -> None:
        if before == after:
            return
        kinds = self._by_source.get(source)
        if kinds is None:
            kinds = self._by_source[source] = {"created": {}, "changed": {}, "consent": {}}
        kinds["changed" if before is not None else "created"][contact_id] = None
        if before is None or before.get("3") != after.get("3") or before.get("31") != after.get("31"):
            kinds["consent"][contact_id] = None

    def note(self, changes: Changes, now: datetime, origin: str = API) -> None:
        for source, kinds in self._by_source.items():
            changes.note(now, origin, source=source, **kinds)
