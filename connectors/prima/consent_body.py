"""Consent → the body that is digested and sent: one flag of one customer. Pure."""

import msgspec

from connectors.base import Encoded, Fault, Known
from connectors.errors import RecordError
from connectors.prima.site import CHANNELS
from connectors.records import Consent, Record


class Body(msgspec.Struct, frozen=True):
    customer: str
    channel: str
    given: str
    at: str = ""


def encoded(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
    """Flags of one customer and moment share a request, which has room for one date. Raises RecordError."""
    if not isinstance(record, Consent):
        raise RecordError("wrong_record", "record", "Only consents are written back.")
    if record.channel not in CHANNELS:
        raise RecordError("unknown_channel", "channel", "The site has no flag for this channel.", record.channel[:40])
    if record.given not in ("yes", "no"):
        raise RecordError(
            "unknown_consent", "given", "Nobody knows the consent; nothing is written.", record.given[:40]
        )
    customer = record.customer.strip()
    if not customer or not customer.isprintable():
        raise RecordError("missing_value", "customer", "The consent names no customer of the site.")
    body = Body(customer, record.channel, record.given, record.at.isoformat() if record.at else "")
    return Encoded(record.key, msgspec.json.encode(body), f"{body.customer}|{body.at}"), ()


def expected(sent: Encoded) -> dict[str, str]:
    return {"given": msgspec.json.decode(sent.body, type=Body).given}
