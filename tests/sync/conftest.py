"""The engine between emulated systems: real HTTP, the real database, no worker."""

import csv
import json
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections

from connectors.emulators.server import running
from connectors.http import Http
from sync import flows, pipeline, runs
from sync.models import ApiBudget, Delivery, Flow, SyncIssue, SyncRun

People = Iterable[Mapping[str, Any]]
OWNED = ("3", "1", "2", "11", "14")
OPT_IN = "31"


class Control:
    """The emulators' control API: what happens behind the systems' backs."""

    def __init__(self, base: str) -> None:
        self.base = base

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.base}/_control/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def customer(self, account: str, company: str = "usmf", **changes: Any) -> None:
        """Edits a customer in the ERP."""
        self("PATCH", f"dynamics365/customers/{quote(f'{company}|{account}', safe='')}", changes)

    def line(self, document: str, number: int, company: str = "usmf", **changes: Any) -> None:
        self("PATCH", f"dynamics365/invoice_lines/{quote(f'{company}|{document}|{number}', safe='')}", changes)

    def contacts(self) -> dict[str, dict[str, str]]:
        """Customer number → contact, of the contacts that carry one."""
        key = self.key_field
        return {one[key]: one for one in self("GET", "emarsys/contacts") if one.get(key)}

    def all_contacts(self) -> list[dict[str, str]]:
        return list(self("GET", "emarsys/contacts"))

    @property
    def key_field(self) -> str:
        found = [one for one in self("GET", "emarsys/fields") if one.get("string_id") == "externalId"]
        return str(found[0]["id"])

    def sales(self) -> list[dict[str, Any]]:
        return list(self("GET", "emarsys/sales"))

    def put_contact(self, number: int, **fields: str) -> None:
        self("PUT", f"emarsys/contacts/{number}", {name.lstrip("f"): value for name, value in fields.items()})

    def requests(self, method: str = "", path: str = "", system: str = "emarsys") -> list[dict[str, Any]]:
        found = self("GET", f"requests?system={system}")
        return [one for one in found if method in ("", one["method"]) and path in one["path"]]

    def writes(self) -> list[dict[str, Any]]:
        """Requests that write to Emarsys."""
        contacts = self.requests("PUT", "/contact/")
        return contacts + self.requests("POST", "/sales-data/")

    def forget_requests(self) -> None:
        self("DELETE", "requests")

    def fault(self, kind: str, **options: Any) -> str:
        return str(self("POST", "faults", {"kind": kind, **options})["id"])

    def heal(self) -> None:
        self("DELETE", "faults")


@pytest.fixture(scope="session", autouse=True)
def _small_tables_are_emptied_by_delete() -> Iterator[None]:
    """TRUNCATE of every table after each test costs PostgreSQL a file a table; there are few rows to delete."""

    def deletes(self: Any, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
        return [f"DELETE FROM {self.quote_name(table)}" for table in tables]

    patch = pytest.MonkeyPatch()
    patch.setattr("django.db.backends.postgresql.operations.DatabaseOperations.sql_flush", deletes)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def emulators() -> Iterator[str]:
    """One process-wide pair of emulated systems; every test starts them over with its own company."""
    with running(settings={"emarsys_rate_limit": "1000000"}) as base:
        yield base


class Company:
    """A small neutral dataset in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def write(self, name: str, rows: People) -> None:
        rows = list(rows)
        if not rows:
            return
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (self.folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(rows)


def people(number: int, first: int = 1) -> list[dict[str, str]]:
    return [
        {
            "customer_id": f"C-{n}",
            "email": f"person{n}@example.com",
            "first_name": f"First{n}",
            "last_name": f"Last{n}",
            "city": "London",
            "country": "GB",
            "email_consent": "yes" if n % 2 else "no",
        }
        for n in range(first, first + number)
    ]


def invoice(
    number: str, customer: str, *lines: tuple[str, str, str], day: str = "2026-01-15"
) -> tuple[dict[str, str], list[dict[str, str]]]:
    """(order, its lines); a line is (sku, quantity, line total)."""
    total = sum(float(line[2]) for line in lines)
    order = {
        "order_id": number,
        "customer_id": customer,
        "ordered_at": f"{day}T10:00:00Z",
        "currency": "GBP",
        "status": "invoiced",
        "total": f"{total:.2f}",
    }
    body = [
        {
            "order_id": number,
            "line_no": str(n),
            "line_type": "goods",
            "sku": sku,
            "quantity": quantity,
            "unit_price": f"{abs(float(amount) / float(quantity)) if float(quantity) else 0:.4f}",
            "line_total": amount,
        }
        for n, (sku, quantity, amount) in enumerate(lines, 1)
    ]
    return order, body


Load = Callable[..., Control]


@pytest.fixture
def load(emulators: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Load:
    """Starts both systems over with these customers and invoices, and connects the console to them."""

    def start(customers: People = (), invoices: Iterable[Any] = (), drift: bool = False, **settings: str) -> Control:
        company = Company(tmp_path / "dataset")
        company.write("customers", customers)
        found = list(invoices)
        company.write("orders", [order for order, _ in found])
        company.write("order_lines", [line for _, lines in found for line in lines])
        control = Control(emulators)
        control.heal()
        control("POST", "settings", {"emarsys_rate_limit": "1000000", "dynamics365.token_seconds": None})
        control("POST", "reset", {"dataset": str(company.folder) if customers else None, "drift": drift, "seed": 1})
        control.forget_requests()
        for name, value in (connection(control) | settings).items():
            monkeypatch.setenv(name, value)
        flows.ensure()
        return control

    return start


def connection(control: Control) -> dict[str, str]:
    """The environment that connects a console to these emulators."""
    systems = control("GET", "systems")
    erp, esp = systems["dynamics365"], systems["emarsys"]
    return {
        "CONNECTIONS": "dynamics365,emarsys",
        "DYNAMICS365_URL": erp["environment"],
        "DYNAMICS365_TENANT": erp["tenant"],
        "DYNAMICS365_TOKEN_URL": erp["token_url"],
        "DYNAMICS365_CLIENT_ID": erp["clients"][0]["client_id"],
        "DYNAMICS365_CLIENT_SECRET": erp["clients"][0]["client_secret"],
        "EMARSYS_URL": esp["url"],
        "EMARSYS_TOKEN_URL": esp["token_url"],
        "EMARSYS_CLIENT_ID": esp["client_id"],
        "EMARSYS_CLIENT_SECRET": esp["client_secret"],
        "EMARSYS_SALES_URL": esp["sales_url"],
        "EMARSYS_MERCHANT_ID": esp["merchant_id"],
        "EMARSYS_SALES_TOKEN": esp["sales_token"],
        "EMARSYS_CALLS_PER_MINUTE": "100000",
    }


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries within a request come at once; what a system asks for by Retry-After still counts."""
    monkeypatch.setattr(Http, "_wait", staticmethod(lambda error, attempt: error.retry_after or 0.01))


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs that a worker would have been told about; nobody is."""
    told: list[int] = []
    monkeypatch.setattr(runs, "ring_for", told.append)
    return told


def flow(stream: str = "customer") -> Flow:
    return Flow.objects.get(name=f"dynamics365.{stream}")


def sync(stream: str = "customer", **options: Any) -> SyncRun:
    """One run of a flow to its end (or until it waits), as a worker would do it."""
    run = runs.start(flow(stream), ring=False, **options)
    assert run is not None
    return worked(run)


def worked(run: SyncRun, seconds: float | None = None) -> SyncRun:
    pipeline.work(run.pk, seconds)
    run.refresh_from_db()
    return run


def goes_on(run: SyncRun) -> SyncRun:
    """The time that a run waits is over."""
    SyncRun.objects.filter(pk=run.pk).update(wait_until=run.queued_at)
    ApiBudget.objects.update(blocked_until=0, bulk_until=0)
    return worked(run)


def in_thread(work: Callable[..., Any], *given: Any) -> threading.Thread:
    """Another worker on its own connection."""

    def act() -> None:
        try:
            work(*given)
        finally:
            connections.close_all()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def wait_until(what: Callable[[], bool], seconds: float = 10, pause: float = 0.02) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(pause)


def buckets(run: SyncRun) -> dict[str, int]:
    names = ("accepted", "unchanged", "excluded", "held", "rejected", "unknown")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def open_issues() -> set[tuple[str, str, str]]:
    """(kind, record, field) of every open exception."""
    return set(SyncIssue.objects.filter(state__in=["open", "retrying"]).values_list("kind", "source_id", "field"))


def sent_bodies() -> str:
    """Everything that was sent, as the deliveries keep it."""
    return b"\n".join(zlib.decompress(one) for one in Delivery.objects.values_list("request", flat=True)).decode()
