"""Throttling, refusals, headers, and pages while rows change (dynamics365.md 2.5, 2.6, 2.7, 7, 8)."""

import pytest

from tests.emulators.client import Environment

KEY = "dataAreaId,CustomerAccount"


def switch(company: Environment, **values: object) -> None:
    named = {f"dynamics365.{name}": value for name, value in values.items()}
    assert company.control("POST", "settings", named).status_code == 200


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("resource", "system experiencing high resource utilization"),
        ("requests", "Number of requests exceeded the limit of 6000 over the time window of 300 seconds."),
        ("time", "Combined execution time of incoming requests exceeded limit of 1200 seconds"),
        ("concurrency", "Number of concurrent requests exceeded the limit of 52."),
    ],
)
def test_every_nth_request_can_be_refused_in_the_systems_words(company: Environment, limit: str, words: str) -> None:
    """2.7: 429 with Retry-After and one of the texts"""
    switch(company, throttle_every=3, throttle_limit=limit, throttle_retry_after=7)
    answers = [company.get("CustomersV3", top="1") for _ in range(6)]
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert words in refused.json()["error"]["message"]
    assert refused.headers["Retry-After"] == "7"


def test_a_window_fills_and_empties_with_the_clock_and_only_for_some_sets(company: Environment) -> None:
    """2.7: by time window and by entity; Retry-After may be absent"""
    switch(company, throttle_window="2/300", throttle_sets="CustomersV3", throttle_retry_after="none")
    answers = [company.get("CustomersV3", top="1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "Retry-After" not in answers[2].headers
    assert company.get("ReleasedProductsV2").status_code == 200
    company.control("POST", "clock", {"offset_seconds": 301})
    assert company.get("CustomersV3", top="1").status_code == 200


def test_answers_carry_a_timing_and_an_affinity_cookie(company: Environment) -> None:
    """2.6 server-timing, 2.7 affinity"""
    company.session.cookies.clear()
    first = company.get("CustomersV3", top="1")
    assert first.headers["server-timing"].startswith("dur=")
    assert "ARRAffinity" in first.cookies
    assert "Set-Cookie" not in company.get("CustomersV3", top="1").headers


def test_errors_bury_the_words_under_kilobytes_of_stack(company: Environment) -> None:
    """2.6 and 7 row 26"""
    answer = company.call("PATCH", "CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')", json={"Foo": 1})
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("", "An error has occurred.")
    innermost = error["innererror"]["internalexception"]
    assert innermost["message"].startswith("The property 'Foo' does not exist on type")
    assert len(innermost["stacktrace"]) > 4_000


def test_an_application_without_a_user_is_401_or_403(company: Environment) -> None:
    """1.1: a token is not enough; the status is not documented"""
    stranger = Environment(company.root, "not-mapped").sign_in()
    assert stranger.get("CustomersV3").status_code == 401
    switch(company, unmapped_status=403)
    assert stranger.get("CustomersV3").status_code == 403
    wrong = {"Authorization": "Bearer x"}
    assert stranger.call("GET", "CustomersV3", headers=wrong).status_code == 401


def test_the_default_company_belongs_to_the_client(company: Environment) -> None:
    """1.1, 2.3: reads and new rows"""
    other = Environment(company.root, "integration-console-dat").sign_in()
    assert other.get("SalesOrderHeadersV2").json()["value"] == []
    made = other.call("POST", "SalesOrderHeadersV2", json={"SalesOrderNumber": "D-1"})
    assert made.json()["dataAreaId"] == "dat"
    assert len(other.rows("SalesOrderHeadersV2")) == 8
    named = other.call("POST", "SalesOrderHeadersV2", json={"dataAreaId": "USMF", "SalesOrderNumber": "D-2"})
    assert named.json()["dataAreaId"] == "usmf"
    key = "SalesOrderHeadersV2(dataAreaId='usmf',SalesOrderNumber='D-2')"
    assert other.call("DELETE", key).status_code == 404
    assert other.call("DELETE", f"{key}?cross-company=true").status_code == 204


def test_put_replaces_a_row_and_its_tag_counts(company: Environment) -> None:
    """2.1 and 2.6"""
    key = "PackingSlipTrackingInformation"
    row = company.rows(key)[0]
    place = (
        f"{key}(dataAreaId='usmf',SalesOrderNumber='SO-1',PackingSlipNumber='PS-1',"
        "DeliveryDate=2026-01-17T12:00:00Z,TrackingNumber='JD0001')"
    )
    stale = {"If-Match": row["@odata.etag"]}
    assert company.call("PUT", place, json={}, headers=stale).status_code == 204
    assert company.get(place).json()["TrackingURL"] == ""
    assert company.call("PUT", place, json={}, headers=stale).status_code == 412
    assert company.call("DELETE", place, headers=stale).status_code == 412
    assert company.call("DELETE", place, headers={"If-Match": "*"}).status_code == 204


def test_rows_that_go_between_pages_are_skipped_by_offset(company: Environment) -> None:
    """2.5 and 7 row 10"""
    switch(company, page_size=2)
    company.fault("mutate_rows", path="CustomersV3", delete=1)
    first = company.get("CustomersV3", cross_company="true", orderby=KEY).json()
    assert [row["CustomerAccount"] for row in first["value"]] == ["C-1", "C-2"]
    second = company.session.get(first["@odata.nextLink"], timeout=10).json()
    assert [f"{row['dataAreaId']}|{row['CustomerAccount']}" for row in second["value"]] == ["usrt|C-1"]


def test_rows_that_come_between_pages_are_seen_twice(company: Environment) -> None:
    """2.5 and 7 row 10"""
    switch(company, page_size=2)
    company.fault("mutate_rows", path="CustomersV3", insert=1)
    first = company.get("CustomersV3", cross_company="true", orderby=KEY).json()
    second = company.session.get(first["@odata.nextLink"], timeout=10).json()
    assert first["value"][1] == second["value"][0]


def test_a_page_can_repeat_rows_of_the_page_before(company: Environment) -> None:
    """8.7: duplicate rows between pages"""
    switch(company, page_size=2)
    first = company.get("CustomersV3", cross_company="true").json()
    company.fault("duplicate_rows", path="CustomersV3", rows=1)
    second = company.session.get(first["@odata.nextLink"], timeout=10).json()
    assert [row["CustomerAccount"] for row in second["value"]] == ["C-2", "W-9", "C-1"]


def test_a_link_can_be_stale(company: Environment) -> None:
    """7 row 11 and 8.7"""
    switch(company, page_size=2)
    company.fault("stale_next_link", path="CustomersV3")
    link = company.get("CustomersV3", cross_company="true").json()["@odata.nextLink"]
    answer = company.session.get(link, timeout=10)
    assert answer.status_code == 400
    assert "not valid any more" in answer.text


def test_the_page_size_a_client_wishes_is_heard_only_by_a_switch(company: Environment) -> None:
    """2.5: unknown on real tenants"""
    headers = {"Prefer": "odata.maxpagesize=1"}
    path = "CustomersV3?cross-company=true"
    assert len(company.call("GET", path, headers=headers).json()["value"]) == 4
    switch(company, honour_maxpagesize="yes")
    assert len(company.call("GET", path, headers=headers).json()["value"]) == 1
