"""Consent both ways at once: what was written comes back by the other side's changes, and the writing stops."""

import pytest

from sync.models import SyncRun
from tests.sync.conftest import Control, buckets, open_issues
from tests.systems.conftest import World, emarsys_api, sync
from tests.systems.test_dataverse_and_emarsys import guids

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.any_database]
FLOWS = ("emarsys.consent", "dataverse.consent")


def writes(control: Control) -> int:
    """Requests that wrote consent on either side."""
    patched = control.requests("PATCH", "", system="dataverse")
    return len(patched) + len(control.requests("PUT", "/contact/"))


def rounds(control: Control, number: int) -> list[int]:
    """Writes of each round, both flows after each other."""
    counted = []
    for _ in range(number):
        control.forget_requests()
        for name in FLOWS:
            sync(name)
        counted.append(writes(control))
    return counted


def opt_in(control: Control, guid: str) -> str:
    return control.contacts()[guid].get("31", "")


def refuses(control: Control, guid: str) -> bool:
    rows = {one["contactid"]: one for one in control("GET", "dataverse/contacts")}
    return bool(rows[guid]["donotbulkemail"])


def test_one_opt_out_and_one_opt_in_come_to_rest(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    rounds(control, 2)
    ids = guids(control)
    out, back = ids["person1@example.com"], ids["person2@example.com"]
    control("POST", "emarsys/unsubscribe", {"id": control.contacts()[out]["id"]})
    emarsys_api(control, "PUT", "contact/", {"key_id": "id", "id": control.contacts()[back]["id"], "31": "1"})
    counted = rounds(control, 5)
    assert counted[2:] == [0, 0, 0], counted
    assert refuses(control, out)
    assert opt_in(control, out) == "2"
    assert refuses(control, back), "a bare yes lifts no opt-out"
    assert ("consent_conflict", back, "email") in open_issues()
    again = rounds(control, 1)
    assert again == [0]
    assert all(sum(buckets(run).values()) == run.read for run in SyncRun.objects.filter(kind="sync"))


def test_opposite_changes_at_the_same_time_end_in_the_opt_out_and_stay_there(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    rounds(control, 2)
    ids = guids(control)
    one, two = ids["person1@example.com"], ids["person3@example.com"]
    control("PATCH", f"dataverse/contacts/{one}", {"donotbulkemail": True})
    emarsys_api(control, "PUT", "contact/", {"key_id": "id", "id": control.contacts()[one]["id"], "31": "1"})
    control("PATCH", f"dataverse/contacts/{two}", {"donotbulkemail": False})
    control("POST", "emarsys/unsubscribe", {"id": control.contacts()[two]["id"]})
    states = []
    for _ in range(5):
        rounds(control, 1)
        states.append([(refuses(control, who), opt_in(control, who)) for who in (one, two)])
    assert states[-1] == [(True, "2"), (True, "2")]
    assert states[1:] == [states[1]] * 4, "no flip-flop"


def test_an_opt_out_whose_answer_was_lost_is_written_once_and_counted_once(world: World) -> None:
    control = world("dataverse")
    sync("dataverse.customer")
    sync("emarsys.consent")
    ana = guids(control)["person1@example.com"]
    control("POST", "emarsys/unsubscribe", {"id": control.contacts()[ana]["id"]})
    control.fault("drop_after_accept", system="dataverse", method="PATCH", times=1)
    run = sync("emarsys.consent")
    assert refuses(control, ana)
    assert sum(buckets(run).values()) == run.read
    assert open_issues() == set()


def test_two_contacts_of_one_address_each_keep_what_was_said_of_them(world: World) -> None:
    control = world("dataverse")
    ids = guids(control)
    one, two = ids["person1@example.com"], ids["person3@example.com"]
    control("PATCH", f"dataverse/contacts/{two}", {"emailaddress1": "person1@example.com"})
    sync("dataverse.customer")
    control("PATCH", f"dataverse/contacts/{one}", {"donotbulkemail": True})
    counted = rounds(control, 4)
    assert counted[2:] == [0, 0], counted
    assert refuses(control, one)
