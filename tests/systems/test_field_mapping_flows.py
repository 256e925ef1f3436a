"""A site's own columns on their whole way: from the emulated Dataverse and Prima to the emulated Emarsys."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from sync import addresses, field_checks, field_mappings, field_trials, pending, pipeline, plans, runs, triage
from sync.models import Breaker, Flow, SyncIssue, SyncRun
from tests.admin.desk_records import person
from tests.sync.conftest import Control, buckets, open_issues
from tests.systems.conftest import World, command, sync

pytestmark = pytest.mark.django_db(transaction=True)
KIND, LIMIT, COMPANY, SINCE = "901", "902", "903", "904"
FIELDS = {
    KIND: {"name": "Kind of customer", "application_type": "shorttext"},
    LIMIT: {"name": "Limit", "application_type": "numeric"},
    COMPANY: {"name": "Company", "application_type": "shorttext"},
    SINCE: {"name": "Customer since", "application_type": "date"},
}


OWN_COLUMNS = {
    "name": "own columns",
    "attributes": {
        "Customer": {
            "Gender": "Loyalty/Kind", "AddrLine6": "CreditLimit", "CustomerTitle": "AlsoKnownAs", "AddrLine5": "Joined",
        },
    },
}  # fmt: skip
"""A Prima site with four columns that the assumed contract does not have."""


@dataclass(frozen=True)
class Site:
    """An ERP: its columns as the console reads them, as its own clerks edit them, and how it writes two values."""

    name: str
    table: str
    columns: dict[str, str]
    edited: dict[str, str]
    kinds: tuple[Any, Any]
    a_day: str

    @property
    def flow(self) -> str:
        return f"{self.name}.customer"


_OF_CONTACTS = {"kind": "gendercode", "limit": "creditlimit", "nickname": "nickname", "since": "birthdate"}
SITES = {
    "dataverse": Site("dataverse", "contacts", _OF_CONTACTS, _OF_CONTACTS, (1, 2), "1999-03-28"),
    "prima": Site(
        "prima",
        "customers",
        {"kind": "Loyalty/@Kind", "limit": "@CreditLimit", "nickname": "@AlsoKnownAs", "since": "@Joined"},
        {"kind": "Gender", "limit": "AddrLine6", "nickname": "CustomerTitle", "since": "AddrLine5"},
        ("M", "F"),
        "28/03/1999",
    ),
}


class Shop:
    """The ERP as its clerks edit it, by the numbers in the customers' e-mails, and what Emarsys holds of them."""

    def __init__(self, site: Site, control: Control) -> None:
        self.site, self.control = site, control
        if site.name == "dataverse":
            rows = control("GET", "dataverse/contacts")
            self.keys = {int(one["emailaddress1"][6]): one["contactid"] for one in rows}
        else:
            control("POST", "prima/dialect", {"environment": "wsalive", "dialect": OWN_COLUMNS})
            self.keys = {number: f"C-{number}" for number in range(1, 6)}

    def edit(self, number: int, **values: Any) -> None:
        changes = {self.site.edited[name]: value for name, value in values.items()}
        self.control("PATCH", f"{self.site.name}/{self.site.table}/{self.keys[number]}", changes)

    def held(self, field: str) -> dict[int, str]:
        """What Emarsys holds in this field, of those who have something there."""
        contacts = self.control.contacts()
        return {number: str(value) for number, key in self.keys.items() if (value := contacts[key].get(field))}

    def set(self, number: int, field: str, value: str) -> None:
        """Somebody edits the contact in Emarsys."""
        contact = self.control.contacts()[self.keys[number]]["id"]
        self.control("PATCH", f"emarsys/contacts/{contact}", {field: value})

    def row(self, column: str, target: str, **more: Any) -> dict[str, Any]:
        return {"source": self.site.columns[column], "target": target, "name": FIELDS[target]["name"], **more}

    def kind(self, first: str = "Him", second: str = "Her") -> dict[str, Any]:
        table = dict(zip(map(str, self.site.kinds), (first, second), strict=True))
        return self.row("kind", KIND, reader="choice", table=table, rule="ignore_case", personal=False)

    @property
    def flow(self) -> Flow:
        return Flow.objects.get(name=self.site.flow)

    def in_force(self, *rows: dict[str, Any], read_now: bool = False) -> SyncRun | None:
        stored, problems = field_mappings.save(self.flow, rows, "asked for by marketing", None)
        assert stored is not None, problems
        return field_mappings.activate(self.flow, None, "agreed", read_now=read_now)

    def touched(self, *rows: dict[str, Any]) -> field_trials.Touched:
        fields, problems = field_checks.parsed(rows)
        assert not problems
        return field_trials.touched(self.flow, fields)

    def sync(self) -> SyncRun:
        return sync(self.site.flow)

    def compare(self) -> SyncRun:
        run = runs.start(self.flow, kind="compare", ring=False)
        assert run is not None
        pipeline.work(run.pk)
        run.refresh_from_db()
        assert run.state == "completed", run.message
        return run

    def settle(self) -> None:
        """Everything was sent, and time has passed: a read of what changed brings nobody."""
        self.sync()
        hours = self.hours = getattr(self, "hours", 0) + 1
        self.control("POST", "clock", {"offset_seconds": hours * 3600})
        self.sync()
        assert self.sync().read == 0, "else the next run would read them anyway"


@pytest.fixture(params=list(SITES))
def shop(request: Any, world: World) -> Shop:
    cache.clear()
    control = world(request.param)
    for number, field in FIELDS.items():
        control("PUT", f"emarsys/fields/{number}", field)
    return Shop(SITES[request.param], control)


def test_a_new_field_reaches_records_that_the_source_does_not_list_as_changed(shop: Shop) -> None:
    him, her = shop.site.kinds
    for number, kind in ((1, him), (2, her), (3, her)):
        shop.edit(number, kind=kind)
    shop.settle()
    told = shop.touched(shop.kind())
    shop.in_force(shop.kind())
    run = shop.sync()
    assert shop.held(KIND) == {1: "Him", 2: "Her", 3: "Her"}
    assert (told.records, told.of, told.exact) == (run.accepted, 5, True)
    assert run.full
    assert shop.sync().read == 0, "once, and from then on what changed"
    assert open_issues() == set()


def test_a_changed_table_sends_again_just_the_records_whose_value_differs(shop: Shop) -> None:
    him, her = shop.site.kinds
    for number, kind in ((1, him), (2, her), (3, her)):
        shop.edit(number, kind=kind)
    shop.in_force(shop.kind())
    shop.settle()
    changed = shop.kind(second="Lady")
    told = shop.touched(changed)
    shop.in_force(changed)
    run = shop.sync()
    assert (run.accepted, run.accepted) == (told.records, 2)
    assert shop.held(KIND) == {1: "Him", 2: "Lady", 3: "Lady"}
    assert "fields 2" in run.mapping_version

    shop.edit(1, kind=her)
    assert buckets(shop.sync())["accepted"] == 1
    assert shop.held(KIND)[1] == "Lady"


def test_a_mapping_taken_back_restores_what_it_changed_and_leaves_what_it_added(shop: Shop) -> None:
    him, her = shop.site.kinds
    shop.edit(1, kind=him)
    shop.edit(2, kind=her)
    shop.in_force(shop.kind())
    shop.settle()
    shop.in_force(shop.kind(first="Sir", second="Lady"))
    shop.sync()
    assert shop.held(KIND) == {1: "Sir", 2: "Lady"}
    told = shop.touched(shop.kind())
    shop.in_force(shop.kind())
    run = shop.sync()
    assert (shop.held(KIND), run.accepted) == ({1: "Him", 2: "Her"}, told.records)

    told = shop.touched()
    shop.in_force()
    run = shop.sync()
    assert run.accepted == told.records
    shop.edit(1, kind=her)
    shop.sync()
    assert shop.held(KIND) == {1: "Him", 2: "Her"}, "nothing writes it any more"
    assert shop.sync().accepted == 0


@pytest.mark.parametrize("shop", ["prima"], indirect=True)
def test_only_a_run_that_reads_everything_counts_as_having_caught_up(shop: Shop) -> None:
    him, her = shop.site.kinds
    shop.edit(1, kind=him)
    shop.edit(2, kind=her)
    shop.settle()
    shop.in_force(shop.kind())
    pending.note(shop.flow, ["C-2"], "pasted")
    sync(shop.site.flow, keys_only=True)
    assert shop.held(KIND) == {2: "Her"}
    command("sync", shop.site.flow, "--since", shop.flow.watermark.replace("T", " "))
    assert shop.held(KIND) == {2: "Her"}, "who says where to start is taken at his word"

    plan = plans.ask(shop.flow, ring=False)
    making = plans.making(plan)
    assert making is not None
    pipeline.work(making.pk)
    plan.refresh_from_db()
    assert plan.counts["change"] == 4, "the preview shows what the next run would do"
    assert shop.sync().accepted == 4
    assert shop.held(KIND) == {1: "Him", 2: "Her"}
    assert shop.sync().read == 0


def test_values_arrive_in_the_form_of_their_field(shop: Shop) -> None:
    limit, day = ("1,250.50", shop.site.a_day) if shop.site.name == "prima" else (1250.5, shop.site.a_day)
    shop.edit(1, limit=limit, since=day)
    shop.settle()
    rows = [
        shop.row("limit", LIMIT, reader="money", rule="number", tolerance="0.01"),
        shop.row("since", SINCE, reader="date", rule="date"),
    ]
    shown = field_trials.preview(shop.flow, field_checks.parsed(rows)[0], shop.keys[1])
    assert [(one.value, one.target) for one in shown.fields] == [("1250.50", ""), ("1999-03-28", "")]
    shop.in_force(*rows)
    shop.sync()
    assert {number: float(value) for number, value in shop.held(LIMIT).items()} == {1: 1250.5}
    assert shop.held(SINCE) == {1: "1999-03-28"}
    assert not shop.compare().findings
    shop.set(1, LIMIT, "1250.51")
    assert not shop.compare().findings, "within the tolerance"
    shop.set(1, LIMIT, "1250.52")
    shop.compare()
    assert open_issues() == {("field_drift", shop.keys[1], "Limit")}


def test_a_code_that_no_table_knows_is_named_and_the_customer_goes_on(shop: Shop) -> None:
    him, her = shop.site.kinds
    shop.edit(1, kind=her)
    shop.edit(2, kind=him)
    shop.settle()
    row = shop.row("kind", KIND, reader="choice", table={str(him): "Him"}, personal=False)
    told = shop.touched(row)
    assert (told.failing, told.looked_at) == (1, 5)
    shop.in_force(row)
    run = shop.sync()
    assert (run.accepted, run.rejected) == (told.records, 0)
    assert shop.held(KIND) == {2: "Him"}
    assert open_issues() == {("unreadable_value", shop.keys[1], "Kind of customer")}
    shop.in_force(shop.kind())
    shop.sync()
    assert (shop.held(KIND), open_issues()) == ({1: "Her", 2: "Him"}, set())


def test_a_comparison_finds_a_difference_and_a_retry_puts_it_right(shop: Shop) -> None:
    him, her = shop.site.kinds
    shop.edit(1, kind=him)
    shop.edit(2, kind=her)
    shop.in_force(shop.kind())
    shop.settle()
    shop.set(1, KIND, "HIM")
    shop.set(2, KIND, "Somebody")
    shop.compare()
    assert open_issues() == {("field_drift", shop.keys[2], "Kind of customer")}
    issue = SyncIssue.objects.get(source_id=shop.keys[2], state="open")
    assert (issue.erp_value, issue.target_value) == ("Her", "Somebody")
    shop.control.forget_requests()
    triage.retry(issue, person("marketing"))
    pipeline.work(SyncRun.objects.get(keys_only=True, state="queued").pk)
    assert shop.held(KIND) == {1: "HIM", 2: "Her"}
    assert open_issues() == set()
    assert not shop.compare().findings


def test_what_marketing_owns_is_compared_and_never_written(shop: Shop) -> None:
    him, her = shop.site.kinds
    shop.edit(1, kind=him, nickname="Sunny")
    shop.edit(2, kind=her, nickname="Rainy")
    shop.settle()
    shop.set(1, COMPANY, "Sunny")
    shop.set(2, COMPANY, "Blue")
    theirs = shop.row("nickname", COMPANY, owner="marketing")
    assert shop.touched(theirs).records == 0
    told = shop.touched(theirs, shop.kind())
    shop.in_force(theirs, shop.kind())
    assert shop.sync().accepted == told.records == 5
    shop.compare()
    assert open_issues() == {("field_drift", shop.keys[2], "Company")}
    shop.edit(2, nickname="Cloudy", kind=him)
    shop.sync()
    sync(shop.site.flow, full=True)
    assert shop.held(COMPANY) == {1: "Sunny", 2: "Blue"}
    assert shop.held(KIND) == {1: "Him", 2: "Him"}
    assert open_issues() == {("field_drift", shop.keys[2], "Company")}
    with pytest.raises(triage.RefusedError, match="Marketing owns"):
        triage.retry(SyncIssue.objects.get(field="Company"), person("marketing"))


def test_a_personal_field_is_masked_and_in_no_log_and_another_is_shown(
    shop: Shop, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The field's name says nothing: `Company` is no personal word elsewhere in the console."""
    caplog.set_level(logging.DEBUG)
    him, her = shop.site.kinds
    shop.edit(1, kind=him, nickname="Zebulon Quirke")
    shop.edit(2, kind=her, nickname="Perpetua Vance")
    shop.settle()
    shop.in_force(shop.row("nickname", COMPANY), shop.kind())
    plan = plans.ask(shop.flow, ring=False)
    making = plans.making(plan)
    assert making is not None
    pipeline.work(making.pk)
    command("apply", str(plan.pk))
    assert shop.held(COMPANY) == {1: "Zebulon Quirke", 2: "Perpetua Vance"}
    shop.set(1, COMPANY, "Someone Else")
    shop.set(1, KIND, "Nobody")
    shop.compare()
    issues = {issue.field: issue for issue in SyncIssue.objects.filter(state="open")}
    assert set(issues) == {"Company", "Kind of customer"}

    pages = [
        reverse("admin:sync_syncissue_changelist"),
        *(reverse("admin:sync_syncissue_change", args=[issue.pk]) for issue in issues.values()),
        reverse("admin:sync_syncplan_change", args=[plan.pk]),
        reverse("admin:sync_syncrun_change", args=[SyncRun.objects.latest("pk").pk]),
        addresses.mapping(shop.flow),
    ]
    seen = "".join(page(signed_in("viewer"), url) for url in pages)
    allowed = "".join(page(signed_in("marketing"), url) for url in pages[:3])
    for name in ("Zebulon Quirke", "Someone Else", "Perpetua Vance"):
        assert name not in seen
    assert "Zebulon Quirke" in allowed
    assert "Someone Else" in allowed
    assert "ERP Him · Emarsys Nobody" in seen, "what is not personal, everybody may see"

    triage.retry(issues["Company"], person("marketing"))
    pipeline.work(SyncRun.objects.get(keys_only=True, state="queued").pk)
    assert shop.held(COMPANY)[1] == "Zebulon Quirke"
    told = capsys.readouterr()
    for name in ("Zebulon", "Someone", "Perpetua"):
        assert name not in caplog.text + told.out + told.err


def signed_in(role: str) -> Client:
    client = Client(headers={"accept": "text/html"})
    client.force_login(person(role))
    return client


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return str(answer.content.decode())


@pytest.mark.parametrize("shop", ["dataverse"], indirect=True)
def test_reading_everything_once_is_not_unusual_for_a_flow_that_reads_what_changed(shop: Shop) -> None:
    shop.edit(1, nickname="Sunny")
    shop.settle()
    for weeks in range(1, 7):
        before = SyncRun.objects.create(
            flow=shop.flow, state="completed", read=1, unchanged=1, watermark_from="a token"
        )
        at = before.queued_at - timedelta(weeks=weeks)
        SyncRun.objects.filter(pk=before.pk).update(queued_at=at, finished_at=at)
    SyncRun.objects.create(flow=shop.flow, state="completed", watermark_from="a token")
    Breaker.objects.create(flow=shop.flow, kind="out_of_range", on=True, percent=75, minimum=1)
    shop.in_force(shop.row("nickname", COMPANY))
    run = shop.sync()
    assert run.read >= 5
    assert shop.held(COMPANY) == {1: "Sunny"}
