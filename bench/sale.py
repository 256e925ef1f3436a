"""`bench/sale`: lines a second of the first load of invoices, verified line by line and to the penny."""

import argparse
import csv
import io
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench import customers, report
from bench.database import manage
from bench.measured import TICK, run
from bench.proof import WrongError
from bench.stage import NoServerError, Stage, stage

FLOW = "dynamics365.sale"
PEOPLE, LINES_EACH = 2_000, 4


def orders(folder: Path, lines: int, seed: int, people: int = PEOPLE) -> dict[str, Decimal]:
    """Invoiced orders of four lines each over two years; invoice line → amount, as Emarsys must hold it."""
    rng, start = random.Random(seed), datetime(2024, 1, 1, 9, tzinfo=UTC)
    customers.write(folder, people, seed)
    expected: dict[str, Decimal] = {}
    with _table(folder / "orders.csv") as heads, _table(folder / "order_lines.csv") as rows:
        head, row = csv.writer(heads), csv.writer(rows)
        head.writerow("order_id,customer_id,ordered_at,currency,status,legal_entity,total".split(","))
        row.writerow("order_id,line_no,line_type,sku,quantity,unit_price,line_total,status".split(","))
        for number in range(lines // LINES_EACH):
            order, total = f"I-{number:07d}", Decimal(0)
            for line in range(1, LINES_EACH + 1):
                quantity, price = rng.randrange(1, 9), Decimal(rng.randrange(50, 9_999)) / 100
                amount = quantity * price
                total += amount
                expected[f"{order}|{line}"] = amount
                row.writerow((order, line, "goods", f"SKU-{rng.randrange(4_000)}", quantity, price, amount, "invoiced"))
            at = start + timedelta(days=number * 700 // (lines // LINES_EACH))
            who = f"C-{rng.randrange(PEOPLE):07d}"
            head.writerow((order, who, f"{at:%Y-%m-%dT%H:%M:%SZ}", "GBP", "invoiced", customers.COMPANY, total))
    return expected


def _table(path: Path) -> io.TextIOWrapper:
    return path.open("w", encoding="utf-8", newline="")


def measure(ready: Stage, expected: dict[str, Decimal]) -> None:
    """Customers first, since a sale waits for its contact; then the timed load, and a second one."""
    with ready.server.database(f"{ready.template}_sale", ready.template) as url:
        own = {**ready.environment, "DATABASE_URL": url}
        ready.fresh()
        manage(["sync", "dynamics365.customer"], own)
        for name in ("first", "second"):
            ready.emulated.forget_requests()
            _timed(name, own)
            uploads = [one for one in ready.emulated.requests() if "/hapi/" in one["path"]]
            print(f"           {len(uploads)} uploads to Emarsys")
        _verify(ready.emulated.call("GET", "emarsys/sales"), expected)


def _timed(name: str, environment: dict[str, str]) -> None:
    done = run([sys.executable, "manage.py", "sync", FLOW, "--json"], environment)
    if done.status:
        raise WrongError(f"{name} ended with {done.status}: {done.errors[-2000:]}")
    told: dict[str, Any] = json.loads(done.output.strip().splitlines()[-1])
    began, ended = (datetime.fromisoformat(told[one]).timestamp() for one in ("started_at", "finished_at"))
    cpu = (done.cpu_at(ended + TICK) - done.cpu_at(began)) * 1e6 / max(1, told["read"])
    print(
        f"{name:<11}{told['read']:,} lines in {ended - began:.2f} s: {told['read'] / (ended - began):,.0f} lines/s, "
        f"{cpu:.0f} us CPU a line, peak {done.peak_until():.0f} MiB; "
        f"{told['accepted']:,} accepted, {told['unchanged']:,} unchanged, {told['writes']} requests",
        flush=True,
    )


def _verify(rows: list[dict[str, str]], expected: dict[str, Decimal]) -> None:
    """Every line once, with its amount."""
    found: dict[str, Decimal] = {}
    for row in rows:
        key = row["s_invoice_line"].partition("|")[2]
        if key in found:
            raise WrongError(f"line {key} was sent twice")
        found[key] = Decimal(row["price"])
    if found.keys() != expected.keys():
        raise WrongError(f"{len(found):,} lines arrived, {len(expected):,} were invoiced")
    wrong = [key for key, amount in expected.items() if found[key] != amount]
    if wrong:
        raise WrongError(f"{len(wrong)} lines have another amount, such as {wrong[0]}")
    print(f"verified   {len(found):,} lines, {sum(found.values()):,} GBP on both sides")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/sale", description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    expected: dict[str, Decimal] = {}
    try:
        with stage(lambda folder: expected.update(orders(folder, options.lines, options.seed))) as ready:
            report.head(f"bench/sale: {options.lines:,} invoice lines, seed {options.seed}", ready.server.settings())
            measure(ready, expected)
    except NoServerError as problem:
        parser.error(str(problem))
    return 0


if __name__ == "__main__":
    sys.exit(main())
