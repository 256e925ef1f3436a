"""The service description as zeep reads it: how a request for one operation is written. No HTTP of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zeep
from lxml import etree
from zeep.exceptions import Error as ZeepError

from connectors.errors import ConfigurationError
from connectors.prima.site import Endpoint

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"
SOAP_WSDL = "http://schemas.xmlsoap.org/wsdl/soap/"
ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"


class _Loading:
    """The whole of what zeep asks of a transport while it reads a description."""

    def __init__(self, load: Callable[[str], bytes]) -> None:
        self.load = load


@dataclass(frozen=True)
class Operation:
    """`write` makes the envelope's bytes for an inner document; `style` is what a connection test shows."""

    name: str
    style: str
    action: str
    write: Callable[[str], bytes]


def operation(system: str, location: str, load: Callable[[str], bytes], endpoint: Endpoint) -> Operation:
    """Raises ConfigurationError where the description cannot be read or has not the operation we need."""
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False)
    source: list[bytes] = []

    def remembered(url: str) -> bytes:
        content = load(url)
        source.append(content)
        return content

    try:
        client: Any = zeep.Client(  # type: ignore[no-untyped-call]  # zeep leaves it untyped
            location, transport=_Loading(remembered), settings=settings
        )
        return _operation(system, client, endpoint, source[0])
    except (ZeepError, etree.LxmlError, ValueError, KeyError, AttributeError, TypeError, LookupError) as error:
        raise _wrong(system, f"the service description cannot be used ({type(error).__name__}: {error})") from error


def _operation(system: str, client: Any, endpoint: Endpoint, source: bytes) -> Operation:
    found = [
        (port, port.binding.get(name))
        for service in client.wsdl.services.values()
        for port in service.ports.values()
        for name in port.binding._operations
        if name.lower() == endpoint.operation.lower() and _is_soap_11(port.binding)
    ]
    if not found:
        raise _wrong(system, f"the service description has no operation {endpoint.operation!r} for SOAP 1.1")
    port, one = found[0]
    encoded = one.style == "rpc" and _is_encoded(source, one.name)
    text, company = _parts(system, one, endpoint)
    values = {company: str(endpoint.company_id)} if company else {}

    def write(document: str) -> bytes:
        envelope, _ = port.binding._create(one.name, (), {**values, text: document}, client, {"address": ""})
        if encoded:
            _mark_encoded(envelope, one)
        return etree.tostring(envelope, xml_declaration=True, encoding="utf-8")

    style = f"{one.style}/{'encoded' if encoded else 'literal'}"
    return Operation(one.name, style, one.soapaction or "", write)


def _is_soap_11(binding: Any) -> bool:
    return binding.nsmap["soap-env"] == SOAP


def _parts(system: str, one: Any, endpoint: Endpoint) -> tuple[str, str]:
    """(the input of the document, the input of the company or nothing): the only text input of one, the second
    of two (contract 8)."""
    inputs = [(name, element) for name, element in one.input.body.type.elements if _is_text(element)]
    names = [name for name, _ in inputs]
    listed = ", ".join(names) or "none"
    company = endpoint.company_part
    if endpoint.company_id is None:
        company = ""
    elif company == "auto":
        rest = [name for name, _ in one.input.body.type.elements if name != endpoint.input_part]
        if len(rest) < (2 if endpoint.input_part == "auto" else 1):
            raise _wrong(system, f"{one.name} takes no company ({listed}), and the mapping file gives one")
        company = rest[0]
    rest = [name for name in names if name != company]
    chosen = endpoint.input_part if endpoint.input_part != "auto" else (rest[0] if len(rest) == 1 else "")
    known = {name for name, _ in one.input.body.type.elements}
    if chosen not in known or (company and company not in known):
        raise _wrong(
            system,
            f"{one.name} takes {listed}: which of them is the document, and which the company, cannot be told",
            "Name endpoint.input_part (and company_id, company_part) in the mapping file.",
        )
    return chosen, company


def _is_text(element: Any) -> bool:
    return str(getattr(element.type, "qname", "")).lower().endswith("string")


def _is_encoded(source: bytes, name: str) -> bool:
    """zeep reads the style, not the use."""
    root = etree.fromstring(source, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    for found in root.iter("{http://schemas.xmlsoap.org/wsdl/}operation"):
        if found.get("name") == name:
            for body in found.iter(f"{{{SOAP_WSDL}}}body"):
                return body.get("use") == "encoded"
    return False


def _mark_encoded(envelope: Any, one: Any) -> None:
    """SOAP 1.1, section 5: each part says its type."""
    call = envelope.find(f"{{{SOAP}}}Body")[0]
    call.set(f"{{{SOAP}}}encodingStyle", ENCODING)
    types = {name: element.type for name, element in one.input.body.type.elements}
    for part in call:
        name = getattr(types.get(etree.QName(part).localname), "qname", None)
        if name is not None and name.namespace == XSD:
            etree.cleanup_namespaces(part, top_nsmap={"xsd": XSD, "xsi": XSI}, keep_ns_prefixes=["xsd", "xsi"])
            part.set(f"{{{XSI}}}type", f"xsd:{name.localname}")


def _wrong(system: str, what: str, remedy: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"{system}: {what[:400]}.",
        system=system,
        request="GET service description",
        remedy=remedy or "Check the address, the target URI and operation of the mapping file, or give a WSDL_FILE.",
    )
