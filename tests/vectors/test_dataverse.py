"""Published requests, replies and messages of Dataverse (contract 3), at the emulator and at the connector."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors import errors
from connectors.base import Gone, Known
from connectors.dynamics365.dataverse import connector
from connectors.emulators.server import running
from connectors.records import Consent
from tests.connectors.conftest import opened
from tests.connectors.dataverse.conftest import SETTINGS
from tests.emulators.dataverse.client import Organisation, retailer
from tests.vectors.published import shape, vectors

CONTACT = "00000000-0000-0000-0000-0000000000c1"
API = "/api/data/v9.2"


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    folder: Path = retailer(tmp_path_factory.mktemp("retailer"))
    with running() as root:
        organisation = Organisation(root)
        assert organisation.control("POST", "reset", {"dataset": str(folder), "seed": 1}).ok
        yield organisation.sign_in()
        organisation.session.close()


@pytest.mark.parametrize("vector", vectors("dataverse", "request"))
def test_the_emulator_answers_a_published_request_in_the_published_form(
    organisation: Organisation, vector: Mapping[str, Any]
) -> None:
    asked, published, loose = vector["request"], vector["reply"], vector.get("loose", ())
    answer = organisation.call("GET", asked["path"], asked.get("prefer", ""))
    assert answer.status_code == published["status"], answer.text
    assert shape(answer.json(), loose) == shape(published["body"], loose)
    assert {name: answer.headers.get(name) for name in vector.get("headers", {})} == vector.get("headers", {})
    if "error" in published["body"]:
        assert answer.json()["error"]["message"] == published["body"]["error"]["message"]


@pytest.mark.parametrize("vector", vectors("dataverse", "patch"))
def test_the_emulator_answers_a_published_write_in_the_published_form(
    organisation: Organisation, vector: Mapping[str, Any]
) -> None:
    asked, published = vector["patch"], vector["reply"]
    row = organisation.row("C-1")
    version = row["@odata.etag"] if asked["if-match"] == "own" else asked["if-match"]
    path = f"contacts({asked.get('id', row['contactid'])})"
    answer = organisation.call("PATCH", path, headers={"If-Match": version}, json=asked["body"])
    assert answer.status_code == published["status"], answer.text
    if "body" in published:
        assert shape(answer.json()) == shape(published["body"])
        assert answer.json()["error"]["message"].lower() == published["body"]["error"]["message"].lower()
    else:
        assert answer.content == b""
        assert answer.headers["OData-EntityId"].endswith(f"/contacts({row['contactid']})")


BASELINE = {"status": 200, "body": {"value": [], "@odata.deltaLink": "{server}" + API + "/contacts?$deltatoken=1%21"}}


def serve(server: HTTPServer, *replies: Mapping[str, Any]) -> None:
    """These replies to reads of contacts, the last one again and again; the baseline's gap holds nothing."""
    waiting, root = list(replies), server.url_for("").rstrip("/")

    def answer(request: Request) -> Response:
        if "$filter" in request.args:
            return Response('{"value":[]}', content_type="application/json")
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        text = json.dumps(reply.get("body")).replace("{server}", root)
        return Response(text, reply["status"], headers=reply.get("headers"), content_type="application/json")

    server.expect_request("/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
    server.expect_request(f"{API}/contacts", method="GET").respond_with_handler(answer)
    server.expect_request(f"{API}/$metadata").respond_with_data("", 404)


@pytest.mark.parametrize(
    "vector", [one for one in vectors("dataverse", "connector") if "write" not in one.values[0]["connector"]]
)
def test_the_connector_understands_a_published_reply_to_a_read_of_changes(
    server: HTTPServer, slept: list[float], vector: Mapping[str, Any]
) -> None:
    serve(server, BASELINE, vector["reply"])
    source, wanted = opened("dynamics365.dataverse", server, SETTINGS), vector["connector"]
    stream, since = source.streams["customer"], list(source.read("customer", ""))[-1].watermark
    if "raises" in wanted:
        with pytest.raises(getattr(errors, wanted["raises"])):
            list(source.read("customer", since))
        return
    pages = list(source.read("customer", since))
    records = [stream.map(row).record for page in pages for row in page.rows]
    assert [[one.key, type(one).__name__, one.why if isinstance(one, Gone) else one.email] for one in records] == (
        wanted["gives"]
    )
    assert wanted["watermark"] in pages[-1].watermark


@pytest.mark.parametrize(
    "vector", [one for one in vectors("dataverse", "connector") if "write" in one.values[0]["connector"]]
)
def test_the_connector_knows_what_became_of_a_published_write(
    server: HTTPServer, slept: list[float], vector: Mapping[str, Any]
) -> None:
    version, reply = 'W/"1001"', vector["reply"]
    row = {"@odata.etag": version, "contactid": CONTACT, "donotbulkemail": False, "statecode": 0, "merged": False}
    server.expect_request("/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
    server.expect_request(f"{API}/$metadata").respond_with_data("", 404)
    server.expect_request(re.compile(f"{API}/contacts.*"), method="GET").respond_with_json({**row, "value": [row]})
    server.expect_request(f"{API}/contacts({CONTACT})", method="PATCH").respond_with_data(
        json.dumps(reply["body"]) if "body" in reply else "", reply["status"], content_type="application/json"
    )
    sink = opened("dynamics365.dataverse", server, SETTINGS)
    encoded, _ = sink.inlets["consent"].encode(Consent(key="C-1", customer=CONTACT, given="no"), Known())
    [result] = sink.send("consent", [encoded], "delivery").results
    assert result.outcome.value == vector["connector"]["write"]
    assert {request.headers["If-Match"] for request, _ in server.log if request.method == "PATCH"} == {version}


@pytest.mark.parametrize("vector", vectors("dataverse", "event"))
def test_a_published_message_names_what_to_read_again(vector: Mapping[str, Any]) -> None:
    assert connector.notice is not None
    found = connector.notice(json.dumps(vector["event"]).encode(), {})
    assert {name: list(keys) for name, keys in found.keys.items()} == vector["gives"]
