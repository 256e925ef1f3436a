"""A customer of the neutral dataset as a contact whose profile is right in every field Emarsys holds of it."""

from collections import Counter
from collections.abc import Iterable

import phonenumbers

from connectors.emulators.dataset import Customer
from connectors.emulators.emarsys.contacts import Contact
from connectors.emulators.emarsys.countries import CHOICES, ISO_TO_CHOICE, choice_of

_LANGUAGES = {"en": "1", "de": "2", "fr": "3"}
_OPT_IN = {True: "1", False: "2"}
_ISO = {choice: iso for iso, choice in ISO_TO_CHOICE.items()}


def as_contact(customer: Customer, external: str, tier: str) -> Contact:
    """`external` and `tier` are the account's ids of `externalId` and `loyaltyTier`; what is not known is left out."""
    country = choice_of(customer.country)
    is_person = bool(customer.first_name) or customer.group != "WHOLESALE"
    values = {
        external: customer.customer_id,
        "1": customer.first_name,
        "2": customer.last_name if is_person else "",
        "18": "" if is_person else customer.last_name,
        "3": customer.email,
        "4": customer.birth_date.isoformat() if customer.birth_date else None,
        "10": customer.street,
        "11": customer.city,
        "13": customer.postcode,
        "14": country if country in CHOICES else None,
        "15": _phone(customer.phone, country),
        "31": _OPT_IN.get(customer.email_consent) if customer.email_consent is not None else None,
        "35": _LANGUAGES.get(customer.language[:2].lower()),
        tier: customer.loyalty_tier,
    }
    return {number: value for number, value in values.items() if value}


def _phone(text: str, country: str | None) -> str:
    """As dialled internationally, without blanks; what is no number stays out."""
    if not text or (text[0] == "+" and text[1:].isdecimal()):
        return text
    try:
        number = phonenumbers.parse(text, _ISO.get(country or ""))
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def unmistakable(contacts: Iterable[Contact]) -> list[Contact]:
    """The contacts whose e-mail no other has, or who have none: what is wrong with them is their own."""
    every = list(contacts)
    shared = Counter(contact.get("3", "").casefold() for contact in every)
    return [contact for contact in every if "3" not in contact or shared[contact["3"].casefold()] == 1]
