"""Merge, state, and the unbound functions (dynamics365.md 3.5)."""

from typing import Any

from tests.emulators.dataverse.client import Organisation

CONTACT = {"@odata.type": "Microsoft.Dynamics.CRM.contact"}


def merge(crm: Organisation, winner: str, loser: str, **content: Any) -> Any:
    body = {
        "Target": {**CONTACT, "contactid": crm.id_of(winner)},
        "Subordinate": {**CONTACT, "contactid": crm.id_of(loser)},
        "UpdateContent": {**CONTACT, **content},
        "PerformParentingChecks": False,
    }
    return crm.call("POST", "Merge", json=body)


def test_the_target_gains_what_it_lacks_and_the_subordinate_is_deactivated(crm: Organisation) -> None:
    """dynamics365.md 3.5"""
    winner, loser = crm.row("C-5"), crm.row("C-1")
    assert merge(crm, "C-5", "C-1", jobtitle="Chosen").status_code == 204
    after, ended = crm.get(f"contacts({winner['contactid']})").json(), crm.get(f"contacts({loser['contactid']})").json()
    assert (after["emailaddress1"], after["birthdate"]) == ("ada@example.com", "1980-02-29")  # it had none
    assert (after["fullname"], after["msdyn_partynumber"]) == ("Eve Émile", "P-5")  # nothing is overwritten
    assert after["jobtitle"] == "Chosen"
    assert (after["statecode"], after["merged"]) == (0, False)
    state = ended["statecode"], ended["statuscode"], ended["merged"], ended["_masterid_value"]
    assert state == (1, 2, True, winner["contactid"])
    assert ended["emailaddress1"] == "ada@example.com"


def test_a_merge_is_two_updates_in_the_feed_and_no_deletion(crm: Organisation) -> None:
    """dynamics365.md 3.5"""
    link = crm.baseline(select="merged,_masterid_value")
    winner, loser = crm.id_of("C-2"), crm.id_of("C-1")
    merge(crm, "C-2", "C-1")
    changes = crm.get(link).json()["value"]
    assert [(row["contactid"], row["merged"]) for row in changes] == [(winner, False), (loser, True)]


def test_chains_stay_chains(crm: Organisation) -> None:
    """dynamics365.md 3.5, pitfall 15: C-4 was merged into C-1 before"""
    merge(crm, "C-2", "C-1")
    assert crm.row("C-4")["_masterid_value"] == crm.id_of("C-1")
    assert crm.row("C-1")["_masterid_value"] == crm.id_of("C-2")


def test_related_rows_move_to_the_target(crm: Organisation) -> None:
    """dynamics365.md 3.5"""
    loser, winner = crm.id_of("C-1"), crm.id_of("C-2")
    made = crm.call("POST", "incidents", json={"title": "Help", "customerid_contact@odata.bind": f"/contacts({loser})"})
    merge(crm, "C-2", "C-1")
    assert crm.get(made.headers["OData-EntityId"]).json()["_customerid_value"] == winner


def test_the_type_is_mandatory_in_all_three_parts(crm: Organisation) -> None:
    """dynamics365.md 3.5"""
    for part in ("Target", "Subordinate", "UpdateContent"):
        body = {
            "Target": {**CONTACT, "contactid": crm.id_of("C-1")},
            "Subordinate": {**CONTACT, "contactid": crm.id_of("C-2")},
            "UpdateContent": {**CONTACT, "jobtitle": "x"},
        }
        del body[part]["@odata.type"]
        status, _, message = crm.error(crm.call("POST", "Merge", json=body))
        assert status == 400
        assert part in message
    assert crm.row("C-2")["merged"] is False


def test_what_cannot_be_merged_is_refused(crm: Organisation) -> None:
    """dynamics365.md 3.5"""
    assert merge(crm, "C-1", "C-1").status_code == 400
    assert merge(crm, "C-1", "C-3").status_code == 400  # inactive
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.msdynmkt_purpose"}
    assert crm.call("POST", "Merge", json={"Target": kind, "Subordinate": kind}).status_code == 400
    missing = {**CONTACT, "contactid": "00000000-0000-0000-0000-00000000dead"}
    body = {"Target": {**CONTACT, "contactid": crm.id_of("C-1")}, "Subordinate": missing}
    assert crm.call("POST", "Merge", json=body).status_code == 404


def test_the_control_api_merges_and_archives_by_customer_number(crm: Organisation) -> None:
    """dynamics365.md 3.5; DESIGN 10"""
    done = crm.control("POST", "dataverse/merge", {"from": "C-2", "into": "C-1"}).json()
    assert done == {"from": crm.id_of("C-2"), "into": crm.id_of("C-1"), "table": "contacts"}
    assert crm.row("C-2")["_masterid_value"] == crm.id_of("C-1")
    assert crm.control("POST", "dataverse/archive", {"id": crm.id_of("C-5")}).status_code == 200
    assert (crm.row("C-5")["statecode"], crm.row("C-5")["merged"]) == (1, False)
    assert crm.control("POST", "dataverse/archive", {"id": "nobody"}).status_code == 404
    assert crm.control("POST", "dataverse/merge", {"from": "C-2", "into": "C-1"}).status_code == 400


def test_set_state_deactivates_and_reactivates(crm: Organisation) -> None:
    moniker = {**CONTACT, "contactid": crm.id_of("C-1")}
    for state, status in ((1, 2), (0, 1)):
        body = {"EntityMoniker": moniker, "State": state, "Status": -1}
        assert crm.call("POST", "SetState", json=body).status_code == 204
        assert (crm.row("C-1")["statecode"], crm.row("C-1")["statuscode"]) == (state, status)


def test_who_am_i_and_which_version(crm: Organisation) -> None:
    me = crm.get("WhoAmI").json()
    assert me["UserId"] in {row["systemuserid"] for row in crm.rows("systemusers")}
    assert crm.get("WhoAmI()").json()["OrganizationId"] == crm.rows("organizations")[0]["organizationid"]
    assert crm.get("RetrieveVersion()").json()["Version"].startswith("9.2")
    total = crm.get("RetrieveTotalRecordCount(EntityNames=@p1)?@p1=['contact']").json()
    assert total["EntityRecordCountCollection"]["Values"] == [5]
    assert crm.call("POST", "WhoAmI").status_code == 405
