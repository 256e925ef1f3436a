"""Return orders with their lines, and contact persons by the moment of their last change (contract 4.2, 4.6)."""

from typing import Any

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from connectors.base import Change, Page
from connectors.errors import RecordError
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, Row

RETURNS, LINES, CONTACTS = "ReturnOrderHeaders", "ReturnOrderLines", "ContactsV2"


def returned(number: str, **values: Any) -> Row:
    return {"dataAreaId": "usmf", "ReturnOrderNumber": number, "CustomerAccountNumber": "C-1",
            "ReturnOrderStatus": "Open", **values}  # fmt: skip


def return_line(number: str, lot: str, **values: Any) -> Row:
    return {"dataAreaId": "usmf", "ReturnOrderNumber": number, "InventoryLotId": lot, "ReturnSalesQuantity": -1,
            "ReferenceInventoryLotId": f"O-{lot}", **values}  # fmt: skip


def person(number: int, minute: int = 0, **values: Any) -> Row:
    return {"dataAreaId": "usmf", "ContactPersonId": f"CP-{number}", "FirstName": "Bea",
            "LastEditDateTime": f"2026-01-15T09:{minute:02}:00Z", **values}  # fmt: skip


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    return ODataServer(
        server,
        {
            RETURNS: [returned(f"RO-{number}") for number in range(1, 6)],
            LINES: [
                return_line(f"RO-{number}", f"{number}-{lot}") for number in range(1, 6) for lot in range(number % 3)
            ],
            CONTACTS: [person(number, minute) for number, minute in enumerate([5, 5, 5, 20, 1], 1)],
        },
    )


def ids(source: Any, stream: str, pages: list[Page]) -> list[str]:
    return [source.streams[stream].key(row) for page in pages for row in page.rows]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_returns_come_with_their_lines_and_go_on_where_they_stopped(
    system: ODataServer, finance: Open, size: int
) -> None:
    source = finance(PAGE_SIZE=str(size))
    pages = list(source.read("return", ""))
    records = [source.streams["return"].map(row).record for page in pages for row in page.rows]
    assert [len(record.lines) for record in records] == [1, 2, 0, 1, 2]
    assert records[0].lines[0].order_line == "O-1-0"
    assert records[0].lines[0].quantity == 1
    for reached, page in enumerate(pages[:-1]):
        rest = list(source.read("return", "", page.resume))
        assert ids(source, "return", rest) == ids(source, "return", pages[reached + 1 :])


def test_returns_are_fetched_and_listed_by_key(system: ODataServer, finance: Open) -> None:
    source = finance()
    assert ids(source, "return", list(source.fetch("return", ["usmf|RO-2", "usmf|RO-9"]))) == ["usmf|RO-2"]
    assert [key for page in source.keys("return") for key in page] == [f"usmf|RO-{number}" for number in range(1, 6)]


def test_lines_without_their_return_wait_for_a_person(system: ODataServer, finance: Open) -> None:
    system.sets[LINES].append(return_line("RO-4x", "x"))
    source = finance()
    rows = [row for page in source.read("return", "") for row in page.rows]
    assert len(rows) == 6
    with pytest.raises(RecordError, match="No return order has this number"):
        source.streams["return"].map(rows[4])


def test_contacts_are_read_from_the_last_change_with_an_overlap(system: ODataServer, finance: Open) -> None:
    source = finance(OVERLAP_MINUTES="5")
    assert source.streams["contact"].change is Change.MOMENT
    pages = list(source.read("contact", ""))
    assert ids(source, "contact", pages) == ["usmf|CP-5", "usmf|CP-1", "usmf|CP-2", "usmf|CP-3", "usmf|CP-4"]
    assert pages[-1].watermark == "2026-01-15T09:20:00Z"
    assert ids(source, "contact", list(source.read("contact", "2026-01-15T09:10:00Z"))) == [
        "usmf|CP-1", "usmf|CP-2", "usmf|CP-3", "usmf|CP-4",
    ]  # fmt: skip
    assert list(source.read("contact", "2026-03-01T00:00:00Z"))[-1].watermark == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_changes_of_one_moment_are_told_apart_by_key(system: ODataServer, finance: Open, size: int) -> None:
    source = finance(PAGE_SIZE=str(size))
    pages = list(source.read("contact", ""))
    assert len(ids(source, "contact", pages)) == 5
    for reached, page in enumerate(pages[:-1]):
        rest = list(source.read("contact", "", page.resume))
        assert ids(source, "contact", rest) == ids(source, "contact", pages[reached + 1 :])
        assert rest[-1].watermark == pages[-1].watermark


def test_a_change_of_the_future_does_not_end_the_flow(system: ODataServer, finance: Open) -> None:
    system.sets[CONTACTS].append(person(9, LastEditDateTime="2062-01-01T00:00:00Z"))
    with time_machine.travel("2026-01-16T00:00:00Z", tick=False):
        assert list(finance().read("contact", ""))[-1].watermark == "2026-01-16T00:00:00Z"


def test_a_set_without_the_moment_is_read_whole(system: ODataServer, finance: Open) -> None:
    system.sets["ContactPersons"] = system.sets.pop(CONTACTS)
    source = finance(CONTACTS_SET="ContactPersons", CONTACT_MOMENT_FIELD="")
    assert source.streams["contact"].change is Change.SCAN
    pages = list(source.read("contact", "2026-03-01T00:00:00Z"))
    assert (len(ids(source, "contact", pages)), pages[-1].watermark) == (5, "")


def test_contacts_are_fetched_and_listed_by_key(system: ODataServer, finance: Open) -> None:
    source = finance()
    assert ids(source, "contact", list(source.fetch("contact", ["usmf|CP-2", "usmf|CP-9"]))) == ["usmf|CP-2"]
    assert sorted(key for page in source.keys("contact") for key in page) == [f"usmf|CP-{n}" for n in range(1, 6)]
