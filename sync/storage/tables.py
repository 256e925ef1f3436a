"""The contract of the storage back ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import models


@dataclass(frozen=True)
class Table:
    """Where an upsert goes: columns in the order of the row tuples.

    `conflict` names the columns of the unique index, `condition` its WHERE where it is partial, `update` the
    columns that a later row overwrites, `add` the columns that it adds to. Digests are 16 bytes.
    """

    model: type[models.Model]
    columns: tuple[str, ...]
    conflict: tuple[str, ...] = ()
    condition: str = ""
    update: tuple[str, ...] = ()
    add: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.model._meta.db_table

    def kinds(self) -> list[str]:
        """The column's Django field classes, foreign keys as the key's."""
        fields = {field.column: field for field in self.model._meta.concrete_fields}
        return [_kind(fields[column]) for column in self.columns]

    def insert(self, source: str) -> str:
        names = ", ".join(self.columns)
        sql = f"INSERT INTO {self.name} ({names}) {source}"
        if not self.conflict:
            return sql
        where = f" WHERE {self.condition}" if self.condition else ""
        sets = [f"{column} = excluded.{column}" for column in self.update]
        sets += [f"{column} = {self.name}.{column} + excluded.{column}" for column in self.add]
        action = f"UPDATE SET {', '.join(sets)}" if sets else "NOTHING"
        return f"{sql} ON CONFLICT ({', '.join(self.conflict)}){where} DO {action}"

    def change(self) -> str:
        """Takes a row's values with the first, which names the row, at the end."""
        key, *others = self.columns
        return f"UPDATE {self.name} SET {', '.join(f'{column} = %s' for column in others)} WHERE {key} = %s"


def _kind(field: Any) -> str:
    if isinstance(field, models.ForeignKey | models.OneToOneField):
        return _kind(field.target_field)
    return str(field.get_internal_type())


class Backend(Protocol):
    def upsert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None: ...
    def update(self, table: Table, rows: Iterable[Sequence[Any]]) -> None: ...
    def known(self, model: type[models.Model], column: str, digests: Sequence[bytes], where: str) -> set[bytes]: ...
    def fetch(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        column: str,
        values: Sequence[str],
        where: str,
        parameters: Sequence[Any],
    ) -> list[tuple[Any, ...]]: ...
    def beginning(
        self,
        model: type[models.Model],
        columns: Sequence[str],
        column: str,
        heads: Sequence[str],
        where: str,
        parameters: Sequence[Any],
    ) -> list[tuple[Any, ...]]: ...
