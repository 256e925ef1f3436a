"""`manage.py budget`."""

import pytest

from tests.commands.conftest import Run
from tests.sync.conftest import Load, people, sync

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_credential_tells_what_of_its_calls_is_used(run: Run, load: Load) -> None:
    load(people(3), EMARSYS_CALLS_PER_MINUTE="600")
    sync()
    rows = {row["connections"]: row for row in run("budget", "--json").rows}
    emarsys = rows["emarsys"]
    assert (emarsys["limit"], emarsys["window_seconds"], emarsys["refused_last_hour"]) == (600, 60, 0)
    assert emarsys["used"] > 0
    assert "emarsys" in run("budget").out
