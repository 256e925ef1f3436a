"""`bench/read`: a full read of the ERP's customers by the connector, beside a bare loop over the same server.

`bare` is `requests` and `msgspec` alone: the same pages, decoded into typed rows. `rows` is the connector's read as
the pipeline starts it (raw rows in pages), `records` maps each row to its canonical record as well. Each runs in a
process of its own, in the order A B C C B A, against emulators in another process; the fastest of its runs counts,
because a machine can only be disturbed, never helped.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench import customers
from bench.aims import Aim, keep
from bench.emulated import emulators
from bench.measured import Measured, run
from bench.peers import PAGE, Page, Systems

CONTESTANTS = {
    "bare": "requests + msgspec, typed rows, nothing else",
    "rows": "connectors.dynamics365.finance: pages of raw rows",
    "records": "the same, each row mapped to its record",
}


def bare() -> int:
    systems, decode = Systems(os.environ), msgspec.json.Decoder(Page).decode
    count, after = 0, None
    while True:
        rows = decode(systems.page(after).content).value
        count += len(rows)
        if len(rows) < PAGE:
            return count
        after = (rows[-1].dataAreaId, rows[-1].CustomerAccount)


def rows() -> int:
    return sum(len(page.rows) for page in _source().read("customer", ""))


def records() -> int:
    from connectors.dynamics365.ahead import ahead

    source = _source()
    to_record = source.streams["customer"].map
    return sum(len([to_record(row) for row in page.rows]) for page in ahead(source.read("customer", "")))


def _source() -> Any:
    from connectors.base import Unlimited
    from connectors.registry import connections

    return connections()["dynamics365"].open(Unlimited())


def stock() -> int:
    """One SOAP reply of Prima's with all articles, read as it comes in."""
    from connectors.base import Unlimited
    from connectors.registry import connections

    source: Any = connections()["prima"].open(Unlimited())
    return sum(len(page.rows) for page in source.read("stock", ""))


READERS: dict[str, Callable[[], int]] = {"bare": bare, "rows": rows, "records": records, "stock": stock}


def measured(environment: dict[str, str], count: int) -> Iterator[tuple[str, float, Measured]]:
    """(contestant, its own seconds, the process); every one must have read every customer."""
    for name in (*CONTESTANTS, *reversed(CONTESTANTS)):
        done = run([sys.executable, "-m", "bench.read", "--only", name], environment)
        said = json.loads(done.output or "{}")
        if said.get("rows") != count:
            raise SystemExit(f"{name} read {said.get('rows')} of {count} customers: {done.errors[-2000:]}")
        yield name, said["seconds"], done


def compare(count: int, seed: int, aims: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        dataset = Path(folder) / "dataset"
        customers.write(dataset, count, seed)
        with emulators(dataset, Path(folder) / "emulators.log") as emulated:
            environment = {**emulated.environment(), "LOG_LEVEL": "ERROR"}
            best: dict[str, tuple[float, Measured]] = {}
            for name, seconds, done in measured(environment, count):
                print(f"  {name:8} {count / seconds:>9,.0f} rows/s  {done.peak_until():>6,.0f} MiB", flush=True)
                if name not in best or seconds < best[name][0]:
                    best[name] = (seconds, done)
    floor = best["bare"][0]
    print(f"\n{count:,} customers, {PAGE:,} a page; the fastest of two runs each\n")
    for name, meaning in CONTESTANTS.items():
        seconds, done = best[name]
        print(f"{name:8} {count / seconds:>9,.0f} rows/s  {floor / seconds:>5.0%} of bare  "
              f"{done.peak_until():>5,.0f} MiB  {meaning}")  # fmt: skip
    names = {"rows": "raw rows", "records": "mapped records"}
    keep(
        [Aim(f"reading, {said}: rows/s / bare loop", floor / best[name][0], 0.6) for name, said in names.items()], aims
    )


def large_reply(articles: int) -> None:
    """Constant memory: the same reader over a small reply and over a large one, each a single SOAP answer."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        dataset = Path(folder) / "dataset"
        customers.write(dataset, 10, 1)
        with emulators(dataset, Path(folder) / "emulators.log") as emulated:
            service = emulated.call("GET", "systems")["prima"]["environments"]["wsalive"]["service"]
            for count in (articles // 100, articles):
                emulated.call("POST", "settings", {"prima.bulk_rows": str(count)})
                environment = {"CONNECTIONS": "prima", "PRIMA_URL": service, "LOG_LEVEL": "ERROR"}
                done = run([sys.executable, "-m", "bench.read", "--only", "stock"], environment)
                said = json.loads(done.output or "{}")
                if said.get("rows") != count:
                    raise SystemExit(f"{said.get('rows')} of {count} articles were read: {done.errors[-2000:]}")
                print(f"{count:>10,} articles in one reply  {count / said['seconds']:>9,.0f} rows/s  "
                      f"{done.peak_until():>5,.0f} MiB", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/read", description="Reading, beside a bare loop.")
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--articles", type=int, default=0, help="instead: one XML reply with so many articles")
    parser.add_argument("--only", choices=list(READERS), help="one contestant, against the environment's systems")
    parser.add_argument("--aims", type=Path, help="add the ratios to this file, for bench/all")
    options = parser.parse_args()
    if options.only:
        if options.only != "bare":
            from connectors.registry import connections

            connections()  # imports are no part of the time
        began, started = time.time(), time.monotonic()
        count = READERS[options.only]()
        seconds = time.monotonic() - started
        print(json.dumps({"rows": count, "read": count, "seconds": seconds, "began": began, "ended": time.time()}))
        return
    if options.articles:
        large_reply(options.articles)
    else:
        compare(options.customers, options.seed, options.aims)


if __name__ == "__main__":
    main()
