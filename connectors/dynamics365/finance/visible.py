"""What a connection sees of an environment: customers and companies, for the test of a connection."""

from collections.abc import Iterator, Mapping
from itertools import islice

from connectors.dynamics365 import odata
from connectors.dynamics365.finance.tenant import COMPANY, Table, Tenant
from connectors.errors import ConfigurationError


def visible(tenant: Tenant, customers: Table) -> str:
    """Asks for the customers with and without all companies: a token for one company would read only that.

    Raises ConfigurationError when a company that the settings name is not among them.
    """
    everywhere, here = _count(customers, customers.options), _count(customers, {})
    counted = "customers, which it does not count" if everywhere is None else f"{everywhere:,} customers"
    if not tenant.keys.companies:
        return f"Answers; {counted}."
    companies = list(islice(_companies(customers), 100))
    if not companies:
        return f"Answers; no customer is visible in {customers.entity_set}."
    known = {name.lower() for name in companies}
    absent = [name for name in tenant.companies if name.lower() not in known]
    if absent:
        raise ConfigurationError(
            f"{tenant.http.system}: no customer is visible in the company {', '.join(absent)}.",
            system=tenant.http.system,
            remedy="Correct COMPANIES, or give the application's user access to that company.",
        )
    noun = "company" if len(companies) == 1 else "companies"
    default = f" ({here:,} in the default company)" if here not in (everywhere, None) else ""
    return f"Answers; {len(companies)} {noun}, {counted}{default}."


def _count(table: Table, options: Mapping[str, str]) -> int | None:
    asked = {**options, "$filter": table.company_filter, "$count": "true", "$top": "1", "$select": _key(table)}
    return _page(table, asked).count


def _companies(table: Table) -> Iterator[str]:
    """The companies with customers, one request each: the first row after the last company seen."""
    last = ""
    company = table.column(COMPANY)
    while True:
        options = {**table.options, "$filter": f"{company.asked} gt {odata.text(last)}" if last else "",
                   "$select": _key(table), "$orderby": company.asked, "$top": "1"}  # fmt: skip
        rows = _page(table, options).rows
        found = [key for row in rows if (key := odata.key_values(row, [odata.Column(company.asked)]))]
        if not found or found[0][0] == last:
            return
        last = found[0][0]
        yield last


def _page(table: Table, options: Mapping[str, str]) -> odata.ODataPage:
    return odata.page(table.http.get(odata.address(table.entity_set, options), headers=odata.HEADERS))


def _key(table: Table) -> str:
    return ",".join(column.asked for column in table.order(COMPANY, "CustomerAccount"))
