"""How an exception reads for one person: titles, one-line summaries and values, masked where they must be."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from sync import masking, own_fields
from sync.models import SyncIssue

DEPARTED = ("merged_customer", "archived_contactable")
"""Of these the two values are no field of both sides: who stays (or why), and the contact that is still there."""

UNKNOWN_WORDS = ("unmapped_value", "unknown_status")
"""Their value is a code of the ERP that somebody has to add to a table: without it nobody could."""

LABELS = {
    "email": "E-mail",
    "first_name": "First name",
    "last_name": "Last name",
    "organisation": "Organisation",
    "phone": "Phone",
    "street": "Street",
    "city": "City",
    "postcode": "Postcode",
    "country": "Country",
    "language": "Language",
    "birth_date": "Date of birth",
    "loyalty_tier": "Loyalty tier",
    "on_hold": "On hold",
    "account": "Customer number",
}


def label(field: str) -> str:
    return LABELS.get(field, field.replace("_", " ").capitalize())


def summary(user: Any, issue: SyncIssue) -> str:
    """One line: what is wrong with this record."""
    return happened(user, issue) or issue.catalogue.meaning


def happened(user: Any, issue: SyncIssue) -> str:
    """What is known of this very record; empty where its kind says it all."""
    if issue.kind == "field_drift" and issue.field:
        erp, target = (value if value != masking.NOTHING else "empty" for value in values(user, issue))
        return f"{label(issue.field)}: ERP {erp} · Emarsys {target}"
    if issue.kind in UNKNOWN_WORDS and issue.erp_value:
        return f"{message(user, issue)} {label(issue.field)}: {masking.shown_text(user, issue.team, issue.erp_value)}"
    return message(user, issue)


def values(user: Any, issue: SyncIssue) -> tuple[str, str]:
    erp, target = (_shown(user, issue, issue.field, value) for value in (issue.erp_value, issue.target_value))
    return erp, target


def _shown(user: Any, issue: SyncIssue, field: str, value: object) -> str:
    return own_fields.shown(user, issue.team, issue.flow_id, field, value)


def message(user: Any, issue: SyncIssue) -> str:
    """The stored message; the two values are taken out before the patterns for e-mails and phones look at it."""
    text = issue.message
    if masking.unmasked(user, issue.team):
        return text
    if issue.kind in DEPARTED:  # our own sentence of ids, which are no personal data
        return masking.without_addresses(text)
    of_a_record = bool(issue.source_id or issue.target_id)
    if of_a_record and own_fields.classify(user, issue.flow_id, issue.field) is masking.Class.PERSONAL:
        for value in (issue.erp_value, issue.target_value):
            text = text.replace(value, masking.MASK) if len(value) > 1 else text
    return masking.shown_text(user, issue.team, text)


@dataclass(frozen=True)
class Compared:
    """One line of ERP | Emarsys. `verdict` is same, different, erp_only or target_only."""

    label: str
    erp: str
    target: str
    verdict: str


VERDICTS = {
    "same": "Match",
    "different": "Different",
    "erp_only": "Missing in Emarsys",
    "target_only": "Only in Emarsys",
}


def compared(user: Any, issue: SyncIssue, fields: list[dict[str, Any]]) -> list[Compared]:
    """Differences first; on masked values it still says "different" without showing either (SEC-P6).

    Fields that neither side has are left out.
    """
    lines = [_compared(user, issue, line) for line in fields if line.get("erp") or line.get("target")]
    return sorted(lines, key=lambda line: line.verdict == "same")


def _compared(user: Any, issue: SyncIssue, line: dict[str, Any]) -> Compared:
    field, erp, target = str(line.get("field", "")), line.get("erp"), line.get("target")
    verdict = "same" if line.get("same") else "different"
    if verdict == "different" and (erp in ("", None)) != (target in ("", None)):
        verdict = "target_only" if erp in ("", None) else "erp_only"
    return Compared(label(field), _shown(user, issue, field, erp), _shown(user, issue, field, target), verdict)


def stored_fields(issue: SyncIssue) -> list[dict[str, Any]]:
    """What both sides showed when the exception was last seen."""
    details = issue.details if isinstance(issue.details, dict) else {}
    if details.get("fields"):
        return list(details["fields"])
    if issue.kind in DEPARTED:
        return []
    of_a_contact = issue.entity == "customer" and issue.source_id and issue.field and "contacts" not in details
    if of_a_contact and (issue.erp_value or issue.target_value):
        return [{"field": issue.field, "erp": issue.erp_value, "target": issue.target_value, "same": False}]
    return []


def contacts(issue: SyncIssue) -> list[str]:
    """The ids of the contacts at Emarsys that this is about."""
    if issue.kind in DEPARTED:
        return [issue.target_value] if issue.target_value else []
    details = issue.details if isinstance(issue.details, dict) else {}
    found = details.get("contacts") or [issue.target_id or details.get("target_id")]
    return [str(one) for one in found if one]


def owner_key(issue: SyncIssue) -> str:
    """Whose story it belongs to: a consent's key is its customer's with the channel behind it."""
    return issue.source_id.rpartition("|")[0] if issue.entity == "consent" else issue.source_id.rstrip("|")


def survivor(issue: SyncIssue) -> str:
    """The key of the customer that this one was merged into."""
    return issue.erp_value if issue.kind == "merged_customer" else ""


def counted_records(issue: SyncIssue) -> str:
    """The address of exactly the records a counted card stands for; empty where it stands for itself."""
    ledger: dict[str, dict[str, Any]] = {
        "excluded_no_customer": {"state": "excluded", "rule": "no_customer"},
        "credit_without_original": {"credit": "without_original"},
        "case_only_codes": {"codes": "case_only"},
        "unknown_outcome": {"delivery": issue.delivery_id or "", "state": "unknown"},
        "held_for_parent": {"customer": issue.blocked_by or issue.source_id, "state": "held"},
    }
    if issue.kind not in ledger or (issue.kind == "unknown_outcome" and not issue.is_open):
        return ""
    if issue.kind == "held_for_parent" and issue.flow.entity != "sale":  # the ledger holds sales only
        return ""
    parameters = {"flow": issue.flow.name, **ledger[issue.kind]}
    return f"{reverse('admin:sync_ledgerentry_changelist')}?{urlencode(parameters)}"


@dataclass(frozen=True)
class Risk:
    """Value at risk of several exceptions, a sum per currency: never added across them."""

    amount: Decimal
    currency: str
