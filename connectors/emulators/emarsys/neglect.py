"""A neglected contact base: what years without care leave behind (the list `start`).

Most customers are there; some only under their e-mail, some not at all, some with old names. A customer carries
at most one planted difference.
"""

from collections.abc import Callable, Iterable

from connectors.emulators.dataset import Customer
from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.changes import IMPORT
from connectors.emulators.emarsys.contacts import Contact
from connectors.emulators.emarsys.planting import Planter
from connectors.emulators.emarsys.profile import as_contact, unmistakable

# Shares of all customers; the rest, about 60 in 100, are right.
_SHARES = {
    "missing": 0.03,
    "stale": 0.06,
    "duplicate_email": 0.01,
    "ambiguous_email": 0.005,
    "opted_out": 0.02,
    "unknown_opt_in": 0.015,
    "orphan": 0.02,
    "orphan_email": 0.01,
    "adopt": 0.25,
}
_ORPHANS = ("orphan", "orphan_email")
_NAMES = ("Mara", "Jonas", "Elin", "Tariq", "Ines", "Piotr", "Noor", "Hugo", "Lena", "Owen")

Plant = Callable[[Planter, Contact, int], list[Contact] | None]


def begin(account: Account, customers: Iterable[Customer], seed: int, *, is_neglected: bool) -> dict[str, int]:
    """Fills an empty account, when it is to be a neglected one; how many differences there are of each kind."""
    planter = Planter(account, "start", seed)
    people = {one.customer_id: one for one in customers}
    planter.learn(people.values())
    return _neglect(planter, people.values()) if is_neglected else {}


def _neglect(planter: Planter, customers: Iterable[Customer]) -> dict[str, int]:
    contacts = _right(planter, customers)
    planter.look_at(contacts)
    candidates = [one for one in unmistakable(contacts) if planter.may_touch(one[planter.external])]
    changed = _plant_all(planter, candidates)
    written: list[Contact] = []
    for contact in contacts:
        written += changed.get(contact["id"], [contact])
    written += _orphans(planter, len(contacts))
    planter.account.contacts.save(written)
    planter.account.changes.note(planter.account.now(), IMPORT, created=(one["id"] for one in written))
    return planter.save()


def _right(planter: Planter, customers: Iterable[Customer]) -> list[Contact]:
    """A contact for each customer, with every field as the ERP has it."""
    tier, new_id = planter.by_string["loyaltyTier"], planter.account.contacts.new_id
    return [{"id": new_id(), **as_contact(one, planter.external, tier)} for one in customers]


def _plant_all(planter: Planter, candidates: list[Contact]) -> dict[str, list[Contact]]:
    """What becomes of each contact that is touched, by its id: no, one or two contacts."""
    planter.rng.shuffle(candidates)
    quotas = [(kind, quota) for kind, quota in planter.quotas(len(candidates), _SHARES) if kind in _PLANTS]
    changed: dict[str, list[Contact]] = {}
    for kind, quota in quotas:
        outcomes = planter.spread(quota, candidates, _PLANTS[kind])
        changed |= {contact["id"]: result for contact, result in outcomes}
    return changed


def _missing(planter: Planter, contact: Contact, turn: int) -> list[Contact] | None:
    planter.note("missing", contact, contact_id=None)
    return []


def _stale(planter: Planter, contact: Contact, turn: int) -> list[Contact] | None:
    changed = planter.make_stale(contact, turn)
    if changed is None:
        return None
    after, number = changed
    planter.note("stale", after, number, erp=contact[number], emarsys=after[number])
    return [after]


def _adopt(planter: Planter, contact: Contact, turn: int) -> list[Contact] | None:
    """Signed up by a form: the e-mail is right, the customer number is missing."""
    if "3" not in contact:
        return None
    planter.note("adopt", contact, planter.external, erp=contact[planter.external])
    return [_without(contact, planter.external)]


def _duplicate_email(planter: Planter, contact: Contact, turn: int) -> list[Contact] | None:
    """A form made a second contact with the address of one that has its customer number."""
    if "3" not in contact:
        return None
    second = _second(planter, contact)
    planter.note("duplicate_email", contact, "3", emarsys=contact["3"], other_contact_id=second["id"])
    return [contact, second]


def _ambiguous_email(planter: Planter, contact: Contact, turn: int) -> list[Contact] | None:
    """Two contacts share the address and neither has the customer number: nobody can tell which to adopt."""
    if "3" not in contact:
        return None
    second = _second(planter, contact)
    planter.note("ambiguous_email", contact, "3", emarsys=contact["3"], other_contact_id=second["id"])
    return [_without(contact, planter.external), second]


def _second(planter: Planter, contact: Contact) -> Contact:
    kept: Contact = {number: contact[number] for number in ("1", "3", "14") if number in contact}
    return {"id": planter.account.contacts.new_id(), **kept}


def _opted_out(planter: Planter, contact: Contact, turn: int) -> list[Contact] | None:
    """Unsubscribed by a link in a mail; the ERP has not heard of it."""
    if contact.get("31") == "2" or "3" not in contact:
        return None
    planter.note("opted_out", contact, "31", erp=contact.get("31"), emarsys="2")
    return [{**contact, "31": "2"}]


def _unknown_opt_in(planter: Planter, contact: Contact, turn: int) -> list[Contact] | None:
    if "31" not in contact:
        return None
    planter.note("unknown_opt_in", contact, "31", erp=contact["31"])
    return [_without(contact, "31")]


def _without(contact: Contact, number: str) -> Contact:
    return {name: value for name, value in contact.items() if name != number}


def _orphans(planter: Planter, total: int) -> list[Contact]:
    """Contacts of no customer: some with a customer number the ERP has not, some with an e-mail only."""
    quotas = dict(planter.quotas(total, _SHARES))
    return [orphan(planter, kind) for kind in _ORPHANS for _ in range(quotas[kind])]


def orphan(planter: Planter, kind: str) -> Contact:
    """A new contact that belongs to no customer, written down."""
    name = planter.rng.choice(_NAMES)
    contact = {"id": planter.account.contacts.new_id(), "1": name, "3": planter.new_address(name.lower())}
    if kind == "orphan":
        contact[planter.external] = planter.new_customer_id()
    planter.note(kind, contact)
    return contact


_PLANTS: dict[str, Plant] = {
    "missing": _missing,
    "stale": _stale,
    "adopt": _adopt,
    "duplicate_email": _duplicate_email,
    "ambiguous_email": _ambiguous_email,
    "opted_out": _opted_out,
    "unknown_opt_in": _unknown_opt_in,
}
