"""Reading invoices and credit notes of Dynamics 365 Finance: header and lines joined (contract 4.6)."""

import json
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from connectors.base import Excluded, Page
from connectors.dynamics365.finance.invoices import Key, rows
from connectors.dynamics365.finance.joining import Part, joined
from connectors.errors import ConfigurationError, RecordError
from connectors.records import Sale
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, Row, header, line

HEADERS, LINES = "SalesInvoiceHeadersV2", "SalesInvoiceV2Lines"


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    headers = [header(f"INV-{number}", day=f"2026-01-{number:02}") for number in range(1, 11)]
    lines = [line(f"INV-{number}", sequence, day=f"2026-01-{number:02}") for number in range(1, 11)
             for sequence in range(1, number % 3 + 2)]  # fmt: skip
    return ODataServer(server, {HEADERS: headers, LINES: lines})


def keys(source: Any, pages: list[Page]) -> list[str]:
    return [source.streams["sale"].key(row) for page in pages for row in page.rows]


def all_keys(system: ODataServer) -> list[str]:
    return [f"{row['dataAreaId']}|{row['InvoiceNumber']}|{row['LineCreationSequenceNumber']}"
            for row in sorted(system.sets[LINES], key=lambda row: (row["dataAreaId"], row["InvoiceDate"]))]  # fmt: skip


def test_each_line_comes_with_its_header(system: ODataServer, finance: Open) -> None:
    source = finance()
    pages = list(source.read("sale", ""))
    assert keys(source, pages) == all_keys(system)
    row = json.loads(pages[0].rows[0])
    assert row["header"]["TotalInvoiceAmount"] == 5
    assert row["line"]["LineAmount"] == 5
    assert pages[-1].watermark == "2026-01-10"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_page_ends_with_a_whole_document_and_the_read_can_go_on_there(
    system: ODataServer, finance: Open, size: int
) -> None:
    source = finance(PAGE_SIZE=str(size))
    pages = list(source.read("sale", ""))
    assert keys(source, pages) == all_keys(system)
    for reached, page in enumerate(pages[:-1]):
        rest = list(source.read("sale", "", page.resume))
        assert keys(source, rest) == keys(source, pages[reached + 1 :])
        assert rest[-1].watermark == "2026-01-10"


def test_companies_follow_one_another(system: ODataServer, finance: Open) -> None:
    for company in ("demf", "usrt"):
        system.sets[HEADERS].append(header("INV-1", company=company))
        system.sets[LINES].append(line("INV-1", company=company))
    source = finance(PAGE_SIZE="2")
    assert keys(source, list(source.read("sale", ""))) == all_keys(system)
    alone = finance(COMPANIES="usrt")
    assert keys(alone, list(alone.read("sale", ""))) == ["usrt|INV-1|1"]


def test_a_server_that_cuts_pages_without_a_link_is_read_to_its_end(system: ODataServer, finance: Open) -> None:
    for company in ("demf", "usrt"):
        system.sets[HEADERS] += [header(f"INV-{number}", company=company) for number in range(4)]
        system.sets[LINES] += [line(f"INV-{number}", company=company) for number in range(4)]
    system.page, system.links = 3, False
    source = finance()
    assert sorted(keys(source, list(source.read("sale", "")))) == sorted(all_keys(system))


def test_only_the_window_with_its_overlap_is_read(system: ODataServer, finance: Open) -> None:
    pages = list(finance(LOOKBACK_DAYS="2").read("sale", "2026-01-09"))
    days = {json.loads(row)["header"]["InvoiceDate"][:10] for page in pages for row in page.rows}
    assert days == {"2026-01-07", "2026-01-08", "2026-01-09", "2026-01-10"}
    assert pages[-1].watermark == "2026-01-10"


def test_a_window_without_invoices_keeps_its_watermark(system: ODataServer, finance: Open) -> None:
    (page,) = finance().read("sale", "2026-03-01")
    assert (page.rows, page.watermark) == ([], "2026-03-01")


def test_a_date_of_the_future_does_not_move_the_window_past_everything_else(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS].append(header("INV-11", day="2062-01-10"))
    with time_machine.travel("2026-01-12T08:00:00Z", tick=True):
        *_, last = finance().read("sale", "")
    assert last.watermark == "2026-01-12"


def test_headers_without_lines_and_lines_without_header_wait_for_a_person(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS].append(header("INV-50", day="2026-01-05"))
    system.sets[LINES].append(line("INV-60", day="2026-01-05"))
    source = finance()
    pages = list(source.read("sale", ""))
    stream = source.streams["sale"]
    errors = {}
    for page in pages:
        for row in page.rows:
            try:
                stream.map(row)
            except RecordError as error:
                errors[stream.key(row)] = error.kind
    assert errors == {"usmf|INV-50|": "invoice_without_lines", "usmf|INV-60|1": "line_without_header"}


def test_lines_and_whole_documents_are_fetched_by_key(system: ODataServer, finance: Open) -> None:
    source = finance()
    found = keys(source, list(source.fetch("sale", ["usmf|INV-5|2", "usmf|INV-7", "usmf|INV-99|1"])))
    assert found == ["usmf|INV-5|2", "usmf|INV-7|1", "usmf|INV-7|2"]


def test_an_invoice_number_may_hold_a_bar(system: ODataServer, finance: Open) -> None:
    system.sets[HEADERS].append(header("A|1"))
    system.sets[LINES].append(line("A|1"))
    source = finance()
    assert keys(source, list(source.fetch("sale", ["usmf|A|1|1"]))) == ["usmf|A|1|1"]
    assert keys(source, list(source.fetch("sale", ["usmf|A|1"]))) == ["usmf|A|1|1"]


def test_every_line_is_listed_for_the_sweep(system: ODataServer, finance: Open) -> None:
    assert [key for part in finance(PAGE_SIZE="4").keys("sale") for key in part] == all_keys(system)


def test_a_column_that_money_depends_on_must_be_there(system: ODataServer, finance: Open) -> None:
    system.metadata = b"""<Edmx><Schema><EntityType Name="H"><Property Name="dataAreaId"/><Property Name="InvoiceDate"/>
        <Property Name="InvoiceNumber"/><Property Name="InvoiceCustomerAccountNumber"/></EntityType>
        <EntitySet Name="SalesInvoiceHeadersV2" EntityType="X.H"/></Schema></Edmx>"""
    with pytest.raises(ConfigurationError, match="TotalInvoiceAmount"):
        list(finance().read("sale", ""))


def test_amounts_keep_every_digit(finance: Open) -> None:
    row = row_of(header("1", TotalInvoiceAmount=1), line("1")).replace(
        b'"LineAmount":5', b'"LineAmount":0.1234567890123456789'
    )
    sale = finance().streams["sale"].map(row).record
    assert str(sale.amount) == "0.1234567890123456789"


@pytest.mark.parametrize(
    ("quantity", "amount", "credit"),
    [(1, 5, False), (-1, -5, True), (1, -5, True), (-1, 0, True), (1, 0, False), (-1, 5, False)],
)
def test_a_credit_line_is_told_by_its_sign(finance: Open, quantity: int, amount: int, credit: bool) -> None:
    row = row_of(header("1"), line("1", InvoicedQuantity=quantity, LineAmount=amount))
    assert finance().streams["sale"].map(row).record.credit is credit


@pytest.mark.parametrize(
    ("item", "charge"), [("POST", True), ("post", False), ("BANK CHARGES", True), ("POSTBOX", False)]
)
def test_a_charge_is_told_by_its_item_number_alone(finance: Open, item: str, charge: bool) -> None:
    row = row_of(header("1"), line("1", ProductNumber=item))
    assert finance().streams["sale"].map(row).record.charge is charge
    assert finance(CHARGE_ITEMS="").streams["sale"].map(row).record.charge is False


def test_an_invoice_without_customer_has_no_faults_of_its_own(finance: Open) -> None:
    mapped = (
        finance()
        .streams["sale"]
        .map(row_of(header("1", InvoiceCustomerAccountNumber="", TotalInvoiceAmount=0), line("1")))
    )
    assert isinstance(mapped.record, Excluded)
    assert isinstance(mapped.record.record, Sale)
    assert mapped.faults == ()


def row_of(head: Row, body: Row) -> bytes:
    return b'{"header":%b,"line":%b}' % tuple(json.dumps(part, separators=(",", ":")).encode() for part in (head, body))


documents = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 3), st.integers(0, 9)),
    st.sampled_from(["both", "header", "lines"]),
)


@given(found=documents, order=st.randoms(use_true_random=False))
def test_every_part_is_given_out_once_whatever_order_the_server_sorts_numbers_in(found: Any, order: Any) -> None:
    ranks = list(range(10))
    order.shuffle(ranks)
    in_order = sorted(found, key=lambda key: (key[0], key[1], ranks[key[2]]))
    named = {key: Key(key[0], f"2026-01-0{key[1]}T12:00:00Z", str(key[2])) for key in in_order}
    headers = [Part(named[key], [b"1"]) for key in in_order if found[key] != "lines"]
    lines = [Part(named[key], [b"2", b"3"]) for key in in_order if found[key] != "header"]
    given_out = list(joined(headers, lines))
    assert sorted(document.key.__repr__() for document in given_out) == sorted(repr(key) for key in named.values())
    shape = {"both": [b'{"header":1,"line":2}', b'{"header":1,"line":3}'], "header": [b'{"header":1,"line":null}'],
             "lines": [b'{"header":null,"line":2}', b'{"header":null,"line":3}']}  # fmt: skip
    kinds = {named[key]: kind for key, kind in found.items()}
    assert all(rows(document) == shape[kinds[document.key]] for document in given_out)
    places = {named[key]: place for place, key in enumerate(in_order)}
    for place, document in enumerate(given_out):
        if document.whole and kinds[document.key] == "both":  # what comes later lies behind it
            assert all(places[later.key] > places[document.key] for later in given_out[place + 1 :])
