"""SOAP 1.1 as the OpenEdge adapter speaks it (contract 3): one namespace accepts exactly one of three formats."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from connectors.emulators.prima.switches import Switches

if TYPE_CHECKING:
    from lxml import etree

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_XSD = "http://www.w3.org/2001/XMLSchema"
WITHOUT_COMPANY, WITH_COMPANY = "wsomhandler", "comwsomhandler"
STYLES = ("rpc_literal", "document_literal", "rpc_encoded")
_DECLARATION = '<?xml version="1.0" encoding="{}"?>'
_HEAD = f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{ENVELOPE}" xmlns:xsi="{_XSI}" xmlns:xsd="{_XSD}"><SOAP-ENV:Body>'
_TAIL = "</SOAP-ENV:Body></SOAP-ENV:Envelope>"


class FaultError(Exception):
    """A SOAP fault: `code` (Client, Server, VersionMismatch), what went wrong in general, and in particular."""

    def __init__(self, code: str, said: str, cause: str) -> None:
        super().__init__(code, said, cause)
        self.code, self.said, self.cause = code, said, cause


@dataclass(frozen=True)
class Service:
    """The names one environment has deployed. ValueError on a style that does not exist."""

    style: str
    target_uri: str
    namespace: str
    company: str
    request: str
    response: str
    has_result: bool

    @classmethod
    def of(cls, switches: Switches) -> "Service":
        style, target = switches["style"], switches["target_uri"]
        if style not in STYLES:
            raise ValueError(f"prima.style is one of {', '.join(STYLES)}, not {style!r}")
        return cls(
            style, target, f"{target}:{switches['object']}", switches["company_part"], switches["input_part"],
            switches["output_part"], style == "document_literal" or switches.says("result"),
        )  # fmt: skip

    @property
    def is_document(self) -> bool:
        return self.style == "document_literal"

    @property
    def is_encoded(self) -> bool:
        return self.style == "rpc_encoded"

    def inputs(self, operation: str) -> tuple[str, ...]:
        """Company id first (contract 8)."""
        return (self.company, self.request) if operation == WITH_COMPANY else (self.request,)


@dataclass(frozen=True)
class Call:
    operation: str
    company: str | None
    request: str


def call_of(body: bytes, service: Service) -> Call:
    """What an envelope asks for. FaultError when it is none, or does not fit the deployed format."""
    from lxml import etree  # 4 MB, for nothing where nobody asks Prima

    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise _client(f"The request is not well-formed XML: {error}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _client("A SOAP message must not contain a document type declaration")
    if root.tag != f"{{{ENVELOPE}}}Envelope":
        raise FaultError("VersionMismatch", "The SOAP envelope cannot be processed. (10890)",
                         "Only SOAP 1.1 envelopes are understood")  # fmt: skip
    operation = root.find(f"{{{ENVELOPE}}}Body/*")
    if operation is None:
        raise _client("The SOAP body is empty")
    return _called(operation, service)


def _called(element: "etree._Element", service: Service) -> Call:
    namespace, _, name = str(element.tag).removeprefix("{").rpartition("}")
    if name not in (WITHOUT_COMPANY, WITH_COMPANY) or namespace != service.namespace:
        raise _client(f"Operation {{{namespace}}}{name} is not part of this service")
    wanted = service.inputs(name)
    space = f"{{{service.namespace}}}" if service.is_document else ""
    texts: list[str] = []
    for part in wanted:
        found = element.find(f"{space}{part}")
        if found is None:
            raise _client(f"Parameter {part} of {name} is missing")
        texts.append("".join(str(text) for text in found.itertext()))
    known = {f"{space}{part}" for part in wanted}
    strangers = [str(child.tag) for child in element if isinstance(child.tag, str) and child.tag not in known]
    if strangers:
        raise _client(f"Parameter {strangers[0]} of {name} is not known")
    return Call(name, texts[0] if len(texts) == 2 else None, texts[-1])


def _client(cause: str) -> FaultError:
    return FaultError("Client", "The Web Service request is not valid. (10892)", cause)


def reply(
    service: Service, operation: str, text: Iterable[str], double: bool, encoding: str = "utf-8"
) -> Iterator[bytes]:
    """The envelope in pieces; the inner document comes in pieces too and is escaped, twice on request.

    `encoding` may be `wrong`: the bytes are Latin-1 and the declaration says UTF-8.
    """
    declared, used = ("utf-8", "iso-8859-1") if encoding == "wrong" else (encoding, encoding)
    typed = ' xsi:type="xsd:string"' if service.is_encoded else ""
    out, result = service.response, f"<result{typed}></result>" if service.has_result else ""
    if service.is_document:
        opening, closing = f'<{operation}Response xmlns="{service.namespace}">', f"</{operation}Response>"
    else:
        style = f' SOAP-ENV:encodingStyle="{ENCODING}"' if service.is_encoded else ""
        opening = f'<om:{operation}Response xmlns:om="{service.namespace}"{style}>'
        closing = f"</om:{operation}Response>"
    yield f"{_DECLARATION.format(declared.upper())}{_HEAD}{opening}{result}<{out}{typed}>".encode()
    for piece in text:
        escaped = escape(escape(piece)) if double else escape(piece)
        yield escaped.encode(used, "xmlcharrefreplace")
    yield f"</{out}>{closing}{_TAIL}".encode()


def fault(error: FaultError, service: Service, address: str, request_id: str) -> bytes:
    """`FaultDetail` with the cause and an id for the administrator; RPC/Encoded prefixes and types it (3)."""
    cause, said = escape(error.cause), escape(error.said)
    space = quoteattr(address)
    if service.is_encoded:
        kind = ' xsi:type="xsd:string"'
        detail = (
            f"<ns1:FaultDetail xmlns:ns1={space}><ns1:errorMessage{kind}>{cause}</ns1:errorMessage>"
            f"<ns1:requestID{kind}>{request_id}</ns1:requestID></ns1:FaultDetail>"
        )
    else:
        detail = (
            f"<FaultDetail xmlns={space}><errorMessage>{cause}</errorMessage>"
            f"<requestID>{request_id}</requestID></FaultDetail>"
        )
    return (
        f"{_DECLARATION.format('UTF-8')}{_HEAD}<SOAP-ENV:Fault><faultcode>SOAP-ENV:{error.code}</faultcode><faultstring>{said}</faultstring>"
        f"<detail>{detail}</detail></SOAP-ENV:Fault>{_TAIL}"
    ).encode()
