"""What would change about a record: its fields before and after, as the target has them and would have them."""

import csv
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from connectors.base import Effect, Observed
from connectors.records import Sale
from sync.comparison import compare
from sync.delivery.page import Leaving
from sync.flows import Route
from sync.plans import actions
from sync.plans.actions import Action

Example = dict[str, Any]
"""{"key", "action", "fields": [{"field", "before", "after", "same"}]}; values are as they are, personal or not."""
LONGEST = 200
OF_A_SALE = ("document", "line", "customer", "sku", "quantity", "unit_price", "amount", "currency")
HIDDEN = ("key", "unreadable", "version", "values", "lines")


def seen_there(route: Route, leaving: Sequence[Leaving]) -> Mapping[str, Observed]:
    """The records that would be changed, as the target has them now, where it can be read: one call a batch."""
    inlet = route.inlet
    known = [one for one in leaving if one.target_id or actions.of(one) is Action.OPT_OUT]
    if not inlet.readable or inlet.expected is None:
        return {}
    found: dict[str, Observed] = {}
    for start in range(0, len(known), inlet.batch):
        part = known[start : start + inlet.batch]
        there = route.sink.find(inlet.entity, [one.record for one in part])
        for one in part:
            seen = there.get(one.candidate.key, ())
            chosen = [each for each in seen if each.target_id == one.target_id] or list(seen)
            if chosen:
                found[one.candidate.key] = chosen[0]
    return found


def standing(route: Route, one: Leaving, there: Observed | None) -> bytes:
    """What would be written over, as far as the target can be read."""
    return repr(_now(route, one, there)).encode("utf-8", "surrogatepass") if there and there.fields else b""


def as_wanted(route: Route, one: Leaving, there: Observed | None) -> bool:
    """Whether the target shows what would be sent: sent again it changes nothing."""
    if there is None or route.inlet.expected is None:
        return False
    return all(same for *_, same in compare(route.inlet.expected(one.payload), there.fields))


def _now(route: Route, one: Leaving, there: Observed) -> list[tuple[str, str]]:
    assert route.inlet.expected is not None, "only such are looked at"
    return [(name, target) for name, _, target, _ in compare(route.inlet.expected(one.payload), there.fields)]


def difference(route: Route, one: Leaving, there: Observed | None) -> list[dict[str, Any]]:
    """Every field that would be written, with what stands there now."""
    if route.inlet.effect is Effect.REPLACE:
        before, after = _line(route, getattr(one, "before", "")), _line(route, one.payload.body.decode())
    elif route.inlet.expected is not None:
        before, after = there.fields if there else {}, route.inlet.expected(one.payload)
    else:
        before, after = {}, _told(one)
    return [
        {"field": name, "before": target[:LONGEST], "after": erp[:LONGEST], "same": same}
        for name, erp, target, same in compare(after, before)
    ]


def example(action: Action, one: Leaving, fields: Sequence[Mapping[str, Any]]) -> Example:
    """Of a change only what changes; of what is new all that it says."""
    told = [part for part in fields if not part["same"]] if action is Action.CHANGE else [
        part for part in fields if part["after"]
    ]  # fmt: skip
    return {"key": one.candidate.key, "action": action, "fields": told}


def _line(route: Route, line: str) -> Mapping[str, str]:
    """A line of the file under the names of its first line."""
    if not line:
        return {}
    names, values = csv.reader([route.inlet.head.decode().strip(), line])
    return dict(zip(names, values, strict=False))


def _told(one: Leaving) -> Mapping[str, str]:
    """What cannot be read back is told by the record itself."""
    values = msgspec.to_builtins(one.record)
    names = OF_A_SALE if isinstance(one.record, Sale) else [name for name in values if name not in HIDDEN]
    return {name: str(values[name]) for name in names if values.get(name) not in (None, "", [], ())}
