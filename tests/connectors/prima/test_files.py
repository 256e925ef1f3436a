"""Flat files: whole ones, in their order, each once (contract 9)."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Known
from connectors.errors import ConfigurationError, RecordError, UnavailableError, UnexpectedReplyError
from connectors.prima.site_files import ASSUMED
from connectors.records import Consent
from tests.connectors.prima.conftest import mapped, rows

Open = Callable[..., Any]
HEADER = "Customer,CustomerSurname,CustomerEmail,Status,MergedTo,DateOfBirth,ReceiveEmail"


class Drop:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, *lines: str, encoding: str = "cp1252", age: float = 300, raw: bytes | None = None) -> Path:
        path = self.folder / name
        path.write_bytes(raw if raw is not None else "\r\n".join([*lines, ""]).encode(encoding))
        os.utime(path, (time.time() - age,) * 2)
        return path

    def customers(self, sequence: int, *records: str, **how: Any) -> Path:
        return self.put(f"customers_202403010600{sequence:02}_{sequence:06}.csv", HEADER, *records, **how)


@pytest.fixture
def drop(tmp_path: Path) -> Drop:
    folder = tmp_path / "in"
    folder.mkdir()
    return Drop(folder)


@pytest.fixture
def files(drop: Drop, tmp_path: Path, prima: Open) -> Open:
    def open_(**settings: str) -> Any:
        return prima(
            TRANSPORT="files", FILES_FOLDER=str(drop.folder), FILES_OUT_FOLDER=str(tmp_path / "out"), **settings
        )

    return open_


def site(tmp_path: Path, *changes: tuple[str, str]) -> str:
    text = ASSUMED.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    return str(tmp_path / "site.yaml")


def keys(source: Any, stream: str = "customer", since: str = "") -> list[str]:
    return [source.streams[stream].key(row) for row in rows(source.read(stream, since))]


def watermark(source: Any, stream: str = "customer", since: str = "") -> str:
    return list(source.read(stream, since))[-1].watermark


def test_files_are_read_in_sequence_and_the_next_read_goes_on_after_them(drop: Drop, files: Open) -> None:
    drop.customers(8, "B,,,Active,,,")
    drop.customers(7, "A,,,Active,,,")
    source = files()
    assert keys(source) == ["A", "B"]
    after = watermark(source)
    assert json.loads(after) == {"customers": 8}
    assert keys(source, since=after) == []
    drop.customers(9, "C,,,Active,,,")
    assert keys(source, since=after) == ["C"]


def test_where_everything_is_read_again_a_customer_comes_once_as_the_newest_file_has_him(
    drop: Drop, files: Open
) -> None:
    drop.customers(7, "A,Old,,Active,,,", "B,Bell,,Active,,,")
    drop.customers(8, "A,New,,Active,,,", ",Nobody,,Active,,,")
    drop.customers(9, "A,New,,Active,,,", ",Nobody,,Active,,,")
    source = files()
    named = [row for row in rows(list(source.read("customer", ""))) if b"Nobody" not in row]
    found = [source.streams["customer"].map(row).record for row in named]
    assert [(one.key, one.last_name) for one in found] == [("B", "Bell"), ("A", "New")], "the third repeats the second"
    after = watermark(source)
    assert json.loads(after) == {"customers": 9}
    drop.customers(10, "A,Newer,,Active,,,")
    [newer] = mapped(source, "customer", list(source.read("customer", after)))
    assert newer.record.last_name == "Newer"


def test_a_damaged_file_holds_up_nothing_that_stands_before_it(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,Bell,,Active,,,")
    drop.customers(8, raw=b"")
    pages = files().read("customer", "")
    assert len(next(pages).rows) == 1
    with pytest.raises(UnexpectedReplyError, match="parked"):
        list(pages)


def test_what_was_read_is_moved_and_still_there_for_another_stream(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,,,Active,,,Yes")
    source = files()
    keys(source, since=watermark(source))
    assert [path.name for path in (drop.folder / "processed").iterdir()] == ["customers_20240301060007_000007.csv"]
    assert keys(source, "consent") == ["A|email", "A|sms", "A|post", "A|phone"]


def test_a_gap_stops_the_entity_until_it_is_filled(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,,,Active,,,")
    drop.customers(9, "C,,,Active,,,")
    source = files()
    assert keys(source) == ["A"]
    with pytest.raises(UnavailableError, match="number 8 is missing"):
        keys(source, since=watermark(source))
    drop.customers(8, "B,,,Active,,,")
    assert keys(source, since='{"customers": 7}') == ["B", "C"]


def test_a_repeat_is_skipped_by_name_and_by_content(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,,,Active,,,")
    source = files()
    after = watermark(source)
    keys(source, since=after)
    drop.customers(7, "A,,,Active,,,")
    assert keys(source, since=after) == []
    drop.customers(8, "A,,,Active,,,")
    assert keys(source, since=after) == []
    assert json.loads(watermark(source, since=after)) == {"customers": 8}


def test_a_file_counts_as_whole_after_two_quiet_minutes_or_with_a_marker(drop: Drop, files: Open) -> None:
    path = drop.customers(7, "A,,,Active,,,", age=60)
    source = files()
    assert keys(source) == []
    (drop.folder / f"{path.name}.done").write_bytes(b"")
    assert keys(source) == ["A"]


def test_a_temporary_name_is_no_file_yet(drop: Drop, files: Open, tmp_path: Path) -> None:
    path = site(tmp_path, ("full: customersfull,", "full: customersfull, complete: renamed,"))
    drop.put("customers_20240301060007_000007.csv.tmp", HEADER, "A,,,Active,,,")
    source = files(MAPPING_FILE=path)
    assert keys(source) == []
    (drop.folder / "customers_20240301060007_000007.csv.tmp").rename(
        drop.folder / "customers_20240301060007_000007.csv"
    )
    assert keys(source) == ["A"]


def test_a_trailer_tells_that_the_file_is_whole_and_counts_its_rows(drop: Drop, files: Open, tmp_path: Path) -> None:
    path = site(tmp_path, ("full: customersfull,", "full: customersfull, complete: trailer,"))
    source = files(MAPPING_FILE=path)
    drop.customers(7, "A,,,Active,,,", age=0)
    assert keys(source) == []
    drop.customers(7, "A,,,Active,,,", "TRAILER,1", age=0)
    assert keys(source) == ["A"]
    drop.customers(7, "A,,,Active,,,", "TRAILER,2", age=0)
    with pytest.raises(UnexpectedReplyError, match="counts 2, the file has 1 rows"):
        keys(source)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
def test_accents_and_euros_are_read_in_both_encodings(drop: Drop, files: Open, encoding: str) -> None:
    drop.customers(7, "A,Zoë £€,,Active,,,", encoding=encoding)
    assert mapped(files(), "customer")[0].record.last_name == "Zoë £€"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{HEADER}\r\nA,\x81,,Active,,,\r\n".encode("latin-1"), "cannot be read as"),
        (f"{HEADER}\r\nA,Zoë,,Active,,,\r\n".encode(), "UTF-8 without a mark"),
        (f"{HEADER}\r\nA,x,,Active,,,\r\n".encode("utf-16"), "UTF-16"),
        (f"{HEADER}\r\nA,x,,Active,,29280,\r\n".encode(), "serial number instead of a date"),
        (f"{HEADER}\r\n5.39E+12,x,,Active,,,\r\n".encode(), "scientific notation"),
        (f'{HEADER}\r\nA,"x,,Active,,,\r\n'.encode(), "no row of the file's form"),
        (b"", "not even a header"),
        (b"Customer,customer\r\nA,B\r\n", "a column twice"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_parked_with_row_and_reason(
    drop: Drop, files: Open, content: bytes, reason: str
) -> None:
    drop.customers(7, raw=content)
    source = files()
    with pytest.raises(UnexpectedReplyError, match=reason):
        keys(source)
    parked = drop.folder / "failed"
    assert (parked / "customers_20240301060007_000007.csv").read_bytes() == content
    assert reason in (parked / "customers_20240301060007_000007.csv.rejects.csv").read_text()
    drop.customers(8, "B,,,Active,,,")
    with pytest.raises(UnavailableError, match=r"customers_20240301060007_000007\.csv is in failed/"):
        keys(source, since='{"customers": 6}')


def test_lost_leading_zeros_betray_a_spreadsheet(drop: Drop, files: Open, tmp_path: Path) -> None:
    path = site(tmp_path, ("full: customersfull,", "full: customersfull, widths: {Customer: 6},"))
    drop.customers(7, "001234,,,Active,,,", "1234,,,Active,,,")
    with pytest.raises(UnexpectedReplyError, match="lost its leading zeros"):
        keys(files(MAPPING_FILE=path))


def test_a_row_that_cannot_be_used_waits_alone_and_is_listed(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,,,Active,,,", "B,too,few", "C,,,Active,,,")
    source = files()
    found = rows(source.read("customer", ""))
    assert len(found) == 3
    with pytest.raises(RecordError, match="Row 3 has 3 columns, the header 7"):
        source.streams["customer"].map(found[1])
    listed = (drop.folder / "failed" / "customers_20240301060007_000007.csv.rejects.csv").read_text()
    assert "3," in listed
    assert "too" not in listed


def test_quotes_may_hold_line_breaks_commas_and_quotes(drop: Drop, files: Open) -> None:
    drop.customers(7, 'A,"O""Neill,\r\nAnn",,Active,,,')
    assert 'O"Neill' in mapped(files(), "customer")[0].record.last_name


def test_no_rows_are_fine_in_a_delta_and_suspicious_in_a_full_file(drop: Drop, files: Open) -> None:
    drop.customers(7)
    assert keys(files()) == []
    drop.put("stock_20240301060000_000001.csv", "Product,Warehouse,Free")
    with pytest.raises(UnexpectedReplyError, match="without a row"):
        keys(files(), "stock")


ORDERS = "OrderNumber,Customer,OrderStatus,OrderDate,LastChanged,Currency,OrderTotal"
LINES = "OrderNumber,OrderLine,Product,MtrxCode2,Quantity,Price,LineValue,LineStatus,QtyDespatched"


def order_files(drop: Drop, sequence: int = 1) -> None:
    drop.put(f"orders_20240301060000_{sequence}.csv", ORDERS,
             "100,C1,Part Despatched,28/02/2024 19:22:00,01/03/2024 05:40:00,GBP,15.00")  # fmt: skip
    drop.put(f"orderlines_20240301060000_{sequence}.csv", LINES, "100,1,3998,38,1,10.00,10.00,Despatched,1",
             "100,2,3998,39,1,5.00,5.00,Open,0", "999,1,X,,1,1,1,Open,0")  # fmt: skip


def test_lines_join_their_headers_and_a_line_without_one_waits(drop: Drop, files: Open) -> None:
    order_files(drop)
    source = files()
    found = rows(source.read("order", ""))
    record = source.streams["order"].map(found[0]).record
    assert [(line.line, line.sku, str(line.amount)) for line in record.lines] == [
        ("1", "399838", "10.00"), ("2", "399839", "5.00")
    ]  # fmt: skip
    with pytest.raises(RecordError, match="no header of this file has the line's key"):
        source.streams["order"].map(found[1])


def test_headers_wait_for_the_file_of_their_lines(drop: Drop, files: Open) -> None:
    order_files(drop)
    (drop.folder / "orderlines_20240301060000_1.csv").unlink()
    with pytest.raises(UnavailableError, match="orderlines number 1 is not there yet"):
        keys(files(), "order")


def test_sales_are_order_lines_and_then_credits_grouped_by_their_number(drop: Drop, files: Open) -> None:
    order_files(drop)
    drop.put("credits_20240305060000_1.csv",
             "CreditNumber,CreditType,OrderNumber,Customer,CreditDate,Currency,CreditTotal,CreditLine,Product,MtrxCode2,Quantity,LineValue",
             "CR1,RETURN,100,C1,05/03/2024 11:02:00,GBP,15.00,1,3998,38,1,10.00",
             "CR1,RETURN,100,C1,05/03/2024 11:02:00,GBP,15.00,2,3998,39,1,5.00")  # fmt: skip
    source = files()
    pages = list(source.read("sale", ""))
    usable = [row for row in rows(pages) if b"reject" not in row]
    assert [source.streams["sale"].key(row) for row in usable] == ["100|1", "100|2", "CR1|1", "CR1|2"]
    assert sum(source.streams["sale"].map(row).record.amount for row in usable) == 0
    assert json.loads(pages[-1].watermark) == {"credits": 1, "orders": 1}


def test_a_despatch_finds_its_order_in_the_files(drop: Drop, files: Open) -> None:
    order_files(drop)
    drop.put("despatches_20240301070000_1.csv", "DespatchNumber,OrderNumber,DespatchDate,Carrier,ConsignmentNo,Line",
             "D1,100,01/03/2024 05:40:00,DPD,155,1", "D1,100,01/03/2024 05:40:00,DPD,155,2")  # fmt: skip
    source = files()
    found = [source.streams["order_event"].map(row).record for row in rows(source.read("order_event", ""))
             if b"reject" not in row]  # fmt: skip
    assert [(event.key, event.event, event.customer) for event in found] == [("D1", "part_dispatched", "C1")]


def test_only_a_full_file_proves_what_is_gone(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,,,Active,,,")
    source = files()
    with pytest.raises(UnavailableError, match="no full file of customer"):
        list(source.keys("customer"))
    drop.put("customersfull_20240301000000_000001.csv", HEADER, "B,,,Active,,,", "C,,,Active,,,")
    assert [list(page) for page in source.keys("customer")] == [["B", "C"]]


def test_records_are_fetched_from_the_newest_file_that_has_them(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,Old,,Active,,,", "B,,,Active,,,")
    drop.customers(8, "A,New,,Active,,,")
    source = files()
    found = [source.streams["customer"].map(row).record for row in rows(source.fetch("customer", ["A", "B", "Z"]))]
    assert {record.key: record.last_name for record in found} == {"A": "New", "B": ""}


def test_columns_may_be_named_by_their_number(drop: Drop, files: Open, tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text("""
site: numbered
version: 1
entities:
  customer:
    record: row
    key: Acc No
    file: {name: kunden, delimiter: "|"}
    fields: {account: {path: Acc No, required: true}, last_name: {path: 2}}
""")
    drop.put("kunden_20240301060000_1.csv", "Acc No|Surname", "0017|Diaz")
    record = mapped(files(MAPPING_FILE=str(path)), "customer")[0].record
    assert (record.key, record.last_name) == ("0017", "Diaz")


def test_a_moment_may_say_where_reading_starts(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,,,Active,,,")
    drop.customers(8, "B,,,Active,,,")
    assert keys(files(), since="2024-03-01T06:00:07+00:00") == ["B"]


def test_old_files_are_removed(drop: Drop, files: Open) -> None:
    drop.customers(7, "A,,,Active,,,", age=91 * 86_400)
    source = files()
    keys(source, since=watermark(source))
    keys(source, since='{"customers": 7}')
    assert list((drop.folder / "processed").iterdir()) == []


def test_consent_goes_out_as_a_file_of_its_own(drop: Drop, files: Open, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    source = files(CONSENT_WRITE_BACK="yes")
    record = Consent(key="C1|email", customer="C1", given="no")
    encoded = source.inlets["consent"].encode(record, Known())[0]
    source.send("consent", [encoded], "delivery-1")
    source.send("consent", [encoded], "delivery-2")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert [name.rpartition("_")[2] for name in names] == ["000001.csv", "000002.csv"]
    assert (tmp_path / "out" / names[0]).read_bytes().splitlines()[1] == b"C1,email,No,,EMARSYS,delivery-1|email"


def test_a_folder_that_is_not_there_is_named(prima: Open) -> None:
    with pytest.raises(ConfigurationError, match="folder of files cannot be read"):
        list(prima(TRANSPORT="files", FILES_FOLDER="/nowhere").read("customer", ""))
