"""Everything one exception's page shows, as one person may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, Sum

from sync import addresses, masking, roles, triage, unsure
from sync.admin import evidence
from sync.admin import exception_words as words
from sync.admin.exception_filter import colleagues
from sync.catalogue import ACTIVE_RUNS, IssueState, LinkState, Team
from sync.models import AuditEvent, CrossReference, LedgerEntry, PendingKey, SyncIssue, SyncRun

LONGEST = 50
"""Lines of a timeline and of each list beside it."""

ACTS = {
    "assign": "assigned it",
    "comment": "commented",
    "waive": "waived it",
    "reopen": "reopened it",
    "retry": "asked for a retry",
    "confirm_arrived": "said that it is there",
    "send_again": "said that it is not there, and had it sent once",
}


@dataclass(frozen=True)
class Moment:
    """One line of the timeline."""

    at: datetime
    title: str
    text: str = ""
    tone: str = ""
    url: str = ""


def context(user: Any, issue: SyncIssue, live: dict[str, Any] | None = None) -> dict[str, Any]:
    """`live` is what both systems showed just now, when somebody pressed Read both now."""
    fields = live["fields"] if live else words.stored_fields(issue)
    may_work = roles.may_work(user, issue.team)
    return {
        "issue": issue,
        "title": issue.catalogue.title,
        "summary": words.summary(user, issue),
        "happened": words.happened(user, issue),
        "resolution": masking.shown_text(user, issue.team, issue.resolution),
        "run_url": addresses.run(issue.run) if issue.run_id else "",
        "compared": words.compared(user, issue, fields),
        "words": words.VERDICTS,
        "live": live,
        "readable": bool(issue.source_id) and issue.entity == "customer" and issue.kind != "held_for_parent",
        "contacts": words.contacts(issue) or linked(issue),
        "survivor": _survivor(issue),
        "said": dict(zip(("erp", "target"), words.values(user, issue), strict=True)),
        "own_story": addresses.record(words.owner_key(issue)) if issue.source_id else "",
        "masked": not masking.unmasked(user, issue.team),
        "evidence": evidence.shown(user, issue),
        "timeline": timeline(user, issue),
        "related": related(user, issue),
        "lines": lines(user, issue),
        "counted": words.counted_records(issue) if user.has_perm("sync.view_ledgerentry") else "",
        "may_work": may_work,
        "seen": triage.seen(issue),
        "why_not": "" if (stalled := triage.stalled(issue)) else triage.why_not_retryable(issue),
        "stalled": stalled,
        "remedy": triage.remedy(issue),
        "unsettled": issue.kind in unsure.KINDS and issue.is_open,
        "colleagues": colleagues((Team(issue.team),)) if may_work else [],
        "other_teams": [team for team in Team if team != issue.team],
        "desk": addresses.exceptions(team=issue.team),
        **({"unknown": unknown_lines(issue)} if issue.kind in unsure.KINDS else {}),
    }


def timeline(user: Any, issue: SyncIssue) -> list[Moment]:
    """Newest first: seen, done, said."""
    found = [Moment(issue.first_seen_at, "First seen", tone="bad")]
    if issue.occurrences > 1:
        found.append(_last_seen(issue))
    if issue.resolved_at and issue.state == IssueState.RESOLVED:
        found.append(
            Moment(issue.resolved_at, "Resolved", masking.shown_text(user, issue.team, issue.resolution), "good")
        )
    acts = AuditEvent.objects.filter(object_type="syncissue", object_id=str(issue.pk)).exclude(action="comment")
    found += [_act(user, issue, event) for event in acts.order_by("-id")[:LONGEST]]
    comments = issue.comments.select_related("author").order_by("-id")[:LONGEST]
    found += [_comment(user, issue, comment) for comment in comments]
    return sorted(found, key=lambda moment: moment.at, reverse=True)[:LONGEST]


def _last_seen(issue: SyncIssue) -> Moment:
    url = addresses.run(issue.run) if issue.run_id else ""
    again = "Came back after it was resolved" if issue.regressed else "Seen again"
    return Moment(issue.last_seen_at, again, f"{issue.occurrences:,} times in all", "warn", url)


def _act(user: Any, issue: SyncIssue, event: AuditEvent) -> Moment:
    text = masking.shown_text(user, issue.team, event.reason)
    if event.action == "assign":
        text = event.after.get("assignee") or f"the {event.after.get('team', '')} team"
    return Moment(event.at, f"{event.actor_name} {ACTS.get(event.action, event.action)}", text, "info")


def _comment(user: Any, issue: SyncIssue, comment: Any) -> Moment:
    author = comment.author.get_username() if comment.author else "A former colleague"
    return Moment(comment.at, f"{author} commented", masking.shown_text(user, issue.team, comment.text))


def related(user: Any, issue: SyncIssue) -> list[dict[str, Any]]:
    """Other exceptions of the same record that the person may see, open ones first."""
    same = Q(pk__in=[])
    if issue.source_id:
        same |= Q(flow=issue.flow_id, source_id=issue.source_id) | Q(flow=issue.flow_id, blocked_by=issue.source_id)
    if issue.target_id:
        same |= Q(target_id=issue.target_id)
    if issue.blocked_by:
        same |= Q(source_id=issue.blocked_by)
    found = SyncIssue.objects.filter(same, team__in=roles.teams(user)).exclude(pk=issue.pk).order_by("-pk")[:20]
    return [
        {"issue": one, "url": addresses.exception(one), "summary": words.summary(user, one)}
        for one in sorted(found, key=lambda one: not one.is_open)
    ]


def linked(issue: SyncIssue) -> list[str]:
    """The contact this record is linked to."""
    if issue.entity != "customer" or not issue.source_id:
        return []
    links = CrossReference.objects.filter(flow=issue.flow_id, source_id=issue.source_id).exclude(target_id="")
    return list(links.exclude(state=LinkState.SUPERSEDED).values_list("target_id", flat=True))


def _survivor(issue: SyncIssue) -> dict[str, Any] | None:
    """Of a merged customer: the one that stays, its story, and its contact."""
    key = words.survivor(issue)
    if not key:
        return None
    links = CrossReference.objects.filter(flow=issue.flow_id, source_id=key).exclude(target_id="")
    contact = links.exclude(state=LinkState.SUPERSEDED).values_list("target_id", flat=True).first()
    return {"key": key, "url": addresses.record(key), "contact": contact or ""}


def lines(user: Any, issue: SyncIssue) -> list[LedgerEntry]:
    """The ledger lines of this document, or of this customer."""
    if not issue.source_id or not user.has_perm("sync.view_ledgerentry"):
        return []
    if issue.kind == "held_for_parent" and issue.flow.entity != "sale":
        return []
    if issue.entity == "customer" or issue.kind == "held_for_parent":
        mine = Q(customer=issue.blocked_by or issue.source_id)
    else:
        company, _, rest = issue.source_id.partition("|")
        mine = Q(source_id=issue.source_id) | Q(document=rest.partition("|")[0] or company)
    return list(LedgerEntry.objects.filter(mine).select_related("flow").order_by("-day", "document", "line")[:20])


def unknown_lines(issue: SyncIssue) -> dict[str, Any]:
    """What a person has to look for in Emarsys: the lines and their money, a sum per currency."""
    found = unsure.lines(issue)
    return {
        "lines": list(found.order_by("document", "line")[:200]),
        "count": found.count(),
        "sums": list(found.order_by().values("currency").annotate(total=Sum("amount"))),
    }


def progress(user: Any, issue: SyncIssue) -> dict[str, Any]:
    """Where a retry stands: queued, running, or its result in words."""
    if triage.stalled(issue):
        return {"state": issue.state, "stage": "stalled", "done": True, "text": "The retry ended without a result."}
    if issue.state == IssueState.RETRYING:
        return {"state": issue.state, "stage": _stage(issue), "done": False, "text": _stage_words(issue)}
    if issue.state == IssueState.RESOLVED:
        text = masking.shown_text(user, issue.team, issue.resolution) or "The last comparison found no difference."
        return {"state": issue.state, "stage": "resolved", "done": True, "text": text}
    return {"state": issue.state, "stage": "open", "done": True, "text": words.summary(user, issue)}


def _stage(issue: SyncIssue) -> str:
    active = SyncRun.objects.filter(flow=issue.flow_id, part=0, state__in=ACTIVE_RUNS).order_by("-pk").first()
    return "running" if active and active.state == "running" else "queued"


def _stage_words(issue: SyncIssue) -> str:
    if waits := triage.why_it_waits(issue):
        return waits
    waiting = PendingKey.objects.filter(flow=issue.flow_id, key__in=[issue.source_id, issue.target_id]).exists()
    if _stage(issue) == "running":
        return "A run is reading the record again." if not waiting else "A run is under way and takes the record next."
    return "Waiting for a worker."
