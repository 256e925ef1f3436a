"""What customers do by form and by link, and everything that tells of it."""

from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response as HttpResponse

from tests.emulators.emarsys.account import EXTERNAL, Account, until


@pytest.fixture
def shop(account: Account) -> Account:
    account.switch(export_seconds=0, response_polls=0)
    account.upsert(
        {EXTERNAL: "C-1", "3": "ana@example.com", "31": 1},
        {EXTERNAL: "C-2", "3": "bo@example.com", "31": 1},
        {EXTERNAL: "C-3", "3": "cy@example.com", "31": 2},
    )
    return account


def number(account: Account, external: str) -> str:
    return account.read(external, fields=("3",))["result"][0]["id"]


def told(account: Account, kind: str, query: str = "") -> list[list[str]]:
    answer = account.beside("GET", f"/rtm/mail_events/{kind}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/csv")
    header, *rows = [line.split(",") for line in answer.text.splitlines()]
    assert header == ["mail_stream_id", "recipient_id", "timestamp", "email", "external_id", "field_id"]
    return rows


def test_an_unsubscribe_opts_out_and_is_told_everywhere(shop: Account, httpserver: HTTPServer) -> None:
    """Sections 9, 13.13: 31=2 by form, getdata, getchanges, mail events, and the webhook node."""
    received: list[Any] = []

    def keep(request: HttpRequest) -> HttpResponse:
        received.append(request.get_json())
        return HttpResponse(status=204)

    httpserver.expect_request("/hook", method="POST").respond_with_handler(keep)
    shop.switch(webhook_url=httpserver.url_for("/hook"))
    ana = number(shop, "C-1")
    campaign = shop.do("launch", name="Spring")["campaign_id"]
    assert shop.do("unsubscribe", id=ana, event_data={"list": "news"})["contact"]["31"] == "2"
    assert shop.read("C-1", fields=("31",))["result"][0]["31"] == "2"
    assert shop.all("contact_changes")[-1]["origin"] == "form"
    [row] = told(shop, "unsubscribe")
    assert (row[0], row[1], row[3], row[4], row[5]) == (campaign, ana, "ana@example.com", "C-1", EXTERNAL)
    [hook] = until(lambda: received)
    assert (hook["contact_id"], hook["externalId"], hook["optin"]) == (ana, "C-1", "2")
    assert hook["event_data"] == {"list": "news"}


def test_an_unknown_contact_cannot_act(shop: Account) -> None:
    """The control API says so in words."""
    answer = shop.control("POST", "unsubscribe", {"id": "7"})
    assert (answer.status_code, "7" in answer.json()["error"]) == (404, True)
    assert (
        shop.control("POST", "subscribe", {"email": "x@example.com", "fields": {"14": "Atlantis"}}).status_code == 400
    )
    assert shop.control("POST", "change_profile", {"id": number(shop, "C-1"), "fields": {"nope": 1}}).status_code == 404
    assert shop.control("POST", "click", {"id": number(shop, "C-1"), "campaign_id": "7"}).status_code == 404


def test_a_form_makes_a_new_contact_or_updates_the_one_with_the_address(shop: Account) -> None:
    """Sections 3.8, 12.19: the UI de-duplicates on form entry; a form knows no customer number."""
    new = shop.do("subscribe", email="new@example.com", fields={"first_name": "New"})["contact"]
    assert (new["1"], new["31"], EXTERNAL in new) == ("New", "1", False)
    known = shop.do("subscribe", email="cy@example.com")["contact"]
    assert (known["31"], known[EXTERNAL]) == ("1", "C-3")
    changed = shop.do("change_profile", id=known["id"], fields={"city": "Graz", "31": 2})["contact"]
    assert (changed["11"], changed["31"]) == ("Graz", "2")
    assert len(shop.all("contacts")) == 4


def test_a_launch_reaches_those_who_opted_in(shop: Account) -> None:
    """Section 3.12: no marketing mail to a contact whose 31 is not 1."""
    launched = shop.do("launch", name="Spring")
    assert launched["planned"] == 2
    assert {row[4] for row in told(shop, "send")} == {"C-1", "C-2"}
    criteria = {"type": "criteria", "field": "email", "operator": "starts_with", "value": "ana"}
    segment = shop.data("PUT", "/filter", {"name": "Ana", "contactCriteria": criteria})["id"]
    assert shop.do("launch", campaign_id=launched["campaign_id"], segment=segment)["planned"] == 1


def test_mail_events_are_told_by_time_and_kind_with_a_limit_by_the_hour(shop: Account) -> None:
    """Sections 1.1, 2.3, 9 f: from, to; 1000 requests an hour."""
    ana = number(shop, "C-1")
    shop.do("launch", name="Spring")
    shop.do("open", id=ana, at="2026-01-15T10:00:00Z")
    assert told(shop, "open") == []
    january = "?from=2026-01-15T00:00:00Z&to=2026-01-16T00:00:00Z"
    assert [row[2] for row in told(shop, "open", january)] == ["2026-01-15T10:00:00Z"]
    assert shop.beside("GET", "/rtm/mail_events/fax").json()["replyCode"] == 10001
    assert shop.beside("GET", "/rtm/mail_events/open?from=yesterday").json()["replyCode"] == 10001
    shop.switch(rtm_limit=2)
    refused = shop.beside("GET", "/rtm/mail_events/open")
    assert (refused.status_code, refused.json()["replyCode"]) == (429, 7003)
    shop.switch(token_seconds=1_000_000)
    shop.sign_in()
    shop.later(3601)
    assert shop.beside("GET", "/rtm/mail_events/open").status_code == 200


def test_unsubscribing_by_api_is_for_statistics_only(shop: Account) -> None:
    """Section 3.12: 31 stays; 1006, 6025, 6042, 1003."""
    launched = shop.do("launch", name="Spring")
    uid = shop.read("C-1", fields=("3",))["result"][0]["uid"]
    body = {"launch_list_id": launched["id"], "email_id": launched["campaign_id"], "contact_uid": uid}
    shop.data("POST", "/email/unsubscribe", body)
    assert shop.read("C-1", fields=("31",))["result"][0]["31"] == "1"
    assert len(told(shop, "unsubscribe")) == 1
    shop.data("POST", "/email/unsubscribe", {**body, "contact_uid": "", "uid": uid})
    for change, code in (
        ({"contact_uid": ""}, 1006), ({"email_id": "7"}, 6025), ({"launch_list_id": "7"}, 6042),
        ({"contact_uid": "nobody"}, 1003),
    ):  # fmt: skip
        assert shop.refusal("POST", "/email/unsubscribe", {**body, **change}) == (400, code)
    shop.switch(token_seconds=100_000_000)
    shop.sign_in()
    shop.later(62 * 86_400)
    assert shop.refusal("POST", "/email/unsubscribe", body) == (400, 6042)


def test_responses_are_queried_and_polled(shop: Account) -> None:
    """Sections 2.3, 10: 202 until there, one query a minute (423 / 6028), kept two hours (404 / 6029)."""
    shop.switch(response_polls=1)
    ana = number(shop, "C-1")
    campaign = shop.do("launch", name="Spring")["campaign_id"]
    shop.do("open", id=ana)
    query = shop.data("POST", "/email/responses", {"type": "opened", "campaign_id": campaign})["id"]
    waiting = shop.call("GET", f"/email/{query}/responses")
    assert (waiting.status_code, waiting.json()["replyCode"], waiting.json()["data"]) == (202, 202, "")
    assert shop.data("GET", f"/email/{query}/responses") == {"contact_ids": [ana]}
    assert shop.data("GET", f"/email/responses/{query}") == {"contact_ids": [ana]}
    assert shop.refusal("POST", "/email/responses", {"type": "opened"}) == (423, 6028)
    assert shop.refusal("GET", "/email/7/responses") == (404, 6029)
    shop.later(7201)
    shop.sign_in()
    assert shop.refusal("GET", f"/email/{query}/responses") == (404, 6029)


@pytest.mark.parametrize(
    ("kind", "who"),
    [
        ("opened", "1"), ("not_opened", "2"), ("received", "1"), ("clicked", "1"), ("not_clicked", "2"),
        ("bounced", "2"), ("hard_bounced", "2"), ("soft_bounced", ""), ("block_bounced", ""),
    ],
)  # fmt: skip
def test_response_types_are_worked_out_from_what_recipients_did(shop: Account, kind: str, who: str) -> None:
    """Section 9: opened, clicked, bounced …, no unsubscribe type; nobody is one empty text, as TAP meets it."""
    shop.do("launch", name="Spring")
    shop.do("open", id=number(shop, "C-1"))
    shop.do("click", id=number(shop, "C-1"))
    shop.do("bounce", id=number(shop, "C-2"), bounce="hard")
    query = shop.data("POST", "/email/responses", {"type": kind})["id"]
    expected = [number(shop, f"C-{one}") for one in who] or [""]
    assert shop.data("GET", f"/email/{query}/responses") == {"contact_ids": expected}


def test_response_queries_are_refused_by_type_date_and_campaign(shop: Account) -> None:
    """Sections 2.3, 9: there is no unsubscribe type."""
    assert shop.refusal("POST", "/email/responses", {"type": "unsubscribe"})[0] == 400
    assert shop.refusal("POST", "/email/responses", {"type": "opened", "start_date": "yesterday"})[0] == 400
    assert shop.refusal("POST", "/email/responses", {"type": "opened", "campaign_id": 7}) == (400, 6025)


def test_summaries_count_several_campaigns_at_once(shop: Account) -> None:
    """Sections 1.1, 2.3: 1 to 5000 campaign ids."""
    ana = number(shop, "C-1")
    campaign = int(shop.do("launch", name="Spring")["campaign_id"])
    for _ in range(2):
        shop.do("click", id=ana)
    shop.do("unsubscribe", id=ana)
    path = "/email/reporting/v2/campaigns/responseSummary/filter"
    [summary] = shop.beside("POST", path, {"campaignIds": [campaign]}).json()["value"]
    counted = {name: summary[name] for name in ("campaignId", "sent", "total_clicks", "unique_clicks", "unsubscribe")}
    assert counted == {"campaignId": campaign, "sent": 2, "total_clicks": 2, "unique_clicks": 1, "unsubscribe": 1}
    for wrong in ([], "1", list(range(5001))):
        assert shop.beside("POST", path, {"campaignIds": wrong}).status_code == 400


def test_campaigns_are_listed_and_filtered(shop: Account) -> None:
    """Section 10 (10001, 6025); TAP asks with showdeleted."""
    listed = shop.data("GET", "/email/?showdeleted=1")
    assert {"id", "name", "created", "deleted", "status", "language"} <= set(listed[0])
    assert shop.data("GET", f"/email/{listed[0]['id']}")["name"] == listed[0]["name"]
    assert shop.data("GET", "/email/status=3") == []
    shop.control("PATCH", f"campaigns/{listed[0]['id']}", {"deleted": "2026-01-15 10:00:00"})
    assert len(shop.data("GET", "/email")) == len(listed) - 1
    assert shop.refusal("GET", "/email?colour=red") == (400, 10001)
    assert shop.refusal("GET", "/email/7") == (400, 6025)


def test_actions_of_another_account_carry_its_name(shop: Account) -> None:
    """DESIGN section 10: several accounts, each with its own state."""
    other = Account(shop.base, "demo2")
    made = requests.post(
        f"{shop.base}/_control/emarsys/subscribe@demo2", json={"email": "ana@example.com"}, timeout=10
    ).json()["contact"]
    assert [one["id"] for one in other.all("contacts")] == [made["id"]]
    assert len(shop.all("contacts")) == 3
    other.session.close()
