"""Which entity sets this tenant has: names, versions and properties differ from tenant to tenant (dynamics365.md 2.1).

Switches: `newer_sets` (`yes`: V3 orders and invoices, V2 order lines and return orders beside the older ones),
`absent` (`Set` or `Set.Property`, comma separated, is not there), `names` (`ContactsV2=Contacts`, comma separated),
`return_statuses` (`sales`: return orders speak SalesStatus, 4.6).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from connectors.emulators.dynamics365.entity_sets.invoices import BILLING, INVOICES, LINES
from connectors.emulators.dynamics365.entity_sets.orders import ORDER_LINES, ORDERS, SALES
from connectors.emulators.dynamics365.entity_sets.people import PEOPLE
from connectors.emulators.dynamics365.entity_sets.products import STOCK
from connectors.emulators.dynamics365.entity_sets.returns import RETURN_ORDERS, RETURNS
from connectors.emulators.dynamics365.schema import EntitySet, Property, link

ENTITY_SETS = {entity.name: entity for entity in (*PEOPLE, *SALES, *BILLING, *RETURNS, *STOCK)}
_SWITCHES = ("newer_sets", "absent", "names", "return_statuses")
_ORDER = "dataAreaId SalesOrderNumber"
_INVOICE = "dataAreaId InvoiceNumber"
_NEWER = {
    ORDERS.name: replace(
        ORDERS, name="SalesOrderHeadersV3", type="SalesOrderHeaderV3",
        navigation={"SalesOrderLinesV2": link("SalesOrderLinesV2", _ORDER)},
    ),
    ORDER_LINES.name: replace(
        ORDER_LINES, name="SalesOrderLinesV2", type="SalesOrderLineV2",
        navigation={"SalesOrderHeaderV3": link("SalesOrderHeadersV3", _ORDER, many=False)},
    ),
    INVOICES.name: replace(
        INVOICES, name="SalesInvoiceHeadersV3", type="SalesInvoiceHeaderV3",
        navigation={"SalesInvoiceLinesV3": link("SalesInvoiceV3Lines", _INVOICE)},
    ),
    LINES.name: replace(
        LINES, name="SalesInvoiceV3Lines", type="SalesInvoiceLineV3",
        navigation={"SalesInvoiceHeaderV3": link("SalesInvoiceHeadersV3", _INVOICE, many=False)},
    ),
    RETURN_ORDERS.name: replace(RETURN_ORDERS, name="ReturnOrderHeadersV2", type="ReturnOrderHeaderV2"),
}  # fmt: skip


class Catalogue:
    """The sets as the tenant shows them: `shown` by public name, `base` says which set of ours each one is."""

    def __init__(self, newer_sets: str, absent: str, names: str, return_statuses: str) -> None:
        sets = {name: (entity, name) for name, entity in ENTITY_SETS.items()}
        if newer_sets == "yes":
            sets.update({entity.name: (entity, older) for older, entity in _NEWER.items()})
        missing = {word.strip() for word in absent.split(",") if word.strip()}
        renamed = dict(pair.strip().split("=", 1) for pair in names.split(",") if "=" in pair)
        self.shown: dict[str, EntitySet] = {}
        self.base: dict[str, str] = {}
        for name, (entity, older) in sets.items():
            if name in missing:
                continue
            public = renamed.get(name, name)
            self.shown[public] = _fitted(entity, public, missing, renamed, return_statuses)
            self.base[public] = older


def _fitted(
    entity: EntitySet, public: str, missing: set[str], renamed: Mapping[str, str], return_statuses: str
) -> EntitySet:
    kept = {name: declared for name, declared in entity.properties.items() if f"{entity.name}.{name}" not in missing}
    if return_statuses == "sales" and "ReturnOrderStatus" in kept:
        kept["ReturnOrderStatus"] = Property("ReturnOrderStatus", "SalesStatus")
    links = {
        name: replace(found, target=renamed.get(found.target, found.target))
        for name, found in entity.navigation.items()
        if found.target not in missing and f"{entity.name}.{name}" not in missing
    }
    same = kept == entity.properties and links == entity.navigation and public == entity.name
    return entity if same else replace(entity, name=public, properties=kept, navigation=links)


@lru_cache(maxsize=16)
def _catalogue(*switches: str) -> Catalogue:
    return Catalogue(*switches)


def catalogue(settings: Mapping[str, str]) -> Catalogue:
    """The sets under the switches as they are now."""
    return _catalogue(*(settings.get(name, "") for name in _SWITCHES))
