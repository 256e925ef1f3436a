"""What differs from account to account: ids of fields and choices, sizes, and how contacts are keyed. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from connectors.base import Encoded, Fault, Known, Observed
from connectors.errors import RecordError
from connectors.extra import ERP, ExtraField
from connectors.records import Record

Encode = Callable[[Record, Known], tuple[Encoded, tuple[Fault, ...]]]

EMAIL, OPT_IN = "3", "31"
SHORT, LONG = 60, 255
SIZES: Mapping[str, int] = {"shorttext": SHORT, "longtext": LONG, "numeric": 24}
"""Characters that a field of this type holds (contract 3.3, 3.10)."""
OPT_INS: Mapping[str, str] = {"1": "yes", "2": "no"}

SYSTEM_FIELDS: Mapping[str, str] = {
    "email": EMAIL,
    "first_name": "1",
    "last_name": "2",
    "organisation": "18",
    "phone": "15",
    "street": "10",
    "city": "11",
    "postcode": "13",
    "country": "14",
    "birth_date": "4",
    "language": "35",
}
"""Canonical field → id of the system field we own (contract 3.10), in the order screens show them."""

SYSTEM_SIZES: Mapping[str, int] = dict.fromkeys(("3", "10", "18"), LONG) | dict.fromkeys(
    ("1", "2", "11", "13", "15"), SHORT
)
"""Sizes of the system fields we send, where the account does not tell their type."""

_FIELD_IN_MESSAGE = re.compile(r"field(?: id)?:? ?(\d+)")


@dataclass(frozen=True)
class Field:
    """One contact field of the account. `choices` (label in lower case → id) is None for a field without choices."""

    id: str
    kind: str = "shorttext"
    choices: Mapping[str, str] | None = None

    @property
    def size(self) -> int:
        return SIZES.get(self.kind, LONG)

    def shown(self, value: str) -> str:
        """The label of a choice id; any other value as it is."""
        return next((label for label, number in (self.choices or {}).items() if number == value), value)


@dataclass(frozen=True)
class Schema:
    """`key` is the field that contacts are addressed by, `external` the one that holds the ERP's number.

    They are the same unless the account is keyed by e-mail; then `external` may be empty.
    """

    key: str
    external: str
    tier: Field | None
    countries: Mapping[str, str]
    languages: Mapping[str, str]
    key_value: str = "account"
    sizes: Mapping[str, int] = field(default_factory=dict)
    extra: Sequence[tuple[ExtraField, Field]] = ()
    """The site's own fields, each with the account's field it goes to."""

    @property
    def by_email(self) -> bool:
        return self.key == EMAIL

    @cached_property
    def ids(self) -> Mapping[str, str]:
        """Canonical field → field id, of every field we own here."""
        tier = {"loyalty_tier": self.tier.id} if self.tier else {}
        return {**SYSTEM_FIELDS, **tier, **{one.name: theirs.id for one, theirs in self.extra if one.owner == ERP}}

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Field id → canonical field, of every field that is read."""
        external = {self.external: "external_id"} if self.external else {}
        extra = {theirs.id: one.name for one, theirs in self.extra}
        return {**{number: name for name, number in self.ids.items()}, **extra, OPT_IN: "opt_in", **external}

    @cached_property
    def extra_fields(self) -> Mapping[str, Field]:
        """The site's own fields by name."""
        return {one.name: theirs for one, theirs in self.extra}

    @cached_property
    def country_of(self) -> Mapping[str, str]:
        return {number: code for code, number in self.countries.items()}

    @cached_property
    def language_of(self) -> Mapping[str, str]:
        return {number: code for code, number in self.languages.items()}

    def size(self, number: str) -> int:
        return self.sizes.get(number) or SYSTEM_SIZES.get(number, LONG)

    def external_id(self, record: Record) -> str:
        """The ERP's customer number as it stands in the account, or the whole key where numbers may repeat."""
        owner = getattr(record, "customer", record.key)
        return owner if self.key_value == "key" else getattr(record, "account", "") or self.external_id_of_key(owner)

    def external_id_of_key(self, key: str) -> str:
        """The same from a customer record's key (`company|account`), without the record."""
        return key if self.key_value == "key" else key.partition("|")[2] or key

    def key_of(self, record: Record) -> str:
        """The value of the key field for this record: its external id, or its e-mail where that is the key."""
        if self.key == EMAIL:
            return getattr(record, "email", "").lower()
        if self.key_value == "account" and (account := getattr(record, "account", "")):
            return account  # said here once more: it is asked of each record
        return self.external_id(record)

    def keyed(self, record: Record) -> dict[str, str]:
        """The members that address this record's contact. Raises RecordError where it has none."""
        value = self.key_of(record)
        if not value and self.by_email:
            raise RecordError("missing_value", "email", "Contacts are keyed by e-mail here, and this one has none.")
        if not value:
            raise RecordError("missing_value", "account", "Without a customer number there is no key for the contact.")
        size = self.size(self.key) if self.by_email else self.sizes.get(self.key, SHORT)
        if len(value) > size:
            name = "email" if self.by_email else "account"
            raise RecordError("too_long", name, f"The key field holds {size} characters.", value[:80])
        return {self.key: value}

    def field_of(self, message: str) -> str:
        """The canonical field a refusal names by its id, or the id itself."""
        found = _FIELD_IN_MESSAGE.search(message)
        return self.names.get(found[1], found[1]) if found else ""


@dataclass(frozen=True)
class View:
    """What is asked for of a contact and how it is shown: field ids, and a row of `getdata` → Observed."""

    wanted: tuple[str, ...]
    observed: Callable[[Mapping[str, object]], Observed]
    field_of: Callable[[str], str]


def text(value: object) -> str:
    """A value of `getdata`: text or null, at times a number."""
    return value if isinstance(value, str) else "" if value is None else str(value)
