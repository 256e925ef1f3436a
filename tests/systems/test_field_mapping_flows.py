"""A site's own columns on their whole way: from the emulated Dataverse and Prima to the emulated Emarsys."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache

from sync import field_checks, field_mappings, field_trials, pending, pipeline, plans, runs
from sync.models import Flow, SyncRun
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
