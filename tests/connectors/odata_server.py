"""A small OData server for tests: our filter dialect, $top, $count, and server pages of any size."""

import json
import re
from collections.abc import Callable
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

Row = dict[str, Any]
_TOKEN = re.compile(r"'(?:[^']|'')*'|[()]|[^\s()]+")
_ENUM = re.compile(r"[\w.]+('\w+')\Z")
_OPERATORS = {"eq": "==", "gt": ">", "ge": ">=", "le": "<=", "and": "and", "or": "or", "(": "(", ")": ")"}


class ODataServer:
    """Serves `sets` below /data; `page` is the most rows it gives at once; `asked` are the requests."""

    def __init__(self, server: HTTPServer, sets: dict[str, list[Row]], page: int = 10_000) -> None:
        self.sets, self.page, self.asked = sets, page, list[Request]()
        self.links = True
        self.before: Callable[[Request], Response | None] = lambda request: None
        self.metadata: bytes | None = None
        server.expect_request(re.compile("/data/.*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        name = request.path.removeprefix("/data/")
        if name == "$metadata":
            return Response(self.metadata or b"", 200 if self.metadata else 404, content_type="application/xml")
        self.asked.append(request)
        return self.before(request) or json_response(self._page(name, request))

    def _page(self, name: str, request: Request) -> Row:
        found = [row for row in self.sets[name] if matches(request.args.get("$filter", ""), row)]
        columns = request.args.get("$orderby", "").split(",")
        found.sort(key=lambda row: [row.get(column, "") for column in columns if column])
        if request.args.get("cross-company") != "true":
            found = [row for row in found if row["dataAreaId"] == "usmf"]
        top = int(request.args["$top"])
        page: Row = {"value": [{"@odata.etag": 'W/"JzAs"', **row} for row in found[: min(top, self.page)]]}
        if request.args.get("$count"):
            page["@odata.count"] = len(found)
        if self.links and self.page < top and len(found) > self.page:
            page["@odata.nextLink"] = f"http://elsewhere.example.com/data/{name}?$skip={self.page}"
        return page


def json_response(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


def matches(expression: str, row: Row) -> bool:
    """Whether the row fits the filter, the literals compared as Python compares them."""
    words = []
    for token in _TOKEN.findall(expression):
        if token in _OPERATORS:
            words.append(_OPERATORS[token])
        elif enum := _ENUM.match(token):
            words.append(enum[1])
        elif token.startswith("'"):
            words.append(repr(token[1:-1].replace("''", "'")))
        elif re.match(r"\d{4}-\d\d-\d\dT", token):
            words.append(repr(token))
        elif re.match(r"-?\d", token):
            words.append(token)
        else:
            words.append(repr(row[token]))
    return bool(eval(" ".join(words))) if words else True


def customer(account: str, company: str = "usmf", **values: Any) -> Row:
    return {"dataAreaId": company, "CustomerAccount": account, "PersonFirstName": "Ana", **values}


def header(number: str, day: str = "2026-01-15", company: str = "usmf", **values: Any) -> Row:
    return {
        "dataAreaId": company,
        "InvoiceNumber": number,
        "InvoiceDate": f"{day}T12:00:00Z",
        "InvoiceCustomerAccountNumber": "C-1",
        "CurrencyCode": "GBP",
        "TotalInvoiceAmount": 5,
        **values,
    }


def line(number: str, sequence: int = 1, day: str = "2026-01-15", company: str = "usmf", **values: Any) -> Row:
    return {
        "dataAreaId": company,
        "InvoiceNumber": number,
        "InvoiceDate": f"{day}T12:00:00Z",
        "LineCreationSequenceNumber": sequence,
        "ProductNumber": "MUG-1",
        "InvoicedQuantity": 1,
        "LineAmount": 5,
        **values,
    }


def order(number: str, day: str = "2026-01-15", company: str = "usmf", **values: Any) -> Row:
    return {
        "dataAreaId": company,
        "SalesOrderNumber": number,
        "OrderingCustomerAccountNumber": "C-1",
        "SalesOrderStatus": "Backorder",
        "OrderCreationDateTime": f"{day}T09:30:00Z",
        "CurrencyCode": "GBP",
        **values,
    }


def order_line(number: str, lot: str = "L-1", company: str = "usmf", **values: Any) -> Row:
    return {
        "dataAreaId": company,
        "SalesOrderNumber": number,
        "InventoryLotId": lot,
        "ItemNumber": "MUG-1",
        "OrderedSalesQuantity": 1,
        "LineAmount": 5,
        "SalesOrderLineStatus": "Backorder",
        **values,
    }


def parcel(number: str, slip: str = "PS-1", tracking: str = "1Z1", day: str = "2026-01-16", **values: Any) -> Row:
    return {
        "dataAreaId": "usmf",
        "SalesOrderNumber": number,
        "PackingSlipNumber": slip,
        "DeliveryDate": f"{day}T12:00:00Z",
        "TrackingNumber": tracking,
        "TrackingURL": f"https://carrier.example/{tracking}",
        **values,
    }
