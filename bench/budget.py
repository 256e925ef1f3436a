"""How much of Emarsys' 1,000 requests a minute is used while it takes half a second to answer, and how many it refuses.

One worker, then two, that send as fast as they may; beside them an urgent call every three seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from datetime import datetime
from typing import Any

from bench import customers, report
from bench.emulated import ROOT
from bench.stage import NoServerError, Stage, stage

LATENCY = 0.5


def measured(ready: Stage, url: str, workers: int, seconds: float) -> dict[str, Any]:
    """The requests of the emulated Emarsys' own log, from the first to the last moment that bulk was asked for."""
    ready.fresh()
    ready.emulated.call("POST", "faults", {"kind": "slow", "system": "emarsys", "path": "/contact/", "seconds": LATENCY,
                                           "times": 0})  # fmt: skip
    names = {
        **os.environ,
        **ready.environment,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "integration_console.settings",
    }
    started = [
        subprocess.Popen([sys.executable, "-m", "bench.budget_worker", kind, str(seconds)], cwd=ROOT, env=names,
                         stdout=subprocess.PIPE, text=True)
        for kind in [*["bulk"] * workers, "urgent"]
    ]  # fmt: skip
    told = [one.communicate(timeout=seconds + 200)[0] for one in started]
    log = [one for one in ready.emulated.requests() if one["system"] == "emarsys" and "/contact" in one["path"]]
    moments = sorted(datetime.fromisoformat(one["at"]).timestamp() for one in log if one["status"] != 429)
    refused = sum(one["status"] == 429 for one in log)
    minutes = [sum(start <= at < start + 60 for at in moments)
               for start in (moments[0] + 60 * n for n in range(int((moments[-1] - moments[0]) // 60)))]  # fmt: skip
    waits = [wait - LATENCY for wait in json.loads(told[-1])]
    return {"workers": workers, "requests": len(moments), "refused": refused, "a_minute": minutes,
            "used": min(minutes) / 1000, "urgent": len(waits), "urgent_wait": statistics.median(waits),
            "urgent_longest": max(waits)}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/budget", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=190, help="of each measurement; three whole minutes fit in 190"
    )
    options = parser.parse_args()
    try:
        with stage(lambda folder: customers.write(folder, 1, 1)) as ready:
            report.head(
                "bench/budget: an emulated Emarsys that takes 0.5 s and allows 1,000 a minute", ready.server.settings()
            )
            for workers in (1, 2):
                with ready.server.database(f"bench_budget_{os.getpid()}", ready.template) as url:
                    found = measured(ready, url, workers, options.seconds)
                print(
                    f"{workers} worker(s): {found['used']:.1%} of the budget used in the worst minute "
                    f"(requests by minute: {', '.join(map(str, found['a_minute']))}), {found['refused']} refused; "
                    f"{found['urgent']} urgent calls waited {found['urgent_wait']:.2f} s (median), "
                    f"{found['urgent_longest']:.2f} s at the longest",
                    flush=True,
                )
    except NoServerError as problem:
        parser.error(str(problem))
    return 0


if __name__ == "__main__":
    sys.exit(main())
