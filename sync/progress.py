"""How far a run is: records, rate, time left, buckets; and which records a bucket holds."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from sync import addresses, charts, flow_lines, masking, parts
from sync.catalogue import KINDS, Bucket, RunState
from sync.models import Delivery, SyncRun

MEANING = {
    Bucket.ACCEPTED: "Emarsys answered that it took them",
    Bucket.UNCHANGED: "known and unchanged since they were last accepted: nothing was sent",
    Bucket.EXCLUDED: "left out by a rule",
    Bucket.HELD: "wait for the record they belong to, and follow by themselves",
    Bucket.REJECTED: "could not be sent or were refused; each is an exception",
    Bucket.UNKNOWN: "sent, but the answer was lost; nothing is sent again blindly",
}
_STATES = {
    RunState.QUEUED: "Waits for a worker.",
    RunState.RUNNING: "A worker is on it.",
    RunState.WAITING: "Goes on by itself, from where it stopped.",
    RunState.COMPLETED: "Every record that was read ended in one of these buckets.",
    RunState.FAILED: "Stopped. What was accepted stays accepted, the next run goes on from the last watermark.",
    RunState.CANCELLED: "Stopped by a person. What was accepted stays accepted.",
    RunState.LOST: "Given up after its worker died several times. What was accepted stays accepted.",
}
_COMPARISON = {
    RunState.COMPLETED: "Both sides were read and compared.",
    RunState.FAILED: "Stopped. What it had not compared yet is as it was before.",
    RunState.CANCELLED: "Stopped by a person. What it had not compared yet is as it was before.",
}
_PREVIEW = {
    RunState.COMPLETED: "The source was read and everything decided; nothing was sent.",
    RunState.FAILED: "Stopped. Nothing was sent.",
    RunState.CANCELLED: "Stopped by a person. Nothing was sent.",
}
TRIGGERS = {
    "manual": "by hand",
    "schedule": "by schedule",
    "retry": "by a retry",
    "recheck": "to compare again",
    "released": "to release held records",
    "decided": "after two contacts became one",
    "command": "from the command line",
    "event": "after an event of the ERP",
    "sweep": "after a key sweep",
    "backfill": "by a backfill",
    "preview": "to see what a sync would do",
    "plan": "to apply a plan",
    "resumed": "after a breaker was resumed",
}


@dataclass(frozen=True)
class Finding:
    """What a comparison found of one kind. `url` is empty for an audit, which opens no exceptions."""

    title: str
    count: int
    url: str
    meaning: str
    money: dict[str, Decimal]
    examples: list[tuple[str, str]]
    """Record and the address of its story."""


@dataclass(frozen=True)
class Progress:
    run: SyncRun
    seconds: float | None
    rate: float | None
    left: float | None

    @property
    def sentence(self) -> str:
        if self.run.kind == "plan":
            return _PREVIEW.get(RunState(self.run.state), _STATES[RunState(self.run.state)])
        if self.run.kind != "sync":
            return _COMPARISON.get(RunState(self.run.state), _STATES[RunState(self.run.state)])
        return _STATES[RunState(self.run.state)]

    @property
    def trigger(self) -> str:
        return TRIGGERS.get(self.run.trigger, f"by {self.run.trigger.replace('_', ' ')}")

    @property
    def message(self) -> str:
        return masking.without_addresses(self.run.message)

    @property
    def share(self) -> float | None:
        """0 to 1000 of what the source says there is; None while that is not known."""
        if not self.run.total:
            return None
        return round(min(1000.0, 1000 * self.run.read / self.run.total), 1)

    @property
    def percent(self) -> int | None:
        return None if self.share is None else int(self.share // 10)

    @property
    def writing(self) -> str:
        """What of the writes is not one request that was answered."""
        return writing(self.run)

    @property
    def divided(self) -> list[parts.Told]:
        """The parts that several workers read, while they do and afterwards."""
        return [replace(one, message=masking.without_addresses(one.message)) for one in parts.told(self.run)]

    @property
    def parts(self) -> list[flow_lines.Part]:
        return flow_lines.parts(self.run)

    @property
    def bar(self) -> list[charts.Segment]:
        return charts.stack([(part.name, part.count) for part in self.parts])

    @property
    def meanings(self) -> list[tuple[flow_lines.Part, str]]:
        return [(part, MEANING[Bucket(part.name)]) for part in self.parts]

    @property
    def findings(self) -> list[Finding]:
        """The most frequent kind first."""
        found = [_finding(self.run, kind, told) for kind, told in self.run.findings.items()]
        return sorted(found, key=lambda finding: -finding.count)

    def numbers(self) -> dict[str, Any]:
        """For the page's own polling, and for scripts."""
        return {
            "state": self.run.state,
            "active": self.run.active,
            "read": self.run.read,
            "total": self.run.total,
            "per_second": round(self.rate, 1) if self.rate else None,
            "seconds_left": int(self.left) if self.left is not None else None,
            "writes": self.run.writes,
            "repeats": self.run.repeats,
            "lost_writes": self.run.lost_writes,
            "buckets": {str(bucket): getattr(self.run, bucket) for bucket in Bucket},
        }


def _finding(run: SyncRun, kind: str, told: Any) -> Finding:
    known = KINDS.get(kind)
    found = told if isinstance(told, dict) else {"records": told}
    return Finding(
        known.title if known else kind.replace("_", " ").capitalize(),
        int(found.get("records", 0)),
        addresses.exceptions(kind=kind, run=run.pk, state="all") if run.apply else "",
        known.meaning if known else "",
        {currency: Decimal(str(amount)) for currency, amount in found.get("money", {}).items()},
        [(key, addresses.record(key)) for key in found.get("examples", [])],
    )


def writing(run: SyncRun) -> str:
    """Empty where every request left once and was answered."""
    told = []
    if run.repeats == 1:
        told.append("1 of the writes repeats one that had no answer or was refused for now.")
    elif run.repeats:
        told.append(f"{run.repeats:,} of the writes repeat others that had no answer or were refused for now.")
    if run.lost_writes == 1:
        told.append("1 was under way when its worker died: it may have left or not.")
    elif run.lost_writes:
        told.append(f"{run.lost_writes:,} were under way when a worker died: each may have left or not.")
    return " ".join(told)


def of(run: SyncRun, now: datetime | None = None) -> Progress:
    if run.started_at is None:
        return Progress(run, None, None, None)
    end = run.finished_at or now or timezone.now()
    seconds = max(0.0, (end - run.started_at).total_seconds())
    rate = run.read / seconds if seconds >= 0.5 and run.read else None
    left = None
    if run.state == RunState.RUNNING and rate and run.total and run.total > run.read:
        left = (run.total - run.read) / rate
    return Progress(run, seconds, rate, left)


def keys(run: SyncRun, bucket: str) -> Iterator[str]:
    """The keys of a bucket, page by page from the compressed manifests; unchanged ones are not listed."""
    pages = parts.pages(run).order_by("run_id", "number")
    for manifest in pages.values_list("manifest", flat=True).iterator(chunk_size=20):
        yield from json.loads(zlib.decompress(bytes(manifest))).get(bucket, ())


def delivered(delivery: Delivery) -> list[str]:
    """The keys of the records that one request carried."""
    return list(json.loads(zlib.decompress(bytes(delivery.keys)))) if delivery.keys else []
