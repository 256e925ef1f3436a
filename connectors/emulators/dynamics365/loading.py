"""Turns a dataset into what Finance & Operations holds; the package's README says what becomes what."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pycountry

from connectors.emulators.dataset import Customer, Dataset
from connectors.emulators.dynamics365.entity_sets.people import CUSTOMERS
from connectors.emulators.dynamics365.schema import NO_DATE, NO_MOMENT

COMPANY = "usmf"
Rows = Iterator[dict[str, Any]]


def number(value: Decimal) -> int | float:
    """A JSON number without noise: the shortest text that reads back as this decimal (up to 15 digits)."""
    return int(value) if value == value.to_integral_value() else float(value)


def noon(moment: datetime | date | None) -> str:
    """A date-only property is stamped 12:00 UTC, an empty one is 1900-01-01 (4.10)."""
    return NO_DATE if moment is None else f"{moment:%Y-%m-%d}T12:00:00Z"


def moment(when: datetime | None) -> str:
    """An instant in UTC to the second; an empty one is 1900-01-01 (4.10)."""
    return NO_MOMENT if when is None else f"{when:%Y-%m-%dT%H:%M:%S}Z"


def company_of(legal_entity: str) -> str:
    return legal_entity.lower() or COMPANY


def customer_rows(dataset: Dataset) -> Rows:
    defaults = CUSTOMERS.defaults
    for customer in dataset.customers():
        yield {**defaults, **_customer(customer)}


def _customer(customer: Customer) -> Mapping[str, Any]:
    """The neutral format knows people only; in the demo company some wholesale customers are organisations."""
    person = bool(customer.first_name) or customer.group != "WHOLESALE"
    name = f"{customer.first_name} {customer.last_name}".strip()
    return {
        "dataAreaId": company_of(customer.legal_entity),
        "CustomerAccount": customer.customer_id,
        "PartyNumber": customer.party_id or customer.customer_id,
        "PartyType": "Person" if person else "Organization",
        "OrganizationName": name,  # person rows carry it too (4.1)
        "NameAlias": name[:20],
        "KnownAs": customer.first_name,
        "PersonFirstName": customer.first_name,
        "PersonLastName": customer.last_name if person else "",
        "LanguageId": customer.language,
        "CustomerGroupId": customer.group,
        "PrimaryContactEmail": customer.email,
        "PrimaryContactPhone": customer.phone,
        "AddressStreet": customer.street,
        "AddressCity": customer.city,
        "AddressZipCode": customer.postcode,
        **_country(customer.country),
        "LoyaltyTier": customer.loyalty_tier,
        "BirthDate": noon(customer.birth_date),
        "OnHoldStatus": "All" if customer.on_hold or customer.status == "archived" else "No",
    }


@cache
def _country(country: str) -> Mapping[str, str]:
    """Two letters fill both properties; anything else is a word of the retailer's own and stays one."""
    if len(country) != 2:
        return {"AddressCountryRegionId": country, "AddressCountryRegionISOCode": ""}
    known = pycountry.countries.get(alpha_2=country.upper())
    region = known.alpha_3 if known else country
    return {"AddressCountryRegionId": region, "AddressCountryRegionISOCode": country.upper()}
