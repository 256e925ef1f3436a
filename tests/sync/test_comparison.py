"""Comparing two sides: equal is equal however it is written, and a difference is never lost."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from connectors.extra import ExtraField
from sync.comparison import as_details, compare

NAMES = st.sampled_from(["email", "first_name", "city"])
VALUES = st.text(max_size=20)


@given(st.dictionaries(NAMES, VALUES))
def test_a_side_equals_itself(fields: dict[str, str]) -> None:
    assert all(field.same for field in compare(fields, fields))


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_every_owned_field_is_shown_once_in_order_with_both_values(one: dict[str, str], other: dict[str, str]) -> None:
    found = compare(one, other)
    assert [(field.name, field.erp, field.target) for field in found] == [
        (name, value, other.get(name, "")) for name, value in one.items()
    ]
    assert len(as_details(found)["fields"]) == len(one)


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_which_side_is_first_makes_no_difference(one: dict[str, str], other: dict[str, str]) -> None:
    names = one.keys() & other.keys()
    here = {field.name: field.same for field in compare(one, other) if field.name in names}
    there = {field.name: field.same for field in compare(other, one) if field.name in names}
    assert here == there


@given(VALUES)
def test_composed_and_decomposed_characters_are_the_same(value: str) -> None:
    one, other = unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)
    assert compare({"city": one}, {"city": other})[0].same
    for rule in ("exact", "ignore_case", "set"):
        own = ExtraField(source="Town", target="1", name="town", rule=rule)
        assert compare({"town": one}, {"town": other}, [own])[0].same


@given(st.text("abc XYZ", min_size=1))
def test_spacing_is_no_difference_but_case_is_one_except_in_an_address(value: str) -> None:
    assert compare({"city": value}, {"city": f"  {value.replace(' ', '   ')} "})[0].same
    assert compare({"email": value}, {"email": value.swapcase()})[0].same
    assert compare({"city": value}, {"city": value.swapcase()})[0].same == (not value.strip())


@given(VALUES, VALUES)
def test_what_differs_beyond_spelling_is_a_difference(one: str, other: str) -> None:
    plain = [" ".join(unicodedata.normalize("NFC", text).split()) for text in (one, other)]
    assert compare({"city": one}, {"city": other})[0].same == (plain[0] == plain[1])


def test_a_field_that_the_target_does_not_show_is_empty_there() -> None:
    assert [field.same for field in compare({"city": "York", "phone": ""}, {})] == [False, True]
