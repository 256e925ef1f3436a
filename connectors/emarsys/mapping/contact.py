"""Customers → contacts, and contacts as Emarsys shows them → canonical fields. Pure.

Field 31 (opt-in) is never written here: consent does not travel with a customer's profile.
"""

from collections.abc import Callable, Mapping

import msgspec

from connectors.base import Encoded, Fault, Known, Observed
from connectors.emarsys.mapping.plain_contact import LAST_PLAIN, plain_encoder
from connectors.emarsys.mapping.schema import EMAIL, OPT_INS, Encode, Field, Schema, View, text
from connectors.errors import RecordError
from connectors.extra import ERP
from connectors.records import Customer, Record

_TEXTS = ("first_name", "last_name", "organisation", "phone", "street", "city", "postcode")
_UNSUPPORTED = Fault("unsupported_characters", "", "Emarsys takes no emoji in this field; it was left out.")
_encode = msgspec.json.Encoder().encode


def customer_encoder(schema: Schema) -> Encode:
    """One contact object keyed by field ids. An empty value blanks the field there: the ERP is the source.

    Left out are: an empty e-mail (nobody becomes unreachable by an empty cell), what the ERP has but cannot
    be read, what Emarsys cannot hold. A contact to be adopted is addressed by its internal id.
    """
    plain = plain_encoder(schema)
    texts = [(name, schema.ids[name], schema.size(schema.ids[name])) for name in _TEXTS]
    owned = {name: number for name, number in schema.ids.items() if number != schema.key}
    extra = {one.name: theirs for one, theirs in schema.extra if one.owner == ERP}

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, Customer):
            raise RecordError("malformed_row", "record", f"A contact is made from a customer, not {type(record)}.")
        if not known.adopt and (found := plain(record)) is not None:
            return Encoded(record.key, found), ()
        faults: list[Fault] = []
        body = schema.keyed(record)
        if schema.by_email:
            _put_external_id(body, faults, schema, record)
        elif record.email:
            _put(body, faults, "email", EMAIL, record.email, schema.size(EMAIL))
        for name, number, size in texts:
            value = getattr(record, name)
            if not value.isascii() and max(value) > LAST_PLAIN:
                faults.append(_UNSUPPORTED._replace(field=name, value=value))
            elif len(value) > size:
                _put(body, faults, name, number, value, size)
            else:
                body[number] = value
        _put_country(body, faults, schema, record.country)
        body["4"] = record.birth_date.isoformat() if record.birth_date else ""
        if not record.language or record.language in schema.languages:
            body["35"] = schema.languages.get(record.language, "")
        if schema.tier:
            put_text(body, faults, "loyalty_tier", schema.tier, record.loyalty_tier)
        for name, value in record.extra:
            if name in extra:
                put_text(body, faults, name, extra[name], value)
        for name in record.unreadable:
            body.pop(owned.get(name, ""), None)
        return _encoded(schema, record.key, body, known), tuple(faults)

    return encode


def _put_external_id(body: dict[str, str], faults: list[Fault], schema: Schema, record: Customer) -> None:
    """Keyed by e-mail, the ERP's number is one field among others: sales data find the contact by it."""
    if schema.external:
        size = schema.size(schema.external)
        _put(body, faults, "account", schema.external, schema.external_id(record), size)


def put_text(body: dict[str, str], faults: list[Fault], name: str, field: Field, value: str) -> None:
    """A value of the account's own field: as text that fits, or as the id of its choice; else a fault."""
    if field.choices is None:
        _put(body, faults, name, field.id, value, field.size)
    elif not value or value.lower() in field.choices:
        body[field.id] = field.choices.get(value.lower(), "")
    else:
        faults.append(Fault("unmappable_value", name, "This field has no such choice in Emarsys.", value))


def _put(body: dict[str, str], faults: list[Fault], name: str, number: str, value: str, size: int) -> None:
    if len(value) > size:
        faults.append(Fault("too_long", name, f"{len(value)} characters, Emarsys holds {size}.", value))
    else:
        body[number] = value


COUNTED_WITH = {"JE": "GB", "GG": "GB", "IM": "GB"}
"""Emarsys lists no Crown Dependencies (contract 3.10); their post and their campaigns are the United Kingdom's."""


def _put_country(body: dict[str, str], faults: list[Fault], schema: Schema, country: str) -> None:
    choice = schema.countries.get(country) or schema.countries.get(COUNTED_WITH.get(country, ""), "")
    if country and not choice:
        faults.append(Fault("unknown_country", "country", "This Emarsys account has no such country.", country))
    else:
        body["14"] = choice


def _encoded(schema: Schema, key: str, body: dict[str, str], known: Known) -> Encoded:
    if known.adopt and known.target_id and not schema.by_email:
        return Encoded(key, _encode({"id": known.target_id, **body}), "id")
    return Encoded(key, _encode(body))


def expected(schema: Schema) -> Callable[[Encoded], Mapping[str, str]]:
    """What `Observed.fields` shows once this body is accepted: the canonical fields it writes, no others."""

    def read(encoded: Encoded) -> Mapping[str, str]:
        body = msgspec.json.decode(encoded.body, type=dict[str, str])
        return {name: _shown(schema, name, body[number]) for name, number in schema.ids.items() if number in body}

    return read


def beside(schema: Schema) -> Callable[[Record], Mapping[str, str]] | None:
    """What the fields that marketing owns would show if they held the ERP's values; a value that the field cannot
    hold stands as it is, so that the difference is seen."""
    kept = {one.name: theirs for one, theirs in schema.extra if one.owner != ERP}
    if not kept:
        return None

    def read(record: Record) -> Mapping[str, str]:
        shown: dict[str, str] = {}
        for name, value in getattr(record, "extra", ()):
            if name in kept:
                body: dict[str, str] = {}
                put_text(body, [], name, kept[name], value)
                shown[name] = kept[name].shown(body[kept[name].id]) if body else value
        return shown

    return read


def observed(schema: Schema, row: Mapping[str, object]) -> Observed:
    """A contact as `getdata` gives it: text or null by field id."""
    shown = {name: _shown(schema, name, text(row.get(number))) for number, name in schema.names.items()}
    return Observed(text(row.get("id")), shown["email" if schema.by_email else "external_id"], shown)


def view(schema: Schema) -> View:
    return View(tuple(schema.names), lambda row: observed(schema, row), schema.field_of)


def _shown(schema: Schema, name: str, value: str) -> str:
    if name == "country":
        return schema.country_of.get(value, value)
    if name == "language":
        return schema.language_of.get(value, value)
    if name == "opt_in":
        return OPT_INS.get(value, "")
    if name == "loyalty_tier" and schema.tier:
        return schema.tier.shown(value)
    if name in schema.extra_fields:
        return schema.extra_fields[name].shown(value)
    return value.lower() if name == "email" else value
