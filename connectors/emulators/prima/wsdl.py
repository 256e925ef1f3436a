"""The service's description, as the adapter generates one for each of its formats (contract 3)."""

from xml.sax.saxutils import quoteattr

from connectors.emulators.prima.soap import ENCODING, WITH_COMPANY, WITHOUT_COMPANY, Service

_OPERATIONS = (WITHOUT_COMPANY, WITH_COMPANY)


def described(service: Service, address: str) -> bytes:
    """The WSDL of one environment at its own address."""
    target, space = quoteattr(service.target_uri), quoteattr(service.namespace)
    operations = "".join(_operation(service, name) for name in _OPERATIONS)
    bindings = "".join(_bound(service, name) for name in _OPERATIONS)
    messages = "".join(_messages(service, name) for name in _OPERATIONS)
    style = "document" if service.is_document else "rpc"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions name="omlink" targetNamespace={target} xmlns:tns={target} xmlns:S1={quoteattr(address)} \
xmlns:S2={space} xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" \
xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/">
<wsdl:types>{_fault_schema(address)}{_wrapped_schema(service) if service.is_document else ""}</wsdl:types>
<wsdl:message name="FaultDetailMessage"><wsdl:part name="FaultDetail" element="S1:FaultDetail"/></wsdl:message>
{messages}
<wsdl:portType name="omlinkObj">{operations}</wsdl:portType>
<wsdl:binding name="omlinkObj" type="tns:omlinkObj">
<soap:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>{bindings}</wsdl:binding>
<wsdl:service name="omlinkService"><wsdl:port name="omlinkObj" binding="tns:omlinkObj">\
<soap:address location={quoteattr(address)}/></wsdl:port></wsdl:service>
</wsdl:definitions>
""".encode()


def _fault_schema(address: str) -> str:
    return (
        f'<xsd:schema elementFormDefault="qualified" targetNamespace={quoteattr(address)}>'
        '<xsd:element name="FaultDetail"><xsd:complexType><xsd:sequence>'
        '<xsd:element name="errorMessage" type="xsd:string"/><xsd:element name="requestID" type="xsd:string"/>'
        "</xsd:sequence></xsd:complexType></xsd:element></xsd:schema>"
    )


def _wrapped_schema(service: Service) -> str:
    """Requests and replies as elements; a reply has `result` besides the output (3)."""
    elements = "".join(
        _element(name, service.inputs(name)) + _element(f"{name}Response", ("result", service.response))
        for name in _OPERATIONS
    )
    return (
        f'<xsd:schema elementFormDefault="qualified" targetNamespace={quoteattr(service.namespace)}>'
        f"{elements}</xsd:schema>"
    )


def _element(name: str, parts: tuple[str, ...]) -> str:
    inside = "".join(f'<xsd:element name={quoteattr(part)} nillable="true" type="xsd:string"/>' for part in parts)
    return (
        f'<xsd:element name="{name}"><xsd:complexType><xsd:sequence>{inside}'
        "</xsd:sequence></xsd:complexType></xsd:element>"
    )


def _messages(service: Service, name: str) -> str:
    if service.is_document:
        asked = f'<wsdl:part name="parameters" element="S2:{name}"/>'
        told = f'<wsdl:part name="parameters" element="S2:{name}Response"/>'
    else:
        outputs = ("result", service.response) if service.has_result else (service.response,)
        asked, told = (_parts(parts) for parts in (service.inputs(name), outputs))
    return (
        f'<wsdl:message name="omlink_{name}">{asked}</wsdl:message>'
        f'<wsdl:message name="omlink_{name}Response">{told}</wsdl:message>'
    )


def _parts(names: tuple[str, ...]) -> str:
    return "".join(f'<wsdl:part name={quoteattr(name)} type="xsd:string"/>' for name in names)


def _operation(service: Service, name: str) -> str:
    return (
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:omlink_{name}"/>'
        f'<wsdl:output message="tns:omlink_{name}Response"/>'
        '<wsdl:fault name="omlinkFault" message="tns:FaultDetailMessage"/></wsdl:operation>'
    )


def _bound(service: Service, name: str) -> str:
    space = "" if service.is_document else f" namespace={quoteattr(service.namespace)}"
    use = f'use="encoded" encodingStyle="{ENCODING}"' if service.is_encoded else 'use="literal"'
    style = "document" if service.is_document else "rpc"
    return (
        f'<wsdl:operation name="{name}"><soap:operation soapAction="" style="{style}"/>'
        f"<wsdl:input><soap:body {use}{space}/></wsdl:input><wsdl:output><soap:body {use}{space}/></wsdl:output>"
        '<wsdl:fault name="omlinkFault"><soap:fault name="omlinkFault" use="literal"/></wsdl:fault></wsdl:operation>'
    )
