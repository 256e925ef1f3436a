"""Values of a customer → Customer and Consent. Pure; knows no name of the site."""

from connectors import fields
from connectors.base import Excluded, Fault, Gone, Mapped
from connectors.errors import RecordError
from connectors.fields import or_fault
from connectors.prima import node
from connectors.prima.mapping import EntityMapping, Values
from connectors.prima.rules import SiteRules
from connectors.prima.site import CHANNELS
from connectors.records import Consent, Customer

GONE = {"archived": "archived", "deleted": "deleted"}
SOURCES = {
    **{name: {name} for name in ("first_name", "last_name", "organisation", "phone", "city", "postcode", "country",
                                 "language", "birth_date", "loyalty_tier")},
    "street": {f"street{number}" for number in range(1, 6)},
}  # fmt: skip
"""Fields of a customer and the mapping's fields they come from. What a site's mapping names nowhere the site does not
keep: it blanks nothing in the target."""


class Customers:
    """The streams `customer` and `consent`. A customer's key is the account number (contract 7.2)."""

    def __init__(self, mapping: EntityMapping, rules: SiteRules, country: str = "") -> None:
        self._mapping, self._rules, self._country = mapping, rules, country
        self._lacking = tuple(name for name, sources in SOURCES.items() if mapping.names.isdisjoint(sources))

    def key(self, row: bytes) -> str:
        _, found = node.read(row)
        return self._mapping.key(found, ("account",))

    def map(self, row: bytes) -> Mapped:
        _, found = node.read(row)
        key = self._mapping.key(found, ("account",))
        values = self._mapping.values(found)
        if gone := _gone(values, key):
            return Mapped(gone, values.faults)
        record, faults = self._customer(values, key)
        rule = self._rules.internal(record.account, values.text("type"), record.email)
        return Mapped(Excluded(key, rule, record) if rule else record, faults)

    def _customer(self, values: Values, key: str) -> tuple[Customer, tuple[Fault, ...]]:
        faults = list(values.faults)
        country = or_fault(faults, "country", fields.country, values.text("country"))
        record = Customer(
            key=key,
            account=values.text("account"),
            email=self._email(values.text("email"), faults),
            first_name=values.text("first_name"),
            last_name=values.text("last_name"),
            organisation=values.text("organisation"),
            phone=or_fault(faults, "phone", fields.phone, values.text("phone"), country or self._country),
            street=", ".join(line for number in range(1, 6) if (line := values.text(f"street{number}"))),
            city=values.text("city"),
            postcode=values.text("postcode"),
            country=country,
            language=_language(values.text("language")),
            birth_date=values.get("birth_date"),
            loyalty_tier=values.text("loyalty_tier"),
            on_hold=bool(values.get("on_hold")),
            unreadable=(
                *self._lacking,
                *(fault.field for fault in faults if fault.field in Customer.__struct_fields__),
            ),
        )
        return record, tuple(faults)

    def _email(self, text: str, faults: list[Fault]) -> str:
        if text and self._rules.is_placeholder(text):
            message = "A placeholder of the site's block list, not this person's address."
            faults.append(Fault("placeholder_email", "email", message, text))
            return ""
        return or_fault(faults, "email", fields.email, text)


class Consents:
    """One consent per customer and channel; which channel a row stands for is its piece."""

    def __init__(self, mapping: EntityMapping, rules: SiteRules) -> None:
        self._mapping, self._rules = mapping, rules

    def key(self, row: bytes) -> str:
        piece, found = node.read(row)
        return f"{self._mapping.key(found, ('account',))}|{_channel(piece.part)}"

    def map(self, row: bytes) -> Mapped:
        piece, found = node.read(row)
        channel = _channel(piece.part)
        account = self._mapping.key(found, ("account",))
        values = self._mapping.values(found)
        if gone := _gone(values, f"{account}|{channel}", f"|{channel}"):
            return Mapped(gone, values.faults)
        faults = tuple(fault for fault in values.faults if fault.field not in CHANNELS or fault.field == channel)
        record, more = self._consent(values, account, channel)
        rule = self._rules.internal(account, values.text("type"), values.text("address"))
        if not rule and self._rules.is_own(record.source):
            rule = "own_write"
        return Mapped(Excluded(record.key, rule, record) if rule else record, (*faults, *more))

    def _consent(self, values: Values, account: str, channel: str) -> tuple[Consent, tuple[Fault, ...]]:
        flag, source = values.get(channel), values.text("source")
        unproven = flag is False and self._rules.proves_nothing(source)
        record = Consent(
            key=f"{account}|{channel}",
            customer=account,
            account=account,
            channel=channel,
            given="" if flag is None or unproven else "yes" if flag else "no",
            at=values.get("at"),
            source=source,
            evidence=values.text("evidence") if flag else "",
            email=values.text("address").lower(),
        )
        message = "A no that came with an order proves no opt-out; it is kept as not known."
        return record, (Fault("unproven_opt_out", channel, message, source),) if unproven else ()


def _channel(part: str) -> str:
    if part not in CHANNELS:
        raise RecordError("malformed_row", "channel", "The row stands for no channel.", part[:40])
    return part


def _gone(values: Values, key: str, suffix: str = "") -> Gone | None:
    """A merged account points to its survivor; an archived or deleted one is marketed to no more."""
    into, status = values.text("merged_to"), values.text("status")
    if into:
        if f"{into}{suffix}" == key:
            raise RecordError("merged_into_itself", "merged_to", "The record is merged into itself.", into)
        return Gone(key, "merged", f"{into}{suffix}")
    if status == "merged":
        raise RecordError("merge_without_survivor", "merged_to", "The record is merged, and into which is not said.")
    return Gone(key, GONE[status]) if status in GONE else None


def _language(value: str) -> str:
    """ISO 639-1, also out of `en-GB`; anything else says nothing."""
    code = value.strip()[:3].rstrip("-_").lower()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else ""
