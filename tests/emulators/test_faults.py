"""Every kind of fault, seen by a client on a socket (DESIGN section 10)."""

import time

import pytest
import requests

from tests.emulators.client import Environment, many_customers

KEY = "CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')"


def test_a_status_comes_with_its_body_and_headers(environment: Environment) -> None:
    environment.fault("status", code=503, body={"error": "busy"}, headers={"Retry-After": "7"})
    answer = environment.get("CustomersV3")
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, {"error": "busy"}, "7")
    assert environment.get("CustomersV3").status_code == 200


def test_a_timeout_holds_the_line_and_hangs_up(environment: Environment) -> None:
    environment.fault("timeout", seconds=5)
    with pytest.raises(requests.Timeout):
        environment.call("GET", "CustomersV3", timeout=0.2)
    environment.fault("timeout", seconds=0.2)
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        environment.get("CustomersV3")
    assert time.monotonic() - started >= 0.2


def test_a_reset_breaks_the_connection(environment: Environment) -> None:
    environment.fault("reset")
    with pytest.raises(requests.ConnectionError) as broken:
        environment.get("CustomersV3")
    assert "reset" in str(broken.value).lower()


def test_an_answer_is_dropped_after_the_system_has_acted(environment: Environment) -> None:
    environment.fault("drop_after_accept", method="PATCH")
    assert environment.get(KEY).status_code == 200
    with pytest.raises(requests.ConnectionError):
        environment.call("PATCH", KEY, json={"KnownAs": "Dropped"})
    assert environment.get(KEY).json()["KnownAs"] == "Dropped"


def test_a_slow_answer_drips(environment: Environment) -> None:
    environment.fault("slow", bytes_per_second=20_000)
    started = time.monotonic()
    assert len(environment.get("CustomersV3").json()["value"]) == 4
    assert time.monotonic() - started > 0.1


def test_a_truncated_answer_promises_more_than_it_gives(environment: Environment) -> None:
    environment.fault("truncate")
    with pytest.raises(requests.RequestException) as broken:
        environment.get("CustomersV3")
    assert "IncompleteRead" in str(broken.value)


def test_a_malformed_answer_is_whole_but_no_json(environment: Environment) -> None:
    environment.fault("malformed")
    answer = environment.get("CustomersV3")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_a_page_of_html_stands_where_json_should(environment: Environment) -> None:
    environment.fault("html")
    answer = environment.get("CustomersV3")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_throttling_speaks_as_the_service_does(environment: Environment) -> None:
    """dynamics365.md 2.7"""
    environment.fault("throttle", retry_after=3)
    environment.fault("throttle", retry_after=None)
    first, second = environment.get("CustomersV3"), environment.get("CustomersV3")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "3")
    assert "experiencing high resource utilization" in first.json()["error"]["message"]
    assert (second.status_code, "Retry-After" in second.headers) == (429, False)


def test_an_expired_token_is_refused_until_a_new_one_is_asked_for(environment: Environment) -> None:
    """dynamics365.md 8.2"""
    environment.fault("expire_token", after=1)
    statuses = [environment.get("CustomersV3").status_code for _ in range(3)]
    assert statuses == [200, 401, 401]
    assert environment.sign_in().get("CustomersV3").status_code == 200


def test_pages_can_come_short_twice_or_point_at_themselves(environment: Environment, tmp_path) -> None:
    """dynamics365.md 8.7"""
    environment.control("POST", "reset", {"dataset": str(many_customers(tmp_path, 6))})
    environment.control("POST", "settings", {"dynamics365.page_size": 2})
    first = environment.get("CustomersV3", select="CustomerAccount").json()
    environment.fault("duplicate_page")
    again = environment.session.get(first["@odata.nextLink"], timeout=10).json()
    assert again["value"] == first["value"]
    environment.fault("repeat_next_link")
    stuck = environment.session.get(first["@odata.nextLink"], timeout=10).json()
    assert stuck["@odata.nextLink"].endswith("$skip=2&$top=2")
    environment.fault("partial", rows=1)
    short = environment.session.get(first["@odata.nextLink"], timeout=10).json()
    assert [row["CustomerAccount"] for row in short["value"]] == ["C-00002"]
    rest = environment.session.get(short["@odata.nextLink"], timeout=10).json()
    assert rest["value"][0]["CustomerAccount"] == "C-00003"


def test_a_fault_waits_for_its_request_and_ends_after_its_times(environment: Environment) -> None:
    environment.fault("status", code=500, path=r"SalesInvoice.*\$top=2", times=2, after=1)
    assert environment.get("CustomersV3", top="2").status_code == 200
    statuses = [environment.get("SalesInvoiceHeadersV2", top="2").status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    [shown] = environment.control("GET", "faults").json()
    assert (shown["matched"], shown["struck"]) == (3, 2)


def test_a_fault_can_last_until_it_is_deleted(environment: Environment) -> None:
    fault_id = environment.fault("status", code=500, times=0)
    assert {environment.get("CustomersV3").status_code for _ in range(5)} == {500}
    assert environment.control("DELETE", f"faults/{fault_id}").status_code == 204
    assert environment.get("CustomersV3").status_code == 200
    assert environment.control("DELETE", f"faults/{fault_id}").status_code == 404


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ({"kind": "explode"}, "unknown kind 'explode'"),
        ({"kind": "status", "colour": "red"}, "status has no option colour"),
        ({"kind": "status", "system": "sap"}, "unknown system 'sap'"),
        ({"kind": "status", "path": "("}, "path is not a regular expression"),
        ({"kind": "status", "times": -1}, "times must be a whole number"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(environment: Environment, description: dict, words: str) -> None:
    answer = environment.control("POST", "faults", description)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
