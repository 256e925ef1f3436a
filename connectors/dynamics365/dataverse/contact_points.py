"""Consent of Customer Insights – Journeys: by e-mail address and purpose, not by contact (contract 3.6)."""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.base import Settings
from connectors.dynamics365 import odata
from connectors.dynamics365.dataverse import tables, web_api
from connectors.dynamics365.dataverse.mapping import guid, text
from connectors.dynamics365.dataverse.tables import CONSENT_POINTS, EMAIL_POINT, FOR_PURPOSE
from connectors.http import Http

ID = CONSENT_POINTS.removesuffix("s") + "id"
SELECT = (ID, "msdynmkt_contactpointvalue", "msdynmkt_contactpointtype", "msdynmkt_contactpointconsenttype",
          "msdynmkt_value", "_msdynmkt_purposeid_value", "statecode")  # fmt: skip


class ContactPoints:
    """The consents for one purpose, and the contacts that have their addresses."""

    def __init__(self, http: Http, settings: Settings) -> None:
        self._http = http
        self._purpose = guid(settings.text("CONSENT_PURPOSE"))
        self._people = tables.customer_tables(settings)

    def meant(self, values: Mapping[str, Any]) -> bool:
        """Is this row an e-mail's consent to our purpose? (A feed has every row of its table.)"""
        return (
            values.get("msdynmkt_contactpointtype") == EMAIL_POINT
            and values.get("msdynmkt_contactpointconsenttype") == FOR_PURPOSE
            and guid(text(values, "_msdynmkt_purposeid_value")) == self._purpose
        )

    def owners(self, rows: Sequence[bytes]) -> Mapping[str, list[tuple[str, str]]]:
        """Address in lower case → (id, number) of the active rows that have it, by id."""
        values = [web_api.members(row) for row in rows]
        addresses = sorted({text(one, "msdynmkt_contactpointvalue") for one in values if self.meant(one)} - {""})
        found: dict[str, list[tuple[str, str]]] = {}
        for table in self._people:
            select = [column for column in (table.id, table.number, "emailaddress1") if column]
            for row in web_api.by_value(
                self._http, table.name, "emailaddress1", addresses, select, False, "statecode eq 0"
            ):
                one = web_api.members(row)
                owner = (guid(text(one, table.id)), text(one, table.number))
                found.setdefault(text(one, "emailaddress1").lower(), []).append(owner)
        return {address: sorted(people) for address, people in found.items()}

    def consents(self, addresses: Sequence[str]) -> Mapping[str, bytes]:
        """Address in lower case → its active consent row for our purpose."""
        where = (f"msdynmkt_contactpointtype eq {EMAIL_POINT} and msdynmkt_contactpointconsenttype eq {FOR_PURPOSE} "
                 f"and _msdynmkt_purposeid_value eq {self._purpose} and statecode eq 0")  # fmt: skip
        column = "msdynmkt_contactpointvalue"
        rows = web_api.by_value(self._http, CONSENT_POINTS, column, sorted(set(addresses)), SELECT, False, where)
        return {text(web_api.members(row), column).lower(): row for row in rows}

    def path(self) -> str:
        """The address of all consents for our purpose."""
        where = f"_msdynmkt_purposeid_value eq {self._purpose} and statecode eq 0"
        return odata.address(CONSENT_POINTS, {"$select": ",".join(SELECT), "$filter": where, "$orderby": ID})
