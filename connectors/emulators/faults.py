"""What can be made to go wrong, and when.

A fault waits for requests that match its system, method and path; it lets the first `after` of them pass,
strikes the next `times` (default 1; 0 = until it is deleted), and is then used up.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from threading import Event, Lock
from typing import Any
from urllib.parse import unquote

import msgspec

from connectors.emulators.system import Response
from connectors.emulators.wire import Delivery

OPTIONS: dict[str, frozenset[str]] = {
    "status": frozenset(("code", "body", "headers")),
    "timeout": frozenset(("seconds",)),
    "reset": frozenset(),
    "drop_after_accept": frozenset(("reset",)),
    "slow": frozenset(("bytes_per_second", "seconds")),
    "truncate": frozenset(),
    "malformed": frozenset(("body",)),
    "html": frozenset(("code", "body")),
    "throttle": frozenset(("retry_after", "code", "message", "headers", "limit", "reset", "remaining")),
    "expire_token": frozenset(),
}
# Acted out by the system itself, with whatever options it understands.
PASSED_ON = frozenset(
    ("partial", "duplicate_page", "repeat_next_link", "duplicate_rows", "stale_next_link", "mutate_rows")
)
_COMMON = frozenset(("system", "method", "path", "kind", "times", "after"))
_HTML = b"<!DOCTYPE html><html><head><title>Unavailable</title></head><body><h1>Be right back</h1></body></html>"


class FaultError(ValueError):
    """The description of a fault makes no sense; the message says why."""


@dataclass
class Fault:
    id: str
    kind: str
    system: str
    method: str
    path: re.Pattern[str]
    times: int
    after: int
    options: dict[str, Any]
    matched: int = 0
    struck: int = 0

    def matches(self, system: str, method: str, target: str) -> bool:
        if self.system not in ("", system) or self.method not in ("", method):
            return False
        return bool(self.path.search(target) or self.path.search(unquote(target)))

    @property
    def is_used_up(self) -> bool:
        return self.times > 0 and self.struck >= self.times

    def shown(self) -> dict[str, Any]:
        names = {"id": self.id, "kind": self.kind, "system": self.system, "method": self.method}
        numbers = {"times": self.times, "after": self.after, "matched": self.matched, "struck": self.struck}
        return {**names, "path": self.path.pattern, **numbers, **self.options}


def described(fault_id: str, description: Mapping[str, Any]) -> Fault:
    """The fault a control request describes; FaultError names what is wrong with it."""
    kind = str(description.get("kind", ""))
    options = {name: value for name, value in description.items() if name not in _COMMON}
    if kind not in OPTIONS and kind not in PASSED_ON:
        raise FaultError(f"unknown kind {kind!r}; known are {', '.join(sorted({*OPTIONS, *PASSED_ON}))}")
    unknown = sorted(set(options) - OPTIONS[kind]) if kind in OPTIONS else []
    if unknown:
        raise FaultError(f"{kind} has no option {', '.join(unknown)}")
    try:
        path = re.compile(str(description.get("path") or ""))
    except re.error as error:
        raise FaultError(f"path is not a regular expression: {error}") from None
    numbers = {name: description.get(name, default) for name, default in (("times", 1), ("after", 0))}
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 0:
            raise FaultError(f"{name} must be a whole number, not {number!r}")
    method = str(description.get("method") or "").upper()
    system = str(description.get("system") or "")
    return Fault(fault_id, kind, system, method, path, numbers["times"], numbers["after"], options)


class Faults:
    """All faults that wait, first come first served."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count(1)
        self._waiting: list[Fault] = []

    def add(self, description: Mapping[str, Any]) -> Fault:
        fault = described(f"fault-{next(self._numbers)}", description)
        with self._lock:
            self._waiting = [*self._waiting, fault]
        return fault

    def take(self, system: str, method: str, target: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        if not self._waiting:
            return None
        with self._lock:
            striking = None
            for fault in self._waiting:
                if fault.is_used_up or not fault.matches(system, method, target):
                    continue
                fault.matched += 1
                if striking is None and fault.matched > fault.after:
                    fault.struck += 1
                    striking = fault
            return striking

    def shown(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.shown() for fault in self._waiting]

    def remove(self, fault_id: str) -> bool:
        with self._lock:
            before = len(self._waiting)
            self._waiting = [fault for fault in self._waiting if fault.id != fault_id]
            return len(self._waiting) < before

    def clear(self) -> None:
        with self._lock:
            self._waiting = []


def _content(body: Any, default: bytes) -> bytes:
    if body is None:
        return default
    return body.encode() if isinstance(body, str) else msgspec.json.encode(body)


def _with_status(options: Mapping[str, Any]) -> Response:
    code = int(options.get("code", 500))
    content = _content(options.get("body"), b"")
    headers = {str(name): str(value) for name, value in (options.get("headers") or {}).items()}
    if content and not content.lstrip().startswith((b"{", b"[")):
        headers.setdefault("Content-Type", "text/plain; charset=utf-8")
    return Response(code, content, headers)


def _malformed(answer: Response, options: Mapping[str, Any]) -> Response:
    """The same answer with a body that no longer parses, of whatever format it is."""
    if answer.stream is not None and options.get("body") is None:
        return replace(answer, stream=chain(islice(answer.stream, 1), (b'"<\x00',)))
    body = _content(options.get("body"), answer.body[: max(1, len(answer.body) * 2 // 3)] + b'"<\x00')
    return Response(answer.status, body, answer.headers)


def strike(
    fault: Fault,
    act: Callable[[Mapping[str, Any] | None], Response],
    throttled: Callable[[Mapping[str, Any]], Response],
    expire: Callable[[], None],
    stopping: Event,
) -> Delivery:
    """What the client gets. `act` lets the system do its work and gives its answer."""
    kind, options = fault.kind, fault.options
    if kind == "status":
        return Delivery(_with_status(options))
    if kind == "html":
        page = {"Content-Type": "text/html; charset=utf-8"}
        return Delivery(Response(int(options.get("code", 200)), _content(options.get("body"), _HTML), page))
    if kind == "timeout":
        stopping.wait(float(options.get("seconds", 60)))
        return Delivery(None)
    if kind == "reset":
        return Delivery(None, reset=True)
    if kind == "throttle":
        return Delivery(throttled(options))
    if kind == "expire_token":
        expire()
        return Delivery(act(None))
    if kind in PASSED_ON:
        return Delivery(act({"kind": kind, **options}))
    return _damaged(kind, options, act(None), stopping)


def _damaged(kind: str, options: Mapping[str, Any], answer: Response, stopping: Event) -> Delivery:
    """The system has acted; its answer suffers on the way."""
    if kind == "drop_after_accept":
        return Delivery(None, reset=bool(options.get("reset")))
    if kind == "malformed":
        return Delivery(_malformed(answer, options))
    if kind == "truncate":
        return Delivery(answer, cut=True)
    stopping.wait(float(options.get("seconds", 0)))
    speed = options.get("bytes_per_second", 0 if "seconds" in options else 1000)
    return Delivery(answer, bytes_per_second=float(speed))
