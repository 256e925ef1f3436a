"""connectors, emulate."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import paramiko
import pytest
import requests
from cryptography import x509

from tests.commands.conftest import Run
from tests.sync.conftest import Load, people


@pytest.mark.django_db(transaction=True)
def test_connectors_are_listed_with_their_settings_and_never_a_secret(run: Run, load: Load) -> None:
    load(people(1), DYNAMICS365_CLIENT_SECRET="hush-hush-4711")
    erp, target = connected(run("connectors", "--json").rows)
    assert (erp["connection"], erp["connector"], target["connection"]) == (
        "dynamics365",
        "dynamics365.finance",
        "emarsys",
    )
    settings = {one["variable"]: one for one in erp["settings"]}
    assert settings["DYNAMICS365_CLIENT_SECRET"]["set"]
    assert settings["DYNAMICS365_PAGE_SIZE"]["default"] == "10000"
    assert (erp["missing"], target["missing"]) == ([], [])
    assert "hush-hush-4711" not in run("connectors").out


@pytest.mark.django_db(transaction=True)
def test_a_missing_setting_is_named(run: Run, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(1))
    monkeypatch.delenv("EMARSYS_CLIENT_ID")
    _, target = connected(run("connectors", "--json").rows)
    assert target["missing"] == ["EMARSYS_CLIENT_ID"]
    assert "MISSING  EMARSYS_CLIENT_ID" in run("connectors").out


@pytest.mark.django_db(transaction=True)
def test_each_system_is_called_and_one_that_refuses_us_is_exit_1(run: Run, load: Load) -> None:
    load(people(2))
    ran = run("connectors", "--check", "--json")
    assert (ran.code, [row["answers"] for row in connected(ran.rows)]) == (0, [True, True])
    load(people(2), EMARSYS_CLIENT_SECRET="wrong")
    ran = run("connectors", "--check", "--json")
    assert (ran.code, [row["answers"] for row in connected(ran.rows)]) == (1, [True, False])


def connected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the connectors that no connection uses."""
    return [row for row in rows if row["connection"]]


def test_emulated_systems_need_a_port_of_their_own(run: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = run("emulate", "--port", str(port), "--empty")
    assert ran.code == 1
    assert f"Port {port} on 127.0.0.1 is taken" in ran.err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_emulated_systems_speak_tls_and_sftp_and_take_switches(tmp_path: Path) -> None:
    plain, secure, files = free_port(), free_port(), free_port()
    words = (
        f"emulate --empty --port {plain} --tls-port {secure} --tls-host erp.example.com --sftp-port {files} "
        f"--state {tmp_path / 'state'} --set dynamics365.page_size=7 --set prima.environments=wstest"
    ).split()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *words],
        env={**os.environ, "STATE_DIR": str(tmp_path / "console")},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert f"https://127.0.0.1:{secure}" in process.stderr.readline()
        systems = requests.get(f"http://127.0.0.1:{plain}/_control/systems", timeout=10).json()
        certificate = systems["prima"]["certificate"]
        over_tls = requests.get(f"https://127.0.0.1:{secure}/_control/settings", verify=certificate, timeout=10).json()
        assert over_tls == {"dynamics365.page_size": "7", "prima.environments": "wstest"}
        assert list(systems["prima"]["environments"]) == ["wstest"]
        assert "erp.example.com" in _names(Path(certificate))
        with paramiko.Transport(("127.0.0.1", files)) as transport:
            transport.connect(
                username="wstest",
                pkey=paramiko.PKey.from_path(str(Path(systems["prima"]["sftp_keys"]) / "wstest")),
            )
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            assert {"in", "out"} <= set(client.listdir("."))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def _names(certificate: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def test_a_switch_without_a_value_is_refused(run: Run) -> None:
    ran = run("emulate", "--set", "dynamics365.page_size")
    assert ran.code == 2
    assert "write NAME=VALUE" in ran.err
