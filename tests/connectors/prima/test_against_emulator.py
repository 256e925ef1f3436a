"""The connector meets the emulated site over HTTP, with the assumed names and with another site's."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Excluded, Gone, Known, Outcome, Unlimited
from connectors.emulators.server import running
from connectors.errors import UnavailableError, UnexpectedReplyError
from connectors.records import Consent
from connectors.registry import connections


def control(base: str, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{base}/_control/{path}", json.dumps(body).encode() if body is not None else None, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read() or b"null")


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with running(drift=False) as address:
        records(address)
        yield address


def put(base: str, collection: str, key: str, record: dict[str, Any]) -> None:
    control(base, "PUT", f"prima/{collection}/{key}", record)


@pytest.fixture
def source(base: str) -> Iterator[Any]:
    control(base, "POST", "settings", {})
    yield opened(base)
    control(base, "DELETE", "faults")


def opened(base: str, environment: str = "wsalive", **settings: str) -> Any:
    environ = {"CONNECTIONS": "erp", "ERP_CONNECTOR": "prima", "ERP_URL": f"{base}/prima/{environment}/{environment}",
               "ERP_EVENT_DAYS": "36500"}  # fmt: skip
    return connections({**environ, **{f"ERP_{name}": value for name, value in settings.items()}})["erp"].open(
        Unlimited()
    )


def read(source: Any, stream: str, since: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for page in source.read(stream, since):
        for row in page.rows:
            found[source.streams[stream].key(row)] = source.streams[stream].map(row).record
    return found


@pytest.fixture
def switched(base: str) -> Iterator[Any]:
    """Switches of the emulator, taken back after the test."""
    used: dict[str, Any] = {}

    def switch(**values: Any) -> None:
        names = {f"prima.{name}": value for name, value in values.items()}
        used.update(dict.fromkeys(names))
        control(base, "POST", "settings", names)

    yield switch
    control(base, "POST", "settings", used)


@pytest.mark.parametrize("style", ["rpc_literal", "document_literal", "rpc_encoded"])
def test_customers_are_read_in_every_style_and_page_size(base: str, switched: Any, style: str) -> None:
    switched(style=style, page_size=2)
    found = read(opened(base), "customer")
    assert [f"C{number}" in found for number in range(1, 8)] == [True] * 7
    assert found["C3"].last_name == 'O"Neill & Söhne <3>'


@pytest.mark.parametrize("quirk", [{"declaration": True}, {"double_escape": True}, {"letters": "upper"},
                                   {"letters": "lower"}, {"absent": "question"}, {"absent": "missing"},
                                   {"envelope_encoding": "ISO-8859-1"}])  # fmt: skip
def test_each_quirk_of_the_text_changes_nothing(base: str, switched: Any, quirk: dict[str, Any]) -> None:
    expected = read(opened(base), "customer")
    switched(**quirk)
    assert read(opened(base), "customer") == expected


def test_each_stream_is_read(source: Any) -> None:
    sales = read(source, "sale")
    assert {"O1|1", "O1|2", "O1|2 cancelled 1", "O1|charge STD", "CR1|1"} <= sales.keys()
    assert sum(sale.amount for sale in sales.values()) == sales["O1|2"].unit_price + sales["O1|charge STD"].amount
    assert read(source, "order")["O1"].status == "part_shipped"
    assert read(source, "order_status")["C1"].last_order == "O1"
    assert read(source, "order_event")["D1"].event == "part_dispatched"
    assert [str(level.available) for level in read(source, "stock").values()] == ["10"]
    assert [str(product.sellable) for product in read(source, "product").values()] == ["10"]
    consents = read(source, "consent")
    assert (consents["C1|email"].given, consents["C1|sms"].given) == ("yes", "")


def test_only_what_changed_is_read_again(base: str, source: Any) -> None:
    watermark = list(source.read("customer", ""))[-1].watermark
    put(base, "customers", "C9", {"Customer": "C9", "Status": "Active", "CustomerSurname": "New"})
    found = read(source, "customer", watermark)
    assert "C9" in found
    control(base, "POST", "prima/merge", {"from": "C9", "into": "C1"})
    assert read(source, "customer", watermark)["C9"] == Gone("C9", "merged", "C1")


def test_a_read_survives_a_fault_an_html_page_and_a_cut_reply(base: str, source: Any, slept: list[float]) -> None:
    for fault in ({"kind": "throttle"}, {"kind": "html"}, {"kind": "truncate"}, {"kind": "status", "code": 503}):
        control(base, "POST", "faults", {"system": "prima", "method": "POST", **fault})
        assert "C1" in read(source, "customer")


def test_a_fault_that_stays_names_its_request_id(base: str, source: Any, slept: list[float]) -> None:
    control(base, "POST", "faults", {"system": "prima", "method": "POST", "kind": "throttle", "times": 0})
    with pytest.raises(UnavailableError, match="requestID"):
        read(source, "customer")


def test_a_key_that_comes_twice_ends_the_read(base: str, source: Any, switched: Any) -> None:
    switched(page_size=2)
    control(base, "POST", "faults", {"system": "prima", "kind": "repeat_next_link", "after": 1, "times": 0})
    with pytest.raises(UnexpectedReplyError, match="never end"):
        read(source, "customer")


def test_consent_is_written_and_read_back(base: str) -> None:
    source = opened(base, CONSENT_WRITE_BACK="yes")
    record = Consent(key="C2|email", customer="C2", given="no")
    encoded, _ = source.inlets["consent"].encode(record, Known())
    assert source.send("consent", [encoded], "delivery-7").results[0].outcome == Outcome.ACCEPTED
    assert source.look("consent", ["C2|email"])["C2|email"].fields["given"] == "no"
    found = read(source, "consent")["C2|email"]
    assert isinstance(found, Excluded)
    assert found.rule == "own_write"


def test_an_answer_lost_after_the_write_is_found_by_reading(base: str, slept: list[float]) -> None:
    source = opened(base, CONSENT_WRITE_BACK="yes")
    encoded, _ = source.inlets["consent"].encode(Consent(key="C4|email", customer="C4", given="no"), Known())
    control(base, "POST", "faults", {"system": "prima", "method": "POST", "kind": "drop_after_accept"})
    with pytest.raises(UnavailableError):
        source.send("consent", [encoded], "delivery-8")
    assert source.send("consent", [encoded], "delivery-8").results[0].outcome == Outcome.ACCEPTED


def records(base: str, environment: str = "") -> None:
    """The same few records in an environment."""
    within = f"{environment}." if environment else ""
    for number in range(1, 8):
        put(base, f"{within}customers", f"C{number}", {
            "Customer": f"C{number}", "CustomerType": "RETAIL", "Status": "Active", "CustomerForename": "Zoë",
            "CustomerSurname": f'O"Neill & Söhne <{number}>', "CustomerEmail": f"c{number}@example.com",
            "Country": "GB", "ReceiveEmail": "Yes", "ReceiveText": "", "LastChanged": f"2024-03-0{number}T05:58:10Z",
        })  # fmt: skip
    line = {"Product": "3998", "MtrxCode2": "38", "Quantity": "1", "LineValue": "119.00"}
    put(base, f"{within}orders", "O1", {
        "OrderNumber": "O1", "Customer": "C1", "OrderStatus": "Part Despatched", "OrderDate": "2024-03-01T10:00:00Z",
        "Currency": "GBP", "OrderTotal": "143.95", "LastChanged": "2024-03-02T00:00:00Z", "OrderLineData": [
            {**line, "OrderLine": "1", "Price": "119.00", "LineStatus": "Despatched", "QtyDespatched": "1",
             "QtyCancelled": "0"},
            {"OrderLine": "2", "Product": "3998", "MtrxCode2": "39", "Quantity": "2", "Price": "10.00",
             "LineValue": "20.00", "LineStatus": "Back Order", "QtyDespatched": "0", "QtyCancelled": "1"}],
        "OrderChargeData": [{"Charge": "STD", "ChargeValue": "4.95"}],
    })  # fmt: skip
    put(base, f"{within}credits", "CR1", {
        "CreditNumber": "CR1", "CreditType": "RETURN", "OrderNumber": "O1", "Customer": "C1", "Currency": "GBP",
        "CreditDate": "2024-03-05T11:02:00Z", "CreditTotal": "119.00", "LastChanged": "2024-03-05T11:02:00Z",
        "CreditLine": [{**line, "CreditLine": "1", "OrderLine": "1"}],
    })  # fmt: skip
    put(base, f"{within}despatches", "D1", {
        "DespatchNumber": "D1", "OrderNumber": "O1", "DespatchDate": "2024-03-01T12:00:00Z", "Carrier": "DPD",
        "ConsignmentNo": "155", "LastChanged": "2024-03-01T12:00:00Z",
    })  # fmt: skip
    put(base, f"{within}stock", "S1", {
        "Product": "3998", "MtrxCode2": "38", "Warehouse": "MAIN", "Physical": "14", "Allocated": "3",
        "Quarantine": "1", "Reserved": "0", "LastChanged": "2024-03-01T12:00:00Z",
    })  # fmt: skip


def test_a_site_with_other_names_gives_the_same_records_without_a_change_of_code() -> None:
    with running(drift=False) as address:
        records(address)
        control(address, "POST", "prima/dialect", {"environment": "wsadevtest", "dialect": "other"})
        records(address, "wsadevtest")
        assumed = opened(address)
        other = opened(address, "wsadevtest", MAPPING_FILE=str(Path(__file__).parent / "other_site.yaml"))
        for stream in ("customer", "sale", "product", "order_event"):
            mine = read(other, stream)
            assert mine
            assert {key: comparable(one) for key, one in mine.items()} == {
                key: comparable(one) for key, one in read(assumed, stream).items()
            }
        assert read(other, "consent")["C1|email"].given == "yes"
        assert read(other, "order")["O1"].lines[1].status == "back_order"


def comparable(record: Any) -> Any:
    """Without the link, whose template the other site does not give, and the fields that it does not keep."""
    if hasattr(record, "unreadable"):
        return msgspec.structs.replace(record, unreadable=())
    return msgspec.structs.replace(record, tracking_url="") if hasattr(record, "tracking_url") else record
