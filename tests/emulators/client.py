"""A client of the emulated Dynamics 365 and of the control API, and a small retailer to serve."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

CUSTOMERS = """customer_id,email,first_name,last_name,country,birth_date,group,\
loyalty_tier,party_id,legal_entity,on_hold,status
C-1,ada@example.com,Ada,O'Neil,GB,1980-02-29,10,gold,000000101,usmf,,active
C-2,bob@example.com,Bob,Baker,DE,,10,,000000102,usmf,yes,active
C-3,cleo@example.com,Cleo,Retail House,FR,1990-01-01,20,silver,000000103,usmf,,archived
C-1,dora@example.com,Dora,Dunn,US,,20,,000000104,usrt,,
C-10,,,Nameless,EIRE,,,,,usmf,no,
"""
ORDERS = """order_id,customer_id,ordered_at,currency,status,goods,discount,charges,tax,total,legal_entity
SO-1,C-1,2026-01-15T23:30:00Z,GBP,invoiced,20.00,2.00,3.50,4.30,25.80,usmf
SO-2,C-2,2026-01-20T09:00:00Z,EUR,shipped,,,,,9.99,usmf
SO-3,C-2,2026-01-21T09:00:00Z,EUR,open,,,,,5.00,usmf
SO-4,C-2,2026-01-22T09:00:00Z,EUR,cancelled,,,,,5.00,usmf
"""
LINES = """order_id,line_no,line_type,sku,quantity,unit_price,discount,tax,line_total,status
SO-1,2,charge,,1,3.50,,,3.50,invoiced
SO-1,1,goods,MUG,4,5.0000,2.00,4.30,18.00,invoiced
SO-1,3,goods,CUP,1,7.00,,,7.00,cancelled
SO-2,1,goods,cup,1,9.99,,,,
"""
REFUNDS = """refund_id,order_id,line_no,customer_id,sku,quantity,amount,currency,refunded_at,reason
CN-1,SO-1,1,,,1,4.50,GBP,2026-02-01T10:00:00Z,Return
CN-1,SO-1,2,,,,3.50,GBP,2026-02-01T10:00:00Z,return
SO-2,,,C-2,,,2.00,EUR,2026-02-03T10:00:00Z,Goodwill
"""
PRODUCTS = "sku,name\nMUG,Blue mug\n"


def retailer(folder: Path) -> Path:
    """A folder in the neutral format."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"customers": CUSTOMERS, "orders": ORDERS, "order_lines": LINES, "refunds": REFUNDS, "products": PRODUCTS}
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def many_customers(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"C-{at:05},c{at}@example.com,usmf\n" for at in range(count))
    (folder / "customers.csv").write_text("customer_id,email,legal_entity\n" + rows, encoding="utf-8")
    return folder


class Environment:
    """Signs in on first use and calls `/data`."""

    def __init__(self, root: str, client_id: str = "integration-console") -> None:
        self.root = root
        self.base = f"{root}/dynamics365"
        self.client_id = client_id
        self.session = requests.Session()
        self.session.trust_env = False

    def token(self, **changes: str) -> requests.Response:
        form = {
            "client_id": self.client_id,
            "client_secret": "emulator-secret",
            "grant_type": "client_credentials",
            "scope": f"{self.base}/.default",
        }
        form.update(changes)
        return self.session.post(f"{self.root}/entra/contoso/oauth2/v2.0/token", data=form, timeout=10)

    def sign_in(self) -> "Environment":
        self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"
        return self

    def call(self, method: str, path: str, **rest: Any) -> requests.Response:
        rest.setdefault("timeout", 10)
        return self.session.request(method, f"{self.base}/data/{path}", **rest)

    def get(self, path: str, **options: str) -> requests.Response:
        query = {"cross-company" if name == "cross_company" else f"${name}": value for name, value in options.items()}
        return self.call("GET", path, params=query)

    def rows(self, path: str, **options: str) -> list[dict[str, Any]]:
        answer = self.get(path, **{"cross_company": "true", **options})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["value"]
        return rows

    def accounts(self, condition: str, **options: str) -> list[str]:
        """The accounts that pass a filter, each with its company."""
        rows = self.rows("CustomersV3", filter=condition, **options)
        return [f"{row['dataAreaId']}|{row['CustomerAccount']}" for row in rows]

    def refusal(self, path: str, **options: str) -> str:
        """What the innermost exception of a 400 says (2.6)."""
        answer = self.get(path, **options)
        assert answer.status_code == 400, answer.text
        words: str = answer.json()["error"]["innererror"]["internalexception"]["message"]
        return words

    def control(self, method: str, path: str, body: Any = None, **rest: Any) -> requests.Response:
        return self.session.request(method, f"{self.root}/_control/{path}", json=body, timeout=30, **rest)

    def fault(self, kind: str, **options: Any) -> str:
        answer = self.control("POST", "faults", {"kind": kind, "system": "dynamics365", "path": "/data", **options})
        assert answer.status_code == 201, answer.text
        fault_id: str = answer.json()["id"]
        return fault_id


class Process:
    """The emulators as a process of their own, to be killed."""

    def __init__(self, port: int, *arguments: str) -> None:
        command = [sys.executable, "-m", "connectors.emulators", "--port", str(port), *arguments]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.root = f"http://127.0.0.1:{port}"
        assert self._process.stderr is not None
        self.said = self._process.stderr.readline()

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def wait(self, seconds: float = 10) -> int:
        started = time.monotonic()
        while self._process.poll() is None:
            assert time.monotonic() - started < seconds, "the process does not end"
            time.sleep(0.02)
        if self._process.stderr:
            self._process.stderr.close()
        return self._process.returncode

    def stop_and_listen(self) -> str:
        """Ends it; what it said after its first line."""
        assert self._process.stderr is not None
        self._process.terminate()
        said = self._process.stderr.read()
        self.wait()
        return said

    def stop(self) -> int:
        self._process.terminate()
        return self.wait()
