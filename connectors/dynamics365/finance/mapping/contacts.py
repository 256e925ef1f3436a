"""Contact persons (ContactsV2 or ContactPersons, contract 4.2) → ContactPerson. Pure; raises RecordError only."""

from collections.abc import Callable
from typing import Any

import msgspec

from connectors import fields
from connectors.base import Fault, Mapped
from connectors.dynamics365.finance.columns import cleaner, optional_moment, reader
from connectors.dynamics365.finance.mapping.keys import Keys
from connectors.fields import or_fault
from connectors.records import ContactPerson


class ContactColumns(msgspec.Struct, gc=False):
    dataAreaId: str = ""
    ContactPersonId: str = ""
    ContactPersonPartyNumber: str = ""
    AssociatedPartyNumber: str = ""
    PrimaryEmailAddress: str = ""
    PrimaryPhoneNumber: str = ""
    FirstName: str = ""
    LastName: str = ""
    IsInactive: str = ""
    IsReceivingDirectMail: str = ""


REQUIRED = ("dataAreaId", "ContactPersonId")
OPTIONAL = tuple(name for name in ContactColumns.__struct_fields__ if name not in REQUIRED)
MAPPED = (
    *("AssociatedPartyNumber", "ContactPersonPartyNumber", "PrimaryEmailAddress", "FirstName", "LastName"),
    *("IsInactive", "IsReceivingDirectMail"),
)
"""Columns that the contract names: without one everybody would be without an address or a customer, or nobody inactive.
One that is gone stops the stream."""


class _Key(msgspec.Struct, gc=False):
    dataAreaId: str = ""
    ContactPersonId: str = ""


_key = reader(_Key)


def contact_key(keys: Keys) -> Callable[[bytes], str]:
    """Reads `company|ContactPersonId`."""

    def key(row: bytes) -> str:
        found, clean = _key(row), cleaner(row)
        person = clean(found.ContactPersonId) or fields.required("", "ContactPersonId")
        return keys.of(keys.company(clean(found.dataAreaId)), person)

    return key


def contact_mapping(keys: Keys, moment_field: str) -> Callable[[bytes], Mapped]:
    """The mapping for a tenant that keeps the moment of the last change in this column (empty: nowhere)."""
    column = msgspec.field(name=moment_field or "(no moment)", default="")
    read = reader(msgspec.defstruct("Contacts", [("changed", str, column)], bases=(ContactColumns,), gc=False))

    def to_contact(row: bytes) -> Mapped:
        found: Any = read(row)
        clean = cleaner(row)
        company = keys.company(clean(found.dataAreaId))
        person = clean(found.ContactPersonId) or fields.required("", "ContactPersonId")
        faults: list[Fault] = []
        record = ContactPerson(
            key=keys.of(company, person),
            customer=clean(found.AssociatedPartyNumber),
            company=company,
            party=clean(found.ContactPersonPartyNumber),
            email=or_fault(faults, "email", fields.email, found.PrimaryEmailAddress),
            first_name=clean(found.FirstName),
            last_name=clean(found.LastName),
            phone=or_fault(faults, "phone", fields.phone, found.PrimaryPhoneNumber),
            active=_yes(found.IsInactive) is not True,
            direct_mail=_yes(found.IsReceivingDirectMail),
            changed_at=optional_moment(found.changed, moment_field, faults),
        )
        return Mapped(record, tuple(faults))

    return to_contact


def _yes(value: str) -> bool | None:
    """NoYes, or a Boolean of another server; None where nothing is said."""
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}.get(value.strip().lower())
