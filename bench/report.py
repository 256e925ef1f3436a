"""What the bench prints."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from bench.aims import Aim, table

CEILING = 16_667
"""Contacts a second: Emarsys' 1,000 requests a minute with 1,000 contacts each."""
PEERS: Mapping[str, tuple[str, float | None, float | None]] = {
    "dlt": ("dlt", 3, 1 / 3),
    "diffsync": ("diffsync", 5, None),
    "django": ("Django's way", None, None),
}
"""Peer → how it is called, the least ratio of the rates, the largest of the CPU a row."""
LIBRARIES = ("Django", "psycopg", "requests", "msgspec")


def head(what: str, server: Mapping[str, str]) -> None:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    print(f"{what}; emulated F&O and Emarsys in one process on loopback")
    print(f"machine   : {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.platform()}")
    print(f"software  : Python {platform.python_version()}, {versions}")
    print(f"PostgreSQL: {', '.join(f'{name} {value}' for name, value in server.items())}")
    print("settings  : the defaults; all constraints on; every run verified record by record\n")


def columns() -> None:
    names = (
        "run",
        "rows/s",
        "seconds",
        "command",
        "CPU us/row",
        "database",
        "emulators",
        "others",
        "MiB at 10 %",
        "at 50 %",
        "at 100 %",
    )
    print(f"{names[0]:<10}" + "".join(f"{name:>12}" for name in names[1:]) + f"{'writes':>9}{'requests':>10}")


def line(one: Any) -> None:
    per_row = 1e6 / one.rows
    print(
        f"{one.name:<10}{one.rate:>12,.0f}{one.seconds:>12.2f}{one.command:>12.2f}"
        f"{one.work_cpu * per_row:>12.1f}{one.database * per_row:>12.1f}"
        f"{one.emulators * per_row:>12.1f}{one.others:>12.2f}"
        f"{one.at_tenth:>12.0f}{one.at_half:>12.0f}{one.at_end:>12.0f}{one.writes:>9,}{one.requests:>10,}",
        flush=True,
    )


def ratios(timed: Sequence[Any], count: int) -> list[Aim]:
    """Means of the passes; a peer that did not run is left out."""
    best = {name: _of(timed, name) for name in ("console", *PEERS, "floor") if _named(timed, name)}
    console = best["console"]
    found = []
    for name, (called, rate, cpu) in PEERS.items():
        if name in best:
            found.append(Aim(f"rows/s: console / {called}", console["rate"] / best[name]["rate"], rate))
            share = console["cpu"] / best[name]["cpu"]
            found.append(Aim(f"CPU a row: console / {called}", share, cpu, at_most=True))
    if "floor" in best:
        found.append(Aim("rows/s: console / bare loop without a database", console["rate"] / best["floor"]["rate"]))
    found.append(Aim("rows/s: console / Emarsys' own ceiling", console["rate"] / CEILING))
    first, unchanged = _named(timed, "console"), _named(timed, "unchanged")
    faster = statistics.mean(one.seconds for one in first) / statistics.mean(one.seconds for one in unchanged)
    found.append(Aim("unchanged second read, times faster than the first sync", faster, 4))
    print("\nmeans of the passes")
    table(found)
    _told(timed, count)
    return found


def _told(timed: Sequence[Any], count: int) -> None:
    for name in ("console", *PEERS):
        if runs := _named(timed, name):
            whole = statistics.mean(_whole(one) for one in runs)
            own = statistics.mean(one.work_cpu * 1e6 / one.rows for one in runs)
            print(f"  CPU a row, {name}: {own:.0f} us of its own, {whole:.0f} us of all processes")
    first, unchanged = _named(timed, "console"), _named(timed, "unchanged")
    few = _named(timed, "changed")
    changed = len(range(500, count, 1000))
    busy = statistics.mean(one.others for one in timed)
    print(f"  other programs kept {busy:.1f} of {os.cpu_count()} cores busy meanwhile")
    _verdict("first load, writes", [one.writes for one in first], ceil(count / 1000))
    _verdict("unchanged, writes", [one.writes for one in unchanged], 0)
    _verdict(f"{changed:,} changed, writes", [one.writes for one in few], ceil(changed / 1000))
    print(f"  unchanged in {statistics.mean(one.seconds for one in unchanged):.2f} s, "
          f"{changed:,} changed in {statistics.mean(one.seconds for one in few):.2f} s")  # fmt: skip
    growth = statistics.mean(one.at_end - one.at_half for one in first)
    print(f"  memory from row 50 % (every buffer has been filled once) to row 100 %: {growth:+.0f} MiB")


def _whole(one: Any) -> float:
    """Microseconds a row of the process, its database backends and the emulators together."""
    return float((one.work_cpu + one.database + one.emulators) * 1e6 / one.rows)


def _verdict(what: str, found: Sequence[int], wanted: int) -> None:
    right = "as it must be" if set(found) == {wanted} else f"MUST BE {wanted:,}"
    print(f"  {what}: {', '.join(f'{one:,}' for one in found)} ({right})")


def _named(timed: Sequence[Any], name: str) -> list[Any]:
    return [one for one in timed if one.name == name]


def _of(timed: Sequence[Any], name: str) -> dict[str, float]:
    runs = _named(timed, name)
    return {
        "rate": statistics.mean(one.rate for one in runs),
        "cpu": statistics.mean(one.work_cpu / one.rows for one in runs),
    }


def phases(found: Mapping[str, Any], count: int) -> None:
    """Exclusive times: each phase without the phases inside it."""
    print(f"\nwhere the time goes (a run of its own with timers, {found['seconds']:.2f} s; us a row)")
    print(f"  {'phase':<44}{'wall':>8}{'CPU':>8}{'calls':>8}")
    for name, (wall, cpu, calls) in found["phases"].items():
        print(f"  {name:<44}{wall * 1e6 / count:>8.2f}{cpu * 1e6 / count:>8.2f}{calls:>8,}")
    for name in found["missing"]:
        print(f"  (not found, not timed: {name})")
