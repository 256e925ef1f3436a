"""The neutral dataset (DESIGN section 10)."""

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.emulators.dataset import Dataset, DatasetError
from connectors.emulators.datasets import open_dataset


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_only_ids_are_required_and_empty_is_empty(tmp_path: Path) -> None:
    write(tmp_path, "customers.csv", "customer_id,email,on_hold,birth_date\nC-1,,,\nC-2,a@example.com,yes,1980-02-29\n")
    first, second = Dataset(tmp_path).customers()
    assert (first.email, first.on_hold, first.birth_date, first.status) == ("", None, None, "")
    assert (second.on_hold, second.birth_date) == (True, date(1980, 2, 29))
    assert list(Dataset(tmp_path).orders()) == []


def test_times_are_utc_and_amounts_decimal(tmp_path: Path) -> None:
    rows = "A,2026-03-01T09:30:00Z,10.10,Invoiced\nB,2026-03-01T11:30:00+02:00,-0.0001,\n"
    first, second = Dataset(write(tmp_path, "orders.csv", f"order_id,ordered_at,total,status\n{rows}")).orders()
    assert first.ordered_at == second.ordered_at == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert (first.total, second.total) == (Decimal("10.10"), Decimal("-0.0001"))
    assert (first.status, second.status) == ("invoiced", "")


def test_a_file_may_be_compressed(tmp_path: Path) -> None:
    (tmp_path / "customers.csv.gz").write_bytes(gzip.compress("customer_id\nÄ-1\n".encode()))
    assert [customer.customer_id for customer in Dataset(tmp_path).customers()] == ["Ä-1"]


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(b"\xef\xbb\xbfcustomer_id\r\nC-1\r\n")
    assert [customer.customer_id for customer in Dataset(tmp_path).customers()] == ["C-1"]


def test_lines_without_a_number_are_numbered_within_their_order(tmp_path: Path) -> None:
    lines = Dataset(write(tmp_path, "order_lines.csv", "order_id,sku\nA,x\nB,y\nA,z\n")).order_lines()
    assert [(line.order_id, line.line_no) for line in lines] == [("A", 1), ("B", 1), ("A", 2)]


def test_known_refund_reasons_are_lower_case_and_others_stay_free_text(tmp_path: Path) -> None:
    refunds = Dataset(write(tmp_path, "refunds.csv", "refund_id,reason\n1,GoodWill\n2,Broke In Transit\n")).refunds()
    assert [refund.reason for refund in refunds] == ["goodwill", "Broke In Transit"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("customers.csv", "customer_id,e_mail,shoe size\n", "customers.csv: unknown column 'e_mail', 'shoe size'"),
        ("customers.csv", "email\na@example.com\n", "customers.csv: column 'customer_id' is missing"),
        ("customers.csv", "customer_id,customer_id\n1,1\n", "column 'customer_id' occurs twice"),
        ("customers.csv", "customer_id,email\n,a@example.com\n", "customers.csv line 2: customer_id is empty"),
        ("customers.csv", "customer_id\n1\n1\n", "customers: 1 occurs twice"),
        ("customers.csv", "customer_id,birth_date\n1,29.2.1980\n", "customers.csv line 2: birth_date is '29.2.1980'"),
        ("customers.csv", "customer_id,email_consent\n1,maybe\n", "expected yes or no"),
        ("customers.csv", "customer_id,email\n1\n", "customers.csv line 2: 1 cells, 2 columns"),
        ("orders.csv", 'order_id,total\n1,"1,50"\n', "total is '1,50', expected a decimal number"),
        ("orders.csv", "order_id,total\n1,NaN\n", "total is 'NaN'"),
        ("orders.csv", "order_id,status\n1,paid\n", "status is 'paid', expected one of"),
        ("order_lines.csv", "order_id,line_no,line_type\n1,1,gift\n", "expected goods, charge or voucher"),
        ("notes.csv", "customer_id\n1\n", "none of customers.csv, orders.csv"),
    ],
)
def test_what_cannot_be_read_is_refused_by_file_line_and_column(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    write(tmp_path, name, text)
    with pytest.raises(DatasetError) as refused:
        open_dataset(str(tmp_path), 1)
    assert words in str(refused.value)


def test_neither_a_name_nor_a_folder_is_refused() -> None:
    with pytest.raises(DatasetError, match="neither a folder nor the name of a dataset"):
        open_dataset("no_such_data", 1)


def test_the_same_file_plain_and_compressed_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "customers.csv", "customer_id\n")
    (tmp_path / "customers.csv.gz").write_bytes(gzip.compress(b"customer_id\n"))
    with pytest.raises(DatasetError, match=r"both customers\.csv and customers\.csv\.gz"):
        Dataset(tmp_path)
