"""`bench/million`: what must not grow with the data. One console, one million customers.

The first load (memory at row 100,000 beside its end), an unchanged full re-read, and twice a run with 0.1 % changed,
each beside a bare reading of the same rows by the same connector in a process of its own.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from bench import aimed, customers, proof, report
from bench.aims import Aim
from bench.stage import Stage
from bench.timed import Clock, Timed

FLOW = "dynamics365.customer"
CITIES = ("Moved to Malmö", "Moved to Århus")
LIMIT = 3600.0
READ = [sys.executable, "-m", "bench.read", "--only", "rows"]
SYNC = [sys.executable, "manage.py", "sync", FLOW, "--json"]


@dataclass
class Runs:
    first: Timed
    unchanged: Timed
    reading: list[Timed]
    changed: list[Timed]

    def aims(self) -> list[Aim]:
        reading, changed = sum(one.seconds for one in self.reading), sum(one.seconds for one in self.changed)
        needed = -(-len(range(500, self.first.rows, 1000)) // 1000)
        cpu = sum(one.work_cpu for one in self.changed) / sum(one.work_cpu for one in self.reading)
        rows = f"{self.first.rows:,}"
        return [
            Aim(f"{rows}: memory at the end / at its first tenth", self.first.at_end / self.first.at_tenth, 1.1, True),
            Aim(f"{rows}: unchanged full re-read, times faster", self.first.seconds / self.unchanged.seconds, 4),
            Aim(f"{rows}: seconds with 0.1 % changed / of reading alone", changed / reading, 1.2, True),
            Aim(f"{rows}: CPU with 0.1 % changed / of reading alone", cpu),
            Aim(
                f"{rows}: requests with 0.1 % changed",
                max(one.writes for one in self.changed),
                needed,
                True,
                "requests",
            ),
            Aim(f"{rows}: rows/s / Emarsys' own ceiling", self.first.rate / report.CEILING),
        ]


def runs(ready: Stage, count: int, seed: int) -> Runs:
    account = ready.emulated.account()
    clock = Clock(ready, account, count, LIMIT)

    def told(name: str, command: list[str]) -> Timed:
        ready.emulated.forget_requests()
        one = clock.timed(name, command, url)
        report.line(one)
        return one

    with ready.server.database(f"{ready.template}_million", ready.template) as url:
        ready.fresh()
        report.columns()
        found = Runs(told("first", SYNC), told("unchanged", [*SYNC[:-1], "--full", "--json"]), [], [])
        for city in CITIES:
            for person in _moving(count, seed):
                ready.emulated.patch_customer(
                    f"{person['legal_entity']}|{person['customer_id']}", {"AddressCity": city}
                )
            found.reading.append(told("reading", READ))
            found.changed.append(told("changed", SYNC))
        proof.contacts(ready.emulated.contacts(), _after(count, seed), account)
    return found


def _moving(count: int, seed: int) -> Iterator[dict[str, str]]:
    return (person for number, person in enumerate(customers.people(count, seed)) if number % 1000 == 500)


def _after(count: int, seed: int) -> Iterator[dict[str, str]]:
    for number, person in enumerate(customers.people(count, seed)):
        yield {**person, "city": CITIES[-1]} if number % 1000 == 500 else person


def measure(ready: Stage, options: argparse.Namespace) -> list[Aim]:
    return runs(ready, options.customers, options.seed).aims()


def main() -> int:
    return aimed.run("bench/million", "What must not grow with the data.", 1_000_000, measure)


if __name__ == "__main__":
    sys.exit(main())
