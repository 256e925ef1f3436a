"""Layer one: an XML text in, the records of the XML text that comes back, or a typed error. Knows no entity."""

import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from connectors.base import Limits, Settings
from connectors.errors import (
    ConfigurationError,
    ConnectorError,
    UnavailableError,
    UnexpectedReplyError,
    UnknownOutcomeError,
)
from connectors.http import Http
from connectors.prima import quiet, reader, wsdl
from connectors.prima.site import Endpoint
from connectors.prima.turns import turn

log = logging.getLogger("connectors.prima")
ATTEMPTS = 3
_END = re.compile(rb"</[^<>]{0,80}envelope\s*>", re.IGNORECASE)
IN_MEMORY = 4 * 1024 * 1024
READ = 1 << 18
WITH_A_BODY = (400, 404, 500)
"""Statuses whose body tells more than they do: a fault, or the servlet container's page."""


class Soap:
    """One site's service. A reply is kept in a file of its own until it is whole: the service is asked again when
    it breaks off, and nobody who reads slowly holds it up."""

    def __init__(self, settings: Settings, limits: Limits, endpoint: Endpoint, zone: ZoneInfo) -> None:
        self.system, self._endpoint = settings.connection, endpoint
        self._address = _checked(settings)
        self._wsdl_file = settings.text("WSDL_FILE")
        self._http = Http(
            settings.connection,
            self._address,
            limits,
            timeout=(settings.number("CONNECT_SECONDS"), settings.number("READ_SECONDS")),
            deadline=settings.number("DEADLINE_SECONDS"),
            max_bytes=settings.number("MAX_REPLY_MB") * 1024 * 1024,
            attempts=1,
            settings=settings,
        )
        self._quiet, self._zone = settings.text("QUIET_HOURS"), zone

    @property
    def calls(self) -> int:
        return self._http.calls

    def style(self) -> str:
        """Operation and style as the service describes them; reads the description."""
        return f"{self._operation.name} ({self._operation.style})"

    def read(self, document: str, steps: Sequence[str], reply: reader.Reply) -> Iterator[Any]:
        """The records at `steps`, each an element that lasts until the next; `reply` fills on the way.

        Raises UnavailableError (unreachable, too slow, not XML, a fault of the server), ConfigurationError and
        UnexpectedReplyError. Asked again up to three times before the first record.
        """
        body = self._operation.write(document)
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as kept:
            self._patiently(lambda: self._keep(body, kept))
            kept.seek(0)
            yield from self._records(iter(lambda: kept.read(READ), b""), steps, reply)

    def write(self, document: str, steps: Sequence[str], reply: reader.Reply) -> list[Any]:
        """Sent once, never again. Raises UnknownOutcomeError when it may have been carried out, and
        UnavailableError when nothing was done."""
        body = self._operation.write(document)
        self._not_now()
        with turn(self.system, self._address):
            answer = self._http.request(
                "POST",
                self._address,
                body=body,
                headers=self._headers(),
                repeatable=False,
                allow=WITH_A_BODY,
                writes=True,
            )
        try:
            return list(self._records(iter([answer.body]), steps, reply))
        except (UnavailableError, UnexpectedReplyError) as error:
            raise UnknownOutcomeError(
                f"{error.message} The request had been sent; whether it was carried out is not known.",
                system=self.system,
                request=error.request,
                reply=error.reply,
                remedy="The customer is read again before anything is sent again.",
            ) from error

    def _keep(self, body: bytes, kept: IO[bytes]) -> None:
        self._not_now()
        kept.seek(0)
        kept.truncate()
        with turn(self.system, self._address):
            for chunk in self._http.stream(
                "POST", self._address, body=body, headers=self._headers(), allow=WITH_A_BODY
            ):
                kept.write(chunk)
        kept.seek(0)
        head = kept.read(reader.PROLOG)
        kept.seek(-min(256, kept.seek(0, os.SEEK_END)), os.SEEK_END)
        self._refuse(head, kept.read())

    def _refuse(self, head: bytes, tail: bytes) -> None:
        """Raises for what is no reply of the service, while it can still be asked again."""
        text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        is_page = text[:200].lower().startswith((b"<!doctype html", b"<html"))
        if is_page or not text.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
            raise self._not_xml(reader.described(head[: reader.HEAD]))
        if b"nvelope" in head[:2_000] and not _END.search(tail):
            raise self._not_xml("a reply that is broken or cut off")
        if b"Fault>" in head and len(head) < reader.PROLOG:
            for _ in self._records(iter([head]), (), reader.Reply()):
                pass

    def _records(self, chunks: Iterator[bytes], steps: Sequence[str], reply: reader.Reply) -> Iterator[Any]:
        output = "" if self._endpoint.output_part == "auto" else self._endpoint.output_part
        try:
            yield from reader.records(chunks, steps, reply, output)
        except reader.SoapFault as fault:
            raise self._fault(fault) from fault
        except reader.NotXmlError as error:
            raise self._not_xml(str(error)) from error
        except reader.UnsafeXmlError as error:
            raise UnexpectedReplyError(
                f"{self.system} sent a reply that is not read: {error}.",
                system=self.system,
                request=self._label,
                reply=str(error),
                remedy="Ask whoever runs the service what it sent; ask for smaller pages in the mapping file.",
            ) from error

    def _not_now(self) -> None:
        quiet.check(self.system, self._quiet, self._zone, datetime.now(UTC))

    def _patiently(self, call: Callable[[], None]) -> None:
        """Reads are asked again, at most three times in all (contract 8)."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except UnavailableError as error:
                wait = error.retry_after if error.retry_after is not None else 0.5 * 2**attempt
                if attempt == ATTEMPTS or wait > 60:
                    raise
                time.sleep(wait)

    def _fault(self, fault: reader.SoapFault) -> ConnectorError:
        said = fault.message or fault.text or "a fault without a text"
        log.warning("%s: SOAP fault: %s (request id %s)", self.system, said[:300], fault.request_id[:80])
        details: dict[str, Any] = {"system": self.system, "request": self._label,
                   "reply": f"{said[:400]}; requestID {fault.request_id[:120] or 'none'}"}  # fmt: skip
        if fault.code.rpartition(":")[2].lower().startswith("client"):
            return ConfigurationError(
                f"{self.system} does not take our request: {said[:300]}",
                remedy="Compare the service description with the mapping file's endpoint; then test the connection.",
                **details,
            )
        named = f" (requestID {fault.request_id[:120]})" if fault.request_id else ""
        return UnavailableError(
            f"{self.system} reports a fault: {said[:300]}{named}",
            remedy="It is tried again by itself. If it stays, give the request id to the server's administrator.",
            **details,
        )

    def _not_xml(self, what: str) -> UnavailableError:
        return UnavailableError(
            f"{self.system} answered with {what} instead of an XML reply.",
            system=self.system,
            request=self._label,
            reply=what,
            remedy="It is tried again by itself. If it stays, check the address and the application server.",
        )

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{self._operation.action}"'}

    @property
    def _label(self) -> str:
        return f"POST {urlsplit(self._address).path}"

    @cached_property
    def _operation(self) -> wsdl.Operation:
        location = self._wsdl_file or f"{self._address}/wsdl?{urlencode({'targetURI': self._endpoint.target_uri})}"
        return wsdl.operation(self.system, location, self._load, self._endpoint)

    def _load(self, location: str) -> bytes:
        """What zeep reads: the description and what it imports, from the service itself or beside the file."""
        if location.startswith(("http://", "https://")):
            found: list[bytes] = []
            self._patiently(lambda: found.append(self._description(location)))
            return found[0]
        if not self._wsdl_file or Path(location).resolve().parent != Path(self._wsdl_file).resolve().parent:
            raise ConfigurationError(f"{self.system}: the description points to a file elsewhere; it was not read.")
        try:
            return Path(location).read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{self.system}: WSDL_FILE cannot be read ({error.strerror}).",
                system=self.system,
                remedy="Check the path and its permissions.",
            ) from error

    def _description(self, location: str) -> bytes:
        self._not_now()
        with turn(self.system, self._address):
            content = self._http.get(location).body
        if reader.described(content[: reader.HEAD]).startswith(("an HTML", "text", "an empty")):
            raise self._not_xml(reader.described(content[: reader.HEAD]))
        return content


def _checked(settings: Settings) -> str:
    """The address, without a slash at its end. Plain http carries personal data: only this machine, unless an
    admin says that the way is safe (contract 8)."""
    address = settings.text("URL").strip().rstrip("/").removesuffix("/wsdl")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigurationError(
            f"{settings.connection}: URL must be the service's http(s) address, without user and password.",
            system=settings.connection,
            remedy="Correct URL; the service description is the same address with /wsdl behind it.",
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname) and not settings.flag("ALLOW_HTTP"):
        raise ConfigurationError(
            f"{settings.connection}: plain http to {parts.hostname} is refused: it would carry personal data in the "
            "clear.",
            system=settings.connection,
            remedy="Use https (a TLS proxy), or set ALLOW_HTTP=yes where the way is a VPN.",
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
