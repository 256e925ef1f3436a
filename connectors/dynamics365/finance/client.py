"""Reads Dynamics 365 Finance: the streams, each by keyset over its set's key."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

from connectors.base import Change, Limits, Page, Settings, Stream
from connectors.dynamics365 import auth, metadata, odata
from connectors.dynamics365.finance import columns, mapping
from connectors.dynamics365.finance.invoices import Invoices
from connectors.errors import ConfigurationError, RecordError
from connectors.http import Http

CUSTOMER_ORDER = (odata.Column("dataAreaId"), odata.Column("CustomerAccount"))
KEYS_A_REQUEST = 25
"""No limit of an address' length is documented; integrations stay below this many keys (contract 2.4)."""


class Finance:
    """A Source. Opening it makes no call."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self._settings = settings
        base = settings.text("URL").rstrip("/")
        bearer = auth.bearer(settings, settings.text("SCOPE").replace("{url}", base))
        self._http = Http(settings.connection, f"{base}/data", limits, sign=bearer.sign, renew=bearer.renew)
        self._size = settings.number("PAGE_SIZE")
        self._extra = tuple(name for name in (settings.text("TIER_FIELD"), settings.text("BIRTH_DATE_FIELD")) if name)
        self.streams: Mapping[str, Stream] = {
            "customer": Stream(
                entity="customer",
                change=Change.SCAN,
                key=mapping.customer_key,
                map=mapping.customer_mapping(settings.text("TIER_FIELD"), settings.text("BIRTH_DATE_FIELD")),
            ),
            "sale": Stream(
                entity="sale",
                change=Change.WINDOW,
                key=mapping.sale_key,
                map=mapping.sale_mapping(frozenset(_listed(settings.text("CHARGE_ITEMS")))),
                after="customer",
            ),
        }

    def read(self, stream: str, since: str, resume: str = "") -> Iterator[Page]:
        if stream == "sale":
            return self._invoices.read(since, resume)
        return self._read_customers(resume)

    def fetch(self, stream: str, keys: Sequence[str]) -> Iterator[Page]:
        if stream == "sale":
            return self._invoices.fetch(keys)
        return self._fetch_customers(keys)

    def keys(self, stream: str) -> Iterator[Sequence[str]]:
        if stream == "sale":
            yield from self._invoices.keys()
            return
        for page in self._customers([column.name for column in CUSTOMER_ORDER]).pages():
            yield [key for row in page.rows if (key := _key(row))]

    def check(self) -> str:
        """Asks for the customers with and without all companies: a token for one company would read only that."""
        entity_set = self._settings.text("CUSTOMERS_SET")
        self._columns("CUSTOMERS_SET", columns.CUSTOMER_REQUIRED, ())
        _ = self._invoices  # names what this tenant lacks
        everywhere, here = self._count(entity_set, "true"), self._count(entity_set, "")
        companies = list(islice(self._companies(entity_set), 100))
        if not companies:
            return f"Answers; no customer is visible in {entity_set}."
        known = {name.lower() for name in companies}
        absent = [name for name in _listed(self._settings.text("COMPANIES")) if name.lower() not in known]
        if absent:
            raise ConfigurationError(
                f"{self._http.system}: no customer is visible in the company {', '.join(absent)}.",
                system=self._http.system,
                remedy="Correct COMPANIES, or give the application's user access to that company.",
            )
        noun = "company" if len(companies) == 1 else "companies"
        default = f" ({here:,} in the default company)" if here != everywhere else ""
        return f"Answers; {len(companies)} {noun}, {everywhere:,} customers{default}."

    def _read_customers(self, resume: str) -> Iterator[Page]:
        start = json.loads(resume) if resume else ()
        select = self._columns("CUSTOMERS_SET", columns.CUSTOMER_REQUIRED, (*columns.CUSTOMER_OPTIONAL, *self._extra))
        for page in self._customers(select).pages(start):
            resume = self._after(page.rows, resume)
            yield Page(page.rows, resume, watermark=None if page.more else "", total=page.count)

    @staticmethod
    def _after(rows: Sequence[bytes], before: str) -> str:
        key = next((key for row in reversed(rows) if (key := odata.key_values(row, CUSTOMER_ORDER))), None)
        return json.dumps(key) if key else before

    def _fetch_customers(self, keys: Sequence[str]) -> Iterator[Page]:
        select = self._columns("CUSTOMERS_SET", columns.CUSTOMER_REQUIRED, (*columns.CUSTOMER_OPTIONAL, *self._extra))
        for start in range(0, len(keys), KEYS_A_REQUEST):
            asked = set(keys[start : start + KEYS_A_REQUEST])
            rows = [row for page in self._customers(select, _any_of(asked)).pages() for row in page.rows]
            yield Page([row for row in rows if _key(row) in asked])

    def _customers(self, select: Sequence[str], where: str = "") -> odata.KeysetRead:
        return odata.KeysetRead(
            self._http,
            self._settings.text("CUSTOMERS_SET"),
            CUSTOMER_ORDER,
            self._size,
            select,
            [part for part in (where, self._company_filter) if part],
        )

    def _count(self, entity_set: str, cross_company: str) -> int:
        options = {"cross-company": cross_company, "$filter": self._company_filter, "$count": "true", "$top": "1",
                   "$select": "dataAreaId,CustomerAccount"}  # fmt: skip
        return odata.page(self._http.get(odata.address(entity_set, options), headers=odata.HEADERS)).count or 0

    def _companies(self, entity_set: str) -> Iterator[str]:
        """The companies with customers, one request each: the first row after the last company seen."""
        last = ""
        while True:
            options = {"cross-company": "true", "$filter": f"dataAreaId gt {odata.text(last)}" if last else "",
                       "$select": "dataAreaId,CustomerAccount", "$orderby": "dataAreaId", "$top": "1"}  # fmt: skip
            page = odata.page(self._http.get(odata.address(entity_set, options), headers=odata.HEADERS))
            found = [key for row in page.rows if (key := odata.key_values(row, CUSTOMER_ORDER[:1]))]
            if not found or found[0][0] == last:
                return
            last = found[0][0]
            yield last

    @cached_property
    def _metadata(self) -> metadata.Metadata:
        return metadata.read(self._http)

    def _columns(self, setting: str, required: Sequence[str], optional: Sequence[str]) -> list[str]:
        return self._metadata.select(self._settings.text(setting), required, optional)

    @cached_property
    def _company_filter(self) -> str:
        companies = _listed(self._settings.text("COMPANIES"))
        return "(" + " or ".join(f"dataAreaId eq {odata.text(name)}" for name in companies) + ")" if companies else ""

    @cached_property
    def _invoices(self) -> Invoices:
        return Invoices(
            self._http,
            self._size,
            (self._settings.text("INVOICES_SET"), self._settings.text("INVOICE_LINES_SET")),
            (
                self._columns("INVOICES_SET", columns.HEADER_REQUIRED, columns.HEADER_OPTIONAL),
                self._columns("INVOICE_LINES_SET", columns.LINE_REQUIRED, columns.LINE_OPTIONAL),
            ),
            self._company_filter,
            self._settings.number("LOOKBACK_DAYS"),
        )


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _any_of(keys: set[str]) -> str:
    """Finds at least these keys. A `*` in `eq` is a wildcard there, so what comes back is compared again."""
    parts = (key.partition("|") for key in sorted(keys))
    named = (
        f"({odata.company(company)} and CustomerAccount eq {odata.text(account)})" for company, _, account in parts
    )
    return "(" + " or ".join(named) + ")"


def _key(row: bytes) -> str:
    """The row's key; empty when it has none, which whoever maps the row will say."""
    try:
        return mapping.customer_key(row)
    except RecordError:
        return ""
