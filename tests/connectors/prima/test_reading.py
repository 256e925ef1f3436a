"""Changed-since reads, page by page (contract 7.1), and records by their key."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Change, Gone
from connectors.errors import ConfigurationError, UnexpectedReplyError
from connectors.prima.envelope import BusinessError
from tests.connectors.prima.conftest import mapped, rows, site
from tests.connectors.prima.soap_server import SoapServer, customer, page

Open = Callable[..., Any]


def test_pages_are_followed_by_their_key_and_the_watermark_is_the_first_clock_less_ten_minutes(
    soap: SoapServer, prima: Open
) -> None:
    soap.says(
        page(customer("A") + customer("B"), "Yes", "k&amp;1"),
        page(customer("C"), "Yes", "k2", "01/03/2024 06:12:00"),
        page(customer("D"), clock="01/03/2024 06:14:00"),
    )
    pages = list(prima().read("customer", ""))
    assert len(rows(pages)) == 4
    assert [soap.data(number)["StartKey"] for number in range(3)] == ["", "k&1", "k2"]
    assert soap.data(0) == {"ChangedSince": "", "MaxRecords": "500", "StartKey": ""}
    assert [page.watermark for page in pages] == [None, None, "2024-03-01T06:00:02+00:00"]


def test_the_watermark_is_sent_in_the_sites_own_time(soap: SoapServer, prima: Open) -> None:
    soap.says(page(""))
    list(prima().read("customer", "2024-07-01T10:00:00+00:00"))
    assert soap.data(0)["ChangedSince"] == "01/07/2024 11:00:00"


def test_without_a_clock_the_greatest_change_seen_counts(soap: SoapServer, prima: Open) -> None:
    soap.says(
        page(customer("A", LastChanged="01/03/2024 05:00:00"), "Yes", "k", clock=""),
        page(customer("B", LastChanged="29/02/2024 23:00:00"), clock=""),
    )
    assert list(prima().read("customer", ""))[-1].watermark == "2024-03-01T04:50:00+00:00"


def test_a_watermark_never_moves_back(soap: SoapServer, prima: Open) -> None:
    soap.says(page("", clock="01/03/2023 00:00:00"))
    since = "2024-03-01T00:00:00+00:00"
    assert list(prima().read("customer", since))[-1].watermark == since
    soap.says(page("", clock="?"))
    assert list(prima().read("customer", since))[-1].watermark == since


def test_a_read_goes_on_after_its_resume_point_with_the_first_pages_clock(soap: SoapServer, prima: Open) -> None:
    soap.says(page(customer("A"), "Yes", "k1"))
    first = next(prima().read("customer", ""))
    soap.says(page(customer("B"), clock="01/03/2024 09:00:00"))
    rest = list(prima().read("customer", "", first.resume))
    assert soap.data(-1)["StartKey"] == "k1"
    assert rest[-1].watermark == "2024-03-01T06:00:02+00:00"


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ([page(customer("A"), "Yes", "k")], "the same next key twice"),
        ([page("", "Yes", "k")], "an empty page that announces more"),
        ([page(customer("A"), "Yes", "")], "names no next key"),
    ],
)
def test_a_read_that_would_never_end_is_ended(soap: SoapServer, prima: Open, answers: list[str], what: str) -> None:
    soap.says(*answers)
    with pytest.raises(UnexpectedReplyError, match=what):
        list(prima().read("customer", ""))
    assert len(soap.asked) <= 2


@pytest.mark.parametrize(
    "root",
    ['RequestStatus="ERROR" RequestError="Order not on file"', 'RequestStatus="OK" RequestError="Order not on file"',
     'requeststatus="error" requesterror="Order not on file"'],
)  # fmt: skip
def test_a_business_error_is_told_in_the_sites_words(soap: SoapServer, prima: Open, root: str) -> None:
    soap.says(f"<Response {root}/>")
    with pytest.raises(BusinessError, match="Order not on file"):
        list(prima().read("customer", ""))
    assert len(soap.asked) == 1


def test_a_reply_without_a_status_is_no_success(soap: SoapServer, prima: Open) -> None:
    soap.says(f"<Response><Data>{customer('A')}</Data></Response>")
    with pytest.raises(BusinessError, match="not OK"):
        list(prima().read("customer", ""))


def test_a_site_without_a_change_filter_is_read_whole(soap: SoapServer, prima: Open, tmp_path: Path) -> None:
    path = site(tmp_path, ('    record: "Data/Customer"', '    mode: full\n    record: "Data/Customer"'))
    source = prima(MAPPING_FILE=path)
    assert source.streams["customer"].change == Change.SCAN
    soap.says(page(customer("A")))
    assert list(source.read("customer", "2024-03-01T00:00:00+00:00"))[-1].watermark == ""
    assert soap.data(0)["ChangedSince"] == ""


def test_the_mappings_version_is_in_every_streams(prima: Open) -> None:
    source = prima()
    assert {
        stream.version.rpartition("/confirmed_order")[0] or stream.version for stream in source.streams.values()
    } == {source.mapping.version}


def test_rows_are_canonical_and_without_what_the_site_file_calls_volatile(soap: SoapServer, prima: Open) -> None:
    first = '<Customer Status="Active"  Customer="A" LastChanged="01/03/2024 05:58:10"></Customer>'
    second = '\n <Customer\n Customer="A" LastChanged="02/03/2024 00:00:00" Status="Active"/>\n'
    soap.says(page(first), page(second))
    source = prima()
    assert rows(source.read("customer", "")) == rows(source.read("customer", ""))


def test_another_site_with_other_names_is_a_matter_of_its_file(soap: SoapServer, prima: Open, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(
        """
site: other
version: 3
endpoint: {output_part: auto}
defaults: {timezone: Europe/Dublin, date: "%Y%m%d", datetime: "%Y%m%d%H%M", yes: [J], no: [N]}
entities:
  customer:
    request: {type: GetAccts, params: {From: "{since}", Key: "{cursor}"}}
    page: {more: "Paging/@More", next: "Paging/@Key", clock: "Paging/@Now"}
    record: "Accts/Acct"
    key: "Id/@No"
    fields:
      account: {path: "Id/@No", required: true}
      last_name: {path: "Name/@Last"}
      organisation: {template: "{Co} Ltd"}
      email: {first_of: ["Mail", "@Mail2"]}
      birth_date: {path: "@Born", type: date}
      country: {const: IE}
      status: {path: "@St", type: enum, table: st, on_unknown: null}
tables: {st: {x: archived}}
"""
    )
    soap.says(
        '<R RequestStatus="ok"><Paging More="J" Key="2" Now="202403010610"/><Accts><Acct Born="19800229"><Id No="1"/>'
        '<Name Last="Diaz"/><Mail>d@example.com</Mail></Acct></Accts></R>',
        '<R RequestStatus="ok"><Accts><Acct St="X"><Id No="2"/></Acct><Acct St="?" Mail2="e@example.com" Co="Acme">'
        '<Id No="3"/></Acct></Accts><Paging More="N" Now="202403010611"/></R>',
    )
    source = prima(MAPPING_FILE=str(path))
    pages = list(source.read("customer", ""))
    first, gone, third = [found.record for found in mapped(source, "customer", pages)]
    assert (first.key, first.last_name, first.email, first.country) == ("1", "Diaz", "d@example.com", "IE")
    assert first.birth_date.isoformat() == "1980-02-29"
    assert gone == Gone("2", "archived")
    assert (third.email, third.organisation) == ("e@example.com", "Acme Ltd")
    assert pages[-1].watermark == "2024-03-01T06:00:00+00:00"
    assert soap.asked[0].get("RequestType") == "GetAccts"
    with pytest.raises(ConfigurationError, match="describes no order"):
        list(source.read("order", ""))


def test_records_are_fetched_by_a_bounded_read_again_and_then_among_all(soap: SoapServer, prima: Open) -> None:
    asked = []

    def answers(request: Any) -> str:
        asked.append(request.find("Data").get("ChangedSince"))
        return page(customer("A") if asked[-1] else customer("A") + customer("OLD"))

    soap.answers = answers
    source = prima()
    assert len(rows(source.fetch("customer", ["A"]))) == 1
    assert len(asked) == 1
    since = datetime.strptime(asked[0], "%d/%m/%Y %H:%M:%S").replace(tzinfo=UTC)
    assert 30 <= (datetime.now(UTC) - since).days <= 31
    assert len(rows(source.fetch("customer", ["A", "OLD"]))) == 2
    assert asked[-1] == ""
    assert rows(source.fetch("customer", ["GONE"])) == []


def test_a_request_by_key_is_used_where_the_site_has_one(soap: SoapServer, prima: Open, tmp_path: Path) -> None:
    by_key = '    by_key: {type: GetOne, params: {Customer: "{key}"}, absent: [not on file]}\n'
    path = site(tmp_path, ("  customer:\n    request", f"  customer:\n{by_key}    request"))
    soap.says(page(customer("A")), '<Response RequestStatus="ERROR" RequestError="Customer NOT on file"/>')
    source = prima(MAPPING_FILE=path)
    assert len(rows(source.fetch("customer", ["A", "B"]))) == 1
    assert [request.get("RequestType") for request in soap.asked] == ["GetOne", "GetOne"]
    assert soap.data(1) == {"Customer": "B"}


def test_every_key_is_told_for_the_sweep(soap: SoapServer, prima: Open) -> None:
    soap.says(page(customer("A") + customer(""), "Yes", "k"), page(customer("B")))
    assert [list(keys) for keys in prima().keys("customer")] == [["A"], ["B"]]


def test_a_connection_test_says_what_answers(soap: SoapServer, prima: Open) -> None:
    soap.says(page(""))
    said = prima().check()
    assert said.startswith("Answers: wsomhandler (rpc/literal), mapping assumed/2/")


def test_a_resume_point_is_plain_text(soap: SoapServer, prima: Open) -> None:
    soap.says(page(customer("A"), "Yes", "k&quot;&lt;é"), page(customer("B")))
    assert json.loads(next(prima().read("customer", "")).resume)[1]["key"] == 'k"<é'
