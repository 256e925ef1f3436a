"""Whole flows from one emulated system to another: real HTTP, the real database, no worker."""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from connectors.emulators.server import running
from sync import flows, pipeline, runs
from sync.models import Flow, SyncRun
from tests.sync.conftest import Company, Control

NOW = datetime.now(UTC).replace(microsecond=0)


def days_ago(days: float) -> str:
    return (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


CUSTOMERS = [
    {
        "customer_id": f"C-{number}",
        "email": f"person{number}@example.com",
        "first_name": f"First{number}",
        "last_name": f"Last{number}",
        "city": "London",
        "country": "GB",
        "email_consent": "yes" if number % 2 else "no",
        "consent_at": days_ago(200),
        "created_at": days_ago(300),
        "modified_at": days_ago(30),
    }
    for number in range(1, 6)
]
ORDERS = [
    {"order_id": "SO-1", "customer_id": "C-1", "ordered_at": days_ago(3), "modified_at": days_ago(2), "currency": "GBP",
     "status": "shipped", "total": "27.00"},
    {"order_id": "SO-2", "customer_id": "C-2", "ordered_at": days_ago(2), "modified_at": days_ago(2), "currency": "GBP",
     "status": "open", "total": "5.00"},
]  # fmt: skip
LINES = [
    {"order_id": "SO-1", "line_no": "1", "line_type": "goods", "sku": "MUG-1", "quantity": "2", "unit_price": "12.00",
     "line_total": "24.00", "status": "shipped"},
    {"order_id": "SO-1", "line_no": "2", "line_type": "charge", "sku": "POST", "quantity": "1", "unit_price": "3.00",
     "line_total": "3.00", "status": "shipped"},
    {"order_id": "SO-2", "line_no": "1", "line_type": "goods", "sku": "BOWL-1", "quantity": "1", "unit_price": "5.00",
     "line_total": "5.00", "status": "open"},
]  # fmt: skip
REFUNDS = [
    {"refund_id": "CR-1", "order_id": "SO-1", "line_no": "1", "customer_id": "C-1", "sku": "MUG-1", "quantity": "1",
     "amount": "12.00", "currency": "GBP", "refunded_at": days_ago(1), "reason": "return"},
]  # fmt: skip
PRODUCTS = [
    {"sku": "MUG-1", "name": "Mug", "category": "Kitchen", "price": "12.00", "currency": "GBP"},
    {"sku": "BOWL-1", "name": "Bowl", "category": "Kitchen", "price": "5.00", "currency": "GBP"},
]
STOCK = [
    {"sku": "MUG-1", "warehouse": "MAIN", "physical": "14", "reserved": "3", "quarantined": "1", "on_order": "24"},
    {"sku": "BOWL-1", "warehouse": "MAIN", "physical": "2", "reserved": "2", "quarantined": "0", "on_order": "0"},
]
DISPATCHES = [
    {"dispatch_id": "D-1", "order_id": "SO-1", "dispatched_at": days_ago(2), "carrier": "DPD",
     "tracking_number": "15501234567890"},
]  # fmt: skip


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Control, Path]]:
    company = Company(tmp_path_factory.mktemp("company") / "data")
    for name, rows in {
        "customers": CUSTOMERS, "orders": ORDERS, "order_lines": LINES, "refunds": REFUNDS, "products": PRODUCTS,
        "stock": STOCK, "dispatches": DISPATCHES,
    }.items():  # fmt: skip
        company.write(name, rows)
    with running(settings={"emarsys_rate_limit": "1000000"}, dataset=str(company.folder), drift=False) as base:
        yield Control(base), company.folder


World = Callable[..., Control]


@pytest.fixture
def world(emulated: tuple[Control, Path], monkeypatch: pytest.MonkeyPatch) -> World:
    """Starts the systems over and connects the console: `world("dynamics365", …)`, more environment by name."""
    control, folder = emulated

    def start(erp: str, **environment: str) -> Control:
        control.heal()
        control("POST", "clock", {"offset_seconds": 0})
        control("POST", "reset", {"dataset": str(folder), "drift": False, "seed": 1})
        if erp == "prima":  # a reset keeps what a test before made it speak
            control("POST", "prima/dialect", {"environment": "wsalive", "dialect": "assumed"})
        control.forget_requests()
        systems = control("GET", "systems")
        connected = {"CONNECTIONS": f"{erp},emarsys", **EMARSYS(systems), **ERPS[erp](systems), **environment}
        for name, value in connected.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sync.runs.ring_for", lambda run_id: None)
        flows.ensure()
        return control

    return start


def EMARSYS(systems: Mapping[str, Any]) -> dict[str, str]:
    esp = systems["emarsys"]
    return {
        "EMARSYS_URL": esp["url"],
        "EMARSYS_TOKEN_URL": esp["token_url"],
        "EMARSYS_CLIENT_ID": esp["client_id"],
        "EMARSYS_CLIENT_SECRET": esp["client_secret"],
        "EMARSYS_SALES_URL": esp["sales_url"],
        "EMARSYS_MERCHANT_ID": esp["merchant_id"],
        "EMARSYS_SALES_TOKEN": esp["sales_token"],
        "EMARSYS_CALLS_PER_MINUTE": "100000",
    }


def _microsoft(prefix: str, system: Mapping[str, Any], address: str) -> dict[str, str]:
    client = system["clients"][0]
    return {
        f"{prefix}_URL": system[address],
        f"{prefix}_TENANT": system["tenant"],
        f"{prefix}_TOKEN_URL": system["token_url"],
        f"{prefix}_CLIENT_ID": client["client_id"],
        f"{prefix}_CLIENT_SECRET": client["client_secret"],
    }


ERPS: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "dynamics365": lambda systems: _microsoft("DYNAMICS365", systems["dynamics365"], "environment"),
    "prima": lambda systems: {
        "PRIMA_URL": systems["prima"]["environments"]["wsalive"]["service"],
        "EMARSYS_KEY_VALUE": "key",
    },
    "dataverse": lambda systems: {
        **_microsoft("DATAVERSE", systems["dataverse"], "base"),
        "DATAVERSE_CONNECTOR": "dynamics365.dataverse",
        "EMARSYS_KEY_VALUE": "key",
    },
}


def sync(name: str, **options: Any) -> SyncRun:
    """One run of the flow to its end; a flow that was not switched on yet is."""
    flow = Flow.objects.get(name=name)
    if flow.paused:
        runs.resume(flow, None)
    run = runs.start(flow, ring=False, **options)
    assert run is not None
    for _ in range(20):
        pipeline.work(run.pk)
        run.refresh_from_db()
        if not run.active:
            break
    assert run.state == "completed", f"{run.state}: {run.message}"
    return run


def emarsys_api(control: Control, method: str, path: str, body: Any = None) -> Any:
    """A call of the account's own administrator, as a plain client makes it."""
    import base64
    import json
    import urllib.request

    esp = control("GET", "systems")["emarsys"]
    basic = base64.b64encode(f"{esp['client_id']}:{esp['client_secret']}".encode()).decode()
    asked = urllib.request.Request(
        esp["token_url"], b"grant_type=client_credentials", {"Authorization": f"Basic {basic}"}
    )
    token = json.load(urllib.request.urlopen(asked))["access_token"]
    request = urllib.request.Request(
        f"{esp['url']}/{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method=method,
    )
    return json.load(urllib.request.urlopen(request))["data"]


def command(*words: str) -> None:
    call_command(*words)


__all__ = ["command", "days_ago", "emarsys_api", "os", "sync"]
