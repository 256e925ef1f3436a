"""The control API (DESIGN section 10)."""

import pytest
import requests

from tests.emulators.client import Environment


def test_the_systems_say_where_they_live_and_how_to_get_in(environment: Environment) -> None:
    described = environment.control("GET", "systems").json()["dynamics365"]
    assert described["base"] == environment.base
    assert described["data"] == f"{environment.base}/data"
    client = described["clients"][0]
    form = {"grant_type": "client_credentials", "scope": described["scope"]}
    form |= {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    assert requests.post(described["token_url"], data=form, timeout=10).status_code == 200


def test_records_are_listed_as_stored_under_either_name(environment: Environment) -> None:
    every = environment.control("GET", "dynamics365/customers")
    assert [row["CustomerAccount"] for row in every.json()] == ["C-1", "C-2", "C-3", "C-1", "C-10"]
    assert every.headers["X-Total-Count"] == "5"
    some = environment.control("GET", "dynamics365/CustomersV3?offset=1&limit=2")
    assert [row["CustomerAccount"] for row in some.json()] == ["C-2", "C-3"]
    named = environment.control("GET", "dynamics365/invoice_lines?ids=1&limit=1").json()
    assert named[0]["id"] == "usmf|CN-1|1"


def test_one_record_is_put_patched_and_deleted(environment: Environment) -> None:
    path = "dynamics365/customers/usmf%7CN-1"
    assert environment.control("PUT", path, {"KnownAs": "New"}).status_code == 201
    stored = environment.control("GET", path).json()
    assert (stored["dataAreaId"], stored["CustomerAccount"], stored["OnHoldStatus"]) == ("usmf", "N-1", "No")
    assert environment.control("PATCH", path, {"KnownAs": "Newer"}).json()["KnownAs"] == "Newer"
    found = environment.rows("CustomersV3", filter="KnownAs eq 'Newer'")
    assert [row["CustomerAccount"] for row in found] == ["N-1"]
    assert environment.control("DELETE", path).status_code == 204
    assert environment.control("GET", path).status_code == 404
    assert environment.accounts("CustomerAccount eq 'N-1'") == []


def test_an_invoice_line_can_be_changed_added_and_removed(environment: Environment) -> None:
    path = "dynamics365/invoice_lines/usmf%7CSO-1%7C"
    environment.control("PATCH", f"{path}1", {"LineAmount": 17.5, "InventorySiteId": "1"})
    environment.control("PUT", f"{path}9", {"ProductNumber": "NEW", "LineAmount": 1})
    environment.control("DELETE", f"{path}2")
    rows = environment.rows("SalesInvoiceV2Lines", filter="InvoiceNumber eq 'SO-1'")
    shown = [(r["LineCreationSequenceNumber"], r["ProductNumber"], r["LineAmount"], r["InventorySiteId"]) for r in rows]
    assert shown == [(1, "MUG", 17.5, "1"), (9, "NEW", 1, "")]
    assert {row["InvoiceDate"] for row in rows} == {"2026-01-15T12:00:00Z"}


def test_a_bad_record_can_be_planted_and_is_served_as_it_is(environment: Environment) -> None:
    path = "dynamics365/customers/usmf%7CC-1"
    environment.control("PATCH", path, {"CustomerAccount": "", "PrimaryContactEmail": None, "BirthDate": 7})
    first = environment.rows("CustomersV3", orderby="dataAreaId,CustomerAccount")[0]
    assert (first["CustomerAccount"], first["PrimaryContactEmail"], first["BirthDate"]) == ("", None, 7)
    assert len(environment.accounts("BirthDate ge 1900-01-01T00:00:00Z")) == 4


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", "dynamics365/customers/usmf%7CC-1", {"Shoe": 1}, 400),
        ("PUT", "dynamics365/customers/C-1", {}, 400),
        ("PATCH", "dynamics365/customers/usmf%7Cnobody", {}, 404),
        ("GET", "dynamics365/shoes", None, 404),
        ("GET", "nosuchsystem/customers", None, 404),
        ("POST", "dynamics365/customers", {}, 405),
        ("POST", "dynamics365/archive", {"id": "usmf|nobody"}, 404),
        ("POST", "dynamics365/merge", {"from": "usmf|C-1"}, 404),
        ("POST", "reset", {"dataset": "no_such_data"}, 400),
        ("POST", "reset", {"sead": 1}, 400),
        ("POST", "clock", {"offset_seconds": "soon"}, 400),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    environment: Environment, method: str, path: str, body: object, status: int
) -> None:
    answer = environment.control(method, path, body)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_merge_removes_the_loser_and_moves_its_invoices_when_asked(environment: Environment) -> None:
    """dynamics365.md 4.1: F&O has no merge; what is left of one is an account less"""
    environment.control("POST", "dynamics365/merge", {"from": "usmf|C-1", "into": "usmf|C-3"})
    assert "usmf|C-1" not in environment.accounts("true")
    assert len(environment.rows("SalesInvoiceHeadersV2", filter="InvoiceCustomerAccountNumber eq 'C-1'")) == 2
    wanted = {"from": "usmf|C-2", "into": "usmf|C-3", "move_invoices": True}
    assert environment.control("POST", "dynamics365/merge", wanted).json()["moved_invoices"] == 2
    assert environment.rows("SalesInvoiceHeadersV2", filter="InvoiceCustomerAccountNumber eq 'C-2'") == []


def test_an_archived_customer_is_on_hold_for_everything(environment: Environment) -> None:
    """dynamics365.md 4.1: no archived flag"""
    environment.control("POST", "dynamics365/archive", {"id": "usmf|C-1"})
    assert environment.get("CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')").json()["OnHoldStatus"] == "All"


def test_requests_are_logged_without_addresses(environment: Environment) -> None:
    before = environment.control("GET", "requests").json()[-1]["number"]
    environment.get("CustomersV3", filter="PrimaryContactEmail eq 'ada@example.com'")
    environment.fault("reset")
    with pytest.raises(requests.ConnectionError):
        environment.get("CustomersV3")
    first, second = environment.control("GET", f"requests?system=dynamics365&since={before}").json()
    assert (first["method"], first["status"], first["records"]) == ("GET", 200, 1)
    assert first["path"].startswith("/dynamics365/data/CustomersV3?")
    assert "example.com" not in first["path"]
    assert first["bytes"] > 100
    assert (second["status"], second["fault"].split()[1]) == (0, "reset")
    assert environment.control("GET", f"requests?since={second['at']}").json()[0]["number"] == second["number"]


def test_a_reset_empties_or_reloads_and_a_bad_dataset_changes_nothing(environment: Environment, tmp_path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id,birth_date\nA,\nB,soon\n")
    refused = environment.control("POST", "reset", {"dataset": str(tmp_path)})
    assert refused.status_code == 400
    assert "customers.csv line 3: birth_date is 'soon'" in refused.json()["error"]
    assert len(environment.rows("CustomersV3")) == 5
    assert environment.control("POST", "reset", {"dataset": None}).json()["dataset"] is None
    assert environment.rows("CustomersV3") == []


def test_a_page_from_elsewhere_cannot_reach_the_control_api(environment: Environment) -> None:
    """DESIGN section 10: loopback only; a rebound name shows in the Host header"""
    for host, status in (("evil.example.com", 403), ("localhost:8900", 200), ("127.0.0.1", 200), ("", 403)):
        answer = environment.control("GET", "faults", headers={"Host": host})
        assert answer.status_code == status, host


def test_an_unknown_path_is_nobodys(environment: Environment) -> None:
    assert requests.get(f"{environment.root}/nothing", timeout=10).status_code == 404
