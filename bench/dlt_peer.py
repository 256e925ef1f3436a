"""The customers' sync as an ETL framework does it: `dlt` with a custom destination, its state in PostgreSQL.

Each of dlt's stages does what it is there for: extract reads page after page and maps, normalize checks every row
against the schema, load hands batches of 1,000 to the destination, three files at once. dlt's own merge needs a
database as its destination, so the destination does what merge means there: rows come with their primary key and a
digest, one query a batch tells which are known and the same, and what was accepted is upserted with its contact id in
one statement. It keeps no intents, exceptions, evidence or resume point.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Any

os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "10000",
    "DATA_WRITER__FILE_MAX_ITEMS": "10000",  # a file is a load job: with one file there would be one sender
}

import dlt
import msgspec
import orjson
import psycopg

from bench.customers import Account
from bench.peers import BATCH, PAGE, Page, Row, Systems, contact

SENDERS = 3
"""Load jobs at once; as many as the console sends at once."""
TABLE = """CREATE TABLE IF NOT EXISTS peer_state (
    key text PRIMARY KEY, digest bytea NOT NULL, contact text NOT NULL, synced_at timestamptz NOT NULL)"""
KNOWN = "SELECT key, digest FROM peer_state WHERE key = ANY(%s)"
REMEMBER = """INSERT INTO peer_state SELECT key, digest, contact, now()
    FROM unnest(%s::text[], %s::bytea[], %s::text[]) AS one (key, digest, contact)
    ON CONFLICT (key) DO UPDATE
    SET digest = excluded.digest, contact = excluded.contact, synced_at = excluded.synced_at"""


class State(threading.local):
    """One connection to PostgreSQL for each thread that loads."""

    def __init__(self) -> None:
        self.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)


def sync(systems: Systems, account: Account) -> int:
    """The number of rows read."""
    state = State()
    state.connection.execute(TABLE)
    count = 0

    def customers() -> Iterator[list[dict[str, str]]]:
        nonlocal count
        decode, after = msgspec.json.Decoder(Page).decode, None
        while True:
            rows = decode(systems.page(after).content).value
            count += len(rows)
            yield [_item(row, account) for row in rows]
            if len(rows) < PAGE:
                return
            after = (rows[-1].dataAreaId, rows[-1].CustomerAccount)

    def emarsys(items: Sequence[dict[str, Any]], table: Any) -> None:
        keys = [item.pop("key") for item in items]
        digests = [bytes.fromhex(item.pop("digest")) for item in items]
        known: dict[str, bytes] = dict(state.connection.execute(KNOWN, [keys]).fetchall())
        changed = [number for number, key in enumerate(keys) if known.get(key) != digests[number]]
        if changed:
            reply = systems.write(account.key, [items[number] for number in changed], orjson.dumps)
            ids = orjson.loads(reply.content)["data"]["ids"]
            accepted = [[keys[number] for number in changed], [digests[number] for number in changed], ids]
            state.connection.execute(REMEMBER, accepted)

    with tempfile.TemporaryDirectory(prefix="bench-dlt-") as folder:
        resource = dlt.resource(customers, name="customers", primary_key="key", write_disposition="merge")
        target = dlt.destination(emarsys, batch_size=BATCH, name="emarsys", max_parallel_load_jobs=SENDERS)
        pipeline = dlt.pipeline("bench", destination=target, dataset_name="bench", pipelines_dir=folder)
        pipeline.run(resource).raise_on_failed_jobs()
    return count


def _item(row: Row, account: Account) -> dict[str, str]:
    fields = contact(row, account)
    digest = hashlib.blake2b(orjson.dumps(fields), digest_size=16).hexdigest()
    return {"key": f"{row.dataAreaId}|{row.CustomerAccount}", "digest": digest, **fields}
