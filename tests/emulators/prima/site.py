"""A small fashion retailer in the neutral format, and a bare SOAP client that writes its own envelopes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import requests

CUSTOMERS = """customer_id,email,first_name,last_name,phone,street,city,postcode,country,birth_date,group,\
email_consent,consent_at,modified_at,status,merged_into
C0001,ann@example.com,Ann,O'Neill,07700900123,1 High St,Galway,H91 XXXX,IE,1980-02-29,RETAIL,yes,\
2024-02-12T10:00:00Z,2024-03-01T05:58:10Z,active,
C0002,bob@example.com,Bob,Baker,,2 Low St,Cork,T12,IE,,RETAIL,no,,2024-03-02T09:00:00Z,active,
C0003,cy@example.com,Cy,Old,,,,,GB,,RETAIL,,,2024-03-03T09:00:00Z,archived,
C0004,,,,,,,,,,,,,2024-03-04T09:00:00Z,,C0001
C0005,eve@example.com,Eve,Summer,,,,,GB,,WHOLESALE,,,2024-07-01T09:00:00Z,active,
"""
ORDERS = """order_id,customer_id,ordered_at,modified_at,currency,status,campaign_code,goods,discount,charges,tax,\
prices_include_tax,total
201001,C0001,2024-02-28T19:22:00Z,2024-03-01T05:40:00Z,EUR,part_shipped,SPR24EM1,258.00,10.00,4.95,47.30,yes,252.95
201002,C0002,2024-03-05T09:00:00Z,2024-03-05T09:00:00Z,GBP,open,,,,,,,20.00
201003,C0005,2024-07-01T11:00:00Z,2024-07-02T11:00:00Z,GBP,invoiced,,,,,,,30.00
"""
LINES = """order_id,line_no,line_type,sku,quantity,unit_price,discount,line_total,status
201001,1,goods,3998-WALN-38,1,129.00,10.00,119.00,shipped
201001,2,goods,3998-WALN-39,1,129.00,,129.00,open
201002,1,goods,0042-BLK,2,10.00,,20.00,open
201003,1,goods,3998-WALN-38,1,30.00,,30.00,invoiced
"""
REFUNDS = """refund_id,order_id,line_no,customer_id,sku,quantity,amount,currency,refunded_at,reason
CR1,201001,1,,,1,119.00,EUR,2024-03-05T11:02:00Z,return
CR2,,,C0002,,,5.00,GBP,2024-03-06T11:02:00Z,goodwill
"""
STOCK = """sku,warehouse,physical,reserved,quarantined,on_order
3998-WALN-38,MAIN,14,3,1,24
3998-WALN-38,SHOP,2,,,
3998-WALN-39,MAIN,1,3,,
0042-BLK,MAIN,0,,,5
"""
DISPATCHES = """dispatch_id,order_id,dispatched_at,carrier,tracking_number
D1,201001,2024-03-01T05:40:00Z,DPD,15501234567890
D2,201003,2024-07-02T10:00:00Z,DPD,
"""
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NAMESPACE = "urn:omlink:omhandler"


def retailer(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"customers": CUSTOMERS, "orders": ORDERS, "order_lines": LINES, "refunds": REFUNDS, "stock": STOCK,
             "dispatches": DISPATCHES}  # fmt: skip
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def request_xml(request_type: str, inside: str = "", **data: str) -> str:
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in data.items())
    return f'<Request RequestType="{request_type}"><Data{attributes}>{inside}</Data></Request>'


def envelope(inner: str, operation: str = "wsomhandler", part: str = "ipRequest", before: str = "") -> bytes:
    """RPC/literal, as the contract's section 3 shows it."""
    return (
        f'<soapenv:Envelope xmlns:soapenv="{SOAP}"><soapenv:Body><om:{operation} xmlns:om="{NAMESPACE}">'
        f"{before}<{part}>{escape(inner)}</{part}></om:{operation}></soapenv:Body></soapenv:Envelope>"
    ).encode()


class Site:
    """One environment, and the control API behind it."""

    def __init__(self, root: str, environment: str = "wsalive") -> None:
        self.root = root
        self.environment = environment
        self.address = f"{root}/prima/{environment}/{environment}"
        self.wsdl = f"{self.address}/wsdl?targetURI=urn:omlink"
        self.session = requests.Session()
        self.session.trust_env = False

    def post(self, body: bytes, **rest: Any) -> requests.Response:
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
        return self.session.post(self.address, data=body, headers=headers, timeout=20, **rest)

    def text(self, inner: str, **rest: str) -> str:
        """The inner document as it came out of the envelope."""
        answer = self.post(envelope(inner, **rest))
        assert answer.status_code == 200, answer.text
        outputs = list(ElementTree.fromstring(answer.content)[0][0])
        return next(part.text or "" for part in outputs if part.tag.endswith("opResponse"))

    def ask(self, request_type: str, inside: str = "", **data: str) -> ElementTree.Element:
        return parsed(self.text(request_xml(request_type, inside, **data)))

    def page(self, request_type: str, **data: str) -> tuple[Mapping[str, str], list[ElementTree.Element]]:
        """(`Data` attributes, its records) of a reply that must be OK."""
        root = self.ask(request_type, **data)
        assert root.get("RequestStatus") == "OK", root.attrib
        assert not root.get("RequestError")
        return root[0].attrib, list(root[0])

    def refusal(self, request_type: str, inside: str = "", **data: str) -> str:
        root = self.ask(request_type, inside, **data)
        assert root.get("RequestStatus") == "ERROR"
        return root.get("RequestError") or ""

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self.session.request(method, f"{self.root}/_control/{path}", json=body, timeout=30)

    def set(self, **switches: Any) -> None:
        named = {f"prima.{name}": value for name, value in switches.items()}
        assert self.control("POST", "settings", named).status_code == 200

    def fault(self, kind: str, **options: Any) -> str:
        answer = self.control("POST", "faults", {"kind": kind, "system": "prima", **options})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def drop(self, entity: str, **options: Any) -> list[dict[str, Any]]:
        answer = self.control("POST", "prima/drop", {"entity": entity, **options})
        assert answer.status_code == 200, answer.text
        files: list[dict[str, Any]] = answer.json()
        return files


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.sub(r"^<\?xml[^>]*\?>", "", text))
