"""Writing to F&O over OData (dynamics365.md 2.6)."""

from tests.emulators.client import Environment

KEY = "CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')"


def test_a_patch_changes_what_it_names_and_moves_the_tag(environment: Environment) -> None:
    """dynamics365.md 2.6: 204 without a body"""
    before = environment.get(KEY).json()
    answer = environment.call("PATCH", KEY, json={"PrimaryContactPhone": "+15550100"})
    assert (answer.status_code, answer.content) == (204, b"")
    after = environment.get(KEY).json()
    assert after["PrimaryContactPhone"] == "+15550100"
    assert after["PersonLastName"] == "O'Neil"
    assert after["@odata.etag"] != before["@odata.etag"]


def test_a_stale_tag_is_refused(environment: Environment) -> None:
    """dynamics365.md 2.6: If-Match takes a tag or *"""
    stale = environment.get(KEY).json()["@odata.etag"]
    for match, status in ((stale, 204), (stale, 412), ("*", 204)):
        answer = environment.call("PATCH", KEY, json={"KnownAs": match}, headers={"If-Match": match})
        assert answer.status_code == status
    assert environment.call("DELETE", KEY, headers={"If-Match": stale}).status_code == 412
    assert environment.get(KEY).json()["KnownAs"] == "*"


def test_a_post_creates_a_row_with_defaults(environment: Environment) -> None:
    """dynamics365.md 2.6: 201 with the row"""
    body = {"dataAreaId": "USMF", "CustomerAccount": "N-1", "PersonFirstName": "New", "LanguageId": None}
    answer = environment.call("POST", "CustomersV3", json=body)
    assert answer.status_code == 201
    row = answer.json()
    assert (row["dataAreaId"], row["OnHoldStatus"], row["LanguageId"]) == ("usmf", "No", "")
    assert environment.session.get(answer.headers["Location"], timeout=10).json()["PersonFirstName"] == "New"
    again = environment.call("POST", "CustomersV3", json=body)
    assert again.status_code == 400
    assert "already exists" in again.text


def test_a_deleted_row_is_gone(environment: Environment) -> None:
    """dynamics365.md 2.6"""
    assert environment.call("DELETE", KEY).status_code == 204
    assert environment.get(KEY).status_code == 404
    assert "usmf|C-1" not in environment.accounts("true")


def test_another_company_is_written_only_when_asked_for(environment: Environment) -> None:
    """dynamics365.md 2.3"""
    other = "CustomersV3(dataAreaId='usrt',CustomerAccount='C-1')"
    assert environment.call("PATCH", other, json={"KnownAs": "D"}).status_code == 404
    assert environment.call("PATCH", f"{other}?cross-company=true", json={"KnownAs": "D"}).status_code == 204


def test_unknown_names_and_wrong_types_are_refused(environment: Environment) -> None:
    """dynamics365.md 2.6"""
    for body, words in (
        ({"Foo": "x"}, "The property 'Foo' does not exist on type 'Microsoft.Dynamics.DataEntities.CustomerV3'"),
        ({"KnownAs": 1}, "Cannot convert a value of property 'KnownAs'"),
        ({"OnHoldStatus": "Maybe"}, "Requested value 'Maybe' was not found"),
        ({"CustomerAccount": "C-9"}, "cannot be changed"),
        ([], "StartArray"),
    ):
        answer = environment.call("PATCH", KEY, json=body)
        assert answer.status_code == 400
        assert words in answer.json()["error"]["innererror"]["internalexception"]["message"]


def test_posted_invoices_cannot_be_written(environment: Environment) -> None:
    """dynamics365.md 4.6: an invoice is a posted document"""
    key = "dataAreaId='usmf',InvoiceNumber='SO-1',InvoiceDate=2026-01-15T12:00:00Z,LedgerVoucher='ARV-SO-1'"
    for method, path in (("PATCH", f"SalesInvoiceHeadersV2({key})"), ("POST", "SalesInvoiceHeadersV2")):
        answer = environment.call(method, path, json={})
        assert answer.status_code == 400
        assert "read-only" in answer.text
