"""Customers (CustomersV3, contract 4.1) → Customer. Pure; raises RecordError only."""

from collections.abc import Callable, Collection
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec

from connectors import fields
from connectors.base import Fault, Mapped
from connectors.dynamics365.finance.columns import CustomerColumns, CustomerKey, cleaner, reader
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.errors import RecordError
from connectors.fields import or_fault
from connectors.records import Customer

NOT_HELD = frozenset({"", "no", "never"})
"""OnHoldStatus values that hold nothing: No, and Never (this customer is never put on hold)."""

COLUMNS = {
    "email": "PrimaryContactEmail",
    "first_name": "PersonFirstName",
    "last_name": "PersonLastName",
    "organisation": "OrganizationName",
    "phone": "PrimaryContactPhone",
    "street": "AddressStreet",
    "city": "AddressCity",
    "postcode": "AddressZipCode",
    "country": "AddressCountryRegionISOCode, else AddressCountryRegionId",
    "language": "LanguageId",
}
"""Canonical field → the column it comes from, as people are shown it."""

NOWHERE = b"\0"
"""Stands in no row: a column that this tenant does not have. What an ERP does not keep blanks nothing in Emarsys."""

_customer_key = reader(CustomerKey)


def customer_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads `dataAreaId|CustomerAccount` from a row."""

    def key(row: bytes) -> str:
        found = _customer_key(row)
        account = found.CustomerAccount.strip()
        if not account or not account.isprintable():
            account = fields.required(account, "CustomerAccount")
        return keys.of(keys.company(found.dataAreaId), account)

    return key


def customer_mapping(
    keys: Keys, tier_field: str, birth_field: str, left_out: Collection[str] = ()
) -> Callable[[bytes], Mapped]:
    """The mapping of customers for a tenant whose extension columns have these names (empty: it has none), and that
    does not have the columns in `left_out`."""
    nowhere = tuple(field for field, told in COLUMNS.items() if left_out and _none_of(told, left_out))
    extra = [(name, str | msgspec.UnsetType, msgspec.field(name=column or f"(no {name})", default=msgspec.UNSET))
             for name, column in (("tier", tier_field), ("birth", birth_field))]  # fmt: skip
    read: Callable[[bytes], Any] = reader(msgspec.defstruct("Customers", extra, bases=(CustomerColumns,), gc=False))
    tier, birth = (f'"{column}"'.encode() if column else NOWHERE for column in (tier_field, birth_field))

    def to_customer(row: bytes) -> Mapped:
        found = read(row)
        if found.tier is not msgspec.UNSET and found.birth is not msgspec.UNSET:
            return _customer(keys, found, cleaner(row), nowhere)
        # A null looks unset, too: the ERP keeps the column, and says nothing.
        lacking = tuple(name for name, column in (("loyalty_tier", tier), ("birth_date", birth)) if column not in row)
        found.tier, found.birth = found.tier or "", found.birth or ""
        return _customer(keys, found, cleaner(row), (*nowhere, *lacking))

    return to_customer


def _none_of(columns: str, left_out: Collection[str]) -> bool:
    return all(column in left_out for column in columns.split(", else "))


def _customer(keys: Keys, row: Any, clean: Callable[[str], str], lacking: tuple[str, ...]) -> Mapped:
    account = clean(row.CustomerAccount) or fields.required("", "CustomerAccount")
    company = keys.company(clean(row.dataAreaId))
    email, country, phone, born, faults = _checked(row)
    named = row.PersonFirstName or row.PersonLastName
    person = row.PartyType == "Person" or (row.PartyType != "Organization" and named)
    record = Customer(
        key=f"{company}|{account}" if keys.companies else account,
        account=account,
        company=company,
        party=clean(row.PartyNumber),
        email=email,
        first_name=clean(row.PersonFirstName) if person else "",
        last_name=clean(row.PersonLastName) if person else "",
        organisation="" if person else clean(row.OrganizationName),
        phone=phone,
        street=clean(row.AddressStreet) if clean is str.strip else _one_line(row.AddressStreet),
        city=clean(row.AddressCity),
        postcode=clean(row.AddressZipCode),
        country=country,
        language=_language(row.LanguageId),
        birth_date=born,
        loyalty_tier=clean(row.tier),
        on_hold=row.OnHoldStatus != "No" and row.OnHoldStatus.strip().lower() not in NOT_HELD,
        unreadable=(*lacking, *[fault.field for fault in faults]) if faults else lacking,
    )
    return Mapped(record, faults)


def _checked(row: Any) -> tuple[str, str, str, date | None, tuple[Fault, ...]]:
    """E-mail, country, phone and date of birth; each that cannot be read is left out with a fault.

    The country is the ISO code where the tenant keeps it, else the region id (three letters, or a word).
    """
    region = row.AddressCountryRegionISOCode or row.AddressCountryRegionId
    try:
        country = fields.country(region)
        return (
            fields.email(row.PrimaryContactEmail),
            country,
            fields.phone(row.PrimaryContactPhone, country),
            fields.day(row.birth, "birth_date"),
            (),
        )
    except RecordError:
        pass
    faults: list[Fault] = []
    country = or_fault(faults, "country", fields.country, region)
    email = or_fault(faults, "email", fields.email, row.PrimaryContactEmail)
    phone = or_fault(faults, "phone", fields.phone, row.PrimaryContactPhone, country)
    born = or_fault(faults, "birth_date", fields.day, row.birth, "birth_date") or None
    return email, country, phone, born, tuple(faults)


def _one_line(value: str) -> str:
    """F&O keeps a street of several lines with line breaks."""
    return ", ".join(part for line in value.splitlines() if (part := fields.text(line)))


@lru_cache(256)
def _language(value: str) -> str:
    """ISO 639-1 from F&O's language id (`en-us`); what is not one says nothing."""
    code = value.strip()[:3].rstrip("-").lower()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else ""
