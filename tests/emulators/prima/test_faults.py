"""What goes wrong between client and Prima (DESIGN section 10; prima.md 3, 4.2 rule 6, 7.1)."""

from xml.etree import ElementTree

import pytest
import requests
import zeep

from tests.emulators.prima.site import Site, envelope, request_xml

ASK = request_xml("OrderChanges", MaxRecords="1")
EMPTY_PAGE = {"empty": True}


def test_a_busy_agent_pool_is_a_soap_fault(site: Site) -> None:
    """prima.md 8, operating limits, [inferred]: no 429 is known"""
    site.fault("throttle")
    answer = site.post(envelope(ASK))
    assert (answer.status_code, "Retry-After" in answer.headers) == (500, False)
    detail = ElementTree.fromstring(answer.content)[0][0].find("detail")[0]
    assert "No application server agent is free" in detail[0].text
    assert site.post(envelope(ASK)).status_code == 200


def test_a_busy_pool_may_be_told_differently(site: Site) -> None:
    site.fault("throttle", code=503, retry_after=7, message="come back")
    answer = site.post(envelope(ASK))
    assert (answer.status_code, answer.headers["Retry-After"], "come back" in answer.text) == (503, "7", True)


def test_a_fault_can_wait_for_one_request_type(site: Site) -> None:
    """All calls share one address: the request type ends the path that faults match and the log shows."""
    site.fault("status", code=500, body="no", path="#OrderChanges$", times=0)
    assert site.post(envelope(ASK)).status_code == 500
    assert site.page("CustomerChanges")[1]
    logged = site.control("GET", "requests?system=prima").json()[-2:]
    assert [(entry["path"], entry["status"], entry["records"]) for entry in logged] == [
        ("/prima/wsalive/wsalive#OrderChanges", 500, 0),
        ("/prima/wsalive/wsalive#CustomerChanges", 200, 5),
    ]


def test_the_container_may_answer_with_a_page_or_with_nothing(site: Site) -> None:
    """prima.md 4.2 rule 6"""
    site.fault("html")
    assert site.post(envelope(ASK)).text.startswith("<!DOCTYPE html>")
    site.fault("status", code=200, body="")
    assert site.post(envelope(ASK)).content == b""


@pytest.mark.parametrize("kind", ["reset", "truncate"])
def test_a_connection_breaks(site: Site, kind: str) -> None:
    site.fault(kind)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        site.post(envelope(ASK))
    assert site.post(envelope(ASK)).status_code == 200


def test_a_call_is_held_and_then_dropped(site: Site) -> None:
    site.fault("timeout", seconds=30)
    with pytest.raises(requests.ReadTimeout):
        site.session.post(site.address, data=envelope(ASK), timeout=0.2)


def test_a_reply_is_spoilt(site: Site) -> None:
    site.fault("malformed")
    answer = site.post(envelope(ASK))
    assert answer.status_code == 200
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(answer.content)


def test_a_slow_reply_arrives(site: Site) -> None:
    site.set(server_time="no")
    site.fault("slow", bytes_per_second=20_000)
    assert site.post(envelope(ASK)).content == site.post(envelope(ASK)).content


def test_an_update_may_be_done_though_its_answer_is_lost(site: Site) -> None:
    """prima.md 7.3: a time-out leaves the result unknown; UniqueId makes asking again harmless"""
    given = {"UniqueId": "u1", "Customer": "C0001", "ReceiveEmail": "No"}
    site.fault("drop_after_accept", path="#CustomerUpdate")
    with pytest.raises(requests.ConnectionError):
        site.post(envelope(request_xml("CustomerUpdate", **given)))
    stored = site.control("GET", "prima/customers/C0001").json()
    assert stored["ReceiveEmail"] == "No"
    assert site.ask("CustomerUpdate", **given).get("RequestStatus") == "OK"
    assert site.control("GET", "prima/customers/C0001").json() == stored


def test_a_next_key_repeats_itself(site: Site) -> None:
    """prima.md 7.1: endless-loop guard"""
    data, _ = site.page("OrderChanges", MaxRecords="1")
    site.fault("repeat_next_link")
    again, records = site.page("OrderChanges", MaxRecords="1", StartKey=data["NextKey"])
    assert (again["NextKey"], again["MoreRecords"], len(records)) == (data["NextKey"], "Yes", 1)


def test_an_empty_page_promises_more(site: Site) -> None:
    """prima.md 7.1: an empty page with MoreRecords=Yes"""
    site.fault("repeat_next_link", **EMPTY_PAGE)
    data, records = site.page("OrderChanges", MaxRecords="1")
    assert (data["MoreRecords"], bool(data["NextKey"]), records) == ("Yes", True, [])


def test_a_page_comes_twice(site: Site) -> None:
    """prima.md 7.1: delivery is at least once"""
    data, first = site.page("OrderChanges", MaxRecords="1")
    site.fault("duplicate_page")
    again, second = site.page("OrderChanges", MaxRecords="1", StartKey=data["NextKey"])
    assert (again["NextKey"], again["MoreRecords"]) == (data["NextKey"], "Yes")
    assert [o.get("OrderNumber") for o in first] == [o.get("OrderNumber") for o in second]


def test_a_page_ends_early(site: Site) -> None:
    site.fault("partial", rows=2)
    data, records = site.page("CustomerChanges")
    assert (len(records), data["MoreRecords"]) == (2, "Yes")
    assert site.page("CustomerChanges", StartKey=data["NextKey"])[1][0].get("Customer") == "C0003"


def test_there_is_nothing_that_could_expire(site: Site) -> None:
    """prima.md 1 fact 5: no credential"""
    site.fault("expire_token")
    assert site.post(envelope(ASK)).status_code == 200


def test_faults_reach_zeep_as_its_own_errors(site: Site) -> None:
    client = zeep.Client(site.wsdl)
    site.fault("throttle", path="#OrderChanges")
    with pytest.raises(zeep.exceptions.Fault):
        client.service.wsomhandler(ASK)
    site.fault("html", path="#OrderChanges", code=503)
    with pytest.raises(zeep.exceptions.Fault, match="Unknown fault"):  # zeep reads the page as if it were XML
        client.service.wsomhandler(ASK)
