"""A difference in a field that marketing owns: a retry would change nothing, so none is offered."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from sync import bulk, runs, triage
from sync.models import BulkOperation, PendingKey, SyncIssue, SyncRun
from tests.admin.desk_records import person
from tests.sync.conftest import Control, Load, flow, people, sync, worked
from tests.sync.test_field_mappings import in_force, row, with_field

pytestmark = pytest.mark.django_db(transaction=True)
OURS, THEIRS = "Nickname", "Alias of the shop"


@pytest.fixture
def drifts(load: Load) -> tuple[Control, SyncIssue, SyncIssue]:
    """One customer whose two own fields differ: the ERP's, and marketing's."""
    control = load(people(2))
    nick, alias = with_field(control, OURS), with_field(control, THEIRS)
    control.customer("C-2", NameAlias="Sunny", KnownAs="Blue")
    in_force(row(control, "NameAlias", OURS), row(control, "KnownAs", THEIRS, owner="marketing"))
    sync()
    contact = control.contacts()["C-2"]
    control("PATCH", f"emarsys/contacts/{contact['id']}", {nick: "Rainy", alias: "Green"})
    run = runs.start(flow(), kind="compare", ring=False)
    assert run is not None
    worked(run)
    found = {issue.field: issue for issue in SyncIssue.objects.filter(source_id="usmf|C-2", kind="field_drift")}
    return control, found[OURS], found[THEIRS]


Drifts = tuple[Control, SyncIssue, SyncIssue]


@pytest.fixture
def client(db: None) -> Client:
    client = Client(headers={"accept": "text/html"})
    client.force_login(person("marketing"))
    return client


def test_the_page_offers_no_retry_and_says_what_to_do_instead(drifts: Drifts, client: Client) -> None:
    _, ours, theirs = drifts

    def shown(issue: SyncIssue) -> str:
        return client.get(reverse("admin:sync_syncissue_change", args=[issue.pk])).content.decode()

    retry = reverse("admin:sync_syncissue_act", args=[ours.pk, "retry"])
    assert retry in shown(ours)
    page = shown(theirs)
    assert reverse("admin:sync_syncissue_act", args=[theirs.pk, "retry"]) not in page
    assert "Press Retry" not in page
    assert "a retry would change nothing" in page
    assert "Correct the value in Emarsys, or in the ERP if that one is wrong" in page
    assert "waive" in page.lower()


def test_it_is_refused_whoever_asks(drifts: Drifts, client: Client) -> None:
    control, _, theirs = drifts
    control.forget_requests()
    answer = client.post(reverse("admin:sync_syncissue_act", args=[theirs.pk, "retry"]), follow=True)
    assert "marketing owns this field" in answer.content.decode().lower()
    with pytest.raises(triage.RefusedError, match="Marketing owns"):
        triage.retry(theirs, person("marketing"))
    with pytest.raises(CommandError, match="Marketing owns"):
        call_command("retry", exception=theirs.pk)
    theirs.refresh_from_db()
    assert (theirs.state, PendingKey.objects.count(), control.requests()) == ("open", 0, [])


def test_a_bulk_retry_leaves_it_alone_and_says_so(drifts: Drifts, client: Client) -> None:
    _, ours, theirs = drifts
    url = reverse("admin:sync_syncissue_bulk")
    asked: dict[str, Any] = {"do": "retry", "ids": [ours.pk, theirs.pk]}
    figures = client.post(url, asked).context["figures"]
    assert (figures["total"], figures["possible"], figures["skipped"]) == (2, 1, 1)
    assert any("Marketing owns" in why for why in figures["refused"])
    client.post(url, {**asked, "confirmed": "yes"})
    operation = BulkOperation.objects.get()
    bulk.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.done, operation.skipped) == ("completed", 1, 1)
    ours.refresh_from_db()
    theirs.refresh_from_db()
    assert (ours.state, theirs.state) == ("retrying", "open")


def test_once_the_erp_owns_the_field_a_retry_puts_it_right(drifts: Drifts) -> None:
    control, _, theirs = drifts
    in_force(row(control, "NameAlias", OURS), row(control, "KnownAs", THEIRS))
    SyncRun.objects.filter(state="queued").delete()
    triage.retry(theirs, person("marketing"))
    worked(SyncRun.objects.get(keys_only=True))
    theirs.refresh_from_db()
    assert theirs.state == "resolved"
