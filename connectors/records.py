"""Canonical records: what every system maps to and from. Frozen, typed, without any system's field ids."""

from datetime import date, datetime
from decimal import Decimal

import msgspec


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A person or company that buys. An empty string means that the ERP says nothing.

    `country` is ISO 3166-1 alpha-2, `phone` as dialled internationally (E.164), `language` ISO 639-1.
    Consent is no part of a customer. `unreadable` names the fields whose value the ERP has but nobody can
    read: they are left out of what is sent, where an empty one is blanked.
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


class Sale(msgspec.Struct, frozen=True, kw_only=True):
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


Record = Customer | Sale
