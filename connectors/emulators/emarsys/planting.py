"""Writing down what was planted: a list of differences that only the emulator knows.

They stand in the collection `planted`, which no client of Emarsys can read: id, list, kind, external id, contact
id, field, and the value on either side.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, TypeVar

from connectors.emulators.dataset import Customer
from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.contacts import Contact

Outcome = TypeVar("Outcome")

_MOST_TOUCHED = 0.6  # of all contacts, where there are few
_FEWEST = 3
_STALE_FIELDS = ("first_name", "last_name", "city", "loyaltyTier")


class Planter:
    """One list of differences in the making, drawn from one seed."""

    def __init__(self, account: Account, name: str, seed: int) -> None:
        self.account = account
        self.name = name
        self.rng = Random(f"{seed}:{name}")
        self.by_string = account.fields.by_string
        self.external = self.by_string["externalId"]
        self.customers = account.collection("customers")
        self.records: list[dict[str, Any]] = []
        self._values: dict[str, list[str]] = {}
        self._taken: set[str] = set()
        self._known: set[str] = set()
        self._patterns: list[str] = []

    def learn(self, customers: Iterable[Customer]) -> None:
        """Keeps who is a customer of the ERP, and whether still one: neither archived nor merged into another."""
        current = {one.customer_id: one.status.lower() != "archived" and not one.merged_into for one in customers}
        self.customers.put_many({number: {"current": is_current} for number, is_current in current.items()})

    def may_touch(self, number: str) -> bool:
        """Whether a difference in this customer's contact is one that the ERP's side can show."""
        return not len(self.customers) or bool((self.customers.get(number) or {}).get("current"))

    def look_at(self, contacts: list[Contact]) -> None:
        """Learns which values, addresses and customer numbers there are."""
        for name in _STALE_FIELDS:
            number = self.by_string[name]
            self._values[number] = sorted({contact[number] for contact in contacts if contact.get(number)})
        self._taken = {contact["3"] for contact in contacts if contact.get("3")}
        numbers = {contact[self.external] for contact in contacts if contact.get(self.external)}
        self._known = numbers | set(self.customers)
        self._patterns = sorted(self._known)

    def quotas(self, total: int, shares: dict[str, float]) -> list[tuple[str, int]]:
        """How many of each kind: its share of all, at least three where there are enough contacts."""
        least = min(_FEWEST, int(total * _MOST_TOUCHED) // len(shares))
        return [(kind, max(round(total * share), least)) for kind, share in shares.items()]

    def note(self, kind: str, contact: Contact, number: str | None = None, **more: Any) -> None:
        """Writes one difference down; `number` is the field it is in, `more` the values on both sides."""
        field = self.account.fields.records.get(number) if number else None
        record = {
            "id": f"{self.name}-{len(self.records) + 1:05d}",
            "list": self.name,
            "kind": kind,
            "external_id": contact.get(self.external),
            "contact_id": contact.get("id"),
            "email": contact.get("3"),
            "field": field["string_id"] if field else None,
            "field_id": number,
            "erp": None,
            "emarsys": None,
        }
        self.records.append({**record, **more})

    def spread(
        self, quota: int, pool: list[Contact], plant: "Callable[[Planter, Contact, int], Outcome | None]"
    ) -> list[tuple[Contact, Outcome]]:
        """Plants one kind in as many contacts of the pool as are wanted, and takes those out of the pool.

        `plant` is told how many it has done; it says None where a contact cannot carry that kind.
        """
        done: list[tuple[Contact, Outcome]] = []
        rest: list[Contact] = []
        for contact in pool:
            outcome = plant(self, contact, len(done)) if len(done) < quota else None
            if outcome is None:
                rest.append(contact)
            else:
                done.append((contact, outcome))
        pool[:] = rest
        return done

    def save(self) -> dict[str, int]:
        """Replaces the list of this name; how many there are of each kind."""
        planted = self.account.collection("planted")
        planted.delete_many([key for key, one in planted.items() if one["list"] == self.name])
        planted.put_many({one["id"]: one for one in self.records})
        return dict(Counter(one["kind"] for one in self.records))

    def new_address(self, prefix: str) -> str:
        """An address nobody has, in a reserved domain."""
        while True:
            address = f"{prefix}.{self.rng.randrange(1000, 10_000_000)}@example.org"
            if address not in self._taken:
                self._taken.add(address)
                return address

    def new_customer_id(self) -> str:
        """A customer number like the others, that is none of them."""
        pattern = self.rng.choice(self._patterns) if self._patterns else "10000"
        while True:
            candidate = "".join(str(self.rng.randrange(1, 10)) if one.isdecimal() else one for one in pattern)
            candidate = candidate if any(one.isdecimal() for one in pattern) else f"OLD-{candidate}"
            if candidate not in self._known:
                self._known.add(candidate)
                return candidate
            pattern += "0"

    def make_stale(self, contact: Contact, turn: int) -> tuple[Contact, str] | None:
        """The contact with another value in one field, and which; None when it has none of those fields."""
        numbers = [self.by_string[name] for name in _STALE_FIELDS]
        usable = [number for number in numbers if contact.get(number) and len(self._values[number]) > 1]
        if not usable:
            return None
        number = usable[turn % len(usable)]
        other = self.rng.choice([value for value in self._values[number] if value != contact[number]])
        return {**contact, number: other}, number
