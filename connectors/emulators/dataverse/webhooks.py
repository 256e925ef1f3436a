"""Registered steps: posts a context for each change, once more for 502, 503 and 504 (dynamics365.md 3.8).

Steps are records of the control collection `webhooks`: `{"url", "entities": ["contact"], "messages": ["Update"],
"headers": {…}, "query": {…}, "organisation"}`; empty or missing lists mean all. What was not delivered is a record of
`systemjobs`. Steps wait in a queue of the process, so those not yet sent do not survive its end.
"""

import http.client
import uuid
from collections.abc import Callable, Iterable, Mapping
from queue import Queue
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from connectors.emulators.dataverse.organisation import Event, Organisation
from connectors.emulators.dataverse.remote_context import context_of
from connectors.emulators.store import Collection

_SECONDS = 60
_ONCE_MORE = (502, 503, 504)
_KEYS = frozenset(("url", "entities", "messages", "headers", "query", "organisation"))


class Step(NamedTuple):
    """One post to be made."""

    hook: Mapping[str, Any]
    body: bytes
    headers: Mapping[str, str]
    about: Mapping[str, str]


class Webhooks:
    """`setting` gives the switches: `webhook_twice` (yes: each step is posted twice) and `webhook_reverse`
    (a number: as many steps are held back and then posted in reverse).
    """

    def __init__(self, hooks: Collection, jobs: Collection, setting: Callable[[str, str], str]) -> None:
        self._hooks = hooks
        self._jobs = jobs
        self._setting = setting
        self._waiting: Queue[Step] = Queue()
        self._held: list[Step] = []
        self._sender: Thread | None = None
        hooks.accept = _accepted

    def publish(self, organisation: Organisation, events: Iterable[Event]) -> None:
        """Called inside the transaction that made the changes; the posts are made by a thread of their own."""
        for event in events:
            for hook in self._hooks.values():
                if _is_for(hook, organisation, event):
                    self._enqueue(_step(organisation, event, hook))

    def _enqueue(self, step: Step) -> None:
        if self._sender is None:
            self._sender = Thread(target=self._send_all, name="dataverse-webhooks", daemon=True)
            self._sender.start()
        held_back = int(self._setting("webhook_reverse", "0"))
        self._held.append(step)
        if len(self._held) < held_back:
            return
        steps, self._held = self._held, []
        for each in reversed(steps) if held_back else steps:
            for _ in range(2 if self._setting("webhook_twice", "no") == "yes" else 1):
                self._waiting.put(each)

    def _send_all(self) -> None:
        while True:
            self._send(self._waiting.get())

    def _send(self, step: Step) -> None:
        status, words = _posted(step)
        attempts = 1
        if status in _ONCE_MORE:
            status, words = _posted(step)
            attempts = 2
        if not 200 <= status < 300:
            job = {**step.about, "status": "failed", "attempts": attempts, "code": status, "message": words}
            self._jobs.put(str(uuid.uuid4()), job)


def _accepted(key: str, record: dict[str, Any]) -> dict[str, Any]:
    """A registration as it is kept. ValueError when it makes no sense."""
    if unknown := sorted(set(record) - _KEYS):
        raise ValueError(f"a webhook has no {', '.join(unknown)}")
    if urlsplit(str(record.get("url", ""))).scheme not in ("http", "https"):
        raise ValueError("a webhook needs the url it posts to")
    return record


def _is_for(hook: Mapping[str, Any], organisation: Organisation, event: Event) -> bool:
    wanted, tables = hook.get("messages"), hook.get("entities")
    return (
        hook.get("organisation") in (None, "", organisation.name)
        and (not wanted or event.message in wanted)
        and (not tables or event.table.name in tables)
    )


def _step(organisation: Organisation, event: Event, hook: Mapping[str, Any]) -> Step:
    correlation = str(uuid.uuid4())
    body, is_cut = context_of(organisation, event, correlation)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "x-ms-dynamics-organization": f"{organisation.name}.crm.dynamics.com",
        "x-ms-dynamics-entity-name": event.table.name,
        "x-ms-dynamics-request-name": event.message,
        "x-ms-correlation-request-id": correlation,
        **({"x-ms-dynamics-msg-size-exceeded": "true"} if is_cut else {}),
        **{str(name): str(value) for name, value in (hook.get("headers") or {}).items()},
    }
    about = {"url": str(hook["url"]), "message_name": event.message, "entity": event.table.name, "id": event.row_id}
    return Step(hook, body, headers, about)


def _posted(step: Step) -> tuple[int, str]:
    """(status, reason); 0 when there was no answer within 60 seconds."""
    parts = urlsplit(step.hook["url"])
    query = "&".join(filter(None, (parts.query, urlencode(step.hook.get("query") or {}))))
    secure = parts.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("POST", f"{parts.path or '/'}{'?' if query else ''}{query}", step.body, dict(step.headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.reason
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()
