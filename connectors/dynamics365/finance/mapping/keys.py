"""How keys are made of a legal entity and an id. Pure; raises RecordError only."""

from functools import lru_cache
from typing import NamedTuple

from connectors import fields


@lru_cache(512)
def _company(value: str) -> str:
    return fields.required(value, "dataAreaId").lower()


class Keys(NamedTuple):
    """`company|id`, the company in lower case (it is compared without case, contract 2.3); the id alone in a
    system without legal entities."""

    companies: bool = True

    def company(self, value: str) -> str:
        return _company(value) if self.companies else ""

    def of(self, company: str, *parts: str) -> str:
        return "|".join((company, *parts) if self.companies else parts)

    def split(self, key: str) -> tuple[str, str]:
        """The company and the rest, which may itself hold bars."""
        company, _, rest = key.partition("|")
        return (company, rest) if self.companies else ("", key)
