"""A record that kills whoever touches it: found in ever smaller portions, put before a person, and left out."""

import signal

import pytest

from sync import runs
from sync.models import SyncIssue, SyncRun
from tests.fault.conftest import Started
from tests.sync.conftest import Load, flow, people

pytestmark = [pytest.mark.fault, pytest.mark.django_db(transaction=True)]
WORK = """
import os, signal, sys
import django
django.setup()
from connectors.dynamics365.finance import streams
from sync import clock, pipeline, poison
from sync.models import SyncRun
run, deadly = int(sys.argv[1]), sys.argv[2]
real = poison.without

def deadly_map(route, found):
    from dataclasses import replace
    stream = route.stream

    def mapped(row):
        if stream.key(row) == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return stream.map(row)

    return real(replace(route, stream=replace(stream, map=mapped)), found)

poison.without = deadly_map
SyncRun.objects.filter(pk=run, state="running").update(lease_until=clock.now())  # the dead one's time is over
pipeline.work(run)
"""
SMALL = {"DYNAMICS365_PAGE_SIZE": "10", "EMARSYS_CONTACT_BATCH": "10"}


def test_a_record_that_kills_its_worker_stands_alone_in_the_end_and_the_run_goes_on(load: Load, start: Started) -> None:
    control = load(people(25), **SMALL)
    run = runs.start(flow(), ring=False)
    assert run is not None
    deaths = 0
    for _ in range(12):
        process = start("-c", WORK, str(run.pk), "usmf|C-17", DJANGO_SETTINGS_MODULE="integration_console.settings")
        said, _ = process.communicate(timeout=90)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, said
        deaths += 1
    run.refresh_from_db()
    assert (run.state, run.read, run.rejected) == ("completed", 25, 1)
    assert deaths == 5, "three on the whole page, two on the record alone"
    issue = SyncIssue.objects.get(state="open")
    assert (issue.kind, issue.source_id) == ("poison_record", "usmf|C-17")
    assert set(control.contacts()) == {f"C-{n}" for n in range(1, 26)} - {"C-17"}
    again = runs.start(flow(), full=True, ring=False)
    assert again is not None
    process = start("-c", WORK, str(again.pk), "usmf|C-17", DJANGO_SETTINGS_MODULE="integration_console.settings")
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert SyncRun.objects.get(pk=again.pk).state == "completed"
