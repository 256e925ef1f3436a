"""External events: registry, triggers, the outbox."""

import base64
from typing import Any

import pytest

from tests.emulators.emarsys.account import EXTERNAL, Account


@pytest.fixture
def shop(account: Account) -> Account:
    account.upsert({EXTERNAL: "C-1", "3": "ana@example.com", "31": 1}, {EXTERNAL: "C-2", "3": "bo@example.com"})
    account.upsert({EXTERNAL: "C-3", "3": "bo@example.com"}, {EXTERNAL: "C-4"})
    return account


def event(account: Account, name: str = "order_dispatched") -> str:
    return next(one["id"] for one in account.data("GET", "/event") if one["name"] == name)


def test_the_registry_lists_creates_renames_and_deletes(account: Account) -> None:
    """Section 4.1: id, name, created; a single one is an array of one."""
    account.switch(programs_attached=0)
    created = account.data("POST", "/event", {"name": "bulk purchase"})
    assert created == {"id": created["id"], "name": "bulk purchase"}
    [found] = account.data("GET", f"/event/{created['id']}")
    assert set(found) == {"id", "name", "created"}
    account.data("POST", f"/event/{created['id']}", {"name": "bulk order"})
    assert "bulk order" in {one["name"] for one in account.data("GET", "/event")}
    account.data("POST", f"/event/{created['id']}/delete")
    assert account.refusal("GET", f"/event/{created['id']}") == (400, 5004)


def test_the_registry_refuses_names_and_ids(account: Account) -> None:
    """Section 4.1: 5002 name required, 5003 exists, 5004 id invalid, 5012 in use."""
    assert account.refusal("POST", "/event", {}) == (400, 5002)
    assert account.refusal("POST", "/event", {"name": "order_dispatched"}) == (400, 5003)
    assert account.refusal("POST", f"/event/{event(account)}", {"name": "order_confirmed"}) == (400, 5003)
    assert account.refusal("POST", "/event/7", {"name": "x"}) == (400, 5004)
    assert account.refusal("GET", "/event/7/usages") == (400, 5004)
    assert account.refusal("POST", f"/event/{event(account)}/delete") == (400, 5012)


def test_usages_name_what_hangs_on_an_event(account: Account) -> None:
    """Section 4.1: `program_ids`, `email_ids`, `interactions_program_ids`."""
    usages = account.data("GET", f"/event/{event(account)}/usages")
    assert set(usages) == {"program_ids", "email_ids", "interactions_program_ids"}
    assert len(usages["program_ids"]) == 1


def test_a_triggered_event_puts_one_mail_into_the_outbox(shop: Account) -> None:
    """Sections 4.2, 13.8: single form, answered with an empty object."""
    data = {"global": {"order_no": "SO-1"}, "items": [{"name": "Mug"}], "ems_event_time": "ignored"}
    slip = base64.b64encode(b"%PDF-1.4").decode()
    body = {
        "key_id": EXTERNAL, "external_id": "C-1", "trigger_id": "d:1", "event_time": "2026-01-15T10:00:00Z",
        "data": data, "attachment": [{"filename": "slip.pdf", "data": slip}],
    }  # fmt: skip
    assert shop.data("POST", f"/event/{event(shop)}/trigger", body) == {}
    [mail] = shop.all("outbox")
    assert (mail["to"], mail["event"], mail["sent"], mail["opt_in"]) == (
        "ana@example.com", "order_dispatched", True, "1"
    )  # fmt: skip
    assert mail["data"] == {"global": {"order_no": "SO-1"}, "items": [{"name": "Mug"}]}
    assert mail["attachments"] == [{"filename": "slip.pdf", "bytes": 8}]


@pytest.mark.parametrize("key", [EXTERNAL, "externalId", "3", "id", "uid"])
def test_the_key_is_a_field_by_id_or_string_name_or_an_internal_id(shop: Account, key: str) -> None:
    """Section 4.2."""
    [contact] = shop.read("C-1", fields=("3",))["result"]
    value = {"3": "ana@example.com", "id": contact["id"], "uid": contact["uid"]}.get(key, "C-1")
    shop.data("POST", f"/event/{event(shop)}/trigger", {"key_id": key, "external_id": value})
    assert [one["contact_id"] for one in shop.all("outbox")] == [contact["id"]]


def test_a_batch_reports_the_contacts_it_could_not_find(shop: Account) -> None:
    """Section 4.2: ids and errors; 2008 with key and value, 2010, 2005; the rest is triggered."""
    rows: list[dict[str, Any]] = [
        {"external_id": "ana@example.com", "trigger_id": "d:1", "data": {"global": {"order_no": "SO-1"}}},
        {"external_id": "no@example.com", "trigger_id": "d:2"},
        {"external_id": "bo@example.com", "trigger_id": "d:3"},
        {"external_id": ""},
    ]
    body = {"key_id": "3", "external_id": "", "data": None, "contacts": rows}
    data = shop.data("POST", f"/event/{event(shop)}/trigger", body)
    assert len(data["ids"]) == 1
    assert isinstance(data["ids"][0], str)
    assert data["errors"]["no@example.com"] == {"2008": "No contact found with the external id: 3 - no@example.com"}
    assert {key: list(codes) for key, codes in data["errors"].items()} == {
        "no@example.com": ["2008"], "bo@example.com": ["2010"], "": ["2005"]
    }  # fmt: skip
    assert len(shop.all("outbox")) == 1


def test_a_batch_in_which_all_is_well_has_an_empty_error_list_or_nothing(shop: Account) -> None:
    """Section 4.2: `errors: []`; some replies are an empty object."""
    body = {"key_id": EXTERNAL, "contacts": [{"external_id": "C-1"}, {"external_id": "C-2"}]}
    data = shop.data("POST", f"/event/{event(shop)}/trigger", body)
    assert (len(data["ids"]), data["errors"]) == (2, [])
    shop.switch(trigger_ids=0)
    assert shop.data("POST", f"/event/{event(shop)}/trigger", body) == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"key_id": "99999", "external_id": "x"}, 2004),
        ({"key_id": "10570", "external_id": "gold"}, 2015),
        ({"key_id": EXTERNAL}, 2005),
        ({"key_id": EXTERNAL, "external_id": "C-9"}, 2008),
        ({"key_id": "3", "external_id": "bo@example.com"}, 2010),
        ({"key_id": "id", "external_id": "7"}, 2012),
        ({"key_id": EXTERNAL, "external_id": "C-1", "data": "{"}, 5009),
        ({"key_id": EXTERNAL, "external_id": "C-1", "data": [1]}, 5011),
        ({"key_id": EXTERNAL, "external_id": "C-1", "data": "[1]"}, 5011),
        ({"key_id": EXTERNAL, "external_id": "C-1", "event_time": "2026-01-15T10:00:00+01:00"}, 5010),
        ({"key_id": EXTERNAL, "external_id": "C-1", "event_time": "2023-07-06T11:59:02.402+05:30"}, 5010),
        ({"key_id": EXTERNAL, "external_id": "C-1", "event_time": "2026-01-15 10:00:00"}, 5010),
        ({"key_id": EXTERNAL, "external_id": "C-1", "event_time": 1768471200}, 5010),
        ({"key_id": EXTERNAL, "contacts": [{"external_id": str(n)} for n in range(1001)]}, 1000),
        ({"key_id": EXTERNAL, "contacts": "C-1"}, 10001),
        ({"key_id": EXTERNAL, "external_id": "C-1", "attachment": [{"filename": "a", "data": "?"}]}, 10001),
    ],
)
def test_a_trigger_is_refused_as_a_whole(shop: Account, body: dict[str, Any], code: int) -> None:
    """Sections 4.2, 12.12: nothing is triggered."""
    assert shop.refusal("POST", f"/event/{event(shop)}/trigger", body) == (400, code)
    assert shop.all("triggers") == []


def test_an_unknown_event_is_5001_and_may_lack_data(shop: Account) -> None:
    """Section 4.2: some error bodies have no `data`."""
    body = {"key_id": EXTERNAL, "external_id": "C-1"}
    assert shop.refusal("POST", "/event/7/trigger", body) == (400, 5001)
    shop.switch(errors_without_data=1)
    answer = shop.call("POST", "/event/7/trigger", body)
    assert answer.json() == {"replyCode": 5001, "replyText": "Invalid event ID for customer."}


@pytest.mark.parametrize("moment", ["2007-03-01T13:00:00Z", "2007-03-01T13:00:00.000Z"])
def test_an_event_time_is_utc_in_one_of_two_forms(shop: Account, moment: str) -> None:
    """Section 4.2."""
    shop.data("POST", f"/event/{event(shop)}/trigger", {"key_id": "3", "external_id": "ana@example.com",
                                                        "event_time": moment})  # fmt: skip
    assert shop.all("triggers")[0]["event_time"] == moment


def test_an_event_is_processed_once_for_each_trigger_id(shop: Account) -> None:
    """Sections 4.2, 14.5: the first counts, the others are answered the same; 24 hours unless told otherwise."""
    body = {"key_id": EXTERNAL, "external_id": "C-1", "trigger_id": "dispatch:SO-1:1"}
    for _ in range(2):
        assert shop.data("POST", f"/event/{event(shop)}/trigger", body) == {}
    assert [one["duplicate"] for one in shop.all("triggers")] == [False, True]
    assert len(shop.all("outbox")) == 1
    shop.switch(token_seconds=1_000_000)
    shop.sign_in()
    shop.later(23 * 3600)
    shop.data("POST", f"/event/{event(shop)}/trigger", body)
    assert len(shop.all("outbox")) == 1
    shop.later(25 * 3600)
    shop.data("POST", f"/event/{event(shop)}/trigger", body)
    assert len(shop.all("outbox")) == 2


def test_an_answer_lost_after_the_event_was_taken_can_be_asked_again(shop: Account) -> None:
    """Sections 2.4, 4.2, 13.12: the trigger id makes a retry safe."""
    body = {"key_id": EXTERNAL, "external_id": "C-1", "trigger_id": "d:1"}
    shop.fault(kind="drop_after_accept", path="trigger")
    with pytest.raises(OSError, match=r"abort|closed|reset|Connection"):
        shop.call("POST", f"/event/{event(shop)}/trigger", body)
    shop.data("POST", f"/event/{event(shop)}/trigger", body)
    assert len(shop.all("outbox")) == 1


def test_some_events_of_a_batch_can_be_made_to_fail(shop: Account) -> None:
    """Section 13.12: 200 with errors, on demand."""
    shop.fault(kind="partial", path="trigger", keys=["C-2"], code="2008")
    body = {"key_id": EXTERNAL, "contacts": [{"external_id": "C-1"}, {"external_id": "C-2"}]}
    data = shop.data("POST", f"/event/{event(shop)}/trigger", body)
    assert (len(data["ids"]), list(data["errors"])) == (1, ["C-2"])
    assert len(shop.all("triggers")) == 1


def test_an_event_nothing_executable_hangs_on_is_5005(shop: Account) -> None:
    """Sections 4.2, 12.11: without Interactions; a paused program is executable, an inactive one is not."""
    number = event(shop)
    body = {"key_id": EXTERNAL, "external_id": "C-1"}
    shop.control("PATCH", f"events/{number}", {"program_status": "Inactive"})
    assert shop.refusal("POST", f"/event/{number}/trigger", body) == (400, 5005)
    shop.control("PATCH", f"events/{number}", {"program_status": "Paused"})
    shop.data("POST", f"/event/{number}/trigger", body)
    assert (len(shop.all("triggers")), shop.all("outbox")) == (1, [])
    shop.switch(programs_attached=0)
    fresh = shop.data("POST", "/event", {"name": "fresh"})["id"]
    assert shop.refusal("POST", f"/event/{fresh}/trigger", body) == (400, 5005)


def test_an_account_with_interactions_says_what_an_event_is_connected_to(shop: Account) -> None:
    """Section 4.2: `connectedTo`, false when nothing hangs on the event; `interactionsProgram` with real time only."""
    shop.switch(interactions=1)
    number = event(shop)
    body = {"key_id": EXTERNAL, "external_id": "C-1"}
    assert shop.data("POST", f"/event/{number}/trigger", body) == {"connectedTo": {"email": False, "acProgram": True}}
    shop.switch(realtime=1)
    batch = {"key_id": EXTERNAL, "contacts": [{"external_id": "C-1"}]}
    data = shop.data("POST", f"/event/{number}/trigger", batch)
    assert data["connectedTo"] == {"email": False, "acProgram": True, "interactionsProgram": False}
    assert len(data["ids"]) == 1
    shop.control("PATCH", f"events/{number}", {"program_ids": []})
    assert shop.data("POST", f"/event/{number}/trigger", body) == {"connectedTo": False}


def test_event_data_of_interactions_has_a_limit_and_every_request_one(shop: Account) -> None:
    """Sections 2.3, 4.2: 5008 above 100 kB of data with Interactions; 1 MB for every request."""
    path = f"/event/{event(shop)}/trigger"
    body = {"key_id": EXTERNAL, "external_id": "C-1", "data": {"global": {"text": "x" * 150_000}}}
    shop.data("POST", path, body)
    shop.switch(interactions=1)
    assert shop.refusal("POST", path, body) == (400, 5008)
    body["data"] = {"global": {"text": "x" * 1_100_000}}
    assert shop.refusal("POST", path, body)[0] == 413


def test_a_contact_without_an_address_gets_no_mail(shop: Account) -> None:
    """Section 4.2: 200 does not mean that an e-mail left."""
    shop.data("POST", f"/event/{event(shop)}/trigger", {"key_id": EXTERNAL, "external_id": "C-4"})
    [mail] = shop.all("outbox")
    assert (mail["to"], mail["sent"]) == (None, False)
    assert shop.all("mail_events") == []
