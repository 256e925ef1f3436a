"""The check's command line."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from checking import contacts, figures, sales
from checking.emulated import Emulated
from checking.report import Report
from checking.tables import Tables


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    emulated = Emulated(options.control)
    try:
        if options.remember:
            contacts.remember(emulated, options.remember)
            return 0
        return 0 if _compare(emulated, options) else 1
    except OSError as problem:
        print(f"{options.control} does not answer: {problem}", flush=True)
        return 1


def _compare(emulated: Emulated, options: argparse.Namespace) -> bool:
    began = time.monotonic()
    report, tables = Report(), Tables(options.database)
    contacts.check(emulated, tables, options.before, report)
    sales.check(emulated, tables, report)
    if options.figures == "online_retail":
        figures.show(tables, report)
    verdict = "Everything agrees" if report.sound else "NOT everything agrees"
    report.title(f"{verdict} ({time.monotonic() - began:.0f} s).")
    return report.sound


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/check", description="Compares the emulated systems with the console's tables."
    )
    parser.add_argument("--control", required=True, help="base address of the emulators, e.g. http://127.0.0.1:8900")
    parser.add_argument("--database", default="", help="the console's database, as in DATABASE_URL")
    parser.add_argument("--before", type=Path, help="opt-ins before the first sync, from --remember")
    parser.add_argument("--remember", type=Path, help="write every contact's opt-in to this file, compare nothing")
    parser.add_argument("--figures", default="", help="online_retail: print that data's published figures beside ours")
    options = parser.parse_args(arguments)
    if not options.remember and not options.database:
        parser.error("--database is needed to compare")
    return options
