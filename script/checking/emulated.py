"""The emulated systems through their control API, record by record."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

PAGE = 50_000
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Emulated:
    """Numbers with a fraction come as text: a price must not pass through a float."""

    def __init__(self, control: str) -> None:
        self._base = control.rstrip("/").removesuffix("/_control") + "/_control"

    def get(self, path: str) -> Any:
        with _opener.open(f"{self._base}/{path}", timeout=300) as answer:
            return json.loads(answer.read(), parse_float=str)

    def records(self, collection: str) -> Iterator[dict[str, Any]]:
        """Every record of a collection (`emarsys/contacts`), a page at a time."""
        offset = 0
        while page := self.get(f"{collection}?offset={offset}&limit={PAGE}"):
            yield from page
            offset += len(page)

    def planted(self) -> list[dict[str, Any]]:
        """The differences that were planted in Emarsys' default account; only the emulator knows them."""
        return list(self.get("planted").get("emarsys", {}).get("demo", []))

    def external_field(self) -> str:
        """The id of the contact field that holds the ERP's customer number."""
        return next(str(field["id"]) for field in self.records("emarsys/fields") if field["string_id"] == "externalId")
