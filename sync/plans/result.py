"""What a plan adds up to, why a second person must look at it, and what became of it when it was applied."""

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.conf import settings

from connectors.base import Change, Effect
from sync import feeds
from sync.flows import Route
from sync.models import FeedItem, Flow, SyncPlan, SyncPlanPage, SyncRun
from sync.plans import actions, pages
from sync.plans.actions import PLANNED, Action
from sync.plans.building import EXAMPLES
from sync.plans.pages import Planned
from sync.plans.register import Register
from sync.progress import delivered

CHUNK = 1_000
NAMED = 50
"""Records that are named on the plan and on its run; the run's pages hold them all."""
KIND = "changed_since_plan"


def whole(route: Route, run: SyncRun) -> bool:
    """Does the run see every article there is? Then those it does not see are gone."""
    return (route.stream.change is Change.SCAN or not run.watermark_from) and not run.keys_only


def published(flow: Flow) -> str:
    """The digest of the feed that stands now; empty for flows that make none."""
    found = feeds.published(flow.name)
    return found.digest if found else ""


def absent(flow: Flow, there: Register) -> Iterator[str]:
    """Articles of the feed that the register has not seen."""
    keys = FeedItem.objects.filter(flow=flow).order_by("source_id").values_list("source_id", flat=True)
    return (key for key in keys.iterator(chunk_size=CHUNK) if key not in there)


def plan_absent(route: Route, run: SyncRun, plan: SyncPlan) -> None:
    """Articles that would leave the file as the source lists them no more: a last page of the plan."""
    if route.inlet.effect is not Effect.REPLACE or not whole(route, run):
        return
    SyncPlanPage.objects.filter(plan=plan, number=run.pages + 1).delete()  # a finish that died on its way
    found = [Planned(Action.DEACTIVATE, b"", key) for key in absent(route.flow, pages.register(plan))]
    if found:
        examples = [{"key": one.key, "action": one.action, "fields": []} for one in found[:EXAMPLES]]
        summary = {"counts": {Action.DEACTIVATE: len(found)}, "absent": len(found), "examples": examples}
        SyncPlanPage.objects.create(plan=plan, number=run.pages + 1, summary=summary, records=pages.packed(found))


def spare_absent(route: Route, run: SyncRun) -> None:
    """Articles that are gone now and were not planned to go stay in the file, as if the run had seen them."""
    if run.plan is None or route.inlet.effect is not Effect.REPLACE or not whole(route, run):
        return
    planned, going = pages.register(run.plan), actions.mark(Action.DEACTIVATE, b"")
    unseen = FeedItem.objects.filter(flow=route.flow).exclude(run=run)
    stay = [key for key in unseen.values_list("source_id", flat=True).iterator(chunk_size=CHUNK)
            if planned.get(key) != going]  # fmt: skip
    for start in range(0, len(stay), CHUNK):
        part = stay[start : start + CHUNK]
        FeedItem.objects.filter(flow=route.flow, source_id__in=part).update(run=run)


def add_up(plan: SyncPlan) -> None:
    """Fills the plan's counts, fields, money, examples, dangers and digest from its pages."""
    counts, changed, blanked, shown = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    money: dict[str, Decimal] = {}
    examples: list[dict[str, Any]] = []
    repeated = 0
    for page in SyncPlanPage.objects.filter(plan=plan).order_by("number").defer("records").iterator(chunk_size=50):
        told = page.summary
        counts.update(told.get("counts", {}))
        changed.update(told.get("changed", {}))
        blanked.update(told.get("blanked", {}))
        repeated += told.get("repeated_opt_outs", 0)
        for currency, amount in told.get("money", {}).items():
            money[currency] = money.get(currency, Decimal(0)) + Decimal(amount)
        for one in told.get("examples", []):
            shown[one["action"]] += 1
            if shown[one["action"]] <= EXAMPLES:
                examples.append(one)
    plan.counts = {name: counts[name] for name in sorted(counts) if counts[name]}
    plan.fields = {name: {"changed": n, "blanked": blanked[name]} for name, n in changed.most_common()}
    plan.money = {currency: str(amount.quantize(Decimal("0.01"))) for currency, amount in sorted(money.items())}
    plan.examples = examples
    plan.dangers = _dangers(plan, repeated)
    plan.digest = pages.digest(plan)


def planned(plan: SyncPlan) -> int:
    """How many records applying it would touch."""
    return sum(int(plan.counts.get(action, 0)) for action in PLANNED)


def _dangers(plan: SyncPlan, repeated: int) -> list[str]:
    limits, found = settings.SYNC, []
    if planned(plan) > limits["PLAN_SECOND_LOOK"]:
        found.append(
            f"It touches {planned(plan):,} records; more than {limits['PLAN_SECOND_LOOK']:,} need a second look."
        )
    for currency, amount in plan.money.items():
        if abs(Decimal(amount)) > limits["PLAN_SECOND_LOOK_MONEY"]:
            found.append(
                f"It sends sales of {Decimal(amount):,.2f} {currency}; more than "
                f"{limits['PLAN_SECOND_LOOK_MONEY']:,} {currency} need a second look."
            )
    opt_outs = int(plan.counts.get(Action.OPT_OUT, 0)) - repeated
    if opt_outs > limits["PLAN_DANGEROUS"]:
        found.append(f"It opts out {_people(opt_outs)} whom {plan.flow.target} does not show as opted out now.")
    gone = int(plan.counts.get(Action.DEACTIVATE, 0))
    if gone > limits["PLAN_DANGEROUS"]:
        found.append(f"It deactivates {gone:,} record{'s' if gone > 1 else ''}: the source has them no more.")
    emptied = sum(counted["blanked"] for counted in plan.fields.values())
    if emptied > limits["PLAN_BLANKED"]:
        found.append(f"It empties {emptied:,} values that {plan.flow.target} has now.")
    return found


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"


def outcome(run: SyncRun, plan: SyncPlan) -> dict[str, Any]:
    """What the run met that was not as planned, by records: kept back, and planned but not met again."""
    kept: dict[str, None] = {}
    met, went = Register(), Register()
    for keys in _requested(run):
        for key in keys:
            met.put(key, 1)
            went.put(key, 1)
    for manifest in run.run_pages.order_by("number").values_list("manifest", flat=True).iterator(chunk_size=20):
        listed = json.loads(zlib.decompress(bytes(manifest)))
        kept |= dict.fromkeys(listed.get("kept_back", ()))
        for bucket, keys in listed.items():
            for key in keys:
                met.put(key, 1)
                if bucket == "accepted":
                    went.put(key, 1)
    changed = [key for key in kept if key not in went]
    missed = 0
    named: list[str] = []
    for key in _planned_keys(run, plan):
        if key not in met:
            met.put(key, 1)
            missed += 1
            named += [key] if len(named) < NAMED else []
    return {
        "changed": {"records": len(changed), "examples": changed[:NAMED]},
        "not_met": {"records": missed, "examples": named},
    }


def _requested(run: SyncRun) -> Iterator[list[str]]:
    for delivery in run.deliveries.order_by("id").only("keys").iterator(chunk_size=20):
        yield delivered(delivery)


def _planned_keys(run: SyncRun, plan: SyncPlan) -> Iterator[str]:
    """A line of the feed that was to go, and went, is met nowhere: it is gone."""
    for page in pages.stored(plan):
        for one in pages.unpacked(page.records):
            if one.action in PLANNED and not (one.action is Action.DEACTIVATE and not one.content):
                yield one.key
