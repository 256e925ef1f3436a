"""Puts each row of a page into its cover (see `mapping`), with what must be looked up for it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.dynamics365 import odata
from connectors.dynamics365.dataverse import mapping, web_api
from connectors.dynamics365.dataverse.contact_points import ContactPoints
from connectors.dynamics365.dataverse.merges import Merges
from connectors.dynamics365.dataverse.tables import Table

_MERGED = re.compile(rb'"merged"\s*:\s*true')


class Covering:
    """One read's rows; `with_version` keeps each row's etag in its cover."""

    def __init__(self, merges: Merges, points: ContactPoints | None, with_version: bool) -> None:
        self._merges, self._points, self._with_version = merges, points, with_version

    def covered(self, table: Table, rows: Sequence[bytes]) -> list[bytes]:
        merged = self._survivors(table, rows)
        owners = self._points.owners(rows) if self._points else {}
        found: list[bytes] = []
        for row in rows:
            if lost := web_api.deleted(row):
                found.append(mapping.cover(table.name, b"{}", gone=lost))
            elif self._points:
                found += self._by_owner(table, row, owners)
            else:
                found.append(
                    mapping.cover(table.name, odata.without_annotations(row), **self._more(table, row, merged))
                )
        return found

    def _more(self, table: Table, row: bytes, merged: Mapping[str, str]) -> dict[str, str]:
        more = {}
        if merged and (into := merged.get(_id(table, web_api.members(row)))):
            more["into"] = into
        if self._with_version:
            more["etag"] = version(row)
        return more

    def _survivors(self, table: Table, rows: Sequence[bytes]) -> Mapping[str, str]:
        merged = {}
        for row in rows:
            if _MERGED.search(row):
                values = web_api.members(row)
                master = mapping.guid(mapping.text(values, "_masterid_value"))
                if values.get("merged") is True and master:
                    merged[_id(table, values)] = master
        return self._merges.survivors(table, merged) if merged else {}

    def _by_owner(self, table: Table, row: bytes, owners: Mapping[str, Sequence[tuple[str, str]]]) -> list[bytes]:
        """Once for each contact that has the address; once without a contact where nobody has it."""
        assert self._points
        values = web_api.members(row)
        if values and not self._points.meant(values):
            return []
        plain = odata.without_annotations(row)
        address = mapping.text(values, "msdynmkt_contactpointvalue").lower()
        people = owners.get(address) or [("", "")]
        return [
            mapping.cover(
                table.name, plain, etag=version(row), customer=customer, account=account, nth=str(number or "")
            )
            for number, (customer, account) in enumerate(people)
        ]


def _id(table: Table, values: Mapping[str, Any]) -> str:
    return mapping.guid(mapping.text(values, table.id))


_ETAG = re.compile(rb'\{\s*"@odata\.etag"\s*:\s*"((?:W/)?\\"[^"\\]{1,100}\\")"')


def version(row: bytes) -> str:
    """The row's etag, an opaque text; it stands first in the row, elsewhere it is looked for."""
    found = _ETAG.match(row)
    if found:
        return found[1].decode("utf-8", "replace").replace('\\"', '"')
    return str(web_api.members(row).get("@odata.etag", ""))
