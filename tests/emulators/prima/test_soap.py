"""The adapter in front: addresses, WSDL, three formats, faults (prima.md 3)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest
import requests
import zeep
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.emulators.server import running
from tests.emulators.prima.site import NAMESPACE, SOAP, Site, envelope, parsed, request_xml

ASK = request_xml("OrderStatus", OrderNumber="201001")
STYLES = ["rpc_literal", "document_literal", "rpc_encoded"]


def text_of(answer: object) -> str:
    """What zeep makes of a reply: a bare string, or an object with the outputs."""
    return answer if isinstance(answer, str) else answer.opResponse


@pytest.mark.parametrize("style", STYLES)
def test_zeep_reads_the_wsdl_and_calls_both_operations(site: Site, style: str) -> None:
    """prima.md 1 facts 1-4 and 3: an unmodified client, in each of the adapter's formats"""
    site.set(style=style)
    service = zeep.Client(site.wsdl).service
    for answer in (service.wsomhandler(ASK), service.comwsomhandler("1", ASK)):
        root = parsed(text_of(answer))
        assert root.get("RequestStatus") == "OK"
        assert root[0].get("OrderStatus") == "Part Despatched"


def test_an_rpc_reply_is_one_bare_string_for_zeep(site: Site) -> None:
    """prima.md 3: a single output part comes back as a string"""
    assert isinstance(zeep.Client(site.wsdl).service.wsomhandler(ASK), str)


@pytest.mark.parametrize(("style", "result"), [("document_literal", "no"), ("rpc_literal", "yes")])
def test_a_reply_may_carry_an_empty_result_besides_the_output(site: Site, style: str, result: str) -> None:
    """prima.md 3: return value"""
    site.set(style=style, result=result)
    answer = zeep.Client(site.wsdl).service.wsomhandler(ASK)
    assert not answer.result
    assert answer.opResponse.startswith("<Response")


@pytest.mark.parametrize("style", STYLES)
def test_a_fault_reaches_zeep_with_its_detail(site: Site, style: str) -> None:
    """prima.md 3: fault shape, HTTP 500"""
    site.set(style=style, down="fault")
    client = zeep.Client(site.wsdl)
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.service.wsomhandler(ASK)
    detail = {child.tag.rpartition("}")[2]: child for child in caught.value.detail[0]}
    assert "not available" in detail["errorMessage"].text
    assert detail["requestID"].text.startswith("wsalive-")
    typed = "{http://www.w3.org/2001/XMLSchema-instance}type" in detail["errorMessage"].attrib
    assert typed == (style == "rpc_encoded")


def test_names_are_the_deployments_own(site: Site) -> None:
    """prima.md 2, question 3: parts, object, target URI and response root are not known"""
    names = {"target_uri": "urn:ourlink", "object": "Shop", "input_part": "pcIn", "output_part": "pcOut"}
    site.set(**names, company_part="pcComp")
    assert site.session.get(site.wsdl, timeout=10).status_code == 404
    client = zeep.Client(site.wsdl.replace("urn:omlink", "urn:ourlink"))
    assert "OK" in client.service.comwsomhandler(pcComp="1", pcIn=ASK)
    assert "{urn:ourlink}omlinkObj" in client.wsdl.bindings


def test_companies_are_checked_where_they_are_known(site: Site) -> None:
    """prima.md 1 fact 2: comwsomhandler needs a company id"""
    site.set(companies="1,2")
    service = zeep.Client(site.wsdl).service
    assert "OK" in service.comwsomhandler("2", ASK)
    assert "Company not known" in service.comwsomhandler("3", ASK)


def test_the_description_can_be_switched_off_while_calls_go_on(site: Site) -> None:
    """prima.md 3: service description"""
    site.set(wsdl="no")
    assert site.session.get(site.wsdl, timeout=10).status_code == 403
    assert "Part Despatched" in site.text(ASK)


def test_no_other_address_answers(site: Site) -> None:
    """prima.md 1 fact 3: /<instance>/<instance>"""
    for path in ("", "/wsalive", "/wsalive/wsadevtest", "/nowhere/nowhere"):
        assert site.session.post(f"{site.root}/prima{path}", data=b"", timeout=10).status_code == 404
    assert site.session.get(f"{site.address}/wsdl?targetURI=urn:other", timeout=10).status_code == 404
    assert site.session.put(site.address, timeout=10).status_code == 405
    assert "text/html" in site.session.get(site.address, timeout=10).headers["Content-Type"]


@pytest.mark.parametrize(
    ("body", "code", "cause"),
    [
        (b"", "Client", "not well-formed"),
        (b"<a", "Client", "not well-formed"),
        (envelope(ASK, operation="other"), "Client", "other is not part of this service"),
        (envelope(ASK, part="text"), "Client", "Parameter ipRequest of wsomhandler is missing"),
        (envelope(ASK, operation="comwsomhandler"), "Client", "Parameter ipCompany"),
        (envelope(ASK, before="<ipCompany>1</ipCompany>"), "Client", "ipCompany of wsomhandler is not known"),
        (envelope(ASK).replace(NAMESPACE.encode(), b"urn:omlink"), "Client", "is not part of this service"),
        (envelope(ASK).replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope"), "VersionMismatch", "1.1"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + envelope(ASK), "Client", "document type"),
        (f'<e:Envelope xmlns:e="{SOAP}"><e:Body/></e:Envelope>'.encode(), "Client", "empty"),
    ],
)
def test_an_envelope_that_does_not_fit_is_a_fault(site: Site, body: bytes, code: str, cause: str) -> None:
    """prima.md 3: one namespace accepts exactly one format; SOAP 1.1"""
    answer = site.post(body)
    assert answer.status_code == 500
    fault = ElementTree.fromstring(answer.content)[0][0]
    assert fault.findtext("faultcode") == f"SOAP-ENV:{code}"
    detail = fault.find("detail")[0]
    assert detail.tag == f"{{{site.address}}}FaultDetail"
    assert cause in detail[0].text


def test_a_format_that_is_not_deployed_is_refused(site: Site) -> None:
    """prima.md 3: document/literal qualifies the parameters, RPC does not"""
    site.set(style="document_literal")
    assert site.post(envelope(ASK)).status_code == 500


@pytest.mark.parametrize(("down", "status", "kind"), [("html", 503, "<!DOCTYPE html"), ("empty", 200, "")])
def test_the_servlet_container_answers_for_a_service_that_is_away(
    site: Site, down: str, status: int, kind: str
) -> None:
    """prima.md 4.2 rule 6: HTML or an empty string"""
    site.set(down=down)
    answer = site.post(envelope(ASK))
    assert answer.status_code == status
    assert answer.text[:14] == kind


def test_more_calls_than_agents_find_the_pool_busy(site: Site) -> None:
    """prima.md 8, operating limits: pooled application-server agents"""
    site.set(agents=1, latency=0.5)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: Site(site.root).post(envelope(ASK)), range(4)))
    assert {answer.status_code for answer in answers} == {200, 500}
    assert "No application server agent is free" in next(a.text for a in answers if a.status_code == 500)
    site.set(latency=0)
    assert site.post(envelope(ASK)).status_code == 200


def test_environments_keep_their_own_state_and_switches(site: Site) -> None:
    """prima.md 1 fact 3: per site and per environment"""
    test = Site(site.root, "wsadevtest")
    site.control("PATCH", "prima/orders/201001", {"OrderStatus": "Cancelled"})
    site.control("POST", "settings", {"prima.wsadevtest.off": "CustomerChanges"})
    assert "Cancelled" in site.text(ASK)
    assert "Part Despatched" in test.text(ASK)
    assert test.refusal("CustomerChanges") == "Unknown request type CustomerChanges"
    assert len(site.page("CustomerChanges")[1]) == 5


def test_over_tls_the_wsdl_names_the_address_over_tls(fashion: Path) -> None:
    """prima.md 8, operating limits: a TLS proxy in front; DESIGN section 10"""
    with running(dataset=str(fashion), tls_port=0) as root:
        described = requests.get(f"{root}/_control/systems", timeout=10).json()["prima"]
        session = requests.Session()
        session.trust_env = False
        session.verify = described["certificate"]
        wsdl = f"{described['https']}/prima/wsalive/wsalive/wsdl?targetURI=urn:omlink"
        client = zeep.Client(wsdl, transport=zeep.Transport(session=session))
        assert (
            client.wsdl.services["omlinkService"].ports["omlinkObj"].binding_options["address"].startswith("https://")
        )
        assert "Part Despatched" in client.service.wsomhandler(ASK)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60), st.sampled_from(["Request", "Data"]))
def test_whatever_is_asked_gets_a_business_answer(site: Site, text: str, place: str) -> None:
    """prima.md 4.1: a business error is a normal reply"""
    inner = request_xml("OrderChanges", StartKey=text) if place == "Data" else text
    assert parsed(site.text(inner)).get("RequestStatus") in ("OK", "ERROR")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80))
def test_whatever_is_posted_gets_a_soap_fault(site: Site, body: bytes) -> None:
    """prima.md 3: fault shape"""
    answer = site.post(body)
    assert answer.status_code == 500
    assert ElementTree.fromstring(answer.content)[0][0].tag == f"{{{SOAP}}}Fault"
