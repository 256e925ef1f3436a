"""The connector and the emulated Dynamics 365, each written from the contract alone, meet over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import time_machine

from connectors.base import Unlimited
from connectors.dynamics365.finance import connector
from connectors.emulators.server import running
from connectors.errors import ConfigurationError
from connectors.registry import connections
from tests.emulators.finance.receiver import receiving

FILES = {
    "customers": """customer_id,email,first_name,last_name,country,group,party_id,legal_entity
C-1,ana@example.com,Ana,Diaz,GB,10,000000101,usmf
C-2,bo@example.com,Bo,Bell,DE,10,000000102,usmf
W-9,shop@example.com,,Corner Shop,FR,WHOLESALE,000000109,usmf
C-1,ana@example.com,Ana,Diaz,US,20,000000101,usrt
""",
    "orders": """order_id,customer_id,ordered_at,currency,status,legal_entity
SO-1,C-1,2026-01-15T23:30:15Z,GBP,invoiced,usmf
SO-2,C-2,2026-01-20T09:00:00Z,EUR,shipped,usmf
SO-3,C-2,2026-01-21T09:00:00Z,EUR,open,usmf
SO-4,C-2,2026-01-22T09:00:00Z,EUR,cancelled,usmf
SO-5,C-1,2026-01-23T09:00:00Z,GBP,part_shipped,usmf
SO-6,C-1,2026-01-24T09:00:00Z,USD,on_hold,usrt
""",
    "order_lines": """order_id,line_no,line_type,sku,quantity,unit_price,line_total,status
SO-1,1,goods,MUG,4,5.00,20.00,invoiced
SO-1,2,goods,CUP,1,7.00,7.00,cancelled
SO-2,1,goods,CUP,1,9.99,9.99,
SO-3,1,goods,MUG,2,5.00,10.00,
SO-3,2,goods,CUP,1,5.00,5.00,cancelled
SO-4,1,goods,MUG,1,5.00,5.00,
SO-5,1,goods,MUG,1,5.00,5.00,shipped
SO-5,2,goods,CUP,1,7.00,7.00,open
SO-6,1,goods,MUG,1,7.00,7.00,
""",
    "refunds": """refund_id,order_id,line_no,quantity,amount,currency,refunded_at,reason
CN-1,SO-1,1,1,5.00,GBP,2026-02-01T10:00:00Z,return
""",
    "products": "sku,name,price,currency\nMUG,Blue mug,5.00,GBP\nCUP,White cup,7.00,GBP\n",
    "stock": "sku,warehouse,physical,reserved,quarantined,on_order\nMUG,11,100,12,8,20\nMUG,12,5,0,,\nCUP,11,-2,,,\n",
    "dispatches": """dispatch_id,order_id,dispatched_at,carrier,tracking_number
PS-1,SO-1,2026-01-17T16:00:00Z,DHL,JD1
PS-1,SO-1,2026-01-17T16:00:00Z,DHL,JD2
PS-2,SO-5,2026-01-24T08:00:00Z,UPS,1Z9
""",
}
STREAMS = list(connector.streams)
SINCE = "2026-01-16"


class Company:
    """The emulated environment: its control API, and connectors to it."""

    def __init__(self, root: str) -> None:
        self.root = root
        described: Any = self.control("GET", "systems").json()
        self.system = described["dynamics365"]

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.root}/_control/{path}", json=body, timeout=30)

    def source(self, **settings: str) -> Any:
        client = self.system["clients"][0]
        given = {"CONNECTOR": "dynamics365.finance", "URL": self.system["environment"], "TENANT": self.system["tenant"],
                 "TOKEN_URL": self.system["token_url"], "CLIENT_ID": client["client_id"],
                 "CLIENT_SECRET": client["client_secret"], **settings}  # fmt: skip
        environment = {f"ERP_{name}": value for name, value in given.items()}
        return connections({"CONNECTIONS": "erp", **environment})["erp"].open(Unlimited())


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("retailer")
    for name, text in FILES.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    with running() as root:
        yield root, folder


@pytest.fixture
def company(emulators: tuple[str, Path]) -> Iterator[Company]:
    root, folder = emulators
    company = Company(root)
    assert company.control("POST", "reset", {"dataset": str(folder), "seed": 1}).status_code == 200
    with time_machine.travel("2026-02-05T08:00:00Z", tick=True):
        yield company
    company.control("DELETE", "faults")
    company.control("POST", "settings", dict.fromkeys(company.control("GET", "settings").json()))


def records(source: Any, stream: str, since: str = SINCE, resume: str = "") -> dict[str, Any]:
    since = since if stream == "order_event" else ""
    rows = [row for page in source.read(stream, since, resume) for row in page.rows]
    return {source.streams[stream].key(row): source.streams[stream].map(row).record for row in rows}


def test_orders_have_the_status_of_their_lines(company: Company) -> None:
    found = records(company.source(), "order")
    assert {key: (order.status, order.partly_cancelled) for key, order in found.items()} == {
        "usmf|SO-1": ("invoiced", True),
        "usmf|SO-2": ("shipped", False),
        "usmf|SO-3": ("open", True),
        "usmf|SO-4": ("cancelled", False),
        "usmf|SO-5": ("part_shipped", False),
        "usrt|SO-6": ("on_hold", False),
    }
    assert sum(line.amount for line in found["usmf|SO-1"].lines if line.status != "cancelled") == 20


def test_parcels_and_cancellations_become_events(company: Company) -> None:
    found = records(company.source(), "order_event")
    assert {key: event.event for key, event in found.items()} == {
        "usmf|SO-4|cancelled": "cancelled",
        "usmf|SO-1|dispatch|PS-1|JD1": "dispatched",
        "usmf|SO-1|dispatch|PS-1|JD2": "dispatched",
        "usmf|SO-5|dispatch|PS-2|1Z9": "part_dispatched",
    }
    assert found["usmf|SO-5|dispatch|PS-2|1Z9"].customer == "usmf|C-1"


def test_blocked_stock_is_not_sellable(company: Company) -> None:
    assert records(company.source(), "product")["usmf|MUG"].sellable == 85
    assert records(company.source(SELLABLE_WAREHOUSES="12", STOCK_BUFFER="2"), "product")["usmf|MUG"].sellable == 3
    levels = records(company.source(), "stock")
    assert {key: level.sellable for key, level in levels.items() if level.status == "Blocked"} == {
        "usmf|MUG||||||1|11|Blocked": 0
    }
    coarse = company.source(ON_HAND_SET="WarehousesOnHandV2")
    assert {level.status for level in records(coarse, "stock").values()} == {""}


def test_returns_name_the_line_they_come_from(company: Company) -> None:
    source = company.source()
    ((key, found),) = records(source, "return").items()
    original = {line.line: line.sku for line in records(source, "order")["usmf|SO-1"].lines}
    assert (key, found.order, found.status) == ("usmf|RO-CN-1", "SO-1", "closed")
    assert (original[found.lines[0].order_line], found.lines[0].quantity) == ("MUG", 1)


def test_customers_have_the_status_of_their_orders(company: Company) -> None:
    found = records(company.source(), "order_status")
    assert {key: (one.open_orders, one.last_order) for key, one in found.items()} == {
        "usmf|C-1": (1, "SO-5"),
        "usmf|C-2": (1, "SO-4"),
        "usrt|C-1": (1, "SO-6"),
    }


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_reads_the_same_in_small_pages_and_goes_on_after_each(company: Company, stream: str) -> None:
    whole = records(company.source(), stream)
    assert whole
    company.control("POST", "settings", {"dynamics365.page_size": 2})
    source = company.source(PAGE_SIZE="3")
    assert records(source, stream) == whole
    pages = list(source.read(stream, SINCE if stream == "order_event" else ""))
    key = source.streams[stream].key
    for reached, page in enumerate(pages[:-1]):
        rest = [key(row) for part in pages[reached + 1 :] for row in part.rows]
        assert list(records(source, stream, resume=page.resume)) == rest


@pytest.mark.parametrize("stream", STREAMS)
def test_what_was_read_is_fetched_by_key_and_found_by_the_sweep(company: Company, stream: str) -> None:
    source = company.source()
    rows = [row for page in source.read(stream, SINCE if stream == "order_event" else "") for row in page.rows]
    keys = [source.streams[stream].key(row) for row in rows]
    assert sorted(row for page in source.fetch(stream, keys) for row in page.rows) == sorted(rows)
    swept = [key for page in source.keys(stream) for key in page]
    assert len(swept) == len(set(swept))
    assert set(swept) >= set(keys) if stream != "order_event" else set(swept) <= set(keys)


def test_a_deleted_order_is_read_from_the_voided_ones(company: Company) -> None:
    assert company.control("DELETE", "dynamics365/orders/usmf%7CSO-3").ok
    source = company.source()
    found = records(source, "order")["usmf|SO-3"]
    assert (found.status, found.deleted, found.account) == ("cancelled", True, "C-2")
    assert records(source, "order_status")["usmf|C-2"].open_orders == 0


def test_a_set_that_the_environment_lacks_is_named_before_anything_is_read(company: Company) -> None:
    with pytest.raises(ConfigurationError, match="has no entity set SalesOrderHeadersV9"):
        records(company.source(ORDERS_SET="SalesOrderHeadersV9"), "order")


def test_the_test_of_a_connection_names_what_the_environment_does_not_offer(company: Company) -> None:
    assert company.source().check() == "Answers; 2 companies, 4 customers (3 in the default company)."
    told = company.source(RETURNS_SET="ReturnOrderHeadersV9", CONTACTS_COLUMNS="ContactPersonId=PersonId").check()
    assert "return (erp has no entity set ReturnOrderHeadersV9. Set the name that this tenant uses.)" in told
    assert "contact (erp: ContactsV2 has no column PersonId." in told


FAULTS: list[dict[str, Any]] = [
    {"kind": "throttle", "retry_after": 3},
    {"kind": "status", "code": 503},
    {"kind": "truncate"},
    {"kind": "reset"},
    {"kind": "duplicate_page"},
    {"kind": "partial", "rows": 1},
]


@pytest.mark.parametrize("stream", ["order", "product", "sale"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["kind"])
def test_a_read_survives_what_goes_wrong_in_its_middle(
    company: Company, slept: list[float], stream: str, fault: dict[str, Any]
) -> None:
    whole = records(company.source(), stream)
    described = {"system": "dynamics365", "path": "/data/(Sales|Released|Warehouse)", "after": 2, **fault}
    answer = company.control("POST", "faults", described)
    assert answer.status_code == 201, answer.text
    assert records(company.source(PAGE_SIZE="2"), stream) == whole
    struck = f"{answer.json()['id']} {fault['kind']}"
    assert struck in {one.get("fault") for one in company.control("GET", "requests").json()}
    assert (3.0 in slept) == (fault["kind"] == "throttle")


def test_the_events_it_posts_name_records_that_can_be_read(company: Company) -> None:
    with receiving() as receiver:
        events = ["SalesInvoicePostedBusinessEvent", "SalesOrderConfirmedBusinessEvent"]
        asked = {"url": receiver.url, "events": events}
        endpoint = company.control("POST", "dynamics365/endpoints", asked)
        assert endpoint.status_code == 200, endpoint.text
        assert notice(receiver.wait_for_test()).keys == {}
        invoice = {"InvoiceDate": "2026-02-02T12:00:00Z", "InvoiceCustomerAccountNumber": "C-1", "CurrencyCode": "GBP",
                   "TotalInvoiceAmount": 5, "SalesOrderNumber": "SO-5"}  # fmt: skip
        assert company.control("PUT", "dynamics365/invoices/usmf%7CCIV-1", invoice).status_code == 201
        (message,) = receiver.wait(1)
        company.control("DELETE", f"dynamics365/endpoints/{endpoint.json()['id']}")
    told = notice(message)
    assert told.keys == {"sale": ["usmf|CIV-1"]}
    (page,) = company.source().fetch("sale", told.keys["sale"])
    assert json.loads(page.rows[0])["header"]["SalesOrderNumber"] == "SO-5"


def notice(message: Any) -> Any:
    assert connector.notice
    return connector.notice(json.dumps(message).encode(), {})
