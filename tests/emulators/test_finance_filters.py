"""The filter grammar (dynamics365.md 2.4)."""

import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.emulators.dynamics365.bounds import LAST, bounds, parts_of
from connectors.emulators.dynamics365.entity_sets.people import CUSTOMERS
from connectors.emulators.dynamics365.filter_grammar import Parser
from tests.emulators.client import Environment, many_customers

ALL = ["usmf|C-1", "usmf|C-10", "usmf|C-2", "usmf|C-3", "usrt|C-1"]
HOLD = "Microsoft.Dynamics.DataEntities.CustVendorBlocked"


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("CustomerAccount eq 'C-2'", ["usmf|C-2"]),
        ("'C-2' eq CustomerAccount", ["usmf|C-2"]),
        ("CustomerAccount ne 'C-1'", ["usmf|C-10", "usmf|C-2", "usmf|C-3"]),
        ("CustomerAccount gt 'C-10' and dataAreaId eq 'usmf'", ["usmf|C-2", "usmf|C-3"]),
        ("CustomerAccount ge 'C-2' and CustomerAccount le 'C-3'", ["usmf|C-2", "usmf|C-3"]),
        ("CustomerAccount lt 'C-10'", ["usmf|C-1", "usrt|C-1"]),
        ("CustomerAccount eq 'C-1' or CustomerAccount eq 'C-3'", ["usmf|C-1", "usmf|C-3", "usrt|C-1"]),
        ("not (CustomerAccount eq 'C-1' or CustomerAccount eq 'C-3')", ["usmf|C-10", "usmf|C-2"]),
        ("CustomerAccount eq 'C-3' or CustomerAccount eq 'C-1' and dataAreaId eq 'usrt'", ["usmf|C-3", "usrt|C-1"]),
        ("(CustomerAccount eq 'C-3' or CustomerAccount eq 'C-1') and dataAreaId eq 'usrt'", ["usrt|C-1"]),
        ("PersonLastName eq 'O''Neil'", ["usmf|C-1"]),
        ("PersonLastName eq '*retail*'", ["usmf|C-3"]),
        ("PersonLastName eq 'Retail*' and CustomerAccount ne '*0'", ["usmf|C-3"]),
        (f"OnHoldStatus eq {HOLD}'All'", ["usmf|C-2", "usmf|C-3"]),
        (f"OnHoldStatus ne {HOLD}'No'", ["usmf|C-2", "usmf|C-3"]),
        ("PartyType eq 'Person' and LoyaltyTier eq 'gold'", ["usmf|C-1"]),
        ("BirthDate ge 1980-01-01T00:00:00Z and BirthDate lt 1990-01-01T12:00:00Z", ["usmf|C-1"]),
        ("BirthDate eq 1990-01-01T13:00:00+01:00", ["usmf|C-3"]),
        ("BirthDate gt 1990-01-01T11:59:59.999Z", ["usmf|C-3"]),
        ("LoyaltyTier eq null", []),
        ("true", ALL),
    ],
)
def test_documented_operators_find_what_they_say(environment: Environment, condition: str, found: list[str]) -> None:
    """dynamics365.md 2.4"""
    assert environment.accounts(condition, orderby="dataAreaId,CustomerAccount") == found


def test_arithmetic_works_on_numbers(environment: Environment) -> None:
    """dynamics365.md 2.4: add, sub, mul, div, divby, mod"""
    for condition in (
        "TotalInvoiceAmount add 0.2 eq 26",
        "TotalInvoiceAmount mul 10 gt 257 and TotalInvoiceAmount sub 1 gt 20",
        "TotalInvoiceAmount divby 2 eq 12.9",
        "TotalInvoiceAmount div 2 eq 12.9",
        "TotalInvoiceAmount mod 2 gt 1.7 and TotalInvoiceAmount gt 20",
    ):
        rows = environment.rows("SalesInvoiceHeadersV2", filter=condition)
        assert [row["InvoiceNumber"] for row in rows] == ["SO-1"], condition


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("CustomerAccount in ('C-1','C-2')", "'in' is not supported"),
        (f"OnHoldStatus has {HOLD}'All'", "'has' is not supported"),
        ("contains(PersonLastName,'eil')", "'contains' is not supported"),
        ("startswith(PersonLastName,'O')", "'startswith' is not supported"),
        ("tolower(PersonLastName) eq 'x'", "'tolower' is not supported"),
        ("Addresses/any(a:a eq 'x')", "'Addresses' is not supported"),
        ("Shoe eq 'x'", "Could not find a property named 'Shoe' on type 'Microsoft.Dynamics.DataEntities.CustomerV3'"),
        ("OnHoldStatus eq 'All'", "operand types 'Microsoft.Dynamics.DataEntities.CustVendorBlocked' and 'Edm.String'"),
        (f"OnHoldStatus gt {HOLD}'All'", "incompatible types"),
        (f"OnHoldStatus eq {HOLD}'Perhaps'", "not a valid enumeration type constant"),
        ("OnHoldStatus eq Other.Space'All'", "Unrecognized literal"),
        ("CustomerAccount eq 1", "incompatible types"),
        ("BirthDate ge 1980-01-01", "incompatible types"),
        ("BirthDate ge '1980-01-01T00:00:00Z'", "incompatible types"),
        ("BirthDate ge 1980-13-01T00:00:00Z", "Unrecognized 'Edm.DateTimeOffset' literal"),
        ("CustomerAccount eq 'C-1", "Syntax error"),
        ("CustomerAccount eq", "Syntax error"),
        ("(CustomerAccount eq 'C-1'", "Syntax error"),
        ("CustomerAccount eq 'C-1')", "Syntax error"),
        ("CustomerAccount eq 'C-1' CustomerAccount eq 'C-2'", "Syntax error"),
        ("CustomerAccount", "single boolean value"),
        ("(" * 200 + "CustomerAccount eq 'C-1'" + ")" * 200, "node count limit"),
    ],
)
def test_anything_else_is_refused_with_the_nested_envelope(
    environment: Environment, condition: str, words: str
) -> None:
    """dynamics365.md 2.4 and 2.6"""
    assert words in environment.refusal("CustomersV3", filter=condition)


def test_a_keyset_reads_on_after_the_last_row_across_companies(environment: Environment) -> None:
    """dynamics365.md 2.5: keyset windows"""
    order = "dataAreaId,CustomerAccount"
    found, last = [], ("", "")
    while True:
        condition = f"(dataAreaId gt '{last[0]}' or (dataAreaId eq '{last[0]}' and CustomerAccount gt '{last[1]}'))"
        rows = environment.rows("CustomersV3", filter=condition, orderby=order, top="2", count="true")
        if not rows:
            break
        last = (rows[-1]["dataAreaId"], rows[-1]["CustomerAccount"])
        found += [f"{row['dataAreaId']}|{row['CustomerAccount']}" for row in rows]
    assert found == ALL


def test_a_keyset_combines_with_other_conditions_and_the_company_scope(environment: Environment) -> None:
    """dynamics365.md 2.3 and 2.5"""
    keyset = "(dataAreaId gt 'usmf' or (dataAreaId eq 'usmf' and CustomerAccount gt 'C-1'))"
    order = "dataAreaId,CustomerAccount"
    assert environment.accounts(f"{keyset} and CustomerGroupId eq '20'", orderby=order) == ["usmf|C-3", "usrt|C-1"]
    narrow = environment.get("CustomersV3", filter=keyset, orderby=order).json()["value"]
    assert [row["CustomerAccount"] for row in narrow] == ["C-10", "C-2", "C-3"]
    tail = "dataAreaId eq 'usmf' and CustomerAccount gt 'C-10'"
    assert environment.accounts(tail, orderby=order) == ["usmf|C-2", "usmf|C-3"]


def test_lines_are_read_by_window_and_keyset(environment: Environment) -> None:
    """dynamics365.md 2.5 and 4.6"""
    order = "dataAreaId,InvoiceDate,InvoiceNumber,LineCreationSequenceNumber"
    window = "InvoiceDate ge 2026-01-15T00:00:00Z and InvoiceDate lt 2026-02-02T00:00:00Z"
    found = [
        (row["InvoiceNumber"], row["LineCreationSequenceNumber"])
        for row in environment.rows("SalesInvoiceV2Lines", filter=window, orderby=order)
    ]
    assert found == [("SO-1", 1), ("SO-1", 2), ("SO-2", 1), ("CN-1", 1), ("CN-1", 2)]
    keyset = (
        "(dataAreaId gt 'usmf' or (dataAreaId eq 'usmf' and InvoiceNumber gt 'SO-1') or "
        "(dataAreaId eq 'usmf' and InvoiceNumber eq 'SO-1' and LineCreationSequenceNumber gt 1))"
    )
    by_number = "dataAreaId,InvoiceNumber,LineCreationSequenceNumber"
    nested = (
        "(dataAreaId gt 'usmf' or (dataAreaId eq 'usmf' and (InvoiceNumber gt 'SO-1' or "
        "(InvoiceNumber eq 'SO-1' and LineCreationSequenceNumber gt 1))))"
    )
    for condition in (f"{window} and {keyset}", f"{keyset} and {window}", f"{window} and {nested}"):
        rows = environment.rows("SalesInvoiceV2Lines", filter=condition, orderby=by_number, count="true")
        assert [(row["InvoiceNumber"], row["LineCreationSequenceNumber"]) for row in rows] == [("SO-1", 2), ("SO-2", 1)]
    one = "dataAreaId eq 'usmf' and InvoiceNumber eq 'SO-1' and LineCreationSequenceNumber gt 1"
    assert len(environment.rows("SalesInvoiceV2Lines", filter=one)) == 1


def test_special_characters_survive_the_address(environment: Environment) -> None:
    """dynamics365.md 2.4: quotes doubled, then percent-encoded"""
    odd = "A&B #1+ü/50%"
    key = "usmf|" + odd
    address = "customers/usmf%7CA%26B%20%231%2B%C3%BC%2F50%25"
    assert environment.control("PUT", f"dynamics365/{address}", {"PersonLastName": "D'Arcy"}).status_code == 201
    assert environment.accounts(f"CustomerAccount eq '{odd}'") == [key]
    keyed = environment.call("GET", "CustomersV3(dataAreaId='usmf',CustomerAccount='A%26B%20%231%2B%C3%BC%2F50%25')")
    assert keyed.json()["PersonLastName"] == "D'Arcy"


def test_every_keyset_page_of_many_customers_is_quick(environment: Environment, tmp_path) -> None:
    """Not a contract: a page must cost what it holds, not what lies before it."""
    environment.control("POST", "reset", {"dataset": str(many_customers(tmp_path, 20_000))})
    environment.rows("CustomersV3", top="1")
    condition = "dataAreaId gt 'usmf' or (dataAreaId eq 'usmf' and CustomerAccount gt 'C-19990')"
    answers = [
        environment.get(
            "CustomersV3", cross_company="true", filter=condition, orderby="dataAreaId,CustomerAccount", top="5"
        )
        for _ in range(10)
    ]
    assert [len(answer.json()["value"]) for answer in answers] == [5] * 10
    assert min(answer.elapsed.total_seconds() for answer in answers) < 0.02


@pytest.mark.parametrize(
    ("last", "end"),
    [("le", ("usmf", "C-20", LAST)), ("lt", ("usmf", "C-20"))],
)
def test_a_stretch_between_two_keys_is_read_off_the_index(last: str, end: tuple[Any, ...]) -> None:
    """Not a contract: workers that share a read each cost what they read, not the whole table."""
    text = (
        "(dataAreaId gt 'dat' or (dataAreaId eq 'dat' and CustomerAccount gt 'C-7')) and "
        f"(dataAreaId lt 'usmf' or (dataAreaId eq 'usmf' and CustomerAccount {last} 'C-20'))"
    )
    found = bounds(CUSTOMERS, parts_of(Parser(text).tree()), ("dataAreaId", "CustomerAccount"), None)
    assert (found.low, found.high, found.exact) == (("dat", "C-7", LAST), end, True)


def test_a_list_of_keys_finds_each_of_them_once(environment: Environment) -> None:
    """dynamics365.md 2.4: an or-list of keys"""
    keys = ("usmf|C-3", "usrt|C-1", "usmf|C-1", "usmf|C-1", "usmf|nobody")
    listed = " or ".join(
        f"(dataAreaId eq '{company}' and CustomerAccount eq '{account}')"
        for company, account in (key.split("|") for key in keys)
    )
    assert environment.accounts(listed, count="true") == ["usmf|C-1", "usmf|C-3", "usrt|C-1"]
    in_company = f"({listed}) and (dataAreaId eq 'usmf' or dataAreaId eq 'dat')"
    assert environment.accounts(in_company) == ["usmf|C-1", "usmf|C-3"]


LINE_ORDERS = (
    "dataAreaId,InvoiceNumber,LineCreationSequenceNumber",
    "dataAreaId,InvoiceDate,InvoiceNumber,LineCreationSequenceNumber",
    "InvoiceNumber,LineCreationSequenceNumber",
    "InvoiceDate desc",
    "",
)
VALUES = {
    "dataAreaId": ("'usmf'", "'usrt'"),
    "InvoiceNumber": ("'SO-1'", "'SO-2'", "'CN-1'", "'CN-SO-2'"),
    "InvoiceDate": ("2026-01-15T12:00:00Z", "2026-02-01T12:00:00Z", "2026-01-20T00:00:00Z"),
    "LineCreationSequenceNumber": ("1", "2"),
    "LineAmount": ("3.5", "-4.5"),
}
COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
Condition = tuple[str, Callable[[dict[str, Any]], bool]]


def compared(column: str, verb: str, literal: str) -> Condition:
    """A condition, and what it means, worked out without the emulator."""
    value: Any = literal.strip("'") if not literal.lstrip("-")[0].isdigit() or "T" in literal else float(literal)
    return f"{column} {verb} {literal}", lambda row: COMPARE[verb](row[column], value)


simple = st.sampled_from(sorted(VALUES)).flatmap(
    lambda column: st.builds(
        compared, st.just(column), st.sampled_from(sorted(COMPARE)), st.sampled_from(VALUES[column])
    )
)


def keyset(ways: tuple[str, str], company: str, number: str) -> Condition:
    """What follows a key, or comes before it."""
    way, last = ways
    before, same = compared("dataAreaId", way, company), compared("dataAreaId", "eq", company)
    inner = compared("InvoiceNumber", last, number)
    text = f"({before[0]} or ({same[0]} and {inner[0]}))"
    return text, lambda row: before[1](row) or (same[1](row) and inner[1](row))


keysets = st.builds(
    keyset,
    # The last two are no keysets, but look like one.
    st.sampled_from([("gt", "gt"), ("lt", "lt"), ("lt", "le"), ("lt", "gt"), ("gt", "le")]),
    st.sampled_from(VALUES["dataAreaId"]),
    st.sampled_from(VALUES["InvoiceNumber"]),
)
conditions = st.recursive(
    st.one_of(simple, keysets),
    lambda inner: st.one_of(
        st.builds(lambda a, b: (f"({a[0]} and {b[0]})", lambda row: a[1](row) and b[1](row)), inner, inner),
        st.builds(lambda a, b: (f"({a[0]} or {b[0]})", lambda row: a[1](row) or b[1](row)), inner, inner),
        st.builds(lambda a: (f"not ({a[0]})", lambda row: not a[1](row)), inner),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=conditions, order=st.sampled_from(LINE_ORDERS))
def test_whatever_index_is_walked_the_rows_are_those_that_pass(
    environment: Environment, condition: Condition, order: str
) -> None:
    """Not a contract: the short cuts for keysets and windows must not change what is found"""
    text, passes = condition
    every = environment.rows("SalesInvoiceV2Lines")
    found = environment.rows("SalesInvoiceV2Lines", filter=text, **({"orderby": order} if order else {}))
    tags = sorted(row["@odata.etag"] for row in found)
    assert tags == sorted(row["@odata.etag"] for row in every if passes(row))
    columns = [part.split()[0] for part in order.split(",") if part]
    keys = [tuple(row[column] for column in columns) for row in found]
    assert keys == sorted(keys, reverse="desc" in order)
