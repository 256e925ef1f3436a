"""`bench/inbox`: a backlog of webhook messages drained by one worker process and by several, each on a database of its
own; every message is checked at the end. The messages are put there as the hook keeps them, before the clock starts.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import psycopg

from bench.database import Server, manage
from bench.emulated import ROOT

PRELUDE = """
import django; django.setup()
import json, sys
from sync import inbox
from sync.models import Flow, InboxEvent
"""
FILL = (
    PRELUDE
    + """
number, records = int(sys.argv[1]), int(sys.argv[2])
Flow.objects.create(name="dynamics365.sale", source="dynamics365", stream="sale", target="emarsys", entity="sale")
said = {"BusinessEventId": "SalesInvoicePostedBusinessEvent", "BusinessEventLegalEntity": "USMF",
        "EventId": "e", "ControlNumber": 0, "InvoiceId": "CIV-0"}
kept = inbox.row("dynamics365", json.dumps(said).encode(), {})
def one(n):
    return InboxEvent(connection=kept.connection, kind=kept.kind, body=kept.body, received_at=kept.received_at,
                      event_id=f"e{n}", order=n, keys={"sale": [f"usmf|CIV-{n % records}"]})
for start in range(0, number, 5000):
    InboxEvent.objects.bulk_create([one(n) for n in range(start, min(start + 5000, number))])
"""
)
DRAIN = PRELUDE + "print(inbox.drain())"
WRONG = """
SELECT count(*) FILTER (WHERE state <> 'done'),
       count(*) FILTER (WHERE handled_at < newest) FROM (
  SELECT state, handled_at, max(handled_at) OVER (PARTITION BY keys::text ORDER BY id) AS newest FROM sync_inboxevent
) AS messages
"""


def _python(script: str, environment: Mapping[str, str], *words: str) -> "subprocess.Popen[str]":
    whole = {**os.environ, "DJANGO_SETTINGS_MODULE": "integration_console.settings", **environment}
    command = [sys.executable, "-c", script, *words]
    return subprocess.Popen(command, cwd=ROOT, env=whole, stdout=subprocess.PIPE, text=True)


def _done(processes: Sequence["subprocess.Popen[str]"]) -> list[str]:
    told = [process.communicate()[0].strip() for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError("a worker failed")
    return told


def _drained(server: Server, template: str, workers: int, environment: Mapping[str, str], records: int) -> str:
    name = f"{template}_{workers}"
    with server.database(name, template) as url:
        begun = time.monotonic()
        told = _done([_python(DRAIN, {**environment, "DATABASE_URL": url}) for _ in range(workers)])
        seconds = time.monotonic() - begun
        left = _done([_python(DRAIN, {**environment, "DATABASE_URL": url})])  # one that left early may have left some
        with psycopg.connect(url) as database:
            [(open_, overtaken)] = database.execute(WRONG).fetchall()
            [(pending,)] = database.execute("SELECT count(*) FROM sync_pendingkey").fetchall()
    if (open_, overtaken, pending) != (0, 0, records):
        raise RuntimeError(f"{open_} not done, {overtaken} overtaken, {pending} of {records} records asked for")
    number = sum(map(int, told))
    return json.dumps({
        "workers": workers, "messages": number, "left": int(left[0]), "seconds": round(seconds, 1),
        "a_second": round(number / seconds), "not_done": open_, "overtaken": overtaken, "records_asked_for": pending,
    })  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=20_000, help="records that the messages are about")
    given = parser.parse_args()
    server = Server(os.environ["DATABASE_URL"])
    print(json.dumps(server.settings()), flush=True)
    # Nobody is rung: the broker is none of what is measured.
    environment = {"CONNECTIONS": "dynamics365,emarsys", "CELERY_BROKER_URL": "memory://"}
    template = f"bench_inbox_{os.getpid()}"
    with server.database(template) as url:
        manage(["migrate", "--verbosity", "0"], {**environment, "DATABASE_URL": url})
        filled = {**environment, "DATABASE_URL": url}
        _done([_python(FILL, filled, str(given.messages), str(given.records))])
        for workers in (1, 2):
            print(_drained(server, template, workers, environment, given.records), flush=True)


if __name__ == "__main__":
    main()
