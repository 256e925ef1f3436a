"""The inbox: a webhook's message is kept, answered, and looked at afterwards.

A message names records to look at again; their data are read from the system itself, so that a forged, late or
repeated message can do no more than cause a read.
"""

import logging
import math
import time
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.models import F

from connectors.base import Notice
from connectors.errors import ConnectorError, RecordError
from sync import clock, flows, pending
from sync.models import Flow, InboxEvent
from sync.models.inbox import DONE, IGNORED, UNREADABLE, WAITING
from sync.packing import packed
from sync.storage.fitting import clean_json, cleaned, fitting_key

log = logging.getLogger(__name__)

KEPT_HEADERS = ("content-type", "user-agent")
KEPT_PREFIXES = ("x-ms-",)
BATCH = 1_000
"""Messages that are looked at in one transaction."""
OTHERS = "It names other records than an earlier message with the same id"
UNNAMED = "It names no record of a flow that runs here."
LOOKED_THROUGH = 10_000
"""The newest messages that are told when nothing was found under what they name."""
_LOCKED = "55P03"
"""PostgreSQL's word for a row that another worker has locked."""


def receive(connection: str, body: bytes, headers: Mapping[str, str]) -> tuple[InboxEvent, bool]:
    """Keeps the message; (its row, whether it is new). A repeat is counted on the row that is there.

    The system's id of the event is read here already, so that a repeat with another body is one, too; what names
    other records under an id that was used before is a message of its own.
    """
    event = row(connection, body, headers)
    kept, new = _kept_as(event)
    if new or not event.keys or event.keys == kept.keys:
        return _counted(kept, new, event), new
    event.event_id = fitting_key(f"{kept.event_id}#{sha256(repr(event.keys).encode()).hexdigest()[:8]}", 100)
    event.message = f"{OTHERS} (message {kept.pk})."
    kept, new = _kept_as(event)
    return _counted(kept, new, event), new


def _kept_as(event: InboxEvent) -> tuple[InboxEvent, bool]:
    try:
        with transaction.atomic():
            event.save(force_insert=True)
        return event, True
    except IntegrityError:
        return InboxEvent.objects.get(connection=event.connection, event_id=event.event_id), False


def _counted(kept: InboxEvent, new: bool, event: InboxEvent) -> InboxEvent:
    if not new:
        seen = {"repeats": F("repeats") + 1, "repeated_at": event.received_at}
        InboxEvent.objects.filter(pk=kept.pk).update(**seen)
        kept.refresh_from_db()
    return kept


def row(connection: str, body: bytes, headers: Mapping[str, str]) -> InboxEvent:
    """The message as it will be kept. Whatever a connector makes of it, it is kept."""
    try:
        notice = _read(connection, body, headers)
    except ConnectorError:  # not configured here: said when it is looked at
        notice = RecordError("malformed_row", "message", "")
    except Exception as error:
        log.exception("A message to %s could not be read", connection)
        notice = RecordError("malformed_row", "message", type(error).__name__)
    event = InboxEvent(
        connection=connection,
        event_id=f"sha256:{sha256(body).hexdigest()[:48]}",
        body=packed(body),
        received_at=clock.now(),
        headers={name: cleaned(value, 300) for name, value in headers.items() if _kept(name)},
    )
    if isinstance(notice, Notice):
        event.event_id = fitting_key(notice.id, 100) if notice.id else event.event_id
        event.kind, event.order, event.happened_at = cleaned(notice.kind, 100), _order(notice), notice.at
        event.keys = clean_json(notice.keys)
    return event


def _order(notice: Notice) -> int | None:
    """None for a number that no column holds: it tells nothing about order."""
    return notice.order if notice.order is not None and abs(notice.order) < 2**63 else None


def _kept(name: str) -> bool:
    return name in KEPT_HEADERS or name.startswith(KEPT_PREFIXES)


def _read(connection: str, body: bytes, headers: Mapping[str, str]) -> Notice | RecordError:
    """What the message asks for, or why it cannot be read."""
    connector = flows.connection(connection).connector
    if connector.notice is None:
        return RecordError("malformed_row", "message", f"{connector.title} sends no messages that are understood.")
    try:
        return connector.notice(body, headers)
    except RecordError as error:
        return error


# ------------------------------------------------------------------------------------------------ looking at them

LOOKS, MOMENT = 5, 0.05
"""A repeat that is being counted holds its message for a moment; another worker, who looks at it, holds it longer. So
often is looked again, and after so many seconds, before the message is left to that worker."""


@dataclass
class _Batch:
    """What becomes of some messages, collected so that it is written set by set."""

    events: Sequence[InboxEvent]
    late: set[int]
    flows: Mapping[tuple[str, str], Sequence[Flow]]
    ends: dict[tuple[str, str, bool], list[int]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[Flow, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    read_now: list[InboxEvent] = field(default_factory=list)

    def end(self, event: InboxEvent, state: str, message: str = "") -> None:
        self.ends[state, cleaned(message, 300), event.pk in self.late].append(event.pk)


def drain(seconds: float = math.inf) -> int:
    """Looks at what waits, in the order in which it came; how many it were. Leaves at once where another worker is at
    it, and when the time is over. A worker that is killed gives back what it had not finished."""
    ends, handled, looks = time.monotonic() + seconds, 0, 0
    while time.monotonic() < ends:
        try:
            found = _batch()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _LOCKED:
                raise
            looks += 1
            if looks == LOOKS:
                break
            time.sleep(MOMENT)
            continue
        except DatabaseError:  # one of them is more than the database can take: it alone is put aside
            found = _one_by_one()
        if not found:
            break
        handled += found
    return handled


def waiting() -> bool:
    return _waiting().exists()


def _waiting() -> Any:
    return InboxEvent.objects.filter(state=WAITING, body__isnull=False).order_by("id")


def _batch(only: int | None = None) -> int:
    """One transaction, which holds the oldest messages: nobody can take later ones before them."""
    with transaction.atomic():
        found = _waiting() if only is None else _waiting().filter(pk=only)
        if connection.features.has_select_for_update_nowait:
            found = found.select_for_update(nowait=True)
        events = list(found[:BATCH])
        if events:
            _look(_Batch(events, _late(events), _flows({event.connection for event in events})))
    return len(events)


def _one_by_one() -> int:
    ids = list(_waiting().values_list("pk", flat=True)[:BATCH])
    for pk in ids:
        try:
            _batch(pk)
        except OperationalError:  # the database, not the message: it waits for the next look
            raise
        except DatabaseError as error:
            log.exception("Inbox event %s could not be handled", pk)
            said = f"It could not be handled ({type(error).__name__}); a developer must look."
            InboxEvent.objects.filter(pk=pk).update(state=UNREADABLE, handled_at=clock.now(), message=said)
    return len(ids)


def _flows(connections: set[str]) -> Mapping[tuple[str, str], Sequence[Flow]]:
    """By connection and stream."""
    found: dict[tuple[str, str], list[Flow]] = defaultdict(list)
    for flow in Flow.objects.filter(source__in=connections).order_by("pk"):
        found[flow.source, flow.stream].append(flow)
    return found


def _look(batch: _Batch) -> None:
    """Notes the records that the messages name at the flows that read them. Twice is as good as once."""
    for event in batch.events:
        if event.keys or _reads(event, batch):
            named = _ask(event, batch)
            batch.end(event, DONE if named else IGNORED, event.message if named else UNNAMED)
    for flow, keys in batch.asked.items():
        pending.ask(flow, sorted(keys), "event", urgent=True)  # sorted: two workers never wait for each other
    InboxEvent.objects.bulk_update(batch.read_now, ["keys"], batch_size=200)
    now = clock.now()
    for (state, message, late), ids in batch.ends.items():
        InboxEvent.objects.filter(pk__in=ids).update(state=state, message=message, late=late, handled_at=now)


def _reads(event: InboxEvent, batch: _Batch) -> bool:
    """Whether the message can be read now; it could not when it came, or it asks for nothing."""
    try:
        notice = _read(event.connection, zlib.decompress(bytes(event.body or b"")), event.headers)
    except ConnectorError as error:  # the connection is not configured here
        notice = RecordError("malformed_row", "message", error.message)
    except Exception as error:
        log.exception("Inbox event %s could not be handled", event.pk)
        said = f"It could not be handled ({type(error).__name__}); a developer must look."
        notice = RecordError("malformed_row", "message", said)
    if isinstance(notice, RecordError):
        batch.end(event, UNREADABLE, notice.message)
        return False
    if notice.keys:
        event.keys = clean_json(notice.keys)
        batch.read_now.append(event)
    return True


def _ask(event: InboxEvent, batch: _Batch) -> bool:
    asked = False
    for stream, keys in event.keys.items():
        for flow in batch.flows.get((event.connection, stream), ()) if keys else ():
            possible = [key for key in keys if pending.possible(key)]
            batch.asked[flow].update(dict.fromkeys(possible))
            asked = asked or bool(possible)
    return asked


def not_found(flow: Flow, keys: Sequence[str]) -> None:
    """Says in the messages that named these keys that the source has nothing there."""
    missing = set(keys)
    if not missing:
        return
    done = InboxEvent.objects.filter(connection=flow.source, state=DONE).order_by("-id")
    told: dict[str, list[int]] = defaultdict(list)
    for pk, named in done.values_list("pk", "keys")[:LOOKED_THROUGH]:
        for key in missing.intersection(named.get(flow.stream, ())):
            told[key].append(pk)
    for key, ids in told.items():
        said = f"Nothing was found under {key} when {flow.name} read it."
        InboxEvent.objects.filter(pk__in=ids).update(message=cleaned(said, 300))


def _late(events: Sequence[InboxEvent]) -> set[int]:
    """Those before which something newer of their kind had come. Order does not matter to us: the record is read as
    it is now. It tells people how their system delivers."""
    first, last = events[0].pk, events[-1].pk
    numbered = InboxEvent.objects.filter(order__isnull=False)
    between = numbered.filter(pk__gte=first, pk__lte=last).order_by("pk")
    newest: dict[tuple[str, str], int | None] = {}
    late: set[int] = set()
    for pk, sender, kind, order in between.values_list("pk", "connection", "kind", "order"):
        of = (sender, kind)
        if of not in newest:
            before = numbered.filter(connection=of[0], kind=of[1], pk__lt=first).order_by("-order")
            newest[of] = before.values_list("order", flat=True).first()
        known = newest[of]
        if order is not None and known is not None and known > order:
            late.add(pk)
        else:
            newest[of] = order
    return late
