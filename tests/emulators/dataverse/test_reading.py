"""Reading tables over the Web API (dynamics365.md 3.1, 3.2, 3.5)."""

from pathlib import Path

import pytest

from tests.emulators.dataverse.client import Organisation, many_customers

ONE_A_PAGE = "odata.maxpagesize=1"


def test_a_page_has_context_tags_the_selected_columns_and_always_the_key(crm: Organisation) -> None:
    """dynamics365.md 3.2"""
    select = "fullname,emailaddress1"
    answer = crm.get("contacts", "odata.maxpagesize=500", select=select, filter="emailaddress1 eq 'ada@example.com'")
    assert answer.headers["Preference-Applied"] == "odata.maxpagesize=500"
    assert answer.headers["OData-Version"] == "4.0"
    page = answer.json()
    assert page["@odata.context"] == f"{crm.base}/$metadata#contacts({select})"
    assert "@odata.nextLink" not in page
    [row] = page["value"]
    assert row.pop("@odata.etag").startswith('W/"')
    assert row == {"fullname": "Ada O'Neil", "emailaddress1": "ada@example.com", "contactid": crm.id_of("C-1")}


def test_pages_are_followed_by_cookie_and_lose_nothing(crm: Organisation) -> None:
    """dynamics365.md 3.2"""
    pages = crm.pages("contacts", ONE_A_PAGE, select="fullname")
    assert [len(page["value"]) for page in pages] == [1] * 5
    assert len({page["value"][0]["contactid"] for page in pages}) == 5
    link = pages[0]["@odata.nextLink"]
    assert "$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22" in link
    assert link.endswith("%20istracking=%22False%22%20/%3E")


def test_an_order_holds_across_pages_nulls_first(crm: Organisation) -> None:
    """dynamics365.md 3.2"""
    pages = crm.pages("contacts", ONE_A_PAGE, select="emailaddress1", orderby="emailaddress1 desc,fullname")
    found = [page["value"][0]["emailaddress1"] for page in pages]
    assert found == ["cleo@example.com", "bob@example.com", "ada@example.com", "ada.old@example.com", None]


def test_more_than_5000_rows_are_never_on_one_page_nor_in_a_count(crm: Organisation, tmp_path: Path) -> None:
    """dynamics365.md 3.2"""
    crm.control("POST", "reset", {"dataset": str(many_customers(tmp_path / "many", 5_001))})
    limit = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"
    prefer = f'odata.maxpagesize=9999,odata.include-annotations="{limit}"'
    page = crm.get("contacts", prefer, select="contactid", count="true").json()
    assert (len(page["value"]), page["@odata.count"], page[f"@{limit}"]) == (5_000, 5_000, True)
    assert len(crm.get(page["@odata.nextLink"], prefer).json()["value"]) == 1
    assert crm.get("contacts/$count").text == "5000"


def test_skip_is_refused_with_its_message(crm: Organisation) -> None:
    """dynamics365.md 3.2"""
    status, _, message = crm.error(crm.get("contacts", skip="1"))
    assert (status, message) == (400, "Skip Clause is not supported in CRM")


def test_top_limits_and_counts_for_nothing_beside_maxpagesize(crm: Organisation) -> None:
    """dynamics365.md 3.2"""
    limited = crm.get("contacts", top="2").json()
    assert len(limited["value"]) == 2
    assert "@odata.nextLink" not in limited
    ignored = crm.get("contacts", "odata.maxpagesize=3", top="2").json()
    assert len(ignored["value"]) == 3
    assert "@odata.nextLink" in ignored


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("statecode eq 0 and not (merged eq true)", ["Ada O'Neil", "Bob Baker", "Eve Émile"]),
        ("emailaddress1 eq null", ["Eve Émile"]),
        ("emailaddress1 ne null and donotbulkemail eq true", ["Bob Baker"]),
        ("lastname eq 'O''NEIL'", ["Ada O'Neil"]),
        ("contains(fullname,'LAR')", ["Cleo Clark"]),
        ("startswith(emailaddress1,'ada') or endswith(fullname,'ker')", ["Ada O'Neil", "Ada Oneil", "Bob Baker"]),
        ("modifiedon ge 2026-01-01T00:00:00Z", ["Ada O'Neil"]),
        ("createdon lt 2025-03-02T10:30:00+01:00", ["Ada O'Neil"]),
        ("birthdate eq 1980-02-29", ["Ada O'Neil"]),
        ("_masterid_value ne null", ["Ada Oneil"]),
        ("masterid/fullname eq 'Ada O''Neil'", ["Ada Oneil"]),
        ("merged", ["Ada Oneil"]),
        ("Microsoft.Dynamics.CRM.In(PropertyName='firstname',PropertyValues=['Bob','X'])", ["Bob Baker"]),
    ],
)  # fmt: skip
def test_filters(crm: Organisation, condition: str, names: list[str]) -> None:
    """dynamics365.md 3.2"""
    assert crm.names(condition) == names


def test_a_lookup_is_filtered_by_id(crm: Organisation) -> None:
    """dynamics365.md 3.5"""
    assert crm.names(f"_masterid_value eq {crm.id_of('C-1')}") == ["Ada Oneil"]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("nosuch eq 1", "Could not find a property named 'nosuch' on type 'Microsoft.Dynamics.CRM.contact'."),
        ("fullname eq 1", "A binary operator with incompatible types"),
        ("statecode gt null", "A binary operator with incompatible types"),
        ("tolower(fullname) eq 'x'", "An unknown function with name 'tolower' was found."),
        ("fullname eq", "Syntax error at position 11"),
        ("fullname eq 'x' 'y'", "Syntax error at position 15"),
        ("fullname", "The $filter expression must evaluate to a single boolean value."),
        ("(statecode eq 0", "Syntax error"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(crm: Organisation, condition: str, message: str) -> None:
    """dynamics365.md 3.1: code and message in the envelope"""
    status, code, said = crm.error(crm.get("contacts", filter=condition))
    assert (status, code) == (400, "0x80060888")
    assert message in said


def test_one_row_by_its_key_and_a_missing_one(crm: Organisation) -> None:
    """dynamics365.md 3.1, 3.6"""
    own = crm.id_of("C-2")
    answer = crm.get(f"contacts({own})", select="fullname")
    assert answer.json()["@odata.context"] == f"{crm.base}/$metadata#contacts(fullname)/$entity"
    assert answer.json()["fullname"] == "Bob Baker"
    assert answer.headers["ETag"] == answer.json()["@odata.etag"]
    none = "00000000-0000-0000-0000-00000000dead"
    status, code, message = crm.error(crm.get(f"contacts({none})"))
    assert (status, code, message) == (404, "0x80040217", f"contact With Id = {none} Does Not Exist")
    assert crm.get("nosuch").status_code == 404


def test_a_row_expands_its_master_and_its_company_one_level(crm: Organisation) -> None:
    """dynamics365.md 3.2, 3.5"""
    [row] = crm.rows("contacts", filter="merged eq true", select="fullname", expand="masterid($select=fullname)")
    assert row["masterid"]["fullname"] == "Ada O'Neil"
    assert row["masterid"]["contactid"] == crm.id_of("C-1")
    none = crm.rows("contacts", filter="merged eq false", expand="parentcustomerid_account($select=name)", top="1")
    assert none[0]["parentcustomerid_account"] is None


def test_annotations_show_labels_and_where_a_lookup_points(crm: Organisation) -> None:
    """dynamics365.md 3.2"""
    answer = crm.get("contacts", 'odata.include-annotations="*"', filter="merged eq true")
    [row] = answer.json()["value"]
    assert answer.headers["Preference-Applied"] == 'odata.include-annotations="*"'
    label = "OData.Community.Display.V1.FormattedValue"
    assert row[f"statecode@{label}"] == "Inactive"
    assert row[f"_masterid_value@{label}"] == "Ada O'Neil"
    assert row["_masterid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact"
    assert row["_masterid_value@Microsoft.Dynamics.CRM.associatednavigationproperty"] == "masterid"


def test_the_dataset_becomes_contacts_accounts_and_consents(crm: Organisation) -> None:
    """dynamics365.md 3.5, 3.6"""
    ada = crm.row("C-1")
    assert (ada["donotbulkemail"], ada["msdyn_partynumber"], ada["msdyn_contactpersonid"]) == (False, "P-1", "C-1")
    assert (ada["birthdate"], ada["modifiedon"]) == ("1980-02-29", "2026-01-01T09:30:00Z")
    merged = crm.row("C-4")
    state = merged["statecode"], merged["statuscode"], merged["merged"], merged["_masterid_value"]
    assert state == (1, 2, True, ada["contactid"])
    archived = crm.row("C-3")
    assert (archived["statecode"], archived["statuscode"], archived["merged"]) == (1, 2, False)
    [account] = crm.rows("accounts")
    assert (account["name"], account["accountnumber"], account["donotbulkemail"]) == ("Retail House", "A-1", True)
    said = {row["msdynmkt_contactpointvalue"]: row for row in crm.rows("msdynmkt_contactpointconsent4s")}
    assert {name: row["msdynmkt_value"] for name, row in said.items()} == {
        "ada@example.com": 534120001, "bob@example.com": 534120002, "shop@example.com": 534120002,
    }  # fmt: skip
    [purpose] = crm.rows("msdynmkt_purposes")
    assert said["ada@example.com"]["_msdynmkt_purposeid_value"] == purpose["msdynmkt_purposeid"]


def test_several_organisations_know_nothing_of_each_other(crm: Organisation) -> None:
    other = Organisation(crm.root, "fabrikam").sign_in()
    assert other.rows("contacts") == []
    assert crm.call("GET", f"{other.base}/contacts").status_code == 401


def test_a_token_must_be_for_the_organisation(crm: Organisation) -> None:
    """dynamics365.md 1.1"""
    crm.session.headers["Authorization"] = (
        f"Bearer {crm.token(scope='https://x.example.com/.default').json()['access_token']}"
    )
    answer = crm.get("contacts")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    crm.switch(accept_any_token="yes")
    assert crm.get("contacts").status_code == 200


def test_an_application_without_a_user_is_refused(crm: Organisation) -> None:
    """dynamics365.md 1.1"""
    stranger = Organisation(crm.root, client_id="not-mapped").sign_in()
    assert stranger.error(stranger.get("contacts"))[0] == 403
