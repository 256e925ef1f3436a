"""An OData server of as many pages as its path says (/40/CustomersV3): rows are made as they are asked for.

A program of its own, so that its memory is not the reader's; it prints its port. One company; row n has the key n
in every set, so that each order has one line.
"""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SIZE = 250
AFTER = re.compile(r"(?:CustomerAccount|SalesOrderNumber|InventoryLotId) (?:gt|ge) '[A-Z]+-(\d+)")


def rows(name: str, pages: int, asked: str) -> Iterator[dict[str, str]]:
    if asked.startswith("dataAreaId gt") or name.startswith("Voided"):
        return  # no other company
    reached = max([int(number) for number in AFTER.findall(asked)], default=0)
    for number in range(reached + 1, min(reached + SIZE, pages * SIZE) + 1):
        yield {"dataAreaId": "usmf", "CustomerAccount": f"C-{number:09}", "SalesOrderNumber": f"SO-{number:09}",
               "OrderingCustomerAccountNumber": "C-1", "InventoryLotId": f"L-{number:09}",
               "PersonFirstName": "x" * 400, "LineDescription": "x" * 400}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        _, pages, name = address.path.split("/")
        asked = parse_qs(address.query).get("$filter", [""])[0]
        found = list(rows(name, int(pages), asked)) if name != "$metadata" else []
        body = json.dumps({"value": found}).encode()
        self.send_response(404 if name == "$metadata" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_message: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
