"""`bench/slow`: a target that takes half a second to answer. How much of its 1,000 requests a minute is used?

The requests are counted in the emulator's own log: the use from the first to the last, the most within any sixty
seconds, and the refused ones.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bench import aimed, customers, proof, report
from bench.aims import Aim
from bench.stage import Stage
from bench.timed import Clock

SYNC = [sys.executable, "manage.py", "sync", "dynamics365.customer", "--json"]
LIMIT_A_MINUTE = 1_000
SECONDS = 0.5


def moments(log: Sequence[Mapping[str, Any]]) -> list[float]:
    """Unix times of the requests for Emarsys, in order."""
    return sorted(datetime.fromisoformat(one["at"]).timestamp() for one in log if one["system"] == "emarsys")


def most_in_a_minute(times: Sequence[float]) -> int:
    most, start = 0, 0
    for end, at in enumerate(times):
        while at - times[start] >= 60:
            start += 1
        most = max(most, end - start + 1)
    return most


def refused(log: Sequence[Mapping[str, Any]]) -> int:
    return sum(one["status"] == 429 for one in log)


def used(log: Sequence[Mapping[str, Any]]) -> float:
    """Share of the limit that the writes used. Over less than a minute the limit counts by the second."""
    times = [datetime.fromisoformat(one["at"]).timestamp() for one in proof.writes(log)]
    minutes = (max(times) - min(times)) / 60
    return (len(times) - 1) / (LIMIT_A_MINUTE * minutes) if minutes else 0.0


def measure(ready: Stage, options: argparse.Namespace) -> list[Aim]:
    count, seed, seconds = options.customers, options.seed, options.seconds
    account = ready.emulated.account()
    with ready.server.database(f"{ready.template}_slow", ready.template) as url:
        ready.fresh()
        ready.emulated.call(
            "POST", "faults", {"kind": "slow", "system": "emarsys", "path": "/contact/", "seconds": seconds, "times": 0}
        )
        report.columns()
        report.line(Clock(ready, account, count, 3600.0).timed("slow", SYNC, url))
        log = ready.emulated.requests()
        ready.emulated.call("DELETE", "faults")
        proof.contacts(ready.emulated.contacts(), customers.people(count, seed), account)
    said = f"target that takes {seconds} s"
    return [
        Aim(f"{said}: share of its {LIMIT_A_MINUTE:,} requests a minute used", used(log), 0.95),
        Aim(f"{said}: refused requests", refused(log), 0, at_most=True, unit="requests"),
        Aim(f"{said}: most requests within 60 s", most_in_a_minute(moments(log)), LIMIT_A_MINUTE, True, "requests"),
    ]


def main() -> int:
    told = "A target that takes half a second to answer; a thousand customers are a request."
    return aimed.run("bench/slow", told, 2_000_000, measure, seconds={"type": float, "default": SECONDS})


if __name__ == "__main__":
    sys.exit(main())
