"""The quick way writes just what the careful way writes. An adopted contact goes the careful way, with its id in front:
what stands behind the id is the same contact."""

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Fault, Known
from connectors.emarsys.mapping.contact import customer_encoder
from connectors.emarsys.mapping.plain_contact import plain_encoder
from connectors.emarsys.mapping.schema import Field, Schema
from connectors.records import Customer

pytestmark = pytest.mark.any_database

TIERS = (None, Field("9001"), Field("9001", choices={"gold": "1"}), Field("9001", "longtext"))
WORDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ("", "ä", "\N{PARTY POPPER}", '"quoted"', "a\\b", "x" * 59, "x" * 60, "x" * 61, "ß" * 255, "y" * 256)
    ),
)
CUSTOMERS = st.builds(
    Customer,
    key=st.sampled_from(("usmf|C-1", "usmf|" + "9" * 70)),
    account=st.sampled_from(("C-1", "", "9" * 60, "9" * 61)),
    email=st.sampled_from(("", "ana@example.com", "a" * 250 + "@example.com")),
    first_name=WORDS,
    last_name=WORDS,
    organisation=WORDS,
    phone=st.sampled_from(("", "+4420123456")),
    street=WORDS,
    city=WORDS,
    postcode=st.sampled_from(("", "12345", "7" * 61)),
    country=st.sampled_from(("", "GB", "JE", "XX")),
    language=st.sampled_from(("", "en", "xx")),
    birth_date=st.sampled_from((None, date(1990, 2, 3))),
    loyalty_tier=st.sampled_from(("", "gold", "z" * 61)),
    unreadable=st.sampled_from(((), ("phone",), ("country", "email"))),
    extra=st.sampled_from(((), (("shoe_size", "44"),))),
)
SCHEMAS = st.builds(
    Schema,
    key=st.just("10569"),
    external=st.just("10569"),
    tier=st.sampled_from(TIERS),
    countries=st.just({"GB": "184"}),
    languages=st.just({"en": "1"}),
    key_value=st.sampled_from(("account", "key")),
    sizes=st.sampled_from(({}, {"1": 5}, {"10": 20, "10569": 4}, {"3": 30})),
)


def told(schema: Schema, customer: Customer, known: Known) -> Any:
    """The contact's members in their order, and the faults; or what refused the customer."""
    try:
        encoded, faults = customer_encoder(schema)(customer, known)
    except Exception as error:
        return type(error), str(error)
    members = [one for one in msgspec.json.decode(encoded.body, type=dict[str, str]).items() if one[0] != "id"]
    return members, faults


@given(schema=SCHEMAS, customer=CUSTOMERS)
def test_the_quick_way_writes_what_the_careful_way_writes(schema: Schema, customer: Customer) -> None:
    assert told(schema, customer, Known()) == told(schema, customer, Known("77", adopt=True))


@given(schema=SCHEMAS, customer=CUSTOMERS)
def test_its_bytes_are_the_same(schema: Schema, customer: Customer) -> None:
    """Another order or spelling would send every contact again."""
    quick = plain_encoder(schema)(customer)
    if quick is not None:
        careful = customer_encoder(schema)(customer, Known("77", adopt=True))[0].body
        assert careful == b'{"id":"77",' + quick[1:]


@pytest.mark.parametrize("tier", TIERS[:2])
def test_an_ordinary_customer_goes_the_quick_way(tier: Field | None) -> None:
    schema = Schema("10569", "10569", tier, {"GB": "184"}, {"en": "1"})
    customer = Customer(key="usmf|C-1", account="C-1", email="zoe@example.com", first_name="Zoë", last_name="Müller",
                        phone="+442012345678", street="1 High Street", city="London", postcode="N1 9GU", country="GB",
                        language="en", birth_date=date(1990, 2, 3), loyalty_tier="gold" if tier else "")  # fmt: skip
    assert plain_encoder(schema)(customer)


@pytest.mark.parametrize(
    ("name", "size"),
    [(name, 60) for name in ("first_name", "last_name", "phone", "city", "postcode", "loyalty_tier")]
    + [(name, 255) for name in ("email", "organisation", "street")],
)
def test_what_is_too_long_goes_the_careful_way(name: str, size: int) -> None:
    schema = Schema("10569", "10569", Field("9001"), {}, {})
    long = msgspec.structs.replace(Customer(key="usmf|C-1", account="C-1"), **{name: "x" * (size + 1)})
    assert plain_encoder(schema)(long) is None
    _, faults = customer_encoder(schema)(long, Known())
    assert faults == (Fault("too_long", name, f"{size + 1} characters, Emarsys holds {size}.", "x" * (size + 1)),)
