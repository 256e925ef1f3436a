"""Reading F&O over OData (dynamics365.md 2.1, 2.2, 2.3, 2.5, 4.10)."""

import base64
import re
from xml.etree import ElementTree

from tests.emulators.client import Environment, many_customers

KEY = "dataAreaId,CustomerAccount"


def test_a_page_has_context_count_tags_and_the_selected_properties(environment: Environment) -> None:
    """dynamics365.md 2.2"""
    select = "dataAreaId,CustomerAccount,PrimaryContactEmail"
    answer = environment.get("CustomersV3", cross_company="true", select=select, orderby=KEY, top="1", count="true")
    page = answer.json()
    assert page["@odata.context"] == f"{environment.base}/data/$metadata#CustomersV3({select})"
    assert page["@odata.count"] == 5
    assert "@odata.nextLink" not in page
    [row] = page["value"]
    assert {**row, "@odata.etag": ""} == {
        "@odata.etag": "", "dataAreaId": "usmf", "CustomerAccount": "C-1", "PrimaryContactEmail": "ada@example.com",
    }  # fmt: skip
    quoted = re.fullmatch(r'W/"(.+)"', row["@odata.etag"])
    assert quoted
    assert re.fullmatch(rb"'\d+,\d+'", base64.b64decode(quoted[1]))


def test_count_alone_is_a_bare_number(environment: Environment) -> None:
    """dynamics365.md 2.2"""
    assert environment.get("CustomersV3/$count", cross_company="true").text == "5"
    assert environment.get("CustomersV3/$count", cross_company="true", filter="CustomerGroupId eq '20'").text == "2"


def test_strings_are_never_null_enums_are_words_and_empty_dates_are_1900(environment: Environment) -> None:
    """dynamics365.md 2.2, 4.1 and 4.10"""
    first, nameless = environment.rows("CustomersV3", filter="dataAreaId eq 'usmf'", orderby=KEY)[:2]
    assert first["BirthDate"] == "1980-02-29T12:00:00Z"
    assert nameless["CustomerAccount"] == "C-10"
    assert nameless["BirthDate"] == "1900-01-01T12:00:00Z"
    assert nameless["PrimaryContactEmail"] == ""
    assert first["OnHoldStatus"] == first["IsOneTimeCustomer"] == "No"
    assert all(value is not None for row in (first, nameless) for value in row.values())
    assert not [name for name in first if "Modified" in name or "Consent" in name]


def test_without_cross_company_only_the_default_company_is_seen(environment: Environment) -> None:
    """dynamics365.md 2.3"""
    assert {row["dataAreaId"] for row in environment.get("CustomersV3").json()["value"]} == {"usmf"}
    assert {row["dataAreaId"] for row in environment.rows("CustomersV3")} == {"usmf", "usrt"}
    assert environment.get("CustomersV3", filter="dataAreaId eq 'usrt'").json()["value"] == []
    other = Environment(environment.root, "integration-console-dat").sign_in()
    assert other.get("CustomersV3").json()["value"] == []


def test_companies_compare_without_case(environment: Environment) -> None:
    """dynamics365.md 2.3"""
    assert environment.accounts("dataAreaId eq 'USRT'") == ["usrt|C-1"]


def test_a_keyed_read_needs_every_key_and_the_company_in_scope(environment: Environment) -> None:
    """dynamics365.md 2.1, 2.2 and 2.3"""
    found = environment.get("CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')")
    assert found.json()["@odata.context"].endswith("$metadata#CustomersV3/$entity")
    assert found.json()["PersonLastName"] == "O'Neil"
    assert "key properties" in environment.refusal("CustomersV3(CustomerAccount='C-1')")
    assert "not valid" in environment.refusal("CustomersV3('C-1')")
    assert environment.get("CustomersV3(dataAreaId='usmf',CustomerAccount='X')").status_code == 404
    other = "CustomersV3(dataAreaId='usrt',CustomerAccount='C-1')"
    assert environment.get(other).status_code == 404
    assert environment.get(other, cross_company="true").json()["PersonFirstName"] == "Dora"


def test_an_invoice_has_four_keys(environment: Environment) -> None:
    """dynamics365.md 4.6"""
    key = "dataAreaId='usmf',InvoiceNumber='SO-1',InvoiceDate=2026-01-15T12:00:00Z,LedgerVoucher='ARV-SO-1'"
    assert environment.get(f"SalesInvoiceHeadersV2({key})").json()["TotalInvoiceAmount"] == 25.8
    assert environment.get(f"SalesInvoiceHeadersV2({key.replace('ARV', 'X')})").status_code == 404
    environment.refusal("SalesInvoiceHeadersV2(dataAreaId='usmf',InvoiceNumber='SO-1')")


def test_lines_live_under_one_name_and_not_the_other(environment: Environment) -> None:
    """dynamics365.md 4.6"""
    assert environment.get("SalesInvoiceV2Lines").status_code == 200
    missing = environment.get("SalesInvoiceLinesV2")
    assert missing.status_code == 404
    assert "innererror" in missing.json()["error"]


def test_metadata_is_valid_xml_with_keys_enums_and_sets(environment: Environment) -> None:
    """dynamics365.md 2.1 and 8.8"""
    tree = ElementTree.fromstring(environment.get("$metadata").content)
    names = {"edm": "http://docs.oasis-open.org/odata/ns/edm"}
    sets = {entity.get("Name"): entity.get("EntityType") for entity in tree.iterfind(".//edm:EntitySet", names)}
    assert sets["CustomersV3"] == "Microsoft.Dynamics.DataEntities.CustomerV3"
    assert "SalesInvoiceLinesV2" not in sets
    customer = tree.find(".//edm:EntityType[@Name='CustomerV3']", names)
    assert customer is not None
    assert [key.get("Name") for key in customer.iterfind(".//edm:PropertyRef", names)] == KEY.split(",")
    blocked = customer.find("edm:Property[@Name='OnHoldStatus']", names)
    assert blocked is not None
    assert blocked.get("Type") == "Microsoft.Dynamics.DataEntities.CustVendorBlocked"
    listed = environment.get("").json()["value"]
    assert {entry["name"] for entry in listed} == set(sets)


def test_pages_are_linked_by_offset_and_hold_every_row_once(environment: Environment, tmp_path) -> None:
    """dynamics365.md 2.5"""
    environment.control("POST", "reset", {"dataset": str(many_customers(tmp_path, 25))})
    environment.control("POST", "settings", {"dynamics365.page_size": 10})
    answer = environment.get("CustomersV3", cross_company="true", select="CustomerAccount", count="true").json()
    assert answer["@odata.nextLink"].startswith(f"{environment.base}/data/CustomersV3?cross-company=true&")
    assert answer["@odata.nextLink"].endswith("$skip=10&$top=10")
    assert answer["@odata.count"] == 25
    accounts = []
    while True:
        accounts += [row["CustomerAccount"] for row in answer["value"]]
        if "@odata.nextLink" not in answer:
            break
        answer = environment.session.get(answer["@odata.nextLink"], timeout=10).json()
    assert accounts == [f"C-{at:05}" for at in range(25)]


def test_a_page_has_ten_thousand_rows_unless_told_otherwise(environment: Environment, tmp_path) -> None:
    """dynamics365.md 2.5; the client's wish for another page size is not heard"""
    environment.control("POST", "reset", {"dataset": str(many_customers(tmp_path, 10_001))})
    headers = {"Prefer": "odata.maxpagesize=3"}
    page = environment.call("GET", "CustomersV3?$select=CustomerAccount", headers=headers).json()
    assert len(page["value"]) == 10_000
    last = environment.session.get(page["@odata.nextLink"], timeout=10).json()
    assert ([row["CustomerAccount"] for row in last["value"]], "@odata.nextLink" in last) == (["C-10000"], False)


def test_top_ends_where_it_says_and_is_cut_by_the_page(environment: Environment, tmp_path) -> None:
    """dynamics365.md 2.5"""
    environment.control("POST", "reset", {"dataset": str(many_customers(tmp_path, 30))})
    environment.control("POST", "settings", {"dynamics365.page_size": 10})
    assert "@odata.nextLink" not in environment.get("CustomersV3", top="10").json()
    answer = environment.get("CustomersV3", top="20").json()
    counts = [len(answer["value"])]
    while "@odata.nextLink" in answer:
        answer = environment.session.get(answer["@odata.nextLink"], timeout=10).json()
        counts.append(len(answer["value"]))
    assert counts == [10, 10]


def test_rows_can_be_ordered_by_anything_either_way(environment: Environment) -> None:
    """dynamics365.md 2.1"""
    rows = environment.rows("CustomersV3", orderby="PrimaryContactEmail desc,CustomerAccount", select="CustomerAccount")
    assert [row["CustomerAccount"] for row in rows] == ["C-1", "C-3", "C-2", "C-1", "C-10"]
    skipped = environment.rows("CustomersV3", orderby="PrimaryContactEmail desc", skip="3", select="CustomerAccount")
    assert [row["CustomerAccount"] for row in skipped] == ["C-1", "C-10"]


def test_what_is_not_known_is_refused(environment: Environment) -> None:
    """dynamics365.md 2.1, 2.6"""
    assert "'Shoe'" in environment.refusal("CustomersV3", select="Shoe")
    assert "'Shoe'" in environment.refusal("CustomersV3", orderby="Shoe")
    assert "$top" in environment.refusal("CustomersV3", top="-1")
    assert "$apply" in environment.refusal("CustomersV3", apply="aggregate")
    answer = environment.get("CustomersV3", select="Shoe").json()["error"]
    assert (answer["code"], answer["message"]) == ("", "An error has occurred.")
    assert answer["innererror"]["stacktrace"]
    assert answer["innererror"]["internalexception"]["type"]


def test_the_metadata_service_names_keys_and_types(environment: Environment) -> None:
    """dynamics365.md 2.1: asked before each keyed call by a public client"""
    address = f"{environment.base}/Metadata/PublicEntities('CustomersV3')"
    entity = environment.session.get(address, timeout=10).json()
    assert (entity["Name"], entity["EntitySetName"]) == ("CustomerV3", "CustomersV3")
    keys = [declared["Name"] for declared in entity["Properties"] if declared["IsKey"]]
    assert keys == KEY.split(",")
    listed = environment.session.get(f"{environment.base}/metadata/DataEntities", timeout=10).json()["value"]
    assert {row["PublicCollectionName"] for row in listed} >= {"CustomersV3", "SalesInvoiceV2Lines"}
    assert environment.session.get(f"{environment.base}/metadata/Labels", timeout=10).status_code == 404


def test_how_much_an_answer_explains_is_the_clients_choice(environment: Environment) -> None:
    """dynamics365.md 2.2: odata.metadata in Accept"""
    answers = {}
    for detail in ("none", "minimal", "full"):
        headers = {"Accept": f"application/json;odata.metadata={detail}"}
        path = "CustomersV3?$select=CustomerAccount,dataAreaId&$filter=CustomerAccount eq 'C-1'&$count=true"
        answer = environment.call("GET", path, headers=headers)
        assert f"odata.metadata={detail}" in answer.headers["Content-Type"]
        answers[detail] = answer.json()
    row = {"CustomerAccount": "C-1", "dataAreaId": "usmf"}
    assert answers["none"] == {"@odata.count": 1, "value": [row]}
    [minimal] = answers["minimal"]["value"]
    [full] = answers["full"]["value"]
    assert minimal == {"@odata.etag": minimal["@odata.etag"], **row}
    assert full["@odata.type"] == "#Microsoft.Dynamics.DataEntities.CustomerV3"
    assert environment.session.get(full["@odata.id"], timeout=10).json()["PersonFirstName"] == "Ada"
    keyed = environment.call("GET", full["@odata.editLink"], headers={"Accept": "application/json;odata.metadata=none"})
    assert not [name for name in keyed.json() if name.startswith("@")]


def test_lines_can_be_expanded_one_level_under_their_headers(environment: Environment) -> None:
    """dynamics365.md 2.1 and 4.6"""
    rows = environment.rows("SalesInvoiceHeadersV2", expand="SalesInvoiceLinesV2", select="InvoiceNumber")
    lines = {row["InvoiceNumber"]: [line["ProductNumber"] for line in row["SalesInvoiceLinesV2"]] for row in rows}
    assert lines == {
        "CN-1": ["MUG", "RETURN"],
        "CN-SO-2": ["GOODWILL"],
        "SO-1": ["MUG", "CHARGE"],
        "SO-2": ["cup"],
    }
    assert "navigation property" in environment.refusal("SalesInvoiceHeadersV2", expand="Customer")
    assert "navigation property" in environment.refusal("CustomersV3", expand="SalesInvoiceLinesV2")


def test_the_metadata_service_can_be_searched_paged_and_has_labels(environment: Environment) -> None:
    """dynamics365.md 2.1: the forms a public client sends"""

    def names(path: str) -> list[str]:
        answer = environment.session.get(f"{environment.base}/Metadata/{path}", timeout=10)
        return [row["Name"] for row in answer.json()["value"]]

    found = names("PublicEntities?$filter=contains(tolower(Name), 'salesinvoice')&$top=1&$skip=1")
    assert found == ["SalesInvoiceLineV2"]
    assert names("DataEntities?$filter=PublicEntityName eq 'CustomerV3' and IsReadOnly eq false") == [
        "CustomerV3Entity"
    ]
    refused = environment.session.get(
        f"{environment.base}/Metadata/PublicEntities?$filter=length(Name) gt 3", timeout=10
    )
    assert refused.status_code == 400
    entity = environment.session.get(f"{environment.base}/Metadata/PublicEntities('CustomersV3')", timeout=10).json()
    labels = f"{environment.base}/metadata/Labels(Id='{entity['LabelId']}',Language='en-US')"
    assert environment.session.get(labels, timeout=10).json()["Value"] == "Customer V3"
    unknown = f"{environment.base}/metadata/Labels(Id='@SYS1',Language='en-US')"
    assert environment.session.get(unknown, timeout=10).status_code == 404


def test_the_environment_says_its_version(environment: Environment) -> None:
    """A public client asks before it reads metadata (dynamics365.md 0, FOC)"""
    action = "DataManagementEntities/Microsoft.Dynamics.DataEntities.GetApplicationVersion"
    assert environment.call("POST", action, json={}).json()["value"] == "10.0.47"
    assert environment.call("GET", action).status_code == 404
