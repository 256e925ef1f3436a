"""What the console is compared with. Each runs in a process of its own: `python -m bench.peers NAME`.

`floor` is the least any program must do: the same reads and writes in a bare loop, no database. `django` is
the way a good Django developer would write this sync: page by page, one query for what is known, digests to
skip what has not changed, `bulk_create(update_conflicts=True)`, no threads, JSON by `requests`. `dlt` and `diffsync`
are in modules of their own and need an environment of their own. All end with one line of JSON on stdout.
"""

import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import requests

from bench.customers import Account

PAGE, BATCH = 10_000, 1_000
COLUMNS = (
    "dataAreaId,CustomerAccount,PartyNumber,PartyType,OrganizationName,PersonFirstName,PersonLastName,LanguageId,"
    "PrimaryContactEmail,PrimaryContactPhone,AddressStreet,AddressCity,AddressZipCode,AddressCountryRegionId,"
    "AddressCountryRegionISOCode,OnHoldStatus,LoyaltyTier,BirthDate"
).split(",")
"""The columns the console selects."""


class Systems:
    """Both systems through one `requests` session each, tokens included."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._own = environment
        self.erp, self.target = requests.Session(), requests.Session()
        for session in (self.erp, self.target):
            session.trust_env = False
        self._sign_in()
        self.reads = self.writes = 0

    def _sign_in(self) -> None:
        own = self._own
        form = {
            "client_id": own["DYNAMICS365_CLIENT_ID"],
            "client_secret": own["DYNAMICS365_CLIENT_SECRET"],
            "grant_type": "client_credentials",
            "scope": f"{own['DYNAMICS365_URL']}/.default",
        }
        erp = self.erp.post(own["DYNAMICS365_TOKEN_URL"], data=form, timeout=30).json()
        pair = (own["EMARSYS_CLIENT_ID"], own["EMARSYS_CLIENT_SECRET"])
        grant = {"grant_type": "client_credentials"}
        target = self.target.post(own["EMARSYS_TOKEN_URL"], data=grant, auth=pair, timeout=30).json()
        self.erp.headers["Authorization"] = f"Bearer {erp['access_token']}"
        self.target.headers["Authorization"] = f"Bearer {target['access_token']}"

    def page(self, after: tuple[str, str] | None) -> requests.Response:
        """10,000 customers in key order, after a key; the console's own request."""
        where = ""
        if after:
            company, account = after
            key = f"(dataAreaId gt '{company}' or (dataAreaId eq '{company}' and CustomerAccount gt '{account}'))"
            where = f"&$filter={quote(key)}"
        address = f"{self._own['DYNAMICS365_URL']}/data/CustomersV3?cross-company=true{where}"
        asked = f"{address}&$select={','.join(COLUMNS)}&$orderby=dataAreaId,CustomerAccount&$top={PAGE}"
        self.reads += 1
        reply = self.erp.get(asked, headers={"Accept": "application/json;odata.metadata=none"}, timeout=60)
        reply.raise_for_status()
        return reply

    def write(self, key: str, contacts: list[Any], encode: Callable[[Any], bytes]) -> requests.Response:
        self.writes += 1
        reply = self.target.put(
            f"{self._own['EMARSYS_URL']}/contact/?create_if_not_exists=1",
            data=encode({"key_id": key, "contacts": contacts}),
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        reply.raise_for_status()
        return reply

    def contact_ids(self, key: str, limit: int, offset: int) -> list[str]:
        """Ids of the contacts that are there, a page of them."""
        address = f"{self._own['EMARSYS_URL']}/contact/query/?return={key}&limit={limit}&offset={offset}"
        reply = self.target.get(address, timeout=60)
        reply.raise_for_status()
        return [one["id"] for one in msgspec.json.decode(reply.content)["data"].get("result") or []]

    def contacts(self, ids: list[str], fields: list[str]) -> list[dict[str, str]]:
        """These fields of these contacts."""
        reply = self.target.post(
            f"{self._own['EMARSYS_URL']}/contact/getdata",
            data=msgspec.json.encode({"keyId": "id", "keyValues": ids, "fields": fields}),
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        reply.raise_for_status()
        found: list[dict[str, str]] = msgspec.json.decode(reply.content)["data"]["result"]
        return found


class Row(msgspec.Struct):
    dataAreaId: str
    CustomerAccount: str
    PartyType: str
    OrganizationName: str
    PersonFirstName: str
    PersonLastName: str
    LanguageId: str
    PrimaryContactEmail: str
    PrimaryContactPhone: str
    AddressStreet: str
    AddressCity: str
    AddressZipCode: str
    AddressCountryRegionISOCode: str
    LoyaltyTier: str
    BirthDate: str


class Page(msgspec.Struct):
    value: list[Row]


def contact(row: Row, account: Account) -> dict[str, str]:
    person, born = row.PartyType == "Person", row.BirthDate[:10]
    return {
        account.key: row.CustomerAccount,
        "3": row.PrimaryContactEmail,
        "1": row.PersonFirstName if person else "",
        "2": row.PersonLastName if person else "",
        "18": "" if person else row.OrganizationName,
        "15": row.PrimaryContactPhone,
        "10": row.AddressStreet,
        "11": row.AddressCity,
        "13": row.AddressZipCode,
        "14": account.countries.get(row.AddressCountryRegionISOCode, ""),
        "4": "" if born == "1900-01-01" else born,
        "35": account.languages.get(row.LanguageId[:2], ""),
        account.tier: row.LoyaltyTier,
    }


def floor(systems: Systems, account: Account) -> int:
    """Reads, maps and writes; remembers nothing."""
    decode, encode = msgspec.json.Decoder(Page).decode, msgspec.json.Encoder().encode
    count, after = 0, None
    while True:
        rows = decode(systems.page(after).content).value
        for start in range(0, len(rows), BATCH):
            contacts = [contact(row, account) for row in rows[start : start + BATCH]]
            ids = msgspec.json.decode(systems.write(account.key, contacts, encode).content)["data"]["ids"]
            assert len(ids) == len(contacts)
        count += len(rows)
        if len(rows) < PAGE:
            return count
        after = (rows[-1].dataAreaId, rows[-1].CustomerAccount)


def django(systems: Systems, account: Account) -> int:
    """Page by page, with its links in a table like the console's."""
    from bench.links import Link, open_flow

    flow = open_flow()
    count = 0
    for rows in _json_pages(systems):
        keys = [f"{row['dataAreaId']}|{row['CustomerAccount']}" for row in rows]
        known = dict(Link.objects.filter(flow=flow, source_id__in=keys).values_list("source_id", "sent_digest"))
        changed = []
        for key, row in zip(keys, rows, strict=True):
            payload = contact(Row(**{name: row[name] for name in Row.__struct_fields__}), account)
            digest = uuid.UUID(bytes=hashlib.blake2b(json.dumps(payload).encode(), digest_size=16).digest())
            if known.get(key) != digest:
                changed.append((key, payload, digest))
        for start in range(0, len(changed), BATCH):
            batch = changed[start : start + BATCH]
            reply = systems.write(account.key, [payload for _, payload, _ in batch], _plain_json)
            Link.remember(flow, batch, reply.json()["data"]["ids"], account.key)
        count += len(rows)
    return count


def _json_pages(systems: Systems) -> Iterator[list[dict[str, Any]]]:
    after = None
    while True:
        rows = systems.page(after).json()["value"]
        yield rows
        if len(rows) < PAGE:
            return
        after = (rows[-1]["dataAreaId"], rows[-1]["CustomerAccount"])


def _plain_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def peer(name: str) -> Callable[[Systems, Account], int]:
    """The peer's sync. Imports and tables are made here: they are no part of the time."""
    if name == "django":
        from bench.links import prepare

        prepare()
        return django
    if name == "dlt":
        from bench import dlt_peer

        return dlt_peer.sync
    if name == "diffsync":
        from bench import diffsync_peer

        return diffsync_peer.sync
    return floor


def main() -> int:
    account = Account(**json.loads(os.environ["BENCH_ACCOUNT"]))
    sync = peer(sys.argv[1])
    began = time.time()
    systems = Systems(os.environ)
    count = sync(systems, account)
    ended = time.time()
    told = {"began": began, "ended": ended, "read": count, "reads": systems.reads, "writes": systems.writes}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
