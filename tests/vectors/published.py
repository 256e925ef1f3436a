"""Reading published vectors, and comparing what came with what was published: members and types, not values.

A vector has the contract's section and the key of the source it is from, what is asked, the reply as published, and
what a connector makes of that reply. `emulator`, where it is a text, says why the vector is not replayed there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def vectors(name: str, wanted: str) -> list[Any]:
    """The vectors of one system that have this part, each under its section and title."""
    found = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(one, id=f"{one['section']} {one['title']}") for one in found if one.get(wanted)]


def shape(value: Any, loose: Sequence[str] = ()) -> Any:
    """The value's members with their types; `loose` names members whose type differs among the sources."""
    if isinstance(value, Mapping):
        return {name: "any" if name in loose else shape(part, loose) for name, part in value.items()}
    if isinstance(value, list):
        parts = [shape(part, loose) for part in value]
        return [part for at, part in enumerate(parts) if part not in parts[:at]]
    return type(value).__name__


def path_of(reply: Mapping[str, Any], request: Mapping[str, Any] | None = None) -> tuple[str, str]:
    """Method and path (without query) that a reply belongs to."""
    if "for" in reply:
        method, path = reply["for"].split(" ", 1)
        return method, path
    assert request is not None
    return request["method"], request["path"].partition("?")[0]


def body_of(reply: Mapping[str, Any]) -> tuple[str, str]:
    """(text, content type) of a reply."""
    if "text" in reply:
        return reply["text"], reply["type"]
    return json.dumps(reply["body"]), "application/json"
