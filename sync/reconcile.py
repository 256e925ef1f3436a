"""Compares both systems record by record. With `apply` it opens and closes exceptions; without, it is the audit."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction

from connectors.base import Effect, Excluded, Gone, Page
from connectors.errors import RecordError
from connectors.extra import ExtraField
from connectors.records import Sale
from sync import clock, issues, pending, reading, storage, value
from sync.ahead import ahead
from sync.catalogue import OPEN_ISSUES, LedgerState
from sync.comparison import Field, as_details, compare
from sync.delivery.changed import MONEY, difference
from sync.flows import Route
from sync.issues import Finding
from sync.models import CrossReference, Flow, LedgerEntry, SyncRun
from sync.storage.sides import Sides

CONTACT_KINDS = ("missing_in_target", "not_linked", "field_drift", "duplicate_in_target", "orphan")
SALE_KINDS = ("missing_in_ledger", "missing_in_source", "document_changed")
Stop = Callable[[int, int | None], None]
"""Told how many records were read and of how many; raises when the comparison has to stop."""


def findings(route: Route, told: Stop) -> Iterator[Finding]:
    """Every difference between the two sides, as both were read just now; none where only one can be read."""
    if route.inlet.effect is Effect.ONCE:
        yield from _sales(route, told)
    elif route.inlet.readable:
        yield from _contacts(route, told)


def apply(route: Route, run: SyncRun, found: list[Finding]) -> dict[str, Any]:
    """Opens what was found and closes, with proof, what is over. Returns the summary."""
    kinds = _compared(route)
    flow = route.flow
    if route.inlet.readable:
        value.at_risk(flow, found)
    with transaction.atomic():
        for part in _parts(found, 2_000):
            issues.raise_all(flow, run.pk, part)
        over, named = _over(flow, kinds, found)
        for pks in _parts(over, 500):
            issues.resolve(pks, f"Comparison {run.pk} read both systems completely and found no difference any more.")
        for pks in _parts(named, 500):
            issues.resolve(pks, f"Comparison {run.pk} named the contacts: they stand in an exception of their own.")
        if route.inlet.readable:
            _remember(flow, found)
            pending.ask(flow, _decided(flow, over), "decided", user=run.asked_by)
    return summary(found)


def _compared(route: Route) -> Sequence[str]:
    """The kinds that this comparison looked for: no other is closed by it."""
    if route.inlet.effect is Effect.ONCE:
        return SALE_KINDS
    if not route.inlet.readable:
        return ()
    return ("field_drift",) if route.inlet.after else CONTACT_KINDS


def _over(flow: Flow, kinds: Sequence[str], found: list[Finding]) -> tuple[list[int], list[int]]:
    """The open exceptions that were not found again; apart those that now have an exception with the contacts' ids."""
    current = {finding.key for finding in found}
    doubles = {finding.source_id for finding in found if finding.kind == issues.REFUSED[0]}
    over: list[int] = []
    named: list[int] = []
    opened = flow.issues.filter(kind__in=kinds, state__in=OPEN_ISSUES)
    for pk, *key in opened.values_list("pk", "source_id", "target_id", "kind", "field"):
        if tuple(key) not in current:
            (named if tuple(key[2:]) == issues.REFUSED and key[0] in doubles else over).append(pk)
    return over, named


def _decided(flow: Flow, over: list[int]) -> list[str]:
    """Customers whose contact was ambiguous and is so no more: sent now, as their orders wait for nothing else."""
    keys = flow.issues.filter(kind=issues.REFUSED[0]).values_list("source_id", flat=True)
    return [key for pks in _parts(over, 500) for key in keys.filter(pk__in=pks)]


def summary(found: Iterable[Finding]) -> dict[str, Any]:
    """{kind: {records, money by currency, examples}}."""
    result: dict[str, Any] = {}
    for finding in found:
        kind = result.setdefault(finding.kind, {"records": 0, "money": {}, "examples": []})
        kind["records"] += 1
        if finding.money is not None:
            before = Decimal(kind["money"].get(finding.currency, "0"))
            kind["money"][finding.currency] = str(before + finding.money)
        if len(kind["examples"]) < 10:
            kind["examples"].append(finding.source_id or finding.target_id)
    return result


def _remember(flow: Flow, found: list[Finding]) -> None:
    """Records that differ lose their digests, so that the next run sends them; the others are confirmed."""
    disputed = {finding.source_id for finding in found if finding.source_id}
    links = CrossReference.objects.filter(flow=flow)
    links.exclude(state="superseded").exclude(target_id="").update(confirmed_at=clock.now())
    # Where the link's contact is gone or lost its number, the next run looks who is there before it makes one.
    unlinked = {
        finding.source_id
        for finding in found
        if finding.kind in ("missing_in_target", "not_linked") or finding.key[2:] == issues.REFUSED
    }
    for keys in _parts(sorted(unlinked), 500):
        links.filter(source_id__in=keys).update(target_id="")
    for keys in _parts(sorted(disputed), 500):
        links.filter(source_id__in=keys).update(raw_digest=None, sent_digest=None, confirmed_at=None)


def _parts(values: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


# ------------------------------------------------------------------------------------------------ contacts


def _contacts(route: Route, told: Stop) -> Iterator[Finding]:
    kept_out: set[str] = set()
    with Sides() as sides:
        read = 0
        for page in ahead(route.source.read(route.flow.stream, "", "")):
            read += len(page.rows)
            sides.erp(_erp_rows(route, page, kept_out))
            told(read, page.total)
        for contacts in ahead(route.sink.scan(route.flow.entity)):
            sides.target((one.target_id, one.key, one.fields.get("email", "").lower(), one.fields) for one in contacts)
            told(read, None)
        sides.index()
        yield from _drift(sides, route.extra)
        if route.inlet.after:  # fields of contacts that the customers' flow links: only their values are compared
            return
        yield from _unlinked(sides, route.extra)
        yield from _several(sides)
        yield from _orphans(sides, route.flow, kept_out)


def _erp_rows(route: Route, page: Page, kept_out: set[str]) -> Iterator[tuple[str, str, str, Any]]:
    """`kept_out` gets the numbers and e-mails of customers that a rule excludes: a contact of theirs is no orphan."""
    for row in page.rows:
        try:
            record = route.stream.map(row).record
            if isinstance(record, Excluded):
                kept_out.update({route.inlet.identify(record.record), getattr(record.record, "email", "")} - {""})
            if isinstance(record, Gone | Excluded):
                continue
            fields = reading.shown(route.inlet, record)
        except RecordError:  # the sync itself reports it
            continue
        yield record.key, route.inlet.identify(record), fields.get("email", ""), fields


def _drift(sides: Sides, extra: Sequence[ExtraField]) -> Iterator[Finding]:
    for source_id, target_id, expected, observed in sides.pairs():
        yield from drifted(source_id, target_id, compare(expected, observed, extra))


def drifted(source_id: str, target_id: str, fields: list[Field]) -> Iterator[Finding]:
    """A finding for each field of the pair that differs."""
    for field in fields:
        if not field.same:
            yield Finding(
                "field_drift",
                source_id,
                field.name,
                f"{field.name.replace('_', ' ').capitalize()} differs between ERP and Emarsys.",
                field.erp,
                field.target,
                details={**as_details(fields), "target_id": target_id},
            )


def _unlinked(sides: Sides, extra: Sequence[ExtraField]) -> Iterator[Finding]:
    candidates: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    records: dict[str, tuple[str, dict[str, str]]] = {}
    for source_id, key, expected, target_id, observed in sides.unlinked():
        records[source_id] = (key, expected)
        if target_id:
            candidates[source_id].append((target_id, observed))
    for source_id, (key, expected) in records.items():
        found = candidates.get(source_id, [])
        if not found:
            details = as_details(compare(expected, {}))
            yield Finding(
                "missing_in_target", source_id, "", "Emarsys has no contact for this customer.", key, details=details
            )
        elif len(found) == 1:
            target_id, observed = found[0]
            yield Finding(
                "not_linked",
                source_id,
                "external_id",
                "The contact was found by its e-mail; it does not carry the customer number.",
                key,
                "",
                details={**as_details(compare(expected, observed, extra)), "target_id": target_id},
            )
        else:
            ids = [target_id for target_id, _ in found]
            yield _duplicate(source_id, "contact", ids, "could be this customer, none carries its number")


def _several(sides: Sides) -> Iterator[Finding]:
    by_key: dict[str, list[str]] = defaultdict(list)
    for source_id, target_id in sides.several():
        by_key[source_id].append(target_id)
    for source_id, ids in by_key.items():
        yield _duplicate(source_id, "external_id", ids, "carry this customer's number")
    by_email: dict[str, list[str]] = defaultdict(list)
    for source_id, own, other in sides.doubles():
        by_email[source_id] = by_email[source_id] or [own]
        by_email[source_id].append(other)
    for source_id, ids in by_email.items():
        yield _duplicate(source_id, "email", list(dict.fromkeys(ids)), "have this customer's e-mail")


def _duplicate(source_id: str, field: str, ids: list[str], what: str) -> Finding:
    return Finding(
        "duplicate_in_target",
        source_id,
        field,
        f"{len(ids)} contacts {what}.",
        target_value=", ".join(ids),
        details={"contacts": ids},
    )


def _orphans(sides: Sides, flow: Flow, kept_out: set[str]) -> Iterator[Finding]:
    owned = _of_others(flow, sides)
    for target_id, key, observed in sides.orphans():
        if target_id in owned or (key or observed.get("email", "").lower()) in kept_out:
            continue
        yield Finding(
            "orphan",
            target_id=target_id,
            message=f"The contact carries customer number {key}, which the ERP does not have."
            if key
            else "The contact carries no customer number, and its e-mail belongs to no ERP customer.",
            target_value=key,
            details={
                "fields": [
                    {"field": name, "erp": "", "target": value, "same": False} for name, value in observed.items()
                ]
            },
        )


def _of_others(flow: Flow, sides: Sides) -> set[str]:
    """Of the contacts that no record of this ERP owns: those of another ERP's customers."""
    others = Flow.objects.filter(target=flow.target, entity=flow.entity).exclude(pk=flow.pk).values("pk")
    links = CrossReference.objects.filter(flow__in=others).exclude(target_id="")
    if not links.exists():
        return set()
    found: set[str] = set()
    for ids in _parts([target_id for target_id, _, _ in sides.orphans()], 500):
        found.update(links.filter(target_id__in=ids).values_list("target_id", flat=True))
    return found


# ------------------------------------------------------------------------------------------------ sales


def _sales(route: Route, told: Stop) -> Iterator[Finding]:
    """The ERP's lines against our ledger: sales cannot be read back from Emarsys (PRODUCT 0.3)."""
    read = 0
    for page in ahead(route.source.read(route.flow.stream, "", "")):
        read += len(page.rows)
        yield from _missing_lines(route, page)
        told(read, page.total)
    with Sides() as sides:
        for keys in ahead(route.source.keys(route.flow.stream)):
            sides.erp((key, key, "", {}) for key in keys)
        yield from _vanished(route.flow, sides)


def _missing_lines(route: Route, page: Page) -> Iterator[Finding]:
    sales: dict[str, Sale] = {}
    for row in page.rows:
        try:
            record = route.stream.map(row).record
        except RecordError:
            continue
        sale = record.record if isinstance(record, Excluded) else record
        if isinstance(sale, Sale):
            sales[sale.key] = sale
    columns = ["source_id", "state", *MONEY]
    rows = storage.fetch(LedgerEntry, columns, "source_id", list(sales), "flow_id = %s", [route.flow.pk])
    for key, state, *sent in rows:
        if state == LedgerState.ACCEPTED and (changed := difference(sales[key], sent)):
            yield changed
    for key in sales.keys() - {row[0] for row in rows}:
        yield Finding(
            "missing_in_ledger",
            key,
            message="The ERP shows this line; it was never sent.",
            erp_value=str(sales[key].amount),
            money=sales[key].amount.quantize(Decimal("0.01")),
            currency=sales[key].currency,
        )


def _vanished(flow: Flow, sides: Sides) -> Iterator[Finding]:
    accepted = LedgerEntry.objects.filter(flow=flow, state=LedgerState.ACCEPTED)
    for source_id, amount, currency in sides.not_in_erp(accepted.values_list("source_id", "amount", "currency")):
        yield Finding(
            "missing_in_source",
            source_id,
            message="Sent, but the ERP does not show this line any more.",
            target_value=str(amount),
            money=Decimal(str(amount)).quantize(Decimal("0.01")),
            currency=currency,
        )
