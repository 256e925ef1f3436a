"""The ERP reads what was put into `in/`: consent written back as files (contract 9, `consent_out`)."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.emulators.prima.dialect import Dialect
from connectors.emulators.prima.state import State

# account, channel, Yes/No, date, source, unique id - by position: the contract names no columns.
_WIDTH = 6
_CHANNELS = {
    "email": "ReceiveEmail", "text": "ReceiveText", "sms": "ReceiveText", "mail": "ReceiveMail",
    "post": "ReceiveMail", "phone": "ReceivePhone", "mobile": "ReceiveMobile", "third_party": "RentDetails",
}  # fmt: skip


def collect(folder: Path, state: State, dialect: Dialect, separator: str, encoding: str) -> dict[str, Any]:
    """Applies every finished file of `in/` and moves it to `taken/` beside it; tells what was refused and why."""
    taken = folder / "taken"
    taken.mkdir(exist_ok=True)
    told: dict[str, Any] = {"files": [], "applied": 0, "refused": []}
    for path in sorted((folder / "in").glob("consent_out_*.csv")):
        for number, row in _rows(path, separator, encoding):
            reason = _apply(row, state, dialect)
            if reason:
                told["refused"].append({"file": path.name, "row": number, "reason": reason})
            else:
                told["applied"] += 1
        path.replace(taken / path.name)
        told["files"].append(path.name)
    return told


def _rows(path: Path, separator: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    text = path.read_bytes().decode(encoding, "replace")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    for number, row in enumerate(rows, start=1):
        if number > 1 and row and row[0] != "TRAILER":
            yield number, row


def _apply(row: list[str], state: State, dialect: Dialect) -> str:
    """ "" when it is done, also when it had been before; else the reason."""
    if len(row) != _WIDTH:
        return f"{len(row)} columns, {_WIDTH} expected"
    account, channel, answer, date, source, unique = (cell.strip() for cell in row)
    flag, value = _CHANNELS.get(channel.lower()), dialect.read("", "logical", answer)
    if flag is None or value not in ("Yes", "No"):
        return f"channel {channel!r} with {answer!r}"
    try:
        stamp = dialect.read("", "moment", date)
    except ValueError:
        return f"date {date!r}"
    if account not in state["customers"]:
        return "customer not on file"
    if unique not in state["writes"]:
        changed = state.change("customers", account, {flag: value, "ConsentDate": stamp, "ConsentSource": source})
        state["writes"].put(unique, {"Customer": account, "LastChanged": changed["LastChanged"]})
    return ""
