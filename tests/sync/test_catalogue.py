"""Every kind that the code raises is described for people."""

import ast
from collections.abc import Iterator
from pathlib import Path

from sync.catalogue import KINDS, Team

ROOT = Path(__file__).parents[2]
RAISED_BY = {"RecordError", "Fault", "Finding"}
INBOX_ONLY = {"malformed_notice", "malformed_message"}
"""Of webhooks' messages: the inbox shows them, they become no exceptions."""
NEVER_STORED = {"wrong_record"}
"""A mistake of ours, not of a record."""


def raised() -> Iterator[tuple[str, str]]:
    """(kind, file) of every literal kind in connectors and engine."""
    for path in [*(ROOT / "connectors").rglob("*.py"), *(ROOT / "sync").rglob("*.py")]:
        if "emulators" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED_BY and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value, str(path.relative_to(ROOT))


def test_every_kind_that_is_raised_has_its_words() -> None:
    found = set(raised())
    assert len(found) > 40
    assert {(kind, path) for kind, path in found if kind not in {*KINDS, *INBOX_ONLY, *NEVER_STORED}} == set()


def test_every_kind_says_what_it_means_and_what_to_do_in_whole_sentences() -> None:
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)
    for kind in KINDS.values():
        assert kind.team in Team
        for sentence in (kind.meaning, kind.remedy, kind.retry_helps):
            assert sentence.endswith((".", "?")), kind.name
            assert sentence[0].isupper(), kind.name
