"""The product feed (contract 7): one complete file that Emarsys pulls, its columns constant."""

import csv
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from connectors.base import Effect, Known
from connectors.errors import ConfigurationError, RecordError
from connectors.records import Product
from tests.connectors.conftest import Open


def product(sku: str = "MUG-1", **values: Any) -> Product:
    return Product(
        key=f"usmf|{sku}", sku=sku, **{"price": Decimal("12.00"), "currency": "EUR", "sellable": Decimal(5), **values}
    )


def feed(sink: Any, *products: Product) -> list[dict[str, str]]:
    """The file as whoever pulls it reads it."""
    inlet = sink.inlets["product"]
    content = inlet.head + b"".join(inlet.encode(one, Known())[0].body for one in products)
    return list(csv.DictReader(content.decode().splitlines(), strict=True))


def test_the_feed_is_pulled_never_sent(server: HTTPServer, emarsys: Open) -> None:
    sink = emarsys()
    inlet = sink.inlets["product"]
    assert (inlet.effect, inlet.readable) == (Effect.REPLACE, False)
    assert inlet.head == b"item,title,link,image,category,available,description,price,msrp,brand,group_id,c_stock\n"
    with pytest.raises(ConfigurationError, match="pulls"):
        sink.send("product", [inlet.encode(product(), Known())[0]], "key")
    assert sink.find("product", [product()]) == {}
    assert server.log == []


@pytest.mark.parametrize(
    ("sellable", "active", "threshold", "available"),
    [("5", True, "0", "true"), ("0", True, "0", "false"), ("-3", True, "0", "false"), ("5", True, "5", "false"),
     ("5.5", True, "5", "true"), ("5", False, "0", "false"), (None, True, "0", "false")],
)  # fmt: skip
def test_available_means_more_than_the_threshold_can_be_sold(
    emarsys: Open, sellable: str | None, active: bool, threshold: str, available: str
) -> None:
    quantity = None if sellable is None else Decimal(sellable)
    (row,) = feed(emarsys(STOCK_THRESHOLD=threshold), product(sellable=quantity, active=active))
    assert (row["available"], row["c_stock"]) == (available, sellable or "")


def test_columns_are_as_agreed(emarsys: Open) -> None:
    sink = emarsys(FEED_COLUMNS="item,available,c_stock,c_company")
    assert sink.inlets["product"].head == b"item,available,c_stock,c_company\n"
    assert feed(sink, product(company="usmf")) == [
        {"item": "MUG-1", "available": "true", "c_stock": "5", "c_company": "usmf"}
    ]


@pytest.mark.parametrize("columns", ["title,price", "item,Price", "item,item", ""])
def test_columns_that_make_no_catalogue_are_refused(emarsys: Open, columns: str) -> None:
    with pytest.raises(ConfigurationError, match="FEED_COLUMNS"):
        _ = emarsys(FEED_COLUMNS=columns).inlets["product"]


def test_a_price_in_another_currency_is_refused_where_the_account_s_is_known(emarsys: Open) -> None:
    with pytest.raises(RecordError) as raised:
        feed(emarsys(FEED_CURRENCY="gbp"), product())
    assert (raised.value.kind, raised.value.field) == ("other_currency", "currency")
    assert feed(emarsys(FEED_CURRENCY="EUR"), product())[0]["price"] == "12.00"


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_prose_is_no_formula_but_an_item_s_number_stays_as_it_is(emarsys: Open, start: str) -> None:
    values = {"name": f"{start}A1", "description": f" {start}A1", "brand": f"{start}A1", "category": (f"{start}A1",)}
    (row,) = feed(emarsys(), product(f"{start}1", **values))
    assert row["item"] == f"{start}1"
    assert {row[name] for name in ("title", "description", "brand", "category")} == {f"'{start}A1"}


printable = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_product_is_one_line_that_reads_back_as_it_was(emarsys: Open, data: Any) -> None:
    found = data.draw(st.builds(
        Product, key=printable, sku=printable.filter(bool), name=printable, description=printable, brand=printable,
        group=printable,
        link=printable, image=printable, category=st.lists(printable, max_size=3).map(tuple),
        price=st.none() | st.decimals(0, 10**6, places=2), sellable=st.none() | st.integers(-9, 9).map(Decimal),
    ))  # fmt: skip
    inlet = emarsys().inlets["product"]
    encoded, _ = inlet.encode(found, Known())
    body = encoded.body.decode()
    assert body.endswith("\n")
    assert len(body.splitlines()) == 1
    (cells,) = csv.reader([body], strict=True)
    assert len(cells) == len(inlet.head.decode().split(","))
    assert cells[7] == ("" if found.price is None else f"{found.price:f}")
    assert "|" not in cells[4]
