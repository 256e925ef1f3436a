"""OData v4 services that somebody else wrote stand in for Dynamics: only the connection's settings differ (README)."""

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connectors.base import Unlimited
from connectors.errors import ConfigurationError
from connectors.registry import connections
from tests.standins import shop

pytestmark = pytest.mark.clients
HERE = Path(__file__).parent


class Kind(NamedTuple):
    """How a service is started and what it cannot be asked for."""

    script: str
    path: str = ""
    more: tuple[str, ...] = ()


class Shop(NamedTuple):
    address: str
    sets: Mapping[str, shop.Set]

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self.sets[name].rows


KINDS = (
    Kind("simple_odata_server.js", more=("B'3", "''")),
    Kind("fe_mockserver.js", "/shop"),  # its grammar knows no doubled quotes
)


@pytest.fixture(scope="module", params=KINDS, ids=[kind.script for kind in KINDS])
def stand_in(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A running service; `script/test` has installed it, as tests/clients/package-lock.json says."""
    kind, sets, port = request.param, shop.sets(request.param.more), _free_port()
    folder = laid_out(tmp_path_factory.mktemp("shop"), sets)
    environment = {**os.environ, "NODE_PATH": str(Path(os.environ["CLIENTS"]) / "node_modules")}
    command = ["node", HERE / kind.script, folder, str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}{kind.path}/$metadata")
        yield Shop(f"http://127.0.0.1:{port}{kind.path}", sets)
    finally:
        process.terminate()
        process.wait(20)


def laid_out(folder: Path, sets: Mapping[str, shop.Set]) -> Path:
    """The shop as the servers read it: one file of everything, and $metadata with a file a set."""
    everything = {name: one._asdict() for name, one in sets.items()}
    (folder / "shop.json").write_text(json.dumps(everything), encoding="utf-8")
    (folder / "metadata.xml").write_text(shop.edmx(), encoding="utf-8")
    (folder / "data").mkdir()
    for name, one in sets.items():
        (folder / "data" / f"{name}.json").write_text(json.dumps(one.rows), encoding="utf-8")
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=20).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def opened(address: str, **settings: str) -> Any:
    environment = {f"ERP_{name}": value for name, value in {**shop.SETTINGS, "URL": address, **settings}.items()}
    return connections({**environment, "CONNECTIONS": "erp", "ERP_CONNECTOR": "dynamics365.finance"})["erp"].open(
        Unlimited()
    )


def keys(source: Any, stream: str, since: str = "", resume: str = "") -> list[str]:
    return [source.streams[stream].key(row) for page in source.read(stream, since, resume) for row in page.rows]


def records(source: Any, stream: str) -> dict[str, Any]:
    rows = [row for page in source.read(stream, "") for row in page.rows]
    return {source.streams[stream].key(row): source.streams[stream].map(row).record for row in rows}


def test_the_test_of_a_connection_counts_its_customers(stand_in: Shop) -> None:
    assert opened(stand_in.address).check().startswith(f"Answers; {shop.CLIENTS} customers.")


def test_every_customer_is_read_as_the_shop_holds_it(stand_in: Shop) -> None:
    found = records(opened(stand_in.address), "customer")
    rows = stand_in.rows("clients")
    assert list(found) == [str(row["client_no"]) for row in rows]
    for row in rows:
        record = found[str(row["client_no"])]
        assert (record.email, record.country) == (row["mail"] or "", row["country"] or "")
        assert (record.first_name, record.last_name, record.on_hold) == (row["first"], row["last"], row["blocked"])


def test_every_line_of_every_invoice_is_read_with_its_header(stand_in: Shop) -> None:
    found = records(opened(stand_in.address), "sale")
    bills = {row["bill_no"]: row for row in stand_in.rows("bills")}
    assert sorted(found) == sorted(f"{bill}|{line}" for bill in bills for line in (9, 10))
    for record in found.values():
        bill = bills[record.document]
        assert (record.customer, record.order) == (str(bill["client_no"]), bill["order_no"] or "")
        assert (record.amount, record.document_total, record.currency) == (Decimal("2.75"), Decimal("5.5"), "EUR")
        assert (record.sold_at.date().isoformat(), record.name) == (bill["billed_on"], 'Mug, 8" "Ärger"')


def test_every_order_has_its_lines_and_the_status_they_give_it(stand_in: Shop) -> None:
    found = records(opened(stand_in.address), "order")
    assert sorted(found) == sorted(row["order_no"] for row in stand_in.rows("orders"))
    assert {(order.partly_cancelled, len(order.lines), order.total) for order in found.values()} == {
        (True, 2, Decimal(9))
    }


@pytest.mark.parametrize("stream", ["customer", "sale", "order"])
def test_a_read_goes_on_after_any_page_and_finds_the_rest(stand_in: Shop, stream: str) -> None:
    source = opened(stand_in.address)
    pages = list(source.read(stream, ""))
    assert len(pages) > 3
    for reached, page in enumerate(pages[:-1]):
        rest = [source.streams[stream].key(row) for later in pages[reached + 1 :] for row in later.rows]
        assert keys(source, stream, "", page.resume) == rest


@pytest.mark.parametrize("stream", ["customer", "sale", "order"])
def test_records_are_found_by_their_keys_and_the_sweep_lists_them_all(stand_in: Shop, stream: str) -> None:
    source = opened(stand_in.address)
    everything = sorted(keys(source, stream))
    fetched = [source.streams[stream].key(row) for page in source.fetch(stream, everything) for row in page.rows]
    assert sorted(fetched) == everything
    assert sorted(key for page in source.keys(stream) for key in page) == everything


def test_a_later_read_asks_for_the_window_and_for_what_is_open(stand_in: Shop) -> None:
    source, bills, orders = opened(stand_in.address), stand_in.rows("bills"), stand_in.rows("orders")
    recent = {row["bill_no"] for row in bills if row["billed_on"] >= "2026-01-13"}
    assert {key.rpartition("|")[0] for key in keys(source, "sale", "2026-01-20")} == recent
    expected = {row["order_no"] for row in orders if row["placed_at"] >= "2026-01-13" or row["state"] == "Backorder"}
    assert set(keys(source, "order", "2026-01-20T00:00:00Z")) == expected


def test_an_address_with_a_slash_at_its_end_is_the_same_service(stand_in: Shop) -> None:
    assert len(keys(opened(f"{stand_in.address}/"), "customer")) == shop.CLIENTS


def test_its_refusal_of_a_set_it_lacks_is_named(stand_in: Shop) -> None:
    source = opened(stand_in.address, CUSTOMERS_SET="customers")
    with pytest.raises(ConfigurationError, match="no entity set customers"):
        source.check()
