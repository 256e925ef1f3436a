"""Reads and writes multipart/mixed bodies of HTTP requests and answers (dynamics365.md 3.7)."""

import http
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.emulators.dataverse.errors import bad_query
from connectors.emulators.system import Response

_BOUNDARY = re.compile(r"""boundary=(?:"([^"]+)"|([^;\s]+))""", re.IGNORECASE)
_BLANK = re.compile(rb"\r?\n\r?\n")
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}


@dataclass(frozen=True)
class Part:
    headers: Mapping[str, str]
    content: bytes

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Operation:
    """One HTTP request inside a part; header names lower case, the address as it was written."""

    method: str
    address: str
    headers: Mapping[str, str]
    body: bytes
    content_id: str


def boundary_of(content_type: str) -> str:
    """DataverseError 400 when there is none."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or not found:
        raise bad_query("The message received for a batch must be multipart/mixed with a boundary.")
    return found[1] or found[2]


def parts_of(body: bytes, boundary: str) -> Iterator[Part]:
    """Each part; lines may end in LF alone."""
    lines = re.split(rb"(?:^|\r?\n)--" + re.escape(boundary.encode()), body)
    if len(lines) < 2:
        raise bad_query("The body holds no part with the boundary of its content type.")
    for piece in lines[1:]:
        if piece.startswith(b"--"):
            return
        headers, content = _split(piece.lstrip(b" \t").removeprefix(b"\r").removeprefix(b"\n"))
        yield Part(headers, content)


def operation_of(part: Part) -> Operation:
    """DataverseError 400 when the part is no HTTP request."""
    if part.type != "application/http":
        raise bad_query(f"The part's content type '{part.type}' is not application/http.")
    line, _, rest = part.content.lstrip(b"\r\n").partition(b"\n")
    words = line.decode("utf-8", "replace").strip().split(" ")
    if len(words) < 2:
        raise bad_query("The request line of a part is malformed.")
    # A client may leave the spaces of a filter as they are.
    end = -1 if words[-1].startswith("HTTP/") else len(words)
    headers, body = _split(rest)
    content_id = part.headers.get("content-id") or headers.get("content-id", "")
    return Operation(words[0].upper(), " ".join(words[1:end]), headers, body.strip(b"\r\n"), content_id)


def _split(content: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and what follows the blank line."""
    if content.startswith((b"\r\n", b"\n")):
        return {}, content.lstrip(b"\r\n")
    found = _BLANK.search(content)
    head, body = (content[: found.start()], content[found.end() :]) if found else (content, b"")
    pairs = (line.partition(":") for line in head.decode("utf-8", "replace").splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}, body


def response_part(answer: Response, content_id: str = "") -> bytes:
    """An answer as a part of a batch's answer."""
    headers = {"Content-Type": "application/http", "Content-Transfer-Encoding": "binary"}
    if content_id:
        headers["Content-ID"] = content_id
    inner = dict(answer.headers)
    status = f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"
    return _lines(headers) + b"\r\n" + status.encode() + b"\r\n" + _lines(inner) + b"\r\n" + answer.body


def _lines(headers: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()


def joined(parts: Sequence[bytes], boundary: str) -> bytes:
    opened = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return opened + b"--" + boundary.encode() + b"--\r\n"


def nested(parts: Sequence[bytes], boundary: str) -> bytes:
    """A changeset's answers as one part."""
    return f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode() + joined(parts, boundary)
