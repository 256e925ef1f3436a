"""What a kind of exception is, and those of records, documents and feeds, with meaning, remedy and owner."""

from dataclasses import dataclass

from sync.catalogue.states import Team


@dataclass(frozen=True)
class Kind:
    """One kind of exception. `meaning` says what it means for the business, `remedy` what to do next."""

    name: str
    title: str
    team: Team
    meaning: str
    remedy: str
    retry_helps: str = "After its cause is fixed in the ERP, press Retry."


class _Kinds(dict[str, Kind]):
    """Kinds by name. A connector may bring one that is not described here: it is shown by its name."""

    def __missing__(self, name: str) -> Kind:
        title = name.replace("_", " ").capitalize()
        meaning = "The record did not get through; the message says why."
        return Kind(name, title, Team.MARKETING, meaning, "Do what the message says, then press Retry.")


def _kinds(*kinds: Kind) -> _Kinds:
    return _Kinds((kind.name, kind) for kind in kinds)


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
        "duplicate_article",
        "Article number used twice",
        Team.MARKETING,
        "Two articles, of two companies for example, have one number: the feed can list only one of them.",
        "Give one of them another number in the ERP, or keep one company's articles out of the feed.",
        "Retry reads the article again; the next complete run says whether its number is free.",
    ),
    Kind(
        "does_not_fit",
        "Value cannot be kept",
        Team.OPERATIONS,
        "A value of this record is longer or larger than the console keeps, or has characters no database stores.",
        "Correct the value in the ERP; the message names it.",
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
        "These records wait until their customer's contact is confirmed in Emarsys: the revenue of orders is not there "
        "yet, and of events nobody is told yet.",
        "Resolve the customer's own exception; what waits follows by itself.",
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
        "unknown_event",
        "Event sent, answer lost",
        Team.OPERATIONS,
        "The event left, but Emarsys' answer never arrived. Emarsys recognises a repeat for a while only; that time is "
        "over, so it was not sent again: the customer could get the message twice.",
        "In Emarsys open the customer's contact and look for the message of this event, then say whether it is there.",
        "Retry is not offered: the customer could be told twice.",
    ),
    Kind(
        "merged_customer",
        "Merged in the ERP",
        Team.MARKETING,
        "Two customers became one in the ERP. The loser's contact is still in Emarsys and may get campaigns twice.",
        "Look at both contacts: keep the one with the history, unsubscribe or empty the other. Nothing was deleted.",
        "It closes when the customer is active in the ERP again; else waive it once the contact is dealt with.",
    ),
    Kind(
        "archived_contactable",
        "Archived in the ERP, contact still there",
        Team.MARKETING,
        "The ERP no longer keeps this customer as active, but campaigns can still reach its contact.",
        "Decide whether the contact may still be written to; nothing was deleted in Emarsys.",
        "It closes when the customer is active in the ERP again; else waive it once the contact is dealt with.",
    ),
    Kind(
        "gone_from_source",
        "No longer listed by the ERP",
        Team.MARKETING,
        "The key sweep did not find this record in the ERP. Nothing was changed in Emarsys: absence deletes nothing.",
        "Look in the ERP whether the record was deleted, merged or moved to a company that is not read.",
        "The next sweep closes it when the record is listed again.",
    ),
    Kind(
        "consent_conflict",
        "Consent differs",
        Team.MARKETING,
        "One system says that this person agreed, but has nothing that proves it; the other says that they opted out. "
        "The opt-out stays in force.",
        "Look for the form or double opt-in. Found: enter it as evidence. Not found: opt the person out in both.",
    ),
    Kind(
        "consent_without_evidence",
        "Opt-in without evidence",
        Team.MARKETING,
        "A bare yes lifts no opt-out: the opt-in was not passed on.",
        "Find the form, the double opt-in or the signed source and enter it where the consent is kept.",
    ),
    Kind(
        "consent_unknown",
        "Consent unknown",
        Team.MARKETING,
        "Nobody knows whether this person agreed; unknown is neither yes nor no, and nothing was passed on.",
        "Ask the person, or leave it: no campaign reaches them.",
    ),
    Kind(
        "event_not_mapped",
        "Event has no message",
        Team.OPERATIONS,
        "The order event is not assigned to an external event, so its customer is told nothing.",
        "Name the external event in the connection's EVENTS setting, or exclude the event there.",
    ),
    Kind(
        "feed_shrunk",
        "Product feed shrank",
        Team.OPERATIONS,
        "The new feed lost so many articles that it was not published; Emarsys still fetches the one before.",
        "Look at the articles that are missing. If they are really gone, publish the version with a reason.",
        "The next run makes a new version; it goes out by itself when it is complete again.",
    ),
)


def kind(name: str) -> Kind:
    return KINDS[name]


OWNERS = {
    "sale": Team.FINANCE,
    "attribution": Team.FINANCE,
    "purchase": Team.FINANCE,
    "customer": Team.MARKETING,
    "consent": Team.MARKETING,
    "order_event": Team.OPERATIONS,
}
"""Whose desk a kind without an owner of its own lands on: a refused sale is finance's, a contact marketing's."""


def team(kind_name: str, entity: str) -> Team:
    found = KINDS[kind_name].team
    if found is Team.OPERATIONS:
        return found
    return OWNERS.get(entity, found)
