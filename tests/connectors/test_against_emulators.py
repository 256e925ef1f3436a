"""Connectors and emulators, each written from the contract alone, meet over HTTP."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.base import Excluded, Known, Outcome, Unlimited
from connectors.registry import connections

CUSTOMERS = """customer_id,email,first_name,last_name,country,language,birth_date,loyalty_tier
C-1,ana@example.com,Ana,Diaz,GB,en,1980-02-29,gold
C-2,bo@example.com,Bo,Müller,DE,de,,silver
C-3,,Cy,"O'Neil",,,,
"""
ORDERS = """order_id,customer_id,ordered_at,currency,status,total
SO-1,C-1,2026-01-15T10:00:00Z,GBP,invoiced,15.30
SO-2,,2026-01-16T10:00:00Z,GBP,invoiced,4.00
"""
LINES = """order_id,line_no,line_type,sku,quantity,unit_price,line_total
SO-1,1,goods,MUG-1,6,2.05,12.30
SO-1,2,charge,POST,1,3.00,3.00
SO-2,1,goods,MUG-1,2,2.00,4.00
"""


@pytest.fixture(scope="module")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Their addresses and credentials, as the control API tells them."""
    dataset = tmp_path_factory.mktemp("dataset")
    for name, content in (("customers", CUSTOMERS), ("orders", ORDERS), ("order_lines", LINES)):
        (dataset / f"{name}.csv").write_text(content, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "connectors.emulators",
        "--port",
        str(port),
        "--dataset",
        str(dataset),
        "--no-drift",
    ]
    process = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield systems(f"http://127.0.0.1:{port}/_control/systems")
    finally:
        process.terminate()
        process.wait(10)


def systems(address: str) -> dict[str, Any]:
    for _ in range(150):
        try:
            with urllib.request.urlopen(address) as answer:
                return dict(json.load(answer))
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the emulators did not start")


@pytest.fixture
def connected(emulators: dict[str, Any]) -> tuple[Any, Any]:
    finance, emarsys = emulators["dynamics365"], emulators["emarsys"]
    client = finance["clients"][0]
    environment = {
        "CONNECTIONS": "erp,esp",
        "ERP_CONNECTOR": "dynamics365",
        "ERP_URL": finance["environment"],
        "ERP_TENANT": finance["tenant"],
        "ERP_TOKEN_URL": finance["token_url"],
        "ERP_CLIENT_ID": client["client_id"],
        "ERP_CLIENT_SECRET": client["client_secret"],
        "ESP_CONNECTOR": "emarsys",
        "ESP_URL": emarsys["url"],
        "ESP_TOKEN_URL": emarsys["token_url"],
        "ESP_CLIENT_ID": emarsys["client_id"],
        "ESP_CLIENT_SECRET": emarsys["client_secret"],
        "ESP_SALES_URL": emarsys["sales_url"],
        "ESP_MERCHANT_ID": emarsys["merchant_id"],
        "ESP_SALES_TOKEN": emarsys["sales_token"],
    }
    found = connections(environment)
    return found["erp"].open(Unlimited()), found["esp"].open(Unlimited())


def test_both_answer(connected: tuple[Any, Any]) -> None:
    erp, esp = connected
    assert erp.check().startswith("Answers; 1 company, 3 customers")
    assert "externalId" in esp.check()


def test_customers_travel_and_can_be_read_back(connected: tuple[Any, Any]) -> None:
    erp, esp = connected
    inlet = esp.inlets["customer"]
    records = [erp.streams["customer"].map(row).record for page in erp.read("customer", "") for row in page.rows]
    encoded = [inlet.encode(record, Known())[0] for record in records]
    answer = esp.send("customer", encoded, "key")
    assert [result.outcome for result in answer.results] == [Outcome.ACCEPTED] * 3
    seen = esp.look("customer", [record.key for record in records])
    for record, sent, result in zip(records, encoded, answer.results, strict=True):
        shown = inlet.expected(sent)
        assert {name: seen[record.key].fields[name] for name in shown} == shown
        assert seen[record.key].target_id == result.target_id
    assert {contact.key for page in esp.scan("customer") for contact in page} >= {"C-1", "C-2", "C-3"}
    assert {key for key, found in esp.find("customer", records).items() if len(found) == 1} == set(seen)


def test_one_poisoned_contact_does_not_touch_the_others(connected: tuple[Any, Any]) -> None:
    erp, esp = connected
    inlet = esp.inlets["customer"]
    records = [erp.streams["customer"].map(row).record for page in erp.read("customer", "") for row in page.rows]
    encoded = [inlet.encode(record, Known())[0] for record in records]
    encoded[1] = msgspec.structs.replace(encoded[1], body=encoded[1].body.replace(b'"14":"', b'"14":"99999'))
    results = esp.send("customer", encoded, "key").results
    assert [result.outcome for result in results] == [Outcome.ACCEPTED, Outcome.REJECTED, Outcome.ACCEPTED]
    assert (results[1].code, results[1].field) == ("2007", "country")
    assert all(result.target_id for result in results if result.outcome is Outcome.ACCEPTED)


def test_invoices_travel_as_sales_data(connected: tuple[Any, Any]) -> None:
    erp, esp = connected
    mapped = [erp.streams["sale"].map(row) for page in erp.read("sale", "") for row in page.rows]
    sales = [found.record for found in mapped if not isinstance(found.record, Excluded)]
    assert sum(sale.amount for sale in sales) == sales[0].document_total
    assert [sale.charge for sale in sales] == [False, True]
    assert [found.record.rule for found in mapped if isinstance(found.record, Excluded)] == ["no_customer"]
    encoded = [esp.inlets["sale"].encode(sale, Known())[0] for sale in sales]
    assert [result.outcome for result in esp.send("sale", encoded, "key").results] == [Outcome.ACCEPTED] * 2


def test_segments_can_be_read(connected: tuple[Any, Any]) -> None:
    _, esp = connected
    segments = esp.segments()
    assert any(segment.criteria for segment in segments)
    readable = next(segment for segment in segments if segment.criteria)
    assert all(number.isdigit() for page in esp.members(readable.id) for number in page)
