"""What every connector keeps, with the samples beside its code: row → record → what is sent.

A new connector is picked up as it is discovered. Its folder `samples/` holds `settings.json` ({server} stands
for the address of this test's server), `replies.json` (what that server answers) and one file a stream or inlet
(`consent.inlet.json` for an inlet whose connector has a stream of the same name).
Where a stream and an inlet have one name, cases with a row are the stream's, cases with a body the inlet's.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from connectors.base import Excluded, Gone, Known
from connectors.errors import RecordError
from connectors.records import ENTITIES as RECORDS
from connectors.records import Record
from connectors.registry import all_connectors
from tests.connectors.conftest import connector_names, opened

KNOWN = (Known(), Known("1"), Known("1", adopt=True))


def samples(connector: str, name: str) -> list[dict[str, Any]]:
    module = importlib.import_module(f"connectors.{connector}")
    path = Path(str(module.__file__)).parent / "samples" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def inlet_samples(connector: str, name: str) -> list[dict[str, Any]]:
    """An inlet that has the name of a stream of the same connector keeps its samples beside the stream's."""
    return samples(connector, f"{name}.inlet") or samples(connector, name)


def offered(kind: str) -> list[Any]:
    """(connector, stream or inlet) for every connector."""
    found = all_connectors()
    return [pytest.param(name, entity, id=f"{name}-{entity}") for name in connector_names()
            for entity in getattr(found[name], kind)]  # fmt: skip


@pytest.fixture(scope="module")
def open_sample() -> Iterator[Any]:
    """Opens a connector with its samples' settings, at a server that gives its samples' replies."""
    servers: dict[str, HTTPServer] = {}
    systems: dict[str, Any] = {}

    def open_(name: str) -> Any:
        if name not in systems:
            servers[name] = running = HTTPServer()
            running.start()
            for reply in samples(name, "replies"):
                expected = running.expect_request(reply["path"], method=reply["method"])
                expected.respond_with_json(reply["body"], status=reply.get("status", 200))
            systems[name] = opened(name, running, dict(samples(name, "settings")))
        return systems[name]

    yield open_
    for running in servers.values():
        running.stop()


@pytest.mark.parametrize("name", connector_names())
def test_a_connector_says_what_it_needs_and_offers(name: str, open_sample: Any) -> None:
    connector = all_connectors()[name]
    assert connector.title
    assert list(connector.streams) or list(connector.inlets)
    assert all(setting.meaning for setting in connector.settings.values())
    system = open_sample(name)
    if connector.streams:
        assert list(system.streams) == list(connector.streams)
    if connector.inlets:
        assert list(system.inlets) == list(connector.inlets)


@pytest.mark.parametrize("name", connector_names())
def test_opening_a_connector_makes_no_call(name: str) -> None:
    with HTTPServer() as running:
        opened(name, running, dict(samples(name, "settings")))
        assert running.log == []


@pytest.mark.parametrize(("name", "stream"), offered("streams"))
def test_each_sample_row_becomes_its_record(name: str, stream: str, open_sample: Any) -> None:
    offered_stream = open_sample(name).streams[stream]
    cases = [case for case in samples(name, stream) if "row" in case or "raw" in case]
    assert cases, f"no samples for {name}.{stream}"
    for case in cases:
        row = case["raw"].encode() if "raw" in case else msgspec.json.encode(case["row"])
        if "key" in case:
            assert offered_stream.key(row) == case["key"], case["says"]
        if "error" in case:
            with pytest.raises(RecordError) as raised:
                offered_stream.map(row)
            assert [raised.value.kind, raised.value.field] == case["error"], case["says"]
            continue
        mapped = offered_stream.map(row)
        if "gone" in case:
            assert mapped.record == Gone(*case["gone"]), case["says"]
            continue
        assert record_of(mapped.record) == record_from(offered_stream.entity, case["record"]), case["says"]
        assert getattr(mapped.record, "rule", None) == case.get("excluded"), case["says"]
        assert faults_of(mapped.faults) == case.get("faults", []), case["says"]


@pytest.mark.parametrize(("name", "inlet"), offered("inlets"))
def test_each_sample_record_is_sent_as_its_body(name: str, inlet: str, open_sample: Any) -> None:
    accepting = open_sample(name).inlets[inlet]
    cases = [
        case for case in inlet_samples(name, inlet) if "record" in case and {"body", "text", "error"} & case.keys()
    ]
    assert cases, f"no samples for {name}.{inlet}"
    for case in cases:
        record, known = record_from(inlet, case["record"]), Known(**case.get("known", {}))
        if "error" in case:
            with pytest.raises(RecordError) as raised:
                accepting.encode(record, known)
            assert [raised.value.kind, raised.value.field] == case["error"], case["says"]
            continue
        encoded, faults = accepting.encode(record, known)
        sent = encoded.body.decode() if "text" in case else json.loads(encoded.body)
        assert sent == case.get("text", case.get("body")), case["says"]
        assert encoded.key == record.key, case["says"]
        assert encoded.group == case.get("group", ""), case["says"]
        assert faults_of(faults) == case.get("faults", []), case["says"]


@pytest.mark.parametrize(("name", "inlet"), offered("inlets"))
def test_consent_travels_alone(name: str, inlet: str, open_sample: Any) -> None:
    """A customer's payload has no opt-in, and a consent's has nothing else beside its key."""
    for case in inlet_samples(name, inlet):
        if "body" in case:
            assert ("31" in case["body"]) == (name == "emarsys" and inlet == "consent")
            assert "31" not in case["body"] or len(case["body"]) == 2
    assert inlet == "consent" or "31" not in open_sample(name).inlets[inlet].fields.values()


@pytest.mark.parametrize(("name", "inlet"), offered("inlets"))
def test_what_every_source_reads_every_sink_can_send_or_refuse(name: str, inlet: str, open_sample: Any) -> None:
    accepting = open_sample(name).inlets[inlet]
    for source in connector_names():
        for case in samples(source, inlet):
            if "record" in case:
                for known in KNOWN:
                    survives(accepting.encode, record_from(inlet, case["record"]), known)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80) | st.decimals().map(str)


@pytest.mark.parametrize(("name", "stream"), offered("streams"))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_row_raises_anything_but_a_record_error(name: str, stream: str, open_sample: Any, data: Any) -> None:
    offered_stream = open_sample(name).streams[stream]
    rows = [case["row"] for case in samples(name, stream) if isinstance(case.get("row"), dict)]
    row = data.draw(st.sampled_from(rows).flatmap(damaged) | st.recursive(scalars, st.lists, max_leaves=4))
    raw = json.dumps(row).encode()
    survives(offered_stream.key, raw)
    survives(offered_stream.map, raw)
    cut = data.draw(st.integers(0, len(raw)))
    survives(offered_stream.key, raw[:cut])
    survives(offered_stream.map, raw[:cut] + data.draw(st.binary(max_size=8)))


@pytest.mark.parametrize(("name", "inlet"), offered("inlets"))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_record_raises_anything_but_a_record_error(name: str, inlet: str, open_sample: Any, data: Any) -> None:
    printable = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
    kinds = {str: printable, bool: st.booleans()}
    record = data.draw(st.builds(RECORDS[inlet], **{
        column.name: kinds[column.type] for column in msgspec.structs.fields(RECORDS[inlet]) if column.type in kinds
    }))  # fmt: skip
    accepting = open_sample(name).inlets[inlet]
    for known in KNOWN:
        first = survives(accepting.encode, record, known)
        assert survives(accepting.encode, record, known) == first  # the digest stands on these bytes


def damaged(row: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The row with one member, or one of a nested object, replaced by anything or left out."""
    nested = [name for name, value in row.items() if isinstance(value, dict) and value]
    inner = st.sampled_from(nested).flatmap(
        lambda name: damaged(row[name]).map(lambda value: {**row, name: value})
    ) if nested else st.nothing()  # fmt: skip
    replaced = st.tuples(st.sampled_from(sorted(row)), scalars | st.lists(scalars, max_size=2))
    left_out = st.sampled_from(sorted(row)).map(lambda name: {key: row[key] for key in row if key != name})
    return inner | left_out | replaced.map(lambda change: {**row, change[0]: change[1]})


def survives(call: Any, *values: Any) -> Any:
    try:
        return call(*values)
    except RecordError as error:
        return (error.kind, error.field)


def record_of(found: Any) -> Record | Gone:
    return found.record if isinstance(found, Excluded) else found


def record_from(entity: str, values: dict[str, Any]) -> Any:
    return msgspec.convert(values, RECORDS[entity], strict=False)


def faults_of(faults: Any) -> list[list[str]]:
    return [[fault.kind, fault.field, *([fault.key] if fault.key else [])] for fault in faults]
