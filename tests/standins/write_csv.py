"""Writes the shop as CSV files for CAP: `python -m tests.standins.write_csv <folder>/db/data`."""

import csv
import sys
from pathlib import Path

from tests.standins import shop

ENTITIES = {"clients": "Clients", "bills": "Bills", "bill_lines": "BillLines", "orders": "Orders",
            "order_lines": "OrderLines"}  # fmt: skip


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in shop.sets(("B'3", "''", "B%256")).items():
        with (folder / f"shop-{ENTITIES[name]}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(one.columns), delimiter=";")
            writer.writeheader()
            writer.writerows({column: str(value).lower() if isinstance(value, bool) else value
                              for column, value in row.items()} for row in one.rows)  # fmt: skip


if __name__ == "__main__":
    write(Path(sys.argv[1]))
