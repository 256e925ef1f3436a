"""Consent, both ways (contract 3.11, 3.12, 9): field 31 travels alone, and is read back as a sweep or as changes."""

import contextlib
import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Excluded, Known, Outcome
from connectors.errors import (
    ConfigurationError,
    ConnectorError,
    ExpiredWatermarkError,
    UnavailableError,
    UnexpectedReplyError,
)
from connectors.records import Consent
from tests.connectors.conftest import Open, emarsys_of
from tests.connectors.test_emarsys_contacts import Script, ok, refused

VIENNA_NOON = datetime(2026, 1, 15, 11, 0, tzinfo=UTC)
LADDER = ("scheduled", "in progress", "ready", "done")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("connectors.emarsys.exports.time.sleep", found.append)
    monkeypatch.setattr("connectors.emarsys.consents.now", lambda: VIENNA_NOON)
    return found


# ------------------------------------------------------------------------------------------------------- the inlet


def opt_out(number: str) -> Consent:
    return Consent(key=f"usmf|{number}", customer=f"usmf|{number}", account=number, given="no")


def test_an_opt_in_is_written_alone_and_creates_nobody(server: HTTPServer, emarsys: Open) -> None:
    put = Script(server, "PUT", "/contact/", {"ids": ["11"], "errors": {"C-2": {"2008": "No contact found"}}})
    Script(server, "POST", "/contact/checkids", {"ids": {"C-1": "11"}})
    sink = emarsys()
    given = Consent(key="C-1", customer="C-1", given="yes", evidence="double opt-in 2026-01-02", email="a@example.com")
    batch = [sink.inlets["consent"].encode(one, Known())[0] for one in (given, opt_out("C-2"))]
    first, second = sink.send("consent", batch, "key").results
    assert put.sent[0] == {"key_id": "10569", "contacts": [{"10569": "C-1", "31": 1}, {"10569": "C-2", "31": 2}]}
    assert "create_if_not_exists" not in put.asked[0].args
    assert (first.outcome, first.target_id) == (Outcome.ACCEPTED, "11")
    assert (second.outcome, second.code) == (Outcome.REJECTED, "2008")


@pytest.mark.parametrize(("held", "given"), [("1", "yes"), ("2", "no"), (None, ""), ("", "")])
def test_what_is_held_can_be_looked_at(server: HTTPServer, emarsys: Open, held: str | None, given: str) -> None:
    read = Script(server, "POST", "/contact/getdata", {"result": [{"id": "11", "10569": "C-1", "31": held}]})
    sink = emarsys()
    seen = sink.look("consent", ["usmf|C-1"])["usmf|C-1"]
    assert (seen.target_id, seen.key, dict(seen.fields)) == ("11", "C-1", {"given": given})
    assert read.sent[0]["fields"] == ["10569", "31"]
    sent, _ = sink.inlets["consent"].encode(opt_out("C-1"), Known())
    assert sink.inlets["consent"].expected(sent) == {"given": "no"}


def test_a_refused_opt_in_names_the_field(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "PUT", "/contact/", {"ids": [], "errors": {"C-1": {"2007": "Invalid choice id for field id: 31"}}})
    sink = emarsys()
    batch = [sink.inlets["consent"].encode(opt_out("C-1"), Known())[0]]
    (result,) = sink.send("consent", batch, "key").results
    assert (result.outcome, result.code, result.field) == (Outcome.REJECTED, "2007", "given")


# ------------------------------------------------------------------------------------------------------- the sweep


def contacts(server: HTTPServer, total: int) -> list[int]:
    """An account of so many contacts; every third has no external id. Gives the sizes of the look-ups."""
    sizes: list[int] = []

    def query(request: Request) -> Response:
        start, most = int(request.args["offset"]), int(request.args["limit"])
        found = [{"id": str(number), "10569": f"C-{number}"} for number in range(start, min(start + most, total))]
        return ok({"errors": [], "result": found or False})

    def getdata(request: Request) -> Response:
        body = request.get_json()
        sizes.append(len(body["keyValues"]))
        assert (body["keyId"], body["fields"]) == ("id", ["10569", "3", "31"])
        return ok({"errors": [], "result": [contact(number) for number in body["keyValues"]]})

    server.expect_request("/api/v3/contact/query/").respond_with_handler(query)
    server.expect_request("/api/v3/contact/getdata").respond_with_handler(getdata)
    server.expect_request("/api/v3/settings").respond_with_handler(lambda _: ok({"timezone": "Europe/Vienna"}))
    return sizes


OPT_INS = (None, "1", "2")


def contact(number: str) -> dict[str, Any]:
    external = f"C-{number}" if int(number) % 3 else None
    return {
        "id": number,
        "uid": "x",
        "10569": external,
        "3": f"{number}@example.com",
        "31": (None, "1", "2")[int(number) % 3],
    }


def test_the_sweep_reads_everybody_s_state_in_thousands(server: HTTPServer, emarsys: Open) -> None:
    sizes = contacts(server, 11_500)
    source = emarsys()
    pages = list(source.read("consent", ""))
    rows = [row for page in pages for row in page.rows]
    assert len(rows) == 11_500
    assert sizes == [1000] * 11 + [500]
    assert [page.watermark for page in pages[:-1]] == [None] * 12
    assert pages[-1].watermark == "2026-01-15"
    mapped = [source.streams["consent"].map(row).record for row in rows[:4]]
    assert isinstance(mapped[0], Excluded)
    assert (mapped[0].rule, mapped[0].key) == ("no_external_id", "emarsys:0")
    assert mapped[1] == Consent(key="C-1", customer="C-1", given="yes", source="emarsys", email="1@example.com")
    assert (mapped[2].given, mapped[2].at) == ("no", None)


def test_a_sweep_goes_on_where_it_stopped_with_the_day_it_began(server: HTTPServer, emarsys: Open) -> None:
    contacts(server, 3_500)
    pages = list(emarsys().read("consent", ""))
    rest = list(emarsys().read("consent", "", pages[1].resume))
    assert [row for page in rest for row in page.rows] == [row for page in pages[2:] for row in page.rows]
    assert rest[-1].watermark == "2026-01-15"


def test_single_people_are_read_by_external_id_or_by_their_number(server: HTTPServer, emarsys: Open) -> None:
    read = Script(server, "POST", "/contact/getdata", {"result": [contact("3")]}, {"result": [contact("1")]})
    source = emarsys()
    rows = [row for page in source.fetch("consent", ["C-1", "emarsys:3", "C-9"]) for row in page.rows]
    assert [source.streams["consent"].key(row) for row in rows] == ["emarsys:3", "C-1"]
    assert [(sent["keyId"], sent["keyValues"]) for sent in read.sent] == [("id", ["3"]), ("10569", ["C-1", "C-9"])]


def test_every_key_is_told_for_the_sweep_of_what_is_gone(server: HTTPServer, emarsys: Open) -> None:
    rows = [{"id": "1", "10569": "C-1"}, {"id": "2", "10569": None}]
    Script(server, "GET", "/contact/query/", {"result": rows})
    assert [key for keys in emarsys().keys("consent") for key in keys] == ["C-1", "emarsys:2"]


# ----------------------------------------------------------------------------------------------------- the changes


class Export:
    """A changes export of this account, its rows as (id, external id, e-mail, opt-in) in the CSV."""

    def __init__(self, server: HTTPServer, rows: list[tuple[str, ...]], header: str = "user_id,number,E-Mail,Opt-In",
                 created: str = "2026-01-15 12:00:01", ladder: tuple[str, ...] = LADDER, zone: str = "Europe/Vienna",
                 ) -> None:  # fmt: skip
        self.rows, self.header, self.created, self.ladder = rows, header, created, list(ladder)
        self.slices: list[tuple[int, int]] = []
        self.started = Script(server, "POST", "/contact/getchanges", {"id": 2140})
        Script(server, "GET", "/settings", {"timezone": zone})
        server.expect_request("/api/v3/export/2140").respond_with_handler(self._status)
        server.expect_request("/api/v3/export/2140/data").respond_with_handler(self._data)

    def _status(self, request: Request) -> Response:
        status = self.ladder.pop(0) if len(self.ladder) > 1 else self.ladder[0]
        return ok({"id": "2140", "created": self.created, "status": status, "type": "responses",
                   "file_name": "changes.csv" if status == "done" else None})  # fmt: skip

    def _data(self, request: Request) -> Response:
        offset, limit = int(request.args["offset"]), int(request.args["limit"])
        self.slices.append((offset, limit))
        lines = [self.header, *(",".join(row) for row in self.rows[offset : offset + limit])]
        return Response("\r\n".join(lines) + "\r\n", content_type="text/csv;charset=UTF-8")


CHANGES = [("11", "C-1", "ana@example.com", "False"), ("12", "C-2", "", "True"), ("13", "", "f@example.com", "False"),
           ("14", "C-4", "x@example.com", "")]  # fmt: skip


def changed(source: Any, since: str = "2026-01-15", resume: str = "") -> list[Any]:
    rows = [row for page in source.read("consent", since, resume) for row in page.rows]
    return [source.streams["consent"].map(row).record for row in rows]


def test_changes_are_exported_over_two_different_days_of_the_account(server: HTTPServer, emarsys: Open) -> None:
    export = Export(server, CHANGES)
    changed(emarsys())
    assert export.started.sent == [{
        "distribution_method": "local", "origin": "all", "origin_id": "0", "time_range": ["2026-01-14", "2026-01-17"],
        "contact_fields": ["10569", "3", "31"], "delimiter": ",", "add_field_names_header": 1, "language": "en",
    }]  # fmt: skip


@pytest.mark.parametrize(
    ("now", "zone", "since", "days"),
    [
        (datetime(2026, 1, 15, 23, 30, tzinfo=UTC), "Europe/Vienna", "2026-01-15", ["2026-01-14", "2026-01-18"]),
        (datetime(2026, 1, 15, 1, 30, tzinfo=UTC), "America/New_York", "2026-01-14", ["2026-01-13", "2026-01-16"]),
        (datetime(2026, 1, 15, 11, 0, tzinfo=UTC), "Europe/Vienna", "2026-01-02", ["2026-01-01", "2026-01-17"]),
        (datetime(2026, 1, 15, 11, 0, tzinfo=UTC), "Europe/Vienna", "2026-02-02", ["2026-01-14", "2026-01-17"]),
    ],
)
def test_days_are_the_account_s_whatever_the_watermark(
    server: HTTPServer, emarsys: Open, monkeypatch: pytest.MonkeyPatch, now: datetime, zone: str, since: str,
    days: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("connectors.emarsys.consents.now", lambda: now)
    export = Export(server, [], zone=zone)
    changed(emarsys(), since)
    assert export.started.sent[0]["time_range"] == days
    assert date.fromisoformat(days[0]) < date.fromisoformat(days[1])


def test_an_export_is_waited_for_with_growing_pauses(server: HTTPServer, emarsys: Open, waits: list[float]) -> None:
    Export(server, CHANGES, ladder=("scheduled", *["in progress"] * 6, "ready", "done"))
    assert len(changed(emarsys())) == 4
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_an_export_that_takes_too_long_is_left_to_the_next_run(server: HTTPServer, emarsys: Open) -> None:
    Export(server, CHANGES, ladder=("in progress",))
    with pytest.raises(UnavailableError, match="in progress") as raised:
        changed(emarsys(EXPORT_WAIT="0"))
    assert raised.value.retry_after


def test_an_export_that_failed_is_told(server: HTTPServer, emarsys: Open) -> None:
    Export(server, CHANGES, ladder=("scheduled", "error"))
    with pytest.raises(UnexpectedReplyError, match="2140"):
        changed(emarsys())


def test_the_same_export_still_running_is_waited_for_by_the_run(server: HTTPServer, emarsys: Open) -> None:
    Export(server, CHANGES)
    server.clear()
    source = emarsys_of(server)
    Script(server, "GET", "/settings", {"timezone": "Europe/Vienna"})
    Script(server, "POST", "/contact/getchanges", refused(400, 4001, "Same export running"))
    with pytest.raises(UnavailableError) as raised:
        changed(source)
    assert raised.value.retry_after == 60.0


def test_rows_are_read_by_position_and_labels_in_english(server: HTTPServer, emarsys: Open) -> None:
    Export(server, CHANGES, header="user_id,Kundennummer,E-Mail-Adresse,Anmeldestatus")
    ana, bo, form, unknown = changed(emarsys())
    assert (ana.key, ana.given, ana.email) == ("C-1", "no", "ana@example.com")
    assert (bo.given, form.rule, form.record.given) == ("yes", "no_external_id", "no")
    assert (unknown.key, unknown.given) == ("C-4", "")


@pytest.mark.parametrize(
    ("created", "moment"),
    [
        ("2026-01-15 12:00:01", datetime(2026, 1, 15, 11, 0, 1, tzinfo=UTC)),
        ("2026-07-15 12:00:01", datetime(2026, 7, 15, 10, 0, 1, tzinfo=UTC)),
        ("2026-10-25 02:30:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),  # occurs twice: the later is the bound
    ],
)
def test_the_effective_time_is_the_export_s_from_vienna_as_an_upper_bound(
    server: HTTPServer, emarsys: Open, created: str, moment: datetime
) -> None:
    Export(server, CHANGES, created=created, zone="America/New_York")
    assert {(one.at, one.at_latest) for one in changed(emarsys()) if not isinstance(one, Excluded)} == {(moment, True)}


def test_the_watermark_is_the_export_s_day_in_the_account(server: HTTPServer, emarsys: Open) -> None:
    Export(server, [], created="2026-01-15 03:00:00", zone="America/New_York")
    (page,) = emarsys().read("consent", "2026-01-14")
    assert (list(page.rows), page.watermark) == ([], "2026-01-14")


def test_a_large_export_is_downloaded_in_slices(server: HTTPServer, emarsys: Open) -> None:
    rows = [(str(number), f"C-{number}", "", "False") for number in range(25)]
    export = Export(server, rows)
    pages = list(emarsys(EXPORT_SLICE="10").read("consent", "2026-01-15"))
    assert export.slices == [(0, 10), (10, 10), (20, 10), (25, 10)]
    assert [json.loads(row)["external_id"] for page in pages for row in page.rows] == [row[1] for row in rows]


def test_reading_goes_on_in_the_same_export_or_in_a_new_one(server: HTTPServer, emarsys: Open) -> None:
    rows = [(str(number), f"C-{number}", "", "False") for number in range(25)]
    export = Export(server, rows)
    first, *_ = emarsys(EXPORT_SLICE="10").read("consent", "2026-01-15")
    assert [one.key for one in changed(emarsys(EXPORT_SLICE="10"), resume=first.resume)] == [
        f"C-{n}" for n in range(10, 25)
    ]
    assert len(export.started.asked) == 1
    lost = json.dumps(["99", "2026-01-15T11:00:01+00:00", 10])
    Script(server, "GET", "/export/99/data", refused(410, 4003, "The export file is gone"))
    assert len(changed(emarsys(EXPORT_SLICE="10"), resume=lost)) == 25
    assert len(export.started.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        Response("Sorry, we are busy.\nCome back later."),
        Response("user_id,a,b,c\r\n1,C-1,,True\r\nTotal,,,1\r\n"),
        Response(b"user_id,a,b,c\r\n1,\xff\xfe,x,True\r\n"),
        Response('user_id,a,b,c\r\n1,"x,y,z,True\r\n'),
        Response("user_id,a\r\n1,C-1\r\n"),
        ok({"status": "done"}),
    ],
)
def test_a_download_that_is_no_export_is_never_taken_for_an_empty_one(
    server: HTTPServer, emarsys: Open, body: Response
) -> None:
    server.expect_oneshot_request("/api/v3/export/2140/data").respond_with_response(body)
    Export(server, [])
    with pytest.raises(UnexpectedReplyError):
        changed(emarsys())


def test_a_page_where_a_download_belongs_is_asked_for_again(
    server: HTTPServer, emarsys: Open, slept: list[float]
) -> None:
    page = Response("<html>Back soon</html>")
    server.expect_oneshot_request("/api/v3/export/2140/data").respond_with_response(page)
    export = Export(server, CHANGES)
    assert {one.key for one in changed(emarsys())} >= {"C-1", "C-2"}
    assert len(export.started.asked) == 1


@pytest.mark.parametrize(("status", "code"), [(404, 4005), (404, 4006), (410, 4003)])
def test_a_file_that_is_not_there_yet_or_no_longer_makes_the_run_wait(
    server: HTTPServer, emarsys: Open, status: int, code: int
) -> None:
    server.expect_oneshot_request("/api/v3/export/2140/data").respond_with_response(refused(status, code, ""))
    Export(server, CHANGES)
    with pytest.raises(UnavailableError):
        changed(emarsys())


@pytest.mark.parametrize("known", ["yesterday", "0", "[]", "2026-13-01"])
def test_a_watermark_that_is_no_day_means_that_everybody_is_read_again(emarsys: Open, known: str) -> None:
    with pytest.raises(ExpiredWatermarkError):
        list(emarsys().read("consent", known))


def test_emarsys_is_told_where_to_report_a_finished_export(server: HTTPServer, emarsys: Open) -> None:
    export = Export(server, CHANGES)
    changed(emarsys(NOTIFICATION_URL="https://console.example.com/hooks/export"))
    assert export.started.sent[0]["notification_url"] == "https://console.example.com/hooks/export"


@pytest.mark.parametrize(
    "url",
    ["http://console.example.com/x", "https://127.0.0.1/x", "https://10.1.2.3/x", "https://192.168.0.9/", "https://[::1]/x",
     "https://169.254.169.254/latest", "https://localhost/x", "https://console.internal/x", "https://console/x",
     "https://user:secret@console.example.com/x", "ftp://console.example.com", "console.example.com"],
)  # fmt: skip
def test_only_a_public_https_address_may_be_told(server: HTTPServer, emarsys: Open, url: str) -> None:
    export = Export(server, CHANGES)
    with pytest.raises(ConfigurationError, match="NOTIFICATION_URL") as raised:
        changed(emarsys(NOTIFICATION_URL=url))
    assert "secret" not in raised.value.message
    assert export.started.asked == []


@pytest.mark.parametrize("zone", ["Middle/Earth", "../../etc/passwd"])
def test_a_time_zone_nobody_knows_is_named(server: HTTPServer, emarsys: Open, zone: str) -> None:
    Script(server, "GET", "/settings", {"timezone": zone})
    with pytest.raises(ConfigurationError, match="time zone") as raised:
        changed(emarsys())
    assert "ERP_ACCOUNT_ZONE" in raised.value.remedy


def test_the_time_zone_may_be_set(server: HTTPServer, emarsys: Open) -> None:
    export = Export(server, [], zone="Middle/Earth", created="2026-01-15 12:00:00")
    (page,) = emarsys(ACCOUNT_ZONE="Asia/Tokyo").read("consent", "2026-01-15")
    assert page.watermark == "2026-01-15"
    assert export.started.sent[0]["time_range"] == ["2026-01-14", "2026-01-17"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=60) | st.text(st.sampled_from('1,"\r\nTrueC-;'), max_size=60).map(str.encode),
    status=st.sampled_from([200, 200, 404, 410]),
    answer=st.none()
    | st.integers()
    | st.dictionaries(st.sampled_from(["id", "status", "created"]), st.text(max_size=5)),
)
def test_no_export_raises_anything_but_a_typed_error(server: HTTPServer, data: bytes, status: int, answer: Any) -> None:
    server.clear()
    source = emarsys_of(server, EXPORT_WAIT="0")
    Export(server, [])
    sent = [Response(data, status), Response("")]
    server.expect_oneshot_request(re.compile("/api/v3/export/2140/data")).respond_with_handler(lambda _: sent.pop(0))
    with contextlib.suppress(ConnectorError):
        for page in source.read("consent", "2026-01-15"):
            for row in page.rows:
                with contextlib.suppress(ConnectorError):
                    source.streams["consent"].map(row)
    server.clear()
    source = emarsys_of(server, EXPORT_WAIT="0")
    Script(server, "GET", "/settings", {"timezone": "Europe/Vienna"})
    Script(server, "POST", "/contact/getchanges", answer)
    Script(server, "GET", "/export/5", answer)
    with contextlib.suppress(ConnectorError):
        list(source.read("consent", "2026-01-15"))
