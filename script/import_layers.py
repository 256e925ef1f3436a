"""Kinds of import contract that need no edit when a package or module is added (see pyproject.toml).

import-linter's own layers must name every module; here one layer stands for all that is not named, so that a
new verb or a new connector is checked from its first line.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import cast

from grimp import ImportGraph, Layer, Route
from importlinter import Contract, ContractCheck, fields, output

REST = "*"


class LayersWithRest(Contract):
    """Layers of one package, highest first: a module imports from its own layer or lower ones only.

    A layer is one name or several, with ``:`` between siblings that may know each other and ``|`` between those
    that may not. ``*`` (or ``| *``) is every child that no layer names. Names that don't exist yet are left out.
    """

    type_name = "layers_with_rest"
    container = fields.StringField()
    layers = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        container = cast(str, self.container)
        broken = graph.find_illegal_dependencies_for_layers(layers=self._layers(graph), containers={container})
        chains = sorted(" -> ".join(_chain(route)) for found in broken for route in found.routes)
        return ContractCheck(kept=not broken, metadata={"chains": chains})

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)

    def _layers(self, graph: ImportGraph) -> list[Layer]:
        children = {name.rpartition(".")[2] for name in graph.find_children(cast(str, self.container))}
        texts = cast("list[str]", self.layers)
        named = {name for text in texts for name in _names(text)} - {REST}
        return [
            Layer(*(names & children), independent="|" in text)
            for text in texts
            if (names := children - named if REST in text else _names(text)) & children
        ]


class Entrance(Contract):
    """The importers may use only the named doors of a package, directly; everything else in it is private.

    ``exempt`` are modules (patterns) that may go anywhere, for a reason the contract's name gives.
    """

    type_name = "entrance"
    importers = fields.StringField()
    package = fields.StringField()
    doors = fields.ListField(subfield=fields.StringField())
    exempt = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        package = cast(str, self.package)
        doors = {f"{package}.{door}" for door in cast("list[str]", self.doors)}
        private = _with_descendants(graph, package) - doors
        importers = _with_descendants(graph, cast(str, self.importers))
        return _only(_imports(graph, importers, private), cast("list[str]", self.exempt) or [])

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)


class Reserved(Contract):
    """The modules (ours or installed ones, present or not yet) are imported by the allowed patterns only."""

    type_name = "reserved"
    modules = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        reserved: set[str] = set()
        for module in cast("list[str]", self.modules):
            if module in graph.modules:
                reserved |= _with_descendants(graph, module)
        return _only(_imports(graph, graph.modules - reserved, reserved), cast("list[str]", self.allowed))

    def render_broken_contract(self, check: ContractCheck) -> None:
        _render(check)


def _imports(graph: ImportGraph, importers: set[str], imported: set[str]) -> list[tuple[str, str]]:
    """Direct imports from one set of modules into the other."""
    found = ((importer, graph.find_modules_directly_imported_by(importer) & imported) for importer in sorted(importers))
    return [(importer, target) for importer, targets in found for target in sorted(targets)]


def _only(imports: list[tuple[str, str]], allowed: list[str]) -> ContractCheck:
    """Kept when every importer matches one of the allowed patterns."""
    broken = [pair for pair in imports if not any(fnmatch(pair[0], pattern) for pattern in allowed)]
    return ContractCheck(kept=not broken, metadata={"chains": [" -> ".join(pair) for pair in broken]})


def _render(check: ContractCheck) -> None:
    for chain in check.metadata["chains"]:
        output.print_error(f"- {chain}", bold=False)


def _names(layer: str) -> set[str]:
    return set(layer.replace("|", " ").replace(":", " ").split())


def _with_descendants(graph: ImportGraph, module: str) -> set[str]:
    """The module and all below it; an installed package is one node of the graph."""
    return {module} if graph.is_module_squashed(module) else {module} | graph.find_descendants(module)


def _chain(route: Route) -> tuple[str, ...]:
    return (min(route.heads), *route.middle, min(route.tails))
