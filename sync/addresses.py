"""Where each screen lives: one place that builds the links between them, so that a number and what it opens agree."""

from typing import Any

from django.urls import reverse
from django.utils.http import urlencode


def _address(name: str, *arguments: object, **query: object) -> str:
    url = reverse(f"admin:{name}", args=arguments)
    given = {key: str(value) for key, value in query.items() if value not in (None, "")}
    return f"{url}?{urlencode(given)}" if given else url


def exceptions(
    *, team: str = "", kind: str = "", flow: str = "", run: object = None, assignee: str = "", state: str = ""
) -> str:
    """The list of exceptions; open ones unless `state` says otherwise. `flow` is its name, assignee may be `me`."""
    return _address(
        "sync_syncissue_changelist", team=team, kind=kind, flow=flow, run=run, assignee=assignee, state=state
    )


def record_exceptions(source_id: str) -> str:
    return _address("sync_syncissue_changelist", record=source_id, state="all")


def exception(issue: Any) -> str:
    return _address("sync_syncissue_change", issue.pk)


def run(run: Any) -> str:
    return _address("sync_syncrun_change", run.pk)


def run_records(run: Any, bucket: str) -> str:
    return _address("sync_syncrun_records", run.pk, bucket)


def runs(*, flow: str = "", state: str = "", kind: str = "") -> str:
    return _address("sync_syncrun_changelist", flow=flow, state=state, kind=kind)


def flow(flow: Any) -> str:
    return _address("sync_flow_change", flow.pk)


def flows() -> str:
    return _address("sync_flow_changelist")


def breakers(flow: Any) -> str:
    return _address("sync_flow_breakers", flow.pk)


def workers() -> str:
    return _address("sync_workerprocess_changelist")


def backfill(backfill: Any) -> str:
    return _address("sync_backfill_change", backfill.pk)


def new_backfill(flow: Any) -> str:
    return _address("sync_flow_backfill", flow.pk)


def mapping(flow: Any) -> str:
    return _address("console_mapping", flow.pk)


def plan(plan: Any) -> str:
    return _address("sync_syncplan_change", plan.pk)


def plans(*, flow: str = "") -> str:
    return _address("sync_syncplan_changelist", flow=flow)


def schedule(flow: Any) -> str:
    return _address("sync_flow_schedule", flow.pk)


def record(source_id: str) -> str:
    """The record's whole story. Ids only: nothing personal may stand in an address."""
    return _address("console_search", q=source_id)
