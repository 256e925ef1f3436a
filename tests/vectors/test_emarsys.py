"""Emarsys' published requests and replies (contract 2 to 6), at the emulated Emarsys and at the connector."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors import errors
from connectors.base import Known
from connectors.emulators.server import running
from connectors.records import Consent, Customer, OrderEvent, Sale
from tests.connectors.conftest import emarsys_of
from tests.emulators.emarsys.account import Account
from tests.vectors.published import body_of, path_of, shape, vectors

NOON = datetime(2026, 1, 15, 11, tzinfo=UTC)
NUMBERS = {"list": "123", "event": "111", "segment": "123", "run": "100024015", "export": "2140"}
"""The ids that the published replies have."""


# --------------------------------------------------------------------------------------------- the emulated Emarsys


@pytest.fixture(scope="module")
def emulators() -> Iterator[str]:
    with running() as base:
        yield base


@pytest.fixture
def account(emulators: str) -> Iterator[Account]:
    requests.post(f"{emulators}/_control/reset", json={"dataset": None, "seed": 1, "drift": False}, timeout=30)
    account = Account(emulators)
    account.switch(export_seconds=0, run_polls=0, segment_202=0)
    yield account
    account.session.close()


def numbers(account: Account, vector: Mapping[str, Any]) -> dict[str, str]:
    """The emulator's own ids for what the vector's path names."""
    found = {}
    if vector.get("given"):
        account.upsert(*vector["given"])
    if "list" in vector:
        members = [one["10569"] for one in vector.get("given", ()) if not vector["request"]["path"].endswith("/add")]
        body = {"key_id": "10569", "external_ids": members} if members else {}
        found["list"] = account.data("POST", "/contactlist", {"name": vector["list"], **body})["id"]
    if "event" in vector:
        listed = {one["name"]: one["id"] for one in account.data("GET", "/event")}
        found["event"] = listed[vector["event"]]
    if vector.get("segment") or vector.get("run"):
        found["segment"] = account.data("GET", "/filter")[0]["id"]
    if vector.get("run"):
        found["run"] = account.data("POST", f"/filter/{found['segment']}/runs")["run_id"]
    if vector.get("export"):
        wanted = {"distribution_method": "local", "contact_fields": ["3"], "origin": "all"}
        wanted["time_range"] = ["2020-01-01", "2099-01-01"]
        found["export"] = account.data("POST", "/contact/getchanges", wanted)["id"]
    return found


@pytest.mark.parametrize("vector", vectors("emarsys", "request"))
def test_the_emulator_answers_a_published_request_in_the_published_form(
    account: Account, vector: Mapping[str, Any]
) -> None:
    asked, published = vector["request"], vector["reply"]
    answer = account.call(asked["method"], asked["path"].format(**numbers(account, vector)), asked.get("body"))
    assert answer.status_code == published["status"], answer.text
    found, expected = answer.json(), published["body"]
    if "any" in vector:  # a list with entries of one published form
        assert shape(expected["data"], vector.get("loose", ()))[0] in shape(found["data"], vector.get("loose", ()))
        found, expected = found | {"data": []}, expected | {"data": []}
    assert shape(found, vector.get("loose", ())) == shape(expected, vector.get("loose", ()))
    assert found.get("replyCode") == expected.get("replyCode")


@pytest.mark.parametrize("vector", vectors("emarsys", "upload"))
def test_the_emulator_answers_a_published_upload_as_recorded(account: Account, vector: Mapping[str, Any]) -> None:
    account.upsert({"10569": "C-100"})
    answer = account.upload(vector["upload"], Accept="text/plain")
    text, kind = body_of(vector["reply"])
    assert (answer.status_code, answer.text) == (vector["reply"]["status"], text)
    assert answer.headers["Content-Type"].startswith(kind)


# --------------------------------------------------------------------------------------------------- the connector


def sent(sink: Any, inlet: str, records: list[Any]) -> list[Any]:
    encoded = [sink.inlets[inlet].encode(record, Known())[0] for record in records]
    return list(sink.send(inlet, encoded, "delivery").results)


def upsert(sink: Any, of: list[str]) -> list[Any]:
    found = sent(sink, "customer", [Customer(key=one, account=one, first_name="Ana") for one in of])
    return [[one.key, one.outcome.value, one.target_id, one.code] for one in found]


def opt_out(sink: Any, of: list[str]) -> list[Any]:
    found = sent(sink, "consent", [Consent(key=one, customer=one, account=one, given="no") for one in of])
    return [[one.key, one.outcome.value, one.target_id, one.code] for one in found]


def look(sink: Any, of: list[str]) -> dict[str, Any]:
    return {key: [one.target_id, dict(one.fields)] for key, one in sink.look("consent", of).items()}


def trigger(sink: Any, of: list[str]) -> list[Any]:
    events = [OrderEvent(key=one, event="dispatched", order="SO-1", customer=one, account=one, happened_at=NOON)
              for one in of]  # fmt: skip
    return [[one.key, one.outcome.value, one.code] for one in sent(sink, "order_event", events)]


def upload(sink: Any, of: list[str]) -> list[str]:
    sale = Sale(
        key="SO-1001|1", document="SO-1001", line="1", company="", customer="C-100", account="C-100", sku="MUG-1",
        quantity=Decimal(2), unit_price=Decimal(12), amount=Decimal(24), currency="EUR", sold_at=NOON,
        document_total=Decimal(24), order="SO-1001",
    )  # fmt: skip
    return [one.outcome.value for one in sent(sink, "sale", [sale])]


def changes(sink: Any, of: list[str]) -> list[Any]:
    rows = [row for page in sink.read("consent", "2026-01-14") for row in page.rows]
    found = [sink.streams["consent"].map(row).record for row in rows]
    return [[one.key, one.given, one.at.isoformat()] for one in found]


def created(found: Any) -> list[Any]:
    return [found.id, dict(found.refused)]


def filled(found: Any) -> list[Any]:
    return [found.changed, dict(found.refused)]


DOES: dict[str, Callable[[Any, list[str]], Any]] = {
    "upsert": upsert,
    "opt out": opt_out,
    "look at opt-ins": look,
    "trigger": trigger,
    "upload": upload,
    "changes": changes,
    "create list": lambda sink, of: created(sink.create_list("VIP", of)),
    "add to list": lambda sink, of: filled(sink.add_to_list("123", of)),
    "remove from list": lambda sink, of: filled(sink.remove_from_list("123", of)),
    "replace list": lambda sink, of: filled(sink.replace_list("123", of)),
    "lists": lambda sink, of: [[one.id, one.name] for one in sink.lists()],
    "list count": lambda sink, of: sink.list_count("123"),
    "list members": lambda sink, of: [member for page in sink.list_members("123") for member in page],
    "segments": lambda sink, of: [list(one) for one in sink.segments()],
    "segment count": lambda sink, of: sink.segment_count("123"),
    "segment size": lambda sink, of: list(sink.segment_size("123")),
}


@pytest.fixture
def sink(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Waiting takes no time; it is the day of the published replies."""
    for module in ("http", "emarsys.exports", "emarsys.segments"):
        monkeypatch.setattr(f"connectors.{module}.time.sleep", lambda seconds: None)
    monkeypatch.setattr("connectors.emarsys.consents.now", lambda: NOON)
    return emarsys_of(server, SEGMENT_WAIT="0", EXPORT_WAIT="0")


STANDING = (
    {"for": "GET /event", "body": {"replyCode": 0, "data": [{"id": 111, "name": "order_dispatched"}]}},
    {"for": "GET /settings", "body": {"replyCode": 0, "data": {"id": "123", "timezone": "Europe/Vienna"}}},
)
"""What the account always answers."""


def serve(server: HTTPServer, vector: Mapping[str, Any]) -> None:
    for reply in (vector["reply"], *vector.get("also", ()), *STANDING):
        method, path = path_of(reply, vector.get("request"))
        path = re.sub(r"\{(\w+)\}", lambda found: NUMBERS[found[1]], path)
        path = path.replace("Wrong-id", NUMBERS["list"])
        path = path if path.startswith("/hapi") else f"/api/v3{path}"
        text, kind = body_of(reply)
        found = server.expect_request(path, method=method)
        if "/export/" in path and "text" in reply:
            found.respond_with_handler(lambda request, text=text, kind=kind: slice_of(text, request.args, kind))
        else:
            found.respond_with_data(text, reply.get("status", 200), content_type=kind)


def slice_of(text: str, asked: Mapping[str, str], kind: str) -> Response:
    """After the last line there is the header alone."""
    header, *lines = text.splitlines()
    rest = lines[int(asked["offset"]) :][: int(asked["limit"])]
    return Response("\n".join([header, *rest, ""]), content_type=kind)


@pytest.mark.parametrize("vector", vectors("emarsys", "connector"))
def test_the_connector_understands_a_published_reply(server: HTTPServer, sink: Any, vector: Mapping[str, Any]) -> None:
    serve(server, vector)
    wanted = vector["connector"]
    if "raises" in wanted:
        with pytest.raises(getattr(errors, wanted["raises"])) as raised:
            DOES[wanted["do"]](sink, wanted.get("of", []))
        assert raised.value.system == "erp"
        return
    assert json.loads(json.dumps(DOES[wanted["do"]](sink, wanted.get("of", [])))) == wanted["gives"]


def test_an_export_that_gives_the_same_lines_for_every_offset_is_no_endless_one(server: HTTPServer, sink: Any) -> None:
    """Section 3.11 has `offset`; found with a reply that did not heed it."""
    [vector] = [one.values[0] for one in vectors("emarsys", "also") if "lines" in one.values[0]["title"]]
    text, kind = body_of(vector["reply"])
    server.expect_request("/api/v3/export/2140/data").respond_with_data(text, content_type=kind)
    serve(server, vector)
    with pytest.raises(errors.UnexpectedReplyError, match="the same lines"):
        changes(sink, [])
