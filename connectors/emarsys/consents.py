"""The stream `consent`: what Emarsys holds in field 31, read as a sweep or as changes (contract 9)."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

from connectors.addresses import public_https
from connectors.base import Page, Row, Settings
from connectors.emarsys import options, replies
from connectors.emarsys.account import Account
from connectors.emarsys.exports import Export, Exports
from connectors.emarsys.mapping import consent
from connectors.emarsys.mapping.moments import day_in
from connectors.emarsys.mapping.schema import EMAIL, OPT_IN
from connectors.errors import ExpiredWatermarkError, UnavailableError, UnexpectedReplyError
from connectors.http import Http

NOBODY = "2008"
QUERY_PAGE = 10_000
KEYS_A_CALL = 1000
PAGE_ROWS = 1000
COLUMNS = 4
"""Of the changes export: the internal id, and the three fields that are asked for."""

PRIVATE_NAMES = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".test")
"""Endings of names that only the network knows in which we run."""


def now() -> datetime:
    return datetime.now(UTC)


class Consents:
    """`account` tells the fields and the time zone; `exports` runs the changes export."""

    def __init__(self, http: Http, account: Account, exports: Exports, notify: str) -> None:
        self._http, self._account, self._exports, self._notify = http, account, exports, notify

    def read(self, since: str, resume: str) -> Iterator[Page]:
        """Without a watermark everybody, as they are; with one (a day) what changed since, the day before included.

        Changes by data import are in no changes export: the sweep is the truth (contract 3.11, 9).
        """
        return self._changes(_day(since), resume) if since else self._sweep(resume)

    def fetch(self, keys: Sequence[str]) -> Iterator[Page]:
        """These people as they are now: by external id, or `emarsys:<id>` where they have none."""
        numbers = [key.removeprefix("emarsys:") for key in keys if key.startswith("emarsys:")]
        others = [key for key in keys if not key.startswith("emarsys:")]
        for field, values in (("id", numbers), (self._account.numbered.key, others)):
            for start in range(0, len(values), KEYS_A_CALL):
                yield Page(self._rows(field, values[start : start + KEYS_A_CALL]))

    def keys(self) -> Iterator[Sequence[str]]:
        external = self._account.numbered.key
        for _, found in self._query(0):
            yield [str(row.get(external) or f"emarsys:{row['id']}") for row in found]

    # ----------------------------------------------------------------------------------------------- the sweep

    def _sweep(self, resume: str) -> Iterator[Page]:
        """The watermark is the day on which the sweep began: what changes meanwhile is read again as a change."""
        began, offset = _resumed(resume, self._today)
        for start, found in self._query(offset):
            for part in range(0, len(found), KEYS_A_CALL):
                ids = [str(row["id"]) for row in found[part : part + KEYS_A_CALL]]
                yield Page(self._rows("id", ids), json.dumps([began, start + part + len(ids)]))
        yield Page([], watermark=began)

    def _query(self, offset: int) -> Iterator[tuple[int, Sequence[Mapping[str, object]]]]:
        external = self._account.numbered.key
        while True:
            path = f"contact/query/?return={external}&limit={QUERY_PAGE}&offset={offset}"
            data = replies.data(self._http, "GET", path)
            with replies.understood(self._http.system, "GET contact/query"):
                found = [{**row, "id": row["id"]} for row in (data or {}).get("result") or []]
            if found:
                yield offset, found
            if len(found) < QUERY_PAGE:
                return
            offset += len(found)

    def _rows(self, field: str, values: Sequence[str]) -> list[Row]:
        external = self._account.numbered.key
        body = {"keyId": field, "keyValues": list(values), "fields": [external, EMAIL, OPT_IN]}
        data = replies.data(self._http, "POST", "contact/getdata", body, nobody=NOBODY)
        with replies.understood(self._http.system, "POST contact/getdata"):
            found = (data or {}).get("result") or []
            return [consent.row_of(row, external, EMAIL) for row in found]

    # ---------------------------------------------------------------------------------------------- the changes

    def _changes(self, since: date, resume: str) -> Iterator[Page]:
        export, offset = self._export(since, resume)
        at = consent.upper_bound(export.created)
        for rows in self._exports.slices(export.id, COLUMNS, offset):
            for start in range(0, len(rows), PAGE_ROWS):
                part = rows[start : start + PAGE_ROWS]
                offset += len(part)
                yield Page([consent.row_of_export(row, at) for row in part], json.dumps([export.id, at, offset]))
        yield Page([], watermark=day_in(self._account.zone, export.created).isoformat())

    def _export(self, since: date, resume: str) -> tuple[Export, int]:
        """The export that was being read, as long as its file is there; else a new one, from its start."""
        if resume:
            number, at, offset = _export_resumed(resume)
            try:
                next(self._exports.slices(number, COLUMNS, offset), None)
                return Export(number, datetime.fromisoformat(at)), offset
            except (UnavailableError, UnexpectedReplyError):
                pass
        return self._exports.run("contact/getchanges", self._wanted(since)), 0

    def _wanted(self, since: date) -> Mapping[str, object]:
        """Days, and nobody says in which zone (contract 3.11: what exports write is Vienna time). With the day after
        tomorrow all of today is in, wherever the account lies: by tomorrow, its last hour was missing each night."""
        today = date.fromisoformat(self._today())
        body: dict[str, object] = {
            "distribution_method": "local",
            "origin": "all",
            "origin_id": "0",
            "time_range": [(min(since, today) - timedelta(1)).isoformat(), (today + timedelta(2)).isoformat()],
            "contact_fields": [self._account.numbered.key, EMAIL, OPT_IN],
            "delimiter": ",",
            "add_field_names_header": 1,
            "language": "en",
        }
        return {**body, "notification_url": self._notify} if self._notify else body

    def _today(self) -> str:
        return day_in(self._account.zone, now()).isoformat()


def notification_url(settings: Settings) -> str:
    """Where Emarsys tells that an export is done; empty means it is asked for. It must be a public https address."""
    url = settings.text("NOTIFICATION_URL")
    if not url:
        return ""
    # Emarsys resolves the name, not we: what it is in this network says nothing.
    public_https(url, resolve=lambda host: (), system=f"{settings.connection}: NOTIFICATION_URL")
    host = urlsplit(url).hostname or ""
    if ("." not in host and ":" not in host) or host.endswith(PRIVATE_NAMES):
        raise options.wrong(settings, "NOTIFICATION_URL", "names a host that only this network knows.")
    return url


def _day(since: str) -> date:
    try:
        return date.fromisoformat(since)
    except ValueError as error:
        raise ExpiredWatermarkError(f"The watermark {since!r} of consents is no day.") from error


def _resumed(resume: str, today: Callable[[], str]) -> tuple[str, int]:
    if not resume:
        return today(), 0
    with replies.understood("the console", "resume"):
        began, offset = json.loads(resume)
        return str(began), int(offset)


def _export_resumed(resume: str) -> tuple[str, str, int]:
    with replies.understood("the console", "resume"):
        number, at, offset = json.loads(resume)
        return str(number), str(at), int(offset)
