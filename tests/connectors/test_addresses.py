"""Which addresses are called, and what becomes of secrets on their way (SECURITY 5 and 6)."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.addresses import check_address, is_public, public_https
from connectors.base import Connector, Setting, Unlimited
from connectors.config import ConnectionSettings
from connectors.errors import ConfigurationError
from connectors.http import Http
from tests.connectors.misbehaving import everything_logged

REFUSED = [
    "http://erp.example.com", "http://10.0.0.1", "http://127.0.0.1.evil.com", "http://localhost.evil.com",
    "ftp://erp.example.com", "file:///etc/passwd", "//erp.example.com", "erp.example.com", "", "https://", "https:///x",
    "https://user@erp.example.com", "https://user:pass@erp.example.com", "https://api.emarsys.net@169.254.169.254",
    "https://@erp.example.com", "https://erp.example.com/?x=1", "https://erp.example.com/#x", "https://erp.example.com?",
    "https://erp.example.com\\@evil.com", "https://erp example.com", "https://erp.example.com/\r\nX: y", "https://erp..com",
    "https://-erp.com", "https://erp.example.com.", "https://erp.example.com:0", "https://erp.example.com:99999",
    "https://erp.example.com:x", "https://2130706433", "https://127.1", "https://0x7f000001", "https://0x7f.1",
    "https://[::1", "https://münchen.example", "https://%31%32%37.0.0.1", "https://" + "a" * 64 + ".com",
    "https://" + "a." * 130 + "com", "https://erp.example.com/" + "x" * 2048, "javascript:alert(1)",
]  # fmt: skip
ALLOWED = [
    "https://erp.example.com", "https://ERP.example.com:8443/data/", "https://10.0.0.1", "https://[fd00::1]:443/x",
    "http://127.0.0.1:8900/dynamics365", "http://localhost:8900", "http://[::1]:8900", "http://127.8.9.10",
]  # fmt: skip


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_no_system_has_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_address("erp", url)
    error = raised.value
    assert error.system == "erp"
    assert error.remedy
    assert "pass" not in error.message
    assert "evil" not in str(vars(error))


@pytest.mark.parametrize("url", ALLOWED)
def test_https_anywhere_and_http_on_this_machine_are_called(url: str) -> None:
    assert check_address("erp", url) == url


def test_plain_http_elsewhere_must_be_allowed_by_the_connection() -> None:
    assert check_address("erp", "http://erp.example.com", allow_plain=True)
    for url in ("http://user@erp.example.com", "ftp://erp.example.com", "http://127.1"):
        with pytest.raises(ConfigurationError):
            check_address("erp", url, allow_plain=True)


PRIVATE = [
    "127.0.0.1", "127.255.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:a00:1::", "2001:0:a00:1::", "::10.0.0.1",
    "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "no address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_webhook_leads_into_no_private_network(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(ConfigurationError, match="private network") as raised:
        public_https("https://hooks.example.com/T1?sig=abc", resolve=lambda host: ["93.184.216.34", address])
    assert "abc" not in str(vars(raised.value))


@pytest.mark.parametrize(
    "host", ["[::ffff:169.254.169.254]", "169.254.169.254", "[::1]", "10.0.0.1", "[64:ff9b::7f00:1]"]
)
def test_nor_does_an_address_in_numbers(host: str) -> None:
    with pytest.raises(ConfigurationError, match="private network"):
        public_https(f"https://{host}/hook")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_a_public_webhook_is_called(address: str) -> None:
    assert is_public(address)
    url = "https://hooks.example.com/services/T1?sig=abc"
    assert public_https(url, resolve=lambda host: [address]) == url


@pytest.mark.parametrize("url", [
    "http://hooks.example.com", "https://hooks.example.com:8443", "https://u@hooks.example.com", "https://2130706433/",
    "https://hooks.example.com./", "http://127.0.0.1",
])  # fmt: skip
def test_a_webhook_is_https_on_its_own_port(url: str) -> None:
    with pytest.raises(ConfigurationError):
        public_https(url, resolve=lambda host: ["93.184.216.34"])


def test_a_name_that_leads_elsewhere_when_it_is_called_is_caught_at_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is checked, this machine when the socket is opened."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    port = listener.getsockname()[1]
    answers = ["93.184.216.34", "127.0.0.1"]

    def flipping(host: str, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", flipping)
    http = Http("chat", "https://hooks.example.com", Unlimited(), public=True)
    with pytest.raises(ConfigurationError, match="private network"):
        http.request("POST", "hook", body=b"hello", repeatable=False)
    connection, _ = listener.accept()
    with connection, listener:
        assert connection.recv(10) == b""  # connected, and closed before a byte was said
    assert answers == []


# ---------------------------------------------------------------------------------------------------- secrets


def settings_of(**environment: str) -> ConnectionSettings:
    connector = Connector(
        "c", "C", {"URL": Setting("address"), "KEY": Setting("key", secret=True)}, open=lambda *_: None
    )
    return ConnectionSettings("erp", connector, environment)


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cr3t\n")
    path.chmod(0o600)
    assert settings_of(ERP_KEY=f"file:{path}").secret("KEY") == "s3cr3t"
    assert settings_of(ERP_KEY_FILE=str(path)).secret("KEY") == "s3cr3t"
    assert settings_of(ERP_KEY="env:OTHER", OTHER="s3cr3t").secret("KEY") == "s3cr3t"


@pytest.mark.parametrize(("make", "said"), [
    (lambda path: None, "is not there"), (lambda path: path.write_text(" \n"), "is empty"),
    (lambda path: path.mkdir(), "is no file"), (lambda path: path.write_bytes(b"\xff\xfe\x00"), "is no text"),
    (lambda path: path.write_text("s" * 70_000), "too large"),
])  # fmt: skip
def test_a_secrets_file_that_cannot_be_used_is_said_in_words(tmp_path: Path, make: Any, said: str) -> None:
    path = tmp_path / "key"
    make(path)
    if path.is_file():
        path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=said) as raised:
        settings_of(ERP_KEY=f"file:{path}").secret("KEY")
    assert "ERP_KEY" in raised.value.message
    assert raised.value.remedy


def test_a_secrets_file_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cr3t")
    path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="may be changed by everybody") as raised:
        settings_of(ERP_KEY=f"file:{path}").secret("KEY")
    assert "chmod 600" in raised.value.remedy
    assert "s3cr3t" not in str(vars(raised.value))


@pytest.mark.parametrize("environment", [{}, {"ERP_KEY": ""}, {"ERP_KEY": "env:ABSENT"}, {"ERP_KEY": "file:"}])
def test_a_missing_secret_is_named_by_its_variable(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="ERP_KEY"):
        settings_of(**environment).secret("KEY")


def test_settings_show_no_secret() -> None:
    settings = settings_of(ERP_KEY="s3cr3t", ERP_URL="https://erp.example.com")
    assert "s3cr3t" not in repr(settings) + str(settings) + str(settings.missing())


def test_neither_log_nor_process_list_sees_a_secret(server: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    everything_logged(caplog)
    server.expect_request("/data").respond_with_data("{}")
    http = Http("erp", server.url_for(""), Unlimited(), sign=lambda: {"Authorization": "Bearer s3cr3t-token"})
    http.get("data", params={"$filter": "emailaddress1 eq 'ana.diaz@example.com'"})
    ours = [record for record in caplog.records if record.name != "werkzeug"]  # the test's own server
    assert any(record.name.startswith("urllib3") for record in ours)
    said = "".join(record.getMessage() + str(record.args) for record in ours)
    assert "s3cr3t" not in said
    assert "ana.diaz" not in said
    listed = subprocess.run(["ps", "-o", "args=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    assert "s3cr3t" not in listed.stdout + " ".join(sys.argv)
