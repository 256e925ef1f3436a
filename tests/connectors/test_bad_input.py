"""Whatever a system answers: every connector ends in a typed error that names system, request and remedy, shows no
credential and no person, loses nothing, and works again as soon as the system does."""

import datetime as dt
import importlib
import json
import traceback
import tracemalloc
from collections.abc import Mapping
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Unlimited
from connectors.errors import ConfigurationError, ConnectorError, UnavailableError, UnexpectedReplyError
from connectors.registry import all_connectors, connections
from tests.connectors.misbehaving import (
    Answer,
    Asked,
    Misbehaving,
    bomb,
    certificates,
    echoing,
    endless,
    everything_logged,
    reply,
    rows,
    running,
)

SECRET, TOKEN = "s3cr3t-canary-0123456789", "tok-canary-abcdef0123456789"
NEVER_SHOWN = (SECRET, TOKEN, "ana.diaz@example.com", "Diazcanary", "czNjcjN0LWNhbmFye")
"""The client secret (plain and within Basic), the access token, a person's e-mail address and name."""
NAMES = sorted(all_connectors())

ENTITIES = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BILLION_LAUGHS = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{ENTITIES}]><x>&l9;</x>'.encode()
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'

BAD: Mapping[str, tuple[Answer, type[ConnectorError]]] = {
    "html": (reply(200, b"<!DOCTYPE html><title>Sign in</title>ana.diaz@example.com"), UnavailableError),
    "empty": (reply(200, b""), UnexpectedReplyError),
    "cut in the middle of a row": (reply(200, rows("x")[:-20], length=len(rows("x"))), UnavailableError),
    "cut, and the length is right": (reply(200, rows("x")[:-20]), UnexpectedReplyError),
    "utf-16": (reply(200, json.dumps({"value": []}).encode("utf-16")), UnexpectedReplyError),
    "bytes that are no text": (reply(200, bytes(range(256)) * 8), UnexpectedReplyError),
    "zeros": (reply(200, b"\x00" * 4096), UnexpectedReplyError),
    "said to be gzip": (reply(200, rows("x"), Content_Encoding="gzip"), UnavailableError),
    "a gzip bomb": (bomb(200), UnexpectedReplyError),
    "entities": (reply(200, BILLION_LAUGHS, Content_Type="application/xml"), UnexpectedReplyError),
    "an external entity": (reply(200, EXTERNAL, Content_Type="application/xml"), UnexpectedReplyError),
    "a text of 100 MB": (endless, UnexpectedReplyError),
    "100 MB announced": (reply(200, b"{", length=100 * 2**20), UnexpectedReplyError),
    "nested 200,000 deep": (reply(200, b"[" * 200_000), UnexpectedReplyError),
    "objects 200,000 deep": (reply(200, b'{"value":' * 200_000), UnexpectedReplyError),
    "NaN": (reply(200, b'{"value": NaN}'), UnexpectedReplyError),
    "Infinity": (reply(200, b'{"value": -Infinity}'), UnexpectedReplyError),
    "a number of 5,000 digits": (reply(200, b'{"value": ' + b"9" * 5000 + b"}"), UnexpectedReplyError),
    "a redirect to another host": (reply(302, b"", Location="https://evil.example.com/?t=1"), UnexpectedReplyError),
    "a refusal that repeats the credentials": (echoing(418), UnexpectedReplyError),
    "a 401 that repeats the credentials": (echoing(401), ConfigurationError),
    "a 403 that repeats the credentials": (echoing(403), ConfigurationError),
    "a 500 that repeats the credentials": (echoing(500), UnavailableError),
    "a 429 that repeats the credentials": (echoing(429), UnavailableError),
    "no answer at all": (lambda connection, asked: None, UnavailableError),
    "no http": (lambda connection, asked: connection.sendall(b"220 mail ready\r\n"), UnavailableError),
    "half a header": (lambda connection, asked: connection.sendall(b"HTTP/1.1 200 OK\r\nConte"), UnexpectedReplyError),
}  # fmt: skip
XML_IS_ANOTHER_MATTER = {"prima"}
OF_XML = (UnavailableError, ConfigurationError)
"""What is asked for until its XML is whole is unavailable while it is none; a description with entities is refused
as a setting."""


@pytest.fixture(autouse=True)
def _no_waiting(slept: list[float]) -> None:
    """Retries do not wait."""


def good(name: str) -> Any:
    """How the system answers when it is well: without records."""

    def answer(asked: Asked) -> tuple[int, bytes]:
        path = asked.path.partition("?")[0]
        if "token" in path:
            return 200, json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode()
        found = {"dynamics365.finance": _finance, "dynamics365.dataverse": _dataverse, "emarsys": _emarsys,
                 "shop_export": _shop_export}.get(name, _unknown)  # fmt: skip
        status, body = found(path, asked)
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()

    return answer


def _finance(path: str, asked: Asked) -> tuple[int, Any]:
    return (404, b"") if path.endswith("$metadata") else (200, {"value": []})


def _dataverse(path: str, asked: Asked) -> tuple[int, Any]:
    if path.endswith("$metadata"):
        return 404, b""
    return 200, {"value": [], "@odata.deltaLink": f"http://{asked.headers['host']}{path}?$deltatoken=1"}


def _emarsys(path: str, asked: Asked) -> tuple[int, Any]:
    fields = [{"id": "3", "name": "E-Mail"}, {"id": "9", "name": "External id", "string_id": "externalId"},
              {"id": "10", "name": "Tier", "string_id": "loyaltyTier"}]  # fmt: skip
    data: Any = fields if path.rstrip("/").endswith("/field") else []
    return 200, {"replyCode": 0, "replyText": "OK", "data": {"result": []} if "query" in path else data}


def _shop_export(path: str, asked: Asked) -> tuple[int, Any]:
    return 200, b"customer_no,email\n"


def _unknown(path: str, asked: Asked) -> tuple[int, Any]:
    return 404, b""


def opened(name: str, address: str, **more: str) -> Any:
    """The connection `erp` as its samples set it up, with canaries for credentials."""
    module = importlib.import_module(f"connectors.{name}")
    samples = json.loads((Path(str(module.__file__)).parent / "samples" / "settings.json").read_text())
    known = all_connectors()[name].settings
    values = {
        key: SECRET if known[key].secret else value.replace("{server}", address) for key, value in samples.items()
    }
    environment = {f"ERP_{key}": value for key, value in {**values, "REPLY_MB": "8", **more}.items()}
    return connections({**environment, "CONNECTIONS": "erp", "ERP_CONNECTOR": name})["erp"].open(Unlimited())


def use(name: str, system: Any) -> None:
    """The first ordinary read: a customers' stream to its end; of what only takes records, everything it holds."""
    connector = all_connectors()[name]
    if "customer" in connector.streams:
        for _ in system.read("customer", ""):
            pass
    else:
        for _ in system.scan("customer"):
            pass


def everything_said(error: BaseException, log: pytest.LogCaptureFixture) -> str:
    parts = [str(error), repr(error), str(vars(error)), *traceback.format_exception(error), log.text]
    return "\n".join([*parts, *(str(record.__dict__) for record in log.records)])


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", NAMES)
def test_a_bad_answer_is_a_typed_error_that_shows_nobody_and_loses_nothing(
    name: str, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer, expected = BAD[case]
    everything_logged(caplog)
    with running(Misbehaving(good(name), answer)) as server:
        system = opened(name, server.address)
        with pytest.raises(ConnectorError) as raised:
            use(name, system)
        error = raised.value
        wanted: Any = (expected, *OF_XML) if name in XML_IS_ANOTHER_MATTER else expected
        assert isinstance(error, wanted), repr(error)
        assert error.system.startswith("erp")
        assert error.request
        assert error.remedy
        said = everything_said(error, caplog)
        assert [canary for canary in NEVER_SHOWN if canary in said] == []
        assert not any("evil.example.com" in asked.headers.get("host", "") for asked in server.asked)
        server.answer = None
        if good(name)(Asked("GET", "/anything", {"host": "x"}, b""))[0] == 200:
            use(name, system)


@pytest.mark.parametrize("case", ["a text of 100 MB", "a gzip bomb", "100 MB announced"])
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_of_any_size_takes_bounded_memory(name: str, case: str) -> None:
    with running(Misbehaving(good(name), BAD[case][0])) as server:
        system = opened(name, server.address)
        tracemalloc.start()
        try:
            with pytest.raises(ConnectorError):
                use(name, system)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 60 * 2**20  # REPLY_MB is 8 here; the 100 or 200 MB are never held


HOUR = dt.timedelta(hours=1)
CERTIFICATES = {
    "expired": ("localhost", -48 * HOUR, -24 * HOUR, ("expired on", "24 hours ago"), "renewed"),
    "not valid yet": ("localhost", HOUR / 2, 24 * HOUR, ("not valid yet", "minutes"), "clock"),
    "another host's": ("other.example.com", -HOUR, HOUR, ("not for localhost",), "address"),
}


@pytest.mark.parametrize("case", CERTIFICATES)
@pytest.mark.parametrize("name", NAMES)
def test_a_certificate_that_is_not_in_order_is_said_in_words(
    name: str, case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host, begins, ends, said, remedy = CERTIFICATES[case]
    everything_logged(caplog)
    tls, authority = certificates(tmp_path, host, begins, ends)
    with running(Misbehaving(good(name)), tls, "localhost") as server:
        system = opened(name, server.address, CA_FILE=str(authority))
        with pytest.raises(ConfigurationError) as raised:
            use(name, system)
        error = raised.value
        assert [part for part in said if part not in error.message] == []
        assert remedy in error.remedy
        assert error.system.startswith("erp")
        assert error.request
        assert server.asked == []  # nothing was sent, a credential least of all
        assert [canary for canary in NEVER_SHOWN if canary in everything_said(error, caplog)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_private_authority_is_trusted_by_its_file_only(name: str, tmp_path: Path) -> None:
    tls, authority = certificates(tmp_path, "localhost", -HOUR, HOUR)
    with running(Misbehaving(good(name), reply(418, b"")), tls, "localhost") as server:
        with pytest.raises(ConfigurationError, match="not signed by an authority") as raised:
            use(name, opened(name, server.address))
        assert "CA_FILE" in raised.value.remedy
        assert server.asked == []
        with pytest.raises(ConnectorError):
            use(name, opened(name, server.address, CA_FILE=str(authority)))
        assert server.asked


def test_a_missing_or_empty_authority_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for path in (tmp_path / "absent.pem", tmp_path / "empty.pem", tmp_path):
        with pytest.raises(ConfigurationError, match="CA_FILE"):
            opened("dynamics365.finance", "https://localhost:1", CA_FILE=str(path))


@pytest.mark.parametrize(("hours", "words"), [(-3, "3 hours ahead of"), (3, "3 hours behind")])
@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_by_a_system_with_another_time_speaks_of_the_clock(name: str, hours: int, words: str) -> None:
    there = format_datetime(dt.datetime.now(dt.UTC) + hours * HOUR + dt.timedelta(seconds=20 * hours), usegmt=True)
    with running(Misbehaving(good(name), reply(401, b"{}", Date=there))) as server:
        with pytest.raises(ConfigurationError) as raised:
            use(name, opened(name, server.address))
        error = raised.value
        assert "clock" in error.message + error.remedy
        # Emarsys signs by the clock: its connector says so itself, in a sentence of its own.
        assert words in error.remedy or words.split(" hours")[0] in error.message


@pytest.mark.parametrize("name", NAMES)
def test_plain_http_to_another_machine_is_refused_before_a_call(name: str) -> None:
    with pytest.raises(ConfigurationError, match="plain http") as raised:
        use(name, opened(name, "http://erp.example.com"))
    assert "ALLOW_HTTP" in raised.value.remedy
    opened(name, "http://erp.example.com", ALLOW_HTTP="yes")


def test_lone_surrogates_nulls_and_long_numbers_in_a_row_cost_no_other_row() -> None:
    """What is wrong with a row is its own exception; the page and the read go on."""
    ids = ["00000000-0000-0000-0000-00000000000" + str(number) for number in range(4)]
    texts = ['"A\\ud800na"', '"A\\u0000na"', "9" * 5000, '"' + "x" * 2**20 + '"']
    page = ",".join(
        f'{{"contactid":"{one}","statecode":0,"firstname":{text}}}' for one, text in zip(ids, texts, strict=True)
    )
    seen: list[Any] = []

    def answer(asked: Asked) -> tuple[int, bytes]:
        status, body = good("dynamics365.dataverse")(asked)
        whole = "$filter" not in asked.path and "token" not in asked.path and status == 200
        return status, body.replace(b'"value": []', f'"value": [{page}]'.encode()) if whole else body

    with running(Misbehaving(answer)) as server:
        system = opened("dynamics365.dataverse", server.address, TABLES="contacts")
        for found in system.read("customer", ""):
            for row in found.rows:
                try:
                    seen.append(system.streams["customer"].map(row).record.first_name)
                except ConnectorError as error:
                    seen.append(type(error).__name__)
    assert seen == ["Ana", "Ana", "RecordError", "x" * 2**20]
