"""The connector and the emulated Dataverse, each written from the contract alone, meet over HTTP."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.base import Gone, Known, Outcome, Unlimited
from connectors.errors import ConfigurationError, ExpiredWatermarkError
from connectors.records import Consent
from connectors.registry import connections

CUSTOMERS = """customer_id,email,first_name,last_name,country,email_consent
C-1,ana@example.com,Ana,Diaz,GB,yes
C-2,bo@example.com,Bo,Müller,DE,no
C-3,cy@example.com,Cy,O'Neil,IE,yes
"""


class Emulated:
    def __init__(self, address: str) -> None:
        self.address = address
        self.told = self.call("GET", "systems")["dataverse"]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.address}/_control/{path}", data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    def web(self, method: str, path: str, body: Any = None) -> None:
        """The organisation's own Web API, as its administrators use it."""
        client = self.told["clients"][0]
        asked = urlencode({"grant_type": "client_credentials", "scope": f"{self.told['base']}/.default",
                           "client_id": client["client_id"], "client_secret": client["client_secret"]})  # fmt: skip
        with urllib.request.urlopen(self.told["token_url"], asked.encode()) as answer:
            token = json.loads(answer.read())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        address = f"{self.told['base']}/api/data/v9.2/{path}"
        urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method)).close()

    def open(self, **settings: str) -> Any:
        client = self.told["clients"][0]
        own = {
            "CONNECTOR": "dynamics365.dataverse", "URL": self.told["base"], "TENANT": self.told["tenant"],
            "CLIENT_ID": client["client_id"], "CLIENT_SECRET": client["client_secret"],
            "TOKEN_URL": self.told["token_url"], **settings,
        }  # fmt: skip
        environment = {"CONNECTIONS": "dv", **{f"DV_{name}": value for name, value in own.items()}}
        return connections(environment)["dv"].open(Unlimited())


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    dataset = tmp_path_factory.mktemp("dataset")
    (dataset / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
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
    running = subprocess.Popen(
        command, cwd=Path(__file__).parents[3], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)


@pytest.fixture
def emulated(process: str) -> Emulated:
    for _ in range(150):
        try:
            found = Emulated(process)
            found.call("POST", "reset", {})
            return found
        except (OSError, KeyError):
            time.sleep(0.1)
    raise AssertionError("the emulators did not start")


def read(source: Any, since: str = "", stream: str = "customer") -> tuple[dict[str, Any], str]:
    pages = list(source.read(stream, since))
    mapped = [source.streams[stream].map(row).record for page in pages for row in page.rows]
    return {record.key: record for record in mapped}, pages[-1].watermark


def by_account(records: dict[str, Any]) -> dict[str, str]:
    return {record.account: key for key, record in records.items()}


def test_customers_changes_merges_and_deletions_are_read(emulated: Emulated) -> None:
    source = emulated.open(PAGE_SIZE="2")
    assert source.check() == "Answers; change tracking is on; rows: contacts 3."
    first, watermark = read(source)
    ids = by_account(first)
    assert sorted(ids) == ["C-1", "C-2", "C-3"]
    emulated.call("POST", "dataverse/merge", {"from": ids["C-1"], "into": ids["C-2"]})
    emulated.call("DELETE", f"dataverse/contacts/{ids['C-3']}")
    changed, later = read(source, watermark)
    assert changed[ids["C-1"]] == Gone(ids["C-1"], "merged", ids["C-2"])
    assert changed[ids["C-3"]] == Gone(ids["C-3"], "deleted")
    assert read(source, later)[0] == {}
    assert [key for page in source.keys("customer") for key in page] == [ids["C-2"]]


def test_consent_is_written_to_the_survivor_and_recognised_in_the_feed(emulated: Emulated) -> None:
    system = emulated.open()
    consents, watermark = read(system, stream="consent")
    ids = by_account(consents)
    assert {record.account: record.given for record in consents.values()} == {"C-1": "yes", "C-2": "no", "C-3": "yes"}
    emulated.call("POST", "dataverse/merge", {"from": ids["C-1"], "into": ids["C-3"]})
    record = Consent(key="C-1", customer=ids["C-1"], given="no")
    encoded, _ = system.inlets["consent"].encode(record, Known())
    [result] = system.send("consent", [encoded], "k").results
    assert (result.outcome, result.target_id) == (Outcome.ACCEPTED, ids["C-3"])
    echo, _ = read(system, watermark, "consent")
    assert (echo[ids["C-3"]].given, echo[ids["C-3"]].version) == ("no", result.message)


def test_a_token_that_expired_there_asks_for_a_full_read(emulated: Emulated) -> None:
    source = emulated.open()
    _, watermark = read(source)
    emulated.call("POST", "clock", {"offset_seconds": 200 * 86_400})
    try:
        with pytest.raises(ExpiredWatermarkError):
            read(emulated.open(), watermark)
        assert len(read(emulated.open())[0]) == 3
    finally:
        emulated.call("POST", "clock", {"offset_seconds": 0})


def test_a_column_that_is_gone_is_named_before_a_row_is_read(emulated: Emulated) -> None:
    attributes = "EntityDefinitions(LogicalName='contact')/Attributes"
    emulated.web("POST", attributes, {"@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata",
                                      "SchemaName": "new_Shade", "MaxLength": 100})  # fmt: skip
    excluding = {"EXCLUDE": "blue_ones:new_shade=blue*"}
    with_column, with_rule, plain = emulated.open(), emulated.open(**excluding), emulated.open()
    with_column.extend("customer", {"new_shade": "text"})
    assert len(read(with_column)[0]) == len(read(with_rule)[0]) == len(read(plain)[0]) == 3

    emulated.web("DELETE", f"{attributes}(LogicalName='new_shade')")
    with_column, with_rule = emulated.open(), emulated.open(**excluding)
    with_column.extend("customer", {"new_shade": "text"})
    emulated.call("DELETE", "requests")
    named = "no column new_shade any more"
    for source in (with_column, with_rule):
        with pytest.raises(ConfigurationError, match=named):
            read(source)
        with pytest.raises(ConfigurationError, match=named):
            list(source.fetch("customer", []))
        with pytest.raises(ConfigurationError, match=named):
            source.check()
    assert not [one for one in emulated.call("GET", "requests?system=dataverse") if "/contacts" in one["path"]]
    assert len(read(emulated.open())[0]) == 3
    assert read(with_rule, stream="consent")[0]
