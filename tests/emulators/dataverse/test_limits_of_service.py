"""Service protection limits (dynamics365.md 3.4)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.emulators.dataverse.client import Organisation

BURST, TIME = "x-ms-ratelimit-burst-remaining-xrm-requests", "x-ms-ratelimit-time-remaining-xrm-requests"


def later(crm: Organisation, seconds: float) -> None:
    offset = crm.control("GET", "clock").json()["offset_seconds"]
    crm.control("POST", "clock", {"offset_seconds": offset + seconds})


def test_every_answer_says_what_is_left(crm: Organisation) -> None:
    """dynamics365.md 3.4: diagnostic headers"""
    first, second = crm.get("WhoAmI").headers, crm.get("WhoAmI").headers
    assert (first[BURST], second[BURST]) == ("5999", "5998")
    assert float(second[TIME].replace(",", "")) <= 1_200


def test_too_many_requests_wait_until_the_window_has_moved(crm: Organisation) -> None:
    """dynamics365.md 3.4"""
    crm.switch(limit_requests="3")
    assert [crm.get("WhoAmI").status_code for _ in range(3)] == [200] * 3
    answer = crm.get("WhoAmI")
    words = "Number of requests exceeded the limit of 3 over time window of 300 seconds."
    assert crm.error(answer) == (429, "0x80072322", words)
    waits = [int(answer.headers["Retry-After"]), int(crm.get("WhoAmI").headers["Retry-After"])]
    assert 290 <= waits[0] <= 300
    assert waits[1] >= waits[0]
    later(crm, waits[1] + 1)
    assert crm.get("WhoAmI").status_code == 200


def test_who_does_not_wait_waits_longer(crm: Organisation) -> None:
    """dynamics365.md 3.4"""
    crm.switch(limit_requests="1", limit_window="100")
    crm.get("WhoAmI")
    later(crm, 50)
    waits = [int(crm.get("WhoAmI").headers["Retry-After"]) for _ in range(4)]
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]


def test_too_much_time_is_refused_though_the_requests_are_few(crm: Organisation) -> None:
    """dynamics365.md 3.4; a batch counts as one request but its time counts"""
    crm.switch(request_cost_ms="700000")
    assert [crm.get("WhoAmI").status_code for _ in range(2)] == [200, 200]
    status, code, message = crm.error(crm.get("WhoAmI"))
    assert (status, code) == (429, "0x80072321")
    assert message.startswith("Combined execution time of incoming requests exceeded limit of 1,200,000 milliseconds")


def test_requests_at_the_same_time_are_really_counted(crm: Organisation) -> None:
    """dynamics365.md 3.4"""
    crm.switch(limit_concurrent="2", request_seconds="1")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: crm.get("WhoAmI"), range(6)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 1 <= len(refused) <= 4
    assert crm.error(refused[0]) == (429, "0x80072326", "Number of concurrent requests exceeded the limit of 2.")
    assert refused[0].headers["Retry-After"] == "1"
    crm.switch(request_seconds=None)
    assert crm.get("WhoAmI").status_code == 200


def test_each_user_has_limits_of_its_own(crm: Organisation) -> None:
    """dynamics365.md 3.4"""
    crm.switch(limit_requests="1")
    crm.get("WhoAmI")
    assert crm.get("WhoAmI").status_code == 429
    other = Organisation(crm.root, client_id="integration-console-dat").sign_in()
    assert other.get("WhoAmI").status_code == 200


@pytest.mark.parametrize(
    ("limit", "code"), [("requests", "0x80072322"), ("time", "0x80072321"), ("concurrent", "0x80072326")]
)
def test_a_fault_throttles_in_the_words_of_the_service(crm: Organisation, limit: str, code: str) -> None:
    """dynamics365.md 3.4, 8.7"""
    crm.fault("throttle", limit=limit, retry_after=7)
    answer = crm.get("contacts")
    assert crm.error(answer)[:2] == (429, code)
    assert answer.headers["Retry-After"] == "7"
    crm.fault("throttle", retry_after=None)
    assert "Retry-After" not in crm.get("contacts").headers
