"""A site's own columns of Dataverse: asked for, read exactly, absent where a table lacks them."""

from typing import Any

from pytest_httpserver import HTTPServer

from connectors.extra import ExtraField, extended
from tests.connectors.dataverse.web_api_server import WebApi, contact


def test_own_columns_are_asked_for_and_read(server: HTTPServer, dataverse: Any) -> None:
    api = WebApi(server, {"contacts": [contact(1, new_points=12.5, new_vip=True), contact(2)]})
    api.columns["contacts"] |= {"new_points", "new_vip"}
    source = dataverse()
    assert source.columns("customer") == [], "this server tells nothing of itself"
    extra = [
        ExtraField(source="new_points", target="1", name="Points", reader="decimal"),
        ExtraField(source="new_vip", target="2", name="Important", reader="yes_no"),
    ]
    columns = source.extend("customer", {one.source: one.reader for one in extra})
    stream = extended(source.streams["customer"], extra, columns)
    records = [stream.map(row).record for page in source.read("customer", "") for row in page.rows]
    found = {record.account: dict(record.extra) for record in records}
    assert found["C-1"] == {"Points": "12.5", "Important": "yes"}
    assert any("new_points,new_vip" in request.url for request in api.asked)
