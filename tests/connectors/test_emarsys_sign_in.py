"""How the account is signed in to: WSSE of the API v2 (contract 1.2), and what a refusal tells (pitfall 20)."""

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.base import Unlimited
from connectors.config import ConnectionSettings
from connectors.emarsys import auth, connector, wsse
from connectors.errors import ConfigurationError
from tests.connectors.conftest import Open, opened
from tests.connectors.test_emarsys_contacts import Script, batch, ok

WSSE = {
    "AUTH": "wsse",
    "URL": "{server}/api/v2",
    "WSSE_USER": "acct001",
    "WSSE_SECRET": "s3cr3t",
    "KEY_FIELD": "externalId",
    "TIER_FIELD": "",
}
HEADER = re.compile(
    r'UsernameToken Username="(?P<user>[^"]*)", PasswordDigest="(?P<digest>[^"]*)", '
    r'Nonce="(?P<nonce>[0-9a-f]{32})", Created="(?P<created>[^"]*)"'
)


# ---------------------------------------------------------------------------------------------------------- vectors


@pytest.mark.parametrize(
    ("nonce", "created", "secret", "digest"),
    [
        ("test", "", "", "YTk0YThmZTVjY2IxOWJhNjFjNGMwODczZDM5MWU5ODc5ODJmYmJkMw=="),
        ("", "", "", "ZGEzOWEzZWU1ZTZiNGIwZDMyNTViZmVmOTU2MDE4OTBhZmQ4MDcwOQ=="),
        ("5398e214ae99c2e50afb709a3bc423f9", "2019-10-14T00:00:00.000Z", "dummy",
         "NDc5MjNlODIyMGE4ODhiMTQyNTA0OGMzZTFjZTM1MmMzMmU0NmNiNw=="),
        ("0123456789abcdef0123456789abcdef", "2026-01-15T10:00:00Z", "s3cr3t",
         "ODU4YjZkMTUwZWU5ZWUzMDczYzRkNzkyZWVkNjdmODQxMmI0YzBlMA=="),
    ],
)  # fmt: skip
def test_digests_of_the_contract_s_vectors(nonce: str, created: str, secret: str, digest: str) -> None:
    assert wsse.digest(nonce, created, secret) == digest


@pytest.mark.parametrize(
    "created", ["2026-01-15T10:00:00.000Z", "2026-01-15T11:00:00+01:00", "2026-01-15T10:00:00+0000"]
)
def test_created_is_hashed_as_it_is_sent(created: str) -> None:
    """Milliseconds and any explicit offset are accepted there, so none of them may be rewritten here."""
    written = wsse.header("dummy", "dummy", "5398e214ae99c2e50afb709a3bc423f9", created)
    found = HEADER.fullmatch(written)
    assert found
    assert found["created"] == created
    sha = hashlib.sha1(f"5398e214ae99c2e50afb709a3bc423f9{created}dummy".encode()).hexdigest()
    assert base64.b64decode(found["digest"]).decode() == sha


@given(nonce=st.text(), created=st.text(), secret=st.text())
def test_a_digest_is_always_fifty_six_characters(nonce: str, created: str, secret: str) -> None:
    found = wsse.digest(nonce.encode("utf-8", "ignore").decode(), created.encode("utf-8", "ignore").decode(),
                        secret.encode("utf-8", "ignore").decode())  # fmt: skip
    assert len(found) == 56
    assert found.endswith("==")


# ------------------------------------------------------------------------------------------------------ over HTTP


def account(server: HTTPServer, base: str = "/api/v2") -> None:
    fields = [{"id": "10569", "name": "External id", "string_id": "externalId"}]
    server.expect_request(f"{base}/field").respond_with_handler(lambda request: ok(fields))
    for number in (14, 35):
        server.expect_request(f"{base}/field/{number}/choice").respond_with_handler(lambda request: ok([]))


def test_each_attempt_is_signed_anew(server: HTTPServer, slept: list[float]) -> None:
    account(server)
    answers = [Response("", 503), ok({"ids": ["1"]})]
    server.expect_request("/api/v2/contact/").respond_with_handler(lambda request: answers.pop(0))
    sink = opened("emarsys", server, WSSE)
    sink.send("customer", batch(sink, "C-1"), "key")
    signed = [HEADER.fullmatch(request.headers["X-WSSE"]) for request, _ in server.log]
    assert len(signed) == 5  # fields, two lists of choices, the upsert twice
    assert len({found["nonce"] for found in signed if found}) == 5
    for found in signed:
        assert found
        assert found["user"] == "acct001"
        assert found["digest"] == wsse.digest(found["nonce"], found["created"], "s3cr3t")
        assert abs(datetime.fromisoformat(found["created"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert not any("Authorization" in request.headers for request, _ in server.log)


def test_the_address_follows_the_way_of_signing_in() -> None:
    def base(**environment: str) -> str:
        settings = ConnectionSettings("esp", connector, {f"ESP_{name}": value for name, value in environment.items()})
        connector.open(settings, Unlimited())
        return auth.sign_in(settings).base

    assert base() == "https://api.emarsys.net/api/v3"
    assert base(AUTH="wsse") == "https://api.emarsys.net/api/v2"
    assert base(AUTH="wsse", URL="https://other.example.com/api/v2") == "https://other.example.com/api/v2"
    with pytest.raises(ConfigurationError, match="neither oauth nor wsse"):
        base(AUTH="escher")


def test_only_what_the_way_of_signing_in_needs_is_missing() -> None:
    assert ConnectionSettings("esp", connector, {}).missing() == ["ESP_CLIENT_ID", "ESP_CLIENT_SECRET"]
    missing = ConnectionSettings("esp", connector, {"ESP_AUTH": "wsse"}).missing()
    assert missing == ["ESP_WSSE_USER", "ESP_WSSE_SECRET"]


def test_without_a_secret_no_request_leaves(server: HTTPServer) -> None:
    account(server)
    with pytest.raises(ConfigurationError, match="WSSE_SECRET"):
        opened("emarsys", server, {**WSSE, "WSSE_SECRET": ""} | {"WSSE_SECRET": "env:NOT_THERE"}).check()
    assert server.log == []


@pytest.fixture
def clocked() -> Iterator[Callable[[timedelta], tuple[str, list[str]]]]:
    """A server whose clock is off by so much, and which refuses everybody; with its log."""
    running: list[ThreadingHTTPServer] = []

    def start(drift: timedelta) -> tuple[str, list[str]]:
        asked: list[str] = []

        class Refusing(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                body = b'{"replyCode":1,"replyText":"Unauthorized","data":""}'
                self.send_response(401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(datetime.now(UTC) + drift, usegmt=True)

            def log_message(self, *words: object) -> None:
                pass

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Refusing))
        threading.Thread(target=running[-1].serve_forever, args=(0.01,)).start()
        return f"http://127.0.0.1:{running[-1].server_port}/api/v2", asked

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


@pytest.mark.parametrize(
    ("drift", "told"),
    [
        (timedelta(minutes=12), "12 min ahead of ours"),
        (timedelta(minutes=-7), "7 min behind ours"),
        (timedelta(hours=2, minutes=3), "2 h 3 min ahead of ours"),
    ],
)
def test_a_bare_401_with_clocks_apart_tells_how_far(
    server: HTTPServer, clocked: Callable[[timedelta], tuple[str, list[str]]], drift: timedelta, told: str
) -> None:
    address, _ = clocked(drift)
    with pytest.raises(ConfigurationError) as raised:
        opened("emarsys", server, {**WSSE, "URL": address}).check()
    assert told in raised.value.message
    assert "5 minutes are allowed" in raised.value.message
    assert "NTP" in raised.value.remedy
    assert "s3cr3t" not in repr(raised.value) + raised.value.reply


@pytest.mark.parametrize("drift", [timedelta(0), timedelta(minutes=4), timedelta(minutes=-4)])
def test_a_401_with_clocks_together_is_about_the_credential(
    server: HTTPServer, clocked: Callable[[timedelta], tuple[str, list[str]]], drift: timedelta
) -> None:
    address, asked = clocked(drift)
    with pytest.raises(ConfigurationError, match="refused the credentials"):
        opened("emarsys", server, {**WSSE, "URL": address}).check()
    assert len(asked) == 1  # WSSE has no token to renew


def test_a_missing_permission_names_the_endpoint_not_the_password(server: HTTPServer, emarsys: Open) -> None:
    sink = emarsys()
    Script(server, "GET", "/event", Response("", 403))
    with pytest.raises(ConfigurationError, match="endpoint") as raised:
        sink.events()
    assert raised.value.request.endswith("/event")
    assert "permission" in raised.value.remedy
