"""Replies are read in two stages, incrementally and safely (contract 4.2; MEASURED 1; SECURITY 7)."""

import contextlib
import tracemalloc
from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.prima import reader
from connectors.prima.node import of_element
from tests.connectors.prima.soap_server import DETAIL, FAULT, envelope, response

STEPS = ("data", "customer")


def read(body: bytes | Iterable[bytes], output: str = "") -> tuple[list[str], reader.Reply]:
    reply = reader.Reply()
    chunks = [body] if isinstance(body, bytes) else body
    return [
        of_element(element).attributes.get("customer", "") for element in reader.records(chunks, STEPS, reply, output)
    ], reply


def customers(*accounts: str) -> str:
    return response("".join(f'<Customer Customer="{account}"/>' for account in accounts))


def test_records_come_out_of_the_document_in_the_output() -> None:
    found, reply = read(envelope(customers("A", "B")))
    assert found == ["A", "B"]
    assert reply.attributes[()]["requeststatus"] == "OK"
    assert reply.value(("data",), "servertime") == "01/03/2024 06:10:02"


@pytest.mark.parametrize("size", [1, 2, 7, 100, 4096])
def test_however_the_bytes_arrive_the_records_are_the_same(size: int) -> None:
    body = envelope(customers(*(f"C{number}é&quot;" for number in range(300))))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    assert read(chunks)[0] == read(body)[0]
    assert len(read(chunks)[0]) == 300


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "iso-8859-15", "windows-1252", "UTF-16", "utf-8"])
def test_the_inner_declaration_names_an_encoding_that_is_no_more(encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?>\n' + customers("Zoë €")
    assert read(envelope(document))[0] == ["Zoë €"]


def test_the_envelope_itself_may_be_in_another_encoding() -> None:
    body = envelope(customers("Zoë")).decode().replace('encoding="UTF-8"', 'encoding="ISO-8859-1"').encode("iso-8859-1")
    assert read(body)[0] == ["Zoë"]


@pytest.mark.parametrize("names", [("Data", "CUSTOMER"), ("data", "customer"), ("DATA", "Customer")])
def test_names_are_compared_without_case(names: tuple[str, str]) -> None:
    document = f'<response requeststatus="OK"><{names[0]}><{names[1]} CUSTOMER="A"/></{names[0]}></response>'
    assert read(envelope(document))[0] == ["A"]


def test_a_document_that_is_escaped_twice_is_unescaped() -> None:
    assert read(envelope(escape(customers("A & B".replace("&", "&amp;")))))[0] == ["A & B"]


def test_a_document_that_is_the_only_text_of_an_element_is_unescaped() -> None:
    assert read(envelope(f"<string>{escape(customers('A'))}</string>"))[0] == ["A"]
    assert read(envelope(f'<?xml version="1.0"?><s>{escape(customers(*map(str, range(500))))}</s>'))[0][499] == "499"


def test_the_output_that_holds_xml_is_chosen() -> None:
    assert read(envelope(customers("A"), result="OK"))[0] == ["A"]
    assert read(envelope("", result=customers("B")))[0] == ["B"]


def test_a_named_output_is_the_one_that_is_read() -> None:
    assert read(envelope(customers("A"), result=customers("B")), "outxml")[0] == ["A"]
    with pytest.raises(reader.NotXmlError):
        read(envelope(customers("A")), "other")


def test_cdata_is_as_good_as_escaping() -> None:
    body = envelope("TEXT").replace(b"TEXT", f"<![CDATA[{customers('A')}]]>".encode())
    assert read(body)[0] == ["A"]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "empty reply"),
        (b"   \n", "empty reply"),
        (b"<html><head><title>Apache Tomcat/8.5 - Error</title></head></html>", "HTML page titled 'Apache Tomcat"),
        (b"<!DOCTYPE html><html><body>Sign in", "HTML page"),
        (b"Service busy", "text that is no XML"),
        (b"<data/>", "no SOAP envelope"),
        (b'<?xml version="1.0" encoding="AUTF-8"?><Envelope/>', "an encoding that cannot be read"),
        (b'<?xml version="1.0" encoding="shift_jis"?><Envelope/>', "an encoding that cannot be read"),
        (envelope(""), "no output"),
        (envelope("0"), "text that is no XML"),
        (envelope("<html><body>500</body></html>"), "HTML page"),
        (envelope(customers("A"))[:-200], "broken or cut off"),
        (envelope("<Response><Data>"), "broken or cut off"),
        (envelope("<Response>&nope;</Response>"), "broken or cut off"),
    ],
)
def test_what_is_no_document_is_named(body: bytes, what: str) -> None:
    with pytest.raises(reader.NotXmlError, match=what):
        read(body)


def test_a_fault_tells_its_cause_and_the_request_id() -> None:
    body = FAULT.format(code="SOAP-ENV:Server", detail=DETAIL.format(text="no agents (10921)", id="42:a")).encode()
    with pytest.raises(reader.SoapFault) as raised:
        read(body)
    assert (raised.value.message, raised.value.request_id) == ("no agents (10921)", "42:a")


def test_an_encoded_fault_has_prefixes_and_types() -> None:
    detail = (
        '<ns1:FaultDetail xmlns:ns1="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<ns1:errorMessage xsi:type="xsd:string">gone (1)</ns1:errorMessage>'
        '<ns1:requestID xsi:type="xsd:string">7</ns1:requestID></ns1:FaultDetail>'
    )
    with pytest.raises(reader.SoapFault, match="gone") as raised:
        read(FAULT.format(code="SOAP-ENV:Server", detail=detail).encode())
    assert raised.value.request_id == "7"


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{10 * f"&{before};"}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
) + "]><Response>&i;</Response>"  # fmt: skip
UNSAFE = {
    "entities inside": envelope(BOMB),
    "entities in the envelope": BOMB.encode(),
    "a file": envelope('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>'),
    "an external definition": envelope('<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd"><r/>'),
    "a definition in a doubly escaped document": envelope(escape("<!DOCTYPE r [<!ENTITY x 'y'>]><r>&x;</r>")),
    "depth inside": envelope("<a>" * 5_000 + "</a>" * 5_000),
    "depth in the envelope": b"<Envelope>" + b"<a>" * 200_000,
    "a record of too many elements": envelope(response("<Customer>" + "<L/>" * 30_000 + "</Customer>")),
    "an attribute of 30 MB": envelope(response('<Customer Customer="' + "x" * 30_000_000 + '"/>')),
    "a text of 30 MB": envelope(response("<Customer>" + "x" * 30_000_000 + "</Customer>")),
    "an attribute of 30 MB in the envelope": b'<Envelope a="' + b"x" * 30_000_000 + b'"/>',
}


@pytest.mark.parametrize("what", UNSAFE)
def test_what_attacks_a_parser_is_refused(what: str) -> None:
    body = UNSAFE[what]
    chunks = [body[start : start + 65_536] for start in range(0, len(body), 65_536)]
    with pytest.raises((reader.UnsafeXmlError, reader.NotXmlError)):
        read(chunks)


def large(megabytes: int) -> Iterator[bytes]:
    """A reply of this size as it comes over a wire."""
    record = escape('<Customer Customer="C{:08}" CustomerSurname="O&apos;Neill" AddrLine1="1 High St" Free="10"/>')
    body = envelope(response("RECORDS"))
    before, after = body.split(b"RECORDS")
    yield before
    number = 0
    for _ in range(megabytes):
        batch = []
        size = 0
        while size < 1_000_000:
            batch.append(record.format(number))
            size += len(batch[-1])
            number += 1
        yield "".join(batch).encode()
    yield after


def test_memory_does_not_grow_with_the_reply() -> None:
    tracemalloc.start()
    try:
        count = sum(1 for _ in reader.records(large(30), STEPS, reader.Reply()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count > 200_000
    assert peak < 24 * 1024 * 1024


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
def test_no_reply_raises_anything_else(noise: bytes, at: int, inside: bool) -> None:
    good = envelope(customers("A", "B"))
    body = (
        good[:at] + noise + good[at:] if not inside else envelope(noise.decode("utf-8", "replace").replace("\x00", ""))
    )
    with contextlib.suppress(reader.NotXmlError, reader.UnsafeXmlError, reader.SoapFault):
        read(body)
