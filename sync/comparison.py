"""Are both sides the same? Pure: the ERP's fields as they should show, and the fields the target shows."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors.extra import ExtraField
from connectors.extra import same as same_by_rule


class Field(NamedTuple):
    """One compared field. `same` holds for equivalent values, too (spacing, composed characters, case of
    addresses): a target may normalise what it stores."""

    name: str
    erp: str
    target: str
    same: bool


def compare(expected: Mapping[str, str], observed: Mapping[str, str], extra: Sequence[ExtraField] = ()) -> list[Field]:
    """Every field that we own, in the order of `expected`; the site's own (`extra`) each by its rule."""
    own = {one.name: one for one in extra}
    return [
        Field(name, value, shown, same_by_rule(own[name], value, shown) if name in own else _same(name, value, shown))
        for name, value in expected.items()
        for shown in (observed.get(name, ""),)
    ]


def _same(name: str, one: str, other: str) -> bool:
    if one == other:
        return True
    return _plain(name, one) == _plain(name, other)


def _plain(name: str, value: str) -> str:
    text = " ".join(unicodedata.normalize("NFC", value).split())
    return text.lower() if name == "email" else text


def as_details(fields: list[Field]) -> dict[str, list[dict[str, object]]]:
    """The form in which exceptions keep it."""
    return {"fields": [{"field": f.name, "erp": f.erp, "target": f.target, "same": f.same} for f in fields]}
