"""A plan decides what a sync would do and does nothing; applying it does exactly that."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.base import Effect
from sync import pending, pipeline, plans
from sync.models import CrossReference, Delivery, LedgerEntry, RunPage, SyncIssue, SyncPlanPage
from sync.progress import keys
from tests.sync.conftest import Load, buckets, flow, invoice, people, sync
from tests.sync.plain_systems import connect
from tests.sync.plans.conftest import apply, plan

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_plan_says_what_would_happen_and_does_nothing(load: Load) -> None:
    control = load(people(5))
    found = plan()
    assert (found.state, found.counts, found.read) == ("ready", {"create": 5}, 5)
    assert found.examples[0]["fields"][0]["after"]
    assert control.writes() == []
    assert not control.contacts()
    untouched = (CrossReference, Delivery, SyncIssue, LedgerEntry, RunPage)
    assert [model.objects.count() for model in untouched] == [0] * 5
    assert flow().watermark == ""


def test_applying_it_does_what_a_sync_would(load: Load) -> None:
    control = load(people(5))
    found = plan()
    run = apply(found)
    assert (found.state, buckets(run), run.plan_id) == ("applied", {"accepted": 5}, found.pk)
    assert len(control.contacts()) == 5
    assert buckets(sync()) == {"unchanged": 5}


def test_a_change_shows_each_field_before_and_after(load: Load) -> None:
    control = load(people(4))
    sync()
    control.customer("C-2", PersonFirstName="Renamed", AddressCity="")
    found = plan(full=True)
    assert found.counts == {"change": 1, "unchanged": 3}
    assert found.fields["first_name"] == {"changed": 1, "blanked": 0}
    assert found.fields["city"] == {"changed": 1, "blanked": 1}
    [example] = found.examples
    told = {one["field"]: (one["before"], one["after"]) for one in example["fields"]}
    assert told["first_name"] == ("First2", "Renamed")


def test_what_changed_since_the_plan_is_named_and_not_sent(load: Load) -> None:
    control = load(people(4))
    sync()
    control.customer("C-1", PersonFirstName="Planned")
    control.customer("C-2", PersonFirstName="Planned")
    found = plan()
    control.customer("C-2", PersonFirstName="Later")
    control.customer("C-3", PersonFirstName="Later")
    run = apply(found)
    contacts = control.contacts()
    assert [contacts[f"C-{n}"]["1"] for n in (1, 2, 3)] == ["Planned", "First2", "First3"]
    assert found.outcome["changed"]["records"] == 2
    assert set(found.outcome["changed"]["examples"]) == set(keys(run, "kept_back"))
    assert run.findings["changed_since_plan"]["records"] == run.excluded == 2
    sync()
    contacts = control.contacts()
    assert [contacts[f"C-{n}"]["1"] for n in (1, 2, 3)] == ["Planned", "Later", "Later"]


def test_what_changed_in_the_target_since_the_plan_is_named_and_not_sent(load: Load) -> None:
    control = load(people(4))
    sync()
    for number in range(1, 5):
        control.customer(f"C-{number}", AddressCity="Planned")
    found = plan()
    there = {key: contact["id"] for key, contact in control.contacts().items()}
    control("PATCH", f"emarsys/contacts/{there['C-1']}", {"11": "By a colleague"})
    control("PATCH", f"emarsys/contacts/{there['C-2']}", {"11": "Planned"})
    control("DELETE", f"emarsys/contacts/{there['C-3']}")
    run = apply(found)
    assert set(found.outcome["changed"]["examples"]) == {"usmf|C-1", "usmf|C-3"} == set(keys(run, "kept_back"))
    assert buckets(run) == {"accepted": 2, "excluded": 2}, "one has what was planned already"
    assert {key: contact["11"] for key, contact in control.contacts().items()} == {
        "C-1": "By a colleague", "C-2": "Planned", "C-4": "Planned",
    }  # fmt: skip
    sync()
    assert {contact["11"] for contact in control.contacts().values()} == {"Planned"}


def test_the_watermark_never_moves_over_what_was_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, erp, platform = connect(monkeypatch, "customer", Effect.UPSERT)
    erp.rows = [{"key": "a", "account": "a"}]
    apply(plan(asked))
    asked.refresh_from_db()
    before = asked.watermark
    assert before, "nothing was kept back"
    found = plan(asked)
    erp.rows = [{"key": "b", "account": "b"}]
    apply(found)
    asked.refresh_from_db()
    assert asked.watermark == before
    assert found.watermark_to != before
    assert [one["key"] for one in platform.sent] == ["a"]


def test_what_was_planned_and_is_not_met_again_is_named(load: Load) -> None:
    control = load(people(2))
    sync()
    control.customer("C-1", PersonFirstName="Planned")
    found = plan()
    control.customer("C-1", PersonFirstName="First1")
    run = apply(found)
    assert found.outcome["not_met"]["records"] == 1
    assert run.findings["planned_not_met"]["records"] == 1


def test_a_plan_of_named_records_touches_only_them(load: Load) -> None:
    control = load(people(3))
    name = "usmf|C-2"
    found = plan(ids=[name])
    assert found.counts == {"create": 1}
    apply(found)
    assert set(control.contacts()) == {"C-2"}
    assert flow().watermark == ""


def test_keys_that_wait_for_a_retry_stay_for_the_next_run(load: Load) -> None:
    load(people(3))
    sync()
    pending.note(flow(), ["usmf|C-1"], "retry")
    found = plan()
    assert found.counts == {} or set(found.counts) == {"unchanged"}
    apply(found)
    assert list(pending.due(flow())) == ["usmf|C-1"]


def test_sales_are_planned_with_their_money_and_sent_once(load: Load) -> None:
    control = load(
        people(1), [invoice("1", "C-1", ("A", "1", "10.00"), ("B", "2", "5.50")), invoice("2", "X", ("A", "1", "3"))]
    )
    sync()
    found = plan(flow("sale"))
    assert (found.money, found.counts["create"]) == ({"GBP": "15.50"}, 2)
    run = apply(found)
    assert len(control.sales()) == run.accepted == 2
    assert not LedgerEntry.objects.filter(state="accepted").exclude(amount__in=["10.00", "5.50"]).exists()


def test_a_sale_that_came_after_the_plan_is_neither_sent_nor_lost(load: Load) -> None:
    control = load(people(1), [invoice("1", "C-1", ("A", "1", "10.00"))])
    sync()
    found = plan(flow("sale"))
    control.line("1", 1, LineAmount=11.0)
    apply(found)
    assert control.sales() == []
    assert not LedgerEntry.objects.filter(state="sending").exists()
    sync("sale")
    assert len(control.sales()) == 1


def test_slices_and_pages_make_the_same_plan(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(40), DYNAMICS365_PAGE_SIZE="10")
    whole, sliced = plan(), plan(seconds=0)
    assert whole.counts == sliced.counts == {"create": 40}
    assert SyncPlanPage.objects.filter(plan=sliced).count() >= 1
    assert apply(sliced).accepted == 40


def test_a_page_of_a_plan_takes_as_many_queries_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def queries(number: int) -> int:
        erp.rows = [{"key": f"{number}-{n}", "account": f"{number}-{n}"} for n in range(number)]
        found = plans.ask(asked, ring=False)
        run = plans.making(found)
        assert run is not None
        with CaptureQueriesContext(connection) as asked_for:
            pipeline.work(run.pk)
        return len(asked_for)

    asked, erp, _ = connect(monkeypatch, "customer", Effect.UPSERT)
    queries(1)
    assert queries(3) == queries(300)
