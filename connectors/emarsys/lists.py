"""Contact lists: made, filled, counted, read and deleted (contract 3.9)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from connectors.emarsys import replies
from connectors.errors import UnexpectedReplyError
from connectors.http import Http

KEYS_A_CALL = 10_000
MEMBERS_A_CALL = 10_000


class ContactList(NamedTuple):
    id: str
    name: str
    created: str = ""


class Filled(NamedTuple):
    """How many contacts a call changed, and who was refused: key value → reply code."""

    id: str
    changed: int
    refused: Mapping[str, str]


class Lists:
    """`key` is the field that contacts are addressed by."""

    def __init__(self, http: Http, key: str) -> None:
        self._http, self._key = http, key

    def all(self) -> list[ContactList]:
        found = replies.data(self._http, "GET", "contactlist")
        with replies.understood(self._http.system, "GET contactlist"):
            return [
                ContactList(str(one["id"]), str(one.get("name", "")), str(one.get("created") or ""))
                for one in found or []
            ]

    def create(self, name: str, keys: Sequence[str] = (), description: str = "") -> Filled:
        """A new list. Raises ConfigurationError where the name exists (3005)."""
        first, rest = list(keys[:KEYS_A_CALL]), keys[KEYS_A_CALL:]
        body: dict[str, object] = {"name": name, "description": description}
        if first:
            body |= {"key_id": self._key, "external_ids": first}
        found = replies.data(self._http, "POST", "contactlist", body)
        with replies.understood(self._http.system, "POST contactlist"):
            number, refused = str(int(found["id"])), _refused(found)
        begun = Filled(number, len(first) - len(refused), refused)
        return _sum(begun, self.add(number, rest)) if rest else begun

    def add(self, number: str, keys: Sequence[str]) -> Filled:
        return self._in_parts(number, "add", "inserted_contacts", keys)

    def remove(self, number: str, keys: Sequence[str]) -> Filled:
        """Takes them off the list; the contacts stay."""
        return self._in_parts(number, "delete", "deleted_contacts", keys)

    def replace(self, number: str, keys: Sequence[str]) -> Filled:
        """These and nobody else. More than one call can take are added after the first part has replaced all."""
        replaced = self._change(number, "replace", "inserted_contacts", keys[:KEYS_A_CALL])
        return _sum(replaced, self.add(number, keys[KEYS_A_CALL:])) if len(keys) > KEYS_A_CALL else replaced

    def rename(self, number: str, name: str) -> None:
        replies.data(self._http, "POST", f"contactlist/{_id(number)}/rename", {"name": name})

    def delete(self, number: str) -> None:
        """The list only; its contacts stay. Raises ConfigurationError while a combined segment uses it (3008)."""
        replies.data(self._http, "POST", f"contactlist/{_id(number)}/deletelist")

    def count(self, number: str) -> int:
        found = replies.data(self._http, "GET", f"contactlist/{_id(number)}/count")
        with replies.understood(self._http.system, "GET contactlist/count"):
            return int(found)

    def members(self, number: str) -> Iterator[Sequence[str]]:
        """The internal ids of a list's contacts, page by page. These pages have no envelope."""
        skip: str | None = "0"
        seen: set[str] = set()
        while skip is not None:
            path = f"contactlist/{_id(number)}/contactIds?$skiptoken={skip}&$top={MEMBERS_A_CALL}"
            reply = replies.call(self._http, "GET", path, None)
            if reply.status >= 300:
                replies.accepted(reply)
            found: Any = reply.json()
            with replies.understood(self._http.system, "GET contactlist/contactIds"):
                ids, following = [str(one) for one in found["value"]], _token(found.get("next"))
            if ids:
                yield ids
            seen.add(skip)
            if following in seen:
                raise UnexpectedReplyError(
                    f"{self._http.system} pages in a circle through contact list {number}.",
                    system=self._http.system,
                    request="GET contactlist/contactIds",
                )
            skip = following

    def _in_parts(self, number: str, verb: str, counted: str, keys: Sequence[str]) -> Filled:
        total = Filled(number, 0, {})
        for start in range(0, len(keys), KEYS_A_CALL):
            total = _sum(total, self._change(number, verb, counted, keys[start : start + KEYS_A_CALL]))
        return total

    def _change(self, number: str, verb: str, counted: str, keys: Sequence[str]) -> Filled:
        body = {"key_id": self._key, "external_ids": list(keys)}
        found = replies.data(self._http, "POST", f"contactlist/{_id(number)}/{verb}", body)
        with replies.understood(self._http.system, f"POST contactlist/{verb}"):
            return Filled(number, int(found.get(counted) or 0), _refused(found))


def _id(number: str) -> str:
    """A list's id is a number; anything else in a path would be another call (code 1, contract 3.9)."""
    if not number.isdigit():
        raise UnexpectedReplyError(f"{number!r} is no id of a contact list.", remedy="Choose a list from Emarsys'.")
    return number


def _refused(found: Any) -> Mapping[str, str]:
    return {value: replies.row_error(error)[0] for value, error in replies.row_errors(found).items()}


def _sum(left: Filled, right: Filled) -> Filled:
    return Filled(left.id, left.changed + right.changed, {**left.refused, **right.refused})


def _token(following: object) -> str | None:
    """Only the token of `next` is used: its path leaves out the API's base."""
    if not following:
        return None
    found = parse_qs(urlsplit(str(following)).query).get("$skiptoken")
    if not found:
        raise ValueError(f"no $skiptoken in {str(following)[:80]!r}")
    return found[0]
