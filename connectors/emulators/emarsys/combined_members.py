"""Who is in a combined segment: in some segments, but not in some others (contract 5)."""

from collections.abc import Callable
from typing import Any

COMBINED = "combined"
Members = Callable[[str], list[str]]


def members_of(definition: dict[str, Any], members: Members) -> list[str]:
    """Ids of the contacts in the included segments but not in the excluded ones, ascending."""
    inside = _side(definition["include"], members)
    if definition.get("exclude", {}).get("segment_ids"):
        inside -= _side(definition["exclude"], members)
    return sorted(inside, key=int)


def _side(side: dict[str, Any], members: Members) -> set[str]:
    sets = [set(members(str(one))) for one in side["segment_ids"]]
    return set.intersection(*sets) if side["relation"] == "AND" else set().union(*sets)
