"""The connection test, and webhooks (contract 3.3, 3.8)."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from connectors.dynamics365.dataverse import connector
from connectors.errors import ConfigurationError, RecordError
from tests.connectors.dataverse.web_api_server import WebApi, contact, guid, refusal

EVENT = {
    "MessageName": "Update", "PrimaryEntityName": "contact", "PrimaryEntityId": guid(1), "Depth": 1, "Stage": 40,
    "CorrelationId": "b374239d-0000-0000-0000-000000000001", "OperationCreatedOn": "/Date(1506409448000-0700)/",
    "InputParameters": [{"key": "Target", "value": {"LogicalName": "contact", "Id": guid(1), "Attributes": []}}],
}  # fmt: skip


def told(**values: Any) -> Any:
    assert connector.notice
    return connector.notice(json.dumps({**EVENT, **values}).encode(), {})


def test_the_connection_test_says_what_answers(server: HTTPServer, dataverse: Any) -> None:
    WebApi(server, {"contacts": [contact(1), contact(2)], "accounts": []})
    sentence = dataverse(TABLES="contacts,accounts").check()
    assert sentence == "Answers; change tracking is on; rows: contacts 2, accounts 0."


def test_the_connection_test_names_the_table_whose_changes_are_not_tracked(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    api.tracked.discard("contact")
    with pytest.raises(ConfigurationError, match="change tracking is off for the table contact") as raised:
        dataverse().check()
    assert "Track changes" in raised.value.remedy


def test_the_connection_test_asks_for_the_right_to_read_the_whole_table(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    missing = refusal(403, "0x80040220", "missing prvReadContact")
    api.before = lambda request: missing if "track-changes" in request.headers.get("Prefer", "") else None
    with pytest.raises(ConfigurationError) as raised:
        dataverse().check()
    assert "whole organisation" in raised.value.remedy


@pytest.mark.parametrize(("name", "streams"), [
    ("contact", ["customer", "consent"]), ("account", ["customer", "consent"]),
    ("msdynmkt_contactpointconsent4", ["consent"]), ("salesorder", []),
])  # fmt: skip
def test_a_change_names_the_row_for_the_streams_that_read_it(name: str, streams: list[str]) -> None:
    notice = told(PrimaryEntityName=name)
    assert notice.keys == {stream: [guid(1)] for stream in streams}
    assert notice.kind == "Update"


def test_a_merge_names_both_rows() -> None:
    parameters = [
        {"key": "Target", "value": {"LogicalName": "contact", "Id": guid(2).upper()}},
        {"key": "SubordinateId", "value": guid(3)},
    ]
    assert told(MessageName="Merge", InputParameters=parameters).keys["customer"] == [guid(1), guid(2), guid(3)]


def test_a_message_too_large_for_its_parameters_still_names_its_row() -> None:
    assert told(InputParameters=None).keys["customer"] == [guid(1)]


def test_a_repeat_is_the_same_event_and_another_operation_is_not() -> None:
    assert told().id == told().id
    assert told(MessageName="SetState").id != told().id
    assert told(OperationId=guid(8)).id == guid(8)


@given(st.binary(max_size=40) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("contact"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(EVENT)), inner, max_size=7),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_message_raises_anything_but_a_record_error(body: bytes) -> None:
    assert connector.notice
    with suppress(RecordError):
        connector.notice(body, {})
