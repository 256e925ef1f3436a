"""A record's element as bytes that are the same whenever the record is: canonical XML without volatile attributes."""

from collections.abc import Sequence
from typing import Any

from lxml import etree

from connectors.prima import paths
from connectors.prima.node import local


class Canonical:
    """`volatile` are paths of attributes that change without the record changing (contract 8, site file)."""

    def __init__(self, volatile: Sequence[str]) -> None:
        found = [paths.compiled(path, row=True) for path in volatile]
        self._own = frozenset(path.attribute for path in found if not path.steps)
        self._inner = [(path.steps, path.attribute) for path in found if path.steps]

    def __call__(self, element: Any) -> bytes:
        self._leave_out(element, self._own)
        for steps, attribute in self._inner:
            for inner in below(element, steps):
                self._leave_out(inner, frozenset((attribute,)))
        for one in element.iter():
            if one.text is not None and not one.text.strip():
                one.text = None
            one.tail = None
        return etree.tostring(element, method="c14n", with_comments=False)

    @staticmethod
    def _leave_out(element: Any, names: frozenset[str]) -> None:
        for name in [name for name in element.attrib if local(name) in names] if names else ():
            del element.attrib[name]


def below(element: Any, steps: Sequence[str]) -> list[Any]:
    found = [element]
    for step in steps:
        found = [
            child for parent in found for child in parent if isinstance(child.tag, str) and local(child.tag) == step
        ]
    return found


def attribute(element: Any, path: str) -> str:
    """One attribute of the element itself, found without case."""
    wanted = paths.compiled(path, row=True)
    found = below(element, wanted.steps)
    names = {local(name): value for one in found for name, value in one.attrib.items()}
    return names.get(wanted.attribute, "")
