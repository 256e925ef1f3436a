"""The sales-data upload."""

import pytest

from tests.emulators.emarsys.account import EXTERNAL, Account

HEADER = "item,price,order,timestamp,customer,quantity"


def rows(*lines: str, header: str = HEADER) -> str:
    return "\n".join((header, *lines)) + "\n"


def test_an_upload_is_accepted_in_plain_text(account: Account) -> None:
    """Section 6.1: HTTP 200, `Upload accepted\\n`; the token's scheme without case (1.4)."""
    text = rows("MUG-1,24.00,SO-1,2026-01-15T10:00:00Z,C-1,2,web", header=f"{HEADER},s_sales_channel")
    answer = account.upload(text, Authorization=f"bearer {account.described['sales_token']}")
    assert (answer.status_code, answer.text) == (200, "Upload accepted\n")
    assert answer.headers["Content-Type"].startswith("text/plain")
    [row] = account.control("GET", "sales").json()
    assert (row["id"], row["item"], row["price"], row["s_sales_channel"]) == ("1", "MUG-1", "24.00", "web")


def test_the_sales_token_is_its_own(account: Account) -> None:
    """Section 1.4: independent of OAuth; another merchant's token does not fit."""
    text = rows("MUG-1,24.00,SO-1,2026-01-15T10:00:00Z,C-1,2")
    assert account.upload(text, Authorization=account.session.headers["Authorization"]).status_code == 401
    assert account.upload(text, Authorization="Bearer demo2-sales-token").status_code == 401
    assert account.control("GET", "sales").json() == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "Item,price,order,timestamp,customer,quantity",
        "item,price,order,timestamp,quantity",
        "item,price,order,timestamp,customer,email,quantity",
        "item,item,price,order,timestamp,customer,quantity",
        "item,price,order,timestamp,customer,quantity,",
    ],
)
def test_a_malformed_header_line_is_400(account: Account, header: str) -> None:
    """Sections 6.1, 13.10: required columns in lower case, one of customer and email."""
    assert account.upload(rows("MUG-1,24.00,SO-1,2026-01-15T10:00:00Z,C-1,2", header=header)).status_code == 400
    assert account.control("GET", "sales_uploads").json() == []


def test_the_columns_stay_as_agreed(account: Account) -> None:
    """Section 6.1: set and order are fixed by the first upload; per merchant."""
    account.upload(rows("MUG-1,24.00,SO-1,2026-01-15T10:00:00Z,C-1,2"))
    other = rows("MUG-1,24.00,SO-1,2026-01-15T10:00:00Z,2,C-1", header="item,price,order,timestamp,quantity,customer")
    assert account.upload(other).status_code == 400
    second = Account(account.base, "demo2")
    assert second.upload(other).status_code == 200
    assert [len(one.control("GET", "sales").json()) for one in (account, second)] == [1, 1]
    second.session.close()


def test_duplicates_are_accepted_and_counted(account: Account) -> None:
    """Sections 6.2, 13.10: append-only, never de-duplicated."""
    text = rows("MUG-1,24.00,SO-1,2026-01-15T10:00:00Z,C-1,2", "CUP,5.00,SO-1,2026-01-15T10:00:00Z,C-1,1")
    for _ in range(2):
        assert account.upload(text).status_code == 200
    assert len(account.control("GET", "sales").json()) == 4
    assert [one["duplicate_rows"] for one in account.control("GET", "sales_uploads").json()] == [0, 2]


def test_refunds_are_netted_to_the_penny(account: Account) -> None:
    """Sections 6.3, 13.10: negative quantity and price."""
    account.upload(
        rows(
            "MUG-1,24.10,SO-1,2026-01-15T10:00:00Z,C-1,2",
            "CUP,0.20,SO-1,2026-01-15T10:00:00Z,C-1,1",
            "MUG-1,-12.05,SO-1,2026-01-20T10:00:00Z,C-1,-1",
        )
    )
    account.upload(rows("CUP,-0.20,SO-1,2026-01-21T10:00:00Z,C-1,-1"))
    first, second = account.control("GET", "sales_uploads").json()
    assert (first["sold"], first["refunded"], first["net"]) == ("24.30", "-12.05", "12.25")
    assert (first["status"], first["rows"], first["refund_rows"]) == ("Full Load", 3, 1)
    total = account.control("GET", "sales_totals/total").json()
    assert (total["uploads"], total["rows"], total["refund_rows"], total["net"]) == (2, 4, 2, "12.05")
    assert second["first_row"] == 4


def test_a_row_without_order_fails_the_load_after_it_was_accepted(account: Account) -> None:
    """Section 6.1: validation is asynchronous; missing order or timestamp fails the whole load."""
    text = rows("MUG-1,24.00,,2026-01-15T10:00:00Z,C-1,2", "CUP,5.00,SO-1,2026-01-15T10:00:00Z,C-1,1")
    assert account.upload(text).status_code == 200
    [report] = account.control("GET", "sales_uploads").json()
    assert (report["status"], report["rows"]) == ("Failed Load", 0)
    assert account.control("GET", "sales").json() == []


def test_bad_rows_make_a_partial_load(account: Account) -> None:
    """Section 6.1: Partial Load; the rows that can be read are loaded; no line breaks inside values."""
    text = rows(
        '"MUG, ""blue""",24.00,SO-1,2026-01-15T10:00:00Z,C-1,2',
        "CUP,five,SO-1,2026-01-15T10:00:00Z,C-1,1",
        "CUP,5.00,SO-1,2026-01-15T10:00:00Z,C-1",
        '"CUP\nred",5.00,SO-1,2026-01-15T10:00:00Z,C-1,1',
    )
    assert account.upload(text).status_code == 200
    [report] = account.control("GET", "sales_uploads").json()
    assert (report["status"], report["rows"], report["problem_count"]) == ("Partial Load", 1, 3)
    assert [one["item"] for one in account.control("GET", "sales").json()] == ['MUG, "blue"']


def test_rows_of_several_uploads_are_numbered_through(account: Account) -> None:
    """Section 6.2; DESIGN section 10: offset and limit over all rows."""
    for batch in range(3):
        account.upload(rows(*(f"SKU,1.00,SO-{batch}-{line},2026-01-15T10:00:00Z,C-1,1" for line in range(4))))
    page = account.control("GET", "sales?offset=3&limit=3")
    assert [(one["id"], one["order"]) for one in page.json()] == [("4", "SO-0-3"), ("5", "SO-1-0"), ("6", "SO-1-1")]
    assert page.headers["X-Total-Count"] == "12"
    assert account.control("GET", "sales/12").json()["order"] == "SO-2-3"
    assert account.control("DELETE", "sales/12").status_code == 400


def test_what_is_no_utf_8_is_400(account: Account) -> None:
    """Section 6.1: UTF-8."""
    own = account.described
    answer = account.session.post(
        own["sales_url"], data=b"item\xff", headers={"Authorization": f"Bearer {own['sales_token']}"}, timeout=10
    )
    assert answer.status_code == 400


def test_an_answer_can_be_lost_after_the_rows_were_taken(account: Account) -> None:
    """Sections 12.13, 13.12: dropped connection after commit."""
    account.fault(kind="drop_after_accept", path="sales-data")
    with pytest.raises(OSError, match=r"abort|closed|reset|Connection"):
        account.upload(rows("MUG-1,24.00,SO-1,2026-01-15T10:00:00Z,C-1,2"))
    assert len(account.control("GET", "sales").json()) == 1


def test_a_load_takes_its_time(account: Account) -> None:
    """Sections 6.1, 13.10: accepted at once, `In Progress`, its report later; what waits survives in order."""
    account.switch(load_seconds=60)
    for order in ("SO-1", "SO-2"):
        account.upload(rows(f"MUG-1,24.00,{order},2026-01-15T10:00:00Z,C-1,2"))
    assert [one["status"] for one in account.control("GET", "sales_uploads").json()] == ["In Progress"] * 2
    assert account.control("GET", "sales").json() == []
    account.later(61)
    assert [one["status"] for one in account.control("GET", "sales_uploads").json()] == ["Full Load"] * 2
    assert [one["order"] for one in account.control("GET", "sales").json()] == ["SO-1", "SO-2"]
    assert account.control("GET", "sales_totals/total").json()["rows"] == 2


@pytest.mark.parametrize(("column", "known"), [("customer", "C-1"), ("email", "ana@example.com")])
def test_a_customer_nobody_knows_becomes_a_generated_contact(account: Account, column: str, known: str) -> None:
    """Sections 3.8, 6.2: until a real contact has the identifier, at the next load."""
    account.upsert({EXTERNAL: "C-1", "3": "ana@example.com"})
    header = f"item,price,order,timestamp,{column},quantity"
    lines = [f"A,1.00,O-{n},2026-01-15T10:00:00Z,{who},1" for n, who in enumerate((known, "X-9", "X-9"))]
    account.upload(rows(*lines, header=header))
    assert [(one["id"], one["by"]) for one in account.all("generated_contacts")] == [("X-9", column)]
    assert account.all("sales_uploads")[0]["generated_contacts"] == 1
    account.upsert({EXTERNAL: "X-9", "3": "X-9"})
    assert len(account.all("generated_contacts")) == 1
    account.upload(rows(f"A,1.00,O-9,2026-01-15T10:00:00Z,{known},1", header=header))
    assert account.all("generated_contacts") == []
