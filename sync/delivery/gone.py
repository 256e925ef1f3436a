"""What the source says is no more: the link is closed, the contact stays, and people are told.

Nothing is deleted in the target: a deleted contact takes its revenue history with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from connectors.base import Gone
from sync import storage
from sync.catalogue import OPEN_ISSUES, Bucket, LinkState
from sync.delivery.page import Candidate, PageResult, Work
from sync.issues import Finding
from sync.models import CrossReference, Flow

_WHY = {
    "merged": ("merged_customer", "The ERP merged this customer into {into}; its contact {target} is still there."),
    "archived": ("archived_contactable", "The ERP archived this customer; its contact {target} is still there."),
    "deleted": ("archived_contactable", "The ERP deleted this customer; its contact {target} is still there."),
}


@dataclass
class Departed:
    """The links to close, collected while a page is compared."""

    told_elsewhere: bool = False
    """The customers' own flow tells it: here only the link is closed."""
    candidates: list[Candidate] = field(default_factory=list)
    told: dict[str, Finding] = field(default_factory=dict)
    """What people are told of each, once it really goes."""

    def note(self, candidate: Candidate, target_id: str, state: str, result: PageResult) -> None:
        """Counts the record; a link that was open will be closed, and its contact become an exception."""
        gone = candidate.record
        assert isinstance(gone, Gone)
        result.put(Bucket.EXCLUDED, candidate.key)
        if not state:
            return
        self.candidates.append(candidate)
        if state not in (LinkState.ARCHIVED, LinkState.EXCLUDED):
            result.departing.append(candidate.key)
        if target_id and not self.told_elsewhere:
            kind, message = _WHY.get(gone.why, _WHY["archived"])
            said = message.format(into=gone.into, target=target_id)
            into = gone.into or gone.why
            self.told[candidate.key] = Finding(kind, candidate.key, "contact", said, into, target_id)

    def settle(self, work: Work, result: PageResult) -> None:
        """Asks which of them may go, and tells people of those."""
        if self.candidates:
            self.candidates = list(work.departing(work, self.candidates, result))
            result.findings += [self.told[one.key] for one in self.candidates if one.key in self.told]

    def write(self, work: Work) -> None:
        """Within the page's transaction. The row's digest is kept: told again, it is no news."""
        if not self.candidates:
            return
        survivors = self._survivors(work)
        links = {link.source_id: link for link in self._links(work)}
        for candidate in self.candidates:
            link, gone = links.get(candidate.key), candidate.record
            if link is None or not isinstance(gone, Gone):
                continue
            link.state = LinkState.SUPERSEDED if gone.why == "merged" else LinkState.ARCHIVED
            link.superseded_by = None if gone.into == candidate.key else survivors.get(gone.into)
            link.raw_digest, link.sent_digest = UUID(bytes=candidate.digest), None
        CrossReference.objects.bulk_update(
            links.values(), ["state", "superseded_by", "raw_digest", "sent_digest"], batch_size=500
        )

    def _links(self, work: Work) -> Sequence[CrossReference]:
        keys = [candidate.key for candidate in self.candidates]
        found = storage.fetch(
            CrossReference, ["id"], "source_id", keys, f"{storage.BY_KEY} AND state <> 'superseded'",
            [work.route.flow.pk],
        )  # fmt: skip
        return list(CrossReference.objects.filter(pk__in=[pk for (pk,) in found]))

    def _survivors(self, work: Work) -> dict[str, CrossReference]:
        into = {one.record.into for one in self.candidates if isinstance(one.record, Gone) and one.record.into}
        links = CrossReference.objects.filter(flow=work.route.flow, source_id__in=into).order_by("id")
        found = sorted(links, key=lambda link: link.state != LinkState.SUPERSEDED)  # the live one, where there is one
        return {link.source_id: link for link in found}


def after_run(flow: Flow) -> None:
    """Survivors that came after the merge was told: the closed links learn of them."""
    told = flow.issues.filter(kind="merged_customer", state__in=OPEN_ISSUES).exclude(erp_value="")
    into = dict(told.values_list("source_id", "erp_value"))
    if not into:
        return
    closed = CrossReference.objects.filter(
        flow=flow, source_id__in=into, state=LinkState.SUPERSEDED, superseded_by=None
    )
    waiting = [link for link in closed if into[link.source_id] != link.source_id]
    survivors = CrossReference.objects.filter(flow=flow, source_id__in={into[link.source_id] for link in waiting})
    found = {link.source_id: link for link in survivors.exclude(state=LinkState.SUPERSEDED)}
    for link in waiting:
        link.superseded_by = found.get(into[link.source_id])
    CrossReference.objects.bulk_update(waiting, ["superseded_by"], batch_size=500)
