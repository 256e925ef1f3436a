"""What the emulated environment offers: entity sets, their keys, properties and enums (dynamics365.md 4).

Strings are never null but "", enums travel as strings, empty dates are 1900-01-01 at noon (2.2, 4.10).
"""

from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "Microsoft.Dynamics.DataEntities"
NO_DATE = "1900-01-01T12:00:00Z"
ETAG = "@odata.etag"

ENUMS: dict[str, tuple[str, ...]] = {
    "NoYes": ("No", "Yes"),
    "CustVendorBlocked": ("No", "Invoice", "All", "Payment", "Requisition", "Never", "PurchOrder"),
    "Gender": ("Unknown", "Male", "Female", "NonSpecific"),
}


@dataclass(frozen=True)
class Property:
    """`kind` is `string`, `date`, `decimal`, `int` or the name of an enum."""

    name: str
    kind: str

    @property
    def default(self) -> Any:
        if self.kind in ENUMS:
            return ENUMS[self.kind][0]
        return {"string": "", "date": NO_DATE, "decimal": 0, "int": 0}[self.kind]

    @property
    def edm(self) -> str:
        if self.kind in ENUMS:
            return f"{NAMESPACE}.{self.kind}"
        return {"string": "Edm.String", "date": "Edm.DateTimeOffset", "decimal": "Edm.Decimal", "int": "Edm.Int32"}[
            self.kind
        ]


@dataclass(frozen=True)
class EntitySet:
    """`indexes` are the orders in which rows can be walked without sorting; the first is the order of the key.

    `navigation` names the set of lines that `$expand` shows under a property.
    """

    name: str
    type: str
    key: tuple[str, ...]
    properties: dict[str, Property]
    indexes: tuple[tuple[str, ...], ...]
    writable: bool = False
    navigation: dict[str, str] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: declared.default for name, declared in self.properties.items()}


def _entity(
    name: str, type_name: str, key: str, columns: dict[str, str], indexes: tuple[str, ...], **rest: Any
) -> EntitySet:
    properties = {column: Property(column, kind) for kind, words in columns.items() for column in words.split()}
    others = (column for column in properties if column not in key.split())
    ordered = {column: properties[column] for column in (*key.split(), *others)}
    return EntitySet(name, type_name, tuple(key.split()), ordered, tuple(tuple(i.split()) for i in indexes), **rest)


CUSTOMERS = _entity(
    "CustomersV3",
    "CustomerV3",
    "dataAreaId CustomerAccount",
    {
        # LoyaltyTier and BirthDate are no standard properties: this tenant's extension.
        "string": "dataAreaId CustomerAccount PartyNumber PartyType OrganizationName NameAlias KnownAs PersonFirstName "
        "PersonMiddleName PersonLastName LanguageId CustomerGroupId SalesCurrencyCode PrimaryContactEmail "
        "PrimaryContactEmailDescription PrimaryContactPhone ReceiptEmail AddressStreet AddressCity AddressZipCode "
        "AddressState AddressCountryRegionId AddressCountryRegionISOCode LoyaltyTier",
        "date": "BirthDate",
        "NoYes": "IsOneTimeCustomer IsExternallyMaintained PrimaryContactPhoneIsMobile PrimaryContactEmailIsIM",
        "Gender": "PersonGender",
        "CustVendorBlocked": "OnHoldStatus",
    },
    ("dataAreaId CustomerAccount",),
    writable=True,
)
INVOICES = _entity(
    "SalesInvoiceHeadersV2",
    "SalesInvoiceHeaderV2",
    "dataAreaId InvoiceNumber InvoiceDate LedgerVoucher",
    {
        "string": "dataAreaId InvoiceNumber LedgerVoucher InvoiceCustomerAccountNumber SalesOrderNumber CurrencyCode "
        "CustomersOrderReference",
        "date": "InvoiceDate",
        "decimal": "TotalInvoiceAmount TotalTaxAmount TotalDiscountAmount TotalChargeAmount",
    },
    ("dataAreaId InvoiceNumber", "dataAreaId InvoiceDate InvoiceNumber"),
    navigation={"SalesInvoiceLinesV2": "SalesInvoiceV2Lines"},  # the property's name is no set of its own (4.6)
)
LINES = _entity(
    "SalesInvoiceV2Lines",
    "SalesInvoiceLineV2",
    "dataAreaId InvoiceNumber LineCreationSequenceNumber",
    {
        "string": "dataAreaId InvoiceNumber ProductNumber ProductName CurrencyCode InventorySiteId "
        "InventoryWarehouseId",
        "date": "InvoiceDate",
        "int": "LineCreationSequenceNumber",
        "decimal": "InvoicedQuantity SalesPrice LineAmount LineTotalTaxAmount LineTotalDiscountAmount",
    },
    (
        "dataAreaId InvoiceNumber LineCreationSequenceNumber",
        "dataAreaId InvoiceDate InvoiceNumber LineCreationSequenceNumber",
    ),
)
ENTITY_SETS = {entity.name: entity for entity in (CUSTOMERS, INVOICES, LINES)}


def comparable(declared: Property, value: Any) -> Any:
    """A value as filters and indexes compare it: companies in lower case (2.3), times without their Z.

    Without the Z a whole second sorts before the same second with a fraction.
    """
    if declared.name == "dataAreaId":
        return value.lower()
    if declared.kind == "date":
        return value.removesuffix("Z")
    return value
