"""The list of flows follows from the connections; what people set stays."""

import pytest

from connectors.errors import ConfigurationError
from sync import flows, limits
from sync.models import Flow
from tests.sync.conftest import Load, flow, people, sync

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_stream_that_the_target_accepts_is_a_flow(load: Load) -> None:
    load(people(1))
    found = Flow.objects.values_list("name", "source", "stream", "target", "entity")
    assert set(found) == {
        ("dynamics365.customer", "dynamics365", "customer", "emarsys", "customer"),
        ("dynamics365.sale", "dynamics365", "sale", "emarsys", "sale"),
    }


def test_what_people_changed_is_left_alone(load: Load) -> None:
    load(people(1))
    Flow.objects.update(enabled=False, watermark="2026-01-01")
    flows.ensure()
    assert set(Flow.objects.values_list("enabled", "watermark")) == {(False, "2026-01-01")}


def test_a_flow_whose_connection_is_gone_says_so(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load(people(1))
    monkeypatch.setenv("CONNECTIONS", "emarsys")
    with pytest.raises(ConfigurationError, match="dynamics365 is not configured"):
        limits.limits_for("dynamics365")


def test_a_second_connection_is_a_flow_of_its_own(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    control = load(people(2))
    monkeypatch.setenv("CONNECTIONS", "dynamics365,uk,emarsys")
    for name in ("URL", "TENANT", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"):
        import os

        monkeypatch.setenv(f"UK_{name}", os.environ[f"DYNAMICS365_{name}"])
    monkeypatch.setenv("UK_CONNECTOR", "dynamics365")
    flows.ensure()
    assert set(Flow.objects.values_list("name", flat=True)) >= {"uk.customer", "uk.sale", "dynamics365.customer"}
    assert sync().state == "completed"
    assert flow().links.count() == 2
    assert len(control.all_contacts()) == 2
