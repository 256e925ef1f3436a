"""Contacts: upsert with the answer read row by row, look-ups, and the full read."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import msgspec

from connectors.base import Answer, Encoded, Observed, Outcome, Result
from connectors.emarsys import codes, replies
from connectors.emarsys.codes import Meaning
from connectors.emarsys.mapping.schema import EMAIL, Schema, View, text
from connectors.errors import BatchRefusedError, ConnectorError
from connectors.http import Http, Reply
from connectors.records import Customer, Record

KEYS_A_CALL = 1000
QUERY_PAGE = 10_000
INVALID_FIELD, NOT_FOUND, RACE, AMBIGUOUS = "2006", "2008", "2009", "2010"


class Contacts:
    """Contacts seen through one view. Without `creates` whoever is not there is refused (2008), never created."""

    def __init__(self, http: Http, schema: Schema, view: View, scanners: int = 4, creates: bool = True) -> None:
        self._http, self._schema, self._view, self._scanners = http, schema, view, scanners
        self._creates = creates
        member = [("value", str, msgspec.field(name=schema.key, default="")), ("id", str, "")]
        self._keys_of: Callable[[bytes], Any] = msgspec.json.Decoder(msgspec.defstruct("Keys", member)).decode
        self._wanted = list(view.wanted)

    # ------------------------------------------------------------------------------------------------ writing

    def send(self, batch: Sequence[Encoded]) -> Answer:
        """One upsert, and for rows lost in a race (2009) one more. Upserts may be repeated safely."""
        reply = self._put(batch)
        results = self._results(batch, reply)
        again = [row for row, result in zip(batch, results, strict=True) if result.code == RACE]
        if again:
            second = {result.key: result for result in self._results(again, self._put(again, again=True))}
            results = [second.get(result.key, result) for result in results]
        return Answer(results, reply.body)

    def _put(self, batch: Sequence[Encoded], again: bool = False) -> Reply:
        adopted = batch[0].group == "id"
        key_id = "id" if adopted else self._schema.key
        body = b'{"key_id":"%b","contacts":[%b]}' % (key_id.encode(), b",".join([row.body for row in batch]))
        # An internal id cannot be created, so those rows must exist.
        path = "contact/?create_if_not_exists=1" if self._creates and not adopted else "contact/"
        return replies.write(self._http, "PUT", path, body, again)

    def _results(self, batch: Sequence[Encoded], reply: Reply) -> list[Result]:
        try:
            data = replies.accepted(reply)
        except BatchRefusedError:  # alone, a record is answered with its refusal
            if len(batch) > 1:
                raise
            refused = replies.envelope(reply)
            return [self._rejected(batch[0].key, str(refused.code), refused.text or "")]
        with replies.understood(reply.system, reply.request):
            return self._row_by_row(batch, data, reply)

    def _row_by_row(self, batch: Sequence[Encoded], data: Any, reply: Reply) -> list[Result]:
        found = data if isinstance(data, dict) else {}
        ids = [str(number) for number in found.get("ids") or ([found["id"]] if found.get("id") else [])]
        errors = found.get("errors")
        if errors and isinstance(errors, dict):
            return self._some_refused(batch, ids, errors, reply)
        if len(ids) != len(batch):
            return self._resolved(batch)
        return [Result(row.key, Outcome.ACCEPTED, number) for row, number in zip(batch, ids, strict=True)]

    def _some_refused(
        self, batch: Sequence[Encoded], ids: Sequence[str], errors: Mapping[str, Any], reply: Reply
    ) -> list[Result]:
        for error in errors.values():
            code, _ = replies.row_error(error)
            if code and codes.rule(200, code, "contact").meaning is Meaning.SETUP and code != INVALID_FIELD:
                raise replies.refusal(reply, code)
        values = [self._key_value(row) for row in batch]
        nameless = [value for value in errors if value not in set(values)]
        if nameless and (not ids or len(batch) == 1):
            code, message = replies.row_error(errors[nameless[0]])
            return [self._rejected(row.key, code, message) for row in batch]
        if nameless:
            raise BatchRefusedError(
                f"{reply.system} refused a record without saying which.",
                system=reply.system,
                request=reply.request,
                reply=reply.excerpt(),
            )
        good = [row for row, value in zip(batch, values, strict=True) if value not in errors]
        accepted = {result.key: result for result in self._resolved(good, ids)}
        return [
            accepted.get(row.key) or self._rejected(row.key, *replies.row_error(errors[value]))
            for row, value in zip(batch, values, strict=True)
        ]

    def _key_value(self, row: Encoded) -> str:
        keys = self._keys_of(row.body)
        return str(keys.id if row.group == "id" else keys.value)

    def _resolved(self, rows: Sequence[Encoded], given: Sequence[str] = ()) -> list[Result]:
        """Results of rows that were not refused, in an answer that does not say which id is whose. Where a row cannot
        be looked up (it may not show yet), the ids stand in the order of the rows that went through."""
        in_order = dict(zip([row.key for row in rows], given, strict=True)) if len(given) == len(rows) else {}
        values = [self._key_value(row) for row in rows]
        if not rows or rows[0].group == "id":
            return [Result(row.key, Outcome.ACCEPTED, value) for row, value in zip(rows, values, strict=True)]
        try:
            ids = self._ids(self._schema.key, values)
        except ConnectorError:  # the rows are accepted whatever becomes of this call
            return [Result(row.key, Outcome.ACCEPTED) for row in rows]
        shown = {row.key: ids[value][0] for row, value in zip(rows, values, strict=True) if ids.get(value)}
        found = in_order | shown
        return [
            Result(row.key, Outcome.ACCEPTED, found[row.key])
            if row.key in found
            else self._rejected(row.key, "", "No error was given, but there is no contact with this number.")
            for row, value in zip(rows, values, strict=True)
        ]

    def _rejected(self, key: str, code: str, message: str) -> Result:
        return Result(key, Outcome.REJECTED, code=code, field=self._view.field_of(message), message=message)

    # ------------------------------------------------------------------------------------------------ reading

    def find(self, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        """Contacts by the key field, customers without one there by e-mail; several where a value is ambiguous."""
        by_key = self._matching(self._schema.key, {self._schema.key_of(record) for record in records})
        found = {record.key: by_key[value] for record in records if (value := self._schema.key_of(record)) in by_key}
        if not self._creates or self._schema.by_email:
            return found
        others = {record.key: record.email for record in records if isinstance(record, Customer)}
        wanted = {key: email for key, email in others.items() if key not in found and email}
        by_email = self._matching(EMAIL, set(wanted.values()))
        return found | {key: by_email[email] for key, email in wanted.items() if email in by_email}

    def look(self, keys: Sequence[str]) -> Mapping[str, Observed]:
        """The contacts of these customer keys; ambiguous and unknown ones are absent."""
        values = {key: self._schema.external_id_of_key(key) for key in keys}
        external = self._schema.external
        found = dict(self._read_by(external, sorted(set(values.values()))))
        return {key: found[value] for key, value in values.items() if value in found}

    def scan(self) -> Iterator[Sequence[Observed]]:
        """Every contact: their ids by query, then their fields in thousands, some calls at a time."""
        pool = ThreadPoolExecutor(self._scanners, thread_name_prefix="scan")
        waiting: deque[Future[list[Observed]]] = deque()
        try:
            for ids in _in_parts(self._all_ids(), KEYS_A_CALL):
                waiting.append(pool.submit(self._by_ids, ids))
                if len(waiting) > self._scanners:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _all_ids(self) -> Iterator[str]:
        offset = 0
        while True:
            path = f"contact/query/?return={self._schema.key}&limit={QUERY_PAGE}&offset={offset}"
            data = replies.data(self._http, "GET", path)
            with replies.understood(self._http.system, "GET contact/query"):
                rows = (data.get("result") if isinstance(data, dict) else None) or []
                ids = [str(row["id"]) for row in rows]
            yield from ids
            if len(rows) < QUERY_PAGE:
                return
            offset += len(rows)

    def _by_ids(self, ids: Sequence[str]) -> list[Observed]:
        return list(self._read("id", ids))

    def _matching(self, field: str, values: Iterable[str]) -> dict[str, list[Observed]]:
        """Value → contacts that have it, compared as the target compares: e-mails without case."""
        wanted = sorted(value for value in set(values) if value)
        ambiguous: list[str] = []
        found: dict[str, list[Observed]] = {}
        for value, contact in self._read_by(field, wanted, ambiguous):
            found.setdefault(value.lower() if field == EMAIL else value, []).append(contact)
        if ambiguous:
            several = self._ids(field, ambiguous, several=True)
            numbers = sorted({number for ids in several.values() for number in ids})
            contacts = {contact.target_id: contact for contact in self._by_ids(numbers)}
            found |= {
                value: [contacts[number] for number in ids if number in contacts] for value, ids in several.items()
            }
        return found

    def _read(self, field: str, values: Sequence[str], ambiguous: list[str] | None = None) -> Iterator[Observed]:
        return (contact for _, contact in self._read_by(field, values, ambiguous))

    def _read_by(
        self, field: str, values: Sequence[str], ambiguous: list[str] | None = None
    ) -> Iterator[tuple[str, Observed]]:
        """The contacts with these values in a field, each with its value; shared values go to `ambiguous`."""
        for start in range(0, len(values), KEYS_A_CALL):
            body = {"keyId": field, "keyValues": values[start : start + KEYS_A_CALL], "fields": self._wanted}
            data = replies.data(self._http, "POST", "contact/getdata", body, nobody=NOT_FOUND)
            found = data if isinstance(data, dict) else {}
            with replies.understood(self._http.system, "POST contact/getdata"):
                contacts = [(text(row.get(field)), self._view.observed(row)) for row in found.get("result") or []]
                if ambiguous is not None:
                    ambiguous += [
                        str(error["key"])
                        for error in found.get("errors") or []
                        if str(error.get("errorCode")) == AMBIGUOUS
                    ]
            yield from contacts

    def _ids(self, field: str, values: Sequence[str], several: bool = False) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for start in range(0, len(values), KEYS_A_CALL):
            part = values[start : start + KEYS_A_CALL]
            body = {"key_id": field, "external_ids": part, "get_multiple_ids": several}
            data = replies.data(self._http, "POST", "contact/checkids", body, nobody=NOT_FOUND)
            ids = data.get("ids") if isinstance(data, dict) else None
            for value, number in (ids if isinstance(ids, dict) else {}).items():
                found[value] = [str(one) for one in (number if isinstance(number, list) else [number])]
        return found


def _in_parts(values: Iterator[str], size: int) -> Iterator[list[str]]:
    while part := list(islice(values, size)):
        yield part
