"""What every test may rely on."""

import os
from collections.abc import Iterator, Sequence
from importlib import import_module

import pytest
from django.conf import settings
from django.db.backends.base.operations import BaseDatabaseOperations
from whitenoise.middleware import WhiteNoiseMiddleware

# The browser tests drive Playwright's event loop in the thread that uses the ORM.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

LONG, LONGER = "/tests/fault/", "/tests/demo/"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where only slow tests run, the longest files begin: none is left to one worker while the other has no more."""
    if all(item.get_closest_marker("fault") or item.get_closest_marker("browser") for item in items):
        items.sort(key=lambda item: (LONGER not in str(item.path), LONG not in str(item.path)))


# An emulated target shows at once what it has accepted; tests/sync/test_grace.py tries one that does not.
os.environ.setdefault("SYNC_GRACE_SECONDS", "0")


@pytest.fixture(autouse=True)
def shown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.SYNC, "GRACE_SECONDS", 0)


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


@pytest.fixture(scope="session", autouse=True)
def static_files_are_looked_at_once() -> Iterator[None]:
    """Each test client builds its own middleware, which took longer to find all static files than to answer."""
    find, found = WhiteNoiseMiddleware.add_files_from_finders, dict[str, object]()

    def find_once(self: WhiteNoiseMiddleware) -> None:
        if not found:
            find(self)
            found.update(self.files)
        self.files.update(found)

    patch = pytest.MonkeyPatch()
    patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", find_once)
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
