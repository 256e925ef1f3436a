"""The service is reached as its description says (contract 3, 8), and what goes wrong has a name."""

import resource
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.errors import ConfigurationError, UnavailableError, UnexpectedReplyError
from connectors.prima import quiet
from connectors.prima.site_files import ASSUMED
from tests.connectors.prima.conftest import rows
from tests.connectors.prima.soap_server import DETAIL, FAULT, PATH, SoapServer, envelope, response, streamed

CUSTOMER = '<Customer Customer="C1" Status="Active" CustomerSurname="Diaz"/>'
Open = Callable[..., Any]


@pytest.mark.parametrize(("style", "use"), [("rpc", "literal"), ("rpc", "encoded"), ("document", "literal")])
def test_each_style_is_spoken_as_described(server: HTTPServer, prima: Open, style: str, use: str) -> None:
    soap = SoapServer(server, style, use, ["anyname"], namespace="urn:omlink:Any")
    soap.says(response(CUSTOMER))
    assert len(rows(prima().read("customer", ""))) == 1
    call = soap.envelopes[0].find("{http://schemas.xmlsoap.org/soap/envelope/}Body")[0]
    assert call.tag == "{urn:omlink:Any}wsomhandler"
    assert call[0].tag == ("{urn:omlink:Any}anyname" if style == "document" else "anyname")
    assert soap.headers[0]["Soapaction"] == '"urn:omlink:act"'
    typed = call[0].get("{http://www.w3.org/2001/XMLSchema-instance}type")
    assert typed == ("xsd:string" if use == "encoded" else None)


def mapping(tmp_path: Path, *changes: tuple[str, str]) -> str:
    text = ASSUMED.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("style", ["rpc", "document"])
def test_the_company_goes_into_the_first_of_two_inputs(
    server: HTTPServer, prima: Open, tmp_path: Path, style: str
) -> None:
    soap = SoapServer(server, style, "literal", ["first", "second"], "comwsomhandler")
    soap.says(response(CUSTOMER))
    site = mapping(tmp_path, ("operation: wsomhandler, company_id: null", "operation: comwsomhandler, company_id: 7"))
    assert len(rows(prima(MAPPING_FILE=site).read("customer", ""))) == 1
    call = soap.envelopes[0].find("{http://schemas.xmlsoap.org/soap/envelope/}Body")[0]
    assert call[0].text == "7"
    assert call[1].text.startswith("<Request ")


def test_two_inputs_without_a_company_need_a_name(server: HTTPServer, prima: Open) -> None:
    SoapServer(server, inputs=["a", "b"])
    with pytest.raises(ConfigurationError, match="cannot be told") as raised:
        list(prima().read("customer", ""))
    assert "input_part" in raised.value.remedy


def test_an_operation_that_is_not_described_is_named(server: HTTPServer, prima: Open) -> None:
    SoapServer(server, operation="other")
    with pytest.raises(ConfigurationError, match="no operation 'wsomhandler'"):
        prima().check()


def test_a_copy_of_the_description_serves_where_the_service_shows_none(
    soap: SoapServer, prima: Open, tmp_path: Path
) -> None:
    file = tmp_path / "service.wsdl"
    file.write_bytes(soap.description)
    soap.says(response(CUSTOMER))
    assert len(rows(prima(WSDL_FILE=str(file)).read("customer", ""))) == 1
    assert soap.described == 0


def test_a_description_with_a_document_type_is_refused(soap: SoapServer, prima: Open) -> None:
    soap.description = soap.description.replace(b"<definitions", b'<!DOCTYPE d [<!ENTITY x "y">]><definitions', 1)
    with pytest.raises(ConfigurationError):
        prima().check()


def test_the_address_in_the_description_is_not_followed(soap: SoapServer, prima: Open) -> None:
    assert b"elsewhere.invalid" in soap.description
    soap.says(response(CUSTOMER))
    assert len(rows(prima().read("customer", ""))) == 1


def test_requests_are_written_by_an_xml_writer(soap: SoapServer, prima: Open, tmp_path: Path) -> None:
    site = mapping(tmp_path, ('OrderChannel: ""', "OrderChannel: 'A&B \"<Marks & Co>\" é'"))
    soap.says(response(""))
    list(prima(MAPPING_FILE=site).read("order", ""))
    assert soap.data(0)["OrderChannel"] == 'A&B "<Marks & Co>" é'


def test_plain_http_to_another_host_is_refused_unless_allowed(prima: Open) -> None:
    with pytest.raises(ConfigurationError, match=r"plain http to prima\.example\.com is refused") as raised:
        prima(URL="http://prima.example.com:8080/wsalive/wsalive")
    assert "ALLOW_HTTP=yes" in raised.value.remedy
    prima(URL="http://prima.example.com:8080/wsalive/wsalive", ALLOW_HTTP="yes")
    prima(URL="https://prima.example.com/wsalive/wsalive")


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (b"", "an empty reply"),
        (b"<html><head><title>Apache Tomcat/9</title></head></html>", "an HTML page titled 'Apache Tomcat/9'"),
        (b"busy", "text that is no XML"),
        (envelope("<html/>"), "an HTML page"),
        (envelope(response(CUSTOMER))[:-150], "broken or cut off"),
    ],
)
def test_what_is_no_xml_is_unavailable_and_named(
    soap: SoapServer, prima: Open, slept: list[float], answer: bytes, what: str
) -> None:
    soap.says(answer)
    with pytest.raises(UnavailableError, match=what) as raised:
        list(prima().read("customer", ""))
    assert raised.value.request == f"POST {PATH}"


def test_an_html_page_with_404_is_no_more_than_unavailable(soap: SoapServer, prima: Open, slept: list[float]) -> None:
    soap.says(Response("<html><title>Not Found</title></html>", 404, content_type="text/html"))
    with pytest.raises(UnavailableError, match="Not Found"):
        list(prima().read("customer", ""))


def fault(text: str, code: str = "SOAP-ENV:Server") -> Response:
    body = FAULT.format(code=code, detail=DETAIL.format(text=text, id="req-9"))
    return Response(body, 500, content_type="text/xml")


def test_a_fault_is_tried_again_and_then_tells_cause_and_request_id(
    soap: SoapServer, prima: Open, slept: list[float]
) -> None:
    soap.says(fault("No servers available (10921)"))
    with pytest.raises(UnavailableError, match=r"No servers available \(10921\)") as raised:
        list(prima().read("customer", ""))
    assert "req-9" in str(raised.value)
    assert len(soap.asked) == 3


def test_a_read_goes_on_when_a_fault_passes(soap: SoapServer, prima: Open, slept: list[float]) -> None:
    soap.says(fault("busy"), b"<html></html>", response(CUSTOMER))
    assert len(rows(prima().read("customer", ""))) == 1


def test_a_clients_fault_waits_for_an_admin(soap: SoapServer, prima: Open, slept: list[float]) -> None:
    soap.says(fault("Unknown parameter", "SOAP-ENV:Client"))
    with pytest.raises(ConfigurationError, match="Unknown parameter"):
        list(prima().read("customer", ""))
    assert len(soap.asked) == 1


def test_a_reply_that_breaks_off_is_asked_for_again(soap: SoapServer, prima: Open, slept: list[float]) -> None:
    whole = envelope(response(CUSTOMER))
    soap.says(whole[:100], whole[:-20], whole)
    assert len(rows(prima().read("customer", ""))) == 1


def test_a_reply_above_the_limit_is_refused(soap: SoapServer, prima: Open) -> None:
    soap.says(envelope(response("<Customer/>" * 200_000)))
    with pytest.raises(UnexpectedReplyError, match="more than 1 MB"):
        list(prima(MAX_REPLY_MB="1").read("customer", ""))


def test_a_bomb_is_unexpected_and_named(soap: SoapServer, prima: Open) -> None:
    soap.says(envelope('<!DOCTYPE r [<!ENTITY x "y">]><Response>&x;</Response>'))
    with pytest.raises(UnexpectedReplyError, match="document type declaration"):
        list(prima().read("customer", ""))


def test_one_call_at_a_time_reaches_a_site(soap: SoapServer, prima: Open) -> None:
    inside, most = 0, 0
    counting = threading.Lock()
    release = threading.Event()

    def answer(_: Any) -> str:
        nonlocal inside, most
        with counting:
            inside += 1
            most = max(most, inside)
        release.wait(0.2)
        with counting:
            inside -= 1
        return response(CUSTOMER)

    soap.answers = answer
    sources = [prima() for _ in range(4)]
    threads = [threading.Thread(target=lambda source=source: list(source.read("customer", ""))) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(soap.asked) == 4
    assert most == 1


def long_reply(records: int) -> Iterator[bytes]:
    before, after = envelope(response("RECORDS")).split(b"RECORDS")
    yield before
    padding = "x" * 1_000
    for start in range(0, records, 500):
        yield "".join(
            escape(f'<SKU Product="P{number:07}" Warehouse="MAIN" Free="10" Narrative="{padding}"/>')
            for number in range(start, start + 500)
        ).encode()
    yield after


def test_a_reply_of_300_mb_is_read_in_little_memory(soap: SoapServer, prima: Open) -> None:
    records = 290_000
    soap.answers = lambda _: streamed(long_reply(records))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(len(page.rows) for page in prima().read("stock", ""))
    assert count == records
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024  # kilobytes


def test_no_call_is_made_in_the_sites_batch_window(soap: SoapServer, prima: Open) -> None:
    now = datetime.now(ZoneInfo("Europe/London"))
    window = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    with pytest.raises(UnavailableError, match="batch window") as raised:
        list(prima(QUIET_HOURS=window).read("customer", ""))
    assert 3_600 < (raised.value.retry_after or 0) <= 7_200
    assert soap.described == 0
    later = f"{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"
    assert list(prima(QUIET_HOURS=later).read("customer", ""))


@pytest.mark.parametrize(
    ("at", "seconds"), [("22:59", 0), ("23:00", 5 * 3600), ("00:30", 3.5 * 3600), ("03:59", 60), ("04:00", 0)]
)
def test_a_window_may_go_over_midnight(at: str, seconds: float) -> None:
    london = ZoneInfo("Europe/London")
    now = datetime.fromisoformat(f"2024-07-01T{at}:00").replace(tzinfo=london)
    if not seconds:
        quiet.check("site", "23:00-04:00", london, now)
        return
    with pytest.raises(UnavailableError) as raised:
        quiet.check("site", "23:00-04:00", london, now)
    assert raised.value.retry_after == seconds


def test_a_window_that_is_none_is_named(prima: Open, soap: SoapServer) -> None:
    with pytest.raises(ConfigurationError, match=r"written as 01:00-03:30"):
        list(prima(QUIET_HOURS="night").read("customer", ""))
