"""`$batch` in multipart/mixed: reads and changesets, the latter all or nothing (dynamics365.md 2.6)."""

import http
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote

from connectors.emulators.dynamics365.replies import ODataError, failed
from connectors.emulators.system import Request, Response

_MOST = 5_000
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_CHANGES = frozenset(("POST", "PATCH", "PUT", "DELETE"))
Answer = Callable[[Request], Response]
Atomic = Callable[[], AbstractContextManager[None]]


class _Abandoned(Exception):
    """A changeset's operation failed: what came before it is taken back."""

    def __init__(self, answer: Response, content_id: str) -> None:
        super().__init__()
        self.answer = answer
        self.content_id = content_id


@dataclass(frozen=True)
class Operation:
    """One request of the batch; `url` as it was written."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    content_id: str = ""


@dataclass(frozen=True)
class Changeset:
    operations: list[Operation]


@dataclass
class _Replies:
    boundary: str
    parts: list[bytes] = field(default_factory=list)

    def add(self, answer: Response, content_id: str) -> None:
        self.parts.append(_written(answer, content_id))

    def body(self) -> bytes:
        mark = f"--{self.boundary}".encode()
        return b"".join(mark + b"\r\n" + part + b"\r\n" for part in self.parts) + mark + b"--\r\n"


def answer_batch(request: Request, answer: Answer, atomic: Atomic) -> Response:
    """ODataError 400 when the body is no batch, holds more than 5,000 operations, or reads inside a changeset.

    The first operation that fails ends the batch, unless `Prefer: odata.continue-on-error` (OData 4.0, inferred).
    """
    parts = list(_parts(request.body, _boundary(request.headers.get("content-type", ""))))
    if sum(len(part.operations) if isinstance(part, Changeset) else 1 for part in parts) > _MOST:
        raise ODataError(400, f"The current change set contains too many operations. Only {_MOST} are allowed.")
    goes_on = "odata.continue-on-error" in request.headers.get("prefer", "")
    goes_on = goes_on and "odata.continue-on-error=false" not in request.headers.get("prefer", "")
    replies = _Replies(f"batchresponse_{uuid.uuid4()}")
    for part in parts:
        succeeded = (
            _all_or_nothing(request, part, answer, atomic, replies)
            if isinstance(part, Changeset)
            else _one(request, part, answer, replies, {})
        )
        if not succeeded and not goes_on:
            break
    headers = {"Content-Type": f"multipart/mixed; boundary={replies.boundary}", "OData-Version": "4.0"}
    return Response(200, replies.body(), headers, len(replies.parts))


def _one(request: Request, part: Operation, answer: Answer, replies: _Replies, known: dict[str, str]) -> bool:
    given = _answered(request, part, answer, known)
    replies.add(given, part.content_id)
    return given.status < 400


def _answered(request: Request, part: Operation, answer: Answer, known: Mapping[str, str]) -> Response:
    try:
        return answer(_request(request, part, known))
    except ODataError as error:
        return failed(error)


def _all_or_nothing(request: Request, part: Changeset, answer: Answer, atomic: Atomic, replies: _Replies) -> bool:
    """A failed changeset has one reply, its failure; the others have one for each operation."""
    inner = _Replies(f"changesetresponse_{uuid.uuid4()}")
    known: dict[str, str] = {}  # Content-ID -> address of the new row
    try:
        with atomic():
            for operation in part.operations:
                given = _answered(request, operation, answer, known)
                if given.status >= 400:
                    raise _Abandoned(given, operation.content_id)
                known[operation.content_id] = given.headers.get("Location", "")
                inner.add(given, operation.content_id)
    except _Abandoned as abandoned:
        replies.add(abandoned.answer, abandoned.content_id)
        return False
    head = f"Content-Type: multipart/mixed; boundary={inner.boundary}\r\n\r\n".encode()
    replies.parts.append(head + inner.body())
    return True


def _request(request: Request, part: Operation, known: Mapping[str, str]) -> Request:
    url = part.url
    if url.startswith("$"):
        reference, slash, rest = url[1:].partition("/")
        url = known.get(reference, "") + slash + rest
        if not known.get(reference):
            raise ODataError(400, f"The reference '${reference}' names no earlier operation that created a row.")
    path, _, query = url.partition("?")
    at = path.find("/data/")
    below = path[at:] if at >= 0 else f"/data/{path.lstrip('/')}"
    return replace(
        request,
        method=part.method,
        path=unquote(below),
        target=f"{below}?{query}" if query else below,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers=part.headers,
        body=part.body,
        fault=None,
    )


def _boundary(content_type: str) -> str:
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or not found:
        raise ODataError(400, "The content type of a batch is multipart/mixed with a boundary.")
    return found[1]


def _parts(body: bytes, boundary: str) -> Iterator[Operation | Changeset]:
    for headers, content in _split(body, boundary):
        kind = headers.get("content-type", "")
        if not kind.lower().startswith("multipart/mixed"):
            yield _operation(headers, content)
            continue
        operations = [_operation(inner, rest) for inner, rest in _split(content, _boundary(kind))]
        for operation in operations:
            if operation.method not in _CHANGES:
                raise ODataError(400, f"A changeset cannot hold a {operation.method} request.")
        yield Changeset(operations)


def _split(body: bytes, boundary: str) -> Iterator[tuple[dict[str, str], bytes]]:
    """(headers, content) of each part of a multipart body."""
    mark = b"--" + boundary.encode()
    pieces = (b"\r\n" + body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")).split(b"\r\n" + mark)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ODataError(400, f"The batch does not end with its boundary '{boundary}'.")
    for piece in pieces[1:-1]:
        yield _headed(piece.removeprefix(b"\r\n"))


def _headed(text: bytes) -> tuple[dict[str, str], bytes]:
    head, _, content = text.partition(b"\r\n\r\n")
    if text.startswith(b"\r\n"):
        head, content = b"", text[2:]
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, content


def _operation(headers: Mapping[str, str], content: bytes) -> Operation:
    line, _, rest = content.lstrip(b"\r\n").partition(b"\r\n")
    words = line.decode("utf-8", "replace").split(" ")
    if len(words) < 2 or not words[-1].startswith("HTTP/"):
        raise ODataError(400, f"'{line.decode('utf-8', 'replace')[:80]}' is no request line.")
    inner, body = _headed(rest)
    content_id = headers.get("content-id") or inner.get("content-id", "")
    return Operation(words[0].upper(), "%20".join(words[1:-1]), inner, body.removesuffix(b"\r\n"), content_id)


def _written(answer: Response, content_id: str) -> bytes:
    head = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    head += f"Content-ID: {content_id}\r\n" if content_id else ""
    reason = http.HTTPStatus(answer.status).phrase
    lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return f"{head}\r\nHTTP/1.1 {answer.status} {reason}\r\n{lines}\r\n".encode() + answer.body
