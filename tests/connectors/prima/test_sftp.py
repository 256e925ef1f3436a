"""Files over SFTP: a pinned host key, and both ways of signing in, against the emulated site's own server."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Known, Unlimited
from connectors.emulators.server import running
from connectors.errors import ConfigurationError, UnavailableError
from connectors.prima.site_files import ASSUMED
from connectors.records import Consent
from connectors.registry import connections

Open = Callable[..., Any]


def control(base: str, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{base}/_control/{path}", json.dumps(body).encode() if body is not None else None, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read() or b"null")


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with running(drift=False, sftp_port=0) as address:
        for account in ("C1", "C2"):
            record = {"Customer": account, "Status": "Active", "CustomerSurname": "Müller", "ReceiveEmail": "Yes"}
            control(address, "PUT", f"prima/customers/{account}", record)
        yield address


@pytest.fixture
def open_(base: str, tmp_path: Path) -> Open:
    described = control(base, "GET", "systems")["prima"]
    keys = Path(described["sftp_keys"])
    host, kind, key = (keys / "known_hosts").read_text().split()[:3]
    site = tmp_path / "site.yaml"
    site.write_text(
        ASSUMED.read_text()
        .replace("full: customersfull,", "full: customersfull, complete: renamed,")
        .replace("  source: EMARSYS", '  source: EMARSYS\n  delimiter: "|"')
    )
    port = host.rpartition(":")[2]
    defaults = {"CONNECTOR": "prima", "TRANSPORT": "files", "SFTP_HOST": f"127.0.0.1:{port}", "SFTP_USER": "wsalive",
                "SFTP_HOST_KEY": f"{kind} {key}", "SFTP_KEY_FILE": str(keys / "wsalive"), "FILES_FOLDER": "out",
                "FILES_OUT_FOLDER": "in", "FILES_PROCESSED_FOLDER": "processed", "FILES_FAILED_FOLDER": "failed",
                "MAPPING_FILE": str(site)}  # fmt: skip

    def opened(**settings: str) -> Any:
        names = {f"ERP_{name}": value for name, value in {**defaults, **settings}.items()}
        return connections({"CONNECTIONS": "erp", **names})["erp"].open(Unlimited())

    return opened


def test_a_dropped_file_is_read_moved_and_not_read_again(base: str, open_: Open) -> None:
    control(base, "POST", "prima/drop", {"entity": "customers", "kind": "delta", "mode": "rename"})
    source = open_()
    pages = list(source.read("customer", ""))
    found = [source.streams["customer"].map(row).record for page in pages for row in page.rows]
    assert {record.key: record.last_name for record in found} == {"C1": "Müller", "C2": "Müller"}
    after = pages[-1].watermark
    assert [row for page in source.read("customer", after) for row in page.rows] == []
    assert "waiting: no files" in source.check()
    assert len([row for page in source.fetch("customer", ["C2"]) for row in page.rows]) == 1


def test_consent_is_put_where_the_site_collects_it(base: str, open_: Open) -> None:
    source = open_(CONSENT_WRITE_BACK="yes")
    encoded, _ = source.inlets["consent"].encode(Consent(key="C1|email", customer="C1", given="no"), Known())
    source.send("consent", [encoded], "delivery-1")
    control(base, "POST", "prima/collect", {"environment": "wsalive"})
    assert control(base, "GET", "prima/customers/C1")["ReceiveEmail"] == "No"


@pytest.mark.parametrize("pinned", ["", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_host_key_that_is_not_pinned_is_refused_and_its_fingerprint_shown(open_: Open, pinned: str) -> None:
    with pytest.raises(ConfigurationError, match=r"shows ssh-\S+ SHA256:\S{43}") as raised:
        open_(SFTP_HOST_KEY=pinned).check()
    shown = str(raised.value).rstrip(".").rpartition(" ")[2]
    assert open_(SFTP_HOST_KEY=shown).check().startswith("Answers")


def test_a_refused_sign_in_names_the_settings(open_: Open) -> None:
    with pytest.raises(ConfigurationError, match="refuses the sign-in") as raised:
        open_(SFTP_KEY_FILE="", SFTP_PASSWORD="no-secret").check()
    assert "no-secret" not in f"{raised.value} {raised.value.remedy}"


def test_a_server_that_is_not_there_is_unavailable(open_: Open) -> None:
    with pytest.raises(UnavailableError, match="SFTP server does not answer"):
        open_(SFTP_HOST="127.0.0.1:9").check()


def test_a_folder_that_is_not_there_is_named(open_: Open) -> None:
    with pytest.raises(ConfigurationError, match="no folder of that name"):
        open_(FILES_FOLDER="nowhere").check()
