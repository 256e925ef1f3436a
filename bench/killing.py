"""Runs whose worker is killed again and again while the ERP changes, and what is true of all three sides after it."""

import json
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from bench.lives import Worker
from bench.proof import WrongError
from sync import pending, runs, triage, unsure
from sync.catalogue import Bucket, RunState
from sync.crashpoints import POINTS
from sync.models import CrossReference, Delivery, Flow, LedgerEntry, PendingKey, RunPage, SyncIssue, SyncRun

AT_THE_END = ("before_completion", "in_completion", "after_completion")
OF_SLICES = ("before_hand_over", "after_hand_over")


class Systems(Protocol):
    """The emulators' control API."""

    def __call__(self, method: str, path: str, body: Any = None) -> Any: ...


@dataclass
class Toll:
    """How often a worker died and where, in how many runs."""

    kills: int = 0
    at: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    runs: set[int] = field(default_factory=set)
    unknown: int = 0
    """Lines that a person had to look for."""


@dataclass
class Company:
    """A flow, its worker, and how somebody edits its source: `edit` changes a few records, `keys` are some."""

    flow: Flow
    worker: Worker
    edit: Callable[[], None]
    keys: Callable[[], list[str]]
    rng: random.Random

    def active(self, toll: Toll) -> SyncRun:
        run = runs.start(self.flow, full=True, ring=False)
        assert run is not None
        toll.runs.add(run.pk)
        return run


def haunt(company: Company, kills: int, longest: float, points: Iterable[str] = tuple(POINTS)) -> Toll:
    """A kill at each of these named moments and at `kills` random ones, `longest` seconds into a life at most."""
    toll = Toll()
    for point in points:
        if point not in AT_THE_END:
            _at(company, toll, point)
    for _ in range(kills):
        while not _after(company, toll, company.rng.uniform(0, longest)):
            company.edit()
    for point in points:
        if point in AT_THE_END:
            _at(company, toll, point)
    return toll


def _at(company: Company, toll: Toll, point: str) -> None:
    """In the run that is under way, or in a new one where there was not enough left of it."""
    slices = 0.0 if point in OF_SLICES else None
    for _ in range(2):
        company.edit()
        if "pending" in point:
            pending.note(company.flow, company.keys(), "retry")
        if company.worker.live(company.active(toll).pk, point=point, slices=slices, meanwhile=company.edit):
            toll.kills += 1
            toll.at[point] += 1
            return
    toll.missed.append(point)


def _after(company: Company, toll: Toll, seconds: float) -> bool:
    slices = company.rng.choice((None, None, 0.2))
    run = company.active(toll)
    died = company.worker.live(run.pk, seconds=seconds, slices=slices, meanwhile=company.edit)
    if died:
        toll.kills += 1
        toll.at["random"] += 1
    return died


def rest(company: Company, toll: Toll) -> None:
    """Runs on until there is nothing left to do."""
    for _ in range(12):
        run = company.active(toll)
        if company.worker.live(run.pk):
            raise WrongError("a worker died that nobody killed")
        run.refresh_from_db()
        if run.state == RunState.FAILED:
            raise WrongError(f"run {run.pk} failed: {run.message}")
        quiet = not run.accepted and not PendingKey.objects.filter(flow=company.flow).exists()
        if run.state == RunState.COMPLETED and quiet:
            return
    raise WrongError(f"{company.flow} does not come to rest")


def check_runs(company: Company, toll: Toll) -> None:
    """Every run ended, its buckets add up, and its pages list as many records as it counted."""
    for run in SyncRun.objects.filter(pk__in=toll.runs):
        if run.state != RunState.COMPLETED:
            raise WrongError(f"run {run.pk} is {run.state}: {run.message}")
        counted = {bucket.value: getattr(run, bucket.value) for bucket in Bucket}
        if sum(counted.values()) != run.read:
            raise WrongError(f"run {run.pk}: {run.read} read, {counted}")
        listed: Counter[str] = Counter()
        for manifest in RunPage.objects.filter(run=run).values_list("manifest", flat=True):
            listed.update({name: len(keys) for name, keys in json.loads(zlib.decompress(manifest)).items()})
        counted.pop(Bucket.UNCHANGED.value)
        if {name: number for name, number in counted.items() if number} != {**listed}:
            raise WrongError(f"run {run.pk} counted {counted}, its pages list {dict(listed)}")
    if Delivery.objects.filter(flow=company.flow, outcome="").exists():
        raise WrongError("a request has no outcome")


def check_customers(systems: Systems, flow: Flow) -> int:
    """Each customer of the ERP: one contact with its values, one link to it. How many there are."""
    accounts = {f"{one['dataAreaId']}|{one['CustomerAccount']}": one for one in systems("GET", "dynamics365/customers")}
    fields = {one["string_id"]: str(one["id"]) for one in systems("GET", "emarsys/fields") if one.get("string_id")}
    contacts = list(systems("GET", "emarsys/contacts"))
    by_number = {one.get(fields["externalId"]): one for one in contacts}
    if not len(contacts) == len(by_number) == len(accounts):
        raise WrongError(f"{len(accounts)} customers, {len(contacts)} contacts of {len(by_number)} numbers")
    links = dict(CrossReference.objects.filter(flow=flow, state="active").values_list("source_id", "target_id"))
    for key, account in accounts.items():
        contact = by_number[account["CustomerAccount"]]
        if (contact.get("11") or "", contact.get("3") or "") != (
            account.get("AddressCity") or "",
            account.get("PrimaryContactEmail") or "",
        ):
            raise WrongError(f"{key} has an old value at Emarsys: {contact}")
        if links.get(key) != str(contact["id"]):
            raise WrongError(f"{key} is linked to {links.get(key)} and not to {contact['id']}")
    if len(links) != len(accounts):
        raise WrongError(f"{len(links)} links, {len(accounts)} customers")
    return len(accounts)


def check_before_settling(systems: Systems, flow: Flow) -> int:
    """No line twice; what the ledger shows as accepted is there; what is there and not accepted is called unknown."""
    arrived = Counter(row["s_invoice_line"] for row in systems("GET", "emarsys/sales"))
    twice = [line for line, times in arrived.items() if times > 1]
    if twice:
        raise WrongError(f"{len(twice)} lines arrived twice, such as {twice[0]}")
    states = dict(LedgerEntry.objects.filter(flow=flow).values_list("source_id", "state"))
    accepted = {key for key, state in states.items() if state == "accepted"}
    unknown = {key for key, state in states.items() if state == "unknown"}
    if lost := accepted - set(arrived):
        raise WrongError(f"{len(lost)} lines are called accepted and are not there")
    if silent := set(arrived) - accepted - unknown:
        raise WrongError(f"{len(silent)} lines are there and the ledger does not say so")
    if sum(issue.records for issue in _unknown(flow)) != len(unknown):
        raise WrongError("the exceptions do not stand for the lines of unknown outcome")
    return len(unknown)


def settle(systems: Systems, flow: Flow, user: Any) -> None:
    """A person looks for each upload whose answer was lost, and says what is there."""
    arrived = {row["s_invoice_line"] for row in systems("GET", "emarsys/sales")}
    for issue in _unknown(flow):
        there = {key in arrived for key in unsure.keys(issue)}
        if len(there) != 1:
            raise WrongError(f"half of delivery {issue.delivery_id} arrived")
        verb = triage.confirm_arrived if there.pop() else triage.send_again
        verb(issue, user, "Looked for it in Emarsys.")


def _unknown(flow: Flow) -> list[SyncIssue]:
    return list(SyncIssue.objects.filter(flow=flow, kind="unknown_outcome", state="open").select_related("flow"))


def check_sales(systems: Systems, flow: Flow) -> int:
    """Each line of the ERP arrived once, with its amount; one that was changed after it was sent has its exception."""
    lines = {_line(one): one for one in systems("GET", "dynamics365/invoice_lines")}
    arrived: dict[str, Mapping[str, Any]] = {}
    for row in systems("GET", "emarsys/sales"):
        if row["s_invoice_line"] in arrived:
            raise WrongError(f"{row['s_invoice_line']} arrived twice")
        arrived[row["s_invoice_line"]] = row
    if arrived.keys() != lines.keys():
        raise WrongError(f"{len(lines)} lines were invoiced, {len(arrived)} arrived: {arrived.keys() ^ lines.keys()}")
    states = Counter(LedgerEntry.objects.filter(flow=flow).values_list("state", flat=True))
    if states != {"accepted": len(lines)}:
        raise WrongError(f"the ledger says {dict(states)}")
    told = set(SyncIssue.objects.filter(flow=flow, kind="document_changed").values_list("source_id", flat=True))
    changed = {key for key, row in arrived.items() if _money(row["price"]) != _money(lines[key]["LineAmount"])}
    if changed - told:
        raise WrongError(f"{len(changed - told)} lines were changed after they were sent, and nobody is told")
    return len(lines)


def _money(amount: Any) -> Decimal:
    return Decimal(str(amount))


def _line(one: Mapping[str, Any]) -> str:
    return f"{one['dataAreaId']}|{one['InvoiceNumber']}|{one['LineCreationSequenceNumber']}"


def check_requests(log: list[dict[str, Any]], flow: Flow) -> tuple[int, int]:
    """No request without its intent. Uploads in the systems' own log, and records in them."""
    sent = [one for one in log if one["system"] == "emarsys" and _writes(one)]
    intended = Delivery.objects.filter(flow=flow).count()
    if len(sent) > intended:
        raise WrongError(f"{len(sent)} requests wrote to Emarsys, {intended} were intended")
    return len(sent), sum(one["records"] for one in sent)


def _writes(one: Mapping[str, Any]) -> bool:
    return (one["method"] == "PUT" and "/contact/" in one["path"]) or "/sales-data/" in one["path"]
