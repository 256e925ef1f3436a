"""What has changed since: the common rules of contract 7.1 for all five feeds."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from connectors.emulators.prima.asking import Asked, BusinessError
from connectors.emulators.prima.rendering import Reply
from connectors.emulators.prima.state import State
from connectors.emulators.prima.switches import Switches
from connectors.emulators.prima.vocabulary import DATA, Entity
from connectors.emulators.store import Collection

Record = Mapping[str, Any]


def changed(asked: Asked, entity: Entity, state: State, switches: Switches, fault: Mapping[str, Any] | None) -> Reply:
    """One page, ordered by key."""
    wanted = asked.values(DATA)
    records = state[entity.collection]
    size = _size(wanted.get("MaxRecords", ""), switches)
    start = wanted.get("StartKey", "")
    cut = int(fault.get("rows", 1)) if fault and fault["kind"] == "partial" else size
    with records.lock:
        found = list(islice(_matching(records, wanted, entity, switches, _key(start)), size + 1))
    page, more = found[: min(size, cut)], len(found) > min(size, cut)
    following = _token(page[-1][0]) if more and page else ""
    if fault and fault["kind"] == "repeat_next_link":
        more, following = True, start or following or _token("")
        page = [] if fault.get("empty") else page
    data = {"MoreRecords": "Yes" if more else "No", "NextKey": following}
    if switches.says("server_time"):
        data = {"ServerTime": state.now(), **data}
    return Reply(data, entity.part, (completed(entity, record) for _, record in page), len(page))


def _size(text: str, switches: Switches) -> int:
    if not text:
        return switches.number("page_size")
    if not text.isdecimal() or int(text) == 0:
        raise BusinessError("Invalid value for MaxRecords")
    return min(int(text), switches.number("largest_page"))


def _matching(
    records: Collection, wanted: Mapping[str, str], entity: Entity, switches: Switches, after: str
) -> Iterator[tuple[str, Record]]:
    since, until = wanted.get("ChangedSince", ""), wanted.get("ChangedTo", "")
    if not switches.says("change_filter"):
        since = until = ""
    filters = [(name, wanted[name]) for name in entity.filters if wanted.get(name)]
    first, last = wanted.get("ProductFrom", ""), wanted.get("ProductTo", "") or "\U0010ffff"
    keys = records.sorted_ids()
    for at in range(bisect_right(keys, after) if after else 0, len(keys)):
        record = records.get(keys[at])
        if record is None:
            continue
        stamp = str(record.get("LastChanged") or "")
        if stamp < since or (until and stamp > until):
            continue
        if any(record.get(name) != value for name, value in filters):
            continue
        if entity.collection == "stock" and not first <= str(record.get("Product") or "") <= last:
            continue
        yield keys[at], record


def completed(entity: Entity, record: Record) -> Record:
    """A stock row's free quantity follows from the others unless it was set by hand (7.7)."""
    return {**record, "Free": free(record)} if entity.collection == "stock" and "Free" not in record else record


def free(record: Record) -> str:
    """Physical less allocated, quarantined and reserved; "" when one of them is no number."""
    if "Free" in record:
        return str(record["Free"])
    try:
        taken = sum(Decimal(record.get(name) or 0) for name in ("Allocated", "Quarantine", "Reserved"))
        return f"{(Decimal(record.get('Physical') or 0) - taken).normalize():f}"
    except InvalidOperation:
        return ""


def _token(key: str) -> str:
    return "K" + urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _key(token: str) -> str:
    if not token:
        return ""
    try:
        padded = token[1:] + "=" * (-len(token[1:]) % 4)
        return urlsafe_b64decode(padded.encode()).decode() if token[0] == "K" else _unknown()
    except ValueError:
        return _unknown()


def _unknown() -> str:
    raise BusinessError("Start key not known")
