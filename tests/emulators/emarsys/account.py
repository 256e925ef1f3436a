"""One emulated Emarsys account, spoken to over HTTP the way any client would."""

import time
from collections.abc import Callable
from typing import Any

import requests

EXTERNAL, TIER = "10569", "10570"


def until(condition: Callable[[], Any]) -> Any:
    """What the condition says as soon as it says something; what the emulated Emarsys does by itself takes a moment."""
    ending = time.monotonic() + 20
    while not (found := condition()):
        assert time.monotonic() < ending, "it never came"
        time.sleep(0.01)
    return found


class Account:
    """Fetches its own token; `control` edits behind the account's back."""

    def __init__(self, base: str, name: str = "demo") -> None:
        self.base = base
        self.suffix = "" if name == "demo" else f"@{name}"
        self.described = requests.get(f"{base}/_control/systems", timeout=10).json()["emarsys"]["accounts"][name]
        self.session = requests.Session()
        self.sign_in()

    def token(self, secret: str | None = None, **form: str) -> requests.Response:
        own = self.described
        return requests.post(
            own["token_url"],
            auth=(own["client_id"], secret or own["client_secret"]),
            data={"grant_type": "client_credentials", **form},
            timeout=10,
        )

    def sign_in(self) -> None:
        self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self.session.request(method, self.described["url"] + path, json=body, timeout=10, **more)

    def data(self, method: str, path: str, body: Any = None) -> Any:
        """The reply's data; the call must have succeeded."""
        answer = self.call(method, path, body)
        assert (answer.status_code, answer.json()["replyCode"]) == (200, 0), answer.text
        return answer.json()["data"]

    def refusal(self, method: str, path: str, body: Any = None) -> tuple[int, int]:
        """(status, replyCode) of a call that must fail as a whole."""
        answer = self.call(method, path, body)
        assert answer.json()["data"] == "", answer.text
        return answer.status_code, answer.json()["replyCode"]

    def upsert(self, *contacts: dict[str, Any], key: str = EXTERNAL, **more: Any) -> Any:
        return self.data("PUT", "/contact/?create_if_not_exists=1", {"key_id": key, "contacts": list(contacts), **more})

    def read(self, *values: str, key: str = EXTERNAL, fields: tuple[str, ...] = ()) -> Any:
        return self.data("POST", "/contact/getdata", {"keyId": key, "keyValues": values, "fields": list(fields)})

    def control(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A control call on this account's records: `contacts`, `segments/100024001` …"""
        collection, _, key = path.partition("/")
        below = f"{collection}{self.suffix}" + (f"/{key}" if key else "")
        return requests.request(method, f"{self.base}/_control/emarsys/{below}", json=body, timeout=10)

    def do(self, action: str, **wanted: Any) -> Any:
        """Something people do behind the API."""
        answer = self.control("POST", action, wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all(self, collection: str) -> list[Any]:
        return self.control("GET", collection).json()

    def later(self, seconds: float) -> None:
        """Moves the clock of the emulated systems, counted from now."""
        answer = requests.post(f"{self.base}/_control/clock", json={"offset_seconds": seconds}, timeout=10)
        assert answer.status_code == 200, answer.text

    def beside(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """A call on a neighbour of the versioned API, below `/api`."""
        url = self.described["url_neighbours"] + path
        return self.session.request(method, url, json=body, timeout=10, **more)

    def switch(self, **settings: Any) -> None:
        name = self.suffix.removeprefix("@") or "demo"
        answer = requests.patch(f"{self.base}/_control/emarsys/settings/{name}", json=settings, timeout=10)
        assert answer.status_code == 200, answer.text

    def fault(self, **description: Any) -> None:
        answer = requests.post(f"{self.base}/_control/faults", json={"system": "emarsys", **description}, timeout=10)
        assert answer.status_code == 201, answer.text

    def upload(self, text: str, **headers: str) -> requests.Response:
        own = self.described
        sent = {"Authorization": f"Bearer {own['sales_token']}", "Content-Type": "text/csv", **headers}
        return requests.post(own["sales_url"], data=text.encode(), headers=sent, timeout=10)
