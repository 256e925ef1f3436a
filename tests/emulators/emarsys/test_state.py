"""What the emulated Emarsys knows survives a restart."""

from pathlib import Path

from connectors.emulators.server import running
from tests.emulators.emarsys.account import EXTERNAL, Account


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
