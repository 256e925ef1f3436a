"""Customers on their way from the emulated ERP to the emulated Emarsys."""

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.test.utils import CaptureQueriesContext

from sync.delivery.page import PageResult, Work
from sync.delivery.requests import Request
from sync.models import CrossReference, Delivery, RunPage, SyncIssue
from tests.sync.conftest import Load, buckets, flow, open_issues, people, sent_bodies, sync

pytestmark = pytest.mark.django_db(transaction=True)


def test_customers_travel_from_the_erp_to_emarsys(load: Load) -> None:
    control = load(people(10))
    run = sync()
    assert (run.state, run.read, buckets(run), run.writes) == ("completed", 10, {"accepted": 10}, 1), run.message
    contacts = control.contacts()
    assert len(control.all_contacts()) == 10
    assert {number: (one["3"], one["1"], one["11"]) for number, one in contacts.items()} == {
        f"C-{n}": (f"person{n}@example.com", f"First{n}", "London") for n in range(1, 11)
    }
    links = dict(CrossReference.objects.values_list("source_id", "target_id"))
    assert links == {f"usmf|{number}": one["id"] for number, one in contacts.items()}
    assert open_issues() == set()


def test_consent_is_in_no_request(load: Load) -> None:
    control = load(people(10))
    sync()
    assert '"3":"person1@example.com"' in sent_bodies()
    assert '"31"' not in sent_bodies()
    assert all("31" not in one for one in control.all_contacts())


def test_a_second_run_writes_nothing(load: Load) -> None:
    control = load(people(10))
    sync()
    control.forget_requests()
    before = list(CrossReference.objects.order_by("pk").values())
    run = sync()
    assert (run.state, buckets(run), run.writes) == ("completed", {"unchanged": 10}, 0)
    assert control.writes() == []
    assert list(CrossReference.objects.order_by("pk").values()) == before
    assert Delivery.objects.count() == 1


def test_one_changed_customer_is_one_contact_in_one_request(load: Load) -> None:
    control = load(people(10))
    sync()
    control.customer("C-3", AddressCity="York")
    control.forget_requests()
    run = sync()
    assert (buckets(run), run.writes) == ({"accepted": 1, "unchanged": 9}, 1)
    [write] = control.writes()
    assert write["records"] == 1
    assert control.contacts()["C-3"]["11"] == "York"


def test_a_change_that_emarsys_never_sees_is_no_write(load: Load) -> None:
    control = load(people(3))
    sync()
    control.customer("C-2", OnHoldStatus="All")
    run = sync()
    assert (buckets(run), run.writes) == ({"unchanged": 3}, 0)
    assert buckets(sync()) == {"unchanged": 3}


@pytest.mark.parametrize("number", [1, 1000, 1001, 2500])
def test_writes_are_as_few_as_changed_contacts_allow(load: Load, number: int) -> None:
    control = load(people(number))
    run = sync()
    assert run.accepted == number
    assert run.writes == len(control.writes()) == ceil(number / 1000)


def test_a_page_costs_as_many_queries_whatever_its_size(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.budget.FRESH", 60)  # how often the budget is asked depends on the clock alone
    counts = {}
    load(people(1))
    sync()
    for number in (10, 1000):
        load(people(number))
        CrossReference.objects.all().delete()
        with CaptureQueriesContext(connection) as first:
            assert sync().accepted == number
        with CaptureQueriesContext(connection) as second:
            assert sync().unchanged == number
        counts[number] = len(by_the_page(first)), len(by_the_page(second))
    assert counts[10] == counts[1000], counts
    # What goes through psycopg alone is not counted.
    assert counts[1000] <= {"sqlite": (63, 53), "postgresql": (65, 55)}[connection.vendor]


def by_the_page(queries: CaptureQueriesContext) -> list[str]:
    """Without those that go by the clock: the budget's, and the clock itself."""
    by_the_clock = ("clock_timestamp", "sync_apibudget", "sync_apiusage")
    return [one["sql"] for one in queries if not any(word in one["sql"] for word in by_the_clock)]


def test_nothing_of_a_page_waits_for_the_collector_of_cycles(load: Load) -> None:
    """A run looks for cycles rarely: a request that is part of one keeps its thousand records for as long."""
    load(people(300), EMARSYS_CONTACT_BATCH="50")
    gc.collect()
    gc.disable()
    try:
        assert sync().writes == 6
        left = Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, Request | PageResult | Work))
    finally:
        gc.enable()
    assert not left


def test_pages_of_200_and_of_2000_cost_the_same_queries_in_every_thread(load: Load) -> None:
    """The page is remembered in a thread with a connection of its own: its queries count as well. What goes by the
    number of calls or by the clock (the budget, which sender threads ask) does not."""
    load(people(1))
    sync()  # what is made once, is made: the budgets' rows
    counts = {}
    load(people(1))
    sync()  # a first load is not watched by breakers
    for number in (200, 2000):
        load(people(number))
        CrossReference.objects.all().delete()
        with queries_of_all_threads() as first:
            assert sync().accepted == number
        with queries_of_all_threads() as second:
            assert sync().unchanged == number
        counts[number] = len(first), len(second)
    assert counts[200] == counts[2000], counts


@contextmanager
def queries_of_all_threads() -> Iterator[list[str]]:
    """Every statement that goes through Django meanwhile, whichever connection carries it."""
    found: list[str] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        by_the_clock = threading.current_thread().name.startswith(("send", "lease"))  # once a second: cancelled?
        if not by_the_clock and not sql.startswith("BEGIN") and "budget" not in sql and "sync_apiusage" not in sql:
            found.append(sql)
        return execute(sql, params, many, context)

    def opened(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(note)

    connection_created.connect(opened)
    try:
        with connection.execute_wrapper(note):
            yield found
    finally:
        connection_created.disconnect(opened)


def test_every_record_of_a_page_stands_in_its_manifest(load: Load) -> None:
    load(people(25), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    run = sync()
    assert list(RunPage.objects.filter(run=run).order_by("number").values_list("number", "read")) == [
        (1, 10),
        (2, 10),
        (3, 5),
    ]
    assert run.pages == 3


# --------------------------------------------------------------------------------------------- adoption


def test_a_contact_with_the_customer_number_is_adopted(load: Load) -> None:
    control = load(people(2))
    control.put_contact(501, **{control.key_field: "C-1", "f3": "old@example.com", "f31": "1"})
    run = sync()
    assert run.accepted == 2
    assert len(control.all_contacts()) == 2
    contact = control.contacts()["C-1"]
    assert (contact["id"], contact["3"], contact["31"]) == ("501", "person1@example.com", "1")


def test_a_contact_with_the_e_mail_alone_is_adopted_and_gets_its_number(load: Load) -> None:
    control = load(people(2))
    control.put_contact(501, f3="Person1@Example.com", f31="2")
    sync()
    contact = control.contacts()["C-1"]
    assert (contact["id"], contact["31"]) == ("501", "2")
    assert len(control.all_contacts()) == 2
    assert CrossReference.objects.get(source_id="usmf|C-1").target_id == "501"


def test_a_later_customer_is_adopted_by_look_up_as_well(load: Load) -> None:
    control = load(people(2))
    sync()
    control.put_contact(501, f3="person9@example.com")
    control(
        "PUT",
        "dynamics365/customers/usmf%7CC-9",
        control("GET", "dynamics365/customers/usmf%7CC-1")
        | {"CustomerAccount": "C-9", "PartyNumber": "C-9", "PrimaryContactEmail": "person9@example.com"},
    )
    assert buckets(sync()) == {"accepted": 1, "unchanged": 2}
    assert control.contacts()["C-9"]["id"] == "501"
    assert len(control.all_contacts()) == 3


@pytest.mark.parametrize("later", [False, True])
def test_nobody_chooses_among_two_contacts_with_the_e_mail(load: Load, later: bool) -> None:
    control = load(people(2))
    if later:
        sync()
        control("DELETE", f"emarsys/contacts/{control.contacts()['C-1']['id']}")
        CrossReference.objects.filter(source_id="usmf|C-1").delete()
    control.put_contact(501, f3="person1@example.com")
    control.put_contact(502, f3="person1@example.com")
    run = sync()
    assert run.rejected == 1
    assert open_issues() == {("duplicate_in_target", "usmf|C-1", "contact")}
    assert "C-1" not in control.contacts()
    assert len(control.all_contacts()) == 3
    # A person decides in Emarsys; the next run needs no retry.
    control("DELETE", "emarsys/contacts/502")
    assert sync().accepted == 1
    assert open_issues() == set()
    assert control.contacts()["C-1"]["id"] == "501"


def test_two_customers_of_one_e_mail_do_not_share_a_contact(load: Load) -> None:
    two = people(2)
    two[1]["email"] = two[0]["email"]
    control = load(two)
    control.put_contact(501, f3="person1@example.com")
    run = sync()
    assert buckets(run) == {"accepted": 1, "rejected": 1}
    assert open_issues() == {("contested_link", "usmf|C-2", "contact")}
    assert len(control.all_contacts()) == 1


def test_one_customer_number_in_two_companies_is_contested_not_overwritten(load: Load) -> None:
    control = load([*people(1), people(1)[0] | {"legal_entity": "gbsi", "first_name": "Other"}])
    run = sync()
    assert buckets(run) == {"accepted": 1, "rejected": 1}
    assert {kind for kind, _, _ in open_issues()} == {"contested_link"}
    assert len(set(CrossReference.objects.exclude(target_id="").values_list("target_id", flat=True))) == 1
    before = control.contacts()["C-1"]
    sync()
    assert control.contacts()["C-1"] == before


def test_an_account_written_as_key_keeps_two_companies_apart(load: Load) -> None:
    control = load([*people(1), people(1)[0] | {"legal_entity": "gbsi", "email": "other@example.com"}],
                   EMARSYS_KEY_VALUE="key")  # fmt: skip
    assert buckets(sync()) == {"accepted": 2}
    assert set(control.contacts()) == {"usmf|C-1", "gbsi|C-1"}


# --------------------------------------------------------------------------------------------- bad rows


def test_a_row_without_key_becomes_an_exception_and_the_rest_go_on(load: Load) -> None:
    control = load(people(5))
    control.customer("C-3", CustomerAccount="")
    run = sync()
    assert (run.state, buckets(run)) == ("completed", {"accepted": 4, "rejected": 1})
    [(kind, key, field)] = open_issues()
    assert (kind, field) == ("missing_value", "CustomerAccount")
    assert key.startswith("row-")
    assert "person3@example.com" in SyncIssue.objects.get().details["row"]
    sync()
    assert SyncIssue.objects.get().occurrences == 2


def test_a_bad_optional_value_is_left_out_and_the_exception_closes_when_the_erp_is_right(load: Load) -> None:
    control = load(people(3))
    control.customer("C-2", PrimaryContactEmail="not an address")
    run = sync()
    assert buckets(run) == {"accepted": 3}
    assert open_issues() == {("invalid_email", "usmf|C-2", "email")}
    assert "3" not in control.contacts()["C-2"]
    control.customer("C-2", PrimaryContactEmail="right@example.com")
    sync()
    assert open_issues() == set()
    assert "went through" in SyncIssue.objects.get().resolution
    assert control.contacts()["C-2"]["3"] == "right@example.com"


def test_a_value_of_the_wrong_type_spoils_nothing_else(load: Load) -> None:
    control = load(people(3))
    control.customer("C-2", AddressCity=[1, 2], PersonFirstName=7)
    run = sync()
    assert (run.state, run.accepted) == ("completed", 3)
    assert control.contacts()["C-2"]["1"] == "7"


@pytest.mark.parametrize("value", ["nul\x00 byte@", "\x07@", "emoji \U0001f600 \u202e"])
def test_characters_that_databases_refuse_do_not_stop_a_run(load: Load, value: str) -> None:
    control = load(people(2))
    control.customer("C-2", PrimaryContactEmail=value, PersonFirstName=value, AddressCity=value)
    run = sync()
    assert (run.state, run.accepted) == ("completed", 2)
    assert ("invalid_email", "usmf|C-2", "email") in open_issues()


def test_a_customer_that_emarsys_refuses_is_sent_again_by_every_run(load: Load) -> None:
    control = load(people(3))
    control.fault("partial", system="emarsys", method="PUT", path="/contact/", keys=["C-2"], message="No such choice")
    run = sync()
    assert buckets(run) == {"accepted": 2, "rejected": 1}
    assert {(kind, key) for kind, key, _ in open_issues()} == {("refused_by_target", "usmf|C-2")}
    assert set(control.contacts()) == {"C-1", "C-3"}
    assert buckets(sync()) == {"accepted": 1, "unchanged": 2}
    assert open_issues() == set()


def test_a_contact_whose_number_was_not_told_is_asked_for_again(load: Load) -> None:
    """A link without its contact would hold the customer's orders for ever."""
    control = load(people(3))
    control.fault("partial", system="emarsys", method="PUT", path="/contact/", keys=["C-2"])
    control.fault(
        "status", system="emarsys", path="/contact/checkids", code=404, body={"replyCode": 1, "replyText": ""}
    )
    assert sync().accepted == 2
    sync()
    ids = {number: one["id"] for number, one in control.contacts().items()}
    links = CrossReference.objects.filter(flow=flow()).values_list("source_id", "target_id")
    assert dict(links) == {f"usmf|{number}": contact for number, contact in ids.items()}


def test_the_same_customer_twice_in_a_read_is_one_contact(load: Load) -> None:
    control = load(people(30), DYNAMICS365_PAGE_SIZE="10", EMARSYS_CONTACT_BATCH="10")
    control.fault("duplicate_page", system="dynamics365", path="CustomersV3", after=1)
    run = sync()
    assert run.state == "completed"
    assert len(control.all_contacts()) == 30
    assert sum(buckets(run).values()) == run.read
