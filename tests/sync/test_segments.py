"""Criteria as Emarsys states them, judged on a person's values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync import segments

FIELDS = ["first_name", "city", "loyaltyTier", "country", "birth_date"]
OWNED = {"first_name", "city", "loyalty_tier", "country", "birth_date", "email", "postcode"}
SINGLE = ["equals", "not_equals", "contains", "starts_with", "greater_than", "less_than"]

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
people = st.dictionaries(st.sampled_from(FIELDS), texts)
leaves = st.one_of(
    st.builds(
        lambda f, o, v: {"type": "criteria", "field": f, "operator": o, "value": v},
        st.sampled_from(FIELDS),
        st.sampled_from(SINGLE),
        texts,
    ),
    st.builds(
        lambda f, o, v: {"type": "criteria", "field": f, "operator": o, "value": v},
        st.sampled_from(FIELDS),
        st.sampled_from(["in", "not_in"]),
        st.lists(texts, min_size=1, max_size=3),
    ),
    st.builds(
        lambda f, o: {"type": "criteria", "field": f, "operator": o},
        st.sampled_from(FIELDS),
        st.sampled_from(["is_empty", "not_empty"]),
    ),
)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda kind, children: {"type": kind, "children": children},
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)
OPPOSITE = {
    "equals": "not_equals",
    "not_equals": "equals",
    "in": "not_in",
    "not_in": "in",
    "is_empty": "not_empty",
    "not_empty": "is_empty",
}


def criterion(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"type": "criteria", "field": field, "operator": operator, "value": value}


@given(trees, people)
def test_every_readable_tree_has_an_answer_for_everybody(tree: dict[str, Any], person: dict[str, str]) -> None:
    assert segments.why_not_readable(tree, OWNED) == ""
    assert segments.evaluate(tree, person) in (True, False)


@given(trees, people)
def test_a_group_of_one_means_its_part(tree: dict[str, Any], person: dict[str, str]) -> None:
    for kind in ("and", "or"):
        assert segments.evaluate({"type": kind, "children": [tree]}, person) == segments.evaluate(tree, person)


@given(st.lists(trees, min_size=1, max_size=4), people)
def test_groups_mean_all_and_any_in_whatever_order(parts: list[dict[str, Any]], person: dict[str, str]) -> None:
    answers = [segments.evaluate(part, person) for part in parts]
    for children in (parts, parts[::-1]):
        assert segments.evaluate({"type": "and", "children": children}, person) == all(answers)
        assert segments.evaluate({"type": "or", "children": children}, person) == any(answers)


@given(leaves, people)
def test_a_negated_operator_is_the_opposite(leaf: dict[str, Any], person: dict[str, str]) -> None:
    if leaf["operator"] in OPPOSITE:
        opposite = {**leaf, "operator": OPPOSITE[leaf["operator"]]}
        assert segments.evaluate(opposite, person) != segments.evaluate(leaf, person)


@given(trees, people)
def test_only_the_fields_that_are_read_decide(tree: dict[str, Any], person: dict[str, str]) -> None:
    read = set(segments.fields_read(tree))
    narrowed = {name: value for name, value in person.items() if name in read}
    assert segments.evaluate(tree, person) == segments.evaluate(tree, {**narrowed, "unread": "x"})


@given(st.sampled_from(FIELDS), texts.filter(bool))
def test_more_less_and_equal_exclude_each_other_for_plain_text(field: str, value: str) -> None:
    person = {field: "m"}
    answers = [
        segments.evaluate(criterion(field, operator, value), person)
        for operator in ("greater_than", "less_than", "equals")
    ]
    assert sum(answers) == 1


def test_an_absent_value_is_neither_more_nor_less() -> None:
    for operator in ("greater_than", "less_than", "contains", "starts_with", "equals", "in"):
        assert not segments.evaluate(criterion("city", operator, "a"), {})


def test_numbers_compare_as_numbers_and_days_as_days() -> None:
    assert segments.evaluate(criterion("points", "greater_than", "9"), {"points": "10"})
    assert segments.evaluate(criterion("birth_date", "less_than", "1990-05-01"), {"birth_date": "1989-12-31"})


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (None, "does not show"),
        (criterion("optin", "equals", "true"), "optin"),
        ({"type": "behaviour"}, "behaviour"),
        ({"type": "and", "children": []}, "without parts"),
        (criterion("city", "sounds_like", "x"), "sounds_like"),
        (criterion("city", "equals", ["a"]), "single value"),
        ({"type": "or", "children": [criterion("city", "not_equals", "x"), {"type": "rfm"}]}, "rfm"),
    ],
)
def test_what_the_erp_cannot_say_is_said_in_words(tree: Any, words: str) -> None:
    assert words in segments.why_not_readable(tree, OWNED)


def test_fields_are_known_by_emarsys_names_or_their_own_letters() -> None:
    named = {"zip_code": "postcode", "loyaltyTier": "loyalty_tier", "first_name": "first_name", "optin": "optin"}
    assert {name: segments.canonical(name) for name in named} == named
