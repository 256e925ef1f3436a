"""What the browser tests need beside a browser."""

from collections.abc import Iterator

import pytest
from django.db import connection


@pytest.fixture(scope="session", autouse=True)
def no_session_outlives_the_tests(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """A page that is closed while it asks leaves its request's session behind, and PostgreSQL keeps the database."""
    yield
    if connection.vendor != "postgresql":
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
