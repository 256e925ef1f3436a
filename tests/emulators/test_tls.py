"""https for clients that insist on it (dynamics365.md 1.2 and 8.1)."""

from collections.abc import Iterator
from pathlib import Path

import msal
import pytest
import requests
from cryptography import x509

from connectors.emulators.server import running
from tests.emulators.client import Environment


@pytest.fixture(scope="module")
def described() -> Iterator[dict[str, str]]:
    with running(tls_port=0) as root:
        yield requests.get(f"{root}/_control/systems", timeout=10).json()["dynamics365"]


def test_both_listeners_serve_the_same_environment(described: dict[str, str]) -> None:
    """dynamics365.md 8.1: links carry the scheme of the listener"""
    secure = Environment(described["https"])
    secure.session.verify = described["certificate"]
    plain = Environment(described["base"].removesuffix("/dynamics365")).sign_in()
    plain.call("POST", "CustomersV3", json={"dataAreaId": "usmf", "CustomerAccount": "T-1"})
    page = secure.sign_in().get("CustomersV3").json()
    assert [row["CustomerAccount"] for row in page["value"]] == ["T-1"]
    assert page["@odata.context"].startswith(described["https"])


def test_microsofts_own_library_gets_a_token(described: dict[str, str], monkeypatch) -> None:
    """dynamics365.md 1.2: MSAL with instance discovery off and our certificate"""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # they would override `verify`
        monkeypatch.delenv(name, raising=False)
    application = msal.ConfidentialClientApplication(
        "integration-console",
        authority=f"{described['https'].replace('127.0.0.1', 'localhost')}/entra/contoso",
        client_credential="emulator-secret",
        instance_discovery=False,
        verify=described["certificate"],
    )
    granted = application.acquire_token_for_client(scopes=[f"{described['https']}/dynamics365/.default"])
    assert granted.get("token_type") == "Bearer", granted
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    address = f"{described['https']}/dynamics365/data/CustomersV3"
    assert requests.get(address, headers=headers, verify=described["certificate"], timeout=10).status_code == 200


def test_the_certificate_holds_for_further_names(tmp_path: Path) -> None:
    """emarsys.md 1.1: some clients know one host only and are brought here under its name"""
    with running(state=tmp_path, tls_port=0):
        assert "api.emarsys.net" not in _names(tmp_path)
    for _ in range(2):
        with running(state=tmp_path, tls_port=0, tls_hosts=["api.emarsys.net"]):
            assert {"localhost", "api.emarsys.net"} <= _names(tmp_path)


def _names(state: Path) -> set[str]:
    known = x509.load_pem_x509_certificate((state / "tls" / "certificate.pem").read_bytes())
    names = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))
