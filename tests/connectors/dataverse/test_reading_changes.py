"""Change tracking (contract 3.3): the first read, its gap, what follows, and what a lost token means."""

from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Gone
from connectors.errors import ConfigurationError, ExpiredWatermarkError, UnavailableError, UnexpectedReplyError
from tests.connectors.dataverse.web_api_server import API, WebApi, contact, guid, refusal

EXPIRED = "Version stamp associated with the client has expired. Please perform a full sync."


def read(source: Any, since: str = "", stream: str = "customer") -> tuple[list[Any], str]:
    """Every record (or what became of it) in order, and the watermark."""
    pages = list(source.read(stream, since))
    assert [page.watermark for page in pages[:-1]] == [None] * (len(pages) - 1)
    return [source.streams[stream].map(row).record for page in pages for row in page.rows], pages[-1].watermark


def accounts(records: list[Any]) -> list[str]:
    return [record.account if not isinstance(record, Gone) else f"{record.why}:{record.key[-2:]}" for record in records]


def test_a_first_read_pages_by_the_servers_links_and_remembers_the_delta_link(
    server: HTTPServer, dataverse: Any
) -> None:
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 6)]}, page=2)
    records, watermark = read(dataverse())
    assert accounts(records) == ["C-1", "C-2", "C-3", "C-4", "C-5"]
    baseline = [request for request in api.asked if "$filter" not in request.args]
    assert [request.headers["Prefer"] for request in baseline] == ["odata.track-changes"] * 3
    assert "$deltatoken=1005%2111%2F22%2F2026%2009%3A00%3A00" in watermark
    assert len(watermark) <= 200


def test_a_row_deleted_and_made_again_under_its_id_is_there(server: HTTPServer, dataverse: Any) -> None:
    """All updates are told before all deletions, whatever came first."""
    api = WebApi(server, {"contacts": [contact(1)]})
    _, watermark = read(dataverse())
    api.delete("contacts", guid(1))
    api.change("contacts", guid(1), **contact(1))
    records, _ = read(dataverse(), watermark)
    assert [record.key for record in records] == [guid(1)]
    assert not any(isinstance(record, Gone) for record in records)


def test_the_next_read_follows_the_link_and_brings_only_what_changed(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2), contact(3)]})
    _, watermark = read(dataverse())
    api.change("contacts", guid(2), lastname="Married")
    api.delete("contacts", guid(3))
    api.asked.clear()
    records, later = read(dataverse(), watermark)
    assert [record.last_name for record in records[:1]] == ["Married"]
    assert records[1:] == [Gone(guid(3), "deleted")]
    assert len(api.asked) == 2, "the link, and whether the deleted row is really not there"
    api.asked.clear()
    assert read(dataverse(), later)[0] == []
    assert len(api.asked) == 1


def test_what_changed_while_the_first_read_was_paged_is_read_again(server: HTTPServer, dataverse: Any) -> None:
    """The token is made at the end of the baseline: a change before it and after its page is in neither."""
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 5)]}, page=2)

    def meanwhile(request: Request) -> None:
        if "$skiptoken" in request.args and "$filter" not in request.args:
            api.change("contacts", guid(1), lastname="Late", modifiedon="2999-01-01T00:00:00Z")

    api.before = meanwhile
    records, watermark = read(dataverse())
    assert [record.last_name for record in records if record.key == guid(1)] == ["N1", "Late"]
    gap = next(request for request in api.asked if "$filter" in request.args)
    assert gap.args["$filter"].startswith("modifiedon ge ")
    assert gap.args["$orderby"] == "modifiedon,contactid"
    assert "track-changes" not in gap.headers["Prefer"]
    api.before = lambda request: None
    assert read(dataverse(), watermark)[0] == []


def test_the_gap_is_measured_by_the_servers_clock(
    server: HTTPServer, dataverse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    another_time = "Fri, 02 Jan 2015 03:10:00 GMT"
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: another_time)
    read(dataverse(GAP_MINUTES="10"))
    assert [request.args["$filter"] for request in api.asked if "$filter" in request.args] == [
        "modifiedon ge 2015-01-02T03:00:00Z"
    ]


def test_a_broken_off_first_read_goes_on_at_its_page(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 8)]}, page=2)
    source = dataverse()
    pages = source.read("customer", "")
    first, second = next(pages), next(pages)
    pages.close()
    assert 0 < len(second.resume) <= 400
    api.asked.clear()
    again = list(dataverse().read("customer", "", second.resume))
    keys = [source.streams["customer"].key(row) for page in again for row in page.rows]
    assert keys == [guid(number) for number in range(5, 8)]
    assert len(first.rows) == len(second.rows) == 2
    assert again[-1].watermark


def test_every_resume_point_goes_on_with_what_is_missing(server: HTTPServer, dataverse: Any) -> None:
    rows = {"contacts": [contact(number) for number in range(1, 6)],
            "accounts": [{"accountid": guid(number, "a"), "accountnumber": f"A-{number}", "statecode": 0,
                          "modifiedon": "2999-01-01T00:00:00Z"} for number in range(1, 6)]}  # fmt: skip
    WebApi(server, rows, page=2)
    source = dataverse(TABLES="contacts,accounts")
    pages = list(source.read("customer", ""))
    rows_of = [list(page.rows) for page in pages]
    for number, page in enumerate(pages[:-1]):
        assert page.resume
        rest = list(source.read("customer", "", page.resume))
        assert [list(one.rows) for one in rest] == rows_of[number + 1 :]
        assert rest[-1].watermark == pages[-1].watermark


def test_a_resume_point_that_is_none_of_ours_starts_over(server: HTTPServer, dataverse: Any) -> None:
    WebApi(server, {"contacts": [contact(1)]})
    assert [len(page.rows) for page in dataverse().read("customer", "", "what is this")] == [1, 0]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(400, "0x80044352", EXPIRED), (410, "", ""), (400, "", "The deltatoken is invalid."), (400, "", EXPIRED)],
)
def test_an_expired_token_asks_for_a_full_read(
    server: HTTPServer, dataverse: Any, status: int, code: str, message: str
) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    _, watermark = read(dataverse())
    api.before = lambda request: refusal(status, code, message) if "$deltatoken" in request.args else None
    with pytest.raises(ExpiredWatermarkError) as raised:
        read(dataverse(), watermark)
    assert "in full" in raised.value.remedy
    assert raised.value.request == f"GET {API}contacts"
    assert accounts(read(dataverse())[0]) == ["C-1"]


def test_two_tables_share_a_watermark(server: HTTPServer, dataverse: Any) -> None:
    account = {"accountid": guid(1, "a"), "accountnumber": "A-1", "name": "Contoso", "statecode": 0}
    api = WebApi(server, {"contacts": [contact(1)], "accounts": [account]})
    records, watermark = read(dataverse(TABLES="contacts,accounts"))
    assert accounts(records) == ["C-1", "A-1"]
    assert len(watermark) <= 200
    api.change("accounts", guid(1, "a"), name="Contoso Ltd")
    later, _ = read(dataverse(TABLES="contacts,accounts"), watermark)
    assert [record.organisation for record in later] == ["Contoso Ltd"]


def test_a_table_that_is_added_later_is_read_whole_and_the_other_followed(server: HTTPServer, dataverse: Any) -> None:
    account = {"accountid": guid(1, "a"), "accountnumber": "A-1", "statecode": 0}
    WebApi(server, {"contacts": [contact(1)], "accounts": [account]})
    _, watermark = read(dataverse())
    assert accounts(read(dataverse(TABLES="contacts,accounts"), watermark)[0]) == ["A-1"]


def test_other_columns_make_the_next_read_a_full_one(server: HTTPServer, dataverse: Any) -> None:
    """A row that did not change would never show the new column."""
    WebApi(server, {"contacts": [contact(1, new_tier="gold")]})
    _, watermark = read(dataverse())
    records, _ = read(dataverse(TIER_FIELD="new_tier"), watermark)
    assert [record.loyalty_tier for record in records] == ["gold"]


def test_a_table_without_change_tracking_is_named(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    api.before = lambda request: Response('{"value": []}', 200)
    with pytest.raises(UnexpectedReplyError, match="no delta link") as raised:
        read(dataverse())
    assert "Turn on change tracking for contact" in raised.value.remedy


def test_a_link_that_comes_again_ends_the_read(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    link = server.url_for(f"{API}contacts?$skiptoken=again")
    api.before = lambda request: Response(f'{{"value": [], "@odata.nextLink": "{link}"}}', 200)
    with pytest.raises(UnexpectedReplyError, match="again and again"):
        read(dataverse())


def test_a_link_to_another_host_is_not_followed(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    api.before = lambda request: Response('{"value": [], "@odata.nextLink": "https://evil.example.com/contacts"}', 200)
    with pytest.raises(UnexpectedReplyError, match="another host"):
        read(dataverse())
    assert len(api.asked) == 1


def test_without_the_right_to_read_everything_an_admin_is_told(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    api.before = lambda request: refusal(403, "0x80040220", "Principal user is missing prvReadContact privilege")
    with pytest.raises(ConfigurationError) as raised:
        read(dataverse())
    assert "whole organisation" in raised.value.remedy
    assert "prvReadContact" in raised.value.reply


@pytest.mark.parametrize("code", ["0x80072322", "0x80072321", "0x80072326"])
def test_a_limit_is_waited_out_as_long_as_the_service_says(
    server: HTTPServer, dataverse: Any, slept: list[float], code: str
) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    refusals = [refusal(429, code, "exceeded the limit", **{"Retry-After": "17"})]
    api.before = lambda request: refusals.pop() if refusals else None
    assert accounts(read(dataverse())[0]) == ["C-1"]
    assert slept == [17.0]


def test_a_long_wait_is_left_to_the_run(server: HTTPServer, dataverse: Any, slept: list[float]) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    api.before = lambda request: refusal(429, "0x80072321", "exceeded the limit", **{"Retry-After": "240"})
    with pytest.raises(UnavailableError) as raised:
        read(dataverse())
    assert raised.value.retry_after == 240.0
    assert slept == []


def test_half_a_character_does_not_cost_the_page(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, firstname="A\ud800na")]})
    records, _ = read(dataverse())
    assert [record.first_name for record in records] == ["Ana"]
    assert api.asked
