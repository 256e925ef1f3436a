"""Exports: what they may be asked for, the ladder to done, the file, who is told."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response as HttpResponse

from tests.emulators.emarsys.account import EXTERNAL, Account, until

NOW = datetime.now(UTC)
WIDE = [(NOW - timedelta(days=2)).strftime("%Y-%m-%d"), (NOW + timedelta(days=2)).strftime("%Y-%m-%d")]
CHANGES: dict[str, Any] = {
    "distribution_method": "local", "origin": "all", "time_range": WIDE, "contact_fields": [EXTERNAL, "3", "31"],
    "language": "en",
}  # fmt: skip
PATHS = {
    "/contact/getchanges": CHANGES,
    "/contact/getregistrations": CHANGES,
    "/email/getresponses": {**CHANGES, "sources": ["unsubscribe"], "analysis_fields": ["8"]},
    "/email/getcontacts": CHANGES,
    "/export/filter": CHANGES,
}


@pytest.fixture
def shop(account: Account) -> Account:
    account.switch(export_seconds=0)
    account.upsert(
        {EXTERNAL: "C-1", "3": "ana@example.com", "1": "Ana", "5": 2, "14": 184, "31": 1, "4": "1980-02-29"},
        {EXTERNAL: "C-2", "3": "bo@example.com", "1": 'Bo "B", Jr', "31": 2, "10572": ["1", "3"]},
    )
    return account


def asked(account: Account, path: str = "/contact/getchanges", **changes: Any) -> str:
    number = account.data("POST", path, {**PATHS[path], **changes})["id"]
    assert isinstance(number, int)
    return str(number)


def file(account: Account, number: str, query: str = "") -> list[str]:
    answer = account.call("GET", f"/export/{number}/data{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].replace(" ", "").lower() == "text/csv;charset=utf-8"
    return answer.text.splitlines()


def first(lines: list[str]) -> list[str]:
    """The rows' values after `user_id`, without the header."""
    return [line.partition(",")[2] for line in lines[1:]]


def test_changes_come_as_csv_with_names_and_labels(shop: Account) -> None:
    """Section 3.11: `user_id` first, localised names, labels of choices, textual opt-in, dates."""
    lines = file(shop, asked(shop, contact_fields=["1", "3", "5", "14", "4", "31", "10572"]))
    assert lines[0] == "user_id,First Name,E-Mail,Gender,Country,Date of Birth,Opt-In,Favourite categories"
    assert first(lines) == [
        "Ana,ana@example.com,Female,United Kingdom,1980-02-29,True,",
        '"Bo ""B"", Jr",bo@example.com,,,,False,"Home,Gifts"',
    ]
    assert lines[1].partition(",")[0].isdecimal()


def test_names_and_labels_are_in_the_language_asked_for(shop: Account) -> None:
    """Sections 3.10, 3.11, 12.10: German; an unknown code is refused."""
    lines = file(shop, asked(shop, contact_fields=["1", "14", "31"], language="de", delimiter=";"))
    assert lines[0] == "user_id;Vorname;Land;Opt-In"
    assert lines[1].endswith(";Ana;Großbritannien;Wahr")
    assert shop.refusal("POST", "/contact/getchanges", {**CHANGES, "language": "xx"}) == (400, 10001)
    assert {one["name"] for one in shop.data("GET", "/field/translate/de")} >= {"Vorname", "externalId"}
    assert [one["choice"] for one in shop.data("GET", "/field/5/choice/translate/de")] == ["Männlich", "Weiblich"]
    assert shop.refusal("GET", "/field/translate/xx") == (400, 10001)


def test_a_file_may_have_no_header_and_is_read_in_parts(shop: Account) -> None:
    """Section 3.11: `add_field_names_header`, offset and limit, also written into the path (2.2)."""
    number = asked(shop, contact_fields=[EXTERNAL], add_field_names_header=0)
    assert [line.partition(",")[2] for line in file(shop, number)] == ["C-1", "C-2"]
    headed = asked(shop, contact_fields=[EXTERNAL])
    assert first(file(shop, headed, "?offset=1&limit=1")) == ["C-2"]
    assert first(file(shop, headed, "/offset=0&limit=1")) == ["C-1"]
    shop.switch(export_header_on_every_page=0)
    assert len(file(shop, headed, "?offset=1&limit=10")) == 1
    assert shop.refusal("GET", f"/export/{headed}/data?limit=0") == (400, 10001)


def test_an_export_climbs_from_scheduled_to_done(shop: Account) -> None:
    """Section 3.11: scheduled, in progress, ready, done; no file name until then; Vienna time; 404 / 4005 before."""
    shop.switch(export_seconds=300)
    number = asked(shop)
    seen = []
    for seconds in (0, 150, 250):
        shop.later(seconds)
        seen.append(shop.data("GET", f"/export/{number}"))
        assert shop.refusal("GET", f"/export/{number}/data") == (404, 4005)
    shop.later(301)
    done = shop.data("GET", f"/export/{number}")
    assert [one["status"] for one in (*seen, done)] == ["scheduled", "in progress", "ready", "done"]
    assert [one["file_name"] for one in seen] == [None] * 3
    assert set(done) == {"id", "created", "status", "type", "file_name", "ftp_host", "ftp_dir"}
    assert (done["id"], done["type"], done["ftp_host"]) == (number, "changes", None)
    assert done["file_name"].startswith("changes_")
    created = datetime.fromisoformat(done["created"])
    assert timedelta(minutes=50) < created - datetime.now(UTC).replace(tzinfo=None) < timedelta(hours=2, minutes=1)


def test_the_same_export_does_not_run_twice_at_once(shop: Account) -> None:
    """Section 3.11: 400 / 4001; another one may, and the same one later."""
    shop.switch(export_seconds=300)
    asked(shop)
    assert shop.refusal("POST", "/contact/getchanges", CHANGES) == (400, 4001)
    asked(shop, contact_fields=["3"])
    shop.later(301)
    asked(shop)


def test_changes_by_form_and_api_are_told_those_by_import_are_not(shop: Account) -> None:
    """Sections 3.11, 9 a: origin `form`, `api`, `all`."""
    shop.later(60)
    shop.do("subscribe", email="cy@example.com", fields={EXTERNAL: "C-3"})
    number = shop.read("C-1", fields=("3",))["result"][0]["id"]
    shop.control("PATCH", f"contacts/{number}", {"31": "2"})
    shop.control("PUT", "contacts/100000999", {EXTERNAL: "C-9", "3": "imported@example.com"})
    fields = {"contact_fields": [EXTERNAL]}
    assert first(file(shop, asked(shop, origin="form", **fields))) == ["C-3"]
    assert first(file(shop, asked(shop, origin="api", **fields))) == ["C-1", "C-2"]
    assert first(file(shop, asked(shop, origin="all", **fields))) == ["C-1", "C-2", "C-3"]
    assert {one["origin"] for one in shop.all("contact_changes")} == {"api", "form", "import"}


def test_changes_are_told_by_source_and_by_form(shop: Account) -> None:
    """Sections 3.2, 3.11: `source_id` tags, `origin_id` asks; "0" is none."""
    source = shop.data("POST", "/source/create", {"name": "ERP bridge"})["id"]
    shop.upsert({EXTERNAL: "C-1", "1": "Anna", "source_id": source}, {EXTERNAL: "C-3"})
    shop.do("subscribe", email="cy@example.com", fields={EXTERNAL: "C-4"}, form="77")
    fields = {"contact_fields": [EXTERNAL]}
    assert first(file(shop, asked(shop, origin="api", origin_id=source, **fields))) == ["C-1"]
    assert first(file(shop, asked(shop, origin="api", origin_id="0", **fields))) == ["C-1", "C-2", "C-3"]
    assert first(file(shop, asked(shop, origin="form", origin_id=["77"], **fields))) == ["C-4"]
    assert first(file(shop, asked(shop, origin="form", origin_id=["78"], **fields))) == []
    assert len(file(shop, asked(shop, origin="all", origin_id="0", **fields))) == 5


def test_a_write_that_changes_nothing_is_no_change(shop: Account) -> None:
    """Section 3.11, as far as the contract goes: what is exported has been changed."""
    before = len(shop.all("contact_changes"))
    shop.upsert({EXTERNAL: "C-1", "1": "Ana"})
    assert len(shop.all("contact_changes")) == before


def test_on_some_accounts_only_opt_in_and_email_count_as_changes_by_api(shop: Account) -> None:
    """Section 3.11: the contract's two pages contradict each other, so it is a switch."""
    shop.later(4 * 86_400)
    shop.switch(changes_fields="optin_email", token_seconds=1_000_000)
    shop.sign_in()
    later = [(NOW + timedelta(days=day)).strftime("%Y-%m-%d") for day in (3, 6)]
    shop.upsert({EXTERNAL: "C-1", "1": "Anna"}, {EXTERNAL: "C-2", "31": 1})
    assert first(file(shop, asked(shop, time_range=later, contact_fields=[EXTERNAL]))) == ["C-2"]


def test_changes_are_told_by_days(shop: Account) -> None:
    """Section 3.11: two different days; a day before the change holds nothing."""
    before = [(NOW - timedelta(days=day)).strftime("%Y-%m-%d") for day in (9, 3)]
    assert first(file(shop, asked(shop, time_range=before))) == []
    for wrong in ([WIDE[0], WIDE[0]], [WIDE[1], WIDE[0]], [WIDE[0]], WIDE[0], ["2026-13-01", "2026-14-01"]):
        assert shop.refusal("POST", "/contact/getchanges", {**CHANGES, "time_range": wrong}) == (400, 10001)
    minutes = [f"{WIDE[0]} 10:00", f"{WIDE[1]} 10:00"]
    assert shop.refusal("POST", "/contact/getchanges", {**CHANGES, "time_range": minutes}) == (400, 10001)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "change",
    [
        {"distribution_method": None}, {"distribution_method": "pigeon"}, {"distribution_method": "ftp"},
        {"contact_fields": None}, {"contact_fields": "3"}, {"contact_fields": []}, {"contact_fields": ["27"]},
        {"contact_fields": ["99999"]}, {"contact_fields": [str(n) for n in range(1, 23)]}, {"delimiter": "|"},
        {"add_field_names_header": 2},
    ],
)  # fmt: skip
def test_every_export_refuses_what_it_cannot_do(shop: Account, path: str, change: dict[str, Any]) -> None:
    """Sections 2.3, 3.11: 10001; 1 to 20 fields, not 27, 28, 29, 32, 33."""
    body = {name: value for name, value in {**PATHS[path], **change}.items() if value is not None}
    assert shop.refusal("POST", path, body) == (400, 10001)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/contact/getchanges", {"origin": "mail"}), ("/contact/getchanges", {"origin": None}),
        ("/contact/getchanges", {"origin_id": "mine"}), ("/contact/getregistrations", {"contactlist": "7"}),
        ("/contact/getregistrations", {"time_range": None}), ("/email/getresponses", {"sources": ["fax"]}),
        ("/email/getresponses", {"sources": None}), ("/email/getresponses", {"analysis_fields": ["6"]}),
        ("/email/getresponses", {"analysis_fields": None}), ("/email/getcontacts", {}),
        ("/email/getcontacts", {"contactlist": "7"}), ("/export/filter", {}), ("/export/filter", {"filter": "7"}),
    ],
)  # fmt: skip
def test_an_export_refuses_what_it_alone_asks_for(shop: Account, path: str, change: dict[str, Any]) -> None:
    """Section 3.11."""
    body = {name: value for name, value in {**PATHS[path], **change}.items() if value is not None}
    assert shop.refusal("POST", path, body) == (400, 10001)


def test_registrations_are_told_to_the_second(shop: Account) -> None:
    """Section 3.11: day, minute or second precision, `with_timestamp`, `contactlist`."""
    body = {"name": "VIP", "key_id": EXTERNAL, "external_ids": ["C-2"]}
    listed = shop.data("POST", "/contactlist", body)["id"]
    fields = {"contact_fields": [EXTERNAL], "with_timestamp": 0}
    assert first(file(shop, asked(shop, "/contact/getregistrations", **fields))) == ["C-1", "C-2"]
    assert first(file(shop, asked(shop, "/contact/getregistrations", contactlist=listed, **fields))) == ["C-2"]
    past = [f"{WIDE[0]} 00:00:00", f"{WIDE[0]} 00:00:59"]
    assert first(file(shop, asked(shop, "/contact/getregistrations", time_range=past, **fields))) == []
    minutes = [f"{WIDE[0]} 00:00", f"{WIDE[1]} 23:59"]
    stamped = file(shop, asked(shop, "/contact/getregistrations", time_range=minutes, contact_fields=[EXTERNAL]))
    datetime.fromisoformat(stamped[1].split(",")[2])


def test_responses_tell_unsubscribes_and_complaints_with_their_time(shop: Account) -> None:
    """Sections 3.11, 9 c: sources, campaign title and id, time."""
    one, two = (shop.read(name, fields=("3",))["result"][0]["id"] for name in ("C-1", "C-2"))
    campaign = shop.do("launch", name="Spring", ids=[one])["campaign_id"]
    shop.do("click", id=one, url="https://shop.example.com/mug", link_name="Mug")
    shop.do("unsubscribe", id=one)
    shop.do("complain", id=two, campaign_id=campaign)
    wanted = {"contact_fields": [EXTERNAL], "analysis_fields": ["1", "4", "12"]}
    lines = file(shop, asked(shop, "/email/getresponses", sources=["unsubscribe", "complaint"], **wanted))
    assert lines[0] == "user_id,externalId,Campaign title,Link title,Campaign ID,source"
    assert first(lines) == [f"C-1,Spring,,{campaign},unsubscribe", f"C-2,Spring,,{campaign},complaint"]
    assert len(file(shop, asked(shop, "/email/getresponses", sources="all", **wanted))) == 4
    assert first(file(shop, asked(shop, "/email/getresponses", sources=["trackable_links"], **wanted))) == [
        f"C-1,Spring,Mug,{campaign},click"
    ]
    past = [f"{WIDE[0]} 00:00:00", f"{WIDE[0]} 00:00:01"]
    assert first(file(shop, asked(shop, "/email/getresponses", time_range=past, **wanted))) == []


def test_contact_lists_and_segments_can_be_exported(shop: Account) -> None:
    """Section 3.11: `contactlist`, `filter`; by mail and sftp too, which leave no file here (4004)."""
    listed = shop.data("POST", "/contactlist", {"name": "VIP", "key_id": EXTERNAL, "external_ids": ["C-2"]})["id"]
    fields = {"contact_fields": [EXTERNAL]}
    assert first(file(shop, asked(shop, "/email/getcontacts", contactlist=listed, **fields))) == ["C-2"]
    criteria = {"type": "criteria", "field": "optin", "operator": "equals", "value": "false"}
    segment = shop.data("PUT", "/filter", {"name": "Opted out", "contactCriteria": criteria})["id"]
    assert first(file(shop, asked(shop, "/export/filter", filter=segment, **fields))) == ["C-2"]
    by_mail = asked(shop, "/export/filter", filter=segment, distribution_method="mail")
    assert shop.refusal("GET", f"/export/{by_mail}/data") == (404, 4004)
    ftp = {"host": "www.example.com", "port": "22", "username": "u", "password": "secret", "folder": "in"}
    by_ftp = asked(shop, distribution_method="sftp", sftp_settings=ftp)
    assert shop.data("GET", f"/export/{by_ftp}")["ftp_host"] == "www.example.com"
    assert "secret" not in shop.control("GET", "exports").text


def test_an_unknown_export_is_10001_and_an_old_file_410(shop: Account) -> None:
    """Section 3.11: 410 / 4003 once expired, 404 / 4006 when the file is missing, 4002 on old accounts."""
    assert shop.refusal("GET", "/export/7") == (400, 10001)
    assert shop.refusal("GET", "/export/7/data") == (400, 10001)
    number = asked(shop)
    file(shop, number)
    shop.switch(export_status_types="responses,registrations")
    assert shop.refusal("GET", f"/export/{number}") == (400, 4002)
    shop.control("DELETE", f"export_files/{number}")
    assert shop.refusal("GET", f"/export/{number}/data") == (404, 4006)
    shop.switch(export_keep_hours=1, token_seconds=1_000_000)
    shop.sign_in()
    shop.later(3700)
    assert shop.refusal("GET", f"/export/{number}/data") == (410, 4003)


def test_an_export_may_end_in_an_error(shop: Account) -> None:
    """Section 3.11: status `error`, and no file."""
    shop.switch(export_seconds=300)
    number = asked(shop)
    shop.control("PATCH", f"exports/{number}", {"status": "error"})
    assert shop.data("GET", f"/export/{number}")["status"] == "error"
    assert shop.refusal("GET", f"/export/{number}/data") == (404, 4006)


def test_a_deleted_contact_is_in_no_export(shop: Account) -> None:
    """Sections 3.7, 3.11: deleting removes the history."""
    shop.data("POST", "/contact/delete", {"key_id": EXTERNAL, EXTERNAL: ["C-1"]})
    assert first(file(shop, asked(shop, contact_fields=[EXTERNAL]))) == ["C-2"]


def test_who_asked_is_told_with_the_status(shop: Account, httpserver: HTTPServer) -> None:
    """Section 3.11: `notification_url` gets the status payload by POST once the file is there."""
    received: list[Any] = []
    httpserver.expect_request("/told", method="POST").respond_with_handler(_keeping(received, 200))
    number = asked(shop, notification_url=httpserver.url_for("/told"))
    assert until(lambda: received)[0] == shop.data("GET", f"/export/{number}")
    assert until(lambda: shop.all("callbacks")[0]["state"] == "delivered")


def test_who_does_not_answer_is_told_five_times_a_minute_apart(shop: Account, httpserver: HTTPServer) -> None:
    """Section 3.11: five tries, a minute apart by the emulated clock."""
    received: list[Any] = []
    httpserver.expect_request("/told", method="POST").respond_with_handler(_keeping(received, 503))
    asked(shop, notification_url=httpserver.url_for("/told"))
    for tries in range(1, 6):
        until(lambda tries=tries: len(shop.all("callbacks")[0]["answers"]) == tries)
        shop.later(61 * tries)
    [callback] = shop.all("callbacks")
    assert (callback["state"], len(received)) == ("given up", 5)
    assert {one["status"] for one in callback["answers"]} == {503}


def test_only_this_machine_is_told(shop: Account) -> None:
    """An address in a request is no reason to call somebody else's host; a switch names hosts that may be called."""
    asked(shop, notification_url="https://www.example.com/told")
    until(lambda: shop.all("callbacks"))
    assert [one["state"] for one in shop.all("callbacks")] == ["refused"]


def _keeping(received: list[Any], status: int) -> Any:
    def answer(request: HttpRequest) -> HttpResponse:
        received.append(request.get_json())
        return HttpResponse(status=status)

    return answer
