"""Every record verified: what the emulated Emarsys holds, field by field, against what the dataset demands."""

from collections.abc import Iterable, Mapping
from typing import Any

from bench.customers import Account, contact


class WrongError(Exception):
    """A run left something else than it had to; no figure of it counts."""


def contacts(found: Iterable[Mapping[str, Any]], people: Iterable[Mapping[str, str]], account: Account) -> int:
    """The number of contacts, all of them right. WrongError names the first that is missing, wrong or too many."""
    by_key: dict[str, Mapping[str, Any]] = {}
    for one in found:
        if by_key.setdefault(str(one.get(account.key)), one) is not one:
            raise WrongError(f"two contacts of {one.get(account.key)}")
    count = 0
    for person in people:
        count += 1
        held = by_key.pop(person["customer_id"], None)
        if held is None:
            raise WrongError(f"no contact of {person['customer_id']}")
        shown = {field: value for field, value in held.items() if field != "id"}
        wanted = contact(person, account)
        if shown != wanted:
            differing = sorted(field for field in shown.keys() | wanted.keys() if shown.get(field) != wanted.get(field))
            raise WrongError(f"{person['customer_id']} differs in the fields {', '.join(differing)}")
    if by_key:
        raise WrongError(f"{len(by_key)} contacts too many, such as {next(iter(by_key))}")
    return count


def writes(requests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The write requests for contacts among all requests."""
    return [
        one
        for one in requests
        if one["system"] == "emarsys"
        and one["method"] in ("PUT", "POST")
        and one["path"].split("?")[0].endswith("contact/")
    ]
