"""What a bench has to reach, and what it reached: printed as one table, kept as lines of JSON for `bench/all`."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Aim:
    """A figure beside its bound. `at_most` turns the bound round; without a bound it is only told."""

    what: str
    reached: float
    bound: float | None = None
    at_most: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool:
        if self.bound is None:
            return True
        return self.reached <= self.bound if self.at_most else self.reached >= self.bound

    @property
    def wanted(self) -> str:
        return "" if self.bound is None else f"{'<=' if self.at_most else '>='} {self.bound:,.4g} {self.unit}"

    @property
    def verdict(self) -> str:
        return "" if self.bound is None else "reached" if self.met else "NOT REACHED"


def table(aims: Iterable[Aim]) -> None:
    for one in aims:
        reached = f"{one.reached:,.2f} {one.unit}"
        print(f"  {one.what:<72}{reached:>16}   {one.wanted:<18}{one.verdict}".rstrip(), flush=True)


def keep(aims: Sequence[Aim], file: Path | None) -> None:
    """Adds them to a file, one a line."""
    if file:
        with file.open("a", encoding="utf-8") as kept:
            kept.writelines(json.dumps(dataclasses.asdict(one)) + "\n" for one in aims)


def kept(file: Path) -> list[Aim]:
    return [Aim(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
