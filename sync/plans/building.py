"""A plan is made on the path of a sync: rows are mapped, compared and matched by the same lines, and the gate keeps
everything back. Nothing is sent, no link, delivery or exception is written, the watermark stays."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import F

from connectors.base import Effect
from connectors.records import Sale
from sync import clock
from sync.catalogue import Bucket
from sync.crashpoints import crashpoint
from sync.delivery import PageResult, Work
from sync.delivery.page import Candidate, T
from sync.models import SyncPlanPage
from sync.plans import actions, pages
from sync.plans.actions import Action
from sync.plans.asked import OfPlan
from sync.plans.differences import Example, difference, example, seen_there, standing
from sync.plans.pages import Planned
from sync.plans.register import Register

EXAMPLES = 15
"""Of each action; a plan shows about fifty."""


@dataclass
class Draft:
    """One page of the plan while it is decided."""

    records: list[Planned] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    blanked: Counter[str] = field(default_factory=Counter)
    money: dict[str, Decimal] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    repeated_opt_outs: int = 0
    """Opt-outs of people whom the target shows as opted out already."""

    def summary(self) -> dict[str, Any]:
        return {
            "counts": self.counts,
            "changed": self.changed,
            "blanked": self.blanked,
            "money": {currency: str(amount) for currency, amount in self.money.items()},
            "examples": self.examples,
            "repeated_opt_outs": self.repeated_opt_outs,
        }


@dataclass
class Building(OfPlan):
    """Units of the source are decided and written down, one after the other."""

    draft: Draft = field(init=False, default_factory=Draft)
    shown: Counter[str] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.gate, self.departing = self._keep, self._stay
        self.writer = None

    @cached_property
    def register(self) -> Register:
        """What earlier slices have decided. Asked for the first time by a page: what is decided again is gone then."""
        return pages.register(self.plan)

    def _begin(self, unit: Any, forced: bool = False) -> Callable[[], PageResult]:
        self.draft = Draft()
        return super()._begin(unit, forced)

    def _keep(self, work: Work, leaving: Sequence[T], result: PageResult) -> Sequence[T]:
        """Everything stays here; what would have left is planned."""
        fresh: list[T] = []
        there = seen_there(work.route, leaving)
        for one in leaving:
            key = one.candidate.key
            content = actions.content(one, self.digest, standing(work.route, one, there.get(key)))
            if self._plan(Planned(actions.of(one), content, key), result):
                fresh.append(one)
        for one in fresh:
            self._describe(work, one, there.get(one.candidate.key))
        return []

    def _stay(self, work: Work, going: Sequence[Candidate], result: PageResult) -> Sequence[Candidate]:
        for one in going:
            result.buckets[Bucket.EXCLUDED].remove(one.key)
            planned = Planned(Action.DEACTIVATE, actions.departure(one, self.digest), one.key)
            if self._plan(planned, result) and self._room(Action.DEACTIVATE):
                self.draft.examples.append({"key": one.key, "action": Action.DEACTIVATE, "fields": []})
        return []

    def _plan(self, one: Planned, result: PageResult) -> bool:
        """False when the record was planned before: read twice, it counts once, and its newest content stands. A line
        that is sent once only would then be one that changed after it was sent."""
        mark, before = actions.mark(one.action, one.content), self.register.get(one.key)
        if before is None:
            self._note(one, mark)
            self.draft.counts[one.action] += 1
            return True
        if before != mark and self.route.inlet.effect is Effect.ONCE:
            result.put(Bucket.REJECTED, one.key)
            return False
        first = actions.action_of(before)
        if before != mark and first in actions.PLANNED:  # what would be created would then be changed: created still
            action = first if one.action is Action.CHANGE else one.action
            self._note(Planned(action, one.content, one.key), actions.mark(action, one.content))
        result.unchanged += 1
        return False

    def _note(self, one: Planned, mark: int) -> None:
        self.register.put(one.key, mark)
        self.draft.records.append(one)

    def _describe(self, work: Work, one: Any, there: Any) -> None:
        draft, action = self.draft, actions.of(one)
        fields = difference(work.route, one, there)
        if action is Action.CHANGE:
            draft.changed.update(part["field"] for part in fields if not part["same"])
            draft.blanked.update(part["field"] for part in fields if part["before"] and not part["after"])
        if action is Action.OPT_OUT and any(part["field"] == "given" and part["same"] for part in fields):
            draft.repeated_opt_outs += 1
        if isinstance(one.record, Sale):
            draft.money[one.record.currency] = draft.money.get(one.record.currency, Decimal(0)) + one.record.amount
        if self._room(action):
            draft.examples.append(example(action, one, fields))

    def _room(self, action: Action) -> bool:
        self.shown[action] += 1
        return self.shown[action] <= EXAMPLES

    def _remember(
        self, result: PageResult, *, resume: str | None = None, watermark: str | None = None, forced: bool = False
    ) -> None:
        """The page of the plan, the resume point and how far it is: nothing of the records themselves."""
        if result.interrupted:
            return
        draft, run = self.draft, self.lease.run
        for bucket in Bucket:
            if count := result.count(bucket):
                draft.counts[bucket.value] += count
        if self.route.inlet.effect is Effect.REPLACE:  # which articles there are decides which are gone
            there = [*result.settled, *(key for keys in result.buckets.values() for key in keys)]
            draft.records += [Planned(Action.KEEP, b"", key) for key in there if key not in self.register]
            for key in there:
                if key not in self.register:
                    self.register.put(key, actions.mark(Action.KEEP, b""))
        with transaction.atomic():
            SyncPlanPage.objects.create(
                plan=self.plan, number=run.pages + 1, summary=draft.summary(), records=pages.packed(draft.records)
            )
            self._progress(result, resume, watermark)
        crashpoint("after_remember")
        run.refresh_from_db()

    def _progress(self, result: PageResult, resume: str | None, watermark: str | None) -> None:
        run = self.lease.run
        values: dict[str, Any] = {"read": F("read") + result.read, "pages": F("pages") + 1}
        if resume is not None:
            values |= {"resume": resume, "since_resume": {}}
        else:
            before = run.since_resume
            values["since_resume"] = {
                "read": result.read + before.get("read", 0),
                "numbers": [*before.get("numbers", ()), run.pages + 1],
            }
        if watermark is not None:
            values |= {"watermark_to": watermark, "scan_done": True}
        if self.total is not None:
            values["total"] = self.total
        self.lease.change(attempt=0, failures=0, heartbeat_at=clock.now(), **values)
