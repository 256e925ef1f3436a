"""A plan for machines and for people. No examples: their values may be personal."""

from typing import Any

from django.core.management.base import CommandError

from sync import plan_words, plans
from sync.models import SyncPlan


def found(number: int) -> SyncPlan:
    plan = SyncPlan.objects.select_related("flow").filter(pk=number).first()
    if plan is None:
        raise CommandError(f"There is no plan {number}. See: manage.py plans", returncode=2)
    return plan


def told(plan: SyncPlan) -> dict[str, Any]:
    names = ("state", "full", "since", "read", "counts", "fields", "money", "dangers", "outcome", "message")
    moments = ("asked_at", "built_at", "expires_at", "approved_at", "applied_at")
    return {
        "id": plan.pk,
        "flow": plan.flow.name,
        "planned": plans.planned(plan),
        "hash": plan.digest,
        "mapping_version": plan.mapping_version,
        **{name: getattr(plan, name) for name in (*names, *moments)},
    }


def sentence(plan: SyncPlan) -> str:
    lines = [f"Plan {plan.pk} of {plan.flow}: {plan.get_state_display().lower()}. {plan.message}".strip()]
    lines += [f"  {part.count:>9,}  {part.words}" for part in plan_words.parts(plan)]
    lines += [f"  {amount} {currency} of sales" for currency, amount in plan.money.items()]
    lines += [f"  field {name}: {n['changed']:,} changed, {n['blanked']:,} of them emptied"
              for name, n in plan.fields.items()]  # fmt: skip
    lines += [f"  Second look: {danger}" for danger in plan.dangers]
    lines += plan_words.outcome(plan)
    if plan.digest:
        lines.append(f"  hash {plan.digest[:16]}")
    return "\n".join(lines)
