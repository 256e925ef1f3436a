"""What is written stays, and what is worked out follows (DESIGN section 10; dynamics365.md 4.3, 4.5)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.emulators.server import running
from tests.emulators.client import Environment

ORDER = "SalesOrderHeadersV2(dataAreaId='ukrt',SalesOrderNumber='536365')"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a demo company in which an order was deleted and a line cancelled."""
    folder = tmp_path_factory.mktemp("state")
    with running(state=folder, dataset="online_retail") as root:
        demo = Environment(root).sign_in()
        line = lines_of(demo, "536366")[0]
        key = f"dataAreaId='ukrt',InventoryLotId='{line['InventoryLotId']}'"
        changed = demo.call("PATCH", f"SalesOrderLines({key})", json={"SalesOrderLineStatus": "Canceled"})
        assert (changed.status_code, demo.call("DELETE", ORDER).status_code) == (204, 204)
    return folder


def lines_of(demo: Environment, number: str) -> list[dict]:
    return demo.rows("SalesOrderLines", filter=f"dataAreaId eq 'ukrt' and SalesOrderNumber eq '{number}'")


def test_orders_that_follow_from_invoices_keep_what_was_written_over_a_restart(folder: Path) -> None:
    """4.5: 536365 has seven lines, all voided; its invoice stays"""
    with running(state=folder) as root:
        demo = Environment(root).sign_in()
        assert demo.get(ORDER).status_code == 404
        assert len(demo.rows("VoidedSalesOrderLines", filter="SalesOrderNumber eq '536365'")) == 7
        assert demo.get("SalesOrderHeadersV2/$count").text == "22063"
        assert [line["SalesOrderLineStatus"] for line in lines_of(demo, "536366")] == ["Canceled", "Invoiced"]
        created = demo.get(ORDER.replace("536365", "536366")).json()["OrderCreationDateTime"]
        assert created == "2010-12-01T08:28:00Z"
        assert len(demo.rows("SalesInvoiceV2Lines", filter="InvoiceNumber eq '536365'")) == 7


def test_every_line_of_the_demo_company_is_read_once_by_its_lot(folder: Path) -> None:
    """4.4 and 2.5: half a million rows over nextLinks, in the order of the key"""
    with running(state=folder) as root:
        demo = Environment(root).sign_in()
        link = (
            f"{demo.base}/data/SalesOrderLines?cross-company=true&$select=InventoryLotId"
            "&$orderby=dataAreaId,InventoryLotId"
        )
        count, last = 0, ""
        while link:
            page = demo.session.get(link, timeout=60).json()
            lots = [row["InventoryLotId"] for row in page["value"]]
            assert lots[0] > last
            assert lots == sorted(set(lots))
            count, last, link = count + len(lots), lots[-1], page.get("@odata.nextLink", "")
        assert count == 532_621 - 7


def test_many_readers_and_a_writer_get_on(company: Environment) -> None:
    """8.1: a thread for each connection"""

    def read(at: int) -> int:
        reader = Environment(company.root).sign_in()
        for name in ("CDSParties", "SalesOrderLines", "WarehousesOnHandV2", "SellableReleasedProducts"):
            assert reader.get(name, cross_company="true").status_code == 200
        body = {"SalesOrderNumber": f"P-{at}"}
        status = reader.call("POST", "SalesOrderHeadersV2", json=body).status_code
        line = {**body, "ItemNumber": "MUG"}
        assert reader.call("POST", "SalesOrderLines", json=line).status_code == 201
        reader.session.close()
        return status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(24))) == {201}
    assert company.get("SalesOrderHeadersV2/$count", cross_company="true").text == str(7 + 24)
