"""No row, however damaged, raises anything but a RecordError; a mapping is tried before it is used (contract 8)."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.base import Unlimited
from connectors.errors import ConfigurationError, RecordError
from connectors.prima import site_files, trial, try_mapping
from connectors.prima.model import STREAMS
from connectors.registry import connections
from tests.connectors.prima.soap_server import envelope, response

SAMPLES = Path(site_files.__file__).parent / "samples"
SOURCE = connections({"CONNECTIONS": "erp", "ERP_CONNECTOR": "prima", "ERP_URL": "http://127.0.0.1:9/x"})["erp"].open(
    Unlimited()
)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40) | st.sampled_from(
    [
        "?",
        "",
        "-",
        "1e99",
        "NaN",
        "31/02/2024",
        "01/01/0001 00:00:00",
        "31/12/9999 23:59:59",
        "Yes",
        "99999999999999999999",
    ]
)


def rows_of(stream: str) -> list[str]:
    cases = json.loads((SAMPLES / f"{stream}.json").read_text(encoding="utf-8"))
    return [case["raw"] for case in cases if "raw" in case and "<" in case["raw"]]


@pytest.mark.parametrize("stream", STREAMS)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_no_element_raises_anything_but_a_record_error(stream: str, data: Any) -> None:
    head, _, body = data.draw(st.sampled_from(rows_of(stream))).rpartition("\n")
    root = etree.fromstring(body)
    for _ in range(data.draw(st.integers(1, 3))):
        element = data.draw(st.sampled_from(list(root.iter())))
        if element.attrib:
            name = data.draw(st.sampled_from(sorted(element.attrib)))
            element.set(name, data.draw(words))
    raw = (f"{head}\n" if head else "").encode() + etree.tostring(root, method="c14n")
    for call in (SOURCE.streams[stream].key, SOURCE.streams[stream].map):
        with contextlib.suppress(RecordError):
            call(raw)


@pytest.mark.parametrize("stream", STREAMS)
@settings(max_examples=60, deadline=None)
@given(
    raw=st.binary(max_size=200), prefix=st.sampled_from([b"", b"<", b'{"part":"line"}\n', b'{"part":1}\n<a/>', b"{"])
)
def test_no_bytes_raise_anything_but_a_record_error(stream: str, raw: bytes, prefix: bytes) -> None:
    for call in (SOURCE.streams[stream].key, SOURCE.streams[stream].map):
        with contextlib.suppress(RecordError):
            call(prefix + raw)


ORDER = (
    '<Order OrderNumber="{number}" Customer="C1" OrderStatus="{status}" OrderDate="28/02/2024 19:22:00" Currency="GBP"'
    ' OrderTotal="5.00"><OrderLineData OrderLine="1" Product="X" Quantity="1" LineValue="5.00"/></Order>'
)


def captured(*statuses: str) -> str:
    return response("".join(ORDER.format(number=number, status=status) for number, status in enumerate(statuses)))


@pytest.mark.parametrize("whole", [True, False])
def test_a_trial_counts_fills_codes_and_parked_records(whole: bool) -> None:
    document = '<?xml version="1.0" encoding="ISO-8859-1"?>' + captured("Open", "Odd", "odd", "Open", "Cancelled")
    reply = envelope(document) if whole else document.encode()
    report = trial.test_mapping(site_files.load(""), reply, "order")
    assert report.records == 5
    assert (report.filled["number"], report.of["number"]) == (5, 5)
    assert (report.filled["campaign"], report.filled["lines.amount"]) == (0, 5)
    assert report.unmapped["status"] == {"Odd": 1, "odd": 1}
    assert [key for key, _ in report.parked] == ["1", "2"]
    assert len(report.first) == 3
    assert report.missing == []


@pytest.mark.parametrize("entity", ["customer", "consent", "credit", "despatch", "stock", "available"])
def test_every_entity_can_be_tried(entity: str) -> None:
    report = trial.test_mapping(site_files.load(""), response("<Customer/><Credit/><Despatch/><SKU/>").encode(), entity)
    assert report.records == 1
    assert report.parked
    assert report.missing


def test_the_command_prints_the_report_and_fails_when_a_required_field_is_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = tmp_path / "reply.xml"
    reply.write_text(captured("Open"))
    mapping = str(site_files.ASSUMED)
    assert try_mapping.main([mapping, str(reply), "order"]) == 0
    assert "order, mapping assumed/2/" in capsys.readouterr().out
    reply.write_text(captured("Open").replace("OrderTotal", "GrandTotal"))
    assert try_mapping.main([mapping, str(reply), "order"]) == 1
    assert "REQUIRED AND NOWHERE: total" in capsys.readouterr().out
    reply.write_text("<html><title>Error</title></html>")
    assert try_mapping.main([mapping, str(reply), "order"]) == 1
    assert try_mapping.main([mapping, str(reply), "invoice"]) == 2
    assert try_mapping.main([mapping]) == 2
    assert "describes no invoice" in capsys.readouterr().err


def test_an_entity_that_is_not_described_cannot_be_tried() -> None:
    with pytest.raises(ConfigurationError, match="describes no invoice"):
        trial.test_mapping(site_files.load(""), b"", "invoice")
