"""Throttling and refusals of F&O: Retry-After, the innermost message, signing in (contract 1, 2.6, 2.7)."""

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.errors import ConfigurationError, UnavailableError, UnexpectedReplyError
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, customer, json_response

BUSY = [
    "This request could not be processed at this time due to system experiencing high resource utilization.",
    "Number of requests exceeded the limit of 6000 over the time window of 300 seconds.",
    "Combined execution time of incoming requests exceeded limit of 1200 seconds over time window of 300 seconds."
    " Decrease number of concurrent requests or reduce the duration of requests and try again later.",
    "Number of concurrent requests exceeded the limit of 52.",
]
TRACE = "   at Microsoft.Dynamics.Platform.Integration.Services.OData\n" * 400


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    return ODataServer(server, {"CustomersV3": [customer("C-1")]})


@pytest.mark.parametrize("text", BUSY)
@pytest.mark.parametrize(("headers", "wait"), [({"Retry-After": "17"}, 17.0), ({}, 30.0)])
def test_each_throttling_reply_is_waited_for(
    system: ODataServer, finance: Open, slept: list[float], text: str, headers: dict[str, str], wait: float
) -> None:
    refused = json_response({"error": {"code": "", "message": text}}, 429)
    refused.headers.update(headers)
    system.before = lambda request: refused if len(system.asked) < 3 else None
    assert len(list(finance().read("customer", ""))) == 1
    assert slept == [wait, wait]


@pytest.mark.parametrize("text", BUSY)
def test_a_run_that_has_to_wait_tells_why(system: ODataServer, finance: Open, slept: list[float], text: str) -> None:
    refused = json_response({"error": {"code": "", "message": text}}, 429)
    refused.headers["Retry-After"] = "300"
    system.before = lambda request: refused
    with pytest.raises(UnavailableError) as raised:
        list(finance().read("customer", ""))
    assert (raised.value.retry_after, raised.value.reply, slept) == (300.0, text, [])


@pytest.mark.parametrize(("status", "error"), [(400, UnexpectedReplyError), (500, UnavailableError)])
def test_the_innermost_message_is_shown_without_its_stack_trace(
    system: ODataServer, finance: Open, slept: list[float], status: int, error: type[Exception]
) -> None:
    said = "The property 'Foo' does not exist on type 'Microsoft.Dynamics.DataEntities.CustomerV3'."
    inner = {"message": said, "type": "Microsoft.OData.ODataException", "stacktrace": TRACE}
    outer = {"message": "Exception has been thrown.", "type": "X", "stacktrace": TRACE, "internalexception": inner}
    body = {"error": {"code": "", "message": "An error has occurred.", "innererror": outer}}
    system.before = lambda request: json_response(body, status)
    with pytest.raises(error) as raised:
        list(finance().read("customer", ""))
    assert raised.value.reply == said


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b'{"error":"no"}', b'{"error":{"message":7}}', b"[" * 9_999])
def test_a_refusal_of_another_form_is_shown_as_it_begins(system: ODataServer, finance: Open, body: bytes) -> None:
    system.before = lambda request: Response(body, 400)
    with pytest.raises(UnexpectedReplyError) as raised:
        list(finance().read("customer", ""))
    assert raised.value.reply in (body.decode()[:600], "7")


def test_a_static_token_is_sent_as_it_is_and_never_shown(
    system: ODataServer, server: HTTPServer, finance: Open
) -> None:
    source = finance(AUTH="token", TOKEN="hush-hush", CLIENT_ID="", CLIENT_SECRET="")
    assert len(list(source.read("customer", ""))) == 1
    assert {request.headers["Authorization"] for request in system.asked} == {"Bearer hush-hush"}
    assert not any(request.path == "/token" for request, _ in server.log)
    system.before = lambda request: Response(status=401)
    with pytest.raises(ConfigurationError) as raised:
        list(source.read("customer", ""))
    assert "hush-hush" not in repr(vars(raised.value))


def test_a_system_without_sign_in_is_asked_without_a_token(system: ODataServer, finance: Open) -> None:
    assert len(list(finance(AUTH="none").read("customer", ""))) == 1
    assert "Authorization" not in system.asked[0].headers


def test_an_unknown_way_to_sign_in_is_named(finance: Open) -> None:
    with pytest.raises(ConfigurationError, match="AUTH is 'kerberos'"):
        finance(AUTH="kerberos")
