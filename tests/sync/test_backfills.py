"""Backfill: what was asked for is read and sent again, and nothing that is unsafe to send twice."""

import json
import zlib
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from sync import accounting, backfills, pending, runs
from sync.backfill_ids import MOST, RefusedError, ids_in
from sync.models import AuditEvent, Backfill, CrossReference, LedgerEntry, PendingKey, SyncRun
from tests.sync.conftest import Load, buckets, flow, invoice, people, sync, worked

pytestmark = pytest.mark.django_db(transaction=True)


def done(backfill: Backfill) -> SyncRun:
    run = backfills.start(backfill)
    assert run is not None
    run = worked(run)
    assert run.state == "completed", run.message
    backfill.refresh_from_db()
    return run


def keys(backfill: Backfill) -> list[str]:
    return list(json.loads(zlib.decompress(bytes(backfill.keys or b""))))


def test_pasted_ids_are_sent_again_and_unknown_ones_are_named_before_and_after(load: Load) -> None:
    control = load(people(6))
    sync()
    mark = flow().watermark
    control.customer("C-2", PrimaryContactEmail="new@example.com")
    asked = backfills.by_ids(flow(), 'usmf|C-1;"usmf|C-2"\n usmf|nobody,\tusmf|C-1 C-3', reason="city was empty")
    preview = asked.preview
    assert (preview["records"], preview["sent"], preview["writes"]) == (4, 4, 1)
    assert preview["unknown"]["ids"] == ("usmf|nobody",) or preview["unknown"]["ids"] == ["usmf|nobody"]
    assert "usmf|C-3" in keys(asked), "an id as Emarsys knows it finds its record"
    assert not SyncRun.objects.filter(trigger="backfill").exists(), "a preview starts nothing"
    control.forget_requests()
    run = done(asked)
    assert (run.trigger, run.read, buckets(run)) == ("backfill", 3, {"accepted": 3})
    assert (asked.missing, asked.missing_number) == (["usmf|nobody"], 1)
    assert flow().watermark == mark
    assert len(control.requests("PUT", "/contact/")) == 1
    assert accounting.of(run).said == []
    assert AuditEvent.objects.filter(action="start backfill", reason="city was empty").count() == 1
    with pytest.raises(RefusedError, match="started or cancelled"):
        backfills.start(asked)


def test_a_sale_that_emarsys_has_or_may_have_is_taken_out_and_never_sent_again(load: Load) -> None:
    control = load(
        people(2),
        [
            invoice("I-1", "C-1", ("MUG", "1", "5.00"), day="2026-01-10"),
            invoice("I-2", "C-2", ("MUG", "1", "5.00"), ("BOWL", "1", "3.00"), day="2026-01-20"),
            invoice("I-3", "C-2", ("MUG", "1", "7.00"), day="2026-02-01"),
        ],
    )
    sync()
    sync("sale")
    LedgerEntry.objects.filter(document="I-2", source_id__endswith="|2").update(state="unknown")
    LedgerEntry.objects.filter(document__in=["I-3", "I-2"], source_id__endswith="|1").delete()
    sold = len(control.sales())
    asked = backfills.by_ids(flow("sale"), "I-1 usmf|I-2 usmf|I-3")
    words = {part["ids"][0]: part["words"] for part in asked.preview["taken_out"]}
    assert set(words) == {"usmf|I-1", "usmf|I-2"}
    assert "once only" in words["usmf|I-1"]
    assert "answer was lost" in words["usmf|I-2"]
    assert keys(asked) == ["usmf|I-3"]
    assert buckets(done(asked)) == {"accepted": 1}

    by_days = backfills.by_dates(flow("sale"), date(2026, 1, 15), date(2026, 1, 31))
    run = done(by_days)
    assert len(control.sales()) == sold + 2, "I-3 by its id, and the line of I-2 that was never sent"
    assert (run.unknown, run.rejected) == (1, 0)
    assert LedgerEntry.objects.get(document="I-2", source_id__endswith="|1").state == "accepted"


def test_by_dates_nothing_outside_of_them_is_sent(load: Load) -> None:
    control = load(
        people(1), [invoice(f"I-{day}", "C-1", ("MUG", "1", "5.00"), day=f"2026-01-{day:02}") for day in (5, 15, 25)]
    )
    sync()
    LedgerEntry.objects.all().delete()
    run = done(backfills.by_dates(flow("sale"), date(2026, 1, 10), date(2026, 1, 20)))
    assert {row["order"] for row in control.sales()} == {"I-15"}
    assert run.accepted == 1
    assert accounting.of(run).said == []
    assert flow("sale").watermark == ""
    sync("sale")
    assert len(control.sales()) == 3, "what was left out is not forgotten"


def test_it_waits_for_another_run_joins_nobody_and_can_be_cancelled_before_and_within(load: Load) -> None:
    load(people(3))
    sync()
    active = runs.start(flow(), ring=False)
    assert active is not None
    asked = backfills.by_ids(flow(), "usmf|C-1")
    assert backfills.start(asked) is None
    assert backfills.state(asked) == "queued"
    backfills.start_waiting()
    assert Backfill.objects.get(pk=asked.pk).run is None
    other = backfills.by_ids(flow(), "usmf|C-2")
    backfills.start(other)
    backfills.cancel(asked, None)
    worked(active)
    backfills.start_waiting()
    backfills.start_waiting()
    found = Backfill.objects.get(pk=other.pk)
    assert Backfill.objects.get(pk=asked.pk).run is None
    assert found.run is not None
    pending.note(flow(), ["usmf|C-3"], "retry")
    backfills.cancel(found, None)
    assert SyncRun.objects.get(pk=found.run.pk).state == "cancelled"
    assert PendingKey.objects.count() == 1, "what others asked for is theirs"


def test_a_customer_that_was_deactivated_is_taken_out(load: Load) -> None:
    load(people(2))
    sync()
    CrossReference.objects.filter(source_id="usmf|C-2").update(state="archived")
    asked = backfills.by_ids(flow(), "usmf|C-1 usmf|C-2")
    assert [(part["records"], part["ids"]) for part in asked.preview["taken_out"]] == [(1, ("usmf|C-2",))]
    assert keys(asked) == ["usmf|C-1"]
    with pytest.raises(RefusedError, match="everything was taken out"):
        backfills.start(backfills.by_ids(flow(), "usmf|C-2"))


def test_what_is_no_backfill_is_refused_in_words(load: Load) -> None:
    load(people(1))
    with pytest.raises(RefusedError, match="does not tell when"):
        backfills.by_dates(flow(), date(2026, 1, 1), None)
    with pytest.raises(RefusedError, match="before the first"):
        backfills.by_dates(flow("sale"), date(2026, 1, 2), date(2026, 1, 1))
    with pytest.raises(RefusedError, match="in the future"):
        backfills.by_dates(flow("sale"), timezone.now().date() + timedelta(days=2), None)
    with pytest.raises(RefusedError, match="no id"):
        backfills.by_ids(flow(), " ;, \n")
    with pytest.raises(RefusedError, match="too many"):
        ids_in(" ".join(map(str, range(MOST + 1))))
    assert len(ids_in(",".join(map(str, range(MOST))))) == MOST


def of_companies(*keys: str) -> None:
    CrossReference.objects.bulk_create(CrossReference(flow=flow(), source_id=key, state="active") for key in keys)


def named(part: Any) -> tuple[int, list[str]]:
    return part["records"], list(part["ids"])


def test_an_id_without_its_company_is_found_where_one_company_has_it(load: Load) -> None:
    load(people(1))
    of_companies("usmf|A-1", "usmf|A-2", "gbsi|A-2", "gbsi|A-3", "USRT|A-4")
    asked = backfills.by_ids(flow(), "A-1 A-3 GBSI|A-3 GBSI|A-9 usmf|A-1 usrt|A-4")
    assert keys(asked) == ["gbsi|A-9", "usrt|A-4", "usmf|A-1", "gbsi|A-3"]
    assert named(asked.preview["completed"]) == (
        4, ["A-1 = usmf|A-1", "A-3 = gbsi|A-3", "GBSI|A-3 = gbsi|A-3", "GBSI|A-9 = gbsi|A-9"],
    )  # fmt: skip
    assert named(asked.preview["unknown"]) == (2, ["gbsi|A-9", "usrt|A-4"])
    assert asked.preview["undecided"] == []


def test_an_id_of_several_companies_is_not_looked_at_and_its_choices_are_named(load: Load) -> None:
    control = load(people(3))
    sync()
    of_companies("gbsi|C-9", "usmf|C-9")
    asked = backfills.by_ids(flow(), "C-9 X-1 usmf|C-1")
    several, nowhere = asked.preview["undecided"]
    assert named(several) == (1, ["C-9: gbsi|C-9 or usmf|C-9"])
    assert named(nowhere) == (1, ["X-1"])
    assert "paste COMPANY|ID, with one of gbsi, usmf" in nowhere["words"]
    assert (keys(asked), asked.preview["unknown"]) == (["usmf|C-1"], None)
    control.forget_requests()
    assert buckets(done(asked)) == {"accepted": 1}
    assert len(control.requests("PUT", "/contact/")) == 1
    with pytest.raises(RefusedError, match="or is not clear"):
        backfills.start(backfills.by_ids(flow(), "C-9"))


def test_where_there_is_one_company_an_id_that_is_not_known_yet_is_its(load: Load) -> None:
    control = load(people(2))
    sync()
    CrossReference.objects.filter(source_id="usmf|C-2").delete()
    control.customer("C-1", PrimaryContactEmail="new@example.com")
    asked = backfills.by_ids(flow(), "C-2 nobody other|C-1")
    assert named(asked.preview["unknown"]) == (3, ["usmf|C-2", "usmf|nobody", "other|C-1"])
    run = done(asked)
    assert (run.read, asked.missing) == (1, ["usmf|nobody", "other|C-1"])


def test_an_invoice_of_two_companies_is_not_chosen_between(load: Load) -> None:
    load(people(1), [invoice("I-1", "C-1", ("MUG", "1", "5.00")), invoice("I-2", "C-1", ("MUG", "1", "5.00"))])
    sync()
    sync("sale")
    LedgerEntry.objects.all().update(state="held")
    line = LedgerEntry.objects.get(document="I-2")
    line.pk, line.source_id, line.company = None, "gbsi|I-2|1", "gbsi"
    line.save()
    asked = backfills.by_ids(flow("sale"), "I-1 I-2 I-1|1")
    assert keys(asked) == ["usmf|I-1", "usmf|I-1|1"]
    assert [named(part) for part in asked.preview["undecided"]] == [(1, ["I-2: gbsi|I-2 or usmf|I-2"])]


def test_keys_that_name_no_company_are_left_as_they_are(load: Load) -> None:
    load(people(1))
    of_companies("1001", "1002")
    asked = backfills.by_ids(flow(), "1001 1009 a|1")
    assert (keys(asked), asked.preview["completed"]) == (["1009", "a|1", "1001"], None)
