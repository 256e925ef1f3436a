"""Published requests, replies and events of F&O (contract 2 to 5), at the emulated F&O and at the connector."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from connectors import errors
from connectors.dynamics365.finance import connector
from connectors.emulators.server import running
from tests.connectors.conftest import FINANCE, opened
from tests.emulators.client import Environment
from tests.emulators.finance.conftest import FILES
from tests.vectors.published import body_of, shape, vectors


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder: Path = tmp_path_factory.mktemp("retailer")
    for name, text in FILES.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    with running() as root:
        environment = Environment(root)
        assert environment.control("POST", "reset", {"dataset": str(folder), "seed": 1}).ok
        yield environment.sign_in()
        environment.session.close()


@pytest.mark.parametrize("vector", vectors("finance", "request"))
def test_the_emulator_answers_a_published_request_in_the_published_form(
    environment: Environment, vector: Mapping[str, Any]
) -> None:
    asked, published = vector["request"], vector["reply"]
    answer = environment.call(asked.get("method", "GET"), asked["path"], json=asked.get("body"))
    assert answer.status_code == published["status"], answer.text
    assert shape(answer.json()) == shape(published["body"])
    if "@odata.context" in published["body"] and "loose" not in vector:
        ending = published["body"]["@odata.context"].rpartition("/data/")[2]
        assert answer.json()["@odata.context"].endswith(f"/data/{ending}")


def serve(server: HTTPServer, vector: Mapping[str, Any]) -> None:
    server.expect_request("/token").respond_with_json({"access_token": "t1", "expires_in": 3600})
    server.expect_request("/data/$metadata").respond_with_data("", 404)
    first = {"for": vector.get("request", {}).get("path", "").partition("?")[0], **vector["reply"]}
    for reply in (first, *vector.get("also", ())):
        text, kind = body_of(reply)
        server.expect_request(f"/data/{reply['for']}").respond_with_data(
            text, reply.get("status", 200), headers=reply.get("headers"), content_type=kind
        )


@pytest.mark.parametrize("vector", vectors("finance", "connector"))
@time_machine.travel("2026-03-03T08:00:00Z", tick=True)
def test_the_connector_understands_a_published_reply(
    server: HTTPServer, slept: list[float], vector: Mapping[str, Any]
) -> None:
    serve(server, vector)
    source, wanted = opened("dynamics365.finance", server, FINANCE), vector["connector"]
    stream = source.streams[wanted["stream"]]
    if "raises" in wanted:
        with pytest.raises(getattr(errors, wanted["raises"])) as raised:
            list(source.read(wanted["stream"], ""))
        assert wanted["says"] in raised.value.reply
        return
    rows = [row for page in source.read(wanted["stream"], wanted.get("since", "")) for row in page.rows]
    found = {stream.key(row): stream.map(row).record for row in rows}
    assert list(found) == [key for key, _ in wanted["gives"]]
    for key, values in wanted["gives"]:
        assert {name: plain(getattr(found[key], name)) for name in values} == values


def plain(value: Any) -> Any:
    return value if isinstance(value, str | bool) else str(value)


@pytest.mark.parametrize("vector", vectors("finance", "event"))
def test_a_published_business_event_names_what_to_read_again(vector: Mapping[str, Any]) -> None:
    assert connector.notice is not None
    found = connector.notice(json.dumps(vector["event"]).encode(), {})
    assert {"id": found.id, "order": found.order, "keys": {name: list(keys) for name, keys in found.keys.items()}} == (
        vector["gives"]
    )
