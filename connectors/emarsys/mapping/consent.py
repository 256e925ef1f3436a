"""Field 31, both ways, and nothing but field 31 (contract 3.12, 9). Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from connectors import fields
from connectors.base import Encoded, Excluded, Fault, Known, Mapped, Observed
from connectors.emarsys.mapping.schema import OPT_IN, OPT_INS, Encode, Schema, View, text
from connectors.errors import RecordError
from connectors.records import Consent, Record

CHOICES = {"yes": 1, "no": 2}
LABELS = {"": "", "1": "yes", "2": "no", "true": "yes", "false": "no"}
"""A choice's id as `getdata` gives it, or its English label as an export gives it (contract 3.11)."""
_encode = msgspec.json.Encoder().encode


def encoder(schema: Schema) -> Encode:
    """The opt-in of one contact. A yes without evidence is refused, and so is what nobody knows."""

    def encode(record: Record, known: Known) -> tuple[Encoded, tuple[Fault, ...]]:
        if not isinstance(record, Consent):
            raise RecordError("malformed_row", "record", f"An opt-in is made from a consent, not {type(record)}.")
        if record.channel != "email":
            raise RecordError("other_channel", "channel", "Emarsys' opt-in is about e-mail only.", record.channel)
        if record.given not in CHOICES:
            raise RecordError("consent_unknown", "given", "Nobody knows whether consent was given; nothing is sent.")
        if record.given == "yes" and not record.evidence.strip():
            raise RecordError(
                "consent_without_evidence", "evidence", "An opt-in is sent only with what proves it; there is nothing."
            )
        return Encoded(record.key, _encode({**schema.keyed(record), OPT_IN: CHOICES[record.given]})), ()

    return encode


def expected(encoded: Encoded) -> Mapping[str, str]:
    body: dict[str, Any] = msgspec.json.decode(encoded.body)
    return {"given": OPT_INS.get(str(body[OPT_IN]), "")}


def view(schema: Schema) -> View:
    def observed(row: Mapping[str, object]) -> Observed:
        given = OPT_INS.get(text(row.get(OPT_IN)), "")
        return Observed(text(row.get("id")), text(row.get(schema.key)), {"given": given})

    def field_of(message: str) -> str:
        return "given" if schema.field_of(message) == "opt_in" else schema.field_of(message)

    return View((schema.key, OPT_IN), observed, field_of)


class Row(msgspec.Struct, omit_defaults=True):
    """One contact of the stream `consent`. `at` is the export's moment in UTC, empty where the state was read."""

    id: str
    external_id: str = ""
    email: str = ""
    opt_in: str = ""
    at: str = ""


_row = msgspec.json.Decoder(Row).decode


def row_of(contact: Mapping[str, object], external: str, email: str) -> bytes:
    """A row from `getdata`: the ids of the field with the ERP's number and of the e-mail name its members."""
    return _encode(
        Row(text(contact.get("id")), text(contact.get(external)), text(contact.get(email)), text(contact.get(OPT_IN)))
    )


def row_of_export(values: list[str], at: str) -> bytes:
    """A row from a line of the changes export: internal id, external id, e-mail, opt-in, by position."""
    number, external, email, opt_in = values[:4]
    return _encode(Row(number, external, email, opt_in, at))


def key(row: bytes) -> str:
    found = _read(row)
    return fields.text(found.external_id) or f"emarsys:{fields.required(found.id, 'id')}"


def map_row(row: bytes) -> Mapped:
    """Raises RecordError. Whoever has no external id is excluded: it is nobody the ERP knows."""
    found = _read(row)
    external = fields.text(found.external_id)
    given = LABELS.get(fields.text(found.opt_in).lower())
    if given is None:
        raise RecordError("unknown_choice", "opt_in", "Neither True nor False nor empty.", found.opt_in[:40])
    at = fields.moment(found.at, "at") if found.at else None
    consent = Consent(
        key=key(row),
        customer=external,
        given=given,
        at=at,
        at_latest=at is not None,
        source="emarsys",
        email=_email(found.email),
    )
    return Mapped(consent if external else Excluded(consent.key, "no_external_id", consent))


def _email(value: str) -> str:
    """Only to recognise the person by; an address that Emarsys took is not judged again."""
    return fields.text(value).lower()


def _read(row: bytes) -> Row:
    try:
        return _row(row)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RecordError("malformed_row", "row", f"Not a contact's consent: {error}"[:200]) from error


def upper_bound(created: datetime) -> str:
    """The moment of an export as its rows carry it."""
    return created.isoformat()
