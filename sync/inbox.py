"""The inbox: a webhook's message is kept, answered, and looked at afterwards.

A message names records to look at again; their data are read from the system itself, so that a forged, late or
repeated message can do no more than cause a read.
"""

import logging
import zlib
from collections.abc import Mapping
from hashlib import sha256

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F

from connectors.base import Notice
from connectors.errors import ConnectorError, RecordError
from sync import clock, flows, pending
from sync.models import Flow, InboxEvent
from sync.models.inbox import DONE, IGNORED, UNREADABLE, WAITING
from sync.storage.fitting import clean_json, cleaned, fitting_key

log = logging.getLogger(__name__)

KEPT_HEADERS = ("content-type", "user-agent")
KEPT_PREFIXES = ("x-ms-",)


def receive(connection: str, body: bytes, headers: Mapping[str, str]) -> tuple[InboxEvent, bool]:
    """Keeps the message; (its row, whether it is new). A repeat is counted on the row that is there.

    The system's id of the event is read here already, so that a repeat with another body is one, too.
    """
    notice = _read(connection, body, headers)
    event_id = (
        fitting_key(notice.id, 100)
        if isinstance(notice, Notice) and notice.id
        else f"sha256:{sha256(body).hexdigest()[:48]}"
    )
    try:
        with transaction.atomic():
            event = InboxEvent.objects.create(
                connection=connection, event_id=event_id, body=zlib.compress(body, 1), received_at=clock.now(),
                kind=cleaned(notice.kind, 100) if isinstance(notice, Notice) else "",
                order=_order(notice) if isinstance(notice, Notice) else None,
                headers={name: cleaned(value, 300) for name, value in headers.items() if _kept(name)},
            )  # fmt: skip
        return event, True
    except IntegrityError:
        found = InboxEvent.objects.filter(connection=connection, event_id=event_id)
        found.update(repeats=F("repeats") + 1)
        return found.get(), False


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


def handle(event_id: int) -> None:
    """Notes the records that the message names at the flows that read them. Twice is as good as once.

    Whatever a message does to us, it is put aside: the ones after it wait for their turn.
    """
    try:
        _handle(event_id)
    except DatabaseError:  # the database, not the message: it waits for the next tick
        raise
    except Exception as error:
        log.exception("Inbox event %s could not be handled", event_id)
        said = f"It could not be handled ({type(error).__name__}); a developer must look."
        InboxEvent.objects.filter(pk=event_id).update(state=UNREADABLE, handled_at=clock.now(), message=said)


def _handle(event_id: int) -> None:
    event = InboxEvent.objects.filter(pk=event_id, state=WAITING, body__isnull=False).first()
    if event is None:
        return
    try:
        notice = _read(event.connection, zlib.decompress(bytes(event.body or b"")), event.headers)
    except ConnectorError as error:  # the connection is not configured here
        notice = RecordError("malformed_row", "message", error.message)
    if isinstance(notice, RecordError):
        _end(event, UNREADABLE, message=notice.message)
        return
    with transaction.atomic():
        asked = _ask(event, notice)
        said = "" if asked else "It names no record of a flow that runs here."
        _end(event, DONE if asked else IGNORED, keys=clean_json(notice.keys), message=said, late=_late(event))


def _ask(event: InboxEvent, notice: Notice) -> bool:
    asked = False
    for flow in Flow.objects.filter(source=event.connection, stream__in=list(notice.keys)):
        keys = list(notice.keys[flow.stream])
        if not keys:
            continue
        asked = True
        if flow.paused:
            pending.note(flow, keys, "event", urgent=True)
        else:
            pending.ask(flow, keys, "event", urgent=True)
    return asked


def _late(event: InboxEvent) -> bool:
    """Whether something newer of that kind had come before. Order does not matter to us: the record is read as it
    is now. It tells people how their system delivers."""
    if event.order is None:
        return False
    newer = InboxEvent.objects.filter(connection=event.connection, kind=event.kind, order__gt=event.order)
    return newer.filter(pk__lt=event.pk).exists()


def _end(event: InboxEvent, state: str, **values: object) -> None:
    message = cleaned(str(values.pop("message", "")), 300)
    InboxEvent.objects.filter(pk=event.pk).update(state=state, handled_at=clock.now(), message=message, **values)


def due() -> list[int]:
    """Messages whose task was lost."""
    return list(InboxEvent.objects.filter(state=WAITING).order_by("id").values_list("pk", flat=True)[:1000])
