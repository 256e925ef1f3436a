"""Shows what a system says: the records of one stream as they are mapped, whether or not a flow sends them."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, cast

import msgspec
from django.core.management.base import CommandError

from connectors.base import Excluded, Gone, Mapped, Page, Source
from connectors.errors import RecordError
from sync import flows
from sync.limits import limits_for
from sync.management.console import ConsoleCommand, keys


class Command(ConsoleCommand):
    help = "Reads records of a stream and prints them as they are mapped. Nothing is stored or sent."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("stream", help="connection.stream, for example dynamics365.order")
        parser.add_argument("--ids", help="only these source ids, comma separated")
        parser.add_argument("--count", type=int, default=20, help="how many records at most; 0 = all")
        parser.add_argument("--since", default="", help="the watermark to read from; empty reads from the beginning")

    def handle(self, *args: Any, **options: Any) -> None:
        name, _, stream = options["stream"].rpartition(".")
        source = self._source(name, stream)
        ids = keys(options["ids"])
        pages = source.fetch(stream, ids) if ids else source.read(stream, options["since"])
        left = options["count"] or None
        for line in _lines(source, stream, pages):
            self.one(line, options["json"], _text(line))
            left = left - 1 if left else None
            if left == 0:
                return

    def _source(self, name: str, stream: str) -> Source:
        connection = flows.connection(name)
        offered = list(connection.connector.streams)
        if stream not in offered:
            known = ", ".join(offered) or "nothing"
            raise CommandError(f"{name} offers no {stream or 'stream'}; it offers {known}.", returncode=2)
        return cast(Source, connection.open(limits_for(name)))


def _lines(source: Source, stream: str, pages: Iterator[Page]) -> Iterator[dict[str, Any]]:
    """One object a record: its key, what became of it, its fields and what is wrong with them."""
    for page in pages:
        for row in page.rows:
            try:
                yield _line(source.streams[stream].map(row))
            except RecordError as error:
                key = _key(source, stream, row)
                yield {"key": key, "is": "rejected", "faults": [f"{error.field}: {error.message}"], "record": {}}


def _line(mapped: Mapped) -> dict[str, Any]:
    told = mapped.record
    if isinstance(told, Gone):
        into = {"into": told.into} if told.into else {}
        return {"key": told.key, "is": told.why, "faults": [], "record": into}
    what = f"excluded by {told.rule}" if isinstance(told, Excluded) else "record"
    fields = msgspec.to_builtins(told.record if isinstance(told, Excluded) else told, str_keys=True)
    faults = [f"{fault.field}: {fault.message}" for fault in mapped.faults]
    return {"key": told.key, "is": what, "faults": faults, "record": fields}


def _key(source: Source, stream: str, row: bytes) -> str:
    try:
        return source.streams[stream].key(row)
    except RecordError:
        return ""


def _text(line: dict[str, Any]) -> str:
    fields = [f"  {name}: {value}" for name, value in line["record"].items() if value not in ("", None, [], {}, False)]
    faults = [f"  ! {fault}" for fault in line["faults"]]
    return "\n".join([f"{line['key'] or '(no key)'}  {line['is']}", *fields, *faults])
