"""`bench/kills`: a worker killed again and again in a load of customers and of sales, while the ERP changes.

At each named moment once and at so many random ones; then until everything is quiet. ERP, console and Emarsys are
compared record by record, and with the systems' own request log. The first difference ends it with status 1.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench import report, sale
from bench.database import manage
from bench.proof import WrongError
from bench.stage import NoServerError, Stage, stage

SMALL = {
    "DYNAMICS365_PAGE_SIZE": "500",
    "EMARSYS_CONTACT_BATCH": "250",
    "EMARSYS_SALES_BATCH": "250",
    "EMARSYS_CALLS_PER_MINUTE": "1000000",
    "CELERY_BROKER_URL": "memory://",
}
"""So small that a load has hundreds of commits to die between; the budget is none, it is not what is asked here."""
EDITS = 5


def haunted(ready: Stage, options: argparse.Namespace, own: Mapping[str, str]) -> None:
    """Customers, then sales. Django is started here: it must know the database first."""
    os.environ.update(own, DJANGO_SETTINGS_MODULE="integration_console.settings")
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import connections

    from bench import killing
    from bench.lives import worker
    from sync import flows
    from sync.models import Flow

    flows.ensure()
    person = get_user_model().objects.create_user("night-shift")
    said = Path(own["STATE_DIR"]).parent / "lives.log"
    rng = random.Random(options.seed)
    with worker({**os.environ}, said) as lives:
        ready.emulated.forget_requests()
        for name, edits, check in (
            ("dynamics365.customer", _customers(ready, rng, options.records), killing.check_customers),
            (sale.FLOW, _lines(ready, rng, options.records), killing.check_sales),
        ):
            flow, began = Flow.objects.get(name=name), time.monotonic()
            company = killing.Company(flow, lives, edits[0], edits[1], rng)
            toll = killing.haunt(company, options.kills, options.longest)
            killing.rest(company, toll)
            if name == sale.FLOW:
                toll.unknown = killing.check_before_settling(ready.emulated.call, flow)
                killing.settle(ready.emulated.call, flow, person)
                killing.rest(company, toll)
            killing.check_runs(company, toll)
            count = check(ready.emulated.call, flow)
            uploads, records = killing.check_requests(ready.emulated.requests(), flow)
            ready.emulated.forget_requests()
            where = ", ".join(f"{point} {times}" for point, times in toll.at.items())
            print(
                f"{name}: {toll.kills} kills in {len(toll.runs)} runs, {time.monotonic() - began:.0f} s ({where})\n"
                f"  {uploads:,} requests with {records:,} records in Emarsys' log; {toll.unknown:,} of unknown outcome "
                f"put before a person\n  {count:,} records compared in ERP, console and Emarsys: none lost, none twice",
                flush=True,
            )
            if toll.missed:
                print(f"  never came to: {', '.join(toll.missed)}", flush=True)
    connections.close_all()


Edits = tuple[Callable[[], None], Callable[[], list[str]]]


def _customers(ready: Stage, rng: random.Random, count: int) -> Edits:
    """Some of the customers move house; the people that invoices need are the first of them."""

    def edit() -> None:
        for _ in range(EDITS):
            key = f"usmf|C-{rng.randrange(count):07d}"
            ready.emulated.patch_customer(key, {"AddressCity": f"Town {rng.randrange(10**6)}"})

    return edit, lambda: [f"usmf|C-{rng.randrange(count):07d}" for _ in range(3)]


def _lines(ready: Stage, rng: random.Random, count: int) -> Edits:
    """Amounts are corrected: before a line was sent, or (and then somebody must be told) after."""

    def key() -> str:
        return f"usmf|I-{rng.randrange(count // sale.LINES_EACH):07d}|{rng.randrange(1, sale.LINES_EACH + 1)}"

    def edit() -> None:
        body: dict[str, Any] = {"LineAmount": rng.randrange(100, 99_999) / 100}
        ready.emulated.call("PATCH", f"dynamics365/invoice_lines/{quote(key(), safe='')}", body)

    return edit, lambda: [key() for _ in range(3)]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/kills", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="at random moments, for each of the two flows")
    parser.add_argument("--records", type=int, default=50_000, help="customers, and invoice lines")
    parser.add_argument("--longest", type=float, default=0.8, help="seconds of the longest life")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write = partial(sale.orders, lines=options.records, seed=options.seed, people=options.records)
    try:
        with stage(lambda folder: (write(folder), None)[1]) as ready:
            report.head(f"bench/kills: {options.records:,} records, seed {options.seed}", ready.server.settings())
            with ready.server.database(f"{ready.template}_kills", ready.template) as url:
                own = {**ready.environment, **SMALL, "DATABASE_URL": url}
                manage(["check"], own)
                haunted(ready, options, own)
    except NoServerError as problem:
        parser.error(str(problem))
    except WrongError as problem:
        print(f"WRONG: {problem}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
