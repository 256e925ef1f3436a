"""The emulated systems in a process of their own, and their control API."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.customers import COUNTRIES, LANGUAGES, Account

ROOT = Path(__file__).resolve().parent.parent
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Emulated:
    def __init__(self, base: str, pid: int) -> None:
        self.base, self.pid = base, pid

    def reset(self, dataset: Path) -> None:
        """Both systems as new: the ERP as in the dataset, the Emarsys account without a contact."""
        self.call("POST", "reset", {"dataset": str(dataset), "seed": 1, "drift": False})
        self.call("DELETE", "requests")

    def contacts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "emarsys/contacts")
        return found

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "requests")
        return found

    def forget_requests(self) -> None:
        self.call("DELETE", "requests")

    def patch_customer(self, key: str, changes: Mapping[str, str]) -> None:
        self.call("PATCH", f"dynamics365/customers/{key.replace('|', '%7C')}", changes)

    def account(self) -> Account:
        fields = self.call("GET", "emarsys/fields")
        ids = {field["string_id"]: field["id"] for field in fields}
        choices = {
            field["id"]: {label: number for number, label in field.get("choices", {}).items()} for field in fields
        }
        return Account(
            key=ids["externalId"],
            tier=ids["loyaltyTier"],
            countries={code: choices["14"][values[2]] for code, values in COUNTRIES.items()},
            languages={code: choices["35"][label] for code, label in LANGUAGES.items()},
        )

    def environment(self) -> dict[str, str]:
        """Both connections as the systems themselves give them; every other setting stays at its default."""
        systems = self.call("GET", "systems")
        erp, target = systems["dynamics365"], systems["emarsys"]
        client = erp["clients"][0]
        return {
            "CONNECTIONS": "dynamics365,emarsys",
            "DYNAMICS365_CONNECTOR": "dynamics365.finance",
            "DYNAMICS365_URL": erp["environment"],
            "DYNAMICS365_TENANT": erp["tenant"],
            "DYNAMICS365_TOKEN_URL": erp["token_url"],
            "DYNAMICS365_CLIENT_ID": client["client_id"],
            "DYNAMICS365_CLIENT_SECRET": client["client_secret"],
            "EMARSYS_URL": target["url"],
            "EMARSYS_TOKEN_URL": target["token_url"],
            "EMARSYS_CLIENT_ID": target["client_id"],
            "EMARSYS_CLIENT_SECRET": target["client_secret"],
            "EMARSYS_SALES_URL": target["sales_url"],
            "EMARSYS_MERCHANT_ID": target["merchant_id"],
            "EMARSYS_SALES_TOKEN": target["sales_token"],
        }

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/_control/{path}", data, method=method)  # noqa: S310 - loopback
        with _OPENER.open(request, timeout=300) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def emulators(dataset: Path, log: Path) -> Iterator[Emulated]:
    """A process on a free port, its state in memory only; stopped at the end."""
    command = [sys.executable, "-m", "connectors.emulators", "--port", "0", "--no-drift", "--dataset", str(dataset)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stderr=output, stdout=output)
    try:
        yield Emulated(_address(process, log), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"listen on (http://\S+)", log.read_text(encoding="utf-8", errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(f"The emulators did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
