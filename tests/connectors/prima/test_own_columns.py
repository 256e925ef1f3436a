"""A site's own columns of Prima: paths, read with the site's formats."""

import json
from pathlib import Path

import pytest
from lxml import etree

from connectors.base import Unlimited
from connectors.errors import ConfigurationError
from connectors.extra import ExtraField, extended
from connectors.prima import site_files
from connectors.prima.own_columns import paths_of
from connectors.registry import connections

ENVIRONMENT = {"CONNECTIONS": "erp", "ERP_CONNECTOR": "prima", "ERP_URL": "http://127.0.0.1:9/x"}
RAW = json.loads((Path(site_files.__file__).parent / "samples/customer.json").read_text())[0]["raw"]


def row(**attributes: str) -> bytes:
    element = etree.fromstring(RAW)
    for name, value in attributes.items():
        element.set(name, value)
    etree.SubElement(element, "Loyalty").set("points", "1,250.50")
    return bytes(etree.tostring(element, method="c14n"))


def test_paths_are_read_with_the_sites_own_formats() -> None:
    source = connections(ENVIRONMENT)["erp"].open(Unlimited())
    extra = [
        ExtraField(source="@memberSince", target="1", name="Member since", reader="date"),
        ExtraField(source="Loyalty/@points", target="2", name="Points", reader="decimal"),
        ExtraField(source="@nowhere", target="3", name="Nowhere"),
        ExtraField(source="@odd", target="4", name="Odd", reader="date"),
    ]
    columns = source.extend("customer", {one.source: one.reader for one in extra})
    stream = extended(source.streams["customer"], extra, columns)
    raw = row(memberSince="03/02/2024", odd="soon")
    mapped = stream.map(raw)
    assert dict(mapped.record.extra) == {"Member since": "2024-02-03", "Points": "1250.5", "Nowhere": ""}
    assert ("Odd", "invalid_date") in [(fault.field, fault.kind) for fault in mapped.faults]
    assert {"@membersince", "loyalty/@points"} <= set(paths_of(raw))


def test_what_is_no_path_is_refused() -> None:
    source = connections(ENVIRONMENT)["erp"].open(Unlimited())
    with pytest.raises(ConfigurationError, match="no path"):
        source.extend("customer", {"//Customer[1]": "text"})
