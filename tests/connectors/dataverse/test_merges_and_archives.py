"""Merged, archived, reactivated and deleted rows (contract 3.5), keys and single rows."""

from typing import Any

from pytest_httpserver import HTTPServer

from connectors.base import Excluded, Gone
from tests.connectors.dataverse.test_reading_changes import accounts, read
from tests.connectors.dataverse.web_api_server import WebApi, contact, guid


def test_a_merge_is_told_with_its_master(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2)]})
    _, watermark = read(dataverse())
    api.merge(guid(1), guid(2))
    assert read(dataverse(), watermark)[0] == [Gone(guid(1), "merged", guid(2))]


def test_a_chain_of_merges_ends_at_the_survivor(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 5)]})
    api.merge(guid(2), guid(3))
    api.merge(guid(3), guid(4))
    _, watermark = read(dataverse())
    api.merge(guid(1), guid(2))
    assert read(dataverse(), watermark)[0] == [Gone(guid(1), "merged", guid(4))]


def test_in_a_first_read_chains_over_pages_are_followed_too(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 5)]}, page=1)
    for number in (1, 2, 3):
        api.merge(guid(number), guid(number + 1))
    records, _ = read(dataverse())
    assert records[:3] == [Gone(guid(number), "merged", guid(4)) for number in (1, 2, 3)]


def test_a_master_that_is_not_there_yet_is_named_all_the_same(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    api.merge(guid(1), guid(99))
    assert read(dataverse())[0] == [Gone(guid(1), "merged", guid(99))]


def test_a_ring_of_merges_ends(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1), contact(2)]})
    api.merge(guid(1), guid(2))
    api.merge(guid(2), guid(1))
    assert {record.why for record in read(dataverse())[0]} == {"merged"}


def test_an_inactive_row_is_archived_and_a_reactivated_one_is_back(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    _, watermark = read(dataverse())
    api.change("contacts", guid(1), statecode=1, statuscode=2)
    records, watermark = read(dataverse(), watermark)
    assert records == [Gone(guid(1), "archived")]
    api.change("contacts", guid(1), statecode=0, statuscode=1)
    assert accounts(read(dataverse(), watermark)[0]) == ["C-1"]


def test_a_row_that_was_made_and_deleted_between_two_reads_is_told_and_harms_nothing(
    server: HTTPServer, dataverse: Any
) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    _, watermark = read(dataverse())
    api.delete("contacts", guid(77))
    assert read(dataverse(), watermark)[0] == [Gone(guid(77), "deleted")]


def test_a_test_account_is_excluded_by_its_rule_after_it_is_received(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, emailaddress1="robot@test.example.com"), contact(2)]})
    source = dataverse(EXCLUDE="test_account:emailaddress1=*@test.example.com,staff:lastname=n[2]*")
    records, _ = read(source)
    assert [type(record) for record in records][:1] == [Excluded]
    assert (records[0].rule, records[1].account) == ("test_account", "C-2")
    assert all("$filter" not in request.args or "modifiedon" in request.args["$filter"] for request in api.asked)


def test_single_rows_are_fetched_by_id_in_batches(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 61)]})
    api.merge(guid(60), guid(1))
    source = dataverse()
    keys = [*(guid(number) for number in range(1, 61)), guid(99), "C-1", "x' or 1 eq 1"]
    rows = [row for page in source.fetch("customer", keys) for row in page.rows]
    assert sorted(source.streams["customer"].key(row) for row in rows) == [guid(number) for number in range(1, 61)]
    assert Gone(guid(60), "merged", guid(1)) in [source.streams["customer"].map(row).record for row in rows]
    batches = [request.args["$filter"].count(" eq ") for request in api.asked]
    assert max(batches) == 25
    assert not any("or 1 eq 1" in path for path in api.paths())


def test_a_row_reads_the_same_by_feed_and_by_id(server: HTTPServer, dataverse: Any) -> None:
    """Its digest must not change with the way it came."""
    WebApi(server, {"contacts": [contact(1)]})
    source = dataverse()
    [row] = next(iter(source.read("customer", ""))).rows
    [fetched] = next(iter(source.fetch("customer", [guid(1)]))).rows
    assert row == fetched


def test_a_change_that_we_do_not_read_leaves_the_row_as_it_was(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1)]})
    source = dataverse()
    [before] = next(iter(source.fetch("customer", [guid(1)]))).rows
    api.change("contacts", guid(1), modifiedon="2026-05-05T00:00:00Z", donotphone=True)
    [after] = next(iter(source.fetch("customer", [guid(1)]))).rows
    assert before == after


def test_the_sweep_gets_the_keys_of_active_rows(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(number) for number in range(1, 6)]}, page=2)
    api.change("contacts", guid(3), statecode=1)
    keys = [key for page in dataverse().keys("customer") for key in page]
    assert keys == [guid(number) for number in (1, 2, 4, 5)]
