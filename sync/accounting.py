"""The console's own books: what a run says it did, checked against what it listed and what the ledger holds.

Every record that was read is in one bucket, and every bucket but *unchanged* lists its records for as long as the
pages' manifests are kept.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from sync import clock, history, storage
from sync.catalogue import Bucket, LedgerState, RunState
from sync.models import AccountCheck, LedgerEntry, RunPage, SyncRun

LISTED = tuple(bucket for bucket in Bucket if bucket is not Bucket.UNCHANGED)
ENDED = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.LOST)
STALE = timedelta(minutes=15)
"""A check that was begun so long ago has lost its worker."""


@dataclass
class Account:
    """One run's account. `listed` is None once its manifests were purged; `said` names what does not add up."""

    run: SyncRun
    buckets: Mapping[str, int]
    listed: Mapping[str, int] | None = None
    said: list[str] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        return not self.said


def kept_since() -> datetime:
    """Runs that ended after this moment list their records."""
    return clock.now() - timedelta(days=days_listed())


def days_listed() -> int:
    return int(settings.SYNC["MANIFEST_DAYS"])


def is_kept(run: SyncRun) -> bool:
    return run.finished_at is None or run.finished_at >= kept_since()


def of(run: SyncRun) -> Account:
    """Checks one run: its buckets, its manifests, and for sales its ledger rows."""
    buckets = {bucket.value: int(getattr(run, bucket)) for bucket in Bucket}
    account = Account(run, buckets)
    if run.kind in ("compare", "sweep", "plan"):
        if any(buckets.values()):
            account.said.append(f"It is a {run.get_kind_display().lower()}, but has records in its buckets.")
        return account
    ended = sum(buckets.values())
    if ended != run.read:
        account.said.append(f"It read {run.read:,} records, but {ended:,} ended in its buckets.")
    if is_kept(run):
        _manifests(account)
    return account


def _manifests(account: Account) -> None:
    run, listed, read, in_ledger = account.run, Counter[str](), 0, 0
    pages = run.run_pages.order_by("number").values_list("read", "manifest")
    for number, manifest in pages.iterator(chunk_size=20):
        keys = _opened(manifest)
        read += number
        listed.update({bucket: len(found) for bucket, found in keys.items()})
        in_ledger += _not_in_ledger(run, keys.get(Bucket.ACCEPTED, ()))
    account.listed = {bucket.value: listed[bucket] for bucket in LISTED}
    for bucket in LISTED:
        if listed[bucket] != account.buckets[bucket]:
            account.said.append(f"{account.buckets[bucket]:,} records {bucket}, but {listed[bucket]:,} are listed.")
    if read != run.read:
        account.said.append(f"It read {run.read:,} records, but its pages say {read:,}.")
    if in_ledger:
        account.said.append(f"{in_ledger:,} lines were accepted, but the ledger does not show them as accepted.")


def _opened(manifest: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(zlib.decompress(bytes(manifest)))
    return found


def _not_in_ledger(run: SyncRun, accepted: Sequence[str]) -> int:
    """How many of these sale lines the ledger does not hold as accepted."""
    if run.flow.entity != "sale" or not accepted:
        return 0
    where = f"{storage.BY_KEY} AND state = '{LedgerState.ACCEPTED.value}'"
    there = storage.fetch(LedgerEntry, ["source_id"], "source_id", list(set(accepted)), where, [run.flow_id])
    return len(set(accepted)) - len(there)


def accounts() -> Iterator[Account]:
    """Every run that has ended, the newest first; parts of a run are counted in it."""
    ended = SyncRun.objects.filter(state__in=ENDED, parent=None).select_related("flow").order_by("-id")
    for run in ended.iterator(chunk_size=200):
        yield of(run)


# ------------------------------------------------------------------------------------------------ the stored check


def ask(user: Any = None) -> AccountCheck:
    """A check that a worker makes; the one that waits already where there is one."""
    waiting = AccountCheck.objects.filter(finished_at=None).first()
    if waiting is not None:
        return waiting
    with transaction.atomic():
        check = AccountCheck.objects.create(asked_by=user)
        if user is not None:
            history.record("check accounts", check, actor=user)
    return check


def due() -> list[int]:
    """Checks that nobody works on."""
    open_ = AccountCheck.objects.filter(finished_at=None)
    return list(open_.filter(_free()).values_list("pk", flat=True))


def _free() -> Q:
    return Q(begun_at=None) | Q(begun_at__lt=clock.now() - STALE)


def work(check_id: int) -> None:
    """Makes the check; leaves at once if another worker does."""
    taken = AccountCheck.objects.filter(_free(), pk=check_id, finished_at=None).update(begun_at=clock.now())
    if not taken:
        return
    runs = records = 0
    faults: list[dict[str, Any]] = []
    for account in accounts():
        runs, records = runs + 1, records + account.run.read
        if not account.adds_up:
            faults.append({"run": account.run.pk, "flow": account.run.flow.name, "said": account.said})
    AccountCheck.objects.filter(pk=check_id).update(
        finished_at=clock.now(), runs=runs, records=records, faults=faults[:1000]
    )


def purge() -> int:
    """Manifests of runs that ended before the days for which records are listed; the counts stay."""
    purged = 0
    old = RunPage.objects.filter(run__finished_at__lt=kept_since())
    while ids := list(old.values_list("pk", flat=True)[:1000]):
        purged += RunPage.objects.filter(pk__in=ids).delete()[0]
    return purged
