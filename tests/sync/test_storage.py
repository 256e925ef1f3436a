"""Set-based reads and writes: both back ends do what a dictionary would do."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync import storage
from sync.delivery.once import COLUMNS, LINES
from sync.delivery.upsert import LINKS
from sync.models import CrossReference, Flow, LedgerEntry, PendingKey
from sync.storage.sides import Sides

pytestmark = pytest.mark.django_db
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
DIGEST = st.binary(min_size=16, max_size=16)
QUICK = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
NOW = datetime(2026, 3, 1, 9, 30, 0, 123456, UTC)


@pytest.fixture
def flow(db: None) -> Flow:
    return Flow.objects.create(name="a.customer", source="a", stream="customer", target="b", entity="customer")


def link(flow: Flow, key: str, target: str, raw: bytes | None, state: str = "active") -> tuple[Any, ...]:
    return (flow.pk, key, target, state, key[:60], raw, raw, None, NOW, NOW)


@QUICK
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abcdef'\"%\\{},"), TEXT, st.none() | DIGEST), unique_by=lambda row: row[0]),
        max_size=5,
    )
)
def test_an_upsert_does_what_a_dictionary_would_do(
    flow: Flow, pages: list[list[tuple[str, str, bytes | None]]]
) -> None:
    CrossReference.objects.all().delete()
    model: dict[str, tuple[str, bytes | None]] = {}
    for page in pages:
        storage.upsert(LINKS, [link(flow, *row) for row in page])
        model |= {key: (target, raw) for key, target, raw in page}
    stored = storage.fetch(CrossReference, ["source_id", "target_id", "raw_digest"], "source_id", list(model))
    assert {key: (target, raw) for key, target, raw in stored} == model
    assert CrossReference.objects.count() == len(model)


@pytest.mark.parametrize("number", [1, 100, 101, 5000])
def test_few_and_many_rows_are_written_alike(flow: Flow, number: int) -> None:
    """From 101 rows on PostgreSQL copies; a hundred are single statements."""
    rows = [link(flow, f"k{n}", str(n), n.to_bytes(16)) for n in range(number)]
    storage.upsert(LINKS, rows)
    storage.upsert(LINKS, [link(flow, f"k{n}", "changed", None) for n in range(0, number, 2)])
    stored = dict(CrossReference.objects.values_list("source_id", "target_id"))
    assert stored == {f"k{n}": "changed" if n % 2 == 0 else str(n) for n in range(number)}
    one = CrossReference.objects.get(source_id=f"k{number - 1}")
    assert one.first_synced_at == NOW
    assert one.raw_digest == (None if number % 2 else uuid.UUID(bytes=(number - 1).to_bytes(16)))


@pytest.mark.parametrize("number", [1, 300])
def test_rows_taken_for_new_are_written_although_one_is_there(flow: Flow, number: int) -> None:
    storage.upsert(LINKS, [link(flow, "k0", "old", None)])
    storage.insert(LINKS, [link(flow, f"k{n}", "new", None) for n in range(number)])
    assert set(CrossReference.objects.values_list("target_id", flat=True)) == {"new"}
    assert CrossReference.objects.count() == number


def test_a_superseded_link_is_no_conflict(flow: Flow) -> None:
    storage.upsert(LINKS, [link(flow, "k", "old", None, "superseded")])
    storage.upsert(LINKS, [link(flow, "k", "new", None)])
    storage.upsert(LINKS, [link(flow, "k", "newer", None)])
    found = CrossReference.objects.order_by("pk").values_list("state", "target_id")
    assert list(found) == [("superseded", "old"), ("active", "newer")]


@QUICK
@given(st.lists(DIGEST, unique=True, max_size=40), st.lists(DIGEST, max_size=40))
def test_known_digests_are_those_that_are_stored(flow: Flow, stored: list[bytes], others: list[bytes]) -> None:
    CrossReference.objects.all().delete()
    storage.upsert(LINKS, [link(flow, f"k{n}", "t", digest) for n, digest in enumerate(stored)])
    assert storage.known(CrossReference, "raw_digest", [*stored, *others]) == set(stored)
    assert storage.known(CrossReference, "raw_digest", stored, "state = 'rejected'") == set()


# SQLite keeps fifteen significant digits.
AMOUNT = st.decimals(-(10**10), 10**10, places=4, allow_nan=False, allow_infinity=False)


@QUICK
@given(
    st.lists(st.tuples(AMOUNT, AMOUNT, st.dates(date(1900, 1, 2), date(2999, 1, 1)), TEXT, st.booleans()), max_size=8)
)
def test_money_days_and_texts_come_back_as_they_went(flow: Flow, rows: list[tuple[Any, ...]]) -> None:
    LedgerEntry.objects.all().delete()
    storage.upsert(LINES, [line(flow, n, *row) for n, row in enumerate(rows)])
    found = storage.fetch(
        LedgerEntry, ["source_id", "amount", "quantity", "day", "name", "credit"], "source_id",
        [f"k{n}" for n in range(len(rows))],
    )  # fmt: skip
    assert {row[0]: row[1:] for row in found} == {f"k{n}": row for n, row in enumerate(rows)}
    orm = LedgerEntry.objects.values_list("source_id", "amount", "day", "credit")
    assert {row[0]: row[1:] for row in orm} == {f"k{n}": (row[0], row[2], row[4]) for n, row in enumerate(rows)}


def line(flow: Flow, n: int, amount: Decimal, quantity: Decimal, day: date, name: str, credit: bool) -> tuple[Any, ...]:
    given = {
        "flow_id": flow.pk, "source_id": f"k{n}", "quantity": quantity, "amount": amount, "unit_price": Decimal("0.1"),
        "document_total": amount, "day": day, "name": name, "credit": credit, "charge": False, "state": "accepted",
        "currency": "GBP", "sequence": n, "raw_digest": n.to_bytes(16), "updated_at": NOW, "delivery_id": None,
        "run_id": None,
    }  # fmt: skip
    return tuple(given.get(column, "") for column in COLUMNS)


def test_no_row_is_no_query(flow: Flow) -> None:
    with CaptureQueriesContext(connection) as queries:
        storage.upsert(LINKS, [])
        assert storage.known(CrossReference, "raw_digest", []) == set()
        assert storage.fetch(CrossReference, ["id"], "source_id", []) == []
    assert len(queries) == 0


def test_ten_thousand_values_are_looked_up_at_once(flow: Flow) -> None:
    storage.upsert(LINKS, [link(flow, f"k{n}", "t", None) for n in range(10_000)])
    found = storage.fetch(CrossReference, ["source_id"], "source_id", [f"k{n}" for n in range(5_000, 15_000)])
    assert len(found) == 5_000


@QUICK
@given(st.lists(st.tuples(st.sampled_from(["a", "a|", "a|b", "ab", "b|", "A|", "é|"]), TEXT)), st.lists(TEXT))
def test_rows_are_found_by_what_they_begin_with(flow: Flow, stored: list[tuple[str, str]], others: list[str]) -> None:
    CrossReference.objects.all().delete()
    keys = {(head + tail)[:200] for head, tail in stored} - {""}
    storage.upsert(LINKS, [link(flow, key, "", None) for key in keys])
    asked = sorted({"a|", "b|", "é|", *(one for one in others if one)})
    found = storage.beginning(CrossReference, ["source_id"], "source_id", asked, storage.BY_KEY, [flow.pk])
    assert set(found) == {(head, key) for head in asked for key in keys if key.startswith(head)}
    assert storage.beginning(CrossReference, ["source_id"], "source_id", ["a|"], storage.BY_KEY, [flow.pk + 1]) == []


def test_columns_that_are_not_to_be_updated_keep_their_first_value(flow: Flow) -> None:
    from sync.pending import TABLE

    storage.upsert(TABLE, [(flow.pk, "k", "retry", None, True, None, NOW)])
    storage.upsert(TABLE, [(flow.pk, "k", "released", None, False, None, NOW)])
    stored = PendingKey.objects.get()
    assert (stored.reason, stored.urgent) == ("released", True)


@QUICK
@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["", "x@e", "y@e"]), max_size=6),
    st.dictionaries(
        st.sampled_from("12345678"),
        st.tuples(st.sampled_from(["", *"abcdz"]), st.sampled_from(["", "x@e", "y@e", "z@e"])),
        max_size=6,
    ),
)  # fmt: skip
def test_the_joins_of_both_sides_are_those_of_a_double_loop(
    flow: Flow, erp: dict[str, str], target: dict[str, tuple[str, str]]
) -> None:
    with Sides() as sides:
        sides.erp((key, key, email, {"email": email}) for key, email in erp.items())
        sides.target((number, key, email, {"email": email}) for number, (key, email) in target.items())
        sides.index()
        owned = {key: [n for n, (of, _) in target.items() if of == key] for key in erp}
        keyless = {n: email for n, (of, email) in target.items() if not of}
        pairs = {(key, n) for key, n, _, _ in sides.pairs()}
        assert pairs == {(key, ns[0]) for key, ns in owned.items() if len(ns) == 1}
        assert set(sides.several()) == {(key, n) for key, ns in owned.items() if len(ns) > 1 for n in ns}
        unlinked = {(key, n) for key, _, _, n, _ in sides.unlinked()}
        assert unlinked == {
            (key, n)
            for key, email in erp.items()
            if not owned[key]
            for n in ([n for n, address in keyless.items() if email and address == email] or [None])
        }
        orphans = {n for n, _, _ in sides.orphans()}
        assert orphans == {
            n
            for n, (key, email) in target.items()
            if key not in erp and not (not key and email and email in erp.values())
        }


@pytest.mark.django_db
def test_any_text_may_be_looked_up() -> None:
    odd = ['a"b', "a\\b", "a,b", "{a}", "NULL", " a ", "é", 'a","b', "", "a'b", "line\nbreak"]
    flow = Flow.objects.create(name="a.customer", source="a", stream="customer", target="b", entity="customer")
    CrossReference.objects.bulk_create(CrossReference(flow=flow, source_id=key) for key in odd)
    rows = storage.fetch(CrossReference, ["source_id"], "source_id", [*odd, "other"], storage.BY_KEY, [flow.pk])
    assert sorted(key for (key,) in rows) == sorted(odd)
    assert storage.fetch(CrossReference, ["source_id"], "source_id", ['a"b'], storage.BY_KEY, [flow.pk]) == [('a"b',)]


def test_rows_that_are_there_are_changed_and_no_others(flow: Flow) -> None:
    storage.upsert(LINKS, [link(flow, key, "t", None) for key in "abc"])
    ids = dict(CrossReference.objects.values_list("source_id", "pk"))
    changed = storage.table(CrossReference, ("id", "target_id", "last_synced_at"))
    storage.update(changed, [(ids["a"], "it's %s", None), (ids["c"], "ü", NOW), (max(ids.values()) + 1, "nobody", NOW)])
    found = CrossReference.objects.order_by("source_id").values_list("source_id", "target_id", "last_synced_at")
    assert [*found] == [("a", "it's %s", None), ("b", "t", NOW), ("c", "ü", NOW)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        storage.update(changed, [])
    assert not queries.captured_queries
