"""Replies that are made while they are sent, and what faults do to them."""

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from tests.emulators.prima.site import Site, envelope, request_xml

ASK = envelope(request_xml("StockStatus"))


@pytest.fixture
def large(shop_server: str) -> Iterator[Site]:
    site = Site(shop_server)
    site.set(bulk_rows=60_000)
    yield site
    site.control("DELETE", "faults")
    site.set(bulk_rows=None)


def test_a_stream_keeps_the_connection_alive(large: Site) -> None:
    first, second = large.post(ASK), large.post(ASK)
    assert first.headers["Transfer-Encoding"] == "chunked"
    assert len(first.content) == len(second.content) > 10_000_000


def test_a_client_of_http_1_0_reads_to_the_end_of_the_connection(large: Site) -> None:
    at = urlsplit(large.address)
    with socket.create_connection((at.hostname, at.port), timeout=10) as connection:
        connection.sendall(b"POST %b HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (at.path.encode(), len(ASK), ASK))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        content = answer.read()
    assert (answer.getheader("Transfer-Encoding"), answer.getheader("Connection")) == (None, "close")
    assert content.endswith(b"</SOAP-ENV:Envelope>")


def test_a_stream_can_be_cut(large: Site) -> None:
    large.fault("truncate")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        large.post(ASK)


def test_a_stream_can_be_spoilt(large: Site) -> None:
    large.fault("malformed")
    content = large.post(ASK).content
    assert content.endswith(b'"<\x00')
    assert b"</SOAP-ENV:Envelope>" not in content


def test_a_stream_can_be_slow(large: Site) -> None:
    large.set(bulk_rows=15_000)
    large.fault("slow", bytes_per_second=50_000_000)
    assert large.post(ASK).content.endswith(b"</SOAP-ENV:Envelope>")
