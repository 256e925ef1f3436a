"""A site's source at a service of the test's own making."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from connectors.base import Page
from connectors.prima.site_files import ASSUMED
from tests.connectors.conftest import opened, running_server, server, slept
from tests.connectors.prima.soap_server import PATH, SoapServer

__all__ = ["running_server", "server", "slept"]


@pytest.fixture
def soap(server: HTTPServer) -> SoapServer:
    return SoapServer(server)


@pytest.fixture
def prima(server: HTTPServer) -> Callable[..., Any]:
    """Its samples are of 2024: events are read as far back as that."""
    return lambda **settings: opened("prima", server, {"URL": "{server}" + PATH, "EVENT_DAYS": "36500", **settings})


def rows(pages: Any) -> list[bytes]:
    return [row for page in pages for row in page.rows]


def mapped(source: Any, stream: str, pages: list[Page] | None = None) -> list[Any]:
    pages = list(source.read(stream, "")) if pages is None else pages
    return [source.streams[stream].map(row) for row in rows(pages)]


def site(tmp_path: Path, *changes: tuple[str, str]) -> str:
    """The path of the assumed site's file with these changes."""
    text = ASSUMED.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
