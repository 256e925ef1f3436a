"""The names and kinds of everything Prima answers, in the contract's words; a dialect gives them other words.

Stored records use these names. Moments are stored as UTC (`2024-03-01T05:58:10Z`), dates as `2024-03-01`,
amounts and quantities as decimal text, logical values as `Yes`, `No` or "" (not given).
"""

from dataclasses import dataclass, field

TEXT, DATE, MOMENT, LOGICAL, AMOUNT, QUANTITY = "text", "date", "moment", "logical", "amount", "quantity"


@dataclass(frozen=True)
class Part:
    """One element: its attributes with their kinds, and the elements it repeats inside."""

    element: str
    attributes: dict[str, str]
    children: tuple["Part", ...] = ()

    @property
    def stored(self) -> str:
        """The key of a stored record under which a child's rows are kept."""
        return self.element


@dataclass(frozen=True)
class Entity:
    """What one request type reads: `collection` keeps its records."""

    request: str
    collection: str
    part: Part
    filters: tuple[str, ...] = field(default=())


def _kinds(text: str, **kinds: str) -> dict[str, str]:
    """`"A B C", moment="D"`: names with their kinds, in the order given, text first."""
    named = dict.fromkeys(text.split(), TEXT)
    for kind, names in kinds.items():
        named.update(dict.fromkeys(names.split(), kind))
    return named


SKU_KEYS = "Product MtrxCode1 MtrxCode2 MtrxCode3 MtrxCode4"
FLAGS = ("ReceiveEmail", "ReceiveText", "ReceiveMail", "ReceivePhone", "ReceiveMobile", "RentDetails")

CUSTOMER = Part(
    "Customer",
    _kinds(
        "Customer CustomerType Status MergedTo CustomerTitle CustomerForename CustomerSurname CustomerEmail "
        "CustomerPhone CustomerMobile AddrLine1 AddrLine2 AddrLine3 AddrLine4 AddrLine5 AddrLine6 PostCode Country "
        "Gender ConsentSource",
        date="DateOfBirth",
        logical=" ".join(FLAGS),
        moment="ConsentDate LastChanged",
    ),
)
ORDER_LINE = Part(
    "OrderLineData",
    _kinds(
        f"OrderLine {SKU_KEYS} WebPrmCode Promotion LineStatus Warehouse",
        quantity="Quantity QtyDespatched QtyCancelled",
        amount="Price LineValue TrDisc",
    ),
)
ORDER_CHARGE = Part("OrderChargeData", _kinds("Charge", amount="ChargeValue"))
ORDER = Part(
    "Order",
    _kinds(
        "OrderNumber TPGUID Customer CustomerRef OrderChannel OrderType OrderStatus Currency SourceMedia Brand Season",
        logical="VatInclusive B2B",
        moment="OrderDate LastChanged",
        amount="GoodsValue DiscountValue VatValue OrderTotal",
    ),
    (ORDER_LINE, ORDER_CHARGE),
)
CREDIT_LINE = Part(
    "CreditLine",
    _kinds(f"CreditLine OrderLine {SKU_KEYS} BackToStock", quantity="Quantity", amount="LineValue"),
)
CREDIT = Part(
    "Credit",
    _kinds(
        "CreditNumber CreditType OrderNumber InvoiceNumber Customer Reason Currency ExchCreditNo",
        moment="CreditDate LastChanged",
        amount="CreditTotal",
    ),
    (CREDIT_LINE,),
)
DESPATCH_LINE = Part("DespatchLine", _kinds(f"OrderLine {SKU_KEYS}", quantity="Quantity"))
DESPATCH = Part(
    "Despatch",
    _kinds(
        "DespatchNumber OrderNumber Warehouse Carrier CarrServ ConsignmentNo TrackingURL",
        moment="DespatchDate LastChanged",
    ),
    (DESPATCH_LINE,),
)
STOCK = Part(
    "SKU",
    _kinds(
        f"{SKU_KEYS} Warehouse Barcode",
        quantity="Physical Allocated Quarantine Reserved Free OnOrder",
        date="AvailableDate",
        moment="LastChanged",
    ),
)
# The evidenced stock requests (5): the element is `sku` in one reply and `SKU` in the other.
AVAILABLE = Part("sku", _kinds("Product MtrxCode1 MtrxCode2", quantity="AvailableQuantity"))
AVAILABLE_AT = Part("SKU", _kinds(SKU_KEYS, quantity="AvailableQuantity", date="AvailableDate"))

ENTITIES = {
    entity.request: entity
    for entity in (
        Entity("CustomerChanges", "customers", CUSTOMER),
        Entity("OrderChanges", "orders", ORDER, ("OrderChannel",)),
        Entity("CreditChanges", "credits", CREDIT),
        Entity("DespatchChanges", "despatches", DESPATCH),
        Entity("StockStatus", "stock", STOCK, ("Warehouse",)),
    )
}
PARTS = {entity.collection: entity.part for entity in ENTITIES.values()}
COLLECTIONS = tuple(PARTS)

# What `Data` carries, in requests and replies alike.
DATA = Part(
    "Data",
    _kinds(
        "StartKey NextKey MaxRecords UniqueId OrderNumber OrderStatus OrderChannel ProductFrom ProductTo Warehouse "
        "Customer",
        logical="MoreRecords",
        moment="ChangedSince ChangedTo ServerTime LastChanged",
    ),
)
