"""Layer two: requests are built, RequestStatus is checked, pages are followed. Names come from the site file."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec
from lxml import etree

from connectors.errors import ConfigurationError, UnexpectedReplyError
from connectors.prima import paths
from connectors.prima.node import of_element
from connectors.prima.presence import Presence, Wanted
from connectors.prima.reader import Reply
from connectors.prima.site import Entity, Paging, Text
from connectors.prima.values import Clock, given

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SLOT = re.compile(r"\{([a-z]+)\}")
SLICE = 1_000
"""Records given on at once, however many a reply holds."""


class Service(Protocol):
    """Layer one as this layer needs it."""

    system: str

    def read(self, document: str, steps: Sequence[str], reply: Reply) -> Iterator[Any]: ...
    def write(self, document: str, steps: Sequence[str], reply: Reply) -> list[Any]: ...


class BusinessError(UnexpectedReplyError):
    """The service took the request and answers RequestStatus ERROR; `text` is its RequestError (contract 4.1)."""

    def __init__(self, system: str, request: str, text: str) -> None:
        super().__init__(
            f"{system} refuses {request}: {text[:300] or 'RequestStatus is not OK and no reason is given'}",
            system=system,
            request=request,
            reply=text[:600],
            remedy="Check the request's name and parameters in the mapping file, or ask whoever runs the service.",
        )
        self.text = text


def request(kind: str, params: Mapping[str, Text], values: Mapping[str, str]) -> str:
    """`<Request RequestType=…><Data …/></Request>`, written by an XML writer (contract 4.2); a name may have steps
    before it (`Flags/EmailOK`)."""
    root = etree.Element("Request", {"RequestType": kind})
    data = etree.SubElement(root, "Data")
    for name, template in params.items():
        *steps, attribute = name.split("/")
        _child(data, steps).set(attribute.removeprefix("@"), _UNWRITABLE.sub("", filled(template, values)))
    return etree.tostring(root, encoding="unicode")


def _child(parent: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        found = parent.find(step)
        parent = etree.SubElement(parent, step) if found is None else found
    return parent


def filled(template: Text, values: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: values.get(slot[1], ""), str(template))


def check_status(service: Service, kind: str, reply: Reply) -> None:
    """Success is RequestStatus OK and no RequestError; everything else is an error (contract 4.1)."""
    root = reply.attributes.get((), {})
    status, problem = given(root.get("requeststatus")), given(root.get("requesterror"))
    if status.upper() != "OK" or problem:
        raise BusinessError(service.system, kind, problem)


def drifted(system: str, what: str, gone: Sequence[Wanted]) -> ConfigurationError:
    """`what` is the request, or the file."""
    named = ", ".join(f"{one.told} ({one.name})" for one in gone)
    return ConfigurationError(
        f"{system}: no record of {what} holds {named} any more; nothing of it was sent.",
        system=system,
        request=what,
        remedy="If it was renamed, write its new path into a new version of the mapping file (or of the flow's field "
        "mapping). If it is gone for good, take the field out there, and the target keeps what it has; if it may be "
        "missing, say in_every_reply: false.",
    )


class Resume(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a read goes on: the next page's key; `clock` is the first page's clock, `seen` the greatest
    change seen so far, both in UTC."""

    key: str = ""
    clock: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some records of a read, in their order. `resume` is set where the read may go on after them."""

    rows: Sequence[bytes]
    resume: Resume | None = None
    last: bool = False


@dataclass
class Feed:
    """One entity's "changed since" read (contract 7.1). `changed` reads an element's own moment of change, before
    `expand` makes its rows."""

    service: Service
    entity: Entity
    clock: Clock
    overlap: timedelta
    expand: Callable[[Any], Sequence[bytes]]
    changed: Callable[[Any], str]
    yes: frozenset[str]
    presence: Presence | None = None
    _seen_keys: set[str] = field(default_factory=set)

    def slices(self, since: str, resume: Resume | None = None) -> Iterator[Slice]:
        """`since` is a moment in ISO 8601, or empty for everything. Ends with the slice that is `last`."""
        at = resume or Resume()
        while True:
            reply, count = Reply(), 0
            best = at.seen
            waiting: list[bytes] = []
            for element in self._page(since, at.key, reply):
                best = max(best, self._moment(self.changed(element)))
                self._look_at(element)
                waiting += self.expand(element)
                count += 1
                if len(waiting) >= SLICE:
                    self._demand()
                    yield Slice(waiting)
                    waiting = []
            check_status(self.service, self._kind, reply)
            self._demand()
            following = self._following(reply, count)
            at = Resume(following, at.clock or self._moment(self._value(reply, self._paging.clock)), best)
            yield Slice(waiting, at, last=not following)
            if not following:
                return

    def _look_at(self, element: Any) -> None:
        if self.presence and not self.presence.over:
            self.presence.see(of_element(element))

    def _demand(self) -> None:
        """Raises ConfigurationError for what the mapping file reads and no record holds any more."""
        gone = self.presence.missing() if self.presence else []
        if gone:
            raise drifted(self.service.system, self._kind, gone)

    def watermark(self, at: Resume, since: str) -> str:
        """Where the next read starts: the first page's clock, else the greatest change seen, less the
        overlap; never before where this read started."""
        latest = at.clock or at.seen
        if self.entity.mode == "full":
            return ""
        if not latest:
            return since
        return max(since, (datetime.fromisoformat(latest) - self.overlap).isoformat())

    @property
    def _paging(self) -> Paging:
        return self.entity.page

    @property
    def _kind(self) -> str:
        return self.entity.request.type if self.entity.request else ""

    def _page(self, since: str, cursor: str, reply: Reply) -> Iterator[Any]:
        asked = self.entity.request
        if asked is None:
            raise ConfigurationError(
                f"{self.service.system}: the mapping file names no request for this entity.",
                system=self.service.system,
                remedy="Add its request to the mapping file, or read it from files (TRANSPORT=files).",
            )
        values = {"since": self.local(since) if self.entity.mode == "changed" else "", "cursor": cursor, "until": ""}
        document = request(asked.type, asked.params, values)
        for element in self.service.read(document, paths.record_steps(self.entity.record), reply):
            if not reply.checked:
                check_status(self.service, asked.type, reply)
                reply.checked = True
            yield element

    def local(self, since: str) -> str:
        """The watermark as the site's clock shows it."""
        if not since:
            return ""
        try:
            moment = datetime.fromisoformat(since)
        except ValueError as error:
            raise ConfigurationError(
                f"{self.service.system}: {since[:40]!r} is no moment to read from.",
                system=self.service.system,
                remedy="Give a moment in ISO 8601, or start without one to read everything.",
            ) from error
        return self.clock.write(moment if moment.tzinfo else moment.replace(tzinfo=self.clock.zone))

    def _following(self, reply: Reply, count: int) -> str:
        """The next page's key, empty at the end. A read that could go round for ever is ended (contract 7.1)."""
        more = given(self._value(reply, self._paging.more)).casefold() in self.yes
        if not more:
            return ""
        key = self._value(reply, self._paging.next)
        problem = ""
        if not count:
            problem = "an empty page that announces more"
        elif not given(key):
            problem = "a page that announces more and names no next key"
        elif key in self._seen_keys:
            problem = "the same next key twice"
        if problem:
            raise UnexpectedReplyError(
                f"{self.service.system}: {self._kind} answered with {problem}; the read would never end.",
                system=self.service.system,
                request=self._kind,
                reply=f"next key {key[:60]!r}",
                remedy="Check the paging paths of the mapping file; then report it to whoever runs the service.",
            )
        self._seen_keys.add(key)
        return key

    @staticmethod
    def _value(reply: Reply, path: str) -> str:
        if not path:
            return ""
        found = paths.compiled(path)
        return reply.value(found.steps, found.attribute)

    def _moment(self, text: str) -> str:
        """UTC in ISO 8601, which sorts as text; empty where it cannot be read."""
        try:
            return self.clock.read(given(text)).isoformat() if given(text) else ""
        except ValueError:
            return ""
