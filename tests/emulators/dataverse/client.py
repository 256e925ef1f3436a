"""A client of the emulated Dataverse and of the control API, and a small retailer to serve."""

from pathlib import Path
from typing import Any

import requests

CUSTOMERS = """customer_id,email,first_name,last_name,phone,city,country,birth_date,group,party_id,email_consent,\
consent_at,created_at,modified_at,status,merged_into
C-1,ada@example.com,Ada,O'Neil,+441,Leeds,GB,1980-02-29,10,P-1,yes,2026-01-05T10:00:00Z,2025-03-01T09:30:00Z,\
2026-01-01T09:30:00Z,active,
C-2,bob@example.com,Bob,Baker,,Bonn,DE,,10,P-2,no,2026-01-06T10:00:00Z,2025-03-02T09:30:00Z,,,
C-3,cleo@example.com,Cleo,Clark,,,FR,,20,P-3,,,2025-03-03T09:30:00Z,,archived,
C-4,ada.old@example.com,Ada,Oneil,+449,,GB,,20,P-4,,,2025-03-04T09:30:00Z,,,C-1
C-5,,Eve,Émile,,,US,,20,P-5,,,2025-03-05T09:30:00Z,,,
A-1,shop@example.com,,Retail House,,Paris,FR,,WHOLESALE,P-6,no,,2025-03-06T09:30:00Z,,,
"""


def retailer(folder: Path) -> Path:
    """A folder in the neutral format: five people and an organisation."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    return folder


def many_customers(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"C-{at:05},c{at}@example.com,First{at}\n" for at in range(count))
    (folder / "customers.csv").write_text("customer_id,email,first_name\n" + rows, encoding="utf-8")
    return folder


class Organisation:
    """Signs in on first use and calls the Web API of one organisation."""

    def __init__(self, root: str, name: str = "", client_id: str = "integration-console") -> None:
        self.root = root
        self.address = f"{root}/dataverse/{name}".rstrip("/")
        self.base = f"{self.address}/api/data/v9.2"
        self.client_id = client_id
        self.session = requests.Session()
        self.session.trust_env = False

    def token(self, **changes: str) -> requests.Response:
        form = {
            "client_id": self.client_id,
            "client_secret": "emulator-secret",
            "grant_type": "client_credentials",
            "scope": f"{self.address}/.default",
        }
        form.update(changes)
        return self.session.post(f"{self.root}/entra/contoso/oauth2/v2.0/token", data=form, timeout=10)

    def sign_in(self) -> "Organisation":
        self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"
        return self

    def call(self, method: str, path: str, prefer: str = "", **rest: Any) -> requests.Response:
        rest.setdefault("timeout", 20)
        headers = {**({"Prefer": prefer} if prefer else {}), **rest.pop("headers", {})}
        address = path if path.startswith("http") else f"{self.base}/{path}"
        return self.session.request(method, address, headers=headers, **rest)

    def get(self, path: str, prefer: str = "", **options: str) -> requests.Response:
        params = {f"${name}": value for name, value in options.items()} or None
        return self.call("GET", path, prefer, params=params)

    def rows(self, path: str, prefer: str = "", **options: str) -> list[dict[str, Any]]:
        answer = self.get(path, prefer, **options)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["value"]
        return rows

    def pages(self, path: str, prefer: str = "", **options: str) -> list[dict[str, Any]]:
        """Every page by following the links, which are never touched."""
        pages = [self.get(path, prefer, **options).json()]
        while link := pages[-1].get("@odata.nextLink"):
            pages.append(self.get(link, prefer).json())
        return pages

    def names(self, condition: str, table: str = "contacts", column: str = "fullname") -> list[str]:
        """Names of the rows that pass a filter, sorted."""
        return sorted(row[column] for row in self.rows(table, filter=condition, select=column))

    def id_of(self, customer: str) -> str:
        """The id of a contact by its customer number (dual-write column, 3.5)."""
        [row] = self.rows("contacts", filter=f"msdyn_contactpersonid eq '{customer}'", select="contactid")
        found: str = row["contactid"]
        return found

    def row(self, customer: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"contacts({self.id_of(customer)})").json()
        return found

    def baseline(self, path: str = "contacts", prefer: str = "odata.track-changes", **options: str) -> str:
        """Reads a whole table with change tracking; the delta link."""
        link: str = self.pages(path, prefer, **options)[-1]["@odata.deltaLink"]
        return link

    def error(self, answer: requests.Response) -> tuple[int, str, str]:
        body = answer.json()["error"]
        return answer.status_code, body["code"], body["message"]

    def control(self, method: str, path: str, body: Any = None, **rest: Any) -> requests.Response:
        return self.session.request(method, f"{self.root}/_control/{path}", json=body, timeout=30, **rest)

    def switch(self, **switches: str | None) -> None:
        self.control("POST", "settings", {f"dataverse.{name}": value for name, value in switches.items()})

    def fault(self, kind: str, **options: Any) -> str:
        answer = self.control("POST", "faults", {"kind": kind, "system": "dataverse", "path": "/api/data", **options})
        assert answer.status_code == 201, answer.text
        fault_id: str = answer.json()["id"]
        return fault_id
