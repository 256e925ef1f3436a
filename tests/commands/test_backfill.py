"""`manage.py backfill`: a preview first, the run only with --yes."""

from pathlib import Path

import pytest

from sync.models import SyncRun
from tests.commands.conftest import Run
from tests.sync.conftest import Load, flow, people, sync

pytestmark = pytest.mark.django_db(transaction=True)


def test_ids_of_a_file_are_previewed_and_sent_with_yes(run: Run, load: Load, tmp_path: Path) -> None:
    load(people(3))
    sync()
    ids = tmp_path / "ids.csv"
    ids.write_text("\ufeffusmf|C-1;usmf|C-9\r\n", encoding="utf-8")
    told = run("backfill", "dynamics365.customer", "--ids", str(ids), "--json").one
    assert (told["started"], told["sent"], told["unknown"]["ids"]) == (False, 2, ["usmf|C-9"])
    assert not SyncRun.objects.filter(trigger="backfill").exists()
    done = run("backfill", flow().name, "--ids", str(ids), "--yes", "--json")
    assert (done.code, done.one["accepted"], done.one["missing"]) == (0, 1, ["usmf|C-9"])


def test_wrong_usage_exits_2_and_says_why(run: Run, load: Load) -> None:
    load(people(1))
    assert run("backfill", "dynamics365.customer").code == 2
    refused = run("backfill", "dynamics365.customer", "--from", "2026-01-01")
    assert refused.code == 2
    assert "does not tell when" in refused.err
    assert run("backfill", "dynamics365.customer", "--ids", "/no/such/file").code == 2
