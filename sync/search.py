"""Any id or exact e-mail → the record's whole story, from the database alone.

An e-mail is looked up by its keyed hash: the cross-reference does not hold the address. Short forms are
understood: `12345` finds `gbsi|12345` in every company that exists. Each look-up goes by an index.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from sync import addresses, companies, roles
from sync.catalogue import KINDS
from sync.digests import email_digest
from sync.models import CrossReference, Delivery, Flow, LedgerEntry, RunPage, SyncIssue, SyncRun

LINKS, LINES, ISSUES, COMPANIES = 20, 100, 50, 12
PAGES, RUNS = 60, 10
"""Manifests of the latest pages that are looked through for the record's recent runs, and how many are told."""


@dataclass(frozen=True)
class Event:
    at: datetime
    text: str
    tone: str = ""
    url: str = ""


@dataclass(frozen=True)
class Document:
    """One invoice or credit note as our ledger has it."""

    number: str
    customer: str
    customer_url: str
    day: Any
    currency: str
    total: Decimal
    sum: Decimal
    lines: list[LedgerEntry]
    states: dict[str, int]


@dataclass
class Story:
    wanted: str
    by_email: bool
    links: list[CrossReference] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    issues: list[SyncIssue] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    runs: list[SyncRun] = field(default_factory=list)
    numbered: list[SyncIssue] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    more_lines: bool = False
    hidden_lines: bool = False

    @property
    def empty(self) -> bool:
        return not (self.links or self.documents or self.issues or self.deliveries or self.runs or self.numbered)


def find(user: Any, wanted: str) -> Story:
    by_email = "@" in wanted
    story = Story(wanted, by_email)
    flows = list(Flow.objects.all())
    keys = [] if by_email else _keys(wanted)
    if user.has_perm("sync.view_crossreference"):
        story.links = _links(wanted, keys, flows, by_email)
    _add_documents(story, user, keys, flows)
    story.issues = _issues(story, user, keys, flows)
    story.deliveries = _deliveries(story, user)
    if not by_email:
        _add_numbered(story, user)
    story.events = _events(story)
    return story


def _keys(wanted: str) -> list[str]:
    """The id as typed, and with each company's name in front."""
    return [wanted, *(f"{company}|{wanted}" for company in companies.among(CrossReference.objects.all(), COMPANIES))]


def _links(wanted: str, keys: Sequence[str], flows: Sequence[Flow], by_email: bool) -> list[CrossReference]:
    chosen = CrossReference.objects.select_related("flow", "superseded_by")
    if by_email:
        return list(chosen.filter(email_digest=email_digest(wanted))[:LINKS])
    among = Q(source_id__in=keys) | Q(target_key=wanted) | Q(flow__in=flows, target_id=wanted)
    return list(chosen.filter(among).order_by("id")[:LINKS])


def _add_documents(story: Story, user: Any, keys: Sequence[str], flows: Sequence[Flow]) -> None:
    found = _lines(story, keys, flows)
    if not user.has_perm("sync.view_ledgerentry"):
        story.hidden_lines = bool(found)
        return
    lines = sorted(found.values(), key=lambda line: (line.day, line.document, -line.pk), reverse=True)
    story.more_lines = len(lines) > LINES
    story.documents = _documents(lines[:LINES])


def _lines(story: Story, keys: Sequence[str], flows: Sequence[Flow]) -> dict[int, LedgerEntry]:
    """One look-up per index: an OR over three columns would read the whole ledger."""
    customers = [*keys, *(link.source_id for link in story.links if link.flow.entity == "customer")]
    among = [Q(customer__in=customers)]
    if not story.by_email:
        among += [Q(document=story.wanted), Q(flow__in=flows, source_id__in=keys)]
    chosen = [LedgerEntry.objects.filter(where).order_by()[: LINES + 1] for where in among]
    return {line.pk: line for lines in chosen for line in lines}


def _documents(lines: Sequence[LedgerEntry]) -> list[Document]:
    grouped: dict[tuple[int, str, str], list[LedgerEntry]] = {}
    for line in lines:
        grouped.setdefault((line.flow_id, line.company, line.document), []).append(line)
    return [_document(group) for group in grouped.values()]


def _document(lines: list[LedgerEntry]) -> Document:
    states: dict[str, int] = {}
    for line in lines:
        states[line.state] = states.get(line.state, 0) + 1
    first = lines[0]
    return Document(
        first.document,
        first.customer,
        addresses.record(first.customer) if first.customer else "",
        first.day,
        first.currency,
        first.document_total,
        sum((line.amount for line in lines), Decimal(0)),
        lines,
        states,
    )


def _issues(story: Story, user: Any, keys: Sequence[str], flows: Sequence[Flow]) -> list[SyncIssue]:
    lines = [line for document in story.documents for line in document.lines]
    sources = {*keys, *(link.source_id for link in story.links), *(line.source_id for line in lines)} - {""}
    targets = {link.target_id for link in story.links if link.target_id}
    targets |= set() if story.by_email else {story.wanted}
    seen = SyncIssue.objects.filter(team__in=roles.teams(user)).select_related("flow", "assignee")
    among = [Q(flow__in=flows, source_id__in=sources), Q(target_id__in=targets)]
    found = {issue.pk: issue for where in among for issue in seen.filter(where).order_by()[:ISSUES]}
    return sorted(found.values(), key=lambda issue: -issue.pk)[:ISSUES]


def _deliveries(story: Story, user: Any) -> list[Delivery]:
    if not user.has_perm("sync.view_delivery"):
        return []
    ids = {line.delivery_id for document in story.documents for line in document.lines if line.delivery_id}
    among = Q(pk__in=ids) | (Q(pk__in=[]) if story.by_email else Q(key=story.wanted))
    found: QuerySet[Delivery] = Delivery.objects.filter(among).select_related("run", "flow")
    return list(found.defer("keys", "request", "reply").order_by("-id")[:LINKS])


def _add_numbered(story: Story, user: Any) -> None:
    """Runs and exceptions have numbers, too."""
    if not (story.wanted.isdecimal() and len(story.wanted) < 19):
        return
    number = int(story.wanted)
    if user.has_perm("sync.view_syncrun"):
        story.runs = list(SyncRun.objects.filter(pk=number).select_related("flow"))
    story.numbered = list(SyncIssue.objects.filter(pk=number, team__in=roles.teams(user)))


def _events(story: Story) -> list[Event]:
    """What happened to the record, newest first."""
    events = [event for link in story.links for event in (*_link_events(link), *_run_events(link))]
    for issue in story.issues:
        title = KINDS[issue.kind].title
        events.append(Event(issue.first_seen_at, f"Exception: {title}", "bad", addresses.exception(issue)))
        if issue.resolved_at:
            events.append(Event(issue.resolved_at, f"{issue.state.capitalize()}: {title}", "good"))
    for delivery in story.deliveries:
        tone = "good" if delivery.outcome == "accepted" else "bad"
        text = f"Sent to {delivery.flow.target}: {delivery.outcome or 'on its way'}"
        url = addresses.run(delivery.run) if delivery.run else ""
        events.append(Event(delivery.intended_at, text, tone, url))
    return sorted(events, key=lambda event: event.at, reverse=True)[:ISSUES]


def _link_events(link: CrossReference) -> list[Event]:
    target = link.flow.target
    moments = [
        (link.first_synced_at, f"First accepted by {target}", "good"),
        (link.last_synced_at, f"Last accepted by {target}", "good"),
        (link.confirmed_at, f"Seen when {target} was read back", "info"),
    ]
    return [Event(at, text, tone) for at, text, tone in moments if at is not None]


def _run_events(link: CrossReference) -> list[Event]:
    """The runs among the latest pages that touched the record."""
    pages = RunPage.objects.filter(run__flow=link.flow).order_by("-id").values_list("run_id", "finished_at", "manifest")
    found = []
    for run_id, at, manifest in pages[:PAGES]:
        for bucket, keys in json.loads(zlib.decompress(bytes(manifest))).items():
            if link.source_id in keys:
                tone = {"accepted": "good", "held": "warn", "excluded": ""}.get(bucket, "bad")
                url = addresses.run(SyncRun(pk=run_id))
                found.append(Event(at, f"Run {run_id} of {link.flow.name}: {bucket}", tone, url))
    return found[:RUNS]
