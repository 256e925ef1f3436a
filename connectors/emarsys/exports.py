"""Exports: started, waited for, downloaded in slices (contract 3.11)."""

import csv
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from connectors.emarsys import replies
from connectors.emarsys.mapping.moments import from_vienna
from connectors.errors import UnavailableError, UnexpectedReplyError
from connectors.http import Http, Reply

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Export(NamedTuple):
    """A finished export. `created` is aware: its rows show the state of no later moment."""

    id: str
    created: datetime


class Exports:
    """`patience` is how many seconds an export is waited for, `slice_rows` how many rows one download asks for."""

    def __init__(self, http: Http, patience: float, slice_rows: int) -> None:
        self._http, self._patience, self._slice = http, patience, slice_rows

    def run(self, path: str, body: Mapping[str, object]) -> Export:
        """Starts one and waits until its file is there. Raises UnavailableError where that takes too long: the
        same export is then running, and asking again is answered by 4001 until it is done."""
        started = replies.data(self._http, "POST", path, body)
        with replies.understood(self._http.system, f"POST {path}"):
            number = str(int(started["id"]))
        return self._finished(number)

    def slices(self, export: str, columns: int, offset: int = 0) -> Iterator[Sequence[list[str]]]:
        """The data rows after `offset`, slice by slice, each of so many columns. A header is known by its first
        column, never by its text: it follows the account's language."""
        earlier: Sequence[list[str]] = ()
        while rows := self._slice_at(export, columns, offset):
            if rows == earlier:
                raise self._repeated(export, offset)
            yield rows
            offset += len(rows)
            earlier = rows

    def _repeated(self, export: str, offset: int) -> UnexpectedReplyError:
        return UnexpectedReplyError(
            f"{self._http.system} gave the same lines of the export {export} again.",
            system=self._http.system,
            request="GET export/data",
            reply=f"from line {offset}",
            remedy="Run it again; if it happens again, look at what caches answers on the way.",
        )

    def _finished(self, export: str) -> Export:
        pause, ends = FIRST_PAUSE, time.monotonic() + self._patience
        while True:
            found = replies.data(self._http, "GET", f"export/{export}")
            with replies.understood(self._http.system, "GET export"):
                status = str(found["status"])
                if status == "done":
                    return Export(export, from_vienna(str(found["created"])))
            if status == "error":
                raise UnexpectedReplyError(
                    f"{self._http.system} could not make the export {export}.",
                    system=self._http.system,
                    request="GET export",
                    reply=str(found)[:300],
                    remedy="Run it again; if it fails again, ask Emarsys Support with the export's id.",
                )
            if time.monotonic() + pause > ends:
                raise UnavailableError(
                    f"{self._http.system} has not finished the export {export} within {self._patience:.0f} s "
                    f"({status}).",
                    system=self._http.system,
                    request="GET export",
                    retry_after=300.0,
                )
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _slice_at(self, export: str, columns: int, offset: int) -> list[list[str]]:
        path = f"export/{export}/data?offset={offset}&limit={self._slice}"
        reply = replies.call(self._http, "GET", path, None)
        if reply.status >= 300 or reply.body[:1] == b"{":
            replies.accepted(reply)
            raise reply.unexpected("an envelope where an export's lines were expected")
        try:
            found = list(csv.reader(io.StringIO(reply.body.decode("utf-8-sig"), newline=""), strict=True))
        except UnicodeDecodeError as error:
            raise reply.unexpected("an export that is not UTF-8") from error
        except csv.Error as error:
            raise reply.unexpected(f"an export that is not CSV ({error})") from error
        return self._data_rows([row for row in found if row], columns, reply)

    @staticmethod
    def _data_rows(found: list[list[str]], columns: int, reply: Reply) -> list[list[str]]:
        """Only the first row may be a header; a page of words is no empty export."""
        rows = [row for row in found if row[0].isdigit()]
        if rows != found[len(found) - len(rows) :] or len(rows) < len(found) - 1:
            raise reply.unexpected("an export with lines that name no contact")
        if any(len(row) != columns for row in found):
            raise reply.unexpected(f"an export whose lines have not the {columns} columns asked for")
        return rows
