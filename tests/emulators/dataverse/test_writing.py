"""Creating, changing and deleting rows (dynamics365.md 3.1, 3.5, 3.6)."""

from typing import Any

import pytest

from tests.emulators.dataverse.client import Organisation

NOBODY = "00000000-0000-0000-0000-00000000dead"
STALE = "The version of the existing record doesn't match the RowVersion property provided."


def own_id(answer: Any) -> str:
    found: str = answer.headers["OData-EntityId"].rpartition("(")[2].rstrip(")")
    return found


def test_a_creation_answers_with_the_address_and_nothing_else(crm: Organisation) -> None:
    """dynamics365.md 3.1"""
    answer = crm.call("POST", "contacts", json={"firstname": "New", "lastname": "Person"})
    assert (answer.status_code, answer.content) == (204, b"")
    row = crm.get(answer.headers["OData-EntityId"]).json()
    assert (row["fullname"], row["statecode"], row["statuscode"], row["merged"]) == ("New Person", 0, 1, False)
    assert row["donotbulkemail"] is False
    assert row["createdon"] == row["modifiedon"]


def test_a_creation_returns_the_row_where_that_is_preferred(crm: Organisation) -> None:
    """dynamics365.md 3.1"""
    answer = crm.call("POST", "contacts?$select=fullname", "return=representation", json={"lastname": "Shown"})
    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "return=representation"
    assert answer.json()["fullname"] == "Shown"
    changed = crm.call("PATCH", answer.headers["OData-EntityId"], "return=representation", json={"lastname": "Changed"})
    assert (changed.status_code, changed.json()["fullname"]) == (200, "Changed")


def test_a_change_sends_what_changes_and_moves_the_tag(crm: Organisation) -> None:
    """dynamics365.md 3.6"""
    before = crm.row("C-1")
    answer = crm.call("PATCH", f"contacts({before['contactid']})", json={"donotbulkemail": True},
                      headers={"If-Match": before["@odata.etag"]})  # fmt: skip
    assert answer.status_code == 204
    after = crm.row("C-1")
    assert after["donotbulkemail"] is True
    assert after["emailaddress1"] == before["emailaddress1"]
    assert after["versionnumber"] > before["versionnumber"]
    assert after["@odata.etag"] == f'W/"{after["versionnumber"]}"'
    assert after["modifiedon"] > before["modifiedon"]


def test_a_stale_tag_is_412_and_changes_nothing(crm: Organisation) -> None:
    """dynamics365.md 3.6"""
    row = crm.row("C-1")
    path, headers = f"contacts({row['contactid']})", {"If-Match": 'W/"1"'}
    assert crm.error(crm.call("PATCH", path, json={"jobtitle": "x"}, headers=headers)) == (412, "", STALE)
    assert crm.call("DELETE", path, headers=headers).status_code == 412
    assert crm.row("C-1") == row


def test_any_tag_means_update_only(crm: Organisation) -> None:
    """dynamics365.md 3.6"""
    answer = crm.call("PATCH", f"contacts({NOBODY})", json={"lastname": "x"}, headers={"If-Match": "*"})
    assert crm.error(answer) == (404, "0x80040217", f"contact With Id = {NOBODY} Does Not Exist")


def test_no_tag_creates_the_row_that_is_missing(crm: Organisation) -> None:
    """dynamics365.md 3.6, pitfall 17"""
    answer = crm.call("PATCH", f"contacts({NOBODY})", json={"lastname": "Ghost"}, headers={"If-None-Match": "null"})
    assert answer.status_code == 204
    assert own_id(answer) == NOBODY
    assert crm.names("lastname eq 'Ghost'") == ["Ghost"]


def test_create_only_refuses_the_row_that_is_there(crm: Organisation) -> None:
    """dynamics365.md 3.6"""
    own = crm.id_of("C-1")
    answer = crm.call("PATCH", f"contacts({own})", json={"lastname": "x"}, headers={"If-None-Match": "*"})
    assert crm.error(answer)[0::2] == (412, "A record with matching key values already exists.")
    assert crm.call("POST", "contacts", json={"contactid": own}).status_code == 412


def test_an_alternate_key_works_only_where_it_is_defined(crm: Organisation) -> None:
    """dynamics365.md 3.6"""
    path = "contacts(emailaddress1='ada@example.com')"
    status, _, message = crm.error(crm.call("PATCH", path, json={"jobtitle": "Found"}))
    assert status == 400
    assert message.startswith("The key in the request URI is not valid for resource")
    crm.switch(alternate_keys="contact:emailaddress1")
    assert crm.call("PATCH", path, json={"jobtitle": "Found"}).status_code == 204
    assert crm.row("C-1")["jobtitle"] == "Found"
    assert crm.get(path).json()["jobtitle"] == "Found"
    made = crm.call("PATCH", "contacts(emailaddress1='o''neil@example.com')", json={"lastname": "Made"})
    assert crm.get(made.headers["OData-EntityId"]).json()["emailaddress1"] == "o'neil@example.com"
    taken = crm.call("POST", "contacts", json={"emailaddress1": "bob@example.com"})
    assert crm.error(taken)[:2] == (412, "0x80060892")


@pytest.mark.parametrize("customer", ["C-3", "C-4"])
def test_an_inactive_contact_cannot_be_changed_until_somebody_reactivates_it(crm: Organisation, customer: str) -> None:
    """dynamics365.md 3.5, 3.6: archived, or merged"""
    own = crm.id_of(customer)
    refused = crm.call("PATCH", f"contacts({own})", json={"jobtitle": "x"}, headers={"If-Match": "*"})
    assert refused.status_code == 400
    assert "inactive" in crm.error(refused)[2]
    crm.switch(inactive_writable="yes")
    assert crm.call("PATCH", f"contacts({own})", json={"jobtitle": "y"}).status_code == 204
    crm.switch(inactive_writable=None)
    assert crm.call("PATCH", f"contacts({own})", json={"statecode": 0, "jobtitle": "z"}).status_code == 204
    row = crm.row(customer)
    assert (row["statecode"], row["statuscode"], row["jobtitle"]) == (0, 1, "z")


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        ({"nosuch": 1}, "0x80048d19", "Invalid property 'nosuch'"),
        ({"donotbulkemail": "yes"}, "0x80048d19", "Edm.Boolean"),
        ({"lastname": "x" * 51}, "0x80044331", "maximum allowed length of '50'"),
        ({"gendercode": 7}, "0x8004431b", "outside the valid range"),
        ({"birthdate": "01/02/1980"}, "0x80048d19", "Edm.Date"),
        ({"_masterid_value": NOBODY}, "0x80048d19", "Invalid property"),
        ({"parentcustomerid_account@odata.bind": f"/accounts({NOBODY})"}, "0x80040217", "Does Not Exist"),
        ({"statecode": 0, "statuscode": 2}, "0x80048408", "not a valid status code"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused(crm: Organisation, payload: Any, code: str, words: str) -> None:
    """dynamics365.md 3.1"""
    answer = crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json=payload)
    assert crm.error(answer)[1] == code
    assert words in crm.error(answer)[2]
    assert crm.call("PATCH", f"contacts({crm.id_of('C-1')})", data=b"{no json").status_code == 400


def test_read_only_columns_are_passed_over(crm: Organisation) -> None:
    """dynamics365.md 3.5: only the platform says that a row is merged"""
    crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json={"merged": True, "fullname": "x", "jobtitle": "Kept"})
    row = crm.row("C-1")
    assert (row["merged"], row["fullname"], row["jobtitle"]) == (False, "Ada O'Neil", "Kept")


def test_a_whole_row_put_loses_what_is_not_sent(crm: Organisation) -> None:
    own = crm.id_of("C-2")
    assert crm.call("PUT", f"contacts({own})", json={"lastname": "Only"}).status_code == 204
    row = crm.get(f"contacts({own})").json()
    assert (row["fullname"], row["emailaddress1"], row["statecode"]) == ("Only", None, 0)


def test_one_column_is_read_changed_and_emptied(crm: Organisation) -> None:
    path = f"contacts({crm.id_of('C-1')})/jobtitle"
    assert crm.get(path).status_code == 204
    assert crm.call("PUT", path, json={"value": "Chief"}).status_code == 204
    assert crm.get(path).json()["value"] == "Chief"
    assert crm.get(f"{path}/$value").text == "Chief"
    assert crm.call("DELETE", path).status_code == 204
    assert crm.row("C-1")["jobtitle"] is None


def test_a_deleted_row_is_gone_and_nothing_points_to_it(crm: Organisation) -> None:
    own = crm.id_of("C-1")
    assert crm.call("DELETE", f"contacts({own})").status_code == 204
    assert crm.get(f"contacts({own})").status_code == 404
    assert crm.call("DELETE", f"contacts({own})").status_code == 404
    assert crm.row("C-4")["_masterid_value"] is None


def test_rows_are_connected_by_binding_and_by_reference(crm: Organisation) -> None:
    """dynamics365.md 3.5: lookups"""
    person, [company] = crm.id_of("C-1"), crm.rows("accounts", select="accountid")
    account = company["accountid"]
    bound = {"parentcustomerid_account@odata.bind": f"{crm.base}/accounts({account})"}
    assert crm.call("PATCH", f"contacts({person})", json=bound).status_code == 204
    assert crm.row("C-1")["_parentcustomerid_value"] == account
    [child] = crm.rows(f"accounts({account})/contact_customer_accounts", select="fullname")
    assert child["fullname"] == "Ada O'Neil"
    reference = f"contacts({person})/parentcustomerid_account/$ref"
    assert crm.get(reference).json()["@odata.id"] == f"{crm.base}/accounts({account})"
    assert crm.call("DELETE", reference).status_code == 204
    assert crm.row("C-1")["_parentcustomerid_value"] is None
    back = crm.call("POST", f"accounts({account})/contact_customer_accounts/$ref",
                    json={"@odata.id": f"{crm.base}/contacts({person})"})  # fmt: skip
    assert back.status_code == 204
    assert crm.row("C-1")["_parentcustomerid_value"] == account
    nested = {"lastname": "Nested", "parentcustomerid_account": {"name": "Made with it"}}
    made = crm.call("POST", "contacts?$expand=parentcustomerid_account($select=name)", "return=representation",
                    json=nested)  # fmt: skip
    assert made.json()["parentcustomerid_account"]["name"] == "Made with it"


def test_many_rows_are_written_at_once_or_not_at_all(crm: Organisation) -> None:
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.contact"}
    both = {"Targets": [{**kind, "lastname": "A1"}, {**kind, "lastname": "A2"}]}
    made = crm.call("POST", "contacts/Microsoft.Dynamics.CRM.CreateMultiple", json=both).json()["Ids"]
    assert len(made) == 2
    half = {"Targets": [{**kind, "contactid": made[0], "jobtitle": "x"}, {**kind, "contactid": NOBODY}]}
    assert crm.call("POST", "contacts/Microsoft.Dynamics.CRM.UpdateMultiple", json=half).status_code == 404
    assert crm.get(f"contacts({made[0]})").json()["jobtitle"] is None
    assert crm.call("POST", "contacts/Microsoft.Dynamics.CRM.UpsertMultiple", json=half).status_code == 204
    assert crm.get(f"contacts({NOBODY})").status_code == 200
    assert crm.call("POST", "contacts/Microsoft.Dynamics.CRM.CreateMultiple", json={"Targets": [{}]}).status_code == 400


def test_consent_by_contact_point_is_written_like_any_row(crm: Organisation) -> None:
    """dynamics365.md 3.6"""
    table = "msdynmkt_contactpointconsent4s"
    [purpose] = crm.rows("msdynmkt_purposes")
    payload = {
        "msdynmkt_contactpointvalue": "new@example.com",
        "msdynmkt_contactpointtype": 534120000,
        "msdynmkt_contactpointconsenttype": 534120000,
        "msdynmkt_value": 534120001,
        "msdynmkt_purposeId@odata.bind": f"/msdynmkt_purposes({purpose['msdynmkt_purposeid']})",
    }
    made = crm.call("POST", table, json=payload).headers["OData-EntityId"]
    link = crm.baseline(table)
    out = {"msdynmkt_value": 534120002, "msdynmkt_reason": "asked by phone"}
    assert crm.call("PATCH", made, json=out, headers={"If-Match": "*"}).status_code == 204
    [changed] = crm.get(link).json()["value"]
    assert (changed["msdynmkt_value"], changed["msdynmkt_source"]) == (534120002, 534120000)
    assert changed["_msdynmkt_purposeid_value"] == purpose["msdynmkt_purposeid"]


def test_our_own_write_comes_back_in_the_feed(crm: Organisation) -> None:
    """dynamics365.md 3.6: loop prevention is the client's"""
    link = crm.baseline(select="donotbulkemail")
    crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json={"donotbulkemail": True})
    [echo] = crm.get(link).json()["value"]
    assert (echo["contactid"], echo["donotbulkemail"]) == (crm.id_of("C-1"), True)
