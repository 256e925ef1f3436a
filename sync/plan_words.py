"""A plan in plain words: what would happen to how many records, what it means, and what to do next."""

from dataclasses import dataclass
from typing import Any

from sync import own_fields
from sync.catalogue import OWNERS, Team
from sync.models import SyncPlan
from sync.models.plan import APPLIED, APPLYING, APPROVED, BUILDING, DISCARDED, EXPIRED, READY, SECOND_LOOK

_WORDS = {
    "create": "would be new in {target}",
    "change": "would be changed in {target}",
    "opt_out": "would be told as opted out",
    "deactivate": "are no more in {source}: their link would be closed, nothing is deleted in {target}",
    "unchanged": "are as {target} has them: nothing would be sent",
    "excluded": "are left out by a rule",
    "held": "would wait for the record they belong to",
    "rejected": "could not be sent; a sync would open an exception for each",
    "unknown": "were sent before and their answer was lost: never sent again by itself",
}
_FEED = {
    "create": "would be new in the feed",
    "change": "would have another line in the feed",
    "deactivate": "would leave the feed",
    "unchanged": "keep their line",
}
_ONCE = {"create": "would be sent, once"}
TITLES = {"create": "New", "change": "Changed", "opt_out": "Opted out", "deactivate": "No more in the source"}
NEXT = {
    BUILDING: "The source is being read. Nothing is sent; this page says what would be when it is done.",
    READY: "Nothing has been sent. Apply does exactly this; what has changed by then is left alone and named.",
    SECOND_LOOK: "Nothing has been sent. Before it may be applied, a second person looks at it and approves it.",
    APPROVED: "Two people have looked at it. Somebody other than the approver applies it.",
    APPLYING: "A run is doing exactly this now.",
    APPLIED: "It was done. What was not as planned any more is named below.",
    EXPIRED: "It may not be applied any more: what it saw may be different by now. Make a new plan.",
    DISCARDED: "It will not be applied.",
}


@dataclass(frozen=True)
class Part:
    name: str
    count: int
    words: str


def parts(plan: SyncPlan) -> list[Part]:
    """Every end with its number, those that touch something first."""
    of_flow = _FEED if plan.flow.entity == "product" else _ONCE if plan.flow.entity == "sale" else {}
    names = {"target": plan.flow.target, "source": plan.flow.source}
    told = _WORDS | of_flow
    return [Part(name, plan.counts[name], told[name].format(**names)) for name in told if plan.counts.get(name)]


def outcome(plan: SyncPlan) -> list[str]:
    """What applying it met, as sentences."""
    changed, missed = (plan.outcome.get(name, {}).get("records", 0) for name in ("changed", "not_met"))
    said = []
    if changed:
        said.append(
            f"{changed:,} record{'s' if changed > 1 else ''} had changed since the plan: not sent. The next sync reads "
            "them again."
        )
    if missed:
        said.append(
            f"{missed:,} planned record{'s' if missed > 1 else ''} needed nothing any more: as planned already, or not "
            "given by the source again."
        )
    return said


@dataclass(frozen=True)
class Shown:
    """One example as a person may see it."""

    key: str
    title: str
    fields: list[tuple[str, str, str, bool]]
    """Name, before, after; whether it is emptied."""


def examples(plan: SyncPlan, user: Any) -> list[Shown]:
    team = OWNERS.get(plan.flow.entity, Team.OPERATIONS)

    def shown(field: str, value: str) -> str:
        return own_fields.shown(user, team, plan.flow_id, field, value)

    return [
        Shown(
            one["key"],
            TITLES.get(one["action"], one["action"]),
            [
                (
                    part["field"].replace("_", " "),
                    shown(part["field"], part["before"]),
                    shown(part["field"], part["after"]),
                    bool(part["before"] and not part["after"]),
                )
                for part in one["fields"]
            ],
        )
        for one in plan.examples
    ]
