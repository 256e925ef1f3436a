"""Tables and columns: what an organisation's metadata says about its rows (dynamics365.md 3.1, 3.5, 3.6)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

NAMESPACE = "Microsoft.Dynamics.CRM"
EDM = {
    "string": "Edm.String",
    "memo": "Edm.String",
    "int": "Edm.Int32",
    "bigint": "Edm.Int64",
    "bool": "Edm.Boolean",
    "picklist": "Edm.Int32",
    "state": "Edm.Int32",
    "status": "Edm.Int32",
    "datetime": "Edm.DateTimeOffset",
    "date": "Edm.Date",
    "guid": "Edm.Guid",
    "lookup": "Edm.Guid",
    "decimal": "Edm.Decimal",
    "money": "Edm.Decimal",
    "double": "Edm.Double",
}


@dataclass(frozen=True)
class Column:
    """`targets` are logical names of tables a lookup may point to; `navigation` its property name for each.

    `states` says for each value of a status reason which state it belongs to.
    """

    name: str
    kind: str
    label: str = ""
    schema_name: str = ""
    length: int = 0
    options: Mapping[int, str] = field(default_factory=dict)
    states: Mapping[int, int] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    navigation: tuple[str, ...] = ()
    default: object = None
    writable: bool = True
    custom: bool = False
    minimum: float | None = None
    maximum: float | None = None
    precision: int | None = None

    @cached_property
    def property_name(self) -> str:
        """The name a row carries it under: a lookup reads as `_masterid_value` (3.5)."""
        return f"_{self.name}_value" if self.kind == "lookup" else self.name

    @property
    def edm(self) -> str:
        return EDM[self.kind]

    def targets_by_navigation(self) -> dict[str, str]:
        return dict(zip(self.navigation, self.targets, strict=True))


@dataclass(frozen=True)
class Relationship:
    """One row of `one` has many rows of `many` through its lookup `column`."""

    name: str
    one: str
    many: str
    column: str


@dataclass(frozen=True)
class Table:
    """`name` is the logical name, `set_name` the one in addresses."""

    name: str
    set_name: str
    id_column: str
    name_column: str
    columns: Mapping[str, Column]
    label: str = ""
    schema_name: str = ""
    tracked: bool = True
    mergeable: bool = False
    custom: bool = False

    @cached_property
    def properties(self) -> dict[str, Column]:
        """Columns by the name rows carry them under."""
        return {column.property_name: column for column in self.columns.values()}

    @cached_property
    def navigation(self) -> dict[str, tuple[Column, str]]:
        """Single-valued navigation properties: (lookup, logical name of the target)."""
        found: dict[str, tuple[Column, str]] = {}
        for column in self.columns.values():
            for name, target in column.targets_by_navigation().items():
                found[name] = (column, target)
        return found

    @cached_property
    def lookups(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns.values() if column.kind == "lookup")

    @cached_property
    def defaults(self) -> dict[str, object]:
        """What a new row holds where nothing is given."""
        return {c.name: c.default for c in self.columns.values() if c.default is not None}

    @cached_property
    def status(self) -> Column | None:
        return next((column for column in self.columns.values() if column.kind == "status"), None)

    @property
    def type(self) -> str:
        return f"{NAMESPACE}.{self.name}"


def table(name: str, set_name: str, name_column: str, columns: Iterable[Column], **rest: Any) -> Table:
    """A table with its id first; `rest` are the remaining fields of `Table`."""
    id_column = str(rest.pop("id_column", f"{name}id"))
    label = str(rest.pop("label", "") or name.capitalize())
    every = [Column(id_column, "guid", label), *columns]
    by_name = {column.name: column for column in every}
    return Table(name, set_name, id_column, name_column, by_name, label, **rest)
