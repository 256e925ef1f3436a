"""docs/fault-matrix.md names every row, and only tests that there are."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = (ROOT / "docs/fault-matrix.md").read_text(encoding="utf-8").splitlines()


def test_every_row_is_there_once_with_a_test_or_what_is_missing() -> None:
    rows = [row.split("|")[1:5] for row in ROWS if re.match(r"\| \d+ \|", row)]
    assert [int(row[0]) for row in rows] == list(range(1, 66))
    assert [row[0].strip() for row in rows if "`tests/" not in row[2] and not row[3].strip()] == []


def test_each_named_test_exists() -> None:
    wrong = []
    for named in re.findall(r"`(tests/[^`]+)`", "\n".join(ROWS)):
        path, _, test = named.partition("::")
        file = ROOT / path
        if not file.is_file() or (test and f"def {test}(" not in file.read_text(encoding="utf-8")):
            wrong.append(named)
    assert wrong == []
