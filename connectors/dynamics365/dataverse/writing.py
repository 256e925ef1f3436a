"""Consents → what is written, and what a row says back. Pure; raises RecordError only."""

from collections.abc import Callable, Mapping

import msgspec

from connectors.base import Encoded, Fault, Known
from connectors.dynamics365.dataverse.tables import OPTED_IN, OPTED_OUT, Flags
from connectors.errors import RecordError
from connectors.records import Consent, Record


class Wish(msgspec.Struct, frozen=True):
    """One consent to be written: whose it is (id, or number in the ERP), what it says, which columns say so."""

    customer: str
    account: str
    email: str
    given: str
    set: dict[str, bool | int]


_encode = msgspec.json.Encoder().encode
_wish = msgspec.json.Decoder(Wish)


def encoder(flags: Flags, by_point: bool) -> Callable[[Record, Known], tuple[Encoded, tuple[Fault, ...]]]:
    """An opt-in needs evidence: without it a yes lifts no no (PRODUCT: consent is shared by rule)."""

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, Consent):
            raise RecordError("malformed_row", "record", f"A consent is expected, not {type(record).__name__}.")
        _refuse_unsendable(record, flags)
        if by_point and not record.email:
            raise RecordError("missing_value", "email", "Contact point consent belongs to an e-mail address.")
        columns: Mapping[str, bool | int] = flags.wanted(record.given)
        if by_point:
            columns = {"msdynmkt_value": OPTED_IN if record.given == "yes" else OPTED_OUT}
        email = record.email.lower() if by_point else ""
        wish = Wish(record.customer, record.account, email, record.given, dict(columns))
        return Encoded(record.key, _encode(wish)), ()

    return encode


def _refuse_unsendable(record: Consent, flags: Flags) -> None:
    if record.channel != flags.channel:
        raise RecordError(
            "unsupported_channel",
            "channel",
            f"This connection writes consent for {flags.channel} only.",
            record.channel,
        )
    if record.given not in ("yes", "no"):
        raise RecordError(
            "consent_unknown", "given", "Dataverse holds yes or no; nobody knows which.", record.given[:40]
        )
    if record.given == "yes" and not record.evidence:
        raise RecordError(
            "consent_without_evidence", "evidence", "An opt-in is written only with what proves it.", record.source
        )
    if not record.customer and not record.account:
        raise RecordError("missing_value", "customer", "The consent does not say whose it is.")


def decoded(encoded: Encoded) -> Wish:
    return _wish.decode(encoded.body)


def expected(encoded: Encoded) -> Mapping[str, str]:
    return {"given": decoded(encoded).given}


def identify(record: Record) -> str:
    """The ERP's customer number where it is known, else the row's id."""
    return (getattr(record, "account", "") or getattr(record, "customer", "")) or record.key
