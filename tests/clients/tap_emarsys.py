"""Runs tap-emarsys, unmodified, against the emulated Emarsys and compares what it reads with what is stored.

    python tests/clients/tap_emarsys.py http://127.0.0.1:8900 [path of tap-emarsys]

The emulators must listen on TLS with a certificate for the host the client knows:
`--tls-port 8943 --tls-host api.emarsys.net`. Ends with 1 and the differences where there are any.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tunnel import tunnel

ACCOUNT, EXTERNAL = "tap", 10569
CONTACTS = 2_345  # three pages of a thousand
DAY = "2026-01-15"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method: str, url: str, body: Any = None, **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    with _OPENER.open(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
        return json.loads(answer.read() or b"null")


class Emulated:
    """One account of its own behind the control API and the API."""

    def __init__(self, base: str) -> None:
        self.control = f"{base.rstrip('/')}/_control/emarsys"
        call("PUT", f"{self.control}/settings/{ACCOUNT}", {})
        everything = call("GET", f"{base.rstrip('/')}/_control/systems")["emarsys"]
        self.own = everything["accounts"][ACCOUNT]
        if "https" not in everything:
            sys.exit("The emulators do not listen on TLS: start them with --tls-port and --tls-host api.emarsys.net")
        self.https, self.certificate = everything["https"], everything["certificate"]

    def all(self, collection: str) -> list[Any]:
        found: list[Any] = call("GET", f"{self.control}/{collection}@{ACCOUNT}")
        return found

    def close(self) -> None:
        """The account goes with all it holds."""
        call("DELETE", f"{self.control}/settings/{ACCOUNT}")

    def fill(self) -> None:
        """Contacts with a field of every type, a list, and one campaign that some opened."""
        token = self._token()
        rows = [_contact(number) for number in range(CONTACTS)]
        for start in range(0, CONTACTS, 1000):
            body = {"key_id": str(EXTERNAL), "contacts": rows[start : start + 1000]}
            self._api("PUT", "/contact/?create_if_not_exists=1", body, token)
        keys = [row[str(EXTERNAL)] for row in rows[:7]]
        self._api("POST", "/contactlist", {"name": "Seven", "key_id": str(EXTERNAL), "external_ids": keys}, token)
        self._campaign()

    def _campaign(self) -> None:
        for one in self.all("campaigns"):
            call("PATCH", f"{self.control}/campaigns@{ACCOUNT}/{one['id']}", {"deleted": f"{DAY} 10:00:00"})
        launched = {"name": "Opened by five", "at": f"{DAY}T08:00:00Z"}
        campaign = call("POST", f"{self.control}/launch@{ACCOUNT}", launched)["campaign_id"]
        for one in [one for one in self.all("contacts") if one.get("31") == "1"][:5]:
            opened = {"id": one["id"], "campaign_id": campaign, "at": f"{DAY}T09:00:00Z"}
            call("POST", f"{self.control}/open@{ACCOUNT}", opened)

    def _token(self) -> str:
        basic = base64.b64encode(f"{self.own['client_id']}:{self.own['client_secret']}".encode()).decode()
        form = urlencode({"grant_type": "client_credentials"}).encode()
        token: str = call("POST", self.own["token_url"], form, Authorization=f"Basic {basic}")["access_token"]
        return token

    def _api(self, method: str, path: str, body: Any, token: str) -> None:
        answer = call(method, self.own["url"] + path, body, Authorization=f"Bearer {token}")
        if answer["replyCode"] or answer["data"].get("errors"):
            sys.exit(f"could not fill the account: {answer}")


def _contact(number: int) -> dict[str, Any]:
    return {
        str(EXTERNAL): f"C-{number:05}",
        "3": f"c{number}@example.com",
        "1": "Zoë" if number % 2 else "",
        "4": "1980-02-29",
        "14": 184,
        "31": 1 + number % 2,
        str(EXTERNAL + 3): ["1", "3"] if number % 3 == 0 else None,
        str(EXTERNAL + 4): number,
        str(EXTERNAL + 5): DAY if number % 5 else None,
    }


def run(tap: str, folder: Path, environment: dict[str, str], *arguments: str) -> str:
    command = [tap, "--config", str(folder / "config.json"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done.stdout


def select_everything(catalog: dict[str, Any]) -> dict[str, Any]:
    for stream in catalog["streams"]:
        root = next((one for one in stream["metadata"] if one["breadcrumb"] in ([], ())), None)
        if root is None:
            root = {"breadcrumb": [], "metadata": {}}
            stream["metadata"].append(root)
        root["metadata"]["selected"] = True
        if stream["tap_stream_id"] == "metrics":
            root["metadata"]["tap-emarsys.metrics-selected"] = ["opened"]
        for one in stream["metadata"]:
            if one["breadcrumb"]:
                one["metadata"]["selected"] = True
    return catalog


def records(output: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in output.splitlines():
        message = json.loads(line)
        if message["type"] == "RECORD":
            found.setdefault(message["stream"], []).append(message["record"])
    return found


def differences(emulated: Emulated, catalog: dict[str, Any], read: dict[str, list[dict[str, Any]]]) -> list[str]:
    found = [*_contacts(emulated, catalog, read.get("contacts", []))]
    lists = {int(one["id"]): one["contacts"] for one in emulated.all("contact_lists")}
    members = {
        (int(one["contact_list_id"]), str(one["contact_id"])) for one in read.get("contact_list_memberships", [])
    }
    opened = {one["contact_id"] for one in emulated.all("mail_events") if one["type"] == "open"}
    expected = {
        "contact_lists": (set(lists), {int(one["id"]) for one in read.get("contact_lists", [])}),
        "memberships": ({(number, one) for number, ids in lists.items() for one in ids}, members),
        "campaigns": (
            {int(one["id"]) for one in emulated.all("campaigns")},
            {int(one["id"]) for one in read.get("campaigns", [])},
        ),
        "metrics": (opened, {str(one["contact_id"]) for one in read.get("metrics", [])}),
    }
    return found + [f"{name}: stored {stored}, read {got}" for name, (stored, got) in expected.items() if stored != got]


def _contacts(emulated: Emulated, catalog: dict[str, Any], read: list[dict[str, Any]]) -> list[str]:
    stream = next(one for one in catalog["streams"] if one["tap_stream_id"] == "contacts")
    number_of = {
        one["breadcrumb"][1]: str(one["metadata"]["tap-emarsys.field-id"])
        for one in stream["metadata"]
        if one["breadcrumb"] and "tap-emarsys.field-id" in one["metadata"]
    }
    got = {one["id"]: one for one in read}
    stored = {one["id"]: one for one in emulated.all("contacts")}
    if set(got) != set(stored):
        return [f"contacts: {len(stored)} stored, {len(got)} read"]
    return [
        f"contact {number}, {name}: stored {contact.get(number_of[name])!r}, read {value!r}"
        for number, contact in stored.items()
        for name, value in got[number].items()
        if name in number_of and not _same(contact.get(number_of[name]), value)
    ][:20]


def _same(stored: Any, value: Any) -> bool:
    """The tap makes numbers of numeric fields and times of dates."""
    if isinstance(value, float):
        return stored is not None and float(stored) == value
    return stored == value or (
        isinstance(stored, str) and isinstance(value, str) and value == f"{stored}T00:00:00+00:00"
    )


def main(base: str, tap: str) -> int:
    emulated = Emulated(base)
    try:
        return read_and_compare(emulated, tap)
    finally:
        emulated.close()


def read_and_compare(emulated: Emulated, tap: str) -> int:
    emulated.fill()
    parts = urlsplit(emulated.https)
    with tempfile.TemporaryDirectory() as name, tunnel(parts.hostname or "", parts.port or 443) as proxy:
        folder = Path(name)
        config = {"username": emulated.own["wsse_user"], "secret": emulated.own["wsse_secret"]}
        config |= {"start_date": DAY, "end_date": DAY}
        (folder / "config.json").write_text(json.dumps(config))
        environment = {**os.environ, "HTTPS_PROXY": proxy, "REQUESTS_CA_BUNDLE": emulated.certificate, "NO_PROXY": ""}
        environment |= {"https_proxy": proxy, "no_proxy": ""}
        catalog = select_everything(json.loads(run(tap, folder, environment, "--discover")))
        (folder / "catalog.json").write_text(json.dumps(catalog))
        output = run(tap, folder, environment, "--properties", str(folder / "catalog.json"))
    read = records(output)
    wrong = differences(emulated, catalog, read)
    sys.stdout.write("".join(f"{one}\n" for one in wrong))
    counts = ", ".join(f"{len(rows)} {stream}" for stream, rows in sorted(read.items()))
    sys.stdout.write(f"tap-emarsys read {counts}; {len(wrong)} differences\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "tap-emarsys"))
