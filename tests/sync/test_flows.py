"""The list of flows follows from the connections; what people set stays."""

import pytest

from connectors.errors import ConfigurationError
from sync import flows, limits, runs
from sync.models import Flow
from tests.sync.conftest import Load, flow, people, sync

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_stream_that_the_target_accepts_is_a_flow(load: Load) -> None:
    load(people(1))
    found = Flow.objects.values_list("name", "source", "stream", "target", "entity")
    assert {
        ("dynamics365.customer", "dynamics365", "customer", "emarsys", "customer"),
        ("dynamics365.sale", "dynamics365", "sale", "emarsys", "sale"),
        ("dynamics365.order_event", "dynamics365", "order_event", "emarsys", "order_event"),
        ("emarsys.attribution", "emarsys", "attribution", "console", "attribution"),
    } <= set(found)
    assert "dynamics365.return" not in {row[0] for row in found}, "nobody accepts returns"


def test_a_flow_beyond_customers_and_sales_waits_until_somebody_switches_it_on(load: Load) -> None:
    load(people(1))
    running = {one.name for one in Flow.objects.all() if not one.paused}
    assert running == {"dynamics365.customer", "dynamics365.sale"}
    assert not Flow.objects.get(name="dynamics365.order_event").wanted
    assert runs.start(Flow.objects.get(name="dynamics365.order_event"), trigger="schedule") is None


def test_consent_goes_back_to_every_erp_that_accepts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS", "north,south,emarsys")
    monkeypatch.setenv("NORTH_CONNECTOR", "dynamics365.dataverse")
    monkeypatch.setenv("SOUTH_CONNECTOR", "dynamics365.dataverse")
    named = {flow.name: (flow.source, flow.target) for flow in flows.declared()}
    assert named["emarsys.consent"] == ("emarsys", "north")
    assert named["emarsys.consent.south"] == ("emarsys", "south")
    assert named["south.consent"] == ("south", "emarsys")
    assert ("north", "south") not in named.values(), "ERPs are joined by the platform, not to each other"


def test_a_connection_may_name_where_its_records_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CONNECTIONS": "erp,uk,de",
        "ERP_CONNECTOR": "dynamics365",
        "UK_CONNECTOR": "emarsys",
        "DE_CONNECTOR": "emarsys",
    }.items():
        monkeypatch.setenv(name, value)
    assert {flow.target for flow in flows.declared() if flow.source == "erp"} == {"uk"}
    monkeypatch.setenv("ERP_TARGETS", "de, uk")
    both = {flow.name: flow.target for flow in flows.declared() if flow.stream == "customer"}
    assert both == {"erp.customer": "uk", "erp.customer.de": "de"}


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
