"""Contact lists (contract 3.9): made, filled in ten thousands, counted, paged without an envelope, deleted."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.errors import ConfigurationError, ConnectorError, UnexpectedReplyError
from tests.connectors.conftest import Open, emarsys_of
from tests.connectors.test_emarsys_contacts import Script, anything, refused


def plain(data: Any) -> Response:
    return Response(json.dumps(data), content_type="application/json")


def test_lists_are_listed(server: HTTPServer, emarsys: Open) -> None:
    vip = {"id": "761537284", "name": "VIP", "created": "2025-09-30 22:14:37", "type": 0}
    Script(server, "GET", "/contactlist", [vip, {"id": 5, "name": "Old"}])
    assert [(one.id, one.name, one.created) for one in emarsys().lists()] == [
        ("761537284", "VIP", "2025-09-30 22:14:37"), ("5", "Old", "")
    ]  # fmt: skip


@pytest.mark.parametrize("errors", [{}, {"errors": []}, {"errors": {}}])
def test_a_list_is_made_with_its_contacts(server: HTTPServer, emarsys: Open, errors: dict[str, Any]) -> None:
    made = Script(server, "POST", "/contactlist", {"id": 123, **errors})
    filled = emarsys().create_list("Recall", ["C-1", "C-2"], "bought MUG-1")
    assert made.sent == [
        {"name": "Recall", "description": "bought MUG-1", "key_id": "10569", "external_ids": ["C-1", "C-2"]}
    ]
    assert (filled.id, filled.changed, filled.refused) == ("123", 2, {})


def test_an_empty_list_can_be_made(server: HTTPServer, emarsys: Open) -> None:
    made = Script(server, "POST", "/contactlist", {"id": "123"})
    assert emarsys().create_list("Empty").changed == 0
    assert made.sent == [{"name": "Empty", "description": ""}]


def test_more_than_a_call_takes_goes_in_parts(server: HTTPServer, emarsys: Open) -> None:
    made = Script(server, "POST", "/contactlist", {"id": 123, "errors": {"C-0": {"2008": "No contact found"}}})
    added = Script(server, "POST", "/contactlist/123/add", {"inserted_contacts": 10_000, "errors": []},
                   {"inserted_contacts": 4_999, "errors": {"C-24999": {"2008": "No"}}})  # fmt: skip
    filled = emarsys().create_list("All", [f"C-{number}" for number in range(25_000)])
    assert len(made.sent[0]["external_ids"]) == 10_000
    assert [len(sent["external_ids"]) for sent in added.sent] == [10_000, 5_000]
    assert (filled.changed, dict(filled.refused)) == (24_998, {"C-0": "2008", "C-24999": "2008"})


def test_contacts_are_added_and_taken_off(server: HTTPServer, emarsys: Open) -> None:
    errors = {"errors": {"x": {"2008": "No contact found with the external id: 3"}}}
    add = Script(server, "POST", "/contactlist/5/add", {"inserted_contacts": 2, **errors})
    remove = Script(server, "POST", "/contactlist/5/delete", {"deleted_contacts": 1, "errors": []})
    sink = emarsys()
    assert sink.add_to_list("5", ["C-1", "C-2", "x"]) == ("5", 2, {"x": "2008"})
    assert sink.remove_from_list("5", ["C-1"]) == ("5", 1, {})
    assert add.sent == [{"key_id": "10569", "external_ids": ["C-1", "C-2", "x"]}]
    assert remove.sent == [{"key_id": "10569", "external_ids": ["C-1"]}]


def test_a_list_is_replaced_once_and_then_added_to(server: HTTPServer, emarsys: Open) -> None:
    replace = Script(server, "POST", "/contactlist/5/replace", {"inserted_contacts": 10_000, "errors": []})
    add = Script(server, "POST", "/contactlist/5/add", {"inserted_contacts": 1, "errors": []})
    assert emarsys().replace_list("5", [f"C-{number}" for number in range(10_001)]).changed == 10_001
    assert (len(replace.sent), [len(sent["external_ids"]) for sent in add.sent]) == (1, [1])


def test_a_list_can_be_emptied(server: HTTPServer, emarsys: Open) -> None:
    replace = Script(server, "POST", "/contactlist/5/replace", {"inserted_contacts": 0, "errors": []})
    assert emarsys().replace_list("5", []).changed == 0
    assert replace.sent == [{"key_id": "10569", "external_ids": []}]


def test_a_list_is_counted_renamed_and_deleted(server: HTTPServer, emarsys: Open) -> None:
    Script(server, "GET", "/contactlist/5/count", 4940)
    rename = Script(server, "POST", "/contactlist/5/rename", {"id": "5", "name": "New"})
    delete = Script(server, "POST", "/contactlist/5/deletelist", {})
    sink = emarsys()
    assert sink.list_count("5") == 4940
    sink.rename_list("5", "New")
    sink.delete_list("5")
    assert (rename.sent, len(delete.asked)) == ([{"name": "New"}], 1)


def test_members_are_paged_by_the_token_of_the_next_page(server: HTTPServer, emarsys: Open) -> None:
    following = "/contactlist/330/contactIds?$skiptoken=3&$top=10000"
    pages = Script(server, "GET", "/contactlist/330/contactIds", plain({"value": [1, 2, 3], "next": following}),
                   plain({"value": [4], "next": None}))  # fmt: skip
    assert list(emarsys().list_members("330")) == [["1", "2", "3"], ["4"]]
    assert [request.args["$skiptoken"] for request in pages.asked] == ["0", "3"]
    assert {request.args["$top"] for request in pages.asked} == {"10000"}


@pytest.mark.parametrize(
    "page",
    [plain({"value": [1], "next": "/contactlist/330/contactIds?$skiptoken=0"}),
     plain({"value": [], "next": "/contactlist/330/contactIds?$skiptoken=9"}), plain({"value": None}), plain([]),
     plain({"value": [1], "next": "/contactlist/330/contactIds"}), Response("busy"), refused(200, 0, "OK")],
)  # fmt: skip
def test_pages_in_a_circle_or_of_another_form_are_told(server: HTTPServer, emarsys: Open, page: Response) -> None:
    Script(server, "GET", "/contactlist/330/contactIds", page)
    with pytest.raises(UnexpectedReplyError):
        list(emarsys().list_members("330"))


@pytest.mark.parametrize("call", [
    lambda sink: sink.create_list("VIP", ["C-1"]), lambda sink: sink.add_to_list("5", ["C-1"]),
    lambda sink: sink.list_count("5"), lambda sink: list(sink.list_members("5")), lambda sink: sink.delete_list("5"),
])  # fmt: skip
@pytest.mark.parametrize(("status", "code"), [(400, 3004), (400, 3005), (404, 3006), (400, 3008)])
def test_a_refused_list_is_for_a_person(server: HTTPServer, emarsys: Open, call: Any, status: int, code: int) -> None:
    for method, path in (("POST", ""), ("POST", "/5/add"), ("GET", "/5/count"), ("GET", "/5/contactIds"),
                         ("POST", "/5/deletelist")):  # fmt: skip
        Script(server, method, f"/contactlist{path}", refused(status, code, "No"))
    with pytest.raises(ConfigurationError, match=str(code)):
        call(emarsys())


@pytest.mark.parametrize("number", ["", "wrong-id", "5/deletelist", "5?x=1", "../contact"])
def test_what_is_no_id_reaches_no_other_call(server: HTTPServer, emarsys: Open, number: str) -> None:
    sink = emarsys()
    _ = sink.inlets["customer"]
    asked = len(server.log)
    for call in (sink.list_count, sink.delete_list, lambda one: list(sink.list_members(one))):
        with pytest.raises(UnexpectedReplyError, match="no id"):
            call(number)
    assert len(server.log) == asked


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=anything | st.dictionaries(st.sampled_from(["id", "value", "next", "errors"]), anything, max_size=3))
def test_no_reply_raises_anything_but_a_typed_error(server: HTTPServer, data: Any) -> None:
    server.clear()
    sink = emarsys_of(server)
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/5/add"), ("GET", "/5/count")):
        Script(server, method, f"/contactlist{path}", data)
    Script(server, "GET", "/contactlist/5/contactIds", plain(data))
    for call in (sink.lists, lambda: sink.create_list("x", ["C-1"]), lambda: sink.add_to_list("5", ["C-1"]),
                 lambda: sink.list_count("5"), lambda: list(sink.list_members("5"))):  # fmt: skip
        with contextlib.suppress(ConnectorError):
            call()
