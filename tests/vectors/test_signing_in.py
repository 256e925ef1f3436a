"""Published digests, tokens and refusals (emarsys 1.2, 1.3; dynamics365 1.1), at emulators and connectors."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer

from connectors import errors
from connectors.emarsys import wsse
from connectors.emulators.emarsys.auth import digest
from connectors.emulators.server import running
from tests.connectors.conftest import EMARSYS, FINANCE, opened
from tests.emulators.client import Environment
from tests.emulators.emarsys.account import Account
from tests.vectors.published import shape, vectors

SETTINGS = {"emarsys": EMARSYS, "dynamics365.finance": FINANCE}


@pytest.fixture(scope="module")
def emulators() -> Iterator[str]:
    with running() as base:
        yield base


@pytest.mark.parametrize("vector", vectors("signing_in", "wsse"))
def test_both_sides_compute_the_published_digest(vector: Mapping[str, Any]) -> None:
    given = vector["wsse"]
    assert wsse.digest(given["nonce"], given["created"], given["secret"]) == vector["digest"]
    assert digest(given["nonce"], given["created"], given["secret"]) == vector["digest"]


@pytest.mark.parametrize("vector", [one for one in vectors("signing_in", "reply") if "form" in one.values[0]])
def test_the_emulator_answers_a_sign_in_in_the_published_form(emulators: str, vector: Mapping[str, Any]) -> None:
    published, loose = vector["reply"], ("error_codes",)
    answer = asked(emulators, vector)
    assert answer.status_code == published["status"], answer.text
    assert shape(answer.json(), loose) == shape(published["body"], loose)
    assert answer.json().get("error") == published["body"].get("error")
    assert answer.json().get("error_codes") == published["body"].get("error_codes")


def asked(emulators: str, vector: Mapping[str, Any]) -> requests.Response:
    if vector["system"] == "emarsys":
        return Account(emulators).token(secret=vector.get("secret"), **vector["form"])
    return Environment(emulators).token(**vector["form"])


@pytest.mark.parametrize("vector", vectors("signing_in", "reply"))
def test_the_connector_signs_with_a_published_token_and_names_a_refusal(
    server: HTTPServer, slept: list[float], vector: Mapping[str, Any]
) -> None:
    reply = vector["reply"]
    for path in ("/token", "/oauth2/token"):
        server.expect_request(path, method="POST").respond_with_json(reply["body"], status=reply["status"])
    system = opened(vector["system"], server, SETTINGS[vector["system"]])
    server.expect_request("/api/v3/settings").respond_with_json({"replyCode": 0, "data": {"id": "1", "name": "shop"}})
    with pytest.raises(errors.ConnectorError) as raised:  # nothing else is served here
        system.check()
    if "raises" in vector:
        assert type(raised.value) is getattr(errors, vector["raises"])
        assert "secret" not in repr(raised.value)
        return
    signed = {request.headers.get("Authorization") for request, _ in server.log if "token" not in request.path}
    assert signed == {vector["signs"]}
