"""Whom does the target already hold? Asked before anything is created there.

A first load builds one index by scanning the target; later only records without a link are looked up. Asking
one by one would spend the budget that the writes need (DESIGN section 7).
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from connectors.base import Inlet, Observed, Sink
from connectors.records import Customer, Record
from sync import storage
from sync.gathering import UNDER_WAY
from sync.issues import Finding
from sync.models import CrossReference, Flow, PartClaim, SyncRun

AT_ONCE = 8
"""Look-ups side by side: one after the other they would leave most of a slow target's budget unused."""


@dataclass
class Match:
    """How a record relates to the target: `target_id` when it is there, `adopt` when it was found by e-mail
    and does not carry our key yet, `ambiguous` when people must choose among several contacts."""

    target_id: str = ""
    adopt: bool = False
    ambiguous: tuple[str, ...] = ()
    contested_by: str = ""


NOBODY = Match()


def contested(key: str, target_id: str, owner: str) -> Finding:
    """The record's contact belongs to another record already."""
    contact = f"Contact {target_id}" if target_id else "The contact"
    message = f"{contact} already belongs to customer {owner}."
    return Finding("contested_link", key, "contact", message, target_value=target_id)


@dataclass
class Adoption:
    flow: Flow
    sink: Sink
    inlet: Inlet
    run: SyncRun
    by_key: dict[str, list[str]] | None = None
    by_email: dict[str, list[str]] = field(default_factory=dict)
    claimed: dict[str, str] = field(default_factory=dict)
    latest: deque[Mapping[str, str]] = field(default_factory=lambda: deque(maxlen=UNDER_WAY))
    others: dict[int, str] | None = None
    keys: dict[str, str] = field(default_factory=dict)
    """The key in the target of each record that was looked at last."""

    def prepare(self) -> None:
        """Builds the index when nothing is linked yet. A part looks into a target that its run found empty no
        more: whatever is there by now came from the other parts."""
        if self.by_key is not None:
            return
        if self.run.parent_id and self.run.target_was_empty:
            self.by_key = {}
        elif not CrossReference.objects.filter(flow=self.flow).exists():
            self.by_key = defaultdict(list)
            for page in self.sink.scan(self.inlet.entity):
                self._index(page)

    def _index(self, page: Sequence[Observed]) -> None:
        assert self.by_key is not None
        for observed in page:
            if observed.key:
                self.by_key[observed.key].append(observed.target_id)
            elif email := observed.fields.get("email"):
                self.by_email.setdefault(email.lower(), []).append(observed.target_id)

    def match(self, records: Sequence[Record]) -> Mapping[str, Match]:
        """A match for every record the target may already hold, by record key."""
        self.keys = {record.key: self.inlet.identify(record) for record in records}
        if not records:
            return {}
        self.prepare()
        found: dict[str, Match]
        if self.by_key is not None and not self.by_key and not self.by_email:
            found = {}  # an empty target holds nobody
        elif self.by_key is not None:
            found = {record.key: self._from_index(record) for record in records}
        else:
            looked = self._look(records)
            found = {record.key: self._from_observed(record, looked.get(record.key, ())) for record in records}
        claimed = {key: self._claim(key, match) for key, match in found.items()}
        if self.run.parent_id:
            claimed |= self._of_other_parts({match.target_id: key for key, match in found.items() if match.adopt})
        return claimed | self._same_key(found) | self._of_others(found)

    def _of_others(self, found: Mapping[str, Match]) -> dict[str, Match]:
        """Records whose key another ERP's customer has at the same target: two people, one number."""
        if self.others is None:
            same = Flow.objects.filter(target=self.flow.target, entity=self.flow.entity).exclude(pk=self.flow.pk)
            self.others = dict(same.values_list("pk", "source"))
        if not self.others:
            return {}
        keys = self.keys
        where = f"flow_id IN ({', '.join(['%s'] * len(self.others))}) AND state = 'active' AND target_id <> ''"
        columns = ["target_key", "source_id", "flow_id"]
        rows = storage.fetch(CrossReference, columns, "target_key", list(keys.values()), where, [*self.others])
        owners = {key: f"{source_id} of {self.others[flow]}" for key, source_id, flow in rows if key}
        return {
            source_id: Match(contested_by=owners[key], target_id=found.get(source_id, NOBODY).target_id)
            for source_id, key in keys.items()
            if key in owners
        }

    def _same_key(self, found: Mapping[str, Match]) -> dict[str, Match]:
        """Records that would write a key which another record's contact carries (one number in two companies)."""
        keys = {source_id: key for source_id, key in self.keys.items() if key != source_id}
        linked = f"{storage.BY_KEY} AND state = 'active' AND target_id <> ''"
        owners = dict(
            storage.fetch(
                CrossReference, ["target_key", "source_id"], "target_key", list(keys.values()), linked, [self.flow.pk]
            )
        )
        by_key = {key: source_id for source_id, key in keys.items()}
        known = (*self.latest, owners)  # the pages before may not be remembered yet
        if len(by_key) == len(keys) and not any(_another(by_key, one) for one in known):
            self.latest.append(by_key)
            return {}
        owners = {key: source_id for one in known for key, source_id in one.items()}
        contested = {}
        for source_id, key in keys.items():
            if owners.setdefault(key, source_id) != source_id:
                before = found.get(source_id, NOBODY)
                contested[source_id] = Match(contested_by=owners[key], target_id=before.target_id)
        self.latest.append({key: owners[key] for key in keys.values()})
        return contested

    def _of_other_parts(self, adopted: Mapping[str, str]) -> dict[str, Match]:
        """Contacts (id → record) that a record of another part adopts at this very moment."""
        if not adopted:
            return {}
        rows = (PartClaim(flow=self.flow, target_id=id_, source_id=key) for id_, key in adopted.items())
        PartClaim.objects.bulk_create(rows, ignore_conflicts=True)
        claims = PartClaim.objects.filter(flow=self.flow, target_id__in=list(adopted))
        return {
            adopted[id_]: Match(contested_by=owner, target_id=id_)
            for id_, owner in claims.values_list("target_id", "source_id")
            if owner != adopted[id_]
        }

    def _look(self, records: Sequence[Record]) -> dict[str, Sequence[Observed]]:
        looked: dict[str, Sequence[Observed]] = {}
        parts = [records[at : at + self.inlet.batch] for at in range(0, len(records), self.inlet.batch)]
        if len(parts) == 1:
            return {**self.sink.find(self.inlet.entity, parts[0])}
        with ThreadPoolExecutor(min(AT_ONCE, len(parts)), thread_name_prefix="find") as pool:
            for found in pool.map(lambda part: self.sink.find(self.inlet.entity, part), parts):
                looked.update(found)
        return looked

    def _from_index(self, record: Record) -> Match:
        assert self.by_key is not None
        own = self.by_key.get(self.keys[record.key], [])
        if own:
            return _choose(own, adopt=False)
        email = record.email if isinstance(record, Customer) else ""
        return _choose(self.by_email.get(email, []) if email else [], adopt=True)

    def _from_observed(self, record: Record, observed: Sequence[Observed]) -> Match:
        own = [seen.target_id for seen in observed if seen.key == self.keys[record.key]]
        if own:
            return _choose(own, adopt=False)
        return _choose([seen.target_id for seen in observed if not seen.key], adopt=True)

    def _claim(self, key: str, match: Match) -> Match:
        """Two unrelated records never share a contact: the first one has it, the second is contested."""
        if not match.target_id:
            return match
        owner = self.claimed.setdefault(match.target_id, key)
        return match if owner == key else Match(contested_by=owner, target_id=match.target_id)


def _another(by_key: Mapping[str, str], owners: Mapping[str, str]) -> bool:
    """Whether one of these keys has another owner there."""
    return any(owners[key] != by_key[key] for key in owners.keys() & by_key.keys())


def _choose(ids: Sequence[str], *, adopt: bool) -> Match:
    distinct = tuple(dict.fromkeys(ids))
    if len(distinct) > 1:
        return Match(ambiguous=distinct)
    return Match(distinct[0], adopt) if distinct else NOBODY
