"""What other systems told us or fetch: the inbox, the product feed's versions, orders as Emarsys sees them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sync.models import AuditEvent, ProductFeed
from tests.admin import arrived, desk_records, sample_runs
from tests.admin.desk_records import person

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
INBOX, FEED = "/console/sync/inboxevent/", "/console/sync/productfeed/"
RUNS = "/console/sync/syncrun/"
ATTRIBUTION, PURCHASES = "/console/sync/attributionlink/", "/console/sync/emarsyspurchase/"


def of(role: str) -> Client:
    client = Client()
    client.force_login(person(role))
    return client


def page(url: str, role: str = "admin", **query: str) -> str:
    answer = of(role).get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("url", "made", "noun"),
    [
        (INBOX, arrived.message, "message"),
        (FEED, lambda: arrived.feed("refused"), "version"),
        (ATTRIBUTION, arrived.attribution, "attribution link"),
        (PURCHASES, arrived.purchase, "purchase"),
        (RUNS, lambda: sample_runs.finished(accepted=1), "run"),
    ],
)
def test_a_list_counts_what_it_lists(url: str, made: Callable[[], object], noun: str) -> None:
    for counted in (f"1 {noun}", f"2 {noun}s"):
        made()
        assert f"<span>{counted}</span>" in page(url).partition('class="pagination"')[2]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (INBOX, "No system has sent a message yet."),
        (FEED, "No feed has been made yet: switch on the flow of products."),
        (ATTRIBUTION, "name the export&#x27;s files in the connection&#x27;s ATTRIBUTION_FILES"),
        (PURCHASES, "name the export&#x27;s files in the connection&#x27;s PURCHASE_FILES"),
    ],
)
def test_an_empty_page_says_what_would_fill_it(url: str, told: str) -> None:
    assert told in page(url)


@pytest.mark.parametrize("url", [INBOX, FEED, ATTRIBUTION, PURCHASES])
def test_the_pages_ask_the_database_as_often_for_many_rows_as_for_few(url: str) -> None:
    client = of("admin")

    def asked() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(url).status_code == 200
        return len(found)

    arrived.everything()
    few = asked()
    for _ in range(6):
        arrived.everything()
    assert asked() == few


# --------------------------------------------------------------------------------------------------------- inbox


def test_the_inbox_shows_each_state_with_what_became_of_the_message() -> None:
    arrived.message("waiting")
    arrived.message("done", message="2 records are read again.", repeats=2, late=True)
    arrived.message("ignored", message="A test message.", keys={})
    arrived.message("unreadable", message="The message is not JSON.", kind="", keys={})
    html = page(INBOX)
    for shown in ("Waiting", "Done", "Ignored", "Unreadable", "came 3 times, after a newer one", "sale: usmf|CIV-1"):
        assert shown in html
    only = page(INBOX, state="unreadable")
    assert "The message is not JSON." in only
    assert "A test message." not in only
    assert "match these filters" in page(INBOX, state="nonsense")


def test_a_messages_body_is_on_no_page() -> None:
    """It may hold anything the system sends; who needs it reads the record at its source."""
    arrived.message(body=b"canary+42@example.com", headers={"user-agent": "canary+43@example.com"})
    assert "canary+4" not in page(INBOX)


# ---------------------------------------------------------------------------------------------------------- feed


def publish(role: str, feed: ProductFeed, reason: str = "") -> Any:
    return of(role).post(f"{FEED}{feed.pk}/publish/", {"reason": reason}, follow=True)


def test_versions_are_compared_with_the_one_before() -> None:
    for before, items, told in ((0, 5, "the first version"), (21, 10, "11 fewer than before"), (4, 9, "5 more than")):
        arrived.feed("replaced", before=before, items=items)
        assert told in page(FEED)


def test_a_refused_version_goes_out_when_an_admin_says_why() -> None:
    old, refused = arrived.feed(), arrived.feed("refused", message="11 of 21 articles are missing (52 %)")
    issue = desk_records.issue("feed_shrunk", "", entity="product", field="feed", money=None)
    assert "Publish this version" in page(FEED)
    answer = publish("admin", refused, "Season is over").content.decode()
    assert f"Version {refused.pk} is published" in answer
    for feed in (old, refused):
        feed.refresh_from_db()
    assert (old.state, refused.state, refused.published_by.get_username()) == ("replaced", "published", "admin")
    event = AuditEvent.objects.get(action="publish feed")
    assert (event.actor_name, event.reason, event.before, event.after) == (
        "admin", "Season is over", {"items": 21}, {"items": 10},
    )  # fmt: skip
    issue.refresh_from_db()
    assert (issue.state, issue.resolution) == ("resolved", "Published by admin: Season is over")
    assert "Publish this version" not in page(FEED)
    assert "Published by admin." in page(FEED)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_without_a_reason_it_stays_refused(reason: str) -> None:
    arrived.feed()
    refused = arrived.feed("refused")
    assert "Say why this version may go out." in publish("admin", refused, reason).content.decode()
    refused.refresh_from_db()
    assert refused.state == "refused"
    assert not AuditEvent.objects.filter(action="publish feed").exists()


def test_an_older_version_never_replaces_a_newer_one() -> None:
    refused, _newer = arrived.feed("refused"), arrived.feed()
    assert "A newer version is published already." in publish("admin", refused, "Season is over").content.decode()
    refused.refresh_from_db()
    assert refused.state == "refused"


@pytest.mark.parametrize("role", ["marketing", "finance", "viewer"])
def test_nobody_but_an_admin_publishes(role: str) -> None:
    refused = arrived.feed("refused")
    assert publish(role, refused, "Season is over").status_code == 403
    refused.refresh_from_db()
    assert refused.state == "refused"
    if role != "finance":
        assert "Publish this version" not in page(FEED, role)


def test_the_exception_of_a_shrunk_feed_leads_to_its_versions() -> None:
    issue = desk_records.issue("feed_shrunk", "", entity="product", field="feed", money=None, records=11)
    assert f'href="{FEED}"' in page(f"/console/sync/syncissue/{issue.pk}/change/")
    assert "Open the feed’s versions" in page(f"/console/sync/syncissue/{issue.pk}/change/")


# ------------------------------------------------------------------------------------- orders as Emarsys sees them


@pytest.mark.parametrize(("url", "row"), [(ATTRIBUTION, arrived.attribution), (PURCHASES, arrived.purchase)])
def test_an_order_is_found_by_its_whole_number_only(url: str, row: Any) -> None:
    row("SO-1"), row("SO-12")
    assert page(url).count("q=SO-") == 2
    found = page(url, q="SO-1")
    assert found.count("q=SO-") == 1
    assert 'q=SO-1">SO-1</a>' in found
    nothing = page(url, q="SO-")
    assert "?q=SO-" not in nothing
    assert "Nothing was found for “SO-”." in nothing
    assert "Clear the search" in nothing


@pytest.mark.parametrize("url", [ATTRIBUTION, PURCHASES, INBOX, FEED])
@pytest.mark.parametrize("strange", ["\0", "9" * 30, "'; --", "%", "é" * 300])
def test_whatever_is_searched_for_there_is_an_answer(url: str, strange: str) -> None:
    arrived.everything()
    for name in ("q", "state", "p", "o"):
        assert of("admin").get(url, {name: strange}).status_code in (200, 302)


def test_a_formula_in_an_order_number_is_text() -> None:
    arrived.attribution("=HYPERLINK(1)", campaign='"><img src=x onerror=alert(1)>')
    html = page(ATTRIBUTION)
    assert "=HYPERLINK(1)" in html
    assert "<img" not in html
