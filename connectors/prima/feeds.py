"""Reading a site over SOAP: each stream's rows, in its total order, out of the entities' feeds."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from connectors.base import Page
from connectors.errors import ConfigurationError
from connectors.prima import elements, paths
from connectors.prima.elements import Canonical
from connectors.prima.envelope import BusinessError, Feed, Resume, Service, check_status, drifted, request
from connectors.prima.mapping import clock_of, words
from connectors.prima.node import of_element
from connectors.prima.presence import Presence
from connectors.prima.reader import Reply
from connectors.prima.site import Entity, Site

Row = bytes
Expand = Callable[[Any], list[Row]]
"""What one element becomes: its rows."""


@dataclass(frozen=True, slots=True)
class Part:
    """One feed of a stream: an entity and what its elements become."""

    name: str
    expand: Expand


class Feeds:
    """`parts` of a stream are read one after the other; the stream's watermark is the earliest of theirs."""

    def __init__(self, service: Service, site: Site) -> None:
        self._service, self._site = service, site
        self.own: Mapping[str, Sequence[str]] = {}
        """Columns of the site's own that somebody reads, by entity."""

    def canonical(self, name: str) -> Canonical:
        return Canonical(self.entity(name).volatile)

    def entity(self, name: str) -> Entity:
        found = self._site.entities.get(name)
        if found is None:
            raise ConfigurationError(
                f"{self._service.system}: the mapping file describes no {name}.",
                system=self._service.system,
                remedy=f"Add entities.{name} to the mapping file, or switch off the flow that reads it.",
            )
        return found

    def read(self, parts: Sequence[Part], since: str, resume: str) -> Iterator[Page]:
        at = _Place.read(resume)
        watermarks = list(at.watermarks)
        for number, part in enumerate(parts):
            if number < at.part:
                continue
            feed, start = self.feed(part), at.resume if number == at.part else Resume()
            for slice_ in feed.slices(since, start):
                last_of_all = slice_.last and number == len(parts) - 1
                if slice_.last and slice_.resume:
                    watermarks.append(feed.watermark(slice_.resume, since))
                    resume = _Place(number + 1, Resume(), tuple(watermarks)).text()
                elif slice_.resume:
                    resume = _Place(number, slice_.resume, tuple(watermarks)).text()
                yield Page(slice_.rows, resume, min(watermarks) if last_of_all else None)

    def feed(self, part: Part) -> Feed:
        entity, defaults = self.entity(part.name), self._site.defaults
        return Feed(
            self._service,
            entity,
            clock_of(defaults),
            timedelta(minutes=defaults.overlap_minutes),
            part.expand,
            (lambda element: elements.attribute(element, entity.changed)) if entity.changed else lambda _: "",
            words(defaults.yes),
            Presence(self._site, entity, self.own.get(part.name, ())),
        )

    def search(self, part: Part, asked: Callable[[Row], str], count: int) -> Iterator[Sequence[Row]]:
        """A bounded re-read for records that the site has no request by key for: what changed in the last days,
        then everything, until `count` different ones are found. `asked` tells which of them a row is, or nothing."""
        entity = self.entity(part.name)
        recent = (datetime.now(UTC) - timedelta(days=entity.reread_days)).isoformat()
        for since in ("",) if entity.mode == "full" else (recent, ""):
            found, seen = [], set()
            for slice_ in self.feed(part).slices(since):
                named = [(name, row) for row in slice_.rows if (name := asked(row))]
                seen |= {name for name, _ in named}
                found += [row for _, row in named]
            if len(seen) >= count or not since:
                yield found
                return

    def by_key(self, part: Part, keys: Sequence[str]) -> Iterator[Sequence[Row]]:
        """One request a key, as the mapping file names it; a text of `absent` says that there is none."""
        entity = self.entity(part.name)
        asked = entity.by_key
        if asked is None:
            return
        steps = paths.record_steps(asked.record or entity.record)
        presence = Presence(self._site, entity, self.own.get(part.name, ()))
        for key in keys:
            reply = Reply()
            document = request(asked.type, asked.params, {"key": key})
            found: list[Row] = []
            for element in self._service.read(document, steps, reply):
                presence.see(of_element(element))
                found += part.expand(element)
            try:
                check_status(self._service, asked.type, reply)
            except BusinessError as error:
                if not any(text.casefold() in error.text.casefold() for text in asked.absent):
                    raise
            if gone := presence.missing():
                raise drifted(self._service.system, asked.type, gone)
            yield found


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a stream of several parts is read."""

    part: int
    resume: Resume
    watermarks: tuple[str, ...]

    @staticmethod
    def read(text: str) -> "_Place":
        if not text:
            return _Place(0, Resume(), ())
        part, resume, watermarks = json.loads(text)
        return _Place(part, msgspec.convert(resume, Resume), tuple(watermarks))

    def text(self) -> str:
        return json.dumps([self.part, msgspec.to_builtins(self.resume), self.watermarks])
