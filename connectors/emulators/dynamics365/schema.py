"""What entity sets are made of: keys, properties, enums, links (dynamics365.md 2.1, 4).

Strings are never null but "", enums travel as strings, empty dates are 1900-01-01 (2.2, 4.10).
"""

from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "Microsoft.Dynamics.DataEntities"
NO_DATE = "1900-01-01T12:00:00Z"
NO_MOMENT = "1900-01-01T00:00:00Z"
ETAG = "@odata.etag"

ENUMS: dict[str, tuple[str, ...]] = {
    "NoYes": ("No", "Yes"),
    "CustVendorBlocked": ("No", "Invoice", "All", "Payment", "Requisition", "Never", "PurchOrder"),
    "Gender": ("Unknown", "Male", "Female", "NonSpecific"),
    "MonthsOfYear": ("None", "January", "February", "March", "April", "May", "June", "July", "August", "September",
                     "October", "November", "December"),
    "LogisticsElectronicAddressMethodType": ("None", "Phone", "Email", "URL", "Telex", "Fax"),
    "SalesStatus": ("None", "Backorder", "Delivered", "Invoiced", "Canceled"),
    "SalesOrderProcessingStatus": ("Active", "Confirmed", "Picked", "PartiallyDelivered", "Delivered", "Invoiced",
                                   "PartiallyInvoiced", "Canceled", "DeliveredPartiallyInvoiced"),
    "ReturnStatusHeader": ("None", "Created", "Open", "Closed", "Canceled"),
    "ReturnStatusLine": ("None", "Awaiting", "Registered", "Quarantine", "Received", "Invoiced", "Canceled"),
    "ReturnDetailsOrderType": ("Unsupported", "SalesOrder", "OutboundShipmentOrder"),
    "ReturnDispositionAction": ("Credit", "CreditScrap", "Replace", "ReplaceScrap", "Return"),
    "InventLocationType": ("Standard", "Quarantine", "Transit"),
}  # fmt: skip
_EDM = {
    "string": "Edm.String",
    "date": "Edm.DateTimeOffset",
    "moment": "Edm.DateTimeOffset",
    "decimal": "Edm.Decimal",
    "int": "Edm.Int32",
    "long": "Edm.Int64",
}
_EMPTY = {"string": "", "date": NO_DATE, "moment": NO_MOMENT, "decimal": 0, "int": 0, "long": 0}


@dataclass(frozen=True)
class Property:
    """`kind` is `string`, `date` (a day, stamped noon), `moment`, `decimal`, `int`, `long` or the name of an enum."""

    name: str
    kind: str

    @property
    def default(self) -> Any:
        return ENUMS[self.kind][0] if self.kind in ENUMS else _EMPTY[self.kind]

    @property
    def edm(self) -> str:
        return f"{NAMESPACE}.{self.kind}" if self.kind in ENUMS else _EDM[self.kind]

    @property
    def is_quoted(self) -> bool:
        """Whether its values stand in quotes in a key."""
        return self.kind == "string"


@dataclass(frozen=True)
class Link:
    """A navigation property: rows of `target` whose `theirs` have the values of our `ours`."""

    target: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    many: bool = True


@dataclass(frozen=True)
class EntitySet:
    """`indexes` are the orders in which rows can be walked without sorting; the first is the order of the key.

    `sources` is how many tables a row is joined from: its ETag has a pair of numbers for each (2.2).
    """

    name: str
    type: str
    key: tuple[str, ...]
    properties: dict[str, Property]
    indexes: tuple[tuple[str, ...], ...]
    writable: bool = False
    navigation: dict[str, Link] = field(default_factory=dict)
    sources: int = 1
    # What a caller need not give when it creates a row: the system fills it in.
    numbered: str = ""

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: declared.default for name, declared in self.properties.items()}

    @property
    def is_shared(self) -> bool:
        """One set for all companies (2.3)."""
        return "dataAreaId" not in self.properties


def entity(
    name: str, type_name: str, key: str, columns: dict[str, str], indexes: tuple[str, ...] = (), **rest: Any
) -> EntitySet:
    """An entity set from words: `columns` has the property names of each kind."""
    properties = {column: Property(column, kind) for kind, words in columns.items() for column in words.split()}
    others = (column for column in properties if column not in key.split())
    ordered = {column: properties[column] for column in (*key.split(), *others)}
    walks = tuple(tuple(index.split()) for index in indexes or (key,))
    return EntitySet(name, type_name, tuple(key.split()), ordered, walks, **rest)


def link(target: str, ours: str, theirs: str = "", many: bool = True) -> Link:
    return Link(target, tuple(ours.split()), tuple((theirs or ours).split()), many)


def comparable(declared: Property, value: Any) -> Any:
    """A value as filters and indexes compare it: companies in lower case (2.3), times without their Z.

    Without the Z a whole second sorts before the same second with a fraction.
    """
    if declared.name == "dataAreaId":
        return value.lower()
    if declared.kind in ("date", "moment"):
        return value.removesuffix("Z")
    return value
