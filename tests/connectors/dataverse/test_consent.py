"""Consent: read by flags or by contact point, written with If-Match only (contract 3.6)."""

import json
import threading
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Excluded, Gone, Known, Outcome
from connectors.errors import ConfigurationError, UnavailableError
from connectors.records import Consent
from tests.connectors.dataverse.test_reading_changes import read
from tests.connectors.dataverse.web_api_server import WebApi, contact, guid, refusal

POINTS = "msdynmkt_contactpointconsent4s"
PURPOSE = "10000000-0000-0000-0000-000000000001"
BY_POINT = {"CONSENT_SOURCE": "contact_point", "CONSENT_PURPOSE": PURPOSE}


def consent(number: int, given: str = "no", **values: Any) -> Consent:
    evidence = {"evidence": "double opt-in"} if given == "yes" else {}
    return Consent(**{"key": f"C-{number}", "customer": guid(number), "given": given, **evidence, **values})


def send(sink: Any, *records: Consent) -> list[Any]:
    inlet = sink.inlets["consent"]
    return list(sink.send("consent", [inlet.encode(record, Known())[0] for record in records], "k").results)


def point(number: int, email: str, **values: Any) -> dict[str, Any]:
    return {
        "msdynmkt_contactpointconsent4id": guid(number, "e"), "msdynmkt_contactpointvalue": email,
        "msdynmkt_contactpointtype": 534120000, "msdynmkt_contactpointconsenttype": 534120000,
        "msdynmkt_value": 534120001, "_msdynmkt_purposeid_value": PURPOSE, "statecode": 0,
        "modifiedon": "2026-01-01T00:00:00Z", **values,
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------- reading


def test_flags_are_read_by_the_table_of_what_they_say(server: HTTPServer, dataverse: Any) -> None:
    flags = [{}, {"donotbulkemail": True}, {"donotemail": True}, {"donotsendmm": True}]
    WebApi(server, {"contacts": [contact(number, **values) for number, values in enumerate(flags, 1)]})
    records, _ = read(dataverse(), stream="consent")
    assert [record.given for record in records] == ["yes", "no", "no", "no"]
    assert (records[0].at.isoformat(), records[0].at_latest) == ("2026-01-01T00:00:00+00:00", True)
    cautious, _ = read(dataverse(CONSENT_FLAGS="donotbulkemail=no/,followemail=/no"), stream="consent")
    assert [record.given for record in cautious] == ["", "no", "", ""]


def test_a_changed_flag_is_told_with_the_rows_version(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2)]})
    _, watermark = read(dataverse(), stream="consent")
    api.change("contacts", guid(1), donotbulkemail=True)
    api.merge(guid(2), guid(1))
    [first, second], _ = read(dataverse(), watermark, "consent")
    assert (first.given, first.version) == ("no", f'W/"{api.versions[guid(1)]}"')
    assert second == Gone(guid(2), "merged", guid(1))


def test_a_page_of_a_proxy_is_not_taken_for_a_row_that_was_written(
    server: HTTPServer, dataverse: Any, slept: list[float]
) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    sink = dataverse()
    page = Response("<html><title>Back soon</title></html>")
    left = [page]
    api.before = lambda request: left.pop() if request.method == "PATCH" and left else None
    [result] = send(sink, consent(1))
    assert (result.outcome, len(api.patched)) == (Outcome.ACCEPTED, 1)
    api.before = lambda request: page if request.method == "PATCH" else None
    with pytest.raises(UnavailableError, match="an HTML page titled 'Back soon'"):
        send(sink, consent(1, "yes"))
    assert api.tables["contacts"][guid(1)]["donotbulkemail"] is True


def test_contact_points_are_read_for_one_purpose_and_every_contact_with_the_address(
    server: HTTPServer, dataverse: Any
) -> None:
    other = {"_msdynmkt_purposeid_value": "20000000-0000-0000-0000-000000000001"}
    points = [
        point(1, "c1@example.com"), point(2, "twice@example.com", msdynmkt_value=534120002),
        point(3, "nobody@example.com"), point(4, "c1@example.com", **other), point(5, "c1@example.com", statecode=1),
        point(6, "c1@example.com", msdynmkt_contactpointconsenttype=534120001),
    ]  # fmt: skip
    twins = [contact(2, emailaddress1="Twice@example.com"), contact(3, emailaddress1="twice@example.com")]
    WebApi(server, {"contacts": [contact(1), *twins], POINTS: points})
    records, _ = read(dataverse(**BY_POINT), stream="consent")
    told = [record if isinstance(record, Gone) else (record.key, record.rule) if isinstance(record, Excluded)
            else (record.key, record.customer, record.account, record.given) for record in records]  # fmt: skip
    assert told == [
        (guid(1, "e"), guid(1), "C-1", "yes"),
        (guid(2, "e"), guid(2), "C-2", "no"),
        (f"{guid(2, 'e')}|{guid(3)}", guid(3), "C-3", "no"),
        (guid(3, "e"), "no_contact"),
        Gone(guid(5, "e"), "archived"),
    ]
    keys = [key for page in dataverse(**BY_POINT).keys("consent") for key in page]
    assert keys == [guid(1, "e"), guid(2, "e"), f"{guid(2, 'e')}|{guid(3)}", guid(3, "e")]


def test_contact_point_consent_needs_its_purpose(server: HTTPServer, dataverse: Any) -> None:
    with pytest.raises(ConfigurationError, match="ERP_CONSENT_PURPOSE"):
        dataverse(CONSENT_SOURCE="contact_point")


# ---------------------------------------------------------------------------------------------------- writing


def test_an_opt_out_is_written_with_the_rows_version_and_nothing_else(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    before = api.versions[guid(1)]
    [result] = send(dataverse(), consent(1))
    assert api.patched == [(guid(1), f'W/"{before}"', {"donotbulkemail": True})]
    assert (result.outcome, result.target_id) == (Outcome.ACCEPTED, guid(1))
    assert api.tables["contacts"][guid(1)]["donotbulkemail"] is True


def test_our_own_write_is_recognised_when_the_feed_brings_it_back(server: HTTPServer, dataverse: Any) -> None:
    WebApi(server, {"contacts": [contact(1)]})
    system = dataverse()
    _, watermark = read(system, stream="consent")
    [result] = send(system, consent(1))
    [echo], _ = read(system, watermark, "consent")
    assert result.message == echo.version == system.look("consent", [guid(1)])[guid(1)].fields["version"]


def test_what_is_so_already_is_not_written(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, donotbulkemail=True)]})
    [result] = send(dataverse(), consent(1))
    assert (result.outcome, api.patched) == (Outcome.ACCEPTED, [])
    assert result.message == f'W/"{api.versions[guid(1)]}"'


def test_a_contact_is_found_by_the_erps_number(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2)]})
    results = send(dataverse(), consent(1, customer="C-1"), consent(2, customer="usmf|C-2"))
    assert [result.outcome for result in results] == [Outcome.ACCEPTED] * 2
    assert sorted(key for key, *_ in api.patched) == [guid(1), guid(2)]


def test_the_master_of_a_merged_contact_is_written(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2), contact(3)]})
    api.merge(guid(1), guid(2))
    api.merge(guid(2), guid(3))
    [result] = send(dataverse(), consent(1))
    assert (result.outcome, result.target_id) == (Outcome.ACCEPTED, guid(3))
    assert [key for key, *_ in api.patched] == [guid(3)]


def test_an_inactive_contact_is_rejected_with_its_reason(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, statecode=1)]})
    [result] = send(dataverse(), consent(1))
    assert (result.outcome, result.code, api.patched) == (Outcome.REJECTED, "inactive", [])


@pytest.mark.parametrize("customer", [guid(9), "C-9", "' or 1 eq 1"])
def test_nobody_is_created(server: HTTPServer, dataverse: Any, customer: str) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    [result] = send(dataverse(), consent(9, customer=customer))
    assert (result.outcome, result.code, api.patched) == (Outcome.REJECTED, "not_found", [])
    assert len(api.tables["contacts"]) == 1


def test_a_contact_that_vanishes_meanwhile_is_rejected(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})

    def vanish(request: Request) -> None:
        if request.method == "PATCH":
            api.delete("contacts", guid(1))

    api.before = vanish
    [result] = send(dataverse(), consent(1))
    assert (result.outcome, result.code) == (Outcome.REJECTED, "0x80040217")
    assert api.tables["contacts"] == {}


def changing(api: WebApi, times: int, **values: Any) -> None:
    """Somebody else changes the contact just before each of the next writes arrives."""
    left = [values] * times

    def before(request: Request) -> None:
        if request.method == "PATCH" and left:
            api.change("contacts", guid(1), **left.pop())

    api.before = before


def test_a_row_that_changed_meanwhile_is_read_and_decided_again(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    changing(api, 2, lastname="Married")
    [result] = send(dataverse(), consent(1))
    assert (result.outcome, len(api.patched)) == (Outcome.ACCEPTED, 3)
    assert len({version for _, version, _ in api.patched}) == 3
    assert api.tables["contacts"][guid(1)]["lastname"] == "Married"


def test_a_row_that_never_rests_is_left_for_later(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    changing(api, 99, lastname="Again")
    [result] = send(dataverse(), consent(1))
    assert (result.outcome, result.code, len(api.patched)) == (Outcome.RETRYABLE, "changed_meanwhile", 3)
    assert api.tables["contacts"][guid(1)]["donotbulkemail"] is False


def test_a_consent_withdrawn_between_read_and_write_stays_withdrawn(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, donotbulkemail=True, donotemail=False)]})
    api.tables["contacts"][guid(1)]["donotbulkemail"] = None
    changing(api, 1, donotbulkemail=True)
    [result] = send(dataverse(), consent(1, "yes"))
    assert (result.outcome, result.code) == (Outcome.REJECTED, "withdrawn_meanwhile")
    assert api.tables["contacts"][guid(1)]["donotbulkemail"] is True


def test_an_opt_in_does_not_lift_a_refusal_that_we_do_not_write(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, donotbulkemail=True, donotemail=True)]})
    [result] = send(dataverse(), consent(1, "yes"))
    assert (result.outcome, result.code, result.field) == (Outcome.REJECTED, "refused_elsewhere", "donotemail")
    [result] = send(dataverse(CONSENT_WRITE="donotbulkemail,donotemail"), consent(1, "yes"))
    assert result.outcome is Outcome.ACCEPTED
    assert api.patched[-1][2] == {"donotbulkemail": False, "donotemail": False}


def test_a_lost_answer_is_asked_again_without_harm(server: HTTPServer, dataverse: Any, slept: list[float]) -> None:
    """The repeated PATCH meets the version that the first one made: the row says already what was wished."""
    api = WebApi(server, {"contacts": [contact(1)]})
    answer, lost = api._patch, [True]

    def losing(path: str, request: Request) -> Response:
        found = answer(path, request)
        return Response("", 503) if lost and lost.pop() else found

    api._patch = losing
    [result] = send(dataverse(), consent(1))
    assert (result.outcome, len(api.patched)) == (Outcome.ACCEPTED, 2)
    assert result.message == f'W/"{api.versions[guid(1)]}"'


def test_one_record_in_trouble_leaves_the_others_their_results(
    server: HTTPServer, dataverse: Any, slept: list[float]
) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2)]})
    throttled = refusal(429, "0x80072322", "exceeded", **{"Retry-After": "200"})
    api.before = lambda request: throttled if request.method == "PATCH" and guid(1) in request.path else None
    results = send(dataverse(), consent(1), consent(2))
    assert [result.outcome for result in results] == [Outcome.RETRYABLE, Outcome.ACCEPTED]
    with pytest.raises(UnavailableError) as raised:
        send(dataverse(), consent(1))
    assert raised.value.retry_after == 200.0


def test_no_more_writes_at_a_time_than_the_setting_says(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 41)]})
    lock, together = threading.Lock(), [0, 0]
    answer = api._patch

    def counting(path: str, request: Request) -> Response:
        with lock:
            together[0] += 1
            together[1] = max(together)
        found = answer(path, request)
        with lock:
            together[0] -= 1
        return found

    api._patch = counting
    results = send(dataverse(CONCURRENCY="3"), *(consent(number) for number in range(1, 41)))
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    assert 1 <= together[1] <= 3


def test_contact_point_consent_is_changed_where_it_exists(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2)], POINTS: [point(1, "c1@example.com")]})
    sink = dataverse(**BY_POINT)
    results = send(sink, consent(1, email="C1@example.com"), consent(2, email="c2@example.com"))
    assert [(result.outcome, result.code) for result in results] == [
        (Outcome.ACCEPTED, ""), (Outcome.REJECTED, "not_found"),
    ]  # fmt: skip
    assert [(key, body) for key, _, body in api.patched] == [(guid(1, "e"), {"msdynmkt_value": 534120002})]
    assert sink.look("consent", ["c1@example.com"])["c1@example.com"].fields["given"] == "no"


def test_consent_is_read_back_one_by_one_and_all(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, donotbulkemail=True), contact(2), contact(3, statecode=1)]}, page=1)
    sink = dataverse()
    looked = sink.look("consent", ["C-1", guid(2), "usmf|C-2", "C-9"])
    assert {key: seen.fields["given"] for key, seen in looked.items()} == {
        "C-1": "no",
        guid(2): "yes",
        "usmf|C-2": "yes",
    }
    scanned = [seen for page in sink.scan("consent") for seen in page]
    assert [(seen.target_id, seen.key, seen.fields["given"]) for seen in scanned] == [
        (guid(1), "C-1", "no"), (guid(2), "C-2", "yes"),
    ]  # fmt: skip
    found = sink.find("consent", [consent(1), consent(9)])
    assert {key: [one.target_id for one in seen] for key, seen in found.items()} == {"C-1": [guid(1)]}
    assert api.patched == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"CONSENT_FLAGS": "donotbulkemail"}, {"CONSENT_FLAGS": "donotbulkemail=maybe/no"}, {"CONSENT_FLAGS": "a=no/no"},
        {"CONSENT_WRITE": "donotfax"}, {"CONSENT_WRITE": ""}, {"CONSENT_SOURCE": "both"}, {"TABLES": "leads"},
        {"TABLES": ""}, {"EXCLUDE": "emailaddress1=*"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused_by_name(
    server: HTTPServer, dataverse: Any, wrong: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        dataverse(**wrong)
    assert any(f"ERP_{name}" in raised.value.message for name in ("CONSENT_FLAGS", "CONSENT_WRITE", *wrong))


def test_the_evidence_of_a_write_holds_ids_and_versions_only(server: HTTPServer, dataverse: Any) -> None:
    WebApi(server, {"contacts": [contact(1)]})
    sink = dataverse()
    encoded, _ = sink.inlets["consent"].encode(consent(1, email="c1@example.com"), Known())
    reply = sink.send("consent", [encoded], "k").reply
    assert b"example.com" not in encoded.body + reply
    assert json.loads(reply)[0]["target_id"] == guid(1)
