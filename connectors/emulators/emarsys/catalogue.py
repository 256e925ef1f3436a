"""The product catalogue: every pulled file replaces the whole, and is compared with the one before (contract 7)."""

import csv
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from io import StringIO
from typing import Any

from connectors.emulators.store import Collection, Record

COLUMNS = frozenset("item title link image zoom_image category available description price msrp brand group_id".split())
PRICE_DROP, BACK_IN_STOCK, REMOVED = "price_drop", "back_in_stock", "removed"
_SHOWN_PROBLEMS = 20
_PRICES = ("price", "msrp")


class FeedError(ValueError):
    """The file as a whole is no catalogue: the one before stays."""


@dataclass
class Feed:
    """A file's products by item; `ignored` are columns that are neither standard nor custom (`c_…`)."""

    products: dict[str, Record] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read(body: bytes) -> Feed:
    """FeedError when it is not UTF-8 or has no `item` column; a row that cannot be used is left out and named."""
    try:
        rows = csv.reader(StringIO(body.decode("utf-8-sig"), newline=""))
        columns = next(rows, [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise FeedError(f"not a CSV file in UTF-8: {error}") from None
    if "item" not in columns:
        raise FeedError("the header line has no column item")
    kept = {at: name for at, name in enumerate(columns) if name in COLUMNS or name.startswith("c_")}
    feed = Feed(columns=columns, ignored=[name for at, name in enumerate(columns) if at not in kept])
    for number, row in enumerate(rows, start=2):
        if not row:
            continue
        product = {name: row[at] for at, name in kept.items() if at < len(row)}
        problem = _problem(product, row, columns, feed)
        if problem:
            feed.problems.append(f"line {number}: {problem}")
        else:
            feed.products[product["item"]] = product
    return feed


def _problem(product: Record, row: list[str], columns: list[str], feed: Feed) -> str:
    if len(row) != len(columns):
        return f"{len(row)} values for {len(columns)} columns"
    if not product["item"]:
        return "item is empty"
    if product["item"] in feed.products:
        return f"item {product['item']!r} occurs twice"
    if product.get("available", "true").lower() not in ("true", "false"):
        return f"available is neither true nor false: {product['available']!r}"
    wrong = next((name for name in _PRICES if product.get(name) and _price(product, name) is None), None)
    return f"{wrong} is not a number: {product[wrong]!r}" if wrong else ""


def _price(product: Record, name: str = "price") -> Decimal | None:
    try:
        return Decimal(product.get(name, ""))
    except InvalidOperation:
        return None


class Catalogue:
    """Present products, one record for each pull, and what the pulls found changed."""

    def __init__(self, products: Collection, versions: Collection, changes: Collection) -> None:
        self.products = products
        self.versions = versions
        self.changes = changes

    def last_pull(self) -> datetime | None:
        last: Record | None = next(reversed(list(self.versions.values())), None)
        return datetime.fromisoformat(last["at"]) if last else None

    def load(self, status: int, body: bytes, now: datetime) -> Record:
        """One pull and what came of it; after a failed one the catalogue is as it was."""
        report: Record = {"at": now.isoformat(), "http_status": status, "bytes": len(body), "problems": []}
        if status != 200:
            return self._keep(report | {"status": "failed", "error": f"the feed answered {status}", "rows": 0})
        try:
            feed = read(body)
        except FeedError as error:
            return self._keep(report | {"status": "failed", "error": str(error), "rows": 0})
        number = str(len(self.versions) + 1)
        found = self._note(number, self._differences(feed.products), now)
        with self.products.lock:
            self.products.clear()
            self.products.put_many(feed.products)
        shown = {"columns": feed.columns, "ignored": feed.ignored, "problems": feed.problems[:_SHOWN_PROBLEMS]}
        counts = {"rows": len(feed.products), "problem_count": len(feed.problems), **found}
        return self._keep({**report, "status": "loaded", "error": "", **shown, **counts})

    def _keep(self, report: Record) -> Record:
        number = str(len(self.versions) + 1)
        kept = {"id": number, **report}
        self.versions.put(number, kept)
        return kept

    def _differences(self, after: dict[str, Record]) -> list[tuple[str, str, dict[str, Any]]]:
        """(kind, item, more) against the version before; with the first one there is nothing to compare."""
        found: list[tuple[str, str, dict[str, Any]]] = []
        for item, before in self.products.items():
            present = after.get(item)
            if present is None:
                found.append((REMOVED, item, {}))
                continue
            old, new = _price(before), _price(present)
            if old is not None and new is not None and new < old:
                found.append((PRICE_DROP, item, {"old_price": before["price"], "price": present["price"]}))
            if not _is_available(before) and _is_available(present):
                found.append((BACK_IN_STOCK, item, {}))
        return found

    def _note(self, version: str, found: list[tuple[str, str, dict[str, Any]]], now: datetime) -> dict[str, int]:
        first = len(self.changes) + 1
        self.changes.put_many(
            {
                str(number): {
                    "id": str(number), "version": version, "at": now.isoformat(), "item": item, "kind": kind, **more
                }
                for number, (kind, item, more) in enumerate(found, start=first)
            }
        )  # fmt: skip
        return {kind: sum(one[0] == kind for one in found) for kind in (PRICE_DROP, BACK_IN_STOCK, REMOVED)}


def _is_available(product: Record) -> bool:
    return str(product.get("available", "true")).lower() == "true"
