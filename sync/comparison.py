"""Are both sides the same? Pure: the ERP's fields as they should show, and the fields the target shows."""

import unicodedata
from collections.abc import Mapping
from typing import NamedTuple


class Field(NamedTuple):
    """One compared field. `same` holds for equivalent values, too (spacing, composed characters, case of
    addresses): a target may normalise what it stores."""

    name: str
    erp: str
    target: str
    same: bool


def compare(expected: Mapping[str, str], observed: Mapping[str, str]) -> list[Field]:
    """Every field that we own, in the order of `expected`."""
    return [
        Field(name, value, observed.get(name, ""), _equivalent(name, value, observed.get(name, "")))
        for name, value in expected.items()
    ]


def _equivalent(name: str, one: str, other: str) -> bool:
    if one == other:
        return True
    return _plain(name, one) == _plain(name, other)


def _plain(name: str, value: str) -> str:
    text = " ".join(unicodedata.normalize("NFC", value).split())
    return text.lower() if name == "email" else text


def as_details(fields: list[Field]) -> dict[str, list[dict[str, object]]]:
    """The form in which exceptions keep it."""
    return {"fields": [{"field": f.name, "erp": f.erp, "target": f.target, "same": f.same} for f in fields]}
