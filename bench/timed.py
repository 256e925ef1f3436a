"""One run of a contestant with all its figures: rate, CPU by process, memory on the way, requests."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bench import proof
from bench.customers import Account
from bench.measured import TICK, Measured, cpu_of, run
from bench.stage import Stage

LIMIT = 900.0
"""Seconds after which a run is killed and the bench ends without a result."""


@dataclass
class Timed:
    """One run. `seconds` from its first request to its last commit, as it says itself; CPU seconds of the whole
    process, of its work alone (between those moments), of its database backends, of the emulators;
    `others` is the number of cores that the rest of the machine kept busy meanwhile."""

    name: str
    rows: int
    seconds: float
    command: float
    cpu: float
    work_cpu: float
    database: float
    emulators: float
    others: float
    writes: int
    requests: int
    at_tenth: float
    at_half: float
    at_end: float
    run: dict[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


@dataclass
class Clock:
    """Runs commands against a stage; `count` is the number of records a full load writes."""

    stage: Stage
    account: Account
    count: int
    limit: float = LIMIT

    def timed(self, name: str, command: Sequence[str], url: str) -> Timed:
        """Raises WrongError when the command fails. It ends with a line of JSON on stdout."""
        database, emulated = urlsplit(url).path.strip("/"), self.stage.emulated
        own = {
            **self.stage.environment,
            "DATABASE_URL": url,
            "BENCH_ACCOUNT": json.dumps(dataclasses.asdict(self.account)),
        }
        before = cpu_of(emulated.pid)
        done = run(command, own, lambda: self.stage.server.backends(database), self.limit)
        spent = cpu_of(emulated.pid) - before
        if done.status:
            raise proof.WrongError(f"{name} ended with {done.status}: {done.errors[-2000:]}")
        return self._figures(name, done, spent)

    def _figures(self, name: str, done: Measured, emulators_cpu: float) -> Timed:
        told = json.loads(done.output.strip().splitlines()[-1])
        began, ended = _span(told)
        log = self.stage.emulated.requests()
        written = proof.writes(log)
        return Timed(
            name=name,
            rows=told["read"],
            seconds=ended - began,
            command=done.seconds,
            cpu=done.cpu,
            work_cpu=done.cpu_at(ended + TICK) - done.cpu_at(began),
            database=done.database,
            emulators=emulators_cpu,
            others=max(0.0, done.machine - done.cpu - done.database - emulators_cpu) / done.seconds,
            writes=len(written),
            requests=len(log),
            at_tenth=done.peak_until(_moment_of(written, self.count // 10) or ended),
            at_half=done.peak_until(_moment_of(written, self.count // 2) or ended),
            at_end=done.peak_until(),
            run=told,
        )


def _span(told: Mapping[str, Any]) -> tuple[float, float]:
    if "began" in told:
        return told["began"], told["ended"]
    began, ended = (datetime.fromisoformat(told[name]).timestamp() for name in ("started_at", "finished_at"))
    return began, ended


def _moment_of(written: list[Mapping[str, Any]], rows: int) -> float | None:
    """Unix time at which so many contacts had been accepted."""
    seen = 0
    for one in written:
        seen += one["records"]
        if seen >= rows:
            return datetime.fromisoformat(one["at"]).timestamp()
    return None
