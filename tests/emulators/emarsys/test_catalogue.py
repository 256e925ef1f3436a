"""The product catalogue, pulled from a feed."""

from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.emulators.emarsys.account import Account, until

HEADER = "item,title,link,image,category,available,price,c_stock"
Pull = Callable[..., Any]


def rows(*lines: str, header: str = HEADER) -> str:
    return "\n".join((header, *lines)) + "\n"


@pytest.fixture
def pull(account: Account, httpserver: HTTPServer) -> Pull:
    def pulled(*lines: str, status: int = 200, header: str = HEADER) -> Any:
        httpserver.clear()
        httpserver.expect_request("/feed.csv").respond_with_data(rows(*lines, header=header), status)
        return account.do("pull_catalogue", url=httpserver.url_for("/feed.csv"))

    return pulled


def changes(account: Account) -> list[tuple[str, str]]:
    return [(one["kind"], one["item"]) for one in account.all("catalogue_changes")]


def test_a_pulled_file_is_the_whole_catalogue(account: Account, pull: Pull) -> None:
    """Sections 7, 13.11: what is left out disappears."""
    report = pull("MUG,Mug,l,i,Home > Kitchen|Gifts,true,12.00,7", "CUP,Cup,l,i,Home,false,5.00,0")
    assert (report["status"], report["rows"]) == ("loaded", 2)
    assert account.control("GET", "products/MUG").json()["c_stock"] == "7"
    pull("CUP,Cup,l,i,Home,false,5.00,0")
    assert [one["item"] for one in account.all("products")] == ["CUP"]
    assert changes(account) == [("removed", "MUG")]


def test_price_drops_and_products_back_in_stock_are_found(account: Account, pull: Pull) -> None:
    """Section 7: against the version before, by `price` and `available`; `old_price` is Emarsys' own."""
    pull("MUG,Mug,l,i,Home,true,12.00,7", "CUP,Cup,l,i,Home,false,5.00,0", "JUG,Jug,l,i,Home,true,9.00,1")
    report = pull("MUG,Mug,l,i,Home,true,9.50,7", "CUP,Cup,l,i,Home,true,5.00,3", "JUG,Jug,l,i,Home,false,9.99,0")
    assert changes(account) == [("price_drop", "MUG"), ("back_in_stock", "CUP")]
    [drop, _] = account.all("catalogue_changes")
    assert (drop["old_price"], drop["price"], drop["version"]) == ("12.00", "9.50", "2")
    assert (report["price_drop"], report["back_in_stock"], report["removed"]) == (1, 1, 0)


def test_names_of_columns_are_lower_case(account: Account, pull: Pull) -> None:
    """Sections 7, 12.14: another spelling is not the column; custom ones begin with c_."""
    report = pull("MUG,Mug,12.00,red,7", header="item,title,Price,colour,c_stock")
    assert report["ignored"] == ["Price", "colour"]
    assert account.all("products") == [{"item": "MUG", "title": "Mug", "c_stock": "7"}]


def test_a_row_that_cannot_be_used_is_left_out_and_named(account: Account, pull: Pull) -> None:
    """Section 7: key, `true` or `false`, decimals."""
    report = pull(
        "MUG,Mug,l,i,Home,true,12.00,7", ",None,l,i,Home,true,1.00,1", "MUG,Again,l,i,Home,true,1.00,1",
        "CUP,Cup,l,i,Home,maybe,1.00,1", "JUG,Jug,l,i,Home,true,12 EUR,1", "POT,Pot,l",
    )  # fmt: skip
    assert (report["rows"], report["problem_count"]) == (1, 5)
    assert [one["item"] for one in account.all("products")] == ["MUG"]


def test_a_pull_that_fails_leaves_the_catalogue(account: Account, pull: Pull) -> None:
    """Section 12.15: only a file that was read replaces anything."""
    pull("MUG,Mug,l,i,Home,true,12.00,7")
    assert pull(status=500)["status"] == "failed"
    assert pull("Mug", header="title")["status"] == "failed"
    assert [one["item"] for one in account.all("products")] == ["MUG"]
    assert [one["status"] for one in account.all("catalogue_versions")] == ["loaded", "failed", "failed"]


def test_a_feed_is_pulled_on_a_schedule_with_its_password(account: Account, httpserver: HTTPServer) -> None:
    """Sections 7, 14.9: hourly by the emulated clock; credentials in the address."""
    feed = httpserver.expect_request("/feed.csv", headers={"Authorization": "Basic dXNlcjpwQHNz"})
    feed.respond_with_data(rows("MUG,Mug,l,i,Home,true,12.00,7"))
    account.switch(catalogue_url=httpserver.url_for("/feed.csv").replace("://", "://user:p%40ss@"))
    assert until(lambda: account.all("catalogue_versions"))[0]["status"] == "loaded"
    account.later(3601)
    assert until(lambda: len(account.all("catalogue_versions")) == 2)
    account.switch(catalogue_url="")


def test_a_feed_elsewhere_is_not_pulled(account: Account) -> None:
    """Only this machine, unless the switch `outgoing_hosts` names the host."""
    for url in ("https://www.example.com/feed.csv", "file:///etc/hostname", ""):
        assert account.control("POST", "pull_catalogue", {"url": url}).status_code == 400
    assert account.all("catalogue_versions") == []
