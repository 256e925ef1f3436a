"""Parties, contact persons and addresses as they follow from the customers (dynamics365.md 4.1, 4.2)."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.emulators.dynamics365.entity_sets.people import CONTACT_PERSONS
from connectors.emulators.dynamics365.schema import ENUMS, NO_DATE
from connectors.emulators.dynamics365.tables import Row
from connectors.emulators.store import Collection

Rows = dict[str, dict[str, Any]]
_NAMES = ("PartyType", "NameAlias", "KnownAs", "PersonFirstName", "PersonMiddleName", "PersonLastName", "LanguageId")
_ADDRESS = ("AddressStreet", "AddressCity", "AddressZipCode", "AddressState", "AddressCountryRegionId",
            "AddressCountryRegionISOCode")  # fmt: skip
_WITHOUT_EDIT_TIME = tuple(CONTACT_PERSONS.properties)


def _customers(customers: Collection) -> Iterator[tuple[str, Row]]:
    """Rows planted without what a customer has are no ground to build on."""
    for key, row in customers.items():
        if isinstance(row.get("CustomerAccount"), str) and isinstance(row.get("dataAreaId"), str):
            yield key, row


def parties(customers: Collection) -> Rows:
    """One for each `PartyNumber`; a party that is a customer in several companies is named as the first of them."""
    found: Rows = {}
    for _, row in _customers(customers):
        number = str(row.get("PartyNumber", ""))
        if number and number not in found:
            names = {name: row[name] for name in _NAMES if row.get(name)}
            found[number] = {"PartyName": row.get("OrganizationName", ""), **names, **_birth(row), **_gender(row)}
    return found


def _birth(row: Row) -> Mapping[str, Any]:
    day = str(row.get("BirthDate", NO_DATE))
    if day == NO_DATE or len(day) < 10 or not day[:4].isdigit() or not day[5:7].isdigit():
        return {}
    month = ENUMS["MonthsOfYear"][min(int(day[5:7]), 12)]
    return {"PersonBirthYear": int(day[:4]), "PersonBirthMonth": month, "PersonBirthDay": int(day[8:10])}


def _gender(row: Row) -> Mapping[str, Any]:
    return {"PersonGender": row["PersonGender"]} if row.get("PersonGender", "Unknown") != "Unknown" else {}


def electronic_addresses(customers: Collection) -> Rows:
    """The primary e-mail and telephone number of each customer."""
    found: Rows = {}
    for _, row in _customers(customers):
        company, account = row["dataAreaId"], row["CustomerAccount"]
        if mail := row.get("PrimaryContactEmail"):
            found[f"{company}|{account}-E|{account}"] = {
                "Type": "Email", "Locator": mail, "IsPrimary": "Yes", "Purpose": "Business",
                "Description": "Primary email",
            }  # fmt: skip
        if phone := row.get("PrimaryContactPhone"):
            mobile = row.get("PrimaryContactPhoneIsMobile", "No")
            found[f"{company}|{account}-P|{account}"] = {
                "Type": "Phone", "Locator": phone, "IsPrimary": "Yes", "Purpose": "Business",
                "Description": "Primary phone", "IsMobilePhone": mobile,
            }  # fmt: skip
    return found


def postal_addresses(customers: Collection) -> Rows:
    found: Rows = {}
    for _, row in _customers(customers):
        address = {name: row[name] for name in _ADDRESS if row.get(name)}
        if address:
            key = f"{row['dataAreaId']}|{row['CustomerAccount']}|{row['CustomerAccount']}-A"
            rest = {"AddressDescription": "Primary", "AddressLocationRoles": "Business"}
            found[key] = {**address, **rest, "IsPrimary": "Yes", "Effective": "1900-01-01T00:00:00Z"}
    return found


def contact_persons(contacts: Collection) -> Rows:
    """`ContactPersons`, the older set: the same people without the time of the last edit."""
    found = {}
    for key, row in contacts.items():
        if "@deleted" not in row:
            found[key] = {name: row[name] for name in _WITHOUT_EDIT_TIME if name in row}
    return found
