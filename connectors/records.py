"""Canonical records: what every system maps to and from. Frozen, typed, without any system's field ids."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import msgspec


class Customer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person or company that buys. An empty string means that the ERP says nothing.

    `country` is ISO 3166-1 alpha-2, `phone` as dialled internationally (E.164), `language` ISO 639-1.
    Consent is no part of a customer. `unreadable` names the fields whose value the ERP has but nobody can
    read, and those it does not keep at all: they are left out of what is sent, where an empty one is blanked.
    """

    key: str
    account: str
    company: str = ""
    party: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    organisation: str = ""
    phone: str = ""
    street: str = ""
    city: str = ""
    postcode: str = ""
    country: str = ""
    language: str = ""
    birth_date: date | None = None
    loyalty_tier: str = ""
    on_hold: bool = False
    unreadable: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    """The site's own fields: (name, canonical value), see `extra.ExtraField`."""


class Sale(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a posted invoice or credit note.

    `amount` is the line's net total in `currency` (negative on credit notes), `unit_price` may have up to
    four decimal places, `sold_at` is the business moment in UTC, `document_total` the header's total.
    `charge` marks lines that are no article (postage, fees). `customer` is the key of the customer record.
    """

    key: str
    document: str
    line: str
    company: str
    customer: str
    account: str
    sku: str
    name: str = ""
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    currency: str
    sold_at: datetime
    document_total: Decimal
    order: str = ""
    charge: bool = False
    credit: bool = False


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What a person allows on one channel (`email`, `sms`, `post`, `phone`), as one system holds it.

    `customer` is the key that both systems share (the customer record's key, or what is written into the
    target as external id). `given` is yes, no or empty for "nobody knows": never a default. `at` is when it
    was given, None where the system keeps no moment; `at_latest` says that the moment is an upper bound.
    `evidence` names what proves an opt-in (form, double opt-in, signed source); without it a yes lifts no no.
    `version` is the system's own row version, for a write that must not overtake somebody else's.
    """

    key: str
    customer: str
    account: str = ""
    channel: str = "email"
    given: str = ""
    at: datetime | None = None
    at_latest: bool = False
    source: str = ""
    evidence: str = ""
    email: str = ""
    version: str = ""


class ContactPerson(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works for a customer that is an organisation. `customer` is that customer's key or party."""

    key: str
    customer: str
    company: str = ""
    party: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str = ""
    active: bool = True
    direct_mail: bool | None = None
    changed_at: datetime | None = None


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """One article as the shop may show it.

    `price` and `list_price` are units of `currency` for one piece. `sellable` is the quantity that may be
    promised (physical less reserved, quarantined and blocked, less the buffer, over the sellable warehouses),
    None where the ERP does not say; `active` whether it is sold at all. Categories are levels, outermost first.
    """

    key: str
    sku: str
    company: str = ""
    name: str = ""
    description: str = ""
    category: tuple[str, ...] = ()
    brand: str = ""
    group: str = ""
    price: Decimal | None = None
    list_price: Decimal | None = None
    currency: str = ""
    link: str = ""
    image: str = ""
    sellable: Decimal | None = None
    active: bool = True


class StockLevel(msgspec.Struct, frozen=True, kw_only=True):
    """One article in one warehouse and inventory status. None is "the ERP does not say", never 0.

    `available` is what the ERP itself calls available; `sellable` follows the connection's policy (0 in a
    warehouse or status that is not sold from). Negative quantities are kept as they are.
    """

    key: str
    sku: str
    company: str = ""
    warehouse: str = ""
    status: str = ""
    physical: Decimal | None = None
    reserved: Decimal | None = None
    quarantined: Decimal | None = None
    available: Decimal | None = None
    on_order: Decimal | None = None
    sellable: Decimal | None = None
    expected_on: date | None = None


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is one of ORDER_STATUSES. `amount` is the line's net total; shipped and cancelled are None where
    the ERP knows a status only."""

    line: str
    sku: str = ""
    name: str = ""
    quantity: Decimal = Decimal(0)
    shipped: Decimal | None = None
    cancelled: Decimal | None = None
    unit_price: Decimal | None = None
    discount: Decimal | None = None
    amount: Decimal | None = None
    status: str = ""
    charge: bool = False
    campaign: str = ""


ORDER_STATUSES = ("open", "on_hold", "back_order", "part_shipped", "shipped", "invoiced", "cancelled")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A sales order with its lines. `status` is one of ORDER_STATUSES, derived from the lines where the header
    lags behind; `partly_cancelled` says that some lines, not all, are cancelled. `total` is the document's."""

    key: str
    number: str
    company: str = ""
    customer: str
    account: str = ""
    placed_at: datetime | None = None
    changed_at: datetime | None = None
    status: str = "open"
    partly_cancelled: bool = False
    deleted: bool = False
    currency: str = ""
    goods: Decimal | None = None
    discount: Decimal | None = None
    charges: Decimal | None = None
    tax: Decimal | None = None
    total: Decimal | None = None
    campaign: str = ""
    channel: str = ""
    lines: tuple[OrderLine, ...] = ()


class OrderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's orders in a few fields. `key` is the customer's; `last_*` the order placed last, or changed
    last where the ERP tells changes only; `open_orders` is None where it cannot be counted."""

    key: str
    account: str = ""
    open_orders: int | None = None
    last_order: str = ""
    last_status: str = ""
    last_placed_at: datetime | None = None


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True):
    line: str
    order_line: str = ""
    sku: str = ""
    quantity: Decimal = Decimal(0)
    amount: Decimal | None = None
    status: str = ""
    disposition: str = ""
    arrived_on: date | None = None
    closed_on: date | None = None


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """A return order (goods announced or back, money not necessarily). `status` is created, open, received,
    invoiced, closed or cancelled; `order` is empty where the ERP names none: no link is invented."""

    key: str
    number: str
    company: str = ""
    customer: str
    account: str = ""
    order: str = ""
    status: str = ""
    reason: str = ""
    currency: str = ""
    created_at: datetime | None = None
    lines: tuple[ReturnLine, ...] = ()


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an order and that its customer may be told, once. `key` identifies it for ever.

    `event` is one of ORDER_EVENTS; `happened_at` an aware moment, or noon UTC where the ERP knows the day only.
    `values` are what a message may print (order number, carrier, tracking number …).
    """

    key: str
    event: str
    customer: str
    account: str = ""
    company: str = ""
    order: str
    happened_at: datetime
    tracking_number: str = ""
    tracking_url: str = ""
    values: Mapping[str, str] = {}


ORDER_EVENTS = ("confirmed", "part_dispatched", "dispatched", "delivered", "cancelled", "return_received",
                "refund_paid")  # fmt: skip


class Attribution(msgspec.Struct, frozen=True, kw_only=True):
    """One treatment that Emarsys credits with a share of one order. Several share one order: add `amount`,
    never order totals. `treatment` identifies it within (order, campaign)."""

    key: str
    order: str
    campaign: str
    treatment: str
    channel: str = ""
    contact: str = ""
    amount: Decimal
    reason: str = ""
    ordered_at: datetime | None = None
    treated_at: datetime | None = None


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """One purchase line as Emarsys itself has loaded it. `amount` is the line's total, not a unit price."""

    key: str
    order: str
    sku: str
    contact: str = ""
    quantity: Decimal
    amount: Decimal
    purchased_on: date
    channel: str = ""


Record = (
    Customer
    | Sale
    | Consent
    | ContactPerson
    | Product
    | StockLevel
    | Order
    | OrderStatus
    | Return
    | OrderEvent
    | Attribution
    | Purchase
)

ENTITIES: Mapping[str, type[msgspec.Struct]] = {
    "customer": Customer,
    "sale": Sale,
    "consent": Consent,
    "contact": ContactPerson,
    "product": Product,
    "stock": StockLevel,
    "order": Order,
    "order_status": OrderStatus,
    "return": Return,
    "order_event": OrderEvent,
    "attribution": Attribution,
    "purchase": Purchase,
}
"""What a stream or an inlet of that name carries."""
