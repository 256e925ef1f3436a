"""The one session (RELIABILITY B 22-28): what a system may do to us, and the error each becomes."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.base import Unlimited
from connectors.errors import ConnectorError, UnavailableError, UnexpectedReplyError, UnknownOutcomeError
from connectors.http import Http, retry_after
from connectors.written import Written, counting


def session(server: HTTPServer, **options: float) -> Http:
    return Http("erp", server.url_for(""), Unlimited(), **options)


def test_a_link_to_another_host_is_not_followed(server: HTTPServer) -> None:
    with pytest.raises(UnexpectedReplyError, match="another host"):
        session(server).get("https://evil.example.com/data?page=2")
    assert server.log == []


def test_a_link_on_the_same_host_is_followed_as_it_is_written(server: HTTPServer) -> None:
    server.expect_request("/data").respond_with_data("ok")
    session(server).get(server.url_for("/data?$skip=1&q=a%2Bb"))
    assert server.log[0][0].query_string == b"$skip=1&q=a%2Bb"


def test_a_redirect_keeps_no_credentials_because_it_is_not_followed(server: HTTPServer) -> None:
    server.expect_request("/data").respond_with_data("", 302, {"Location": "https://evil.example.com/"})
    with pytest.raises(UnexpectedReplyError, match="redirects"):
        session(server).get("data")


def test_an_answer_without_end_is_cut_by_size(server: HTTPServer) -> None:
    server.expect_request("/data").respond_with_data(b"x" * 3_000_000)
    with pytest.raises(UnexpectedReplyError, match="more than 1 MB"):
        session(server, max_bytes=2**20).get("data")


PAGES = [
    b"<!DOCTYPE html><html>", b"\xef\xbb\xbf\r\n<HTML lang='en'>", b"<!-- a --><!-- 2 -->\n<html>", b"<head><title>x",
    b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"><html/>',
]  # fmt: skip
DATA = [b'{"page":"<html>"}', b'"<html>"', b"name\n<html>\n", b'<?xml version="1.0"?><Edmx/>', b"<htmlish/>", b"<!-- ",
        b"<!---->" * 10_000, b" " * 100_000, b""]  # fmt: skip


@pytest.mark.parametrize("body", PAGES)
def test_a_page_for_people_is_no_answer_of_the_system(server: HTTPServer, slept: list[float], body: bytes) -> None:
    server.expect_request("/data").respond_with_data(body, content_type="application/json")
    with pytest.raises(UnavailableError, match="an HTML page") as raised:
        session(server).get("data")
    assert not isinstance(raised.value, UnknownOutcomeError)
    assert (len(server.log), raised.value.request) == (4, "GET /data")
    with pytest.raises(UnavailableError, match="an HTML page"):
        list(session(server).stream("GET", "data"))
    with pytest.raises(UnknownOutcomeError, match="whether it was carried out is not known"):
        session(server).request("POST", "data", body=b"1", repeatable=False)
    assert len(server.log) == 4 + 4 + 1


@pytest.mark.parametrize("body", DATA)
def test_what_only_speaks_of_a_page_is_an_answer(server: HTTPServer, body: bytes) -> None:
    server.expect_request("/data").respond_with_data(body, content_type="text/html")
    assert session(server).get("data").body == body
    assert b"".join(session(server).stream("GET", "data")) == body


def test_a_slow_drip_is_cut_by_the_deadline(dripping: str, slept: list[float]) -> None:
    http = Http("erp", dripping, Unlimited(), deadline=0.3, attempts=1)
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="did not finish"):
        http.get("data")
    assert time.monotonic() - started < 2


def test_a_slow_drip_after_a_send_leaves_the_outcome_unknown(dripping: str) -> None:
    http = Http("erp", dripping, Unlimited(), deadline=0.3)
    with pytest.raises(UnknownOutcomeError):
        http.request("POST", "data", body=b"1", repeatable=False)


def test_a_throttled_send_was_not_carried_out_and_is_repeated(server: HTTPServer, slept: list[float]) -> None:
    server.expect_ordered_request("/data").respond_with_response(Response("", 429, {"Retry-After": "2"}))
    server.expect_ordered_request("/data").respond_with_data("ok")
    assert session(server).request("POST", "data", body=b"1", repeatable=False).body == b"ok"
    assert slept == [2.0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), ("", None),
        ("inf", None), ("nan", None), ("1e400", None), ("999999999999999", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
    ],
)  # fmt: skip
def test_retry_after_comes_in_two_forms(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}) == seconds


def test_a_refused_repeat_says_nothing_of_the_one_before_it(server: HTTPServer, slept: list[float]) -> None:
    server.expect_ordered_request("/told", "POST").respond_with_data("", 502)
    server.expect_ordered_request("/told", "POST").respond_with_data("no", 403)
    with pytest.raises(UnknownOutcomeError):
        session(server).request("POST", "told", repeatable=False, keyed=True)
    server.expect_ordered_request("/told", "POST").respond_with_data("no", 403)
    with pytest.raises(ConnectorError) as caught:
        session(server).request("POST", "told", repeatable=False, keyed=True)
    assert not isinstance(caught.value, UnknownOutcomeError)


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends one byte every tenth of a second."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
                    while not done.wait(0.1):
                        connection.sendall(b"x")
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    done.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_what_writes_counts_each_time_that_it_leaves(server: HTTPServer, slept: list[float]) -> None:
    server.expect_ordered_request("/data").respond_with_data("", 500)
    server.expect_ordered_request("/data").respond_with_data("ok")
    server.expect_ordered_request("/data").respond_with_data("ok")
    written = Written()
    with counting(written):
        session(server).request("POST", "data", body=b"1", writes=True)
        session(server).get("data")
    assert (written.requests, written.repeats) == (2, 1)


def test_what_nobody_was_there_to_hear_has_not_left(slept: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    written = Written()
    with counting(written), pytest.raises(UnavailableError, match="cannot be reached"):
        Http("erp", f"http://127.0.0.1:{port}", Unlimited()).request("POST", "data", body=b"1", writes=True)
    assert written.requests == 0
