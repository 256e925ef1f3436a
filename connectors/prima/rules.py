"""The site's lists at work: who is internal, which address is a placeholder, what is a service. Pure."""

import re
from collections.abc import Sequence
from fnmatch import translate

from connectors.prima.site import Rules
from connectors.prima.values import folded

INTERNAL_TYPE, INTERNAL_DOMAIN, INTERNAL_ACCOUNT = "internal_type", "internal_email_domain", "internal_account"
WHOLESALE, NO_CUSTOMER = "wholesale", "no_customer"


class SiteRules:
    """Internal accounts are told by list, never by guess (contract 7.2)."""

    def __init__(self, rules: Rules) -> None:
        self.said = rules
        self._types = _codes(rules.internal_customer_types)
        self._domains = frozenset(domain.casefold().lstrip("@") for domain in rules.internal_email_domains)
        self._accounts, self._placeholders = _patterns(rules.internal_accounts), _patterns(rules.placeholder_emails)
        self._wholesale = _codes(rules.wholesale_customer_types)
        self._services = _codes(rules.service_codes)
        self._unproven, self._own = _codes(rules.unproven_consent_sources), _codes(rules.own_consent_sources)
        self._sellable = _codes(rules.sellable_warehouses)
        self._carriers = {folded(code): template for code, template in rules.carriers.items()}

    def internal(self, account: str, kind: str = "", email: str = "") -> str:
        """The name of the rule that keeps this customer out, or nothing."""
        if kind and folded(kind) in self._types:
            return INTERNAL_TYPE
        if email and email.casefold().rpartition("@")[2] in self._domains:
            return INTERNAL_DOMAIN
        if self._accounts.match(account):
            return INTERNAL_ACCOUNT
        return WHOLESALE if self.said.exclude_wholesale and kind and folded(kind) in self._wholesale else ""

    def excludes_order(self, account: str, wholesale: bool) -> str:
        """Whose order nobody knows is kept out by name, for its money."""
        if not account:
            return NO_CUSTOMER
        if self._accounts.match(account):
            return INTERNAL_ACCOUNT
        return WHOLESALE if wholesale and self.said.exclude_wholesale else ""

    def is_placeholder(self, email: str) -> bool:
        return bool(self._placeholders.match(email))

    def is_service(self, code: str) -> bool:
        return bool(code) and folded(code) in self._services

    def proves_nothing(self, source: str) -> bool:
        """A "no" of this source came with an order form, which says no on every order (contract 5)."""
        return bool(source) and folded(source) in self._unproven

    def is_own(self, source: str) -> bool:
        return bool(source) and folded(source) in self._own

    def is_sellable(self, warehouse: str) -> bool:
        """Every warehouse where the site lists none."""
        return not self._sellable or folded(warehouse) in self._sellable

    def tracking_url(self, carrier: str, service: str, consignment: str) -> str:
        """From the template of the carrier and its service, else of the carrier (contract 7.6)."""
        template = self._carriers.get(folded(f"{carrier}/{service}")) or self._carriers.get(folded(carrier))
        return template.replace("{consignment}", consignment) if template and consignment else ""


def _codes(listed: Sequence[str]) -> frozenset[str]:
    return frozenset(folded(code) for code in listed)


def _patterns(listed: Sequence[str]) -> re.Pattern[str]:
    """`*` and `?`, without case; an empty list matches nothing."""
    return re.compile("|".join(translate(pattern) for pattern in listed) or r"(?!)", re.IGNORECASE)
