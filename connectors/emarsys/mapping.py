"""Canonical records → what Emarsys takes, and contacts as it shows them → canonical fields. Pure.

Field 31 (opt-in) is never written here: consent does not travel with a customer's profile.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from connectors import fields
from connectors.base import Encoded, Fault, Known, Observed
from connectors.errors import RecordError
from connectors.records import Customer, Record, Sale

EMAIL, OPT_IN = "3", "31"
SHORT, LONG = 60, 255
"""Sizes of short and long text fields in characters (contract 3.10)."""

SYSTEM_FIELDS = {
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

_LONG = frozenset({"email", "organisation", "street"})
_TEXTS = ("email", "first_name", "last_name", "organisation", "phone", "street", "city", "postcode")
_OPT_IN = {"1": "yes", "2": "no"}
_FIELD_IN_MESSAGE = re.compile(r"field(?: id)?:? ?(\d+)")
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Schema:
    """What differs from account to account: ids of custom fields and of choices."""

    key: str
    tier: str
    countries: Mapping[str, str]
    languages: Mapping[str, str]
    key_value: str = "account"

    @cached_property
    def ids(self) -> Mapping[str, str]:
        """Canonical field → field id, of every field we own here."""
        return {**SYSTEM_FIELDS, **({"loyalty_tier": self.tier} if self.tier else {})}

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Field id → canonical field, of every field that is read."""
        return {**{number: name for name, number in self.ids.items()}, OPT_IN: "opt_in", self.key: "external_id"}

    @cached_property
    def country_of(self) -> Mapping[str, str]:
        return {number: code for code, number in self.countries.items()}

    @cached_property
    def language_of(self) -> Mapping[str, str]:
        return {number: code for code, number in self.languages.items()}

    def external_id(self, record: Customer | Sale) -> str:
        """The value of the key field: the ERP's customer number, or the whole key where numbers may repeat."""
        if isinstance(record, Sale):
            return record.customer if self.key_value == "key" else record.account
        return record.key if self.key_value == "key" else record.account

    def external_id_of_key(self, key: str) -> str:
        """The same from a customer record's key (`company|account`), without the record."""
        return key if self.key_value == "key" else key.partition("|")[2] or key

    def field_of(self, message: str) -> str:
        """The canonical field a refusal names by its id, or the id itself."""
        found = _FIELD_IN_MESSAGE.search(message)
        return self.names.get(found[1], found[1]) if found else ""


Encode = Callable[[Record, Known], tuple[Encoded, tuple[Fault, ...]]]


def customer_encoder(schema: Schema) -> Encode:
    """One contact object keyed by field ids. An empty value blanks the field there: the ERP is the source.

    Left out are: an empty e-mail (nobody becomes unreachable by an empty cell), what the ERP has but cannot
    be read, what Emarsys cannot hold. A contact to be adopted is addressed by its internal id.
    """
    texts = [(name, schema.ids[name], LONG if name in _LONG else SHORT) for name in _TEXTS[1:]]

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, Customer):
            raise RecordError("malformed_row", "record", f"A contact is made from a customer, not {type(record)}.")
        faults: list[Fault] = []
        body = {schema.key: _external_id(schema.external_id(record))}
        if record.email:
            _put(body, faults, "email", EMAIL, record.email, LONG)
        for name, number, size in texts:
            value = getattr(record, name)
            if len(value) > size:
                _put(body, faults, name, number, value, size)
            else:
                body[number] = value
        _put_choice(body, faults, schema, record.country)
        body["4"] = record.birth_date.isoformat() if record.birth_date else ""
        if not record.language or record.language in schema.languages:
            body["35"] = schema.languages.get(record.language, "")
        if schema.tier:
            _put(body, faults, "loyalty_tier", schema.tier, record.loyalty_tier, SHORT)
        for name in record.unreadable:
            body.pop(schema.ids.get(name, ""), None)
        return _encoded(record.key, body, known), tuple(faults)

    return encode


def _external_id(value: str) -> str:
    if not value:
        raise RecordError("missing_value", "account", "Without a customer number there is no key for the contact.")
    if len(value) > SHORT:
        raise RecordError("too_long", "account", f"The key field holds {SHORT} characters.", value[:80])
    return value


def _put(body: dict[str, str], faults: list[Fault], name: str, number: str, value: str, size: int) -> None:
    if len(value) > size:
        faults.append(Fault("too_long", name, f"{len(value)} characters, Emarsys holds {size}.", value))
    else:
        body[number] = value


COUNTED_WITH = {"JE": "GB", "GG": "GB", "IM": "GB"}
"""Emarsys lists no Crown Dependencies (contract 3.10); their post and their campaigns are the United Kingdom's."""


def _put_choice(body: dict[str, str], faults: list[Fault], schema: Schema, country: str) -> None:
    choice = schema.countries.get(country) or schema.countries.get(COUNTED_WITH.get(country, ""), "")
    if country and not choice:
        faults.append(Fault("unknown_country", "country", "This Emarsys account has no such country.", country))
    else:
        body["14"] = choice


def _encoded(key: str, body: dict[str, str], known: Known) -> Encoded:
    if known.adopt and known.target_id:
        return Encoded(key, _encode({"id": known.target_id, **body}), "id")
    return Encoded(key, _encode(body))


def expected(schema: Schema) -> Callable[[Encoded], Mapping[str, str]]:
    """What `Observed.fields` shows once this body is accepted: the canonical fields it writes, no others."""

    def read(encoded: Encoded) -> Mapping[str, str]:
        body = msgspec.json.decode(encoded.body, type=dict[str, str])
        return {name: _shown(schema, name, body[number]) for name, number in schema.ids.items() if number in body}

    return read


def observed(schema: Schema, row: Mapping[str, object]) -> Observed:
    """A contact as `getdata` gives it: text or null by field id."""
    shown = {name: _shown(schema, name, _text(row.get(number))) for number, name in schema.names.items()}
    return Observed(_text(row.get("id")), shown["external_id"], shown)


def _shown(schema: Schema, name: str, value: str) -> str:
    if name == "country":
        return schema.country_of.get(value, value)
    if name == "language":
        return schema.language_of.get(value, value)
    if name == "opt_in":
        return _OPT_IN.get(value, "")
    return value.lower() if name == "email" else value


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


SALE_COLUMNS: Mapping[str, Callable[[Sale], str]] = {
    "s_invoice_line": lambda sale: sale.key,
    "s_document": lambda sale: sale.document,
    "s_company": lambda sale: sale.company,
    "s_currency": lambda sale: sale.currency,
    "s_sales_order": lambda sale: sale.order,
}
"""Custom columns that may be asked for. The set agreed with the account must stay as it is (contract 6.1)."""


@dataclass(frozen=True)
class SalesForm:
    """What an account agreed on at onboarding (contract 6.1, 6.3): all of it inferred, all of it a setting."""

    columns: Sequence[str] = ("s_invoice_line",)
    unit_price: bool = False
    custom_amount: bool = False
    by_order: bool = False

    @property
    def header(self) -> bytes:
        amount = ["f_c_sales_amount"] if self.custom_amount else []
        names = ["item", "price", "order", "timestamp", "customer", "quantity", *self.columns, *amount]
        return ",".join(names).encode() + b"\n"


def sale_encoder(schema: Schema, form: SalesForm) -> Encode:
    """One line of the CSV. A credit line is negative in price and quantity, or (`custom_amount`) positive
    with the sign in `f_c_sales_amount` alone."""
    custom = [SALE_COLUMNS[name] for name in form.columns]

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, Sale):
            raise RecordError("malformed_row", "record", f"Sales data are made from a sale, not {type(record)}.")
        price = record.amount
        if form.unit_price:
            price = -abs(record.unit_price) if record.credit else record.unit_price
        quantity, sign = record.quantity, abs if form.custom_amount else lambda value: value
        values = [
            _required(record.sku, "sku"),
            f"{sign(price):f}",
            _required(record.order if form.by_order else record.document, "order"),
            record.sold_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            _required(schema.external_id(record), "customer"),
            f"{sign(quantity):f}",
            *(column(record) for column in custom),
            *([f"{record.amount:f}"] if form.custom_amount else []),
        ]
        return Encoded(record.key, ",".join([_cell(value) for value in values]).encode() + b"\n"), ()

    return encode


def _required(value: str, name: str) -> str:
    if not value:
        raise RecordError("missing_value", name, f"Sales data need a value for {name}.")
    return value


def _cell(value: str) -> str:
    """Quoted where needed; line breaks are not allowed inside values (contract 6.1)."""
    if '"' in value or "," in value or not value.isprintable():
        value = fields.text(" ".join(value.split()))
        return '"' + value.replace('"', '""') + '"'
    return value
