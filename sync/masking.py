"""Who sees which value: one data map, applied before a value reaches a page (SEC-P1, SEC-P2).

Fields are public (anybody who sees the record), internal (our staff) or personal. What is not in the map is
personal. Personal values are shown to people with `view_pii` in the record's own team, and to nobody else.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sync.catalogue import Team
from sync.roles import may_work

MASK = "••••••"
NOTHING = "–"


class Class(StrEnum):
    PUBLIC = "public"
    INTERNAL = "internal"
    PERSONAL = "personal"


_PUBLIC = "kind state team entity field flow currency day year month week sku outcome reply_code"
_INTERNAL = """
    key id uid source_id target_id account company customer customer_id party document document_total line order
    order_id invoice quantity unit_price price amount total money sold_at timestamp modified_at created_at charge
    credit original country language loyalty_tier tier group on_hold legal_entity records count item code
    key_id external_id opt_in_state rule segment_id data_area dataAreaId InvoiceNumber InvoiceDate CustomerAccount
    SalesOrderNumber CurrencyCode LineAmount InvoicedQuantity ItemNumber SalesPrice replyCode errors contacts
"""
_PERSONAL = """
    email e_mail first_name last_name full_name organisation phone mobile street address city postcode zip birth_date
    consent opt_in gender salutation iban notes extra
"""
FIELDS: Mapping[str, Class] = {
    **dict.fromkeys(_PUBLIC.split(), Class.PUBLIC),
    **dict.fromkeys((name.lower() for name in _INTERNAL.split()), Class.INTERNAL),
    **dict.fromkeys(_PERSONAL.split(), Class.PERSONAL),
}

_EMAIL = re.compile(r"[^\s@<>\"'(),;:]{1,64}@[^\s@<>\"'(),;]{1,255}")
_QUOTED = re.compile(r"'[^'\n]{1,300}'|\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»")
_PHONE = re.compile(r"\+?\d[\d ()/.-]{7,20}\d")


def classify(field: str) -> Class:
    return FIELDS.get(field.lower(), Class.PERSONAL)


def unmasked(user: Any, team: str) -> bool:
    """Whether the person sees personal data of this team's records."""
    return user.has_perm("sync.view_pii") and may_work(user, team)


def _plain(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def shown(user: Any, team: str | Team, field: str, value: object, kind: Class | None = None) -> str:
    """The text a person may see for a value; an absent value is a dash for everybody. `kind` is given where something
    else than the field's name says what it is."""
    text = _plain(value)
    if text == NOTHING or (kind or classify(field)) is not Class.PERSONAL or unmasked(user, team):
        return text
    return MASK


def shown_text(user: Any, team: str | Team, text: str) -> str:
    """Free text (messages of systems): e-mails, phone numbers and whatever is quoted are masked."""
    if unmasked(user, team):
        return text
    for pattern in (_EMAIL, _QUOTED, _PHONE):
        text = pattern.sub(MASK, text)
    return text


def without_addresses(text: str) -> str:
    """A message about a system as a whole: names of settings may stand in it, people's addresses not."""
    return _EMAIL.sub(MASK, text)


def shown_payload(user: Any, team: str | Team, payload: Any, field: str = "") -> Any:
    """A decoded request or reply: leaves are masked by the name they stand under, structure stays readable."""
    if isinstance(payload, Mapping):
        return {
            shown_text(user, team, str(name)): shown_payload(user, team, value, str(name))
            for name, value in payload.items()
        }
    if isinstance(payload, Sequence) and not isinstance(payload, str | bytes):
        return [shown_payload(user, team, value, field) for value in payload]
    if payload is None or isinstance(payload, bool) or unmasked(user, team):
        return payload
    return payload if classify(field) is not Class.PERSONAL else MASK
