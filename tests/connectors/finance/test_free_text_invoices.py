"""Free-text invoices count as sales where a setting says so (contract 4.6)."""

from decimal import Decimal
from typing import Any

import pytest
import time_machine
from pytest_httpserver import HTTPServer

from connectors.base import Page
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, Row, header, line

SETS = {"FREE_TEXT_SET": "FreeTextInvoiceHeaders"}


def free(number: int, **values: Any) -> Row:
    return {"dataAreaId": "usmf", "FreeTextNumber": f"F-{number}", "CustomerAccount": "C-1", "CurrencyCode": "GBP",
            "InvoiceId": f"FTI-{number}", "InvoiceDate": f"2026-01-{10 + number}T12:00:00Z", "IsPosted": "Yes",
            **values}  # fmt: skip


def free_line(number: int, at: int, amount: float) -> Row:
    return {"dataAreaId": "usmf", "FreeTextNumber": f"F-{number}", "LineNumber": at, "Description": "Engraving",
            "Quantity": 0, "UnitPrice": 0, "TransactionCurrencyAmount": amount}  # fmt: skip


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    drafts = [free(7, InvoiceId="", IsPosted="No")]
    return ODataServer(
        server,
        {
            "SalesInvoiceHeadersV2": [header("INV-1")],
            "SalesInvoiceV2Lines": [line("INV-1")],
            "FreeTextInvoiceHeaders": [free(1), free(2), free(3), *drafts],
            "FreeTextInvoiceLines": [free_line(1, 1, 9.5), free_line(1, 2, 3), free_line(2, 1, -4), free_line(3, 1, 1),
                                     free_line(7, 1, 99)],
        },
    )  # fmt: skip


def sales(source: Any, pages: list[Page]) -> dict[str, Any]:
    stream = source.streams["sale"]
    return {stream.key(row): stream.map(row).record for page in pages for row in page.rows}


def read(source: Any, since: str = "", resume: str = "") -> list[Page]:
    with time_machine.travel("2026-02-01T08:00:00Z", tick=True):
        return list(source.read("sale", since, resume))


KEYS = ["usmf|INV-1|1", "usmf|FTI-1|1", "usmf|FTI-1|2", "usmf|FTI-2|1", "usmf|FTI-3|1"]


def test_they_follow_the_sales_invoices_and_drafts_are_left_out(system: ODataServer, finance: Open) -> None:
    source = finance(**SETS)
    pages = read(source)
    found = sales(source, pages)
    assert list(found) == KEYS
    first, credit = found["usmf|FTI-1|1"], found["usmf|FTI-2|1"]
    assert (first.amount, first.document_total, first.quantity) == (Decimal("9.5"), Decimal("12.5"), 1)
    assert (first.sku, first.name, first.currency) == ("FREE TEXT", "Engraving", "GBP")
    assert (credit.amount, credit.quantity, credit.unit_price, credit.credit) == (-4, -1, 4, True)
    assert [page.watermark for page in pages if page.watermark is not None] == ["2026-01-15"]


def test_without_the_setting_they_are_not_asked_for(system: ODataServer, finance: Open) -> None:
    source = finance()
    assert list(sales(source, read(source))) == KEYS[:1]
    assert not any("FreeText" in request.path for request in system.asked)


@pytest.mark.parametrize("size", [1, 2])
def test_a_read_goes_on_after_the_page_it_reached(system: ODataServer, finance: Open, size: int) -> None:
    source = finance(PAGE_SIZE=str(size), **SETS)
    pages = read(source)
    assert list(sales(source, pages)) == KEYS
    for reached, page in enumerate(pages[:-1]):
        rest = read(source, resume=page.resume)
        assert list(sales(source, rest)) == list(sales(source, pages[reached + 1 :]))
        assert rest[-1].watermark == pages[-1].watermark


def test_they_are_fetched_by_key_listed_and_windowed(system: ODataServer, finance: Open) -> None:
    source = finance(LOOKBACK_DAYS="0", **SETS)
    asked = ["usmf|FTI-1|2", "usmf|FTI-2", "usmf|INV-1|1"]
    assert list(sales(source, list(source.fetch("sale", asked)))) == ["usmf|INV-1|1", "usmf|FTI-1|2", "usmf|FTI-2|1"]
    assert [key for page in source.keys("sale") for key in page] == KEYS
    assert list(sales(source, read(source, "2026-01-13"))) == ["usmf|INV-1|1", "usmf|FTI-3|1"]
