"""Dataverse ⇄ Emarsys: customers by delta link with merges and archives; opt-outs on their way back."""

import pytest

from sync.models import CrossReference, Flow
from tests.sync.conftest import Control, buckets, open_issues
from tests.systems.conftest import World, sync

pytestmark = pytest.mark.django_db(transaction=True)


def guids(control: Control) -> dict[str, str]:
    """E-mail → row id."""
    return {one["emailaddress1"]: one["contactid"] for one in control("GET", "dataverse/contacts")}


def test_only_what_changed_is_read_again(world: World) -> None:
    control = world("dataverse")
    assert buckets(sync("dataverse.customer")) == {"accepted": 5}
    ana = guids(control)["person1@example.com"]
    control("PATCH", f"dataverse/contacts/{ana}", {"address1_city": "Leeds"})
    again = sync("dataverse.customer")
    assert (again.read, buckets(again)) == (1, {"accepted": 1})
    assert control.contacts()[ana]["11"] == "Leeds"
    assert sync("dataverse.customer").read == 0


def test_a_merge_closes_the_losers_link_and_keeps_both_contacts(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    ids = guids(control)
    keep, lose = ids["person1@example.com"], ids["person3@example.com"]
    control("POST", "dataverse/merge", {"from": lose, "into": keep})
    sync("dataverse.customer")
    assert open_issues() == {("merged_customer", lose, "contact")}
    link = CrossReference.objects.get(source_id=lose)
    assert (link.state, link.superseded_by.source_id) == ("superseded", keep)
    assert len(control.all_contacts()) == 5


def test_archived_and_deleted_customers_are_told_and_nothing_is_deleted(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    ids = guids(control)
    control("POST", "dataverse/archive", {"id": ids["person2@example.com"]})
    control("DELETE", f"dataverse/contacts/{ids['person4@example.com']}")
    sync("dataverse.customer")
    assert {(kind, key) for kind, key, _ in open_issues()} == {
        ("archived_contactable", ids["person2@example.com"]),
        ("archived_contactable", ids["person4@example.com"]),
    }
    assert len(control.all_contacts()) == 5


def test_an_expired_token_reads_everything_again_and_sends_nothing(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    control.forget_requests()
    control("POST", "clock", {"offset_seconds": 100 * 86400})
    again = sync("dataverse.customer")
    assert again.full
    assert buckets(again) == {"unchanged": 5}
    assert control.writes() == []


def test_an_unsubscribe_in_emarsys_reaches_dataverse_without_creating_a_row(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    ids = guids(control)
    ana = ids["person1@example.com"]
    contact = control.contacts()[ana]["id"]
    control("POST", "emarsys/unsubscribe", {"id": contact})
    run = sync("emarsys.consent")
    assert buckets(run)["accepted"] == 1
    rows = {one["contactid"]: one for one in control("GET", "dataverse/contacts")}
    assert rows[ana]["donotbulkemail"] is True
    assert len(rows) == 5
    assert open_issues() == set()


def test_an_opt_out_made_after_the_sweep_comes_by_the_changes_export(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    sync("emarsys.consent")
    assert Flow.objects.get(name="emarsys.consent").watermark
    ana = guids(control)["person1@example.com"]
    control("POST", "emarsys/unsubscribe", {"id": control.contacts()[ana]["id"]})
    control.forget_requests()
    sync("emarsys.consent")
    rows = {one["contactid"]: one for one in control("GET", "dataverse/contacts")}
    assert rows[ana]["donotbulkemail"] is True
    assert control.requests("POST", "getchanges"), "by the export, not by reading everybody"
