"""A colleague imported last month's CSV: contacts that were right are wrong again (the list `import`).

Only contacts that nothing else is wrong with are touched, and opt-in (31) never; a contact that opted out is not
deleted, because its opt-out would go with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.changes import IMPORT
from connectors.emulators.emarsys.contacts import Contact
from connectors.emulators.emarsys.neglect import orphan
from connectors.emulators.emarsys.planting import Planter
from connectors.emulators.emarsys.profile import unmistakable

_SHARES = {
    "stale": 0.03,
    "missing": 0.01,
    "external_id_blanked": 0.01,
    "email_changed": 0.01,
    "duplicate_email": 0.005,
    "duplicate_external_id": 0.005,
    "orphan": 0.005,
}


@dataclass(frozen=True)
class Outcome:
    """What becomes of a contact: its new form, a second contact beside it, or its end."""

    changed: Contact | None = None
    second: Contact | None = None
    is_gone: bool = False


def import_old_file(account: Account, seed: int) -> dict[str, int]:
    """Changes contacts as they are now; how many differences there are of each kind."""
    planter = Planter(account, "import", seed)
    present = list(account.contacts.records.values())
    planter.look_at(present)
    candidates = list(_candidates(planter, present))
    planter.rng.shuffle(candidates)
    quotas = dict(planter.quotas(len(candidates), _SHARES))
    outcomes = [one for kind, plant in _PLANTS.items() for one in planter.spread(quotas[kind], candidates, plant)]
    written = [one for _, outcome in outcomes for one in (outcome.changed, outcome.second) if one is not None]
    written += [orphan(planter, "orphan") for _ in range(quotas["orphan"])]
    gone = [contact["id"] for contact, outcome in outcomes if outcome.is_gone]
    account.contacts.delete(gone)
    account.lists.forget(gone)
    account.contacts.save(written)
    account.changes.note(account.now(), IMPORT, changed=(one["id"] for one in written))
    return planter.save()


def _candidates(planter: Planter, present: list[Contact]) -> Iterator[Contact]:
    """Contacts with a customer number and an e-mail, each their own, that carry nothing of an earlier list."""
    old = [one for one in planter.account.collection("planted").values() if one["kind"] != "adopt"]
    ids = {one.get(name) for one in old for name in ("contact_id", "other_contact_id")}
    numbers = {one["external_id"] for one in old}
    find = planter.account.contacts.find
    for contact in unmistakable(present):
        number = contact.get(planter.external)
        if not number or "3" not in contact or contact["id"] in ids or number in numbers:
            continue
        if planter.may_touch(number) and len(find(planter.external, number)) == 1:
            yield contact


def _missing(planter: Planter, contact: Contact, turn: int) -> Outcome | None:
    if contact.get("31") == "2":
        return None
    planter.note("missing", contact)
    return Outcome(is_gone=True)


def _stale(planter: Planter, contact: Contact, turn: int) -> Outcome | None:
    changed = planter.make_stale(contact, turn)
    if changed is None:
        return None
    after, number = changed
    planter.note("stale", after, number, erp=contact[number], emarsys=after[number])
    return Outcome(after)


def _blank_external_id(planter: Planter, contact: Contact, turn: int) -> Outcome | None:
    planter.note("external_id_blanked", contact, planter.external, erp=contact[planter.external])
    return Outcome({number: value for number, value in contact.items() if number != planter.external})


def _change_email(planter: Planter, contact: Contact, turn: int) -> Outcome | None:
    after = {**contact, "3": planter.new_address("former")}
    planter.note("email_changed", after, "3", erp=contact["3"], emarsys=after["3"])
    return Outcome(after)


def _second_email(planter: Planter, contact: Contact, turn: int) -> Outcome | None:
    second = {"id": planter.account.contacts.new_id(), "3": contact["3"]}
    planter.note("duplicate_email", contact, "3", emarsys=contact["3"], other_contact_id=second["id"])
    return Outcome(second=second)


def _second_external_id(planter: Planter, contact: Contact, turn: int) -> Outcome | None:
    number = contact[planter.external]
    second = {"id": planter.account.contacts.new_id(), "3": planter.new_address("former"), planter.external: number}
    planter.note("duplicate_external_id", contact, planter.external, emarsys=number, other_contact_id=second["id"])
    return Outcome(second=second)


_PLANTS: dict[str, Callable[[Planter, Contact, int], Outcome | None]] = {
    "stale": _stale,
    "missing": _missing,
    "external_id_blanked": _blank_external_id,
    "email_changed": _change_email,
    "duplicate_email": _second_email,
    "duplicate_external_id": _second_external_id,
}
