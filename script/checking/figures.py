"""The figures published for the demo company's data, beside what the ledger holds of them."""

from __future__ import annotations

from checking.report import Report
from checking.sales import SALES
from checking.tables import Tables, money, units

WITH = "customer <> ''"
FIGURES: tuple[tuple[str, str, str], ...] = (
    ("lines of invoices without a customer", "135,080", "customer = ''"),
    ("lines of the other invoices", "406,829", WITH),
    ("– credit lines", "8,905", f"{WITH} AND credit"),
    ("– credits with an inferred original", "7,599", f"{WITH} AND credit AND original <> ''"),
    ("– credits without one", "1,306", f"{WITH} AND credit AND original = ''"),
    ("– lines at a price of zero", "40", f"{WITH} AND unit_price = 0"),
    ("– charge lines (no article)", "1,920", f"{WITH} AND charge"),
)


def show(tables: Tables, report: Report) -> None:
    """Printed, not judged: who changes the emulated ERP changes these."""
    report.title("The data's published figures and the ledger's")
    of = f"FROM sync_ledgerentry WHERE flow_id IN ({SALES})"
    rows: list[tuple[str, str, str]] = [
        (name, expected, f"{tables.one(f'SELECT count(*) {of} AND {among}')[0]:,}") for name, expected, among in FIGURES
    ]
    for name, expected, among in (
        ("amount without a customer", "1,447,682.12", "customer = ''"),
        ("amount of the other invoices", "8,300,065.81", WITH),
    ):
        amount = units(tables.one(f"SELECT sum(amount) {of} AND {among}")[0])
        rows.append((name, expected, money(amount // 100 * 100)))
    for name, expected, among in (("invoices without a customer", "3,710", "customer = ''"),
                                  ("other invoices", "22,190", WITH)):  # fmt: skip
        rows.append((name, expected, f"{tables.one(f'SELECT count(DISTINCT document) {of} AND {among}')[0]:,}"))
    doubles = (
        f"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n {of} AND {WITH} "
        "GROUP BY document, sku, name, quantity, unit_price HAVING count(*) > 1) AS same"
    )
    rows.append(("exact duplicates, extra (by the day; 5,225 by the minute)", "5,226", f"{tables.one(doubles)[0]:,}"))
    zero = f"SELECT count(DISTINCT document) {of} AND {WITH} AND document_total = 0"
    rows.append(("invoices with a total of zero", "4", f"{tables.one(zero)[0]:,}"))
    report.table(("figure", "published", "ledger", ""), [(*row, "" if row[1] == row[2] else "differs") for row in rows])
