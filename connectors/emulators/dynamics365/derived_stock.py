"""Products of posted invoices, sellable products, and on-hand in three grains (dynamics365.md 4.8).

Stock is kept per article and warehouse as `{"physical", "reserved", "quarantined", "ordered", "on_order"}`.
Quarantined goods are physical inventory under a blocking status or, with the switch `quarantine` = `warehouse`,
available inventory of the warehouse's quarantine warehouse.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from connectors.emulators.dynamics365.tables import Row, Table
from connectors.emulators.store import Collection, Record

Rows = dict[str, dict[str, Any]]
SITE = "1"
AVAILABLE, BLOCKED = "Available", "Blocked"
_SUMMED = ("OnHandQuantity", "ReservedOnHandQuantity", "OrderedQuantity", "ReservedOrderedQuantity", "OnOrderQuantity")
_NO_DIMENSIONS = "|||||"


def products_sold(lines: Iterable[tuple[str, Record]]) -> Rows:
    """Every product number of the invoices with its last name that is not empty, per company."""
    names: dict[tuple[str, str], str] = {}
    for document, group in lines:
        company = document.partition("|")[0]
        for line in group["lines"]:
            if line[1] and (line[2] or (company, line[1]) not in names):
                names[company, line[1]] = line[2].strip() or names.get((company, line[1]), "")
    return {
        f"{company}|{code}": {"ProductNumber": code, "ProductName": name} for (company, code), name in names.items()
    }


def product(number: str, name: str, price: Any, category: str) -> dict[str, Any]:
    return {
        "ProductNumber": number,
        "ProductName": name,
        "SearchName": name[:20],
        "ProductGroupId": category[:10],
        "SalesPrice": price,
    }


UNITS = {"SalesUnitSymbol": "ea", "InventoryUnitSymbol": "ea", "ProductLifecycleStateId": "Operational"}


def sellable(products: Iterable[tuple[str, Row]], currency: str) -> Rows:
    found: Rows = {}
    for key, row in products:
        company = key.partition("|")[0]
        stopped = "No" if row.get("ProductLifecycleStateId") in ("", "Operational") else "Yes"
        found[f"{company}|{row['ProductNumber']}"] = {
            "ProductName": row["ProductName"], "SalesPrice": row["SalesPrice"], "CurrencyCode": currency,
            "SalesUnitSymbol": row["SalesUnitSymbol"], "IsStockedProduct": "Yes", "IsSalesStopped": stopped,
        }  # fmt: skip
    return found


def by_status(stock: Collection, names: Table, quarantine: str) -> Rows:
    """`company|item|dimensions|site|warehouse|status`; articles have no dimensions in a neutral dataset."""
    found: Rows = {}
    for key, kept in stock.items():
        company, item, warehouse = key.split("|", 2)
        named = names.find(f"{company}|{item}") or {}
        for place, status, physical, reserved in _parts(kept, warehouse, quarantine):
            incoming = status == AVAILABLE and place == warehouse
            row = _quantities(physical, reserved, kept if incoming else {})
            row["ProductName"] = named.get("ProductName", "")
            found[f"{company}|{item}|{_NO_DIMENSIONS}{SITE}|{place}|{status}"] = row
    return found


def _parts(kept: Record, warehouse: str, quarantine: str) -> Iterator[tuple[str, str, Any, Any]]:
    """(warehouse, status, physical, reserved); the quarantined part of the physical inventory stands apart."""
    held = kept.get("quarantined", 0)
    yield warehouse, AVAILABLE, total_of(kept.get("physical", 0), -held), kept.get("reserved", 0)
    if held and quarantine == "warehouse":
        yield quarantine_of(warehouse), AVAILABLE, held, 0
    elif held:
        yield warehouse, BLOCKED, held, 0


def quarantine_of(warehouse: str) -> str:
    return f"{warehouse}-Q"


def _quantities(physical: Any, reserved: Any, kept: Mapping[str, Any]) -> dict[str, Any]:
    """Available physical = physical − reserved; total available = that + ordered − on order (4.8)."""
    ordered, on_order = kept.get("ordered", 0), kept.get("on_order", 0)
    available = total_of(physical, -reserved)
    return {
        "OnHandQuantity": physical,
        "ReservedOnHandQuantity": reserved,
        "AvailableOnHandQuantity": available,
        "OrderedQuantity": ordered,
        "ReservedOrderedQuantity": 0,
        "AvailableOrderedQuantity": ordered,
        "OnOrderQuantity": on_order,
        "TotalAvailableQuantity": total_of(available, ordered, -on_order),
    }


def total_of(*numbers: Any) -> int | float:
    """Without the noise of binary fractions."""
    total = sum((Decimal(str(number)) for number in numbers), Decimal(0))
    return int(total) if total == total.to_integral_value() else float(total)


def coarser(rows: Iterable[tuple[str, Row]], keep: int) -> Rows:
    """The sums of rows that agree in the first `keep` parts of their ids."""
    groups: dict[str, list[Row]] = {}
    for key, row in rows:
        groups.setdefault("|".join(key.split("|")[:keep]), []).append(row)
    found: Rows = {}
    for key, members in groups.items():
        total = {name: total_of(*(row[name] for row in members)) for name in _SUMMED}
        kept = {"ordered": total["OrderedQuantity"], "on_order": total["OnOrderQuantity"]}
        found[key] = _quantities(total["OnHandQuantity"], total["ReservedOnHandQuantity"], kept)
        found[key]["ProductName"] = members[0]["ProductName"]
    return found
