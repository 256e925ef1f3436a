"""Faults, the control API and state of the emulated Dataverse (dynamics365.md 7, 8; DESIGN 10)."""

from pathlib import Path

from connectors.emulators.server import running
from tests.emulators.dataverse.client import Organisation

TWO_A_PAGE = "odata.maxpagesize=2"


def ids(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["contactid"] for row in page["value"]]


def test_a_page_comes_twice(crm: Organisation) -> None:
    """dynamics365.md 8.7"""
    first = crm.get("contacts", TWO_A_PAGE, select="contactid").json()
    crm.fault("duplicate_page")
    again = crm.get(first["@odata.nextLink"], TWO_A_PAGE).json()
    assert again == first
    assert not set(ids(crm.get(again["@odata.nextLink"], TWO_A_PAGE).json())) & set(ids(first))


def test_a_link_leads_back_to_its_own_page(crm: Organisation) -> None:
    """dynamics365.md 8.7"""
    first = crm.get("contacts", TWO_A_PAGE, select="contactid").json()
    crm.fault("repeat_next_link")
    second = crm.get(first["@odata.nextLink"], TWO_A_PAGE).json()
    assert second["@odata.nextLink"] == first["@odata.nextLink"]


def test_a_page_may_be_short_and_still_go_on(crm: Organisation) -> None:
    """dynamics365.md 8.7"""
    crm.fault("partial", rows=1)
    pages = crm.pages("contacts", "odata.maxpagesize=3", select="contactid")
    assert [len(page["value"]) for page in pages] == [1, 3, 1]


def test_tokens_expire_all_at_once(crm: Organisation) -> None:
    """dynamics365.md 1.1, 8.2"""
    crm.fault("expire_token")
    assert crm.get("contacts").status_code == 401
    assert crm.sign_in().get("contacts").status_code == 200


def test_a_row_that_appears_behind_the_walk_is_missed_and_one_ahead_is_seen(crm: Organisation) -> None:
    """dynamics365.md 3.2: the cookie holds the last key"""
    first = crm.get("contacts", TWO_A_PAGE, select="contactid").json()
    low, high = "00000000-0000-0000-0000-000000000001", "ffffffff-ffff-4fff-8fff-ffffffffffff"
    for own in (low, high):
        crm.control("PUT", f"dataverse/contacts/{own}", {"lastname": "x"})
    rest = [own for page in crm.pages(first["@odata.nextLink"], TWO_A_PAGE) for own in ids(page)]
    assert high in rest
    assert low not in rest


def test_what_is_planted_is_kept_as_it_comes_with_a_version_of_its_own(crm: Organisation) -> None:
    """DESIGN 10"""
    link = crm.baseline(select="birthdate")
    own = crm.id_of("C-1")
    assert crm.control("PATCH", f"dataverse/contacts/{own}", {"birthdate": "not a date"}).status_code == 200
    [row] = crm.get(link).json()["value"]
    assert row["birthdate"] == "not a date"
    assert crm.control("PATCH", f"dataverse/contacts/{own}", {"nosuch": 1}).status_code == 400
    shown = crm.control("GET", "dataverse/consents").json()
    assert len(shown) == 3


def test_a_planted_value_of_the_wrong_type_breaks_no_query(crm: Organisation) -> None:
    """DESIGN 10"""
    planted = {"birthdate": "soon", "fullname": 7, "statecode": "Active", "donotbulkemail": None, "modifiedon": 3}
    crm.control("PATCH", f"dataverse/contacts/{crm.id_of('C-1')}", planted)
    for order in ("fullname", "birthdate desc", "statecode", "modifiedon desc"):
        assert [len(page["value"]) for page in crm.pages("contacts", TWO_A_PAGE, orderby=order)] == [2, 2, 1]
    assert crm.names("birthdate gt 1900-01-01 or statecode lt 9 or contains(fullname,'bob')") != []
    assert crm.get("contacts", 'odata.include-annotations="*"').status_code == 200
    assert crm.get("contacts", "odata.track-changes").status_code == 200


def test_the_bare_address_reaches_the_default_organisation(crm: Organisation) -> None:
    """dynamics365.md 8.1"""
    page = crm.get(f"{crm.root}/api/data/v9.2/contacts?$select=fullname", TWO_A_PAGE).json()
    assert page["@odata.nextLink"].startswith(f"{crm.root}/api/data/v9.2/contacts?$select=fullname&$skiptoken=")
    assert len(crm.get(page["@odata.nextLink"], TWO_A_PAGE).json()["value"]) == 2


def test_organisations_are_added_and_described(crm: Organisation) -> None:
    """PRODUCT: several accounts at once"""
    assert crm.control("PUT", "dataverse/organisations/adventure", {}).status_code == 201
    new = Organisation(crm.root, "adventure").sign_in()
    assert new.call("POST", "contacts", json={"lastname": "Elsewhere"}).status_code == 204
    assert new.names("lastname eq 'Elsewhere'") == ["Elsewhere"]
    assert crm.names("lastname eq 'Elsewhere'") == []
    described = crm.control("GET", "systems").json()["dataverse"]
    assert described["organisations"]["adventure"] == f"{crm.root}/dataverse/adventure"
    assert described["collections"]["adventure.contacts"] == 1


def test_state_survives_a_restart(people: Path, tmp_path: Path) -> None:
    """Rows, versions, deletions and definitions; a delta token stays good"""
    with running(tmp_path / "state", dataset=str(people)) as root:
        crm = Organisation(root).sign_in()
        link = crm.baseline(select="jobtitle").replace(root, "")
        gone = crm.id_of("C-5")
        crm.call("DELETE", f"contacts({gone})")
        crm.call("PATCH", f"contacts({crm.id_of('C-1')})", json={"jobtitle": "Kept"})
        version = crm.row("C-1")["versionnumber"]
        attribute = {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Own"}
        crm.call("POST", "EntityDefinitions(LogicalName='contact')/Attributes", json=attribute)
        crm.control("PUT", "dataverse/organisations/adventure", {})
    with running(tmp_path / "state", dataset=str(people)) as root:
        crm = Organisation(root).sign_in()
        changes = crm.get(root + link).json()["value"]
        assert [row.get("jobtitle", row.get("id")) for row in changes] == ["Kept", gone]
        assert "new_own" in crm.row("C-1")
        crm.call("PATCH", f"contacts({crm.id_of('C-2')})", json={"new_own": "x"})
        assert crm.row("C-2")["versionnumber"] > version
        assert Organisation(root, "adventure").sign_in().rows("contacts") == []
