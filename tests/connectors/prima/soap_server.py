"""A service of the adapter's kind: its description in three styles, and replies that a test hands it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

PATH = "/wsalive/wsalive"
TYPES = (
    '<types><schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="{ns}" elementFormDefault="qualified">'
    "{elements}</schema></types>"
)
WRAPPED = (
    '<element name="{op}"><complexType><sequence>{inputs}</sequence></complexType></element>'
    '<element name="{op}Response"><complexType><sequence><element name="result" nillable="true" type="xsd:string" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema"/><element name="outxml" nillable="true" type="xsd:string" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema"/></sequence></complexType></element>'
)


def wsdl(style: str, use: str, inputs: Iterable[str], operation: str, namespace: str) -> bytes:
    inputs = list(inputs)
    if style == "document":
        elements = "".join(
            f'<element name="{name}" nillable="true" type="xsd:string" xmlns:xsd="http://www.w3.org/2001/XMLSchema"/>'
            for name in inputs
        )
        types = TYPES.format(ns=namespace, elements=WRAPPED.format(op=operation, inputs=elements))
        parts_in = f'<part name="parameters" element="s0:{operation}"/>'
        parts_out = f'<part name="parameters" element="s0:{operation}Response"/>'
        body = '<soap:body use="literal"/>'
    else:
        types = ""
        parts_in = "".join(f'<part name="{name}" type="xsd:string"/>' for name in inputs)
        parts_out = '<part name="result" type="xsd:string"/><part name="outxml" type="xsd:string"/>'
        encoding = ' encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"' if use == "encoded" else ""
        body = f'<soap:body use="{use}" namespace="{namespace}"{encoding}/>'
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions name="omlink" targetNamespace="urn:omlink" xmlns="http://schemas.xmlsoap.org/wsdl/"
  xmlns:tns="urn:omlink" xmlns:s0="{namespace}" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/">
{types}
<message name="in">{parts_in}</message><message name="out">{parts_out}</message>
<portType name="OmObj"><operation name="{operation}"><input message="tns:in"/><output message="tns:out"/></operation>
</portType>
<binding name="OmObj" type="tns:OmObj"><soap:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>
<operation name="{operation}"><soap:operation soapAction="urn:omlink:act" style="{style}"/>
<input>{body}</input><output>{body}</output></operation></binding>
<service name="OmService"><port name="OmObj" binding="tns:OmObj">
<soap:address location="http://elsewhere.invalid:8080/wsa/wsa1"/></port></service>
</definitions>""".encode()


def envelope(text: str, *, result: str = "", part: str = "outxml", namespace: str = "urn:omlink:OmObj") -> bytes:
    """An answer whose output holds this text."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        f'<ns1:opResponse xmlns:ns1="{namespace}"><result>{escape(result)}</result><{part}>{escape(text)}</{part}>'
        "</ns1:opResponse></soapenv:Body></soapenv:Envelope>"
    ).encode()


def response(records: str, data: str = 'ServerTime="01/03/2024 06:10:02" MoreRecords="No" NextKey=""') -> str:
    return f'<Response RequestStatus="OK"><Data {data}>{records}</Data></Response>'


def page(records: str, more: str = "No", key: str = "", clock: str = "01/03/2024 06:10:02") -> str:
    return response(records, f'ServerTime="{clock}" MoreRecords="{more}" NextKey="{key}"')


def customer(account: str, **more: str) -> str:
    attributes = {"Customer": account, "Status": "Active", "LastChanged": "01/03/2024 05:58:10", **more}
    return "<Customer " + " ".join(f'{name}="{value}"' for name, value in attributes.items()) + "/>"


FAULT = """<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>
<faultcode>{code}</faultcode><faultstring>
An error was detected while executing the Web Service request. (10893)</faultstring>
<detail>{detail}</detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"""
DETAIL = """<FaultDetail xmlns="http://host:8080/wsa/wsa1"><errorMessage>{text}</errorMessage>
<requestID>{id}</requestID></FaultDetail>"""


class SoapServer:
    """`answers` is asked with the inner request (an element) and gives an inner document or a whole Response."""

    def __init__(self, server: HTTPServer, style: str = "rpc", use: str = "literal", inputs: Iterable[str] = ("inxml",),
                 operation: str = "wsomhandler", namespace: str = "urn:omlink:OmObj") -> None:  # fmt: skip
        self.server = server
        self.asked: list[Any] = []
        self.envelopes: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.answers: Callable[[Any], str | bytes | Response] = lambda request: response("")
        self.described = 0
        self.description = wsdl(style, use, inputs, operation, namespace)
        server.expect_request(f"{PATH}/wsdl").respond_with_handler(self._describe)
        server.expect_request(PATH, method="POST").respond_with_handler(self._answer)

    @property
    def url(self) -> str:
        return self.server.url_for(PATH)

    def says(self, *answers: Any) -> None:
        """These answers, one a request; the last one again and again."""
        waiting = list(answers)
        self.answers = lambda request: waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def data(self, number: int) -> dict[str, str]:
        """The Data attributes of the nth request."""
        return dict(self.asked[number].find("Data").attrib)

    def _describe(self, request: Request) -> Response:
        assert request.args["targetURI"] == "urn:omlink"
        self.described += 1
        return Response(self.description, content_type="text/xml")

    def _answer(self, request: Request) -> Response:
        received = etree.fromstring(request.get_data())
        self.envelopes.append(received)
        self.headers.append(dict(request.headers))
        texts = [element.text for element in received.iter() if (element.text or "").startswith("<")]
        self.asked.append(etree.fromstring(texts[0]))
        found = self.answers(self.asked[-1])
        if isinstance(found, Response):
            return found
        body = found if isinstance(found, bytes) else envelope(found)
        return Response(body, content_type="text/xml; charset=utf-8")


def streamed(chunks: Iterator[bytes]) -> Response:
    return Response(chunks, content_type="text/xml", direct_passthrough=True)
