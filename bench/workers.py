"""`bench/workers`: one initial load shared by 1, 2 and 4 worker processes, on Redis and on RabbitMQ.

Real Celery workers against one PostgreSQL, one broker and one budget. The run is asked for as a person would ask, and
split into as many parts as there are workers. Afterwards every contact is compared with the dataset, and the requests
are counted in the emulator's own log: together the workers must stay within the limit of one account. The peers do the
same load beside them, each in its one process.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg

from bench import customers, environments, proof, report
from bench.aims import Aim, keep, table
from bench.emulated import ROOT
from bench.measured import TICK, cpu_of
from bench.slow import LIMIT_A_MINUTE, moments, most_in_a_minute, refused
from bench.stage import NoServerError, Stage, stage
from bench.timed import Clock, Timed

FLOW = "dynamics365.customer"
PROCESSES = (1, 2, 4)
LIMIT = 1800.0
START = (
    "import json;from sync import flows,runs;from sync.models import Flow;flows.ensure();"
    f"print(json.dumps(runs.start(Flow.objects.get(name='{FLOW}'),full=True).pk))"
)
RUN = "SELECT state, read, started_at, finished_at, message FROM sync_syncrun WHERE id = %s"


class NoBrokerError(Exception):
    """A broker cannot be used from here; its text says why."""


@dataclass
class Load:
    """One initial load. CPU seconds of all worker processes together, of their database backends, of the emulators;
    `shared_by` is how many workers sent requests."""

    broker: str
    processes: int
    rows: int
    seconds: float
    cpu: float
    database: float
    emulators: float
    calls: int
    most: int
    refused: int
    shared_by: int

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


# ------------------------------------------------------------------------------------------------ brokers
@contextmanager
def redis(url: str) -> Iterator[str]:
    """The database in the URL, emptied before and after: it must be nobody else's."""
    import redis as client

    try:
        with client.Redis.from_url(url) as connection:
            if connection.dbsize():
                raise NoBrokerError(f"{_shown(url)} is not empty; name another database with --redis")
            try:
                yield url
            finally:
                connection.flushdb()
    except client.RedisError as error:
        raise NoBrokerError(f"{_shown(url)} does not answer: {type(error).__name__}") from error


@contextmanager
def rabbitmq(url: str) -> Iterator[str]:
    """A virtual host of our own, made by rabbitmqctl and deleted at the end."""
    name = f"bench-{secrets.token_hex(4)}"
    user = urlsplit(url).username or "guest"
    _rabbit("add_vhost", name)
    try:
        _rabbit("set_permissions", "-p", name, user, ".*", ".*", ".*")
        yield f"{url.rstrip('/')}/{quote(name, safe='')}"
    finally:
        _rabbit("delete_vhost", name)


def _rabbit(*words: str) -> None:
    try:
        done = subprocess.run(["rabbitmqctl", "--quiet", *words], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoBrokerError(f"rabbitmqctl: {error}") from error
    if done.returncode:
        raise NoBrokerError(f"rabbitmqctl {words[0]}: {(done.stderr or done.stdout).strip()[-300:]}")


def _shown(url: str) -> str:
    return url.rpartition("@")[2]


BROKERS = {"redis": redis, "rabbitmq": rabbitmq}


# ------------------------------------------------------------------------------------------------ one load
@contextmanager
def workers(count: int, environment: Mapping[str, str], log: Path) -> Iterator[list[int]]:
    """So many Celery worker processes with one child each; what they run on is what production runs on."""
    base = [sys.executable, "-m", "celery", "-A", "integration_console.celery", "worker"]
    base += ["--loglevel", "INFO", "--concurrency", "1", "--without-gossip", "--without-mingle"]
    with log.open("wb") as output:
        started = [
            subprocess.Popen(
                [*base, "--hostname", f"bench{number}@%h", *(["-B"] if number == 0 else [])],
                cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output,
            )
            for number in range(count)
        ]  # fmt: skip
        try:
            _until_ready(started, log)
            yield [pid for one in started for pid in _family(one.pid)]
        finally:
            for one in started:
                one.terminate()
            for one in started:
                try:
                    one.wait(60)
                except subprocess.TimeoutExpired:
                    one.kill()
                    one.wait()


def _until_ready(started: Sequence["subprocess.Popen[bytes]"], log: Path) -> None:
    until = time.monotonic() + 300
    while log.read_text(errors="replace").count(" ready.") < len(started):
        if time.monotonic() > until or any(one.poll() is not None for one in started):
            raise proof.WrongError(f"the workers did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _family(pid: int) -> list[int]:
    """A process and its children (Linux; elsewhere the children are unknown)."""
    found = [pid]
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += _family(int(child))
    return found


@dataclass
class Bench:
    ready: Stage
    count: int
    seed: int

    def __post_init__(self) -> None:
        self.account = self.ready.emulated.account()

    def load(self, broker: str, url: str, processes: int) -> Load:
        ready, name = self.ready, f"{self.ready.template}_{broker}_{processes}"
        with ready.server.database(name, ready.template) as database:
            ready.fresh()
            own = {
                **ready.environment,
                "DATABASE_URL": database,
                "CELERY_BROKER_URL": url,
                "SYNC_PARTS": str(processes),
                "SYNC_PART_RECORDS": "1",
                "SYNC_TICK_SECONDS": "2",
                "LOG_LEVEL": "INFO",
            }
            log = ready.dataset.parent / f"workers-{broker}-{processes}.log"
            with workers(processes, own, log) as pids:
                load = self._timed(broker, processes, own, pids)
        proof.contacts(ready.emulated.contacts(), customers.people(self.count, self.seed), self.account)
        return load

    def peer(self, name: str) -> Timed:
        """One of the peers of `bench/sync`, at the same load."""
        with self.ready.server.database(f"{self.ready.template}_{name}", self.ready.template) as url:
            self.ready.fresh()
            command = [str(environments.peers()), "-m", "bench.peers", name]
            timed = Clock(self.ready, self.account, self.count).timed(name, command, url)
        proof.contacts(self.ready.emulated.contacts(), customers.people(self.count, self.seed), self.account)
        return timed

    def _timed(self, broker: str, processes: int, own: Mapping[str, str], pids: Sequence[int]) -> Load:
        emulated, database = self.ready.emulated, own["DATABASE_URL"]
        name = urlsplit(database).path.strip("/")
        before, started, backends = cpu_of(emulated.pid), {pid: cpu_of(pid) for pid in pids}, dict[int, float]()
        run = self._ask(own)
        until = time.monotonic() + LIMIT
        with psycopg.connect(database, autocommit=True) as connection:
            while True:
                state, read, began, ended, message = connection.execute(RUN, [run]).fetchone() or ("gone", 0, 0, 0, "")
                for pid in self.ready.server.backends(name):
                    backends[pid] = max(backends.get(pid, 0.0), cpu_of(pid))
                if state not in ("queued", "running", "waiting"):
                    break
                if time.monotonic() > until:
                    raise proof.WrongError(f"run {run} is still {state} after {LIMIT:.0f} s: {message}")
                time.sleep(10 * TICK)
        if state != "completed":
            raise proof.WrongError(f"run {run} ended as {state}: {message}")
        spent = [cpu_of(pid) - started[pid] for pid in pids]
        log = emulated.requests()
        times = moments(log)
        return Load(
            broker=broker,
            processes=processes,
            rows=read,
            seconds=(ended - began).total_seconds(),
            cpu=sum(spent),
            database=sum(backends.values()),
            emulators=cpu_of(emulated.pid) - before,
            calls=len(times),
            most=most_in_a_minute(times),
            refused=refused(log),
            shared_by=sum(one > max(spent) / 4 for one in spent),
        )

    def _ask(self, own: Mapping[str, str]) -> int:
        """The run's id: queued and rung for, as the admin does it."""
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", START],
            cwd=ROOT, env={**os.environ, **own, "LOG_LEVEL": "ERROR"}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        if done.returncode:
            raise proof.WrongError(f"the run could not be asked for: {done.stderr[-2000:]}")
        return int(json.loads(done.stdout.strip().splitlines()[-1]))


# ------------------------------------------------------------------------------------------------ telling
def line(one: Load) -> None:
    per_row = 1e6 / one.rows
    print(
        f"{one.broker:<10}{one.processes:>9}{one.shared_by:>11}{one.rate:>12,.0f}{one.seconds:>10.2f}"
        f"{one.cpu * per_row:>12.1f}{one.database * per_row:>10.1f}{one.emulators * per_row:>11.1f}"
        f"{one.calls:>8,}{one.most:>14,}{one.refused:>9,}",
        flush=True,
    )


def peer_line(one: Timed) -> None:
    per_row = 1e6 / one.rows
    print(
        f"{one.name:<10}{1:>9}{1:>11}{one.rate:>12,.0f}{one.seconds:>10.2f}"
        f"{one.work_cpu * per_row:>12.1f}{one.database * per_row:>10.1f}{one.emulators * per_row:>11.1f}",
        flush=True,
    )


def beside(loads: Sequence[Load], peers: Sequence[Timed]) -> list[Aim]:
    """The fastest of the loads on each number of workers beside the peers."""
    found = []
    for processes in dict.fromkeys(one.processes for one in loads):
        best = max(one.rate for one in loads if one.processes == processes)
        found += [Aim(f"rows/s, {processes} workers / {peer.name}", best / peer.rate) for peer in peers]
    return found


def aims(loads: Sequence[Load]) -> list[Aim]:
    found = []
    for broker in dict.fromkeys(one.broker for one in loads):
        own = {one.processes: one for one in loads if one.broker == broker}
        most = max(one.most for one in own.values())
        found.append(Aim(f"{broker}: most requests within 60 s, all workers", most, LIMIT_A_MINUTE, True, "requests"))
        found.append(Aim(f"{broker}: refused requests", sum(one.refused for one in own.values()), 0, True, "requests"))
        if 1 in own:
            for processes, one in own.items():
                if processes > 1:
                    found.append(Aim(f"{broker}: rows/s, {processes} workers / 1", one.rate / own[1].rate))
    return found


def _numbers(given: str) -> list[int]:
    return [int(one) for one in given.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/workers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--processes", type=_numbers, default=list(PROCESSES), help="comma separated")
    parser.add_argument("--brokers", default=",".join(BROKERS))
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/14", help="an empty database; emptied afterwards")
    parser.add_argument("--rabbitmq", default="amqp://guest:guest@127.0.0.1:5672", help="a server rabbitmqctl reaches")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", default="dlt,diffsync", help="comma separated; empty: none")
    parser.add_argument("--aims", type=Path, help="add the ratios to this file, for bench/all")
    options = parser.parse_args()
    given = {"redis": options.redis, "rabbitmq": options.rabbitmq}
    loads: list[Load] = []
    peers: list[Timed] = []
    try:
        with stage(lambda folder: customers.write(folder, options.customers, options.seed)) as ready:
            report.head(f"bench/workers: {options.customers:,} customers", ready.server.settings())
            print("broker    processes   shared by      rows/s   seconds  CPU us/row  database  emulators   calls"
                  "  most in 60 s  refused")  # fmt: skip
            bench = Bench(ready, options.customers, options.seed)
            for broker in options.brokers.split(","):
                for processes in options.processes:
                    with BROKERS[broker](given[broker]) as url:
                        loads.append(bench.load(broker, url, processes))
                    line(loads[-1])
            for name in filter(None, options.peers.split(",")):
                peers.append(bench.peer(name))
                peer_line(peers[-1])
    except (NoServerError, NoBrokerError, environments.NoPeersError) as problem:
        parser.error(str(problem))
    print()
    found = aims(loads) + beside(loads, peers)
    table(found)
    keep(found, options.aims)
    return 0


if __name__ == "__main__":
    sys.exit(main())
