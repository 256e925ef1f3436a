"""A transaction that the database gave up for another's sake is done again, and nothing else is."""

import pytest
from django.db import DatabaseError, OperationalError
from psycopg.errors import AdminShutdown, DeadlockDetected, SerializationFailure

from sync.storage import conflicts

pytestmark = pytest.mark.django_db(transaction=True)


class Troubled:
    """Fails so many times in this way."""

    def __init__(self, cause: Exception, times: int) -> None:
        self.cause, self.times, self.begun, self.fresh = cause, times, 0, 0

    def __call__(self) -> None:
        self.begun += 1
        if self.begun <= self.times:
            raise OperationalError("given up") from self.cause

    def again(self) -> None:
        self.fresh += 1


@pytest.mark.parametrize("cause", [DeadlockDetected(), SerializationFailure()])
def test_five_times_with_fresh_values_each_time(cause: Exception) -> None:
    troubled = Troubled(cause, conflicts.AGAIN)
    conflicts.until_done(troubled, troubled.again)
    assert (troubled.begun, troubled.fresh) == (6, 5)


def test_the_sixth_conflict_is_the_callers() -> None:
    troubled = Troubled(DeadlockDetected(), 99)
    with pytest.raises(OperationalError):
        conflicts.until_done(troubled, troubled.again)
    assert troubled.begun == 6


def test_a_database_that_goes_away_is_no_conflict() -> None:
    troubled = Troubled(AdminShutdown(), 1)
    with pytest.raises(DatabaseError):
        conflicts.until_done(troubled, troubled.again)
    assert (troubled.begun, troubled.fresh) == (1, 0)
