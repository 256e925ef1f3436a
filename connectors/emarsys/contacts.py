"""Contacts: upsert with the answer read row by row, look-ups, and the full read."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import msgspec

from connectors.base import Answer, Encoded, Observed, Outcome, Result
from connectors.emarsys import mapping, replies
from connectors.emarsys.mapping import EMAIL, Schema
from connectors.errors import BatchRefusedError, ConnectorError
from connectors.http import Http, Reply
from connectors.records import Customer

KEYS_A_CALL = 1000
QUERY_PAGE = 10_000
NOT_FOUND, RACE, AMBIGUOUS = "2008", "2009", "2010"


class Contacts:
    """The inlet `customer` of one account."""

    def __init__(self, http: Http, schema: Schema, scanners: int = 4) -> None:
        self._http, self._schema, self._scanners = http, schema, scanners
        member = [("value", str, msgspec.field(name=schema.key, default="")), ("id", str, "")]
        self._keys_of: Callable[[bytes], Any] = msgspec.json.Decoder(msgspec.defstruct("Keys", member)).decode
        self._wanted = list(schema.names)

    # ------------------------------------------------------------------------------------------------ writing

    def send(self, batch: Sequence[Encoded]) -> Answer:
        """One upsert, and for rows lost in a race (2009) one more. Upserts may be repeated safely."""
        reply = self._put(batch)
        results = self._results(batch, reply)
        again = [row for row, result in zip(batch, results, strict=True) if result.code == RACE]
        if again:
            second = {result.key: result for result in self._results(again, self._put(again))}
            results = [second.get(result.key, result) for result in results]
        return Answer(results, reply.body)

    def _put(self, batch: Sequence[Encoded]) -> Reply:
        adopted = batch[0].group == "id"
        key_id = "id" if adopted else self._schema.key
        body = b'{"key_id":"%b","contacts":[%b]}' % (key_id.encode(), b",".join([row.body for row in batch]))
        # An internal id cannot be created, so those rows must exist.
        return replies.call(self._http, "PUT", "contact/" if adopted else "contact/?create_if_not_exists=1", body)

    def _results(self, batch: Sequence[Encoded], reply: Reply) -> list[Result]:
        try:
            data = replies.accepted(reply)
        except BatchRefusedError:
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
        values = [self._key_value(row) for row in batch]
        nameless = [value for value in errors if value not in set(values)]
        if nameless and (not ids or len(batch) == 1):
            code, message = _refusal(errors[nameless[0]])
            return [self._rejected(row.key, code, message) for row in batch]
        if nameless:
            raise BatchRefusedError(
                f"{reply.system} refused a record without saying which ({nameless[0]}).",
                system=reply.system,
                request=reply.request,
                reply=reply.excerpt(),
            )
        good = [row for row, value in zip(batch, values, strict=True) if value not in errors]
        accepted = {result.key: result for result in self._resolved(good)}
        return [
            accepted.get(row.key) or self._rejected(row.key, *_refusal(errors[value]))
            for row, value in zip(batch, values, strict=True)
        ]

    def _key_value(self, row: Encoded) -> str:
        keys = self._keys_of(row.body)
        return str(keys.id if row.group == "id" else keys.value)

    def _resolved(self, rows: Sequence[Encoded]) -> list[Result]:
        """Results of rows that were not refused, in an answer that does not say which id is whose."""
        values = [self._key_value(row) for row in rows]
        if not rows or rows[0].group == "id":
            return [Result(row.key, Outcome.ACCEPTED, value) for row, value in zip(rows, values, strict=True)]
        try:
            ids = self._ids(self._schema.key, values)
        except ConnectorError:  # the rows are accepted whatever becomes of this call
            return [Result(row.key, Outcome.ACCEPTED) for row in rows]
        return [
            Result(row.key, Outcome.ACCEPTED, ids[value][0])
            if ids.get(value)
            else self._rejected(row.key, "", "No error was given, but there is no contact with this number.")
            for row, value in zip(rows, values, strict=True)
        ]

    def _rejected(self, key: str, code: str, message: str) -> Result:
        return Result(key, Outcome.REJECTED, code=code, field=self._schema.field_of(message), message=message)

    # ------------------------------------------------------------------------------------------------ reading

    def find(self, records: Sequence[Customer]) -> Mapping[str, Sequence[Observed]]:
        """Contacts by external id, for the others by e-mail; several where the value is ambiguous."""
        by_id = self._matching(
            self._schema.key, {self._schema.external_id(record) for record in records}, "external_id"
        )
        found = {record.key: by_id[value] for record in records if (value := self._schema.external_id(record)) in by_id}
        others = [record for record in records if record.key not in found and record.email]
        by_email = self._matching(EMAIL, {record.email for record in others}, "email")
        return found | {record.key: by_email[record.email] for record in others if record.email in by_email}

    def look(self, keys: Sequence[str]) -> Mapping[str, Observed]:
        """The contacts of these customer keys; ambiguous and unknown ones are absent."""
        values = {key: self._schema.external_id_of_key(key) for key in keys}
        found = {contact.key: contact for contact in self._read(self._schema.key, sorted(set(values.values())))}
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

    def _matching(self, field: str, values: Iterable[str], name: str) -> dict[str, list[Observed]]:
        """Value → contacts that have it, compared as the target compares: e-mails without case."""
        wanted = sorted(value for value in set(values) if value)
        ambiguous: list[str] = []
        found: dict[str, list[Observed]] = {}
        for contact in self._read(field, wanted, ambiguous):
            value = contact.fields[name]
            found.setdefault(value.lower() if name == "email" else value, []).append(contact)
        if ambiguous:
            several = self._ids(field, ambiguous, several=True)
            numbers = sorted({number for ids in several.values() for number in ids})
            contacts = {contact.target_id: contact for contact in self._by_ids(numbers)}
            found |= {
                value: [contacts[number] for number in ids if number in contacts] for value, ids in several.items()
            }
        return found

    def _read(self, field: str, values: Sequence[str], ambiguous: list[str] | None = None) -> Iterator[Observed]:
        """The contacts with these values in a field; values shared by several go to `ambiguous`."""
        for start in range(0, len(values), KEYS_A_CALL):
            body = {"keyId": field, "keyValues": values[start : start + KEYS_A_CALL], "fields": self._wanted}
            data = replies.data(self._http, "POST", "contact/getdata", body, nobody=NOT_FOUND)
            found = data if isinstance(data, dict) else {}
            with replies.understood(self._http.system, "POST contact/getdata"):
                contacts = [mapping.observed(self._schema, row) for row in found.get("result") or []]
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


def _refusal(error: Any) -> tuple[str, str]:
    """Code and text of one row's error: `{"2007": "Invalid choice id …"}`."""
    if isinstance(error, dict) and error:
        code, text = next(iter(error.items()))
        return str(code), str(text)
    return "", str(error)


def _in_parts(values: Iterator[str], size: int) -> Iterator[list[str]]:
    while part := list(islice(values, size)):
        yield part
