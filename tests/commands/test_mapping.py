"""`manage.py mapping`: the field mapping from the shell, from an empty flow to one in force."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.sync.conftest import Load, people

pytestmark = pytest.mark.django_db(transaction=True)
FLOW = "dynamics365.customer"


def test_a_field_mapping_from_the_shell(run: Run, load: Load, tmp_path: Path) -> None:
    control = load(people(2))
    control("PUT", "emarsys/fields/7777", {"name": "Nickname", "application_type": "shorttext"})
    control("PATCH", "dynamics365/customers/usmf%7CC-1", {"NameAlias": "Sunny"})
    row = {"source": "NameAlias", "target": "7777", "name": "Nickname", "personal": False}
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps([row]))
    bad.write_text(json.dumps([{**row, "source": "NoSuchColumn"}]))

    assert run("mapping", "show", FLOW, "--json").rows == []
    refused = run("mapping", "check", FLOW, "--file", str(bad), "--json")
    assert (refused.code, refused.one["row"], refused.one["cell"]) == (1, 1, "source")
    told = run("mapping", "check", FLOW, "--file", str(good), "--json").one
    assert (told["records"], told["exact"], told["fields"]) == (0, True, 1), "nothing is linked yet"
    shown = run("mapping", "preview", FLOW, "usmf|C-1", "--file", str(good), "--json").one
    assert (shown["source"], shown["sent"], shown["target"]) == ("Sunny", "Sunny", "")
    hidden = run("mapping", "preview", FLOW, "usmf|C-1", "--file", str(_personal(good)), "--json").one
    assert hidden["value"] == "(personal)"

    assert run("mapping", "save", FLOW, "--file", str(bad)).code == 1
    assert run("mapping", "activate", FLOW, "--why", "there is none").code == 1
    assert run("mapping", "save", FLOW, "--file", str(good), "--why", "asked for").code == 0
    assert run("mapping", "activate", FLOW).code == 1, "without a reason"
    active = run("mapping", "activate", FLOW, "--why", "agreed", "--json").one
    assert (active["version"], active["state"]) == (1, "active")
    assert "next run" in active["follows"]
    assert run("mapping", "discard", FLOW, "--json").one == {"discarded": False}
    assert run("sync", FLOW).code == 0
    assert control.contacts()["C-1"]["7777"] == "Sunny"


def _personal(file: Path) -> Path:
    found = file.with_name("personal.json")
    found.write_text(json.dumps([{**json.loads(file.read_text())[0], "personal": True}]))
    return found
