"""The story, step by step: audit, first sync, a colleague's import, and what the comparison makes of it.

Each step is told once per state folder; a demo that was stopped in the middle goes on with the step it was in.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from sync import clock, reconcile, runs
from sync.catalogue import ACTIVE_RUNS, KINDS, OPEN_ISSUES, IssueState, RunState
from sync.demo.progress import follow
from sync.demo.state import Folder
from sync.demo.systems import Emulators
from sync.models import Flow, PendingKey, SyncIssue, SyncRun

CUSTOMERS, SALES = "dynamics365.customer", "dynamics365.sale"
COMPARED = reconcile.CONTACT_KINDS


class StoryFailedError(Exception):
    """A run of the story did not complete."""


@dataclass
class Teller:
    folder: Folder
    emulators: Emulators
    seed: int
    check: Callable[[], None]
    say: Callable[[str], None]

    def tell(self) -> None:
        steps: tuple[tuple[str, str, Callable[[], Mapping[str, Any]]], ...] = (
            ("audit", "Audit: ERP and Emarsys compared before anything is written", self._audit),
            ("customers", "First sync: customers", self._customers),
            ("sales", "First sync: invoices and credit notes", self._sales),
            ("proof", "Comparison: what the sync has healed is closed with proof", self._proof),
            ("import", "A colleague imports last month's CSV into Emarsys", self._import),
            ("reconcile", "Reconcile: what did that change?", self._reconcile),
        )
        done = self.folder.notes().get("steps", {})
        for number, (name, title, step) in enumerate(steps, 1):
            if name in done:
                continue
            began = time.monotonic()
            self.say(f"\n{number}. {title}")
            told = step()
            done[name] = {**told, "seconds": round(time.monotonic() - began, 1)}
            self.folder.note(steps=done)

    def _audit(self) -> Mapping[str, Any]:
        run = self._run(CUSTOMERS, "comparing", kind="compare", apply=False)
        self._say_findings(run, "nothing to find: both sides are equal")
        opened = self._run(CUSTOMERS, "onto the desks", kind="compare", apply=True)
        count = self._of_customers(state__in=OPEN_ISSUES).count()
        self.say(f"  {count:,} exceptions now lie on their owners' desks; nothing was written to Emarsys yet")
        return {"run": run.pk, "opened_by": opened.pk, "findings": run.findings}

    def _customers(self) -> Mapping[str, Any]:
        run = self._run(CUSTOMERS, "customers")
        self.say(f"  {_buckets(run)}; {run.writes:,} requests to Emarsys")
        self.say(f"  {self._of_customers(state=IssueState.RESOLVED).count():,} exceptions closed with proof")
        return {"run": run.pk}

    def _sales(self) -> Mapping[str, Any]:
        run = self._run(SALES, "invoice lines")
        self._until_quiet()
        self.say(f"  {_buckets(run)}; {run.writes:,} uploads to Emarsys")
        self._say_open(Q(flow__name=SALES))
        return {"run": run.pk}

    def _proof(self) -> Mapping[str, Any]:
        run = self._run(CUSTOMERS, "comparing", kind="compare", apply=True)
        resolved = self._of_customers(state=IssueState.RESOLVED).count()
        before = self.folder.notes()["steps"].get("audit", {}).get("findings", {})
        found, left = sum(map(_count, before.values())), sum(map(_count, run.findings.values()))
        self.say(f"  {found:,} findings before the sync, {left:,} now; {resolved:,} exceptions closed with proof")
        self._say_findings(run, "nothing is left")
        return {"run": run.pk, "findings": run.findings}

    def _import(self) -> Mapping[str, Any]:
        planted = self.emulators.plant("import", self.seed)
        told = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in planted.items())
        self.say(f"  planted by the emulator, unknown to the console: {told or 'nothing'}")
        return {"planted": planted}

    def _reconcile(self) -> Mapping[str, Any]:
        before = self._open_ids()
        run = self._run(CUSTOMERS, "comparing", kind="compare", apply=True)
        new = SyncIssue.objects.filter(pk__in=self._open_ids() - before)
        planted = self.folder.notes()["steps"].get("import", {}).get("planted", {})
        self.say(f"  {sum(planted.values()):,} differences were planted, {new.count():,} new exceptions are open:")
        self._say_open(Q(pk__in=new.values("pk")))
        return {"run": run.pk, "findings": run.findings}

    def _open_ids(self) -> set[int]:
        return set(self._of_customers(state__in=OPEN_ISSUES).values_list("pk", flat=True))

    def _of_customers(self, **conditions: Any) -> QuerySet[SyncIssue]:
        return SyncIssue.objects.filter(flow__name=CUSTOMERS, kind__in=COMPARED, **conditions)

    def _run(self, flow_name: str, label: str, **how: Any) -> SyncRun:
        """Queues a run for the workers (or joins the one under way) and follows it to its end."""
        flow = Flow.objects.get(name=flow_name)
        run = runs.start(flow, **how)
        if run is None:
            raise StoryFailedError(f"{flow_name} cannot start now.")
        run = follow(run, label, self.check)
        if run.state != RunState.COMPLETED:
            raise StoryFailedError(f"Run {run.pk} of {flow_name} ended as {run.state}. {run.message}".strip())
        return run

    def _until_quiet(self, seconds: float = 120) -> None:
        """Held lines that are released after a run have runs of their own: until there are none."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            due = PendingKey.objects.filter(Q(not_before=None) | Q(not_before__lte=clock.now()), flow__paused_at=None)
            if not SyncRun.objects.filter(state__in=ACTIVE_RUNS).exists() and not due.exists():
                return
            self.check()
            time.sleep(0.25)

    def _say_findings(self, run: SyncRun, nothing: str) -> None:
        for kind, found in sorted(run.findings.items(), key=lambda pair: -_count(pair[1])):
            self.say(f"  {_count(found):>9,}  {title(kind)}")
        if not run.findings:
            self.say(f"  {nothing}")

    def _say_open(self, among: Q) -> None:
        for kind, count, records in open_by_kind(among):
            more = f" ({records:,} records)" if records != count else ""
            self.say(f"  {count:>9,}  {title(kind)}{more}")


def open_by_kind(among: Q) -> list[tuple[str, int, int]]:
    """(kind, exceptions, records they stand for) of the open exceptions among these, most first."""
    open_now = SyncIssue.objects.filter(among, state__in=OPEN_ISSUES)
    groups = open_now.values("kind").annotate(n=Count("id"), of=Sum("records")).order_by("-n")
    return [(group["kind"], group["n"], group["of"]) for group in groups]


def title(kind: str) -> str:
    return KINDS[kind].title if kind in KINDS else kind.replace("_", " ").capitalize()


def _count(found: Any) -> int:
    return int(found["records"] if isinstance(found, dict) else found)


def _buckets(run: SyncRun) -> str:
    parts = [
        f"{getattr(run, bucket):,} {bucket}"
        for bucket in ("accepted", "unchanged", "excluded", "held", "rejected", "unknown")
        if getattr(run, bucket)
    ]
    return f"{run.read:,} read: {', '.join(parts) or 'nothing'}"
