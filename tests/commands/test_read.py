"""read: what a system says, without storing or sending anything."""

import pytest

from sync.models import Delivery, SyncRun
from tests.commands.conftest import Run
from tests.sync.conftest import Load, invoice, people

pytestmark = pytest.mark.django_db(transaction=True)


def test_records_of_a_stream_without_a_flow_are_shown_as_they_are_mapped(run: Run, load: Load) -> None:
    control = load(people(2), [invoice("SO-1", "C-1", ("MUG", "1", "5.00"))])
    [order] = run("read", "dynamics365.order", "--json").rows
    assert (order["key"], order["is"], order["record"]["customer"]) == ("usmf|SO-1", "record", "usmf|C-1")
    assert [line["sku"] for line in order["record"]["lines"]] == ["MUG"]
    assert "customer: usmf|C-1" in run("read", "dynamics365.order").out
    assert not SyncRun.objects.exists()
    assert not Delivery.objects.exists()
    assert control.writes() == []


def test_only_so_many_or_only_these_are_shown(run: Run, load: Load) -> None:
    load(people(5))
    assert len(run("read", "dynamics365.customer", "--count", "2", "--json").rows) == 2
    assert len(run("read", "dynamics365.customer", "--count", "0", "--json").rows) == 5
    [row] = run("read", "dynamics365.customer", "--ids", "usmf|C-3", "--json").rows
    assert row["record"]["account"] == "C-3"


def test_a_row_that_is_no_record_says_why(run: Run, load: Load) -> None:
    control = load(people(1))
    control.customer("C-1", PrimaryContactEmail="at home")
    [row] = run("read", "dynamics365.customer", "--json").rows
    assert row["faults"] == ["email: Not an e-mail address: An email address must have an @-sign."]


@pytest.mark.parametrize(
    ("stream", "code", "says"),
    [
        ("dynamics365.weather", 2, "it offers customer, sale"),
        ("dynamics365", 1, "is not configured here"),
        ("nobody.customer", 1, "nobody is not configured here"),
    ],
)
def test_a_stream_that_there_is_not_is_said_to_be_none(run: Run, load: Load, stream: str, code: int, says: str) -> None:
    load(people(1))
    ran = run("read", stream)
    assert ran.code == code
    assert says in ran.err
