"""The contract of the storage back ends, and the choice between them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from django.db import IntegrityError, connection, models, transaction


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


def _kind(field: Any) -> str:
    if isinstance(field, models.ForeignKey | models.OneToOneField):
        return _kind(field.target_field)
    return str(field.get_internal_type())


class Backend(Protocol):
    def upsert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None: ...
    def insert(self, table: Table, rows: Iterable[Sequence[Any]]) -> None: ...
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


@cache
def _backends() -> dict[str, Backend]:
    from sync.storage import postgresql, sqlite

    return {"postgresql": postgresql.PostgreSQL(), "sqlite": sqlite.SQLite()}


def backend() -> Backend:
    return _backends()[connection.vendor]


def table(model: type[models.Model], columns: Sequence[str], **options: Any) -> Table:
    return Table(model, tuple(columns), **options)


def upsert(target: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Inserts or overwrites; UUID columns take 16 bytes. No row, no query."""
    if rows:
        backend().upsert(target, rows)


def insert(target: Table, rows: Sequence[Sequence[Any]]) -> None:
    """The same for rows that are new as far as anybody knows: cheaper, and right when one is there after all."""
    if rows:
        try:
            with transaction.atomic():
                backend().insert(target, rows)
        except IntegrityError:
            backend().upsert(target, rows)


def known(model: type[models.Model], column: str, digests: Sequence[bytes], where: str = "1 = 1") -> set[bytes]:
    """Those of these digests that the column holds, among the rows that `where` names."""
    return backend().known(model, column, digests, where) if digests else set()


def fetch(
    model: type[models.Model],
    columns: Sequence[str],
    column: str,
    values: Sequence[str],
    where: str = "1 = 1",
    parameters: Sequence[Any] = (),
) -> list[tuple[Any, ...]]:
    """Rows whose text `column` is one of `values`; digests come back as 16 bytes or None."""
    return backend().fetch(model, columns, column, values, where, parameters) if values else []
