"""What the emulated Emarsys knows survives a restart."""

from pathlib import Path

from pytest_httpserver import HTTPServer

from connectors.emulators.server import running
from tests.emulators.emarsys.account import EXTERNAL, Account, until


def test_contacts_sales_segments_and_settings_survive_a_restart(tmp_path: Path) -> None:
    """DESIGN section 10: state is on disk; access tokens are not, so clients sign in again."""
    with running(state=tmp_path) as base:
        account = Account(base)
        [number] = account.upsert({EXTERNAL: "C-1", "3": "ana@example.com"})["ids"]
        account.switch(rate_limit=77)
        text = "item,price,order,timestamp,customer,quantity\nMUG,5.00,SO-1,2026-01-15T10:00:00Z,C-1,1\n"
        account.upload(text)
        segments = account.data("GET", "/filter")
        old_token = dict(account.session.headers)
        account.session.close()
    with running(state=tmp_path) as base:
        account = Account(base)
        assert account.call("GET", "/settings").headers["X-RateLimit-Limit"] == "77"
        assert account.read("ana@example.com", key="3", fields=(EXTERNAL,))["result"][0]["id"] == str(number)
        assert account.data("GET", "/filter") == segments
        assert len(account.control("GET", "sales").json()) == 1
        account.upload(text)
        assert account.control("GET", "sales_uploads").json()[1]["duplicate_rows"] == 1
        assert account.upsert({EXTERNAL: "C-2"})["ids"] == [number + 1]
        account.session.headers["Authorization"] = old_token["Authorization"]
        assert account.call("GET", "/settings").status_code == 401
        account.session.close()


def test_what_was_begun_goes_on_after_a_restart(tmp_path: Path, httpserver: HTTPServer) -> None:
    """DESIGN section 10; sections 3.11, 4.2, 6.1: exports, trigger ids, loads and callbacks that wait."""
    event = {"key_id": EXTERNAL, "external_id": "C-1", "trigger_id": "d:1"}
    with running(state=tmp_path) as base:
        account = Account(base)
        account.upsert({EXTERNAL: "C-1", "3": "ana@example.com"})
        account.switch(load_seconds=600, export_seconds=600)
        account.upload("item,price,order,timestamp,customer,quantity\nMUG,5.00,SO-1,2026-01-15T10:00:00Z,C-1,1\n")
        number = account.data("GET", "/event")[0]["id"]
        account.data("POST", f"/event/{number}/trigger", event)
        wanted = {"distribution_method": "local", "contact_fields": ["3"], "origin": "all"}
        days = {"time_range": ["2020-01-01", "2099-01-01"], "notification_url": httpserver.url_for("/told")}
        export = account.data("POST", "/contact/getchanges", {**wanted, **days})["id"]
        account.session.close()
    httpserver.expect_request("/told", method="POST").respond_with_data("")
    with running(state=tmp_path) as base:
        account = Account(base)
        assert account.data("GET", f"/export/{export}")["status"] == "scheduled"
        assert account.control("GET", "sales_uploads").json()[0]["status"] == "In Progress"
        account.data("POST", f"/event/{number}/trigger", event)
        assert [one["duplicate"] for one in account.all("triggers")] == [False, True]
        account.later(601)
        assert [one["order"] for one in account.all("sales")] == ["SO-1"]
        assert until(lambda: account.all("callbacks") and account.all("callbacks")[0]["state"] == "delivered")
        assert account.call("GET", f"/export/{export}/data").text.endswith(",ana@example.com\n")
        account.session.close()
