"""What every test may rely on."""

import os
from collections.abc import Iterator, Sequence
from importlib import import_module

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations

# The browser tests drive Playwright's event loop in the thread that uses the ORM.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.fixture(scope="session", autouse=True)
def audit_trail_may_be_emptied_between_tests() -> Iterator[None]:
    """Tests that commit are followed by a flush, which the audit trail's triggers refuse: they step aside for it."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def without_triggers(self: BaseDatabaseOperations, sql_list: Sequence[str]) -> None:
        with self.connection.cursor() as cursor:
            for statement in _off(self.connection.vendor):
                cursor.execute(statement)
        try:
            flush(self, sql_list)
        finally:
            with self.connection.cursor() as cursor:
                for statement in _on(self.connection.vendor):
                    cursor.execute(statement)

    patch = pytest.MonkeyPatch()
    patch.setattr(BaseDatabaseOperations, "execute_sql_flush", without_triggers)
    yield
    patch.undo()


def _off(vendor: str) -> list[str]:
    if vendor == "postgresql":
        return ["ALTER TABLE sync_auditevent DISABLE TRIGGER USER"]
    return [f"DROP TRIGGER IF EXISTS sync_audit_no_{verb}" for verb in ("update", "delete")]


def _on(vendor: str) -> list[str]:
    if vendor == "postgresql":
        return ["ALTER TABLE sync_auditevent ENABLE TRIGGER USER"]
    return list(import_module("sync.migrations.0002_append_only_audit").SQLITE)
