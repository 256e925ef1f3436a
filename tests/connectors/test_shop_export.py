"""The worked example of docs/adding-a-system.md does what a connector must, over real HTTP."""

from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from connectors.errors import UnexpectedReplyError
from tests.connectors.conftest import opened

HEAD = "customer_no,first_name,email\n"
ROOT = Path(__file__).parents[2]


def served(server: HTTPServer, content: str | bytes) -> object:
    server.expect_request("/customers.csv").respond_with_data(content, content_type="text/csv")
    return opened("shop_export", server, {"URL": "{server}/customers.csv"})


def test_pages_resume_where_they_ended_and_the_last_one_says_so(server: HTTPServer) -> None:
    shop = served(server, HEAD + "".join(f"{n},Ana,a{n}@example.com\n" for n in range(2_500)))
    pages = list(shop.read("customer", ""))
    assert [(len(page.rows), page.resume, page.watermark) for page in pages] == [
        (1000, "1000", None),
        (1000, "2000", None),
        (500, "2500", ""),
    ]
    rest = list(shop.read("customer", "", "2000"))
    assert [row for page in rest for row in page.rows] == list(pages[2].rows)


@pytest.mark.parametrize("rows", [0, 1000])
def test_a_file_that_ends_with_its_page_still_ends(server: HTTPServer, rows: int) -> None:
    shop = served(server, HEAD + "".join(f"{n},Ana,\n" for n in range(rows)))
    pages = list(shop.read("customer", ""))
    assert pages[-1].watermark == ""
    assert sum(len(page.rows) for page in pages) == rows


def test_single_records_and_all_keys_can_be_asked_for(server: HTTPServer) -> None:
    shop = served(server, HEAD + "1,Ana,\n2,Bo,\n,Nobody,\n")
    assert [len(page.rows) for page in shop.fetch("customer", ["2", "9"])] == [1]
    assert list(shop.keys("customer")) == [["1", "2"]]
    assert "3 customers" in shop.check()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "Sign in", "name,email\nAna,a@example.com\n"])
def test_a_file_that_is_none_is_said_so(server: HTTPServer, content: str | bytes) -> None:
    shop = served(server, content)
    with pytest.raises(UnexpectedReplyError, match="answered 200"):
        list(shop.read("customer", ""))


def test_the_example_is_as_short_as_its_page_says() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / "connectors/shop_export").glob("*.py"))
    assert lines <= 100
    assert f"({lines} lines)" in (ROOT / "docs/adding-a-system.md").read_text()
