"""Calls that create, change or delete one row: conditions, upsert, what comes back (dynamics365.md 3.1, 3.6)."""

from collections.abc import Mapping
from typing import Any

from connectors.emulators.dataverse.addresses import Address
from connectors.emulators.dataverse.errors import DUPLICATE, DataverseError, missing_property, missing_row
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.payload import json_of
from connectors.emulators.dataverse.preferences import Preferences
from connectors.emulators.dataverse.query import options_of
from connectors.emulators.dataverse.replies import answer, empty
from connectors.emulators.dataverse.representation import Representation
from connectors.emulators.dataverse.rows import Row, etag
from connectors.emulators.dataverse.schema import Table
from connectors.emulators.dataverse.writing import Writing
from connectors.emulators.system import Request, Response

_STALE = "The version of the existing record doesn't match the RowVersion property provided."


def shown(
    organisation: Organisation, request: Request, table: Table, row: Row, preferences: Preferences, status: int = 200,
    applied: str = "",
) -> Response:  # fmt: skip
    """One row as an answer."""
    options = options_of(organisation, table, request.query)
    representation = Representation(organisation, table, options.select, preferences, options.expand)
    names = f"({','.join(options.select)})" if options.select else ""
    context = f"{request.base}/$metadata#{table.set_name}{names}/$entity"
    parts = ",".join(filter(None, (applied, preferences.applied)))
    body = {"@odata.context": context, **representation.one(row)}
    return answer(body, status, 1, ETag=etag(row), Preference_Applied=parts)


class RowCalls:
    """Writes of one request, as its user."""

    def __init__(self, organisation: Organisation, request: Request, preferences: Preferences, user: str) -> None:
        self._organisation = organisation
        self._request = request
        self._preferences = preferences
        self._writing = Writing(organisation, organisation.user_id(user))

    def create(self, table: Table) -> Response:
        row = self._writing.create(table, json_of(self._request.body))
        return self._written(table, row, created=True)

    def change(self, address: Address) -> Response:
        """PATCH or PUT: an update, or without conditions and row a creation."""
        with self._organisation.transaction():
            table, given = address.table, json_of(self._request.body)
            row = self._organisation.rows(table.name).get(address.row_id or "")
            self._check(address, row)
            if row is None:
                return self._upserted(address, given)
            changed = self._writing.update(table, row, given, whole=self._request.method == "PUT")
            return self._written(table, changed, created=False)

    def _upserted(self, address: Address, given: Mapping[str, Any]) -> Response:
        row = self._writing.create(address.table, {**address.key, **given}, address.row_id or "")
        return self._written(address.table, row, created=True)

    def delete(self, address: Address) -> Response:
        with self._organisation.transaction():
            row = self._organisation.rows(address.table.name).get(address.row_id or "")
            if row is None:
                raise missing_row(address.table.name, address.row_id or str(dict(address.key)))
            self._check(address, row)
            self._writing.delete(address.table, row)
            return empty(204, 1)

    def change_property(self, address: Address) -> Response:
        """`PUT contacts(…)/jobtitle` with a value, `DELETE` for none."""
        table, name = address.table, address.rest
        if name not in table.properties:
            raise missing_property(name, table.type)
        with self._organisation.transaction():
            row = self._organisation.found(table, address.row_id or "")
            self._check(address, row)
            value = None if self._request.method == "DELETE" else json_of(self._request.body).get("value")
            changed = self._writing.update(table, row, {name: value})
            return self._written(table, changed, created=False)

    def _check(self, address: Address, row: Row | None) -> None:
        """`If-Match` *: update only; a tag: that version only. `If-None-Match: *`: create only (3.6)."""
        wanted = self._request.headers.get("if-match", "")
        if row is None:
            if wanted:
                raise missing_row(address.table.name, address.row_id or str(dict(address.key)))
            return
        if self._request.headers.get("if-none-match") == "*":
            raise DataverseError(412, DUPLICATE, "A record with matching key values already exists.")
        if wanted not in ("", "*", etag(row)):
            raise DataverseError(412, "", _STALE)

    def _written(self, table: Table, row: Row, created: bool) -> Response:
        """Nothing but the address of the row, or the row where the client prefers it (3.1)."""
        address = f"{self._request.base}/{table.set_name}({row[table.id_column]})"
        if self._preferences.representation:
            status = 201 if created else 200
            answered = shown(self._organisation, self._request, table, row, self._preferences, status,
                             "return=representation")  # fmt: skip
            answered.headers["OData-EntityId"] = address
        else:
            answered = empty(204, 1, OData_EntityId=address)
        if created:
            answered.headers["Location"] = address
        return answered
