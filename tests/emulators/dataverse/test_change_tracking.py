"""Change tracking (dynamics365.md 3.3)."""

import pytest

from tests.emulators.dataverse.client import Organisation

TRACK = "odata.track-changes"
DAY = 24 * 3600


def change(crm: Organisation, customer: str, **changes: object) -> str:
    """Somebody changes a contact; its id."""
    own = crm.id_of(customer)
    assert crm.control("PATCH", f"dataverse/contacts/{own}", changes).status_code == 200
    return own


def test_a_baseline_ends_in_a_delta_link_which_is_empty_until_something_changes(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    answer = crm.get("contacts", TRACK, select="fullname")
    assert answer.headers["Preference-Applied"] == TRACK
    assert len(answer.json()["value"]) == 5
    link = answer.json()["@odata.deltaLink"]
    assert f"{crm.base}/contacts?$select=fullname&$deltatoken=" in link
    nothing = crm.get(link).json()
    assert nothing["value"] == []
    assert nothing["@odata.context"] == f"{crm.base}/$metadata#contacts(fullname)/$delta"
    assert "$deltatoken=" in nothing["@odata.deltaLink"]


def test_the_link_is_on_the_last_page_only(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    pages = crm.pages("contacts", f"{TRACK},odata.maxpagesize=2", select="fullname")
    assert [("@odata.deltaLink" in page, len(page["value"])) for page in pages] == [(False, 2), (False, 2), (True, 1)]
    assert "istracking=%22True%22" in pages[0]["@odata.nextLink"]


def test_updates_come_by_version_and_then_the_deletions(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    link = crm.baseline(select="emailaddress1")
    gone = crm.id_of("C-5")
    crm.control("DELETE", f"dataverse/contacts/{gone}")
    second = change(crm, "C-2", emailaddress1="bob2@example.com")
    first = change(crm, "C-1", emailaddress1="ada2@example.com")
    body = crm.get(link).json()
    assert [row.get("contactid") for row in body["value"]] == [second, first, None]
    entity = f"{crm.base}/$metadata#contacts/$deletedEntity"
    assert body["value"][2] == {"@odata.context": entity, "id": gone, "reason": "deleted"}
    assert crm.get(body["@odata.deltaLink"]).json()["value"] == []
    assert crm.get(link.replace("contacts?", "contacts/$count?")).text == "3"


def test_a_row_created_and_deleted_in_between_is_a_deletion_of_an_unknown_id(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    link = crm.baseline()
    stranger = "00000000-0000-0000-0000-00000000abcd"
    crm.control("PUT", f"dataverse/contacts/{stranger}", {"fullname": "Here And Gone"})
    crm.control("DELETE", f"dataverse/contacts/{stranger}")
    assert [entry["id"] for entry in crm.get(link).json()["value"]] == [stranger]


def test_a_row_that_comes_back_after_its_deletion_is_an_update(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    link = crm.baseline(select="lastname")
    own = crm.id_of("C-5")
    crm.control("DELETE", f"dataverse/contacts/{own}")
    crm.control("PUT", f"dataverse/contacts/{own}", {"lastname": "Again"})
    assert [row["lastname"] for row in crm.get(link).json()["value"]] == ["Again"]


def test_inactive_rows_are_in_the_feed_too(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    assert sum(row["statecode"] for row in crm.get("contacts", TRACK).json()["value"]) == 2


@pytest.mark.parametrize(
    ("option", "value"), [("filter", "statecode eq 0"), ("orderby", "fullname"), ("expand", "masterid"), ("top", "1")]
)
def test_options_that_would_narrow_the_feed_are_refused(crm: Organisation, option: str, value: str) -> None:
    """dynamics365.md 3.3"""
    status, _, message = crm.error(crm.get("contacts", TRACK, **{option: value}))
    assert status == 400
    assert message == f'The "${option}" query parameter isn\'t supported when Change Tracking is enabled.'


def test_changes_made_while_the_baseline_is_read_are_lost_with_the_token_at_its_end(crm: Organisation) -> None:
    """dynamics365.md 3.3: the gap, and the switch that closes it"""
    prefer = f"{TRACK},odata.maxpagesize=4"
    for where, seen in (("end", 0), ("start", 1)):
        crm.switch(delta_token_at=where)
        first = crm.get("contacts", prefer, select="fullname").json()
        crm.control("PATCH", f"dataverse/contacts/{first['value'][0]['contactid']}", {"jobtitle": where})
        last = crm.get(first["@odata.nextLink"], prefer).json()
        assert len(crm.get(last["@odata.deltaLink"]).json()["value"]) == seen


def test_more_changes_than_a_page_holds_are_paged_and_each_comes_once(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    link = crm.baseline(select="jobtitle")
    ids = [change(crm, customer, jobtitle="New") for customer in ("C-1", "C-2", "C-3")]
    gone = [crm.id_of(customer) for customer in ("C-4", "C-5")]
    for own in gone:
        crm.control("DELETE", f"dataverse/contacts/{own}")
    pages = crm.pages(link, "odata.maxpagesize=2")
    assert [[row.get("contactid", row.get("id")) for row in page["value"]] for page in pages] == [
        ids[:2], [ids[2], gone[0]], [gone[1]],
    ]  # fmt: skip
    assert crm.get(pages[-1]["@odata.deltaLink"]).json()["value"] == []


def test_a_row_that_changes_while_the_changes_are_paged_comes_with_the_next_link(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    link = crm.baseline(select="jobtitle")
    first, second = change(crm, "C-1", jobtitle="One"), change(crm, "C-2", jobtitle="Two")
    page = crm.get(link, "odata.maxpagesize=1").json()
    change(crm, "C-2", jobtitle="Three")
    last = crm.get(page["@odata.nextLink"], "odata.maxpagesize=1").json()
    assert [row["contactid"] for row in page["value"]] == [first]
    later = crm.get(last["@odata.deltaLink"]).json()["value"]
    assert [(row["contactid"], row["jobtitle"]) for row in [*last["value"], *later]] == [(second, "Three")]


def test_a_token_expires_by_the_clock_of_the_systems(crm: Organisation) -> None:
    """dynamics365.md 3.3: ExpireChangeTrackingInDays, error 0x80044352"""
    link = crm.baseline()
    crm.control("POST", "clock", {"offset_seconds": 7 * DAY - 60})
    crm.sign_in()
    assert crm.get(link).status_code == 200
    crm.control("POST", "clock", {"offset_seconds": 7 * DAY + 60})
    crm.sign_in()
    status, code, message = crm.error(crm.get(link))
    assert (status, code) == (400, "0x80044352")
    assert message == "Version stamp associated with the client has expired. Please perform a full sync."
    crm.switch(tracking_days="90")
    assert crm.get(link).status_code == 200


def test_a_token_that_is_none_is_refused(crm: Organisation) -> None:
    assert crm.get("contacts?$deltatoken=nonsense").status_code == 400
    assert crm.get("contacts?$skiptoken=nonsense").status_code == 400


def test_tables_without_tracking_and_callers_who_may_not_read_all_are_refused(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    assert crm.get("leads", TRACK).status_code == 400
    crm.switch(untracked="contact")
    assert crm.get("contacts", TRACK).status_code == 400
    crm.switch(untracked=None, organisation_read="no")
    assert crm.error(crm.get("contacts", TRACK))[:2] == (403, "0x80040220")
    assert crm.get("contacts").status_code == 200
