"""The ERP's side of the flat-file fallback (contract 9): what it writes to `out/` and reads from `in/`.

A drop is asked for through the control API; every entity counts its own files. The folders are those of one
environment and are never shared with another.
"""

import csv
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from connectors.emulators.prima.dialect import Dialect
from connectors.emulators.prima.drop_rows import FILES, Columns, Row, changed_since
from connectors.emulators.prima.spoiling import SPOILS, spoil_file, spoil_rows
from connectors.emulators.prima.state import State
from connectors.emulators.prima.switches import Switches

FOLDERS = ("out", "in", "processed", "failed")
MODES = ("rename", "done", "trailer", "size")
KINDS = ("delta", "full")
TRAILER = "TRAILER"


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """One drop. `sequence` null counts on; `since` is for a delta, by default the last drop of the entity.

    `finished` false leaves the drop as it is while it is still being written.
    """

    entity: str
    kind: str = "delta"
    sequence: int | None = None
    mode: str = ""
    spoil: str = ""
    since: str = ""
    joined: bool = False
    finished: bool = True
    environment: str = ""


def wanted_of(description: Mapping[str, Any]) -> Wanted:
    """ValueError in words when the description makes no sense."""
    try:
        wanted = msgspec.convert(description, Wanted)
    except msgspec.ValidationError as error:
        raise ValueError(f"drop: {error}") from None
    choices = (("entity", wanted.entity, FILES), ("kind", wanted.kind, KINDS), ("mode", wanted.mode, ("", *MODES)),
               ("spoil", wanted.spoil, ("", *SPOILS)))  # fmt: skip
    for name, value, known in choices:
        if value not in known:
            raise ValueError(f"drop: {name} is one of {', '.join(filter(None, known))}, not {value!r}")
    return wanted


class Drops:
    """The file drop of one environment."""

    def __init__(self, folder: Path, state: State, switches: Switches) -> None:
        self.folder = folder
        self._state, self._switches = state, switches

    def prepare(self) -> Path:
        for name in FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        return self.folder

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def files(self) -> Iterator[dict[str, Any]]:
        """Every file there is, in and out, with its size."""
        for name in FOLDERS:
            for path in sorted(self.prepare().joinpath(name).glob("*")):
                yield {"folder": name, "name": path.name, "bytes": path.stat().st_size}

    def find(self, name: str) -> Path | None:
        return next((path for part in FOLDERS if (path := self.folder / part / Path(name).name).is_file()), None)

    def drop(self, wanted: Wanted, dialect: Dialect) -> list[dict[str, Any]]:
        """Writes the file, for `orders` the one of the lines too, headers first. ValueError: nothing to repeat."""
        self.prepare()
        if wanted.spoil in ("repeat", "repeat_content"):
            return [self._again(wanted, dialect)]
        entities = [wanted.entity]
        if wanted.entity == "orders":
            entities = ["joined"] if wanted.joined else ["orders", "orderlines"]
        return [self._one(entity, wanted, dialect) for entity in entities]

    def _one(self, entity: str, wanted: Wanted, dialect: Dialect) -> dict[str, Any]:
        last = self._last(entity)
        number = wanted.sequence if wanted.sequence is not None else last.get("sequence", 0) + 1
        if wanted.spoil == "gap" and wanted.sequence is None:
            number += 1
        since = "" if wanted.kind == "full" else wanted.since or last.get("at", "")
        now = self._state.now()
        name = self._name("orders" if entity == "joined" else entity, number, dialect)
        rows = self._write(self.folder / "out" / name, entity, since, wanted, dialect)
        told = {"name": name, "entity": entity, "sequence": number, "rows": rows, "at": now, "kind": wanted.kind,
                "mode": self._mode(wanted), "spoil": wanted.spoil}  # fmt: skip
        self._remember(entity, name, told)
        return told

    def _mode(self, wanted: Wanted) -> str:
        return "trailer" if wanted.spoil == "bad_count" else wanted.mode or self._switches["drop_mode"]

    def _last(self, entity: str) -> dict[str, Any]:
        return self._state["drops"].get(f"last.{entity}") or {}

    def _remember(self, entity: str, name: str, told: dict[str, Any]) -> None:
        self._state["drops"].put_many({name: told, f"last.{entity}": told})

    def _name(self, entity: str, number: int, dialect: Dialect) -> str:
        local: datetime = self._state.moment().astimezone(ZoneInfo(dialect.zone))
        return f"{entity}_{local:%Y%m%d%H%M%S}_{number:04}.csv"

    def _write(self, path: Path, entity: str, since: str, wanted: Wanted, dialect: Dialect) -> int:
        """As the mode announces it: written aside and renamed, followed by `.done`, ended by a trailer, or just so."""
        mode = self._mode(wanted)
        aside = path.with_name(f"{path.name}.tmp") if mode == "rename" else path
        columns = Columns(entity, dialect, spreadsheet=wanted.spoil == "spreadsheet")
        collection = self._state[FILES[entity][0]]
        with collection.lock:
            records = changed_since(map(collection.get, collection.sorted_ids()), since)  # type: ignore[arg-type]  # every id has a record
        rows = [] if wanted.spoil == "empty" else columns.rows(records)
        trailer = mode == "trailer" and wanted.finished and wanted.spoil != "truncated"
        count = self._fill(aside, spoil_rows(wanted.spoil, columns.header(), rows), wanted.spoil, trailer)
        spoil_file(wanted.spoil, aside)
        if mode == "rename" and wanted.finished:
            aside.replace(path)
        if mode == "done" and wanted.finished:
            path.with_name(f"{path.name}.done").touch()
        return count

    def _fill(self, path: Path, rows: Iterable[Row], spoil: str, trailer: bool) -> int:
        """The number of data rows: all but the header."""
        encoding = {"utf8_bom": "utf-8-sig", "utf8": "utf-8"}.get(spoil, self._switches["file_encoding"])
        count = 0 if spoil == "header" else -1
        with path.open("w", encoding=encoding, errors="replace", newline="") as file:
            writer = csv.writer(file, delimiter=self._switches["separator"], lineterminator="\r\n")
            for row in rows:
                writer.writerow(row)
                count += 1
            if trailer:
                writer.writerow([TRAILER, str(count + (spoil == "bad_count"))])
        return count

    def _again(self, wanted: Wanted, dialect: Dialect) -> dict[str, Any]:
        """The last file once more: under its own name, or its content under the next one (9)."""
        last = self._last(wanted.entity)
        kept = self.find(last.get("name", "")) if last else None
        if kept is None:
            raise ValueError(f"drop: there is no earlier file of {wanted.entity} to repeat")
        if wanted.spoil == "repeat":
            if kept.parent.name != "out":
                shutil.copyfile(kept, self.folder / "out" / kept.name)
            return {**last, "spoil": wanted.spoil}
        number = last["sequence"] + 1
        told = {**last, "name": self._name(wanted.entity, number, dialect), "sequence": number, "spoil": wanted.spoil}
        shutil.copyfile(kept, self.folder / "out" / told["name"])
        if self._mode(wanted) == "done":
            (self.folder / "out" / f"{told['name']}.done").touch()
        self._remember(wanted.entity, told["name"], told)
        return told
