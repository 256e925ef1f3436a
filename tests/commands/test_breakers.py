"""breakers: what stops a flow, and the one action that lets it go on."""

import pytest

from sync.models import AuditEvent, Breaker
from tests.commands.conftest import Run
from tests.sync.conftest import Load, flow, people

pytestmark = pytest.mark.django_db(transaction=True)
CUSTOMERS = "dynamics365.customer"


def test_a_stopped_flow_is_listed_with_its_numbers_and_resumed_by_one_command(run: Run, load: Load) -> None:
    control = load(people(12))
    assert run("sync", CUSTOMERS).code == 0
    Breaker.objects.create(flow=flow(), kind="mass_change", percent=20, minimum=5)
    for n in range(1, 11):
        control.customer(f"C-{n}", AddressCity="Elsewhere")
    control.forget_requests()
    ran = run("sync", CUSTOMERS)
    assert (ran.code, control.writes()) == (1, [])
    assert "10 of 12 linked records would be changed" in ran.err
    [row] = run("breakers", "--json").rows
    assert (row["flow"], row["kind"], row["cause"]["numbers"]["limit"]) == (CUSTOMERS, "mass_change", 5)
    assert "10 of 12 linked records" in run("breakers", CUSTOMERS).out

    assert run("breakers", "resume", CUSTOMERS, "error_rate").code == 1
    assert run("breakers", "resume", CUSTOMERS, "mass_change", "--note", "ERP import", "--json").one["kind"]
    assert AuditEvent.objects.get(action="resume and allow once").reason == "ERP import"
    assert run("sync", CUSTOMERS, "--json").one["accepted"] == 10
    assert run("breakers", "--json").rows == []


def test_a_flows_breakers_are_listed_with_their_limits(run: Run, load: Load) -> None:
    load(people(1))
    rows = {row["kind"]: row for row in run("breakers", CUSTOMERS, "--json").rows}
    assert list(rows) == ["error_rate", "mass_change", "mass_deactivation", "zero_records", "out_of_range"]
    assert (rows["mass_change"]["percent"], rows["mass_change"]["minimum"]) == (20, 100)


def test_a_limit_is_changed_with_a_note_and_stands_in_the_trail(run: Run, load: Load) -> None:
    load(people(1))
    row = run("breakers", "limit", CUSTOMERS, "mass_change", "--percent", "35", "--note", "Import", "--json").one
    assert (row["percent"], row["minimum"], row["on"]) == (35, 100, True)
    assert run("breakers", "limit", CUSTOMERS, "mass_change", "--off", "--note", "Import").out.endswith("off.\n")
    assert AuditEvent.objects.filter(action="change breaker", reason="Import").count() == 2
    assert run("breakers", "limit", CUSTOMERS, "mass_change", "--on").code == 2, "a limit needs a note"
    assert run("breakers", "limit", CUSTOMERS, "mass_change", "--percent", "0", "--on", "--note", "x").code == 2
    assert run("breakers", "limit", CUSTOMERS, "catalogue_shrink", "--percent", "9", "--note", "x").code == 2
    assert AuditEvent.objects.filter(action="change breaker").count() == 2


@pytest.mark.parametrize("words", [("resume", CUSTOMERS), ("resume", CUSTOMERS, "anger"), (CUSTOMERS, "x"),
                                   ("limit", CUSTOMERS), ("limit", CUSTOMERS, "mass_change")])  # fmt: skip
def test_half_a_command_is_wrong_usage(run: Run, load: Load, words: tuple[str, ...]) -> None:
    load(people(1))
    assert run("breakers", *words).code == 2
