"""Vocabulary: teams, states, and every kind of exception with its meaning, remedy and owner."""

from dataclasses import dataclass
from enum import StrEnum


class Team(StrEnum):
    MARKETING = "marketing"
    FINANCE = "finance"
    OPERATIONS = "operations"


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


ACTIVE_RUNS = (RunState.QUEUED, RunState.RUNNING, RunState.WAITING)


class Bucket(StrEnum):
    """Where each record that was read ends, exactly once."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    EXCLUDED = "excluded"
    HELD = "held"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class LedgerState(StrEnum):
    SENDING = "sending"
    ACCEPTED = "accepted"
    EXCLUDED = "excluded"
    HELD = "held"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class LinkState(StrEnum):
    ACTIVE = "active"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    ARCHIVED = "archived"
    EXCLUDED = "excluded"
    HELD = "held"


class IssueState(StrEnum):
    OPEN = "open"
    RETRYING = "retrying"
    WAIVED = "waived"
    RESOLVED = "resolved"


OPEN_ISSUES = (IssueState.OPEN, IssueState.RETRYING)


@dataclass(frozen=True)
class Kind:
    """One kind of exception. `meaning` says what it means for the business, `remedy` what to do next."""

    name: str
    title: str
    team: Team
    meaning: str
    remedy: str
    retry_helps: str = "After its cause is fixed in the ERP, press Retry."


def _kinds(*kinds: Kind) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds}


KINDS = _kinds(
    Kind(
        "missing_value",
        "Required value missing",
        Team.MARKETING,
        "The ERP record has no value in a field that identifies it, so it cannot be synced.",
        "Fill the field in the ERP.",
    ),
    Kind(
        "invalid_email",
        "E-mail not valid",
        Team.MARKETING,
        "The contact was synced without its e-mail, so it gets no campaign.",
        "Correct the e-mail in the ERP.",
    ),
    Kind(
        "invalid_phone",
        "Phone not valid",
        Team.MARKETING,
        "The contact was synced without its phone number.",
        "Correct the phone number in the ERP.",
    ),
    Kind(
        "invalid_date",
        "Date not valid",
        Team.MARKETING,
        "The contact was synced without this date: birthday and anniversary campaigns skip it.",
        "Correct the date in the ERP.",
    ),
    Kind(
        "unknown_country",
        "Country not known",
        Team.MARKETING,
        "The contact was synced without a country, so country segments do not contain it.",
        "Choose a real country for the customer in the ERP.",
    ),
    Kind(
        "unmappable_value",
        "Value unknown to Emarsys",
        Team.MARKETING,
        "Emarsys has no choice for this value; the contact was synced without it.",
        "Choose a value that Emarsys offers, or ask an administrator to add the choice in Emarsys.",
    ),
    Kind(
        "too_long",
        "Text too long for Emarsys",
        Team.MARKETING,
        "The value is longer than Emarsys stores; the contact was synced without it, nothing was cut silently.",
        "Shorten the value in the ERP.",
    ),
    Kind(
        "refused_by_target",
        "Refused by Emarsys",
        Team.MARKETING,
        "Emarsys did not take this record; all others of its batch went through.",
        "Read Emarsys' answer below, correct the value it names, then retry.",
    ),
    Kind(
        "malformed_row",
        "Unreadable record",
        Team.OPERATIONS,
        "The ERP sent a record that cannot be read as a whole.",
        "Ask the ERP's administrator to look at this record.",
    ),
    Kind(
        "missing_in_target",
        "Missing in Emarsys",
        Team.MARKETING,
        "The customer is in the ERP but has no contact in Emarsys: no campaign or segment reaches this person.",
        "Press Retry: the customer is read again and its contact created.",
        "Retry creates the contact.",
    ),
    Kind(
        "orphan",
        "Orphan contact",
        Team.MARKETING,
        "Emarsys has a contact that no ERP customer owns (merged, deleted or imported by hand).",
        "Decide in Emarsys whether the contact stays. Deleting it there also erases its revenue history.",
        "Retry compares again.",
    ),
    Kind(
        "field_drift",
        "Field differs",
        Team.MARKETING,
        "ERP and Emarsys show different values: segments and personalisation use the wrong one.",
        "Press Retry to send the ERP's value again, or waive if the difference is wanted.",
        "Retry sends the ERP's value.",
    ),
    Kind(
        "duplicate_in_target",
        "Several contacts for one customer",
        Team.MARKETING,
        "Emarsys has more than one contact for this customer: messages go out twice, revenue is split.",
        "Decide in Emarsys which contact stays and clear the external id or e-mail of the other.",
        "Retry compares again; orders that waited for the decision follow.",
    ),
    Kind(
        "contested_link",
        "Contact claimed twice",
        Team.MARKETING,
        "Two unrelated ERP customers point to one Emarsys contact.",
        "Give each customer its own e-mail in the ERP.",
    ),
    Kind(
        "not_linked",
        "Contact without its ERP number",
        Team.MARKETING,
        "The contact exists but does not carry the ERP's customer number, so orders do not attach to it.",
        "Press Retry: the contact is adopted and gets its number.",
        "Retry adopts the contact.",
    ),
    Kind(
        "held_for_parent",
        "Orders held for a contact",
        Team.FINANCE,
        "These orders wait until their customer's contact is confirmed in Emarsys; their revenue is not there yet.",
        "Resolve the customer's own exception; the orders follow by themselves.",
        "Retry looks whether the contact is there now.",
    ),
    Kind(
        "excluded_no_customer",
        "Invoices without a customer",
        Team.FINANCE,
        "Lines without a customer cannot belong to a contact. They are counted with their money and not sent.",
        "Nothing to do if these are counter sales; otherwise set the customer on the invoice in the ERP.",
        "Retry does not help; the next read counts them again.",
    ),
    Kind(
        "zero_total",
        "Invoice with a total of zero",
        Team.FINANCE,
        "The invoice was sent, but it adds nothing to revenue; often a free sample or a missing price.",
        "Check the prices in the ERP; waive it when zero is right.",
    ),
    Kind(
        "credit_without_original",
        "Credits without an original sale",
        Team.FINANCE,
        "Credit lines for which no earlier sale of the same article to the same customer is known.",
        "They were sent as negative revenue. Check whether the sale lies before the data or under another customer.",
        "Retry does not help; the next read counts them again.",
    ),
    Kind(
        "case_only_codes",
        "Article codes that differ only by case",
        Team.FINANCE,
        "Codes such as 85123A and 85123a count as different articles. They are kept apart exactly as the ERP writes "
        "them.",
        "Unify the codes in the ERP if they mean one article; otherwise waive.",
        "Retry does not help; the next read counts them again.",
    ),
    Kind(
        "document_changed",
        "Document changed after it was sent",
        Team.FINANCE,
        "The ERP changed a line that Emarsys already has. Sales in Emarsys cannot be updated, so both now differ.",
        "Correct by a credit note in the ERP, or waive the difference with a reason.",
    ),
    Kind(
        "missing_in_ledger",
        "Sale never sent",
        Team.FINANCE,
        "The ERP has this document line, our ledger of sent sales has not: its revenue is missing in Emarsys.",
        "Press Retry: the document is read again and sent once.",
        "Retry sends it once.",
    ),
    Kind(
        "missing_in_source",
        "Sent, but no longer in the ERP",
        Team.FINANCE,
        "Our ledger says this line was sent, the ERP no longer shows it: Emarsys counts too much revenue.",
        "Find out in the ERP why the document disappeared; correct by a credit note or waive with a reason.",
    ),
    Kind(
        "unbalanced_document",
        "Lines do not add up to the invoice",
        Team.FINANCE,
        "The sum of the lines differs from the invoice's total.",
        "Check charges, discounts and tax of the invoice in the ERP.",
    ),
    Kind(
        "invoice_without_lines",
        "Invoice without lines",
        Team.FINANCE,
        "The invoice header has no lines, so there is nothing to send.",
        "Check the invoice in the ERP.",
    ),
    Kind(
        "line_without_header",
        "Line without its invoice",
        Team.FINANCE,
        "The line names an invoice that was not found.",
        "Check the invoice in the ERP.",
    ),
    Kind(
        "invalid_amount",
        "Amount not readable",
        Team.FINANCE,
        "An amount or quantity of the line is not a number.",
        "Correct the line in the ERP.",
    ),
    Kind(
        "unknown_outcome",
        "Sent, answer lost",
        Team.FINANCE,
        "The upload left, but Emarsys' answer never arrived. Emarsys does not recognise duplicates, so nothing was "
        "sent again.",
        "In Emarsys open Data Sources › Sales Data and look for the invoice lines listed below, then say whether they "
        "arrived.",
        "Retry is not offered: sending blindly could double the revenue.",
    ),
    Kind(
        "run_unavailable",
        "System does not answer",
        Team.OPERATIONS,
        "A system did not answer or asked to wait. The run waits and tries again by itself; nothing is lost.",
        "If it lasts, check the system's status page.",
        "The next successful run closes this by itself.",
    ),
    Kind(
        "run_configuration",
        "Connection refused",
        Team.OPERATIONS,
        "A system refused our credentials or a setting is missing. The flow stands still until this is corrected.",
        "Correct the setting that is named, then press Run now.",
        "The next successful run closes this by itself.",
    ),
    Kind(
        "run_unexpected",
        "Reply not understood",
        Team.OPERATIONS,
        "A system answered in a form that we do not know. The run stopped so that nothing is damaged.",
        "Show the reply below to the system's administrator or to us.",
        "The next successful run closes this by itself.",
    ),
    Kind(
        "run_lost",
        "Run given up",
        Team.OPERATIONS,
        "The run's worker died several times at the same place.",
        "Look at the worker's log, then press Run now.",
        "The next successful run closes this by itself.",
    ),
)


def kind(name: str) -> Kind:
    return KINDS[name]


OWNERS = {"sale": Team.FINANCE, "customer": Team.MARKETING}
"""Whose desk a kind without an owner of its own lands on: a refused sale is finance's, a contact marketing's."""


def team(kind_name: str, entity: str) -> Team:
    found = KINDS[kind_name].team
    if found is Team.OPERATIONS:
        return found
    return OWNERS.get(entity, found)
