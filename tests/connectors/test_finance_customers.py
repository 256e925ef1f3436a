"""Reading customers of Dynamics 365 Finance (contract 2, 4.1) over HTTP."""

import json
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from connectors.base import Page
from connectors.dynamics365.finance.columns import CUSTOMER_MAPPED
from connectors.errors import ConfigurationError, RecordError, UnavailableError, UnexpectedReplyError
from tests.connectors.conftest import Open
from tests.connectors.odata_server import ODataServer, customer, json_response

ACCOUNTS = [f"C-{number:03}" for number in range(1, 11)]


def accounts(pages: list[Page]) -> list[str]:
    return [json.loads(row)["CustomerAccount"] for page in pages for row in page.rows]


@pytest.fixture
def system(server: HTTPServer) -> ODataServer:
    return ODataServer(server, {"CustomersV3": [customer(account) for account in ACCOUNTS]})


def test_every_company_is_asked_for_with_only_the_mapped_columns(system: ODataServer, finance: Open) -> None:
    list(finance().read("customer", ""))
    asked = system.asked[0].args
    assert asked["cross-company"] == "true"
    assert asked["$orderby"] == "dataAreaId,CustomerAccount"
    assert asked["$select"].startswith("dataAreaId,CustomerAccount,PartyNumber,")
    assert asked["$select"].endswith("OnHoldStatus,LoyaltyTier,BirthDate")


def test_a_read_goes_on_by_key_when_the_server_gives_fewer_rows_than_asked(system: ODataServer, finance: Open) -> None:
    system.page = 3
    pages = list(finance().read("customer", ""))
    assert accounts(pages) == ACCOUNTS
    assert [len(page.rows) for page in pages] == [3, 3, 3, 1]
    assert [page.watermark for page in pages] == [None, None, None, ""]
    assert {page.total for page in pages} == {10}


def test_a_server_that_cuts_pages_without_a_link_is_read_to_its_end(system: ODataServer, finance: Open) -> None:
    system.page, system.links = 3, False
    assert accounts(list(finance().read("customer", ""))) == ACCOUNTS


def test_a_row_deleted_in_the_middle_of_a_read_does_not_keep_it_from_ending(system: ODataServer, finance: Open) -> None:
    read = finance(PAGE_SIZE="4").read("customer", "")
    first = next(read)
    del system.sets["CustomersV3"][-2:]
    assert accounts([first, *read]) == ACCOUNTS[:-2]


def test_a_read_whose_last_page_is_full_ends_with_an_empty_one(system: ODataServer, finance: Open) -> None:
    pages = list(finance(PAGE_SIZE="5").read("customer", ""))
    assert [len(page.rows) for page in pages] == [5, 5, 0]
    assert pages[-1].watermark == ""
    assert pages[-1].resume == pages[-2].resume


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_read_goes_on_after_the_page_it_reached(system: ODataServer, finance: Open, cut: int) -> None:
    source = finance(PAGE_SIZE="4")
    pages = list(source.read("customer", ""))
    assert accounts(list(source.read("customer", "", pages[cut].resume))) == accounts(pages[cut + 1 :])


def test_an_account_may_contain_anything(system: ODataServer, finance: Open) -> None:
    strange = sorted(["O'Neil & Co", "50% off", "a|b", "Müller+1", "*", "#1 / 2?"])
    system.sets["CustomersV3"] = [customer(account) for account in strange]
    source = finance(PAGE_SIZE="1")
    pages = list(source.read("customer", ""))
    assert accounts(pages) == strange
    keys = [source.streams["customer"].key(row) for page in pages for row in page.rows]
    assert sorted(accounts(list(source.fetch("customer", keys)))) == strange


def test_etags_are_no_part_of_a_row(system: ODataServer, finance: Open) -> None:
    system.before = lambda request: Response(
        rb'{"value":[{"@odata.etag":"W/\"Jz\\\"A\"","dataAreaId":"usmf","CustomerAccount":"1"},'
        rb'{"dataAreaId":"usmf","@odata.etag":"x","CustomerAccount":"2","Name@odata.type":"y"},'
        rb'{"dataAreaId":"usmf","CustomerAccount":"3 \"@odata.etag\""}]}'
    )
    (page,) = finance().read("customer", "")
    assert page.rows == [
        b'{"dataAreaId":"usmf","CustomerAccount":"1"}',
        b'{"dataAreaId":"usmf","CustomerAccount":"2"}',
        rb'{"dataAreaId":"usmf","CustomerAccount":"3 \"@odata.etag\""}',
    ]


def test_a_page_that_comes_twice_is_read_once(system: ODataServer, finance: Open) -> None:
    stale: list[Response] = []

    def cached_once(request: Request) -> Response | None:
        if len(system.asked) == 2:
            return json_response(system._page("CustomersV3", system.asked[0]))
        return None

    system.before = cached_once
    assert accounts(list(finance(PAGE_SIZE="4").read("customer", ""))) == ACCOUNTS
    assert not stale


def test_a_page_that_comes_for_ever_stops_the_read(system: ODataServer, finance: Open) -> None:
    system.before = lambda request: json_response(system._page("CustomersV3", system.asked[0]))
    read = finance(PAGE_SIZE="4").read("customer", "")
    assert len(next(read).rows) == 4
    with pytest.raises(UnexpectedReplyError, match="same page"):
        next(read)


def test_an_empty_page_that_promises_more_stops_the_read(system: ODataServer, finance: Open) -> None:
    system.before = lambda request: json_response({"value": [], "@odata.nextLink": request.url})
    with pytest.raises(UnexpectedReplyError, match="same page"):
        list(finance().read("customer", ""))


def test_a_bad_row_is_handed_on_and_the_others_are_mapped(system: ODataServer, finance: Open) -> None:
    rows = (
        b'{"dataAreaId":"usmf","CustomerAccount":"1","PersonFirstName":"A\\ud800na"}',
        b'{"dataAreaId":"usmf"}',
        b"[]",
        b'{"dataAreaId":"usmf","CustomerAccount":"2","AddressCity":"Z\xff"}',
    )
    body = b'{"value":[%b]}' % b",".join(rows)
    system.before = lambda request: Response(body)
    source = finance()
    (page,) = source.read("customer", "")
    stream = source.streams["customer"]
    assert stream.map(page.rows[0]).record.first_name == "Ana"
    assert len(page.rows) == 4
    for row in page.rows[1:]:
        with pytest.raises(RecordError):
            stream.map(row)


def test_a_row_without_a_key_at_the_end_of_a_page_does_not_stop_the_read(system: ODataServer, finance: Open) -> None:
    def broken_at_the_end(request: Request) -> Response | None:
        if len(system.asked) > 1:
            return None
        rows = [customer("C-001"), customer("C-002"), {"dataAreaId": "usmf"}]
        return json_response({"value": rows, "@odata.nextLink": request.url})

    system.before = broken_at_the_end
    pages = list(finance(PAGE_SIZE="9").read("customer", ""))
    assert len(pages[0].rows) == 3
    assert accounts(pages[1:]) == ACCOUNTS[2:]


def test_a_refused_token_is_renewed_once_in_the_middle_of_a_read(
    system: ODataServer, server: HTTPServer, finance: Open
) -> None:
    system.before = lambda request: Response(status=401) if len(system.asked) == 2 else None
    assert accounts(list(finance(PAGE_SIZE="4").read("customer", ""))) == ACCOUNTS
    assert sum(request.path == "/token" for request, _ in server.log) == 2


def test_a_token_that_stays_refused_is_a_matter_for_an_admin(system: ODataServer, finance: Open) -> None:
    system.before = lambda request: Response(status=401)
    with pytest.raises(ConfigurationError, match="credentials"):
        list(finance().read("customer", ""))


def test_a_wrong_secret_is_named_without_being_told(server: HTTPServer, finance: Open) -> None:
    server.clear()
    answer = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
    server.expect_request("/token").respond_with_json(answer, status=401)
    with pytest.raises(ConfigurationError) as raised:
        finance(CLIENT_SECRET="hush-hush").check()
    assert "AADSTS7000215" in raised.value.reply
    assert "hush-hush" not in repr(vars(raised.value))


def test_the_system_is_given_the_time_it_asks_for(system: ODataServer, finance: Open, slept: list[float]) -> None:
    throttled = Response("busy", 429, {"Retry-After": "7"})
    system.before = lambda request: throttled if len(system.asked) == 1 else None
    assert accounts(list(finance().read("customer", ""))) == ACCOUNTS
    assert slept == [7.0]


def test_a_long_wait_is_left_to_the_run(system: ODataServer, finance: Open, slept: list[float]) -> None:
    system.before = lambda request: Response("busy", 429, {"Retry-After": "7200"})
    with pytest.raises(UnavailableError) as raised:
        list(finance().read("customer", ""))
    assert raised.value.retry_after == 7200
    assert slept == []


def test_a_storm_of_errors_makes_the_run_wait(system: ODataServer, finance: Open, slept: list[float]) -> None:
    system.before = lambda request: Response("oops", 503)
    with pytest.raises(UnavailableError):
        list(finance().read("customer", ""))
    assert len(system.asked) == 4


@pytest.mark.parametrize("body", [b'{"value":[{"dataAreaId":', b"", b"[]"])
def test_what_is_no_page_is_shown_to_a_developer(system: ODataServer, finance: Open, body: bytes) -> None:
    system.before = lambda request: Response(body)
    with pytest.raises(UnexpectedReplyError) as raised:
        list(finance().read("customer", ""))
    assert raised.value.reply == body.decode()
    assert len(system.asked) == 1


def test_a_page_of_a_proxy_is_asked_again_and_then_waited_for(
    system: ODataServer, finance: Open, slept: list[float]
) -> None:
    page = Response("\n<!DOCTYPE html><html><head><title>Back soon</title></head></html>", content_type="text/html")
    shown = [page, page]
    system.before = lambda request: shown.pop() if shown else None
    assert accounts(list(finance().read("customer", ""))) == ACCOUNTS
    assert (shown, len(slept)) == ([], 2)
    system.before = lambda request: page
    with pytest.raises(UnavailableError, match="an HTML page titled 'Back soon'") as raised:
        list(finance().read("customer", ""))
    assert raised.value.remedy


def test_a_page_where_the_metadata_belong_is_no_tenant_without_columns(
    system: ODataServer, finance: Open, slept: list[float]
) -> None:
    system.metadata = b"<!DOCTYPE html><html>Back soon</html>"
    with pytest.raises(UnavailableError, match="an HTML page"):
        list(finance().read("customer", ""))
    assert system.asked == []


def test_a_page_that_breaks_off_is_asked_for_again(system: ODataServer, finance: Open, slept: list[float]) -> None:
    cut = Response(iter([b'{"value":[']), headers={"Content-Length": "500"})
    system.before = lambda request: cut if len(system.asked) == 1 else None
    assert accounts(list(finance().read("customer", ""))) == ACCOUNTS


def test_only_the_customers_asked_for_are_fetched(system: ODataServer, finance: Open) -> None:
    keys = [f"usmf|{account}" for account in ACCOUNTS] + [f"usmf|unknown-{number}" for number in range(50)]
    assert sorted(accounts(list(finance().fetch("customer", keys)))) == ACCOUNTS
    assert len(system.asked) == 3


def test_a_wildcard_in_a_key_fetches_nobody_else(system: ODataServer, finance: Open) -> None:
    everybody = [customer("C*"), customer("C-1"), customer("C-2")]
    system.before = lambda request: json_response({"value": everybody})
    assert accounts(list(finance().fetch("customer", ["usmf|C*"]))) == ["C*"]


def test_every_key_is_listed_for_the_sweep(system: ODataServer, finance: Open) -> None:
    assert [key for page in finance(PAGE_SIZE="4").keys("customer") for key in page] == [
        f"usmf|{account}" for account in ACCOUNTS
    ]
    assert system.asked[0].args["$select"] == "dataAreaId,CustomerAccount"


def test_one_company_can_be_read_alone(system: ODataServer, finance: Open) -> None:
    system.sets["CustomersV3"].append(customer("D-1", company="demf"))
    assert accounts(list(finance(COMPANIES="demf").read("customer", ""))) == ["D-1"]


def test_the_check_counts_companies_and_customers(system: ODataServer, finance: Open) -> None:
    assert finance().check() == "Answers; 1 company, 10 customers."
    system.sets["CustomersV3"] += [customer("D-1", company="demf")]
    assert finance().check() == "Answers; 2 companies, 11 customers (10 in the default company)."


def test_the_check_names_a_company_that_cannot_be_seen(system: ODataServer, finance: Open) -> None:
    with pytest.raises(ConfigurationError, match="usrt"):
        finance(COMPANIES="usmf,usrt").check()


EDMX = """<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="Microsoft.Dynamics.DataEntities" xmlns="http://docs.oasis-open.org/odata/ns/edm">
<EntityType Name="Base"><Property Name="dataAreaId" Type="Edm.String"/></EntityType>
<EntityType Name="CustomerV3" BaseType="Microsoft.Dynamics.DataEntities.Base">{properties}</EntityType>
<EntityContainer Name="Resources">
<EntitySet Name="CustomersV3" EntityType="Microsoft.Dynamics.DataEntities.CustomerV3"/>
</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"""


def edmx(*columns: str) -> bytes:
    """`columns` are names, or `name:type`."""
    typed = [one if ":" in one else f"{one}:Edm.String" for one in columns]
    properties = [f'<Property Name="{name}" Type="{kind}"/>' for name, _, kind in (one.partition(":") for one in typed)]
    return EDMX.format(properties="".join(properties)).encode()


NONE_OF_THEM = ",".join(f"{name}=" for name in CUSTOMER_MAPPED)
MAPPED = ["CustomerAccount", *CUSTOMER_MAPPED]


def test_columns_that_the_tenant_does_not_have_are_not_asked_for_and_blank_nothing(
    system: ODataServer, finance: Open
) -> None:
    system.metadata = edmx("CustomerAccount", "PartyType", "LoyaltyTier")
    source: Any = finance(CUSTOMERS_COLUMNS=NONE_OF_THEM)
    (page,) = source.read("customer", "")
    assert system.asked[0].args["$select"] == "dataAreaId,CustomerAccount,PartyType,LoyaltyTier"
    unreadable = source.streams["customer"].map(page.rows[0]).record.unreadable
    assert {"email", "first_name", "last_name", "street", "city", "postcode", "phone", "language"} <= set(unreadable)


@pytest.mark.parametrize(
    ("settings", "columns", "named"),
    [
        ({}, ["PartyType"], "CustomerAccount"),
        ({"CUSTOMERS_SET": "CustomersV9"}, ["CustomerAccount"], "CustomersV9"),
        ({}, [name for name in MAPPED if name != "PrimaryContactEmail"], "no column PrimaryContactEmail any more"),
        ({"CUSTOMERS_COLUMNS": "AddressCity=Town"}, MAPPED, "no column Town any more"),
        ({}, [*MAPPED[:-1], "OnHoldStatus:Collection(Edm.String)"], r"OnHoldStatus \(Collection"),
    ],
)
def test_what_the_tenant_lacks_is_named_before_anything_is_read(
    system: ODataServer, finance: Open, settings: dict[str, str], columns: list[str], named: str
) -> None:
    system.metadata = edmx(*columns)
    with pytest.raises(ConfigurationError, match=named):
        list(finance(**settings).read("customer", ""))
    assert system.asked == []


@pytest.mark.parametrize("document", [b"<not xml", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', b"<x/>"])
def test_metadata_that_cannot_be_read_does_not_stop_the_read(
    system: ODataServer, finance: Open, document: bytes
) -> None:
    system.metadata = document
    assert accounts(list(finance().read("customer", ""))) == ACCOUNTS


def test_a_tenant_without_extension_columns_is_not_asked_for_them(system: ODataServer, finance: Open) -> None:
    source: Any = finance(TIER_FIELD="", BIRTH_DATE_FIELD="")
    (page,) = source.read("customer", "")
    assert system.asked[0].args["$select"].endswith("OnHoldStatus")
    assert source.streams["customer"].map(page.rows[0]).record.loyalty_tier == ""


def test_a_company_written_in_capitals_is_the_same_company(system: ODataServer, finance: Open) -> None:
    system.sets["CustomersV3"] = [customer("C-1", company="USMF")]
    source = finance()
    (page,) = source.read("customer", "")
    assert source.streams["customer"].key(page.rows[0]) == "usmf|C-1"
    assert accounts(list(source.fetch("customer", ["usmf|C-1"]))) == ["C-1"]


def test_a_row_without_key_does_not_stop_the_sweep_or_a_fetch(system: ODataServer, finance: Open) -> None:
    rows = [customer("C-1"), {"dataAreaId": "usmf"}]
    system.before = lambda request: json_response({"value": rows})
    assert [list(page) for page in finance().keys("customer")] == [["usmf|C-1"]]
    assert accounts(list(finance().fetch("customer", ["usmf|C-1"]))) == ["C-1"]
