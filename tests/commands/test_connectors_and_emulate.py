"""connectors, emulate."""

import socket

import pytest

from tests.commands.conftest import Run
from tests.sync.conftest import Load, people


@pytest.mark.django_db(transaction=True)
def test_connectors_are_listed_with_their_settings_and_never_a_secret(run: Run, load: Load) -> None:
    load(people(1), DYNAMICS365_CLIENT_SECRET="hush-hush-4711")
    erp, target = run("connectors", "--json").rows
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
    _, target = run("connectors", "--json").rows
    assert target["missing"] == ["EMARSYS_CLIENT_ID"]
    assert "MISSING  EMARSYS_CLIENT_ID" in run("connectors").out


@pytest.mark.django_db(transaction=True)
def test_each_system_is_called_and_one_that_refuses_us_is_exit_1(run: Run, load: Load) -> None:
    load(people(2))
    ran = run("connectors", "--check", "--json")
    assert (ran.code, [row["answers"] for row in ran.rows]) == (0, [True, True])
    load(people(2), EMARSYS_CLIENT_SECRET="wrong")
    ran = run("connectors", "--check", "--json")
    assert (ran.code, [row["answers"] for row in ran.rows]) == (1, [True, False])


def test_emulated_systems_need_a_port_of_their_own(run: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = run("emulate", "--port", str(port), "--empty")
    assert ran.code == 1
    assert f"Port {port} on 127.0.0.1 is taken" in ran.err
