"""Prima's published and assumed documents (contract 3 to 7), at the emulated Prima and at the connector."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from connectors import errors
from connectors.emulators.server import running
from connectors.prima.envelope import BusinessError
from tests.connectors.conftest import opened
from tests.connectors.prima.soap_server import PATH, SoapServer
from tests.emulators.prima.site import Site, parsed, retailer
from tests.vectors.published import vectors


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = retailer(tmp_path_factory.mktemp("fashion"))
    with running() as root:
        site = Site(root)
        assert site.control("POST", "reset", {"dataset": str(folder)}).ok
        yield site
        site.session.close()


def members(element: ElementTree.Element) -> dict[str, set[str]]:
    """Every kind of element in a document with the attributes that it has somewhere."""
    found: dict[str, set[str]] = {}
    for one in element.iter():
        found.setdefault(one.tag, set()).update(one.attrib)
    return found


@pytest.mark.parametrize("vector", vectors("prima", "request"))
def test_the_emulator_answers_a_published_request_in_the_published_form(site: Site, vector: Mapping[str, Any]) -> None:
    for path, values in vector.get("given", {}).items():
        assert site.control("PATCH", f"prima/{path}", values).status_code == 200
    answer = parsed(site.text("".join(vector["request"])))
    published = parsed("".join(vector["reply"]))
    assert answer.get("RequestStatus") == published.get("RequestStatus")
    assert members(answer) == members(published)


@pytest.fixture
def soap(server: HTTPServer) -> SoapServer:
    return SoapServer(server)


def source_of(server: HTTPServer) -> Any:
    return opened("prima", server, {"URL": "{server}" + PATH})


@pytest.mark.parametrize("vector", [one for one in vectors("prima", "connector") if "fault" not in one.values[0]])
def test_the_connector_understands_a_published_reply(
    server: HTTPServer, soap: SoapServer, vector: Mapping[str, Any]
) -> None:
    soap.says("".join(vector["reply"]))
    source, wanted = source_of(server), vector["connector"]
    if "raises" in wanted:
        with pytest.raises(BusinessError, match=wanted["says"]):
            list(source.read(wanted["stream"], ""))
        return
    pages, stream = list(source.read(wanted["stream"], "")), source.streams[wanted["stream"]]
    records = [stream.map(row).record for page in pages for row in page.rows]
    assert [[one.key, type(one).__name__] for one in records] == [gives[:2] for gives in wanted["gives"]]
    for record, (_, _, values) in zip(records, wanted["gives"], strict=True):
        assert {name: str(getattr(record, name)) for name in values} == values
    assert pages[-1].watermark == wanted["watermark"]


@pytest.mark.parametrize("vector", vectors("prima", "fault"))
def test_a_published_fault_is_told_with_its_cause_and_the_id_to_quote(
    server: HTTPServer, soap: SoapServer, slept: list[float], vector: Mapping[str, Any]
) -> None:
    soap.says(Response("".join(vector["fault"]), 500, content_type="text/xml; charset=utf-8"))
    with pytest.raises(errors.ConnectorError) as raised:
        list(source_of(server).read(vector["connector"]["stream"], ""))
    told = " ".join((raised.value.message, raised.value.reply, raised.value.remedy))
    assert [words for words in vector["connector"]["says"] if words not in told] == []
