"""Consent is written back once, and only where somebody switched it on (contract 7.3)."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from werkzeug import Response

from connectors.base import Known, Outcome
from connectors.errors import ConfigurationError, RecordError, UnknownOutcomeError
from connectors.prima.site_files import ASSUMED
from connectors.records import Consent
from tests.connectors.prima.soap_server import DETAIL, FAULT, SoapServer, response

Open = Callable[..., Any]
AT = datetime(2024, 3, 2, 9, tzinfo=UTC)
OK = '<Response RequestStatus="OK"><Data Customer="C1" LastChanged="02/03/2024 09:00:03"/></Response>'


def encoded(source: Any, *channels: str, given: str = "no") -> list[Any]:
    return [source.inlets["consent"].encode(
        Consent(key=f"C1|{channel}", customer="C1", channel=channel, given=given, at=AT), Known())[0]
        for channel in channels]  # fmt: skip


def test_only_the_flags_that_changed_are_sent_with_the_deliverys_key(soap: SoapServer, prima: Open) -> None:
    soap.says(OK)
    source = prima(CONSENT_WRITE_BACK="yes")
    answer = source.send("consent", encoded(source, "email", "post"), "delivery-1")
    assert [(result.key, result.outcome) for result in answer.results] == [
        ("C1|email", Outcome.ACCEPTED), ("C1|post", Outcome.ACCEPTED)
    ]  # fmt: skip
    assert soap.asked[0].get("RequestType") == "CustomerUpdate"
    assert soap.data(0) == {"UniqueId": "delivery-1", "Customer": "C1", "ConsentDate": "02/03/2024 09:00:00",
                            "ConsentSource": "EMARSYS", "ReceiveEmail": "No", "ReceiveMail": "No"}  # fmt: skip
    assert b"02/03/2024 09:00:03" in answer.reply


@pytest.mark.parametrize(("how", "texts"), [("empty", ""), ("current", "Yes")])
def test_what_does_not_change_is_sent_as_the_site_needs_it(
    soap: SoapServer, prima: Open, tmp_path: Any, how: str, texts: str
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(ASSUMED.read_text().replace("unchanged: omit", f"unchanged: {how}"))
    soap.answers = lambda request: (
        OK
        if request.get("RequestType") == "CustomerUpdate"
        else response('<Customer Customer="C1" Status="Active" ReceiveText="Yes"/>')
    )
    source = prima(CONSENT_WRITE_BACK="yes", MAPPING_FILE=str(path))
    source.send("consent", encoded(source, "email"), "d")
    sent = next(request for request in soap.asked if request.get("RequestType") == "CustomerUpdate").find("Data")
    assert sent.get("ReceiveEmail") == "No"
    assert sent.get("ReceiveText") == texts


def test_nothing_is_sent_while_write_back_is_off(soap: SoapServer, prima: Open) -> None:
    source = prima()
    with pytest.raises(ConfigurationError, match="not written back") as raised:
        source.send("consent", encoded(source, "email"), "d")
    assert "CONSENT_WRITE_BACK=yes" in raised.value.remedy
    assert soap.asked == []


def test_a_dry_run_logs_the_request_and_sends_nothing(
    soap: SoapServer, prima: Open, caplog: pytest.LogCaptureFixture
) -> None:
    source = prima(CONSENT_WRITE_BACK="dry-run")
    with caplog.at_level(logging.INFO, "connectors.prima"):
        answer = source.send("consent", encoded(source, "email"), "d")
    assert [(result.outcome, result.code) for result in answer.results] == [(Outcome.REJECTED, "dry_run")]
    assert "customer C1, {'email': 'no'}" in caplog.text
    assert soap.asked == []


def test_a_refusal_is_the_records_own(soap: SoapServer, prima: Open) -> None:
    soap.says('<Response RequestStatus="ERROR" RequestError="Customer not on file"/>')
    source = prima(CONSENT_WRITE_BACK="yes")
    result = source.send("consent", encoded(source, "email"), "d").results[0]
    assert (result.outcome, result.message) == (Outcome.REJECTED, "Customer not on file")


@pytest.mark.parametrize(
    "lost",
    [
        Response(b"<html></html>", 200),
        Response(FAULT.format(code="Server", detail=DETAIL.format(text="agent died", id="7")), 500),
        Response(b"cut", headers={"Content-Length": "500"}),
        Response(b"", 503),
    ],
)
def test_after_a_lost_answer_the_customer_is_read_before_anything_is_sent_again(
    soap: SoapServer, prima: Open, slept: list[float], lost: Response
) -> None:
    written = []

    def answers(request: Any) -> Any:
        if request.get("RequestType") == "CustomerUpdate":
            written.append(request)
            return lost
        return response('<Customer Customer="C1" Status="Active" ReceiveEmail="No" ReceiveMail="Yes"/>')

    soap.answers = answers
    source = prima(CONSENT_WRITE_BACK="yes")
    with pytest.raises(UnknownOutcomeError):
        source.send("consent", encoded(source, "email"), "d")
    assert len(written) == 1
    answer = source.send("consent", encoded(source, "email"), "d")
    assert [result.outcome for result in answer.results] == [Outcome.ACCEPTED]
    assert len(written) == 1


def test_the_site_can_be_asked_what_it_holds(soap: SoapServer, prima: Open) -> None:
    soap.says(response('<Customer Customer="C1" Status="Active" ReceiveEmail="No" ReceiveText=""/>'))
    source = prima()
    held = source.look("consent", ["C1|email", "C1|sms"])
    assert {key: observed.fields["given"] for key, observed in held.items()} == {"C1|email": "no", "C1|sms": ""}
    record = Consent(key="C1|email", customer="C1", given="no")
    assert source.find("consent", [record])["C1|email"][0].target_id == "C1"
    assert len(next(iter(source.scan("consent")))) == 4


@pytest.mark.parametrize(("channel", "given"), [("email", ""), ("fax", "no"), ("email", "maybe")])
def test_what_nobody_knows_is_not_written(prima: Open, channel: str, given: str) -> None:
    with pytest.raises(RecordError):
        encoded(prima(), channel, given=given)
