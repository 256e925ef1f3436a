"""One environment of a site: its own state, names and switches, behind one SOAP address."""

import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from connectors.emulators.prima import dialect as dialects
from connectors.emulators.prima import soap, wsdl
from connectors.emulators.prima.agents import Agents, BusyError
from connectors.emulators.prima.answers import Answers
from connectors.emulators.prima.dialect import Dialect
from connectors.emulators.prima.drops import Drops
from connectors.emulators.prima.rendering import spoilt_output
from connectors.emulators.prima.state import State
from connectors.emulators.prima.switches import Switches
from connectors.emulators.system import Host, Request, Response

_XML = {"Content-Type": "text/xml; charset=utf-8"}
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_SERVER = "The Web Service request failed on the application server. (10893)"
_AWAY = "The Web Service's application server is not available. (10921)"
_BUSY = "No application server agent is free to run the request. (10927)"
_WHOLE = 4 * 1024 * 1024  # a reply up to here has a length, a longer one goes out in pieces


class Environment:
    """Answers everything below `/prima/<name>/<name>`."""

    def __init__(self, host: Host, name: str, files: Path) -> None:
        self.name = name
        self.switches = Switches(host.settings, name)
        self.state = State(host, name)
        self.drops = Drops(files, self.state, self.switches)
        self._numbers = count(1)
        self._agents = Agents(lambda: self.switches.number("agents"))
        self._answers = Answers(self.state, self.switches)

    def dialect(self) -> Dialect:
        """The switch, else what the control API has set, else the contract's names. ValueError: no such dialect."""
        if switch := self.switches["dialect"]:
            return dialects.named(switch)
        kept = self.state.meta.get("dialect")
        return dialects.dialect_of(kept["dialect"]) if kept else Dialect()

    def speak(self, wanted: Any) -> Dialect:
        """Another dialect from now on: a name, or a description."""
        found = dialects.named(wanted) if isinstance(wanted, str) else dialects.dialect_of(wanted)
        self.state.meta.put("dialect", {"dialect": dialects.described(found)})
        return found

    def handle(self, request: Request, below: str) -> Response:
        address = f"{request.base}/{self.name}/{self.name}"
        if request.method == "GET":
            return self._described(request, below, address)
        if request.method != "POST" or below not in ("", "/"):
            return _page(405, "Method not allowed")
        if (down := self.switches["down"]) in ("html", "empty"):
            return _page(503, "Service Unavailable") if down == "html" else Response(200, b"", _XML)
        service = soap.Service.of(self.switches)
        try:
            with self._agents.one():
                return self._call(request, service)
        except BusyError:
            return self._fault(soap.FaultError("Server", _SERVER, _BUSY), service, address)
        except soap.FaultError as error:
            return self._fault(error, service, address)

    def _described(self, request: Request, below: str, address: str) -> Response:
        service = soap.Service.of(self.switches)
        if below != "/wsdl":
            return _page(200, "OpenEdge Web Services Adapter: this address takes SOAP messages")
        if not self.switches.says("wsdl"):
            return _page(403, "The service description is switched off")
        if request.query.get("targetURI") != service.target_uri:
            return _page(404, "No Web Service with this targetURI is deployed")
        return Response(200, wsdl.described(service, address), _XML)

    def _fault(self, error: soap.FaultError, service: soap.Service, address: str, status: int = 500) -> Response:
        number = f"{self.name}-{next(self._numbers):08}"
        return Response(status, soap.fault(error, service, address, number), dict(_XML))

    def busy(self, fault: Mapping[str, Any], address: str) -> Response:
        """The agent pool is exhausted (contract 8, operating limits: pooled agents)."""
        cause = str(fault.get("message") or _BUSY)
        error = soap.FaultError("Server", _SERVER, cause)
        answer = self._fault(error, soap.Service.of(self.switches), address, int(fault.get("code", 500)))
        if fault.get("retry_after") is not None:
            answer.headers["Retry-After"] = str(fault["retry_after"])
        return answer

    def _call(self, request: Request, service: soap.Service) -> Response:
        if wait := float(self.switches["latency"]):
            time.sleep(wait)
        if self.switches["down"] == "fault":
            raise soap.FaultError("Server", _SERVER, _AWAY)
        call = soap.call_of(request.body, service)
        text, records = self._answers.to(call, self.dialect(), request.fault)
        spoilt, encoding = spoilt_output(self.switches["output"], text), self.switches["envelope_encoding"]
        pieces = soap.reply(service, call.operation, spoilt, self.switches.says("double_escape"), encoding)
        charset = "utf-8" if encoding == "wrong" else encoding
        return _response(pieces, records, {"Content-Type": f"text/xml; charset={charset}"})


def _response(pieces: Iterator[bytes], records: int, headers: dict[str, str]) -> Response:
    """Whole when it is small, else in pieces as they are made."""
    begun: list[bytes] = []
    size = 0
    for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size > _WHOLE:
            return Response(200, b"", headers, records, stream=_all_of(begun, pieces))
    return Response(200, b"".join(begun), headers, records)


def _all_of(begun: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    while begun:
        yield begun.pop(0)
    yield from rest


def _page(status: int, words: str) -> Response:
    """What the servlet container says."""
    page = f"<!DOCTYPE html><html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>"
    return Response(status, page.encode(), dict(_HTML))
