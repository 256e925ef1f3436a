"""Plans from the command line: sync --dry-run, plans, apply."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from sync import roles
from tests.commands.conftest import Run
from tests.sync.conftest import Load, people

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_plan_is_made_shown_approved_and_applied(run: Run, load: Load, settings: Any) -> None:
    settings.SYNC = {**settings.SYNC, "PLAN_SECOND_LOOK": 2}
    control = load(people(3))
    roles.create_groups()
    get_user_model().objects.create_user("ann").groups.set([Group.objects.get(name="admin")])
    made = run("sync", "dynamics365.customer", "--dry-run", "--json").one
    number = str(made["id"])
    assert (made["state"], made["counts"], made["planned"]) == ("second_look", {"create": 3}, 3)
    assert "person1@example.com" not in str(made)
    assert control.contacts() == {}
    shown = run("plans", "show", number)
    assert "3  would be new in emarsys" in shown.out
    assert "Second look: It touches 3 records" in shown.out
    assert [row["id"] for row in run("plans", "--json").rows] == [made["id"]]
    refused = run("apply", number)
    assert (refused.code, "second look" in refused.err) == (1, True)
    assert run("apply", number, "--approve").code == 2, "a second look has a name"
    assert run("apply", number, "--approve", "--by", "nobody").code == 2
    assert run("apply", number, "--approve", "--by", "ann", "--json").one["state"] == "approved"
    assert run("apply", number, "--json").one["accepted"] == 3
    assert len(control.contacts()) == 3
    assert run("plans", "discard", number).code == 1, "it is applied"
    assert run("plans", "show").code == run("plans", "show", "999999").code == run("apply", "999999").code == 2
