"""Customers of sales data: those Emarsys does not know become generated contacts (contract 6.2, 3.8)."""

from collections.abc import Iterable

from connectors.emulators.emarsys.contacts import Contacts
from connectors.emulators.emarsys.fields import Fields
from connectors.emulators.store import Collection


class Buyers:
    """`generated` holds one record for each; it goes at the next load after a real contact got the identifier."""

    def __init__(self, generated: Collection, contacts: Contacts, fields: Fields) -> None:
        self.generated = generated
        self._contacts = contacts
        self._fields = fields
        self._looked_at = -1

    def meet(self, column: str, values: Iterable[str], upload_id: str) -> int:
        """How many contacts were generated for one load; `column` is `customer` or `email`."""
        self._forget_real_ones()
        unknown = {one for one in values if one and one not in self.generated and not self._is_known(column, one)}
        self.generated.put_many({one: {"id": one, "by": column, "upload": upload_id} for one in sorted(unknown)})
        return len(unknown)

    def _is_known(self, column: str, value: str) -> bool:
        key = self._fields.by_string.get("externalId", "") if column == "customer" else "3"
        return bool(self._contacts.find(key, value))

    def _forget_real_ones(self) -> None:
        if self._looked_at == self._contacts.version or not len(self.generated):
            self._looked_at = self._contacts.version
            return
        self._looked_at = self._contacts.version
        self.generated.delete_many([key for key, one in self.generated.items() if self._is_known(one["by"], key)])
