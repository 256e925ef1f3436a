"""What pasted ids stand for: records that are known here, documents with their lines, orders with their events."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sync import companies, storage
from sync.catalogue import LedgerState, LinkState
from sync.delivery.page import LONGEST_KEY
from sync.models import CrossReference, Flow, LedgerEntry
from sync.storage.fitting import storable

MOST = 100_000
"""Ids of one backfill."""
MOST_LOOKED_FOR = 500_000
"""Keys that pasted ids without a company may stand for; beyond it whoever pastes them writes the company."""
_SEPARATORS = re.compile(r"[\s,;\"']+")
Stands = dict[str, dict[str, str]]
"""Id as pasted → the keys that it names, each with why it is taken out, or nothing."""


class RefusedError(ValueError):
    """What was asked for is no backfill of this flow; the message says why, to the person who asked."""


def ids_in(text: str) -> list[str]:
    """The ids of a pasted text, each once, in order, whatever separates them. Raises RefusedError."""
    found = [one for one in dict.fromkeys(_SEPARATORS.split(text)) if one]
    if not found:
        raise RefusedError("There is no id in what was pasted.")
    if len(found) > MOST:
        raise RefusedError(f"{len(found):,} ids are too many for one backfill; {MOST:,} fit. Use dates, or several.")
    unfit = [one for one in found if len(one) > LONGEST_KEY or not storable(one)]
    if unfit:
        raise RefusedError(f"{len(unfit):,} of these cannot be ids (the first: {unfit[0][:60]!r}).")
    return found


@dataclass
class Meant:
    """`keys` are looked at; `out` are those taken out, by why; `unknown` and `orders` are among the keys.

    Of ids that were pasted in another form than the key's (without the company, with it in capitals, as the target
    knows the record) `completed` are taken for the key they stand for; `choices` stand for several and `homeless` for
    nobody knows which: none of these is looked at.
    """

    keys: list[str]
    out: dict[str, list[str]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    completed: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    homeless: list[str] = field(default_factory=list)
    companies: Sequence[str] = ()


def meant(flow: Flow, ids: Sequence[str], *, once: bool) -> Meant:
    """From our own tables alone; `once` says that the ledger is the cross-reference."""
    companies_ = companies.of_source(flow)
    found = Meant([], companies=companies_)

    def look(names: Sequence[str]) -> Stands:
        known = _lines(flow, names) if once else _links(flow, names)
        if flow.entity == EVENTS:
            orders = _orders(flow, [one for one in names if one not in known and one not in companies_])
            found.orders += orders
            known |= orders
        return known

    known = look(ids)
    if once:
        _part_documents(known, found)
    found.completed = {one: next(iter(keys)) for one, keys in known.items() if len(keys) == 1 and one not in keys}
    _complete([one for one in ids if one not in known and one not in found.choices], known, look, found)
    for states in known.values():
        for key, why in states.items():
            (found.out.setdefault(why, []) if why else found.keys).append(key)
    found.out = {why: list(dict.fromkeys(keys)) for why, keys in found.out.items()}
    found.keys = list(dict.fromkeys(found.unknown + found.keys))
    return found


def _part_documents(known: Stands, found: Meant) -> None:
    """A document's number without its company may be that of several."""
    for one in [one for one in known if "|" not in one]:
        if len(known[one]) > 1:
            found.choices[one] = sorted(known.pop(one))


def _complete(strange: Sequence[str], known: Stands, look: Callable[[Sequence[str]], Stands], found: Meant) -> None:
    """What nobody knows as it was pasted is looked for in each company; `known` and `found` grow by it."""
    could = {one: _with_companies(one, found.companies) for one in strange}
    if sum(map(len, could.values())) > MOST_LOOKED_FOR:
        could = {one: keys for one, keys in could.items() if len(keys) == 1}
    there = look([key for keys in could.values() for key in keys])
    for one in strange:
        keys = could.get(one, [])
        hits = [key for key in keys if key in there]
        if len(hits) == 1:
            found.completed[one] = hits[0]
            known[hits[0]] = there[hits[0]]
        elif hits:
            found.choices[one] = hits
            found.orders = [order for order in found.orders if order not in hits]
        elif len(keys) == 1 and ("|" not in one or keys[0].partition("|")[2] == one.partition("|")[2]):
            found.completed[one] = keys[0]
            found.unknown.append(keys[0])
        elif "|" not in one and found.companies and one not in found.companies:
            found.homeless.append(one)
        else:
            found.unknown.append(one)


def _with_companies(one: str, companies_: Sequence[str]) -> list[str]:
    """The keys that it may stand for; none where its company stands there as the keys have it."""
    company, bar, rest = one.partition("|")
    if company in companies_:
        return []
    if bar and company.lower() in companies_:
        return [f"{company.lower()}|{rest}"]
    return [f"{other}|{one}" for other in companies_]


EVENTS = "order_event"
_LINKS_OUT = {
    LinkState.ARCHIVED: "deactivated in the ERP: nothing is sent for them",
    LinkState.SUPERSEDED: "merged into another customer: nothing is sent for them",
}
LINES_OUT = {
    LedgerState.ACCEPTED: "already accepted: Emarsys keeps everything it is sent, so a sale goes out once only",
    LedgerState.UNKNOWN: "sent, and the answer was lost: a person decides in Exceptions whether they go out again",
    LedgerState.SENDING: "on their way just now",
}
_TOLD = "told already: a second time would mail people again"


def _links(flow: Flow, ids: Sequence[str]) -> Stands:
    """By their own key, or by their number in the target."""
    found: Stands = {}
    for part in _parts(ids):
        for column in ("source_id", "target_key"):
            rows = storage.fetch(
                CrossReference, [column, "source_id", "state"], column, part, storage.BY_KEY, [flow.pk]
            )
            for named, key, state in rows:
                told = flow.entity == EVENTS and state == LinkState.ACTIVE
                why = _TOLD if told else _LINKS_OUT.get(state, "")
                states = found.setdefault(named, {})
                if key not in states or not why:  # a live link beside one that was closed counts
                    states[key] = why
    return found


def _orders(flow: Flow, ids: Sequence[str]) -> Stands:
    """Those of these ids that events were told of: the events stay out, and the order itself is looked at, because
    the ERP may have others of it."""
    found: Stands = {}
    for part in _parts(ids):
        heads = {f"{one}|": one for one in part}
        rows = storage.beginning(
            CrossReference, ["source_id", "state"], "source_id", list(heads), storage.BY_KEY, [flow.pk]
        )
        for head, key, state in rows:
            if state == LinkState.ACTIVE:
                found.setdefault(heads[head], {heads[head]: ""})[key] = _TOLD
    return found


def _lines(flow: Flow, ids: Sequence[str]) -> Stands:
    """The same for lines, and for documents: a document is taken out when none of its lines could go out."""
    found: Stands = {}
    for part in _parts(ids):
        asked = set(part)
        for key, state in storage.fetch(
            LedgerEntry, ["source_id", "state"], "source_id", part, storage.BY_KEY, [flow.pk]
        ):
            found.setdefault(key, {})[key] = LINES_OUT.get(state, "")
        names = sorted({one.rpartition("|")[2] for one in part} | asked)
        rows = storage.fetch(LedgerEntry, ["source_id", "state"], "document", names, storage.BY_KEY, [flow.pk])
        for key, state in rows:
            document = key.rpartition("|")[0]
            for named in {document, document.rpartition("|")[2]} & asked:
                states = found.setdefault(named, {})
                why = LINES_OUT.get(state, "")
                states[document] = why if document not in states or not why else states[document]
    return found


def _parts(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), 5_000):
        yield list(ids[start : start + 5_000])
