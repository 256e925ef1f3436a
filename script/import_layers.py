"""Two kinds of import contract that need no edit when a package or module is added (see pyproject.toml).

import-linter's own layers must name every module; here one layer stands for all that is not named, so that a
new verb or a new connector is checked from its first line.
"""

from __future__ import annotations

from typing import cast

from grimp import ImportGraph, Layer, Route
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils
from importlinter.application.contract_utils import AlertLevel

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
        for chain in check.metadata["chains"]:
            output.print_error(f"- {chain}", bold=False)

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
    """The importers may use only the named doors of a package, directly; everything else in it is private."""

    type_name = "entrance"
    importers = fields.StringField()
    package = fields.StringField()
    doors = fields.ListField(subfield=fields.StringField())
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)
    unmatched_ignore_imports_alerting = fields.EnumField(AlertLevel, default=AlertLevel.ERROR)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        removal = contract_utils.remove_ignored_imports_and_report(
            graph=graph,
            ignore_imports=self.ignore_imports,  # type: ignore[arg-type]
            unmatched_alerting=self.unmatched_ignore_imports_alerting,  # type: ignore[arg-type]
        )
        inside = _module_and_descendants(graph, cast(str, self.package))
        links = [
            f"{importer} -> {imported}"
            for importer in sorted(_module_and_descendants(graph, cast(str, self.importers)))
            for imported in sorted(graph.find_modules_directly_imported_by(importer) & inside)
            if not self._is_door(imported)
        ]
        return ContractCheck(
            kept=not links,
            warnings=list(removal.warnings),
            ignored_import_count=removal.ignored_import_count,
            metadata={"links": links},
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        for link in check.metadata["links"]:
            output.print_error(f"- {link}", bold=False)

    def _is_door(self, module: str) -> bool:
        return any(module == f"{self.package}.{door}" for door in cast("list[str]", self.doors))


def _names(layer: str) -> set[str]:
    return {name for name in layer.replace("|", " ").replace(":", " ").split()}


def _module_and_descendants(graph: ImportGraph, module: str) -> set[str]:
    return {module} | graph.find_descendants(module)


def _chain(route: Route) -> tuple[str, ...]:
    return (min(route.heads), *route.middle, min(route.tails))
