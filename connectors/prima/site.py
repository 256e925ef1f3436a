"""What a site mapping file may say (contract 8), as types. Names, paths, formats and tables: no conditions."""

from typing import Annotated, Literal

import msgspec

Text = str | int
Count = Annotated[int, msgspec.Meta(ge=0)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Endpoint(_Strict, frozen=True, kw_only=True):
    """`auto` finds the part itself: the only text input (the second of two for comwsomhandler), the output
    that holds XML."""

    operation: str = "wsomhandler"
    company_id: Text | None = None
    target_uri: str = "urn:omlink"
    input_part: str = "auto"
    company_part: str = "auto"
    output_part: str = "auto"


class Defaults(_Strict, frozen=True, kw_only=True):
    timezone: str = "Europe/London"
    date: str = "%d/%m/%Y"
    datetime: str = "%d/%m/%Y %H:%M:%S"
    yes: tuple[str | int | bool, ...] = ("yes", "y", "true", "1")
    no: tuple[str | int | bool, ...] = ("no", "n", "false", "0")
    decimal_point: str = "."
    thousands: str = ","
    overlap_minutes: Count = 10
    country: str = ""
    """The country whose numbers phones without a country code are dialled in, where the record names none."""


class Request(_Strict, frozen=True, kw_only=True):
    """`params` are attributes of Data, or of elements in it; {since}, {cursor} and {key} stand for what is asked."""

    type: str
    params: dict[str, Text] = {}


class Paging(_Strict, frozen=True, kw_only=True):
    """Paths below the reply's root."""

    more: str = ""
    next: str = ""
    clock: str = ""


class ByKey(_Strict, frozen=True, kw_only=True):
    """A request for one record. `absent` are texts of RequestError that say there is none."""

    type: str
    params: dict[str, Text] = {}
    record: str = ""
    absent: list[str] = []


class Field(_Strict, frozen=True, kw_only=True):
    """Exactly one of path, first_of, template and const says where the value comes from. With `in_every_reply` a
    reply none of whose live records holds it, not even empty, stops the read: it was renamed, or is gone. `false`
    says that it may be missing from any number of records; without a word many of them decide (presence)."""

    path: Text | None = None
    first_of: list[Text] | None = None
    template: str | None = None
    const: str | None = None
    type: Literal["text", "date", "datetime", "decimal", "yes_no", "enum"] = "text"
    required: bool = False
    strip_prefix: str = ""
    format: str = ""
    timezone: str = ""
    table: str = ""
    on_unknown: Literal["park", "keep"] | None = "park"
    on_missing: str | None = None
    in_every_reply: bool | None = None


class Children(_Strict, frozen=True, kw_only=True):
    record: str
    fields: dict[str, Field]


class File(_Strict, frozen=True, kw_only=True):
    """The entity as a flat file (contract 9). `name` begins the file's name, `full` that of the monthly full
    file. `lines` names the file with the lines of these headers; without one, rows that share `lines_key` are one
    record and each is a line of it. `lines_key` is the column, `lines_record` what children.lines.record says.

    `complete` is how a whole file is told; a `.done` marker always counts. `widths` are columns of fixed width,
    `codes` columns that are text, `dates` columns with dates: what a spreadsheet spoils in them is found.
    """

    name: str
    full: str = ""
    kind: Literal["delta", "full"] = "delta"
    lines: str = ""
    lines_key: str = ""
    lines_record: str = "lines"
    encoding: str = "windows-1252"
    delimiter: Literal["auto", ",", "|", ";", "\t"] = "auto"
    complete: Literal["renamed", "done", "trailer", "unchanged"] = "unchanged"
    trailer: str = "TRAILER"
    keep_days: Count = 90
    widths: dict[str, int] = {}
    codes: list[str] = []
    dates: list[str] = []


class Entity(_Strict, frozen=True, kw_only=True):
    record: str
    fields: dict[str, Field]
    key: str | list[str] = []
    """Paths whose values are joined by `|`, all of them required; or one template, whose parts may be empty."""
    request: Request | None = None
    page: Paging = Paging()
    mode: Literal["changed", "full"] = "changed"
    changed: str = ""
    volatile: list[str] = []
    children: dict[str, Children] = {}
    by_key: ByKey | None = None
    reread_days: Annotated[int, msgspec.Meta(ge=1)] = 31
    file: File | None = None


class Rules(_Strict, frozen=True, kw_only=True):
    """Lists and choices of the site. Codes are compared trimmed and without case; account and e-mail patterns
    know `*` and `?`. Carrier templates are found by `CARRIER/SERVICE`, else `CARRIER`; {consignment} stands for the
    number."""

    internal_customer_types: list[str] = []
    internal_email_domains: list[str] = []
    internal_accounts: list[str] = []
    placeholder_emails: list[str] = []
    wholesale_customer_types: list[str] = []
    exclude_wholesale: bool = True
    unproven_consent_sources: list[str] = []
    own_consent_sources: list[str] = []
    service_codes: list[str] = []
    price_basis: Literal["unit", "line"] = "unit"
    trade_discount: Literal["amount", "percent"] = "amount"
    negative_lines: Literal["sale", "return"] = "sale"
    credit_sign: Literal["positive", "negative"] = "positive"
    physical_includes_quarantine: bool = True
    sellable_warehouses: list[str] = []
    stock_from: Literal["stock", "available"] = "stock"
    carriers: dict[str, str] = {}


class ConsentWrite(_Strict, frozen=True, kw_only=True):
    """`params` take {delivery}, {customer}, {at} and {source}. `unchanged`: what is sent for flags that do not
    change (contract 7.3): no attribute, an empty one, or what the site holds now."""

    type: str = ""
    params: dict[str, Text] = {}
    flags: dict[str, str] = {}
    unchanged: Literal["omit", "empty", "current"] = "omit"
    source: str = "EMARSYS"
    yes: str = "Yes"
    no: str = "No"
    file: str = "consent_out"
    delimiter: Literal[",", "|", ";"] = ","


class Site(_Strict, frozen=True, kw_only=True):
    site: str
    version: Annotated[int, msgspec.Meta(ge=1)]
    entities: dict[str, Entity]
    endpoint: Endpoint = Endpoint()
    defaults: Defaults = Defaults()
    tables: dict[str, dict[str, str]] = {}
    rules: Rules = Rules()
    consent_write: ConsentWrite = ConsentWrite()


CUSTOMER = frozenset(
    "account type status merged_to email first_name last_name organisation phone street1 street2 street3 street4 "
    "street5 city postcode country language birth_date loyalty_tier on_hold".split()
)
CONSENT = frozenset("account type status merged_to address email sms post phone at source evidence".split())
CHANNELS = ("email", "sms", "post", "phone")
ORDER = frozenset(
    "number customer channel status wholesale placed_at changed_at currency prices_include_tax goods discount tax "
    "total campaign".split()
)
ORDER_LINE = frozenset("line product sku name quantity price amount discount shipped cancelled status campaign".split())
CHARGE = frozenset("code amount".split())
CREDIT = frozenset("number type order customer credited_at currency total".split())
CREDIT_LINE = frozenset("line product sku name quantity amount".split())
DESPATCH = frozenset(
    "number order customer status warehouse despatched_at carrier service consignment tracking_url".split()
)
DESPATCH_LINE = frozenset("order_line sku quantity".split())
STOCK = frozenset("sku warehouse physical allocated quarantined reserved free on_order expected_on".split())

FIELDS: dict[str, frozenset[str]] = {
    "customer": CUSTOMER,
    "consent": CONSENT,
    "order": ORDER,
    "credit": CREDIT,
    "despatch": DESPATCH,
    "stock": STOCK,
    "available": STOCK,
}
"""The fields that each entity of a site file may give."""

CHILDREN: dict[str, dict[str, frozenset[str]]] = {
    "order": {"lines": ORDER_LINE, "charges": CHARGE},
    "credit": {"lines": CREDIT_LINE},
    "despatch": {"lines": DESPATCH_LINE},
}

REQUIRED: dict[str, frozenset[str]] = {
    "customer": frozenset({"account"}),
    "consent": frozenset({"account"}),
    "order": frozenset({"number", "customer", "status", "placed_at", "currency", "total"}),
    "order.lines": frozenset({"line", "sku", "quantity"}),
    "order.charges": frozenset({"code", "amount"}),
    "credit": frozenset({"number", "customer", "credited_at", "currency", "total"}),
    "credit.lines": frozenset({"line", "amount"}),
    "despatch": frozenset({"order", "despatched_at"}),
    "despatch.lines": frozenset(),
    "stock": frozenset({"sku"}),
    "available": frozenset({"sku", "free"}),
}
"""What a site file must give for an entity that it names."""
