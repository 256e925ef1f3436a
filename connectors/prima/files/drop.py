"""A site read from the files it drops (contract 9): complete ones, in their order, each once.

A stream's watermark is the last sequence number it has read of each file. What is read is moved to `processed/` when
the next read begins, and is still found there: several streams read the same file.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import takewhile

from connectors import written
from connectors.base import Page, Settings, Stream
from connectors.errors import ConfigurationError, RecordError, UnavailableError, UnexpectedReplyError
from connectors.prima import pieces
from connectors.prima.envelope import drifted
from connectors.prima.events import CANCELLED
from connectors.prima.files import join, parts, progress, table
from connectors.prima.files.consent_out import consent_file
from connectors.prima.files.names import Entry, Numbered, due, numbered
from connectors.prima.files.places import FAILED, PROCESSED, LocalPlace, Place, elsewhere, kept
from connectors.prima.files.progress import Progress
from connectors.prima.files.sftp import connected
from connectors.prima.mapping import clock_of
from connectors.prima.model import Model, channels_of
from connectors.prima.node import Piece, read
from connectors.prima.orders_known import KnownOrders
from connectors.prima.presence import Presence
from connectors.prima.site import Entity, File
from connectors.prima.stock import together

log = logging.getLogger("connectors.prima")
PAGE = 1_000
STILL = 120.0
"""Seconds without a change after which a file counts as whole: the weakest sign (contract 9)."""

Row = bytes
Opened = Callable[[], contextlib.AbstractContextManager[Place]]


def open_drop(settings: Settings, model: Model, streams: Mapping[str, Stream]) -> "FileDrop":
    """Makes no call; a local folder needs no server."""
    host = settings.text("SFTP_HOST")
    local = LocalPlace(
        settings.connection, settings.text("FILES_FOLDER"), settings.text("FILES_OUT_FOLDER"), elsewhere(settings)
    )
    return FileDrop(
        settings.connection,
        model,
        streams,
        (lambda: connected(settings)) if host else lambda: contextlib.nullcontext(local),
    )


class FileDrop:
    def __init__(self, system: str, model: Model, streams: Mapping[str, Stream], opened: Opened) -> None:
        self._system, self._model, self._streams, self._opened = system, model, streams, opened
        self._own: Mapping[str, Sequence[str]] = {}

    def demand(self, stream: str, columns: Sequence[str]) -> None:
        self._own = {**self._own, stream: columns}

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        with self._opened() as place:
            at = progress.read(resume or since, self._system, clock_of(self._model.file.site.defaults).zone)
            for name in self._model.entities(stream):
                self._tidy(place, self._entity(name), at)
            yield from self._pages(place, stream, at, since)

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        wanted = set(keys)
        with self._opened() as place:
            found: dict[str, Row] = {}
            seen: set[str] = set()
            for name in self._model.entities(stream):
                spec = self._entity(name)
                for file in reversed(self._files(place, spec, spec.name)):
                    if wanted <= seen:
                        break
                    rows = self._rows_of(place, name, file)
                    for row in self._expanded(stream, name, rows):
                        key = self._key(stream, row)
                        if name_asked := pieces.asked(key, wanted):
                            seen.add(name_asked)
                            found.setdefault(key, row)
            yield Page(self._finish(place, stream, list(found.values())))

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        """The keys of the last full file: the only proof that a record is no more (contract 9)."""
        name = self._model.entities(stream)[0]
        spec = self._entity(name)
        full = spec.name if spec.kind == "full" else spec.full
        with self._opened() as place:
            files = self._files(place, spec, full) if full else []
            if not files:
                raise UnavailableError(
                    f"{self._system}: there is no full file of {name}, and only a full file proves what is gone.",
                    system=self._system,
                    remedy="Wait for the monthly full file, or leave the key sweep of this flow off.",
                )
            rows = self._rows_of(place, name, files[-1])
            yield [key for row in self._expanded(stream, name, rows) if (key := self._key(stream, row))]

    def check(self) -> str:
        with self._opened() as place:
            entries = place.entries()
        waiting = [
            f"{len(files)} {entity.file.name}"
            for entity in self._model.file.site.entities.values()
            if entity.file and (files := numbered(entries, entity.file.name))
        ]
        return (
            f"Answers; waiting: {', '.join(dict.fromkeys(waiting)) or 'no files'}; mapping {self._model.file.version}."
        )

    def write(self, customer: str, flags: Mapping[str, str], at: str, delivery: str) -> bytes:
        """A consent_out file: written as .tmp and renamed when it is whole."""
        with self._opened() as place:
            out = place.out()
            spec = self._model.file.site.consent_write
            entries = [*out.entries(), *out.entries(PROCESSED)]
            last = numbered(entries, spec.file)
            name, content = consent_file(
                spec,
                clock_of(self._model.file.site.defaults),
                (customer, flags, at, delivery),
                last[-1].sequence + 1 if last else 1,
                datetime.now(UTC),
            )
            written.leaves()
            out.put("", name, content)
            return content

    # reading

    def _pages(self, place: Place, stream: str, at: Progress, since: str) -> Iterator[Page]:
        read_any = False
        problems: list[str] = []
        for name in self._model.entities(stream):
            files, problem = self._due(place, name, at)
            problems += [problem] if problem else []
            newest = {} if since or stream != "customer" else self._newest(place, stream, name, files)
            for file in files:
                before = at.text()
                for rows in self._slices(place, stream, name, file, newest):
                    yield Page(rows, before)
                    read_any = True
                self._done(name, file, at)
                yield Page([], at.text())
        if problems and not read_any:
            raise UnavailableError(
                f"{self._system}: {problems[0]}.",
                system=self._system,
                remedy="Ask the site for the missing file, or put the corrected one back into the folder.",
            )
        yield Page([], at.text(), watermark=at.text() or since)

    def _due(self, place: Place, name: str, at: Progress) -> tuple[list[Numbered], str]:
        """The complete files of an entity that follow; with lines, only as far as both files are there."""
        spec = self._entity(name)
        files, problem = due(self._files(place, spec, spec.name), at.done.get(spec.name), at.after)
        if problem:
            problem = f"{spec.name}: {problem}{self._parked(place, spec.name)}"
        if spec.complete == "trailer":
            files = list(takewhile(lambda file: self._ends(place, file, spec), files))
        if not spec.lines:
            return files, problem
        lines = {file.sequence for file in self._files(place, spec, spec.lines)}
        for number, file in enumerate(files):
            if file.sequence not in lines:
                return files[:number], f"{spec.lines} number {file.sequence} is not there yet; {file.entry.name} waits"
        return files, problem

    def _ends(self, place: Place, file: Numbered, spec: File) -> bool:
        """A file that cannot be read goes on, to be parked."""
        with kept(place, file.entry) as content:
            try:
                return table.has_trailer(content, spec)
            except table.DamagedFileError:
                return True

    def _done(self, name: str, file: Numbered, at: Progress) -> None:
        at.done[self._entity(name).name] = file.sequence

    def _newest(self, place: Place, stream: str, name: str, files: Sequence[Numbered]) -> Mapping[str, int]:
        """Key → the last of these files that has the record. Where everything is read again, what stood in a file of
        last month would go out over today's value, until today's file has its turn."""
        spec, newest = self._entity(name), dict[str, int]()
        for file in files if len(files) > 1 else ():
            if self._is_repeat(place, spec, file):
                continue
            with kept(place, file.entry) as content:
                try:
                    table.check(content, spec)
                except table.DamagedFileError:
                    break  # nothing behind it is read before it is put right
            rows = self._expanded(stream, name, self._rows_of(place, name, file))
            newest.update((key, file.sequence) for row in rows if (key := self._key(stream, row)))
        return newest

    def _slices(
        self, place: Place, stream: str, name: str, file: Numbered, newest: Mapping[str, int]
    ) -> Iterator[list[Row]]:
        if self._is_repeat(place, self._entity(name), file):
            log.info("%s: %s has the content of an earlier file and is skipped", self._system, file.entry.name)
            return
        waiting: list[Row] = []
        presence = Presence(self._model.file.site, self._described(name), self._own.get(name, ()))
        for row in self._expanded(stream, name, presence.watching(self._rows_of(place, name, file))):
            if newest and newest.get(self._key(stream, row), 0) > file.sequence:
                continue
            waiting.append(row)
            if len(waiting) >= PAGE:
                self._demand(presence, file)
                yield self._finish(place, stream, waiting)
                waiting = []
        self._demand(presence, file)
        if waiting:
            yield self._finish(place, stream, waiting)

    def _demand(self, presence: Presence, file: Numbered) -> None:
        if gone := presence.missing():
            raise drifted(self._system, file.entry.name, gone)

    def _rows_of(self, place: Place, name: str, file: Numbered) -> Iterator[Row]:
        """The records of one file. A file that cannot be used is parked; rows that cannot be used are listed."""
        spec = self._entity(name)
        with kept(place, file.entry) as content, contextlib.ExitStack() as more:
            count = self._checked(place, file, lambda: table.check(content, spec))
            if not count and spec.kind == "full":
                self._park(place, file, 1, "A full file without a row.")
            rows = list(table.rows(content, spec))
            lines: list[table.TableRow] = []
            if spec.lines and (other := self._lines_file(place, spec, file)):
                inner = more.enter_context(kept(place, other.entry))
                self._checked(place, other, lambda: table.check(inner, spec))
                lines = list(table.rows(inner, spec))
                self._list_rejects(place, other, lines)
            self._list_rejects(place, file, rows)
            yield from join.records(rows, spec, lines)

    def _lines_file(self, place: Place, spec: File, file: Numbered) -> Numbered | None:
        return next((other for other in self._files(place, spec, spec.lines) if other.sequence == file.sequence), None)

    def _expanded(self, stream: str, name: str, rows: Iterator[Row]) -> Iterator[Row]:
        expand = self._expand(stream, name)
        if stream == "product":
            return self._articles(rows)
        return (part for row in rows for part in expand(row))

    def _expand(self, stream: str, name: str) -> parts.Expand:
        described = self._described(name)
        match stream, name:
            case "consent", _:
                return parts.channels(channels_of(described))
            case "sale", "order":
                return parts.documents(described, self._model.sales.plan_order)
            case "sale", _:
                return parts.documents(described, self._model.sales.plan_credit)
            case "order_event", "order":
                return parts.only(self._model.events.is_cancelled, Piece(CANCELLED))
        return parts.whole

    def _articles(self, rows: Iterator[Row]) -> Iterator[Row]:
        """A full stock file: an article's warehouses together."""
        articles: dict[str, list[Row]] = {}
        for row in rows:
            with contextlib.suppress(RecordError):
                articles.setdefault(self._model.stock.product_key(row), []).append(row)
        return (together(found) for found in articles.values())

    def _finish(self, place: Place, stream: str, rows: list[Row]) -> list[Row]:
        if stream != "order_event":
            return rows
        return KnownOrders(self._model.events, lambda numbers: self._orders(place, numbers)).join(rows)

    def _orders(self, place: Place, numbers: set[str]) -> Iterator[Row]:
        """Orders by number out of the files, the newest version of each."""
        missing = set(numbers)
        spec = self._entity("order")
        for file in reversed(self._files(place, spec, spec.name)):
            for row in self._rows_of(place, "order", file) if missing else ():
                with contextlib.suppress(RecordError):
                    number, _ = self._model.events.order_of(read(row)[1])
                    if number in missing:
                        missing.discard(number)
                        yield row

    def _key(self, stream: str, row: Row) -> str:
        try:
            return self._streams[stream].key(row)
        except RecordError:
            return ""

    # files

    def _files(self, place: Place, spec: File, name: str) -> list[Numbered]:
        """The whole files of that name, here and in `processed`."""
        here = place.entries()
        names = {entry.name for entry in here}
        ready = [entry for entry in here if self._is_whole(entry, names, spec)]
        return numbered([*ready, *place.entries(PROCESSED)], name)

    @staticmethod
    def _is_whole(entry: Entry, names: set[str], spec: File) -> bool:
        if f"{entry.name}.done" in names:
            return True
        if spec.complete == "unchanged":
            return time.time() - entry.modified >= STILL
        if spec.complete == "renamed":
            return f"{entry.name}.tmp" not in names and entry.size > 0
        return spec.complete == "trailer"

    def _is_repeat(self, place: Place, spec: File, file: Numbered) -> bool:
        """The same content under another number (contract 9). Only files of the same size are compared."""
        alike = [other for other in self._files(place, spec, spec.name)
                 if other.sequence < file.sequence and other.entry.size == file.entry.size]  # fmt: skip
        return bool(alike) and self._digest(place, file) in {self._digest(place, other) for other in alike}

    @staticmethod
    def _digest(place: Place, file: Numbered) -> bytes:
        with kept(place, file.entry) as content:
            digest = sha256()
            while chunk := content.read(1 << 18):
                digest.update(chunk)
            return digest.digest()

    def _checked(self, place: Place, file: Numbered, check: Callable[[], int]) -> int:
        try:
            return check()
        except table.DamagedFileError as error:
            self._park(place, file, error.row, error.reason)
        raise AssertionError("a parked file raises")

    def _park(self, place: Place, file: Numbered, row: int, reason: str) -> None:
        self._reject(place, file, [(row, reason)])
        place.move(file.entry, FAILED)
        raise UnexpectedReplyError(
            f"{self._system}: {file.entry.name} was parked in {FAILED}/. {reason}",
            system=self._system,
            request=file.entry.name,
            reply=f"row {row}",
            remedy="Ask the site for a corrected file of the same name; the files after it wait for it.",
        )

    def _list_rejects(self, place: Place, file: Numbered, rows: list[table.TableRow]) -> None:
        if found := [(row.number, row.problem) for row in rows if row.problem]:
            self._reject(place, file, found)

    @staticmethod
    def _reject(place: Place, file: Numbered, rows: Sequence[tuple[int, str]]) -> None:
        """Row numbers and reasons, never the rows: they are personal data."""
        lines = ["row,reason", *(f'{row},"{reason.replace(chr(34), chr(39))}"' for row, reason in rows)]
        place.put(FAILED, f"{file.entry.name}.rejects.csv", "\r\n".join([*lines, ""]).encode())

    @staticmethod
    def _parked(place: Place, name: str) -> str:
        parked = [entry.name for entry in place.entries(FAILED) if entry.name.lower().startswith(f"{name.lower()}_")]
        whole = [name for name in parked if not name.endswith(".rejects.csv")]
        return f" ({', '.join(sorted(whole)[-3:])} is in {FAILED}/)" if whole else ""

    def _tidy(self, place: Place, spec: File, at: Progress) -> None:
        """What this stream has read is moved; what is older than the site keeps is removed (contract 9)."""
        done = at.done.get(spec.name)
        for name in (spec.name, spec.lines):
            for file in numbered(place.entries(), name) if name else ():
                if done is not None and file.sequence <= done:
                    place.move(file.entry, PROCESSED)
        oldest = time.time() - spec.keep_days * 86_400
        for folder in (PROCESSED, FAILED) if spec.keep_days else ():
            for entry in place.entries(folder):
                if (
                    entry.modified
                    and entry.modified < oldest
                    and entry.name.lower().startswith(f"{spec.name.lower()}_")
                ):
                    place.remove(entry)

    def _described(self, name: str) -> Entity:
        found = self._model.file.site.entities.get(name)
        if found is None or found.file is None:
            raise ConfigurationError(
                f"{self._system}: the mapping file describes no file of {name}.",
                system=self._system,
                remedy=f"Add entities.{name}.file to the mapping file, or switch off the flow that reads it.",
            )
        return found

    def _entity(self, name: str) -> File:
        file = self._described(name).file
        assert file is not None
        return file
