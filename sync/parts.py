"""A whole read split by key range, so that several workers share it.

The run that people see keeps its row and its numbers; each part is a row below it with a lease and a resume point
of its own, taken by whoever is free. When the last part has ended, the run takes their pages and requests over,
the parts' rows go, and the run ends as any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Max, Q, QuerySet

from connectors.base import Divisible, Division, Effect
from sync import clock, issues, pending, runs, workers
from sync.catalogue import ACTIVE_RUNS, Bucket, LinkState, RunState
from sync.delivery.adoption import contested
from sync.flows import Route
from sync.models import CrossReference, Delivery, PartClaim, PendingKey, RunPage, SyncRun
from sync.runs import Lease

COUNTED = ("read", *(bucket.value for bucket in Bucket), "writes", "repeats", "lost_writes")
AFTER_PARTS = "after_parts"
LOOK_AGAIN = 5.0
"""Seconds between two looks of the run at its parts; a part that ends rings for it at once."""


def divide(route: Route, lease: Lease) -> bool:
    """Makes the parts of a run that has just begun; False where it is better done in one go."""
    division = _division(route, lease.run)
    if division is None:
        return False
    run = lease.run
    empty = route.inlet.readable and not next(iter(route.sink.scan(route.inlet.entity)), ())
    with transaction.atomic():
        lease.change(total=division.total, divided=True)
        SyncRun.objects.bulk_create(
            SyncRun(
                flow_id=run.flow_id, kind=run.kind, trigger=run.trigger, asked_by_id=run.asked_by_id, full=run.full,
                parent=run, part=number, resume=resume,
                target_was_empty=empty, mapping_version=run.mapping_version, field_mapping_id=run.field_mapping_id,
            )
            for number, resume in enumerate(division.resumes, 1)
        )  # fmt: skip
    ring(run)
    return True


def _division(route: Route, run: SyncRun) -> Division | None:
    wanted = settings.SYNC["PARTS"] or _free_hands()
    begun = run.resume or run.read or run.watermark_from or run.scan_done
    special = run.kind != "sync" or run.keys_only or run.parent_id or getattr(run, "plan_id", None)
    if wanted < 2 or begun or special or not isinstance(route.source, Divisible):
        return None
    # A feed and what is only looked at are made of the whole; consent and events wait for others in order.
    if route.inlet.effect not in (Effect.UPSERT, Effect.ONCE) or route.inlet.after:
        return None
    return route.source.divide(route.flow.stream, wanted, settings.SYNC["PART_RECORDS"])


@dataclass(frozen=True)
class Told:
    """One part for a screen."""

    part: int
    state: str
    worker: str
    read: int
    accepted: int
    writes: int
    message: str
    total: int | None = None


def told(run: SyncRun) -> list[Told]:
    """What each part has done so far; afterwards what became of it."""
    if not run.divided:
        return [Told(**{one.name: found.get(one.name) for one in fields(Told)}) for found in run.parts or ()]
    return [
        Told(part.part, part.state, part.holder, part.read, part.accepted, part.writes, part.message, part.total)
        for part in of(run)
    ]


def pages(run: SyncRun) -> QuerySet[RunPage]:
    """The run's pages, those of its parts included."""
    return RunPage.objects.filter(Q(run=run) | Q(run__parent_id=run.pk)) if run.divided else run.run_pages.all()


def deliveries(run: SyncRun) -> QuerySet[Delivery]:
    """The run's requests, those of its parts included."""
    return Delivery.objects.filter(Q(run=run) | Q(run__parent_id=run.pk)) if run.divided else run.deliveries.all()


def of(run: SyncRun) -> list[SyncRun]:
    return list(SyncRun.objects.filter(parent_id=run.pk).order_by("part")) if run.divided else []


def _free_hands() -> int:
    """Processes that can each take a part. SQLite has one writer: there parts would only wait for each other."""
    return workers.slots() if connection.vendor == "postgresql" else 1


def ring(run: SyncRun) -> None:
    """Wakes a worker for every part that nobody works on."""
    for part in of(run):
        if part.state == RunState.QUEUED:
            runs.ring_for(part.pk)


def count_with(part: SyncRun, counted: Mapping[str, int]) -> None:
    """What a part counts its run counts at the same moment. The run's row is the last that a page's transaction
    touches: parts wait for each other no longer than a commit."""
    if part.parent_id:
        numbers = {name: F(name) + counted[name] for name in COUNTED if counted.get(name)}
        SyncRun.objects.filter(pk=part.parent_id).update(heartbeat_at=clock.now(), **numbers)


def under_way(run: SyncRun) -> bool:
    return SyncRun.objects.filter(parent_id=run.pk, state__in=ACTIVE_RUNS).exists()


def stopped(run: SyncRun) -> bool:
    """Whether a part failed: then the run ends, even where its flow is paused."""
    return SyncRun.objects.filter(parent_id=run.pk, state__in=[RunState.FAILED, RunState.LOST]).exists()


def stop(run: SyncRun) -> None:
    """Nothing more of this run is read: parts that nobody works on end here, the others after their page."""
    found = SyncRun.objects.filter(parent_id=run.pk)
    found.filter(state__in=ACTIVE_RUNS).update(cancel_requested=True)
    idle = found.filter(state__in=[RunState.QUEUED, RunState.WAITING])
    idle.update(state=RunState.CANCELLED, finished_at=clock.now(), message="The run was stopped before this part.")


def ended(part: SyncRun) -> None:
    """The last part that ends lets its run go on at once; one that fails stops the others after their page."""
    if part.parent is None or part.parent_id is None:
        return
    if part.state in (RunState.FAILED, RunState.LOST):
        stop(part.parent)
    if not under_way(part.parent):
        now, run = clock.now(), SyncRun.objects.filter(pk=part.parent_id)
        run.filter(state=RunState.RUNNING, holder="").update(lease_until=now)
        run.filter(state=RunState.WAITING).update(wait_until=now)
        runs.ring_for(part.parent_id)


def again(run: SyncRun, keys: Sequence[str]) -> None:
    """Keys that were looked at while parts were reading: a part may have sent an older value after us. They are
    sent once more when the parts are done."""
    later = clock.now() + timedelta(hours=1)
    PendingKey.objects.bulk_create(
        (PendingKey(flow_id=run.flow_id, key=key, reason=AFTER_PARTS, not_before=later) for key in keys),
        ignore_conflicts=True,  # asked for again meanwhile: it is due anyway
    )


def _worst(found: Sequence[SyncRun]) -> SyncRun | None:
    """A part that failed rather than one that was stopped because of it."""
    bad = [part for part in found if part.state != RunState.COMPLETED]
    return min(bad, key=lambda part: part.state == RunState.CANCELLED, default=None)


def gather(lease: Lease) -> SyncRun | None:
    """Takes over what the parts did; gives the one that did not end well, if any. Called once none is active."""
    run, found = lease.run, of(lease.run)
    failed = _worst(found)
    with transaction.atomic():
        number = RunPage.objects.filter(run=run).aggregate(last=Max("number"))["last"] or 0
        for part in found:
            pages = RunPage.objects.filter(run=part)
            last = pages.aggregate(last=Max("number"))["last"] or 0
            pages.update(run=run, number=F("number") + number)
            number += last
        Delivery.objects.filter(run__parent_id=run.pk).update(run=run)
        lease.change(
            parts=[asdict(one) for one in told(run)],
            divided=False,
            scan_done=failed is None,
            pages=number,
            watermark_to=found[-1].watermark_to if found else "",
            mapping_version=found[-1].mapping_version if found else "",
        )
        SyncRun.objects.filter(parent_id=run.pk).delete()
        PartClaim.objects.filter(flow_id=run.flow_id).delete()
        PendingKey.objects.filter(flow_id=run.flow_id, reason=AFTER_PARTS).update(not_before=None)
        _settle_contacts_taken_twice(run)
    run.refresh_from_db()
    return failed


def _settle_contacts_taken_twice(run: SyncRun) -> None:
    """Records of two parts that wrote one key at the same moment (one number in two companies): the first keeps the
    contact and is sent again, the others are contested, as they would be in one go."""
    links = CrossReference.objects.filter(flow_id=run.flow_id, state=LinkState.ACTIVE).exclude(target_id="")
    twice = links.values("target_id").annotate(number=Count("pk")).filter(number__gt=1).values_list("target_id")
    owners: dict[str, str] = {}
    findings = []
    for link in links.filter(target_id__in=twice).order_by("target_id", "first_synced_at", "pk"):
        owner = owners.setdefault(link.target_id, link.source_id)
        if owner != link.source_id:
            findings.append(contested(link.source_id, link.target_id, owner))
            links.filter(pk=link.pk).update(target_id="", raw_digest=None, sent_digest=None, state=LinkState.REJECTED)
    issues.raise_all(run.flow, run.pk, findings)
    pending.note(run.flow, list({owner for target_id, owner in owners.items()}), AFTER_PARTS)
