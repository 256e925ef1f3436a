"""`bench/sync`: the console's first load, its second run and a small change, beside its peers, as ratios.

Each contestant runs twice in the order A B C … A B C …, from a fresh Emarsys account and a fresh database; what it
left behind is verified record by record before its figures count. Then one run is taken apart, apart from the
timed ones. Settings are the defaults throughout.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import customers, environments, proof, report
from bench.aims import keep
from bench.measured import run
from bench.stage import NoServerError, Stage, stage
from bench.timed import LIMIT, Clock, Timed

FLOW = "dynamics365.customer"
CONTESTANTS = {
    "console": "manage.py sync, default settings",
    "floor": "bare loop, msgspec, no database",
    "django": "bulk_create(update_conflicts), no threads",
    "dlt": "dlt, custom destination, state in PostgreSQL",
    "diffsync": "diffsync: load both sides, compare, apply",
}
APART = ("dlt", "diffsync")
"""Peers with packages of their own."""
CITY = "Moved to Malmö"
PASSES = 2


@dataclass
class Bench:
    count: int
    seed: int
    stage: Stage
    contestants: Sequence[str] = tuple(CONTESTANTS)
    runs: int = PASSES

    def __post_init__(self) -> None:
        self.emulated, self.server = self.stage.emulated, self.stage.server
        self.account = self.emulated.account()
        self.clock = Clock(self.stage, self.account, self.count)

    def people(self) -> Iterator[dict[str, str]]:
        return customers.people(self.count, self.seed)

    def passes(self) -> Iterator[Timed]:
        for number in range(self.runs):
            for name in self.contestants:
                with self.server.database(f"{self.stage.template}_{name}_{number}", self.stage.template) as url:
                    yield from self._console(url) if name == "console" else self._peer(name, url)

    def timed(self, kept: Path | None, aims: Path | None) -> None:
        """Every contestant's passes, and what follows from them; the figures also as JSON in a file."""
        report.columns()
        timed = []
        for one in self.passes():
            timed.append(one)
            report.line(one)
        keep(report.ratios(timed, self.count), aims)
        if kept:
            kept.write_text(json.dumps([dataclasses.asdict(one) for one in timed], indent=1, default=str))

    def profile(self) -> None:
        """A run of its own with timers inside, so that they cost the timed ones nothing."""
        with self.server.database(f"{self.stage.template}_profile", self.stage.template) as url:
            self.stage.fresh()
            command = [sys.executable, "-m", "bench.phases", FLOW]
            done = run(command, {**self.stage.environment, "DATABASE_URL": url}, timeout=LIMIT)
        if done.status:
            raise proof.WrongError(f"the profile ended with {done.status}: {done.errors[-2000:]}")
        report.phases(json.loads(done.output.strip().splitlines()[-1]), self.count)

    def _peer(self, name: str, url: str) -> Iterator[Timed]:
        self.stage.fresh()
        timed = self.clock.timed(name, [self._python(name), "-m", "bench.peers", name], url)
        proof.contacts(self.emulated.contacts(), self.people(), self.account)
        yield timed

    def _python(self, name: str) -> str:
        return str(environments.peers()) if name in APART else sys.executable

    def _console(self, url: str) -> Iterator[Timed]:
        """The first load, a second run, and one with every thousandth customer changed."""
        self.stage.fresh()
        yield self._sync("console", url)
        proof.contacts(self.emulated.contacts(), self.people(), self.account)
        self.emulated.forget_requests()
        yield self._sync("unchanged", url)
        changed = list(self._changed())
        for person in changed:
            self.emulated.patch_customer(f"{person['legal_entity']}|{person['customer_id']}", {"AddressCity": CITY})
        self.emulated.forget_requests()
        yield self._sync("changed", url)
        moved = {person["customer_id"] for person in changed}
        after = ({**one, "city": CITY} if one["customer_id"] in moved else one for one in self.people())
        proof.contacts(self.emulated.contacts(), after, self.account)

    def _changed(self) -> Iterator[dict[str, str]]:
        return (person for number, person in enumerate(self.people()) if number % 1000 == 500)

    def _sync(self, name: str, url: str) -> Timed:
        return self.clock.timed(name, [sys.executable, "manage.py", "sync", FLOW, "--json"], url)


def _names(given: str) -> tuple[str, ...]:
    names = tuple(given.split(","))
    if unknown := set(names) - set(CONTESTANTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: none of {', '.join(CONTESTANTS)}")
    return ("console", *(name for name in names if name != "console"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/sync", description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--passes", type=int, default=PASSES, help="how often each contestant runs")
    parser.add_argument("--contestants", type=_names, default=tuple(CONTESTANTS), help="only these, comma separated")
    parser.add_argument("--aims", type=Path, help="add the ratios to this file, for bench/all")
    parser.add_argument("--json", type=Path, help="write every figure there")
    parser.add_argument("--only", choices=("timed", "profile"), help="leave out where the time goes, or all but that")
    options = parser.parse_args()
    try:
        with stage(lambda folder: customers.write(folder, options.customers, options.seed)) as ready:
            bench = Bench(options.customers, options.seed, ready, options.contestants, options.passes)
            report.head(f"bench/sync: {options.customers:,} customers, seed {options.seed}", ready.server.settings())
            if options.only != "profile":
                bench.timed(options.json, options.aims)
            if options.only != "timed":
                bench.profile()
    except (NoServerError, environments.NoPeersError) as problem:
        parser.error(str(problem))
    return 0


if __name__ == "__main__":
    sys.exit(main())
