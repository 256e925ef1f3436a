"""A bench of customers that ends in aims: its options, its stage, its table."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench import customers, report
from bench.aims import Aim, keep, table
from bench.stage import NoServerError, Stage, stage


def run(
    name: str,
    description: str,
    count: int,
    measure: Callable[[Stage, argparse.Namespace], list[Aim]],
    **further: Mapping[str, Any],
) -> int:
    """The exit code. `count` customers unless the command line says otherwise; `further` options by their name."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--customers", type=int, default=count)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--aims", type=Path, help="add the ratios to this file, for bench/all")
    for option, how in further.items():
        parser.add_argument(f"--{option}", **how)
    options = parser.parse_args()
    try:
        with stage(lambda folder: customers.write(folder, options.customers, options.seed)) as ready:
            report.head(f"{name}: {options.customers:,} customers", ready.server.settings())
            aims = measure(ready, options)
    except NoServerError as problem:
        parser.error(str(problem))
    print()
    table(aims)
    keep(aims, options.aims)
    return 0
