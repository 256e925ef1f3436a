"""The segments a retailer's marketing has: most read fields the ERP owns, one reads opt-in, one behaviour."""

from typing import Any

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.countries import ISO_TO_CHOICE


def _where(name: str, operator: str, value: Any = None) -> dict[str, Any]:
    criterion = {"type": "criteria", "field": name, "operator": operator}
    return criterion if value is None else {**criterion, "value": value}


def _both(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": "and", "children": list(children)}


def _either(*children: dict[str, Any]) -> dict[str, Any]:
    return {"type": "or", "children": list(children)}


_GB, _DE = ISO_TO_CHOICE["GB"], ISO_TO_CHOICE["DE"]

_SEGMENTS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "UK gold and platinum customers",
        "Invited to the summer preview",
        _both(
            _where("country", "equals", _GB),
            _either(_where("loyaltyTier", "equals", "gold"), _where("loyaltyTier", "equals", "platinum")),
        ),
    ),
    (
        "Germany, all customers",
        "Shipping notices in German",
        _both(_where("country", "equals", _DE), _where("email", "not_empty")),
    ),
    ("Customers with a birthday on file", "Birthday voucher", _both(_where("birth_date", "not_empty"))),
    (
        "Customers abroad",
        "Everybody outside the United Kingdom whose country is known",
        _both(_where("country", "not_equals", _GB), _where("country", "not_empty")),
    ),
    ("Without a loyalty tier", "To be invited to the programme", _both(_where("loyaltyTier", "is_empty"))),
    (
        "Newsletter Germany",
        "Opted in; reads the opt-in, which is not the ERP's alone",
        _both(_where("country", "equals", _DE), _where("optin", "equals", "true")),
    ),
]
_BEHAVIOUR = {"name": "Visited the shop in the last 30 days", "criteriaTypes": ["behavior"], "share": 35}


def create_segments(account: Account) -> None:
    """The same handful in every account."""
    for name, description, criteria in _SEGMENTS:
        account.segments.create({"name": name, "description": description, "contactCriteria": criteria})
    account.segments.create(_BEHAVIOUR)


_EVENTS = ("order_confirmed", "order_dispatched", "order_cancelled", "return_received", "password_reset")


def onboard(account: Account) -> None:
    """What an account has from its first day: segments, external events with a program each, two campaigns."""
    create_segments(account)
    now = account.now()
    for name in _EVENTS:
        account.events.create(name, now, is_attached=True)
    for name in ("Welcome", "Spring newsletter"):
        account.mail.create_campaign(name, now)
