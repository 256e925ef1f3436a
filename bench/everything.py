"""`bench/all`: every bench, one after the other, and one table of aims and what was reached.

The machine should have nothing else to do. It takes about half an hour on two cores; `--small` takes a few minutes and
shows only that everything runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.aims import kept, table
from bench.emulated import ROOT

BENCHES = {
    "sync": (("--only", "timed"), ("--customers", "4000", "--passes", "1", "--only", "timed")),
    "read": ((), ("--customers", "20000")),
    "million": ((), ("--customers", "10000")),
    "slow": ((), ("--customers", "20000")),
    "workers": ((), ("--customers", "10000", "--processes", "1,2")),
}
"""Bench → its options, and those of a small run."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/all", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="little data: shows that everything runs")
    parser.add_argument("--only", default=",".join(BENCHES), help="comma separated")
    options = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="bench-all-") as folder:
        aims = Path(folder) / "aims"
        for name in options.only.split(","):
            print(f"\n==== bench/{name}", flush=True)
            command = [sys.executable, "-m", f"bench.{name}", *BENCHES[name][options.small], "--aims", str(aims)]
            if subprocess.run(command, cwd=ROOT).returncode:
                failed.append(name)
        found = kept(aims)
    print(f"\n==== aims and what was reached, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    table(found)
    for name in failed:
        print(f"  bench/{name} FAILED: no figure of it counts")
    short = [one for one in found if not one.met]
    print(f"\n{len([one for one in found if one.bound is not None]) - len(short)} aims reached, {len(short)} not")
    return 1 if failed or short else 0


if __name__ == "__main__":
    sys.exit(main())
