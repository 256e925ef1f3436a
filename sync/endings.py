"""How a run ends that did not complete: it waits, starts over, fails, or is given up.

Each raises LeaseLostError when another worker has taken the run over meanwhile.
"""

import logging
from contextlib import suppress

from django.db import Error

from connectors.errors import ConfigurationError, ConnectorError, ExpiredWatermarkError, UnavailableError
from sync import issues, parts, plans, runs
from sync.catalogue import RunState
from sync.runs import Lease
from sync.storage import away

log = logging.getLogger(__name__)
BACK_WITHIN = 60.0
"""Seconds for which a worker waits for the database before it leaves its run to the next look."""
WAITS = (15, 30, 60, 120, 300, 600)
"""Seconds a run waits after the n-th failure to reach a system in a row; after the last it fails."""


def start_over(lease: Lease, error: ExpiredWatermarkError) -> None:
    """What the source knew of our last read is gone: the same run reads everything, and skips what is unchanged."""
    if not lease.run.watermark_from:  # everything was being read: once more would never end
        fail(lease, error)
        return
    plans.forget(lease.run)
    lease.change(
        watermark_from="",
        watermark_to="",
        resume="",
        scan_done=False,
        full=True,
        message=f"{error.message} Everything is read again.",
    )
    runs.hand_over(lease)


def stopped(lease: Lease) -> None:
    """Within a page: what was answered is remembered, its other records are read again by the next run."""
    said = (
        "Cancelled by a person within a page, before its next request. What was accepted stays accepted; of this page "
        "the next run counts it, as unchanged."
    )
    runs.finish(lease, RunState.CANCELLED, said)


def give_up(lease: Lease) -> None:
    if not _may_end(lease):
        return
    message = "The worker died again and again, and no record could be found that is to blame."
    _open_run_issue(lease, "run_lost", message)
    runs.finish(lease, RunState.LOST, message)


def wait(lease: Lease, error: UnavailableError) -> None:
    """The run waits in the database and goes on by itself; after the policy's last wait it fails."""
    if lease.run.failures >= len(WAITS) and not _may_end(lease):
        return
    failures = lease.run.failures + 1
    lease.change(failures=failures)
    if failures > len(WAITS):
        runs.finish(lease, RunState.FAILED, f"{error.message} Given up after {failures} attempts.")
    else:
        seconds = max(error.retry_after or 0, WAITS[min(failures, len(WAITS)) - 1])
        runs.wait(lease, seconds, f"{error.message} Trying again by itself.")
    _open_run_issue(lease, "run_unavailable", error.message, error)  # last: a full database has no room for it


def without_database(lease: Lease, error: Error) -> None:
    """The console's own database failed under the run. One that was away is waited for, and nobody has died: the run
    goes on at once. Without room the run waits. Anything else is a defect, and left to the next taker."""
    if away.is_gone(error) and away.is_back(BACK_WITHIN):
        log.warning("Run %s: the database was away; the run goes on", lease.run.pk)
        runs.give_back(lease)
    elif away.is_full(error):
        with suppress(Error):  # where there is no room to say it either, the lease runs out
            wait(lease, UnavailableError(away.words(error), remedy=away.REMEDY))
    else:
        runs.abandon(lease)
        raise error


def fail(lease: Lease, error: ConnectorError) -> None:
    if not _may_end(lease):
        return
    kind = "run_configuration" if isinstance(error, ConfigurationError) else "run_unexpected"
    _open_run_issue(lease, kind, error.message, error)
    runs.finish(lease, RunState.FAILED, f"{error.message} {error.remedy}".strip())


def _may_end(lease: Lease) -> bool:
    """A divided run ends after its parts: they are stopped, and what they did is taken over."""
    if not lease.run.divided:
        return True
    parts.stop(lease.run)
    if parts.under_way(lease.run):
        runs.lend(lease, parts.LOOK_AGAIN, lease.run.attempt)
        return False
    parts.gather(lease)
    return True


def _open_run_issue(lease: Lease, kind: str, message: str, error: ConnectorError | None = None) -> None:
    if plans.is_preview(lease.run):  # it changes nothing: its own page says what went wrong
        return
    details = (
        {"system": error.system, "request": error.request, "reply": error.reply, "remedy": error.remedy}
        if error
        else {}
    )
    issues.raise_all(
        lease.run.flow, lease.run.whole_id, [issues.Finding(kind, message=message, details=details, records=0)]
    )
