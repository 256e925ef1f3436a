"""Writes consent into contacts (or contact points) that exist: PATCH with If-Match, never a new row (contract 3.6)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from connectors import written
from connectors.base import Answer, Encoded, Observed, Outcome, Result
from connectors.dynamics365.dataverse import contact_points, web_api, writing
from connectors.dynamics365.dataverse.contact_points import ContactPoints
from connectors.dynamics365.dataverse.covering import version
from connectors.dynamics365.dataverse.delta import TrackedTable
from connectors.dynamics365.dataverse.mapping import INACTIVE, guid, text
from connectors.dynamics365.dataverse.merges import LONGEST_CHAIN
from connectors.dynamics365.dataverse.tables import CONSENT_POINTS, GUID, OPTED_IN, OPTED_OUT, Flags
from connectors.dynamics365.dataverse.writing import Wish
from connectors.errors import UnavailableError
from connectors.http import Http, Reply
from connectors.records import Consent

WRITES = 3
"""How often a row that somebody else changes meanwhile is read and decided again."""


@dataclass(frozen=True)
class Found:
    """A row as it is now: where it is, its version and its values."""

    set: str
    id: str
    version: str
    values: Mapping[str, Any]
    account: str = ""

    @property
    def path(self) -> str:
        return f"{self.set}({self.id})"


class Consents:
    """The inlet `consent`. A result's `target_id` is the row that was written (the master of a merged one) and its
    `message` that row's version after the write: the change feed brings just this version back to us."""

    def __init__(
        self, http: Http, people: Sequence[TrackedTable], flags: Flags, points: ContactPoints | None, at_once: int
    ) -> None:
        self._http, self._people, self._flags, self._points = http, people, flags, points
        self._at_once = max(1, at_once)

    # ------------------------------------------------------------------------------------------------ writing

    def send(self, batch: Sequence[Encoded]) -> Answer:
        """One read for all, then one PATCH a record, some at a time. Raises UnavailableError when none got through."""
        wishes = [(row.key, writing.decoded(row)) for row in batch]
        rows = self._rows([wish for _, wish in wishes])
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="consent") as pool:
            one_by_one = written.carried(lambda one: self._guarded(one[0], one[1], rows.get(_owner(one[1]))))
            done = list(pool.map(one_by_one, wishes))
        errors = [one for one in done if isinstance(one, UnavailableError)]
        if errors and len(errors) == len(done):
            raise errors[0]
        results = [
            Result(key, Outcome.RETRYABLE, code="unavailable", message=one.message)
            if isinstance(one, UnavailableError)
            else one
            for (key, _), one in zip(wishes, done, strict=True)
        ]
        return Answer(results, msgspec.json.encode(results))

    def _guarded(self, key: str, wish: Wish, row: Found | None) -> Result | UnavailableError:
        try:
            return self._written(key, wish, row)
        except UnavailableError as error:  # the others of the batch have their results
            return error

    def _written(self, key: str, wish: Wish, row: Found | None) -> Result:
        before = row
        for number in range(WRITES):
            refusal = self._refusal(wish, row, before)
            if refusal or row is None:
                return Result(key, Outcome.REJECTED, row.id if row else "", *refusal)
            changed = {name: value for name, value in wish.set.items() if row.values.get(name) != value}
            if not changed:
                return Result(key, Outcome.ACCEPTED, row.id, message=row.version)
            reply = self._patch(row, changed, again=number > 0)
            if reply.status < 300:
                return Result(key, Outcome.ACCEPTED, row.id, message=version(reply.body))
            if reply.status != 412:
                return _rejected(key, row, reply)
            row = self._rows([wish]).get(_owner(wish))
        return Result(key, Outcome.RETRYABLE, row.id if row else "", "changed_meanwhile",
                      message="Somebody else changed the row three times while it was written.")  # fmt: skip

    def _refusal(self, wish: Wish, row: Found | None, before: Found | None) -> tuple[str, str, str] | tuple[()]:
        """Why this is not written: code, field and message."""
        if row is None:
            what = "No consent for this address and purpose exists; none is created." if self._points else (
                "No such contact; none is created.")  # fmt: skip
            return "not_found", "customer", what
        if text(row.values, "statecode") == INACTIVE:
            return "inactive", "customer", "The contact is inactive: reactivate it, or clear the customer in the ERP."
        if wish.given == "yes" and before and row is not before and self._given(before) != self._given(row) == "no":
            return "withdrawn_meanwhile", "given", "The consent was withdrawn while the opt-in was written."
        refusing = [] if self._points or wish.given == "no" else self._flags.still_refusing(row.values)
        if refusing:
            return (
                "refused_elsewhere",
                refusing[0],
                f"{', '.join(refusing)} says no; this connection does not write it.",
            )
        return ()

    def _patch(self, row: Found, changed: Mapping[str, Any], again: bool) -> Reply:
        # With If-Match a PATCH never creates a row, and a repeated one is refused (412) and decided anew.
        headers = {
            **{name: value for name, value in web_api.HEADERS.items() if name != "If-None-Match"},
            "Content-Type": "application/json",
            "If-Match": row.version or "*",
            "Prefer": "return=representation",
        }
        select = ",".join((self._id_of(row), *changed))
        body = json.dumps(changed).encode()
        reply = self._http.request(
            "PATCH",
            f"{row.path}?$select={select}",
            body=body,
            headers=headers,
            allow=(400, 403, 404, 412),
            writes=True,
            again=again,
        )
        if reply.status == 403:
            raise web_api.refused(reply)
        return reply

    def _id_of(self, row: Found) -> str:
        ids = {one.name: one.table.id for one in self._people}
        return ids.get(row.set, contact_points.ID)

    # ------------------------------------------------------------------------------------------------ reading

    def find(self, records: Sequence[Consent]) -> Mapping[str, Sequence[Observed]]:
        wishes = {one.key: Wish(one.customer, one.account, one.email.lower(), one.given, {}) for one in records}
        rows = self._rows(list(wishes.values()))
        return {
            key: [self._observed(key, rows[owner])] for key, wish in wishes.items() if (owner := _owner(wish)) in rows
        }

    def look(self, keys: Sequence[str]) -> Mapping[str, Observed]:
        """By row id, by the ERP's number, or by `company|number`. Contact points: by address or the contact's key."""
        wishes = {key: _wish_of(key) for key in keys}
        rows = self._rows(list(wishes.values()))
        return {
            key: self._observed(key, rows[owner]) for key, wish in wishes.items() if (owner := _owner(wish)) in rows
        }

    def scan(self, size: int) -> Iterator[Sequence[Observed]]:
        if self._points:
            for page in web_api.pages(self._http, self._points.path(), size):
                yield [self._observed(row.id, row) for one in page.rows if (row := self._point(one))]
            return
        for table in self._people:
            path = table.address(**{"$filter": "statecode eq 0", "$orderby": table.table.id})
            for page in web_api.pages(self._http, path, size):
                rows = [_found(table, row) for row in page.rows]
                yield [self._observed(row.account or row.id, row) for row in rows]

    def _observed(self, key: str, row: Found) -> Observed:
        return Observed(row.id, key, {"given": self._given(row), "version": row.version})

    def _given(self, row: Found) -> str:
        if row.set == CONSENT_POINTS:
            return {str(OPTED_IN): "yes", str(OPTED_OUT): "no"}.get(text(row.values, "msdynmkt_value"), "")
        return self._flags.given(row.values)

    def _rows(self, wishes: Sequence[Wish]) -> dict[tuple[str, str, str], Found]:
        """Owner → the row to write: of a merged contact its master, of a contact point the consent's own row."""
        people = self._contacts(wishes)
        if not self._points:
            return people
        # Consent of this kind belongs to the address; the contact only says which one, where the record does not.
        addresses = {_owner(wish): wish.email or text(people[_owner(wish)].values, "emailaddress1").lower()
                     for wish in wishes if wish.email or _owner(wish) in people}  # fmt: skip
        rows = self._points.consents([address for address in addresses.values() if address])
        return {owner: point for owner, address in addresses.items()
                if address in rows and (point := self._point(rows[address]))}  # fmt: skip

    def _point(self, row: bytes) -> Found | None:
        values = web_api.members(row)
        id = guid(text(values, contact_points.ID))
        return Found(CONSENT_POINTS, id, version(row), values) if id else None

    def _contacts(self, wishes: Sequence[Wish]) -> dict[tuple[str, str, str], Found]:
        found: dict[tuple[str, str, str], Found] = {}
        for table in self._people:
            by_id = self._by_id(table, {guid(one.customer) for one in wishes})
            numbers = {_number(one) for one in wishes if not GUID.match(guid(one.customer))} - {""}
            by_number = self._by_number(table, numbers)
            for wish in wishes:
                row = by_id.get(guid(wish.customer)) or by_number.get(_number(wish).lower())
                if row and _owner(wish) not in found:
                    found[_owner(wish)] = row
        return found

    def _by_id(self, table: TrackedTable, wanted: set[str]) -> dict[str, Found]:
        """Id → its row, or the one that it was merged into."""
        rows: dict[str, Found] = {}
        unknown = sorted(one for one in wanted if GUID.match(one))
        for _ in range(LONGEST_CHAIN):
            if not unknown:
                break
            fresh = [
                _found(table, row)
                for row in web_api.by_value(self._http, table.name, table.table.id, unknown, table.select, True)
            ]
            rows |= {row.id: row for row in fresh}
            masters = {guid(text(row.values, "_masterid_value")) for row in fresh if row.values.get("merged") is True}
            unknown = sorted(one for one in masters if one not in rows and GUID.match(one))
        return {id: survivor for id in wanted if id in rows and (survivor := _survivor(rows, id))}

    def _by_number(self, table: TrackedTable, numbers: set[str]) -> dict[str, Found]:
        """Number in lower case → its active row; a number of two active rows finds neither."""
        if not numbers or not table.table.number or table.table.number not in table.select:
            return {}
        found: dict[str, list[Found]] = {}
        column = table.table.number
        for raw in web_api.by_value(self._http, table.name, column, sorted(numbers), table.select, False):
            row = _found(table, raw)
            found.setdefault(row.account.lower(), []).append(row)
        chosen: dict[str, Found] = {}
        for number, rows in found.items():
            active = [row for row in rows if text(row.values, "statecode") != INACTIVE]
            if len(active) == 1 or len(rows) == 1:
                chosen[number] = (active or rows)[0]
        merged = {row.id for row in chosen.values() if row.values.get("merged") is True}
        masters = self._by_id(table, merged)
        return {number: masters.get(row.id, row) for number, row in chosen.items()}


def _survivor(rows: Mapping[str, Found], id: str) -> Found | None:
    """The end of the chain; a master that is not there leaves nothing to write to."""
    passed: set[str] = set()
    while id in rows and rows[id].values.get("merged") is True and id not in passed:
        passed.add(id)
        id = guid(text(rows[id].values, "_masterid_value"))
    return rows.get(id)


def _found(table: TrackedTable, row: bytes) -> Found:
    values = web_api.members(row)
    return Found(table.name, guid(text(values, table.table.id)), version(row), values, text(values, table.table.number))


def _owner(wish: Wish) -> tuple[str, str, str]:
    return wish.customer, wish.account, wish.email


def _number(wish: Wish) -> str:
    """The ERP's number; a key like `company|number` holds it after the bar."""
    return wish.account or wish.customer.partition("|")[2] or wish.customer


def _wish_of(key: str) -> Wish:
    return Wish("", "", key.lower(), "", {}) if "@" in key else Wish(key, "", "", "", {})


def _rejected(key: str, row: Found, reply: Reply) -> Result:
    code, message = web_api.refusal(reply)
    return Result(key, Outcome.REJECTED, row.id, code or str(reply.status), message=message[:300] or "refused")
