"""What the sales ledger adds up to: totals per day, inferred originals, counted cards, lost requests."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet, Sum

from sync import clock, issues, pending
from sync.catalogue import OPEN_ISSUES, LedgerState
from sync.issues import Finding
from sync.models import ControlTotal, CrossReference, Delivery, Flow, LedgerEntry, SyncRun
from sync.models.link import OF_CUSTOMER
from sync.storage import originals

if TYPE_CHECKING:  # deliveries know the ledger
    from sync.delivery.page import PageResult

PENNY = Decimal("0.01")
STATES = (
    LedgerState.ACCEPTED,
    LedgerState.EXCLUDED,
    LedgerState.HELD,
    LedgerState.REJECTED,
    LedgerState.UNKNOWN,
)


def give_up_lost_requests(run: SyncRun, counted: bool) -> None:
    """Requests that a dead worker left without an outcome.

    A sale among them is unknown from now on: it goes to a person. A contact is simply sent again. `counted` says
    whether what is sent counts, as sales do: only these stand in the ledger.
    """
    lost = Delivery.objects.filter(flow_id=run.flow_id, outcome="").exclude(run=run, epoch=run.epoch)
    # What another part is sending at this moment is not lost.
    lost = lost.filter(run=run) if run.parent_id else lost.exclude(run__parent_id=run.pk)
    given_up = [_given_up(delivery) for delivery in lost.select_related("run").defer("keys", "request")]
    if any(given_up):
        run.refresh_from_db(fields=["writes", "lost_writes"])
    if counted:
        unknown_outcomes(run.flow, run.whole_id)


@transaction.atomic
def _given_up(delivery: Delivery) -> bool:
    """Its last request counts as one of its run that may have left or not. False where somebody else was faster."""
    open_ = Delivery.objects.select_for_update().filter(pk=delivery.pk, outcome="")  # the worker may live after all
    left = open_.values_list("requests", flat=True).first()
    if left is None:
        return False
    now, entries = clock.now(), LedgerEntry.objects.filter(delivery=delivery, state=LedgerState.SENDING)
    requests = max(1, left)
    unknown = entries.update(state=LedgerState.UNKNOWN, updated_at=now)
    Delivery.objects.filter(pk=delivery.pk).update(
        outcome="unknown" if unknown else "retryable",
        message="The worker died before the answer was written down.",
        requests=requests,
        finished_at=now,
    )
    if delivery.run:
        its = SyncRun.objects.filter(pk__in=[delivery.run_id, delivery.run.whole_id])
        its.update(writes=F("writes") + requests, lost_writes=F("lost_writes") + 1)
    return True


def unknown_outcomes(flow: Flow, run_id: int | None) -> None:
    """An exception for every delivery whose lines may or may not have arrived, for as many as it still is."""
    groups = (
        LedgerEntry.objects.filter(flow=flow, state=LedgerState.UNKNOWN)
        .values("delivery_id", "currency")
        .annotate(lines=Count("id"), money=Sum("amount"))
        .order_by("delivery_id", "currency")
    )
    findings = [
        Finding(
            "unknown_outcome",
            field=f"delivery {group['delivery_id']}",
            message=f"{group['lines']} invoice lines were sent; the answer was lost.",
            records=group["lines"],
            money=_penny(group["money"]),
            currency=group["currency"],
            delivery_id=group["delivery_id"],
        )
        for group in groups
    ]
    known = issues_open(flow, "unknown_outcome")
    for finding in {finding.field: finding for finding in findings}.values():
        if known.get(finding.field, finding.records) != finding.records:
            flow.issues.filter(kind=finding.kind, field=finding.field, state__in=OPEN_ISSUES).update(
                records=finding.records, money=finding.money, message=finding.message
            )
    issues.raise_all(flow, run_id, [finding for finding in findings if finding.field not in known])
    issues.resolve_where(
        flow,
        "Every line of the upload has been accounted for.",
        kind="unknown_outcome",
        field__in=known.keys() - {finding.field for finding in findings},
    )


def issues_open(flow: Flow, kind: str) -> dict[str, int]:
    """field → how many records, of the open exceptions of this kind."""
    return dict(flow.issues.filter(kind=kind, state__in=OPEN_ISSUES).values_list("field", "records"))


def after_page(flow: Flow, result: "PageResult") -> None:
    """Inside the page's transaction: the totals of the days it touched."""
    if result.days:
        recompute(flow, result.days)


def recompute(flow: Flow, days: Iterable[date]) -> None:
    """Control totals of these days, from the ledger."""
    days = sorted(set(days))
    sums: dict[str, Any] = {}
    for state in STATES:
        among = Q(state=state)
        sums[f"{state}_l"] = Count("id", filter=among)
        sums[f"{state}_a"] = Sum("amount", filter=among)
    groups: Iterable[Any] = (
        LedgerEntry.objects.filter(flow=flow, day__in=days)
        .values("day", "company", "currency")
        .annotate(docs=Count("document", distinct=True), lines=Count("id"), money=Sum("amount"), **sums)
    )
    now = clock.now()
    rows = [
        ControlTotal(
            flow=flow,
            day=group["day"],
            company=group["company"],
            currency=group["currency"],
            documents=group["docs"],
            erp_lines=group["lines"],
            erp_amount=_exact(group["money"]),
            computed_at=now,
            **{f"{state}_lines": group[f"{state}_l"] for state in STATES},
            **{f"{state}_amount": _exact(group[f"{state}_a"]) for state in STATES},
        )
        for group in groups
    ]
    fields = ["documents", "erp_lines", "erp_amount", "computed_at"]
    fields += [f"{state}_{what}" for state in STATES for what in ("lines", "amount")]
    ControlTotal.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["flow", "day", "company", "currency"], update_fields=fields
    )


def after_run(flow: Flow, run: SyncRun) -> None:
    """Once a run has read everything: originals, cards and holds."""
    if not LedgerEntry.objects.filter(flow=flow).exists():
        return
    originals.infer(LedgerEntry._meta.db_table, flow.pk)
    unknown_outcomes(flow, run.pk)
    _held(flow, run.pk)
    _card(flow, run.pk, "excluded_no_customer", Q(state=LedgerState.EXCLUDED, rule="no_customer"), "lines")
    _card(flow, run.pk, "credit_without_original", Q(credit=True, original="") & ~Q(customer=""), "credit lines")
    _codes(flow, run.pk)
    _unbalanced(flow, run)


def _card(flow: Flow, run_id: int, kind: str, among: Q, noun: str) -> None:
    """One exception for many lines, with their number and money; closes itself when there are none."""
    groups = (
        LedgerEntry.objects.filter(among, flow=flow).values("currency").annotate(n=Count("id"), money=Sum("amount"))
    )
    findings = [
        Finding(
            kind,
            field=group["currency"],
            message=f"{group['n']:,} {noun}, {group['currency']} {_penny(group['money']):,}.",
            erp_value=f"{group['n']} {noun}, {group['currency']} {_penny(group['money'])}",
            records=group["n"],
            money=_penny(group["money"]),
            currency=group["currency"],
        )
        for group in groups
    ]
    issues.raise_all(flow, run_id, findings)
    issues.resolve_where(
        flow,
        f"Run {run_id} found none any more.",
        keep=flow.issues.filter(field__in=[one.field for one in findings], kind=kind).values_list("pk", flat=True),
        kind=kind,
    )


def _codes(flow: Flow, run_id: int) -> None:
    distinct = LedgerEntry.objects.filter(flow=flow).exclude(sku="").values("sku").distinct()
    folded: dict[str, list[str]] = {}
    for sku in distinct.values_list("sku", flat=True):
        folded.setdefault(sku.lower(), []).append(sku)
    codes = sorted(code for same in folded.values() for code in sorted(same)[1:])
    if not codes:
        issues.resolve_where(flow, f"Run {run_id} found none any more.", kind="case_only_codes")
        return
    issues.raise_all(
        flow,
        run_id,
        [
            Finding(
                "case_only_codes",
                field="sku",
                message=f"{len(codes)} codes differ from another only by case: {', '.join(codes[:12])} …",
                erp_value=f"{len(codes)} codes",  # as many as would be gone if case did not count
                records=len(codes),
                details={"codes": codes},
            )
        ],
    )


def _held(flow: Flow, run_id: int) -> None:
    """One exception per missing customer, however many orders wait for it."""
    groups = (
        LedgerEntry.objects.filter(flow=flow, state=LedgerState.HELD)
        .values("customer", "currency")
        .annotate(n=Count("id"), money=Sum("amount"))
    )
    findings = [
        Finding(
            "held_for_parent",
            source_id=group["customer"],
            field=group["currency"],
            message=f"{group['n']:,} lines wait for the contact of customer {group['customer']}.",
            records=group["n"],
            money=_penny(group["money"]),
            currency=group["currency"],
            blocked_by=group["customer"],
        )
        for group in groups
    ]
    issues.raise_all(flow, run_id, findings)
    issues.resolve_where(
        flow,
        "The contact is confirmed; the lines were released.",
        keep=flow.issues.filter(kind="held_for_parent", source_id__in=[one.source_id for one in findings]).values_list(
            "pk", flat=True
        ),
        kind="held_for_parent",
    )


def _unbalanced(flow: Flow, run: SyncRun) -> None:
    """Documents whose lines do not add up to their total (0.02 for rounding): those that this run touched or
    that were open. Other runs may have read other lines of them, so the suspects are added up as a whole."""
    entries = LedgerEntry.objects.filter(flow=flow)
    suspects = set(_not_adding_up(entries.filter(run=run)).values_list("company", "document"))
    named = {tuple(key.split("|", 1)) for key in issues.open_sources(flow, "unbalanced_document")}
    findings = []
    wanted = sorted({document for _, document in suspects | named})
    for start in range(0, len(wanted), 500):
        for one in _not_adding_up(entries.filter(document__in=wanted[start : start + 500])):
            if (one["company"], one["document"]) in suspects | named:
                findings.append(_does_not_add_up(one))
    issues.raise_all(flow, run.pk, findings)
    bad = {finding.source_id for finding in findings}
    over = [pk for key, pk in issues.open_sources(flow, "unbalanced_document").items() if key not in bad]
    issues.resolve(over, f"Run {run.pk} added the lines up again: they make the invoice's total.")


def _not_adding_up(entries: QuerySet[LedgerEntry]) -> QuerySet[LedgerEntry, Any]:
    return (
        entries.values("company", "document", "currency")
        .annotate(lines=Sum("amount"), total=Max("document_total"))
        .filter(Q(lines__gt=F("total") + Decimal("0.02")) | Q(lines__lt=F("total") - Decimal("0.02")))
    )


def _does_not_add_up(one: dict[str, Any]) -> Finding:
    return Finding(
        "unbalanced_document",
        source_id=f"{one['company']}|{one['document']}",
        field="total",
        message=f"The lines add up to {_penny(one['lines'])}, the invoice says {_penny(one['total'])}.",
        erp_value=str(_penny(one["total"])),
        target_value=str(_penny(one["lines"])),
        money=_penny(one["total"] - one["lines"]),
        currency=one["currency"],
    )


def release(customers_flow: Flow) -> None:
    """After a run of a parent entity: its children that were held or excluded with it are looked at again."""
    for flow, keys in _released(customers_flow).items():
        pending.ask(flow, keys, "released")


def _released(customers_flow: Flow) -> dict[Flow, list[str]]:
    """Documents by the flow that sends them: held for customers whose contact is confirmed or that a rule keeps out
    now, and those that were excluded with a customer that is confirmed now."""
    links = CrossReference.objects.filter(flow=customers_flow)
    confirmed, excluded = links.filter(state="active").exclude(target_id=""), links.filter(state="excluded")
    decided = Q(customer__in=confirmed.values("source_id")) | Q(customer__in=excluded.values("source_id"))
    let_in = Q(state=LedgerState.EXCLUDED, rule__startswith=OF_CUSTOMER, customer__in=confirmed.values("source_id"))
    flows = Flow.objects.filter(source=customers_flow.source, target=customers_flow.target)
    children = {flow.pk: flow for flow in flows.exclude(pk=customers_flow.pk)}
    lines = LedgerEntry.objects.filter(flow__in=children)
    released: dict[Flow, dict[str, None]] = {}
    for found in (lines.filter(decided, state=LedgerState.HELD), lines.filter(let_in)):
        for flow_id, key in found.values_list("flow_id", "source_id"):
            released.setdefault(children[flow_id], {})[key.rsplit("|", 1)[0]] = None
    return {flow: list(keys) for flow, keys in released.items()}


def _penny(amount: Any) -> Decimal:
    return Decimal(str(amount or 0)).quantize(PENNY)


def _exact(amount: Any) -> Decimal:
    return Decimal(str(amount or 0)).quantize(Decimal("0.0001"))
