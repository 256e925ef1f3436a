"""Segments of Emarsys (contract 5): criteria, size, members; an evaluation is waited for."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.emarsys.segments import Size
from connectors.errors import UnavailableError, UnexpectedReplyError
from tests.connectors.conftest import Open
from tests.connectors.test_emarsys_contacts import Script, ok, refused

BUSY = refused(202, 10001, "The segment is currently evaluated.")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("connectors.emarsys.segments.time.sleep", found.append)
    return found


def test_segments_come_with_the_criteria_that_can_be_read(server: HTTPServer, emarsys: Open) -> None:
    listed = [{"id": "1", "name": "Gold", "type": "standard", "criteriaTypes": ["contact"]},
              {"id": 2, "name": "Visitors", "type": "standard", "criteriaTypes": ["behavior", "contact"]},
              {"id": "3", "name": "Old"}]  # fmt: skip
    tree = {
        "type": "and",
        "children": [{"type": "criteria", "field": "loyaltyTier", "operator": "equals", "value": "gold"}],
    }
    Script(server, "GET", "/filter", listed)
    Script(server, "GET", "/filter/1/contact_criteria", {"id": "1", "contactCriteria": tree})
    Script(server, "GET", "/filter/3/contact_criteria", refused(404, 10002, "Not found"))
    gold, visitors, old = emarsys().segments()
    assert (gold.id, gold.name, gold.kind, gold.criteria) == ("1", "Gold", "standard", tree)
    assert (visitors.id, visitors.criteria) == ("2", None)
    assert (old.kind, old.criteria) == ("standard", None)


def test_members_are_read_once_the_segment_is_evaluated(server: HTTPServer, emarsys: Open, waits: list[float]) -> None:
    full = [str(number) for number in range(10_000)]
    calls = Script(server, "GET", "/filter/1/contacts", BUSY, BUSY, full, [10_000])
    pages = list(emarsys().members("1"))
    assert [len(page) for page in pages] == [10_000, 1]
    assert pages[1] == ["10000"]
    assert [call.args["offset"] for call in calls.asked] == ["0", "0", "0", "10000"]
    assert waits == [0.5, 1.0]


def test_an_evaluation_without_end_is_left_to_the_next_run(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/filter/1/contacts", BUSY)
    with pytest.raises(UnavailableError):
        list(emarsys(SEGMENT_WAIT="0").members("1"))


def test_a_run_tells_how_many_are_opted_in(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "POST", "/filter/1/runs", {"run_id": "100", "status": "waiting"})
    done = {
        "run_id": "100",
        "status": "done",
        "result": {"contact_list_id": 9, "user_count": 1200, "opt_in_count": 950},
    }
    Script(server, "GET", "/filter/runs/100", {"run_id": "100", "status": "waiting"}, done)
    assert emarsys().segment_size("1") == Size(1200, 950)


def test_a_run_leaves_a_contact_list_to_page_through(server: HTTPServer, emarsys: Open) -> None:
    start = Script(server, "POST", "/filter/1/runs", {"run_id": 100, "status": "waiting"})
    result = {"contact_list_id": 98765, "user_count": 3, "opt_in_count": 2, "duration": 1532}
    Script(server, "GET", "/filter/runs/100", {"run_id": "100", "status": "done", "result": result})
    page = Response('{"value":[1,2,3],"next":null}')
    Script(server, "GET", "/contactlist/98765/contactIds", page)
    sink = emarsys()
    run = sink.run_segment("1", renew=True)
    assert (run.id, run.contact_list, run.size, run.seconds) == ("100", "98765", Size(3, 2), 1532.0)
    assert start.asked[0].args["renew"] == "true"
    assert list(sink.list_members(run.contact_list)) == [["1", "2", "3"]]


def test_one_segment_is_run_at_a_time(server: HTTPServer, emarsys: Open) -> None:
    """A second run while one is being evaluated would be refused with 10003 (contract 5)."""
    running: list[str] = []

    def start(request: Request) -> Response:
        segment = request.path.split("/")[-2]
        if running:
            return refused(423, 10003, "Another segment is running")
        running.append(segment)
        return ok({"run_id": segment, "status": "waiting"})

    def done(request: Request) -> Response:
        running.clear()
        number = request.path.rpartition("/")[2]
        return ok({"run_id": number, "status": "done", "result": {"user_count": int(number), "opt_in_count": 0}})

    for number in range(1, 9):
        server.expect_request(f"/api/v3/filter/{number}/runs").respond_with_handler(start)
        server.expect_request(f"/api/v3/filter/runs/{number}").respond_with_handler(done)
    sink = emarsys()
    with ThreadPoolExecutor(4) as pool:
        sizes = list(pool.map(lambda number: sink.segment_size(str(number)), range(1, 9)))
    assert [size.contacts for size in sizes] == list(range(1, 9))


def test_a_count_is_waited_for_while_it_is_worked_out(server: HTTPServer, emarsys: Open, waits: list[float]) -> None:
    Script(server, "GET", "/filter/1/contacts/count", BUSY, BUSY, 1234)
    assert emarsys().segment_count("1") == 1234
    assert waits == [0.5, 1.0]


def test_another_run_at_the_same_time_is_waited_for_and_a_failed_one_is_told(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "POST", "/filter/1/runs", refused(423, 10003, "Another segment is running"))
    Script(server, "POST", "/filter/2/runs", {"run_id": "100"})
    Script(server, "GET", "/filter/runs/100", {"run_id": "100", "status": "error"})
    sink = emarsys()
    with pytest.raises(UnavailableError):
        sink.segment_size("1")
    with pytest.raises(UnexpectedReplyError):
        sink.segment_size("2")


def test_a_segment_that_is_gone_is_told(server: HTTPServer, emarsys: Open) -> None:
    server.expect_request("/api/v3/filter/9/contacts").respond_with_response(
        Response('{"replyCode":10002,"replyText":"No segment","data":""}', 404)
    )
    with pytest.raises(UnexpectedReplyError, match="10002"):
        list(emarsys().members("9"))
