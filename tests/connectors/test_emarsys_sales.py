"""Sales data of Emarsys (contract 6): sent once, an answer that is lost is said to be lost."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.base import Known, Outcome
from connectors.errors import BatchRefusedError, ConfigurationError, RecordError, UnavailableError, UnknownOutcomeError
from connectors.records import Sale
from tests.connectors.conftest import Open

UPLOAD = "/hapi/19CAA097101B372A"


def sale(line: str = "1", **values: Any) -> Sale:
    usual = {"quantity": Decimal(2), "unit_price": Decimal("2.55"), "amount": Decimal("5.10"), "sku": "MUG-1",
             "sold_at": datetime(2026, 1, 15, 12, tzinfo=UTC)}  # fmt: skip
    return Sale(
        key=f"usmf|INV-1|{line}",
        document="INV-1",
        line=line,
        company="usmf",
        customer="usmf|C-1",
        account="C-1",
        currency="GBP",
        document_total=Decimal("5.10"),
        order="SO-1",
        **{**usual, **values},
    )


def credit() -> Sale:
    return sale(quantity=Decimal(-2), amount=Decimal("-5.10"), credit=True)


def lines(sink: Any, *sales: Sale) -> list[Any]:
    return [sink.inlets["sale"].encode(one, Known())[0] for one in sales]


def test_lines_are_uploaded_under_one_header(server: HTTPServer, emarsys: Open) -> None:
    server.expect_request(UPLOAD).respond_with_data("Upload accepted\n", content_type="text/plain")
    sink = emarsys()
    answer = sink.send("sale", lines(sink, sale("1"), sale("2")), "key")
    (request,) = [request for request, _ in server.log if request.path == UPLOAD]
    assert request.headers["Authorization"] == "Bearer sales-token"
    assert request.headers["Content-Type"] == "text/csv"
    assert request.get_data(as_text=True).splitlines() == [
        "item,price,order,timestamp,customer,quantity,s_invoice_line",
        "MUG-1,5.10,INV-1,2026-01-15T12:00:00Z,C-1,2,usmf|INV-1|1",
        "MUG-1,5.10,INV-1,2026-01-15T12:00:00Z,C-1,2,usmf|INV-1|2",
    ]
    assert [result.outcome for result in answer.results] == [Outcome.ACCEPTED] * 2
    assert answer.reply == b"Upload accepted\n"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "MUG-1,-5.10,INV-1,2026-01-15T12:00:00Z,C-1,-2,usmf|INV-1|1"),
        ({"PRICE": "unit_price"}, "MUG-1,-2.55,INV-1,2026-01-15T12:00:00Z,C-1,-2,usmf|INV-1|1"),
        ({"REFUND_STYLE": "custom_amount_column"}, "MUG-1,5.10,INV-1,2026-01-15T12:00:00Z,C-1,2,usmf|INV-1|1,-5.10"),
        ({"SALES_ORDER": "order", "SALES_COLUMNS": "s_company,s_currency"},
         "MUG-1,-5.10,SO-1,2026-01-15T12:00:00Z,C-1,-2,usmf,GBP"),
        ({"KEY_VALUE": "key", "SALES_COLUMNS": ""}, "MUG-1,-5.10,INV-1,2026-01-15T12:00:00Z,usmf|C-1,-2"),
    ],
)  # fmt: skip
def test_a_credit_line_is_written_as_the_account_agreed(
    server: HTTPServer, emarsys: Open, settings: dict[str, str], line: str
) -> None:
    server.expect_request(UPLOAD).respond_with_data("Upload accepted\n")
    sink = emarsys(**settings)
    sink.send("sale", lines(sink, credit()), "key")
    head, body = server.log[-1][0].get_data(as_text=True).splitlines()
    assert body == line
    assert len(head.split(",")) == len(line.split(","))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "POSTAGE,-3.50,INV-1,2026-01-15T12:00:00Z,C-1,-1,usmf|INV-1|1"),
        ({"REFUND_STYLE": "custom_amount_column"}, "POSTAGE,3.50,INV-1,2026-01-15T12:00:00Z,C-1,1,usmf|INV-1|1,-3.50"),
    ],
)
def test_a_refund_without_an_article_takes_the_agreed_item(
    server: HTTPServer, emarsys: Open, settings: dict[str, str], line: str
) -> None:
    server.expect_request(UPLOAD).respond_with_data("Upload accepted\n")
    goodwill = sale(sku="", quantity=Decimal(0), amount=Decimal("-3.50"), credit=True)
    sink = emarsys(REFUND_ITEM="POSTAGE", **settings)
    sink.send("sale", lines(sink, goodwill), "key")
    assert server.log[-1][0].get_data(as_text=True).splitlines()[1] == line


def test_only_refunds_may_lack_an_article_and_only_where_an_item_is_agreed(emarsys: Open) -> None:
    goodwill = sale(sku="", amount=Decimal("-3.50"), credit=True)
    for sink, one in ((emarsys(), goodwill), (emarsys(REFUND_ITEM="POSTAGE"), sale(sku=""))):
        with pytest.raises(RecordError) as raised:
            lines(sink, one)
        assert (raised.value.kind, raised.value.field) == ("missing_value", "sku")


@pytest.mark.parametrize("settings", [{}, {"KEY": "email"}])
def test_one_column_names_the_customer_never_two(emarsys: Open, settings: dict[str, str]) -> None:
    """`customer` matches the external id; `email` beside it is not allowed (contract 6.1)."""
    sink = emarsys(**settings)
    (line,) = lines(sink, sale())
    assert line.body.split(b",")[4] == b"C-1"


def test_moments_are_written_in_utc_and_never_without_a_zone(emarsys: Open) -> None:
    sink = emarsys()
    moment = datetime(2026, 1, 15, 13, 0, 0, 999, tzinfo=timezone(timedelta(hours=1)))
    (line,) = lines(sink, sale(sold_at=moment))
    assert line.body.split(b",")[3] == b"2026-01-15T12:00:00Z"
    with pytest.raises(RecordError, match="zone"):
        lines(sink, sale(sold_at=datetime(2026, 1, 15, 12)))


def test_a_refused_file_is_halved_until_the_line_stands_alone(server: HTTPServer, emarsys: Open) -> None:
    server.expect_request(UPLOAD).respond_with_data("bad header", status=400)
    sink = emarsys()
    with pytest.raises(BatchRefusedError):
        sink.send("sale", lines(sink, sale("1"), sale("2")), "key")
    (result,) = sink.send("sale", lines(sink, sale("1")), "key").results
    assert (result.outcome, result.code, result.message) == (Outcome.REJECTED, "400", "bad header")


def test_an_error_of_the_server_leaves_the_outcome_unknown_and_nothing_is_repeated(
    server: HTTPServer, emarsys: Open
) -> None:
    server.expect_request(UPLOAD).respond_with_data("oops", status=502)
    sink = emarsys()
    with pytest.raises(UnknownOutcomeError):
        sink.send("sale", lines(sink, sale()), "key")
    assert sum(request.path == UPLOAD for request, _ in server.log) == 1


def test_a_page_where_an_acceptance_belongs_leaves_the_outcome_unknown(server: HTTPServer, emarsys: Open) -> None:
    server.expect_request(UPLOAD).respond_with_data("\n<html>Please sign in</html>")
    sink = emarsys()
    with pytest.raises(UnknownOutcomeError):
        sink.send("sale", lines(sink, sale()), "key")


def test_a_wrong_sales_token_is_a_matter_for_an_admin(server: HTTPServer, emarsys: Open) -> None:
    server.expect_request(UPLOAD).respond_with_data("", status=401)
    sink = emarsys()
    with pytest.raises(ConfigurationError):
        sink.send("sale", lines(sink, sale()), "key")


@pytest.mark.parametrize("missing", ["SALES_TOKEN", "MERCHANT_ID"])
def test_without_sales_settings_contacts_work_and_sales_say_what_is_missing(
    server: HTTPServer, emarsys: Open, missing: str
) -> None:
    sink = emarsys(**{missing: ""})
    assert sink.inlets["customer"].readable
    with pytest.raises(ConfigurationError, match=missing):
        sink.send("sale", lines(sink, sale()), "key")


def test_a_column_that_cannot_be_filled_is_named(emarsys: Open) -> None:
    with pytest.raises(ConfigurationError, match="s_colour"):
        _ = emarsys(SALES_COLUMNS="s_invoice_line,s_colour").inlets["sale"]


@pytest.fixture
def silent() -> Iterator[tuple[str, list[bytes]]]:
    """A server that takes each request whole and hangs up without a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"\r\n\r\n" not in data or not data.endswith(b"usmf|INV-1|1\n"):
                    data += connection.recv(65536)
                received.append(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/sales", received
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_lost_answer_is_unknown_and_the_file_is_sent_once(emarsys: Open, silent: tuple[str, list[bytes]]) -> None:
    address, received = silent
    sink = emarsys(SALES_URL=address)
    with pytest.raises(UnknownOutcomeError):
        sink.send("sale", lines(sink, sale()), "key")
    assert len(received) == 1


def test_a_server_that_was_never_reached_has_done_nothing(emarsys: Open, slept: list[float]) -> None:
    sink = emarsys(SALES_URL="http://127.0.0.1:9/sales")
    with pytest.raises(UnavailableError) as raised:
        sink.send("sale", lines(sink, sale()), "key")
    assert not isinstance(raised.value, UnknownOutcomeError)
