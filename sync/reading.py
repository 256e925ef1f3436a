"""Reads a few records on both sides, now."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from connectors.base import Excluded, Gone, Inlet, Known
from connectors.errors import RecordError
from connectors.records import Record
from sync import flows
from sync.comparison import as_details, compare
from sync.flows import Route
from sync.limits import limits_for
from sync.models import Flow


def shown(inlet: Inlet, record: Record) -> Mapping[str, str]:
    """The fields of a record as the target will show them; raises RecordError when it cannot be expressed."""
    payload, _ = inlet.encode(record, Known())
    fields = inlet.expected(payload) if inlet.expected else {}
    return {**fields, **inlet.beside(record)} if inlet.beside else fields


def from_source(route: Route, keys: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """source id → fields as they should show; records that cannot be mapped are absent."""
    found: dict[str, Mapping[str, str]] = {}
    for page in route.source.fetch(route.flow.stream, keys):
        for row in page.rows:
            try:
                record = route.stream.map(row).record
                if not isinstance(record, Gone | Excluded):
                    found[record.key] = shown(route.inlet, record)
            except RecordError:
                continue
    return found


def equal_now(route: Route, keys: Sequence[str]) -> dict[str, str]:
    """Those of these records whose two sides are equal now, with the sentence that proves it."""
    proved: dict[str, str] = {}
    for start in range(0, len(keys), route.inlet.batch):
        part = keys[start : start + route.inlet.batch]
        expected = from_source(route, part)
        observed = route.sink.look(route.flow.entity, part)
        moment = f"{timezone.now():%Y-%m-%d %H:%M:%S} UTC"
        for key in part:
            if key in expected and key in observed:
                fields = compare(expected[key], observed[key].fields, route.extra)
                if all(field.same for field in fields):
                    proved[key] = f"Both systems were read at {moment}: {len(fields)} fields are equal."
    return proved


def both(flow: Flow, source_id: str) -> dict[str, Any]:
    """One record side by side: {"fields": [...], "read_at": moment}. Raises ConnectorError."""
    route = flows.open_route(flow, limits_for(flow.source), limits_for(flow.target))
    expected = from_source(route, [source_id]).get(source_id, {})
    observed = route.sink.look(flow.entity, [source_id]).get(source_id) if route.inlet.readable else None
    fields = compare(expected, observed.fields if observed else {}, route.extra)
    return {
        **as_details(fields),
        "read_at": timezone.now(),
        "in_erp": bool(expected),
        "in_target": observed is not None,
    }
