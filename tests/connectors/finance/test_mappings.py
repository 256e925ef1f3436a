"""No mapping raises anything but RecordError, whatever a row holds: harder than the contract suite asks it."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.dynamics365.finance import connector
from connectors.errors import RecordError
from tests.connectors.conftest import Open

SAMPLES = Path(__file__).parents[3] / "connectors/dynamics365/finance/samples"
numbers = st.integers() | st.floats() | st.decimals().map(str) | st.sampled_from(["1e400", "-0", "1e-999999", "1_000"])
odd = (
    st.none() | st.booleans() | numbers | st.text(max_size=20) | st.sampled_from(["9999-12-31T23:59:59-14:00", "0001"])
)
values = odd | st.lists(odd, max_size=2) | st.dictionaries(st.text(max_size=3), odd, max_size=2)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a row that can be spoilt, at any depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        yield (*path, name)
        yield from places(inner, (*path, name))


def spoilt(row: Any, path: tuple[Any, ...], value: Any) -> Any:
    row = copy.deepcopy(row)
    inner = row
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return row


@pytest.mark.parametrize("stream", list(connector.streams))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoilt_value_at_any_depth_is_mapped_or_refused(finance: Open, stream: str, data: Any) -> None:
    offered = finance(AUTH="none").streams[stream]
    rows = [case["row"] for case in json.loads((SAMPLES / f"{stream}.json").read_text()) if "row" in case]
    row = data.draw(st.sampled_from(rows))
    for path in data.draw(st.lists(st.sampled_from(list(places(row))), max_size=3)):
        try:
            row = spoilt(row, path, data.draw(values))
        except (KeyError, IndexError, TypeError):
            continue  # what was spoilt before holds nothing there any more
    raw = json.dumps(row).encode()
    for read in (offered.key, offered.map):
        try:
            found = read(raw)
        except RecordError:
            continue
        assert read(raw) == found  # the same bytes give the same record


@pytest.mark.parametrize(("stream", "path"), [("order", ("lines", 0)), ("product", ("header",))])
def test_a_price_for_a_number_of_pieces_that_cannot_be_is_refused(
    finance: Open, stream: str, path: tuple[Any, ...]
) -> None:
    row = next(case["row"] for case in json.loads((SAMPLES / f"{stream}.json").read_text()) if "row" in case)
    row = spoilt(spoilt(row, (*path, "SalesPriceQuantity"), "1e-999999"), (*path, "SalesPrice"), 12)
    with pytest.raises(RecordError, match="price of one piece"):
        finance(AUTH="none").streams[stream].map(json.dumps(row).encode())
