"""Invoice lines: ERP, ledger, control totals and Emarsys' sales, to the penny."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal

from checking.emulated import Emulated
from checking.report import Report
from checking.tables import Tables, money, units

SALES = "SELECT id FROM sync_flow WHERE entity = 'sale'"
SETTLED = ("accepted", "excluded", "held", "rejected", "unknown")
Day = tuple[str, str, str]
"""day, company, currency"""


class Ledger:
    """The console's side, read once: state and amount of every line by its key."""

    def __init__(self, tables: Tables) -> None:
        self.state: dict[str, str] = {}
        self.amount: dict[str, int] = {}
        self.customer: dict[str, str] = {}
        self.days: dict[Day, list[int]] = defaultdict(lambda: [0, 0])
        sql = (
            "SELECT source_id, state, amount, day, company, currency, customer "
            f"FROM sync_ledgerentry WHERE flow_id IN ({SALES})"
        )
        for key, state, amount, day, company, currency, customer in tables.rows(sql):
            value = units(amount)
            self.state[key], self.amount[key], self.customer[key] = state, value, customer
            total = self.days[str(day), company, currency]
            total[0] += 1
            total[1] += value


def check(emulated: Emulated, tables: Tables, report: Report) -> None:
    report.title("Invoice lines: emulated ERP = ledger")
    ledger = Ledger(tables)
    explained = _explained(tables)
    days = _against_erp(emulated, ledger, explained, report)
    _totals(tables, ledger, days, explained, report)
    _against_emarsys(emulated, ledger, report)


def _explained(tables: Tables) -> dict[str, str]:
    """Records that have an open exception of the sales flow: key → kind."""
    sql = (
        f"SELECT source_id, kind FROM sync_syncissue WHERE flow_id IN ({SALES}) "
        "AND state IN ('open', 'retrying') AND source_id <> ''"
    )
    return dict(tables.rows(sql))


def _against_erp(emulated: Emulated, ledger: Ledger, explained: dict[str, str], report: Report) -> dict[Day, list[int]]:
    """Walks over the ERP's lines. Returns what each day should add up to."""
    erp: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    ours: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    days: dict[Day, list[int]] = defaultdict(lambda: [0, 0])
    keys: set[str] = set()
    twice, homeless, differing = [], [], []
    for line in emulated.records("dynamics365/invoice_lines"):
        key = _key(line)
        amount = units(Decimal(str(line["LineAmount"]))) if _is_number(line["LineAmount"]) else 0
        if key in keys:
            twice.append(key)
            continue
        keys.add(key)
        state = ledger.state.get(key) or ("rejected, not readable" if key in explained else "")
        if not state:
            homeless.append(f"{key} {money(amount)}")
            continue
        _add(erp[state], amount)
        if key in ledger.state:
            _add(ours[state], ledger.amount[key])
            _add(days[str(line["InvoiceDate"])[:10], str(line["dataAreaId"]).lower(), line["CurrencyCode"]], amount)
            if ledger.amount[key] != amount and key not in explained:
                differing.append(f"{key} ERP {money(amount)}, ledger {money(ledger.amount[key])}")
    _say_states(erp, ours, report)
    gone = [key for key in ledger.state if key not in keys and key not in explained]
    report.must(not twice, f"{len(keys):,} lines in the ERP, each key once", twice)
    report.must(not homeless, "every line has exactly one end", homeless)
    report.must(not gone, "the ledger holds no line that the ERP has not", gone)
    report.must(not differing, "every amount equals the ERP's, to a hundredth of a penny", differing)
    stuck = [key for key, state in ledger.state.items() if state not in SETTLED]
    report.must(not stuck, "no line is left between two states", stuck)
    return days


def _key(line: dict[str, object]) -> str:
    company, number = str(line["dataAreaId"]).lower(), str(line["InvoiceNumber"]).strip()
    return f"{company}|{number}|{line['LineCreationSequenceNumber']}"


def _is_number(value: object) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except ArithmeticError:
        return False


def _add(total: list[int], amount: int) -> None:
    total[0] += 1
    total[1] += amount


def _say_states(erp: dict[str, list[int]], ours: dict[str, list[int]], report: Report) -> None:
    rows = [
        (state, f"{erp[state][0]:,}", money(erp[state][1]), f"{ours[state][0]:,}", money(ours[state][1]))
        for state in sorted(erp)
    ]
    both = [[sum(total[at] for total in side.values()) for at in (0, 1)] for side in (erp, ours)]
    rows.append(("all", f"{both[0][0]:,}", money(both[0][1]), f"{both[1][0]:,}", money(both[1][1])))
    report.table(("end", "ERP lines", "ERP amount", "ledger lines", "ledger amount"), rows)


def _totals(
    tables: Tables, ledger: Ledger, days: dict[Day, list[int]], explained: dict[str, str], report: Report
) -> None:
    """Control totals against the ledger, and against the ERP's own days."""
    columns = ", ".join(f"{state}_lines, {state}_amount" for state in SETTLED)
    sql = (
        f"SELECT day, company, currency, erp_lines, erp_amount, {columns} "
        f"FROM sync_controltotal WHERE flow_id IN ({SALES})"
    )
    wrong, seen = [], set()
    for day, company, currency, *figures in tables.rows(sql):
        key = (str(day), company, currency)
        seen.add(key)
        lines, amount = figures[0], units(figures[1])
        parts = [sum(figures[2::2]), sum(units(one) for one in figures[3::2])]
        if ledger.days.get(key, [0, 0]) != [lines, amount] or parts != [lines, amount]:
            wrong.append(f"{' '.join(key)}: {lines} lines {money(amount)}")
        elif days.get(key, [0, 0]) != [lines, amount] and not explained:
            wrong.append(f"{' '.join(key)}: {lines} lines {money(amount)}, the ERP has {money(days[key][1])}")
    missing = [key for key in ledger.days if key not in seen]
    report.must(not wrong, f"{len(seen):,} control totals equal ledger and ERP, their parts add up", wrong)
    report.must(not missing, "no day without its control total", missing)


def _against_emarsys(emulated: Emulated, ledger: Ledger, report: Report) -> None:
    report.title("Sales: ledger = emulated Emarsys")
    rows: Counter[str] = Counter()
    sums = [0, 0]
    stray, differing = [], []
    for row in emulated.records("emarsys/sales"):
        key, amount = str(row.get("s_invoice_line", "")), units(Decimal(str(row["price"])))
        rows[key] += 1
        _add(sums, amount)
        if ledger.state.get(key) not in ("accepted", "unknown"):
            stray.append(f"{key or row} is {ledger.state.get(key, 'not in the ledger')}")
        elif amount != ledger.amount[key] or row["customer"] != ledger.customer[key].partition("|")[2]:
            differing.append(f"{key} Emarsys {money(amount)} for {row['customer']}, ledger {money(ledger.amount[key])}")
    accepted = {key for key, state in ledger.state.items() if state == "accepted"}
    total = sum(ledger.amount[key] for key in accepted)
    report.table(
        ("", "lines", "amount"),
        [("accepted", f"{len(accepted):,}", money(total)), ("in Emarsys", f"{sums[0]:,}", money(sums[1]))],
    )
    twice = [f"{key}, {count} times" for key, count in rows.items() if count > 1]
    lost = [key for key in accepted if key not in rows]
    report.must(not twice, f"{len(twice)} lines stand there twice", twice)
    report.must(not lost, "every accepted line is there", lost)
    report.must(not stray, "nothing is there that the ledger does not call accepted", stray)
    report.must(not differing, "every amount and customer is the ledger's", differing)
