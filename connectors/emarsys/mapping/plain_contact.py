"""The quick way for customers about whom there is nothing to say: no value that is too long, unknown or unreadable.

Nearly all are like this, and a contact is most of what a first load costs. Pure.
"""

import re
from collections.abc import Callable

import msgspec

from connectors.emarsys.mapping.schema import EMAIL, SHORT, Schema
from connectors.records import Customer

LAST_PLAIN = "\uffff"
"""System fields take no emoji (contract 3.3); those lie beyond this character."""
_LONG_CHARACTERS = re.compile(rb"[\xf0-\xf4]").search
"""Characters beyond LAST_PLAIN begin so in UTF-8."""
_AS_ONE = ("first_name", "last_name", "phone", "city", "postcode")
"""Short fields that are measured together: what fits in the smallest of them together fits alone."""
_LONG = ("email", "organisation", "street")
"""These are measured by the whole body."""
_ORDER = (
    *("email", "first_name", "last_name", "organisation", "phone", "street", "city", "postcode"),
    *("country", "birth_date", "language", "loyalty_tier"),
)


def plain_encoder(schema: Schema) -> Callable[[Customer], bytes | None]:
    """The body of a customer's contact, byte for byte what `contact.customer_encoder` makes of it; None where
    that one has to look closer."""
    if schema.by_email or (schema.tier and schema.tier.choices is not None):
        return lambda customer: None
    form = _form(schema)
    encode = msgspec.json.Encoder().encode
    numbered, tiered = schema.key_value == "account", schema.tier is not None
    key_size = schema.sizes.get(schema.key, SHORT)
    tier_size = schema.tier.size if schema.tier else SHORT
    short = min(schema.size(schema.ids[name]) for name in _AS_ONE)
    longest = len(encode(form())) + min(schema.size(schema.ids[name]) for name in _LONG)
    countries, languages = {"": "", **schema.countries}.get, {"": "", **schema.languages}.get
    unset = msgspec.UNSET

    def plain(customer: Customer) -> bytes | None:
        value = customer.account if numbered else customer.key
        country, language = countries(customer.country), languages(customer.language)
        first, last, phone = customer.first_name, customer.last_name, customer.phone
        city, postcode, tier = customer.city, customer.postcode, customer.loyalty_tier
        if (
            country is None
            or language is None
            or customer.unreadable
            or customer.extra
            or not 0 < len(value) <= key_size
            or len(first) + len(last) + len(phone) + len(city) + len(postcode) > short
            or len(tier) > tier_size
        ):
            return None
        contact = form(
            value, customer.email or unset, first, last, customer.organisation, phone, customer.street, city, postcode,
            country, customer.birth_date or "", language, tier if tiered else unset,
        )  # fmt: skip
        body = encode(contact)
        # Whatever the body holds beyond its empty self, no value of it is longer.
        return None if len(body) > longest or not (body.isascii() or not _LONG_CHARACTERS(body)) else body

    return plain


def _form(schema: Schema) -> type[msgspec.Struct]:
    """The contact as a struct: its members in the order in which they are written, named by their field ids. Made of
    nothing it is the shortest there is."""
    ids = {"email": EMAIL, **schema.ids}
    left_out = ("email",) if schema.tier else ("email", "loyalty_tier")
    members = [(name, str, msgspec.UNSET if name in left_out else "") for name in ("key", *_ORDER)]
    return msgspec.defstruct("Contact", members, rename={"key": schema.key, **ids}, gc=False)
