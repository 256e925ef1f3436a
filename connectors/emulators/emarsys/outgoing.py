"""What the emulated Emarsys sends by itself: notifications of exports and the opt-out webhook, and the feeds it pulls.

Only this machine is called, unless the switch `outgoing_hosts` names others: an address comes from a request.
"""

import base64
import ipaddress
import urllib.error
import urllib.request
from collections.abc import Collection as Names
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from connectors.emulators.store import Collection, Record

MOST_TRIES = 5
BETWEEN_TRIES = timedelta(minutes=1)
_SECONDS = 10
WAITING, DELIVERED, GIVEN_UP, REFUSED = "waiting", "delivered", "given up", "refused"


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _StayHere())


def is_allowed(url: str, others: Names[str] = ()) -> bool:
    """An http(s) address on this machine, or on a host that was allowed."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return False
    try:
        return ipaddress.ip_address(host).is_loopback or host in others
    except ValueError:
        return host == "localhost" or host in others


def send(url: str, payload: Any) -> int:
    """Posts JSON; the status that came back, 0 when nothing did."""
    return _open(url, msgspec.json.encode(payload), {"Content-Type": "application/json"})[0]


def fetch(url: str) -> tuple[int, bytes]:
    """Status and body of a GET; 0 when nothing answered. User and password may stand in the address."""
    return _open(url, None, {})


def _open(url: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    address, more = _without_credentials(url)
    request = urllib.request.Request(address, body, {**headers, **more})  # noqa: S310 - is_allowed looked at the scheme
    try:
        with _OPENER.open(request, timeout=_SECONDS) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
    except (OSError, ValueError):
        return 0, b""


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return address, {"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()}


class Callbacks:
    """What was posted or still has to be: `{"kind", "url", "payload", "state", "next_at", "answers"}`."""

    def __init__(self, records: Collection) -> None:
        self.records = records

    def add(self, kind: str, url: str, payload: Any, now: datetime, others: Names[str]) -> Record:
        number = str(len(self.records) + 1)
        state = WAITING if is_allowed(url, others) else REFUSED
        record = {"id": number, "kind": kind, "url": url, "payload": payload, "state": state}
        self.records.put(number, {**record, "next_at": now.isoformat(), "answers": []})
        return record

    def due(self, now: datetime) -> list[Record]:
        return [one for one in self.waiting() if datetime.fromisoformat(one["next_at"]) <= now]

    def waiting(self) -> list[Record]:
        return [one for one in self.records.values() if one["state"] == WAITING]

    def answered(self, number: str, status: int, now: datetime) -> None:
        """Anything but a 2xx is tried again a minute later, five times in all."""
        record = self.records.get(number)
        if record is None:
            return
        answers = [*record["answers"], {"at": now.isoformat(), "status": status}]
        is_over = len(answers) >= MOST_TRIES
        state = DELIVERED if 200 <= status < 300 else GIVEN_UP if is_over else WAITING
        self.records.patch(number, {"answers": answers, "state": state, "next_at": (now + BETWEEN_TRIES).isoformat()})
