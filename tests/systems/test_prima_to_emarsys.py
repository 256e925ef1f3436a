"""Prima → Emarsys, for the assumed contract and for a site with other names: its mapping file is all that differs."""

from pathlib import Path
from typing import Any

import pytest

from connectors.prima.site_files import ASSUMED
from sync import pipeline, runs
from sync.models import CrossReference, Flow, MappingVersion, SyncRun
from tests.sync.conftest import Control, buckets, open_issues
from tests.systems.conftest import World, sync

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
OTHER = Path(__file__).with_name("other_prima_site.yaml")
SITES = {"assumed": "", "other": str(OTHER)}


@pytest.fixture(params=list(SITES))
def prima(request: Any, world: World) -> Control:
    control = world("prima", PRIMA_MAPPING_FILE=SITES[request.param], PRIMA_CONSENT_WRITE_BACK="yes")
    control("POST", "prima/dialect", {"environment": "wsalive", "dialect": request.param})
    return control


def test_customers_become_contacts_and_only_changes_are_read_again(prima: Control) -> None:
    assert buckets(sync("prima.customer")) == {"accepted": 5}
    contacts = prima.contacts()
    assert sorted(contacts) == ["C-1", "C-2", "C-3", "C-4", "C-5"]
    assert contacts["C-1"]["3"] == "person1@example.com"
    assert MappingVersion.objects.get().connection == "prima"
    prima("PATCH", "prima/customers/C-2", {"AddrLine3": "Leeds"})
    again = sync("prima.customer")
    assert buckets(again)["accepted"] == 1
    assert again.read < 5
    assert prima.contacts()["C-2"]["11"] == "Leeds"


def test_what_the_site_does_not_keep_is_not_blanked_in_emarsys(prima: Control) -> None:
    """Its mapping names no loyalty tier and no language: what marketing knows of them stays."""
    fields = {one["string_id"]: str(one["id"]) for one in prima("GET", "emarsys/fields") if one.get("string_id")}
    tier = fields["loyaltyTier"]
    prima.put_contact(900, **{"f3": "person1@example.com", f"f{tier}": "gold", "f35": "2", "f11": "Old town"})
    sync("prima.customer")
    contact = prima.contacts()["C-1"]
    assert contact["id"] == "900", "adopted"
    assert (contact[tier], contact["35"]) == ("gold", "2")
    assert contact.get("11") != "Old town", "what the site does keep is the site's"


def test_a_merge_and_an_archive_are_told_and_nothing_is_deleted(prima: Control) -> None:
    sync("prima.customer")
    prima("POST", "prima/merge", {"from": "C-3", "into": "C-1"})
    prima("POST", "prima/archive", {"id": "C-4"})
    sync("prima.customer")
    assert {(kind, key) for kind, key, _ in open_issues()} == {
        ("merged_customer", "C-3"),
        ("archived_contactable", "C-4"),
    }
    assert CrossReference.objects.get(source_id="C-3").state == "superseded"
    assert len(prima.all_contacts()) == 5


def test_orders_and_credits_arrive_once_and_add_up(prima: Control) -> None:
    sync("prima.customer")
    sync("prima.sale")
    sync("prima.sale")
    rows = prima.sales()
    assert sum(float(row["price"]) for row in rows) == pytest.approx(27.00 + 5.00 - 12.00)
    assert {row["customer"] for row in rows} == {"C-1", "C-2"}
    assert [row["item"][:3] for row in rows if float(row["price"]) < 0] == ["MUG"]


def test_a_despatch_is_told_with_its_tracking_number_and_once(prima: Control) -> None:
    sync("prima.customer")
    sync("prima.order_event")
    told = prima("GET", "emarsys/triggers")
    assert any("15501234567890" in str(one) for one in told)
    sync("prima.order_event", full=True)
    assert len(prima("GET", "emarsys/triggers")) == len(told)


def test_an_unsubscribe_is_written_back(prima: Control) -> None:
    sync("prima.customer")
    prima("POST", "emarsys/unsubscribe", {"id": prima.contacts()["C-1"]["id"]})
    sync("emarsys.consent")
    stored = prima("GET", "prima/customers/C-1")
    assert stored["ReceiveEmail"] == "No"
    assert stored["ConsentSource"] == "EMARSYS"


def test_a_version_that_was_used_cannot_say_something_else(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(OTHER.read_text())
    control = world("prima", PRIMA_MAPPING_FILE=str(site))
    control("POST", "prima/dialect", {"environment": "wsalive", "dialect": "other"})
    sync("prima.customer")
    site.write_text(OTHER.read_text().replace("country: GB", "country: IE"))
    with pytest.raises(AssertionError, match="still version 3"):
        sync("prima.customer")
    site.write_text(OTHER.read_text().replace("country: GB", "country: IE").replace("version: 3", "version: 4"))
    sync("prima.customer")
    assert set(MappingVersion.objects.values_list("version", flat=True)) == {"3", "4"}


def test_an_unsubscribe_whose_answer_was_lost_is_looked_up_and_counted_once(prima: Control) -> None:
    sync("prima.customer")
    prima("POST", "emarsys/unsubscribe", {"id": prima.contacts()["C-1"]["id"]})
    prima.fault("drop_after_accept", system="prima", path="#(CustomerUpdate|SetAccountPreferences)", times=1)
    flow = Flow.objects.get(name="emarsys.consent")
    runs.resume(flow, None)
    run = runs.start(flow, ring=False)
    assert run is not None
    pipeline.work(run.pk)
    run.refresh_from_db()
    assert run.state == "waiting", "the answer was lost"
    for _ in range(5):
        SyncRun.objects.filter(pk=run.pk, state="waiting").update(wait_until=run.queued_at)
        pipeline.work(run.pk)
    run.refresh_from_db()
    assert (run.state, run.unknown, sum(buckets(run).values())) == ("completed", 0, run.read), run.message
    assert prima("GET", "prima/customers/C-1")["ReceiveEmail"] == "No"
    assert open_issues() == set()


def test_a_mapping_file_that_goes_away_between_two_slices_stops_the_run_and_loses_nothing(
    world: World, tmp_path: Path
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(OTHER.read_text())
    control = world("prima", PRIMA_MAPPING_FILE=str(site))
    control("POST", "prima/dialect", {"environment": "wsalive", "dialect": "other"})
    run = runs.start(Flow.objects.get(name="prima.customer"), ring=False)
    assert run is not None
    pipeline.work(run.pk, 0)
    run.refresh_from_db()
    site.unlink()
    if run.active:
        pipeline.work(run.pk)
    else:
        run = runs.start(Flow.objects.get(name="prima.customer"), ring=False)
        assert run is not None
        pipeline.work(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert ("run_configuration", "", "") in open_issues()
    site.write_text(OTHER.read_text())
    sync("prima.customer")
    assert len(control.contacts()) == 5
    assert open_issues() == set()


def test_an_attribute_that_the_site_renamed_stops_the_flow_before_it_blanks_anything(
    world: World, tmp_path: Path
) -> None:
    email = 'email:        {path: "@CustomerEmail"'
    said = ASSUMED.read_text(encoding="utf-8").replace(email, f"{email}, in_every_reply: true")
    file = tmp_path / "site.yaml"
    file.write_text(said, encoding="utf-8")
    control = world("prima", PRIMA_MAPPING_FILE=str(file))
    assert buckets(sync("prima.customer")) == {"accepted": 5}
    renamed = {"name": "renamed", "attributes": {"Customer": {"CustomerEmail": "MailAddress"}}}
    control("POST", "prima/dialect", {"environment": "wsalive", "dialect": renamed})
    control("PATCH", "prima/customers/C-2", {"AddrLine3": "Leeds"})
    control.forget_requests()
    flow = Flow.objects.get(name="prima.customer")
    run = runs.start(flow, ring=False)
    assert run is not None
    pipeline.work(run.pk)
    run.refresh_from_db()
    assert run.state == "failed"
    assert "@CustomerEmail (email)" in run.message
    assert {kind for kind, _, _ in open_issues()} == {"run_configuration"}
    assert control.requests("PUT", "/contact/") == []
    assert control.contacts()["C-2"]["3"] == "person2@example.com"

    control("POST", "prima/dialect", {"environment": "wsalive", "dialect": "assumed"})
    assert buckets(sync("prima.customer"))["accepted"] == 1
    assert (control.contacts()["C-2"]["11"], open_issues()) == ("Leeds", set())
