"""Attribution and purchases from exported files (contract 8): CSV and JSON lines, packed or not, in constant memory."""

import contextlib
import gzip
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors.errors import (
    ConfigurationError,
    ConnectorError,
    ExpiredWatermarkError,
    RecordError,
    UnavailableError,
    UnexpectedReplyError,
)
from connectors.records import Attribution, Purchase
from tests.connectors.conftest import Open

HEADER = "order_id,campaign_id,treatment_id,attributed_amount\n"
ORDER = {
    "customer_id": 1, "contact_id": 138621551, "event_time": "2026-01-15 10:00:00 UTC", "order_id": 1001,
    "items": [{"item_id": "MUG-1", "price": 24.0, "quantity": 2}, {"item_id": "TEA", "price": 6.0, "quantity": 1}],
    "treatments": [
        {"id": "t-1", "campaign_id": 77, "channel": "email", "attributed_amount": 20.10,
         "reason": {"type": "click", "event_time": "2026-01-14 09:00:00 UTC"}, "rti": {"id": None, "run_id": None},
         "email": {"launch_id": 5, "event_time": None}},
        {"id": "t-2", "campaign_id": 78, "channel": "web", "attributed_amount": 9.90, "reason": None,
         "email": {"event_time": "2026-01-13 09:00:00 UTC"}},
    ],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file into one folder; `day` orders them by age."""

    def write(name: str, content: str | bytes, day: int = 1) -> Path:
        path = tmp_path / "exports" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        moment = datetime(2026, 1, day, tzinfo=UTC).timestamp()
        os.utime(path, (moment, moment))
        return path

    return write


def rows(source: Any, stream: str = "attribution", since: str = "", resume: str = "") -> list[bytes]:
    return [row for page in source.read(stream, since, resume) for row in page.rows]


def records(source: Any, stream: str = "attribution", since: str = "") -> list[Any]:
    return [source.streams[stream].map(row).record for row in rows(source, stream, since)]


def watermark(source: Any, since: str = "", stream: str = "attribution") -> str:
    *_, last = source.read(stream, since)
    return str(last.watermark)


# ------------------------------------------------------------------------------------------------------- the forms


def test_an_order_s_treatments_are_credited_one_by_one(emarsys: Open, folder: Callable[..., Path]) -> None:
    path = folder("a.jsonl", json.dumps(ORDER) + "\n")
    first, second = records(emarsys(ATTRIBUTION_FILES=str(path.parent)))
    assert first == Attribution(
        key="1001|77|t-1", order="1001", campaign="77", treatment="t-1", channel="email", contact="138621551",
        amount=Decimal("20.1"), reason="click", ordered_at=datetime(2026, 1, 15, 10, tzinfo=UTC),
        treated_at=datetime(2026, 1, 14, 9, tzinfo=UTC),
    )  # fmt: skip
    assert (second.order, second.campaign, second.amount) == ("1001", "78", Decimal("9.9"))
    assert second.treated_at == datetime(2026, 1, 13, 9, tzinfo=UTC)
    assert first.amount + second.amount == Decimal(30)  # the order's total, were one to add its items, is 30 once


def test_a_flat_file_says_the_same_with_columns_in_any_order(emarsys: Open, folder: Callable[..., Path]) -> None:
    path = folder(
        "a.csv",
        "treatments.attributed_amount,Order_ID,loaded_at,treatments.id,treatments.campaign_id,treatments.channel,contact_id,"
        "event_time,treatments.reason.type,treatments.reason.event_time\n"
        "20.10,1001,2026-01-20,t-1,77,email,138621551,2026-01-15 10:00:00 UTC,click,2026-01-14 09:00:00 UTC\n",
    )
    json_path = folder("b.jsonl", json.dumps(ORDER) + "\n")
    (flat,) = records(emarsys(ATTRIBUTION_FILES=str(path)))
    assert flat == records(emarsys(ATTRIBUTION_FILES=str(json_path)))[0]


def test_purchases_are_line_totals_never_multiplied(emarsys: Open, folder: Callable[..., Path]) -> None:
    head = "order_id,si_contact_id,si_product_id,product_external_id,product_name,purchase_date,channel,quantity,"
    line = '0007,55,9,MUG-1,"Mug, blue",2026-01-15,web,2,24.00,2026-01-16'
    folder("p.csv", f"{head}sales_amount,load_date\n{line}\n")
    second = {"order_id": 7, "item_id": "MUG-1", "price": 24, "quantity": 2, "purchase_date": "2026-01-15"}
    path = folder("q.jsonl", json.dumps(second) + "\n", 2)
    flat, line = records(emarsys(PURCHASE_FILES=str(path.parent)), "purchase")
    assert flat == Purchase(
        key="0007|MUG-1|2|24|2026-01-15", order="0007", sku="MUG-1", contact="55", quantity=Decimal(2),
        amount=Decimal("24.00"), purchased_on=date(2026, 1, 15), channel="web",
    )  # fmt: skip
    assert (line.order, line.amount, line.quantity) == ("7", Decimal("24.00"), Decimal(2))


def test_amounts_and_ids_are_read_as_written(emarsys: Open, folder: Callable[..., Path]) -> None:
    line = (
        '{"order_id":12345678901234567890123,"treatments":[{"id":1e3,"campaign_id":"007","attributed_amount":0.1}]}\n'
    )
    path = folder("a.json", line)
    (found,) = records(emarsys(ATTRIBUTION_FILES=str(path)))
    assert (found.order, found.treatment, found.campaign) == ("12345678901234567890123", "1e3", "007")
    assert found.amount == Decimal("0.1")


@pytest.mark.parametrize("treatments", ["[]", "null"])
def test_an_order_without_treatments_credits_nobody(
    emarsys: Open, folder: Callable[..., Path], treatments: str
) -> None:
    path = folder("a.jsonl", '{"order_id":1,"treatments":' + treatments + "}\n\n")
    assert rows(emarsys(ATTRIBUTION_FILES=str(path))) == []


@pytest.mark.parametrize("name", ["a.csv.gz", "packed-without-its-ending"])
@pytest.mark.parametrize("content", [HEADER + "1,77,t-1,5\n", "\ufeff" + HEADER + '"1",77,t-1,5', json.dumps(ORDER)])
def test_packed_files_and_byte_order_marks_are_no_matter(
    emarsys: Open, folder: Callable[..., Path], name: str, content: str
) -> None:
    path = folder(name, gzip.compress(content.encode()))
    assert records(emarsys(ATTRIBUTION_FILES=str(path)))[0].treatment == "t-1"


def test_duplicate_rows_collapse_and_the_last_stands(emarsys: Open, folder: Callable[..., Path]) -> None:
    path = folder("a.csv", HEADER + "1,77,t-1,5\n2,77,t-1,3\n1,77,t-1,5\n1,77,t-1,6\n")
    assert [(one.order, one.amount) for one in records(emarsys(ATTRIBUTION_FILES=str(path)))] == [
        ("2", Decimal(3)), ("1", Decimal(6))
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------ what is new, and when


def test_files_are_read_oldest_first_and_once(emarsys: Open, folder: Callable[..., Path]) -> None:
    folder("b.csv", HEADER + "1,77,t-1,5\n", day=1)
    path = folder("a.csv", HEADER + "2,77,t-1,5\n", day=2)
    folder("a.csv.part", "half of it", day=3)
    folder(".hidden", "", day=3)
    source = emarsys(ATTRIBUTION_FILES=str(path.parent))
    assert [one.order for one in records(source)] == ["1", "2"]
    known = watermark(source)
    assert (records(source, since=known), watermark(source, known)) == ([], known)


@pytest.mark.parametrize(("name", "day"), [("c.csv", 3), ("c.csv", 2), ("a.csv", 4), ("a.csv", 2)])
def test_a_later_or_replaced_file_is_read(emarsys: Open, folder: Callable[..., Path], name: str, day: int) -> None:
    folder("b.csv", HEADER + "1,77,t-1,5\n", day=1)
    path = folder("a.csv", HEADER + "2,77,t-1,5\n", day=2)
    source = emarsys(ATTRIBUTION_FILES=str(path.parent))
    known = watermark(source)
    folder(name, HEADER + "2,77,t-1,7\n3,77,t-1,1\n", day=day)
    assert [(one.order, one.amount) for one in records(source, since=known)] == [("2", Decimal(7)), ("3", Decimal(1))]


def test_a_trailing_window_imported_again_has_the_same_keys(emarsys: Open, folder: Callable[..., Path]) -> None:
    folder("mon.csv", HEADER + "1,77,t-1,5\n2,77,t-1,3\n", day=1)
    path = folder("tue.csv", HEADER + "2,77,t-1,2\n2,78,t-9,1\n", day=2)
    found = records(emarsys(ATTRIBUTION_FILES=str(path.parent)))
    assert [one.key for one in found] == ["1|77|t-1", "2|77|t-1", "2|77|t-1", "2|78|t-9"]
    standing = {one.key: one.amount for one in found}
    assert standing["2|77|t-1"] + standing["2|78|t-9"] == 3


def test_a_pattern_chooses_files(emarsys: Open, folder: Callable[..., Path]) -> None:
    folder("purchases-1.csv", "nothing of this", day=1)
    path = folder("attribution-1.csv", HEADER + "1,77,t-1,5\n", day=1)
    assert len(records(emarsys(ATTRIBUTION_FILES=str(path.parent / "attribution-*.csv")))) == 1


def test_reading_goes_on_after_the_line_it_reached(emarsys: Open, folder: Callable[..., Path]) -> None:
    folder("a.csv", HEADER + "".join(f"{number},77,t-1,5\n" for number in range(2_500)), day=1)
    path = folder("b.jsonl", (json.dumps(ORDER) + "\n") * 3, day=2)
    source = emarsys(ATTRIBUTION_FILES=str(path.parent))
    pages = list(source.read("attribution", ""))
    assert [len(page.rows) for page in pages] == [1000, 1000, 500, 2, 0]
    for done, page in enumerate(pages[:-1], 1):
        rest = [row for one in source.read("attribution", "", page.resume) for row in one.rows]
        assert rest == [row for one in pages[done:] for row in one.rows]


def test_rows_are_found_by_key_and_all_keys_are_told(emarsys: Open, folder: Callable[..., Path]) -> None:
    path = folder("a.csv", HEADER + "1,77,t-1,5\n2,77,t-1,x\n3,77,t-1,5\n")
    source = emarsys(ATTRIBUTION_FILES=str(path))
    assert [key for keys in source.keys("attribution") for key in keys] == ["1|77|t-1", "3|77|t-1"]
    found = [row for page in source.fetch("attribution", ["3|77|t-1", "9|9|9"]) for row in page.rows]
    assert [source.streams["attribution"].key(row) for row in found] == ["3|77|t-1"]


# ------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.csv", HEADER + "1,77,t-1,5\n2,77,t-1\n3,77,t-1,5\n", 3),
        ("a.csv", HEADER + "1,77,t-1,5\n2,77,t-1,five\n3,77,t-1,5\n", 3),
        ("a.csv", HEADER + '1,77,t-1,5\n2,"77"x,t-1,5\n3,77,t-1,5\n', 3),
        ("a.csv", HEADER.encode() + b"1,77,t-1,5\n2,7\xff7,t-1,5\n3,77,t-1,5\n", 3),
        ("a.csv", HEADER + "1,77,t-1,5\n,77,t-1,5\n3,77,t-1,5\n", 3),
        ("a.csv", HEADER + '1,77,"t\n-1",5\n2,77,t-1,NaN\n3,77,t-1,5\n', 4),
        ("a.jsonl", '{"order_id":1,"campaign_id":1,"id":1,"attributed_amount":1}\n{"order_id":2,\n'
                    '{"order_id":3,"campaign_id":1,"id":1,"attributed_amount":1}\n', 2),
        ("a.jsonl", '{"order_id":1,"campaign_id":1,"id":1,"attributed_amount":1}\n[1]\n'
                    '{"order_id":3,"campaign_id":1,"id":1,"attributed_amount":1}\n', 2),
        ("a.jsonl", '{"order_id":1,"campaign_id":1,"id":1,"attributed_amount":1}\n'
                    '{"order_id":2,"campaign_id":1,"id":1,"attributed_amount":NaN}\n'
                    '{"order_id":3,"campaign_id":1,"id":1,"attributed_amount":1}\n', 2),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_and_the_others_are_read(
    emarsys: Open, folder: Callable[..., Path], name: str, content: str | bytes, line: int
) -> None:
    stream = (source := emarsys(ATTRIBUTION_FILES=str(folder(name, content)))).streams["attribution"]
    first, bad, third = rows(source)
    assert (stream.map(first).record.order, stream.map(third).record.order) == ("1", "3")
    for read in (stream.map, stream.key):
        with pytest.raises(RecordError) as raised:
            read(bad)
        assert f"{name} line {line}: " in raised.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("order_id;campaign_id;treatment_id\n", "no column"),
        ("order_id,campaign_id,treatment_id\n1,2,3\n", "attributed_amount"),
        ("", "no column"),
        ("<!DOCTYPE html><html>sign in</html>", "HTML"),
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"\x00\xff\x00binary", "header"),
        (gzip.compress(HEADER.encode() * 1000, mtime=0)[:40], "compression"),
        (b"\x1f\x8bnot gzip at all", "compression"),
        (HEADER + "1,77,t-1," + "9" * 17_000_000, "longer than 16 MB"),
    ],
)
def test_a_bad_file_is_named_and_nothing_of_it_is_taken(
    emarsys: Open, folder: Callable[..., Path], content: str | bytes, said: str
) -> None:
    source = emarsys(ATTRIBUTION_FILES=str(folder("bad.csv", content)))
    with pytest.raises(UnexpectedReplyError, match=r"bad\.csv") as raised:
        rows(source)
    assert said in raised.value.message
    assert raised.value.remedy


def test_a_place_that_is_not_there_or_not_set_is_named(emarsys: Open, tmp_path: Path) -> None:
    for setting in ("", str(tmp_path / "nowhere"), "http://files.example.com/a.csv", "ftp://files.example.com/a.csv"):
        with pytest.raises(ConfigurationError, match="ATTRIBUTION_FILES"):
            rows(emarsys(ATTRIBUTION_FILES=setting))


@pytest.mark.parametrize("known", ["2026-01-15", "[]", "{", "[1, 2, 3, 4, 5]", '["x", "a.csv", 1, ""]'])
def test_a_watermark_that_names_no_file_means_that_all_is_read_again(emarsys: Open, tmp_path: Path, known: str) -> None:
    with pytest.raises(ExpiredWatermarkError):
        rows(emarsys(ATTRIBUTION_FILES=str(tmp_path)), since=known)


def test_a_name_with_brackets_is_a_name(emarsys: Open, folder: Callable[..., Path]) -> None:
    path = folder("march [1].csv", HEADER + "1,77,t-1,5\n")
    assert len(records(emarsys(ATTRIBUTION_FILES=str(path)))) == 1


def test_an_empty_folder_has_nothing_new(emarsys: Open, tmp_path: Path) -> None:
    (page,) = emarsys(ATTRIBUTION_FILES=str(tmp_path)).read("attribution", "")
    assert (list(page.rows), page.watermark) == ([], "")


# ------------------------------------------------------------------------------------------------ from an address


def served(server: HTTPServer, *bodies: bytes | Response) -> str:
    answers = [body if isinstance(body, Response) else Response(body) for body in bodies]
    server.expect_request("/files/a.csv.gz").respond_with_handler(
        lambda _: answers.pop(0) if len(answers) > 1 else answers[0]
    )
    return str(server.url_for("/files/a.csv.gz")) + "?signature=hush"


def test_a_file_is_downloaded_and_known_by_its_content(server: HTTPServer, emarsys: Open) -> None:
    first, second = (gzip.compress((HEADER + f"{number},77,t-1,5\n").encode(), mtime=0) for number in (1, 2))
    source = emarsys(ATTRIBUTION_FILES=served(server, first, first, first, second))
    assert [one.order for one in records(source)] == ["1"]
    known = watermark(source)
    assert records(source, since=known) == []
    assert [one.order for one in records(source, since=known)] == ["2"]
    assert "hush" not in known


def test_a_download_that_breaks_off_is_tried_again_by_the_run(server: HTTPServer, emarsys: Open) -> None:
    short = Response(HEADER + "1,77,t-1,5\n")
    short.headers["Content-Length"] = "5000"
    short.automatically_set_content_length = False
    with pytest.raises(UnavailableError) as raised:
        rows(emarsys(ATTRIBUTION_FILES=served(server, short)))
    assert "hush" not in f"{raised.value} {raised.value.request} {raised.value.reply}"


@pytest.mark.parametrize(("status", "error"), [(404, UnexpectedReplyError), (403, ConfigurationError)])
def test_a_refused_download_says_so(
    server: HTTPServer, emarsys: Open, status: int, error: type[ConnectorError]
) -> None:
    with pytest.raises(error) as raised:
        rows(emarsys(ATTRIBUTION_FILES=served(server, Response("no", status))))
    assert "hush" not in f"{raised.value} {raised.value.request}"


# --------------------------------------------------------------------------------------------------------- memory


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_ten_times_the_lines_take_no_more_memory(emarsys: Open, folder: Callable[..., Path], traced: None) -> None:
    def peak(count: int) -> int:
        path = folder(f"{count}.csv", HEADER + "".join(f"{number},77,t-1,5.25\n" for number in range(count)))
        source = emarsys(ATTRIBUTION_FILES=str(path))
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert sum(len(page.rows) for page in source.read("attribution", "")) == count
        return tracemalloc.get_traced_memory()[1] - before

    peak(2_000)
    assert peak(40_000) < peak(4_000) * 1.5


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([HEADER.encode(), b"", json.dumps(ORDER).encode() + b"\n", b"{", b'"', b"\x1f\x8b"]),
    content=st.binary(max_size=60) | st.text(st.sampled_from('1,"\r\n{}[]:t'), max_size=60).map(str.encode),
)
def test_no_file_raises_anything_but_a_typed_error(
    emarsys: Open, folder: Callable[..., Path], start: bytes, content: bytes
) -> None:
    path = folder("any.csv", start + content)
    source = emarsys(ATTRIBUTION_FILES=str(path), PURCHASE_FILES=str(path))
    for stream in ("attribution", "purchase"):
        with contextlib.suppress(ConnectorError):
            for row in rows(source, stream):
                with contextlib.suppress(RecordError):
                    source.streams[stream].map(row)
