"""`$batch`: up to 1,000 operations in one request, changesets atomic (dynamics365.md 3.7)."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from connectors.emulators.dataverse.errors import BAD_QUERY, DataverseError, bad_query
from connectors.emulators.dataverse.multipart import (
    Operation,
    Part,
    boundary_of,
    joined,
    nested,
    operation_of,
    parts_of,
    response_part,
)
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.replies import encode, failed, headers
from connectors.emulators.system import Request, Response

_MOST = 1_000
_ROOT = re.compile(r"^.*?/api/data/v9\.\d+/?")
_REFERENCE = re.compile(r"^/?\$(\w[\w-]*)")
# Answers one request below the service root; DataverseError when it is refused.
Handle = Callable[[Request], Response]


class Batch:
    """The operations of one `$batch` request, answered in order."""

    def __init__(self, organisation: Organisation, request: Request, handle: Handle, goes_on: bool) -> None:
        self._organisation = organisation
        self._request = request
        self._handle = handle
        self._goes_on = goes_on
        self._created: dict[str, str] = {}  # Content-ID to the address of the row
        self._records = 0

    def answered(self) -> Response:
        parts = list(parts_of(self._request.body, boundary_of(self._request.headers.get("content-type", ""))))
        self._check_size(parts)
        given: list[bytes] = []
        for part in parts:
            answer, status = self._changeset(part) if part.type == "multipart/mixed" else self._single(part)
            given.append(answer)
            if status >= 400 and not self._goes_on:
                break
        boundary = f"batchresponse_{uuid.uuid4()}"
        content_type = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        return Response(200, joined(given, boundary), {**headers(), **content_type}, self._records)

    @staticmethod
    def _check_size(parts: list[Part]) -> None:
        count = 0
        for part in parts:
            inside = part.type == "multipart/mixed"
            count += len(list(parts_of(part.content, boundary_of(part.headers["content-type"])))) if inside else 1
        if count > _MOST:
            raise DataverseError(400, BAD_QUERY, f"A batch holds at most {_MOST} operations; this one holds {count}.")

    def _single(self, part: Part) -> tuple[bytes, int]:
        try:
            operation = operation_of(part)
            answer = self._done(operation)
        except DataverseError as error:
            return response_part(failed(error), part.headers.get("content-id", "")), error.status
        return response_part(answer, operation.content_id), answer.status

    def _changeset(self, part: Part) -> tuple[bytes, int]:
        """All of it or nothing: one refusal stands for the whole set."""
        content_id = ""
        given: list[bytes] = []
        known = dict(self._created)
        try:
            with self._organisation.transaction():
                for inner in parts_of(part.content, boundary_of(part.headers["content-type"])):
                    operation = operation_of(inner)
                    content_id = operation.content_id
                    if operation.method == "GET":
                        raise bad_query("A changeset may not contain GET requests.")
                    given.append(response_part(self._done(operation), content_id))
        except DataverseError as error:
            self._created = known
            return response_part(failed(error), content_id), error.status
        return nested(given, f"changesetresponse_{uuid.uuid4()}"), 200

    def _done(self, operation: Operation) -> Response:
        answer = self._handle(self._inner(operation))
        self._records += answer.records
        if operation.content_id and "OData-EntityId" in answer.headers:
            self._created[operation.content_id] = answer.headers["OData-EntityId"].rpartition("/")[2]
        return answer

    def _inner(self, operation: Operation) -> Request:
        path, _, query = operation.address.partition("?")
        path = "/" + self._referred(_ROOT.sub("", path).lstrip("/"))
        return replace(
            self._request, method=operation.method, path=unquote(path), target=f"{path}?{query}" if query else path,
            query=dict(parse_qsl(query, keep_blank_values=True)), headers=operation.headers,
            body=self._with_references(operation.body), fault=None,
        )  # fmt: skip

    def _referred(self, text: str) -> str:
        """`$1` and `$1/…` with the row that part 1 has created or changed."""
        found = _REFERENCE.match(text)
        if not found or found[1] in ("batch", "metadata"):
            return text
        if found[1] not in self._created:
            raise bad_query(f"Content-ID Reference: '{found[0]}' does not exist in the batch context.")
        return self._created[found[1]] + text[found.end() :]

    def _with_references(self, body: bytes) -> bytes:
        if b'"$' not in body and b'"/$' not in body:
            return body
        try:
            given = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return body
        return encode(self._replaced(given))

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            refers = ("@odata.bind", "@odata.id")
            return {
                name: self._referred(inner)
                if isinstance(inner, str) and name.endswith(refers)
                else self._replaced(inner)
                for name, inner in value.items()
            }
        return [self._replaced(inner) for inner in value] if isinstance(value, list) else value
