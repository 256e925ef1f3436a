"""Fetch pip itself, for a Python that was packaged without ``ensurepip``.

The version and its hash are fixed here, so it does not matter which mirror answers. The index is the one pip would
use: ``PIP_INDEX_URL``, else ``index-url`` in pip's configuration files, else Python's public index (PEP 503).
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import html.parser
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

WHEEL = "pip-26.3-py3-none-any.whl"
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
PUBLIC_INDEX = "https://pypi.org/simple"
TIMEOUT = 30  # seconds
LARGEST = 20 * 2**20  # bytes; the wheel is 2 MB


class NoPipError(Exception):
    """pip could not be had; the message says what to do."""


def download(folder: Path) -> Path:
    """Store pip's wheel in the folder, its hash checked."""
    index = _index()
    try:
        link = _link(f"{index.rstrip('/')}/pip/")
        content = _get(link)
    except (OSError, ValueError) as problem:
        raise NoPipError(
            f"pip could not be fetched from the package index ({problem}). Nothing was changed. This needs the network "
            "once, PIP_INDEX_URL set to a mirror, or your system's package python3-venv (apt install python3-venv)."
        ) from None
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise NoPipError(f"The index sent a {WHEEL} whose hash is not the expected one; nothing was changed.")
    wheel = folder / WHEEL
    wheel.write_bytes(content)
    return wheel


def _index() -> str:
    return os.environ.get("PIP_INDEX_URL") or _configured("index-url") or PUBLIC_INDEX


def _configured(option: str) -> str:
    """The option as pip's own configuration files give it, the most personal file last."""
    home = Path.home()
    files = [Path("/etc/pip.conf"), Path("/etc/xdg/pip/pip.conf"), home / ".pip" / "pip.conf"]
    if sys.platform == "darwin":
        files += [Path("/Library/Application Support/pip/pip.conf"), home / "Library/Application Support/pip/pip.conf"]
    files.append(Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf")
    files.append(Path(os.environ.get("PIP_CONFIG_FILE", os.devnull)))
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read(files)
    for section in ("install", "global"):
        if parser.has_option(section, option):
            return parser.get(section, option).strip()
    return ""


class _Links(html.parser.HTMLParser):
    """The addresses on a PEP 503 page, by file name."""

    def __init__(self) -> None:
        super().__init__()
        self.by_name: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if tag == "a" and address:
            name = urllib.parse.unquote(urllib.parse.urlsplit(address).path.rpartition("/")[2])
            self.by_name[name] = address


def _link(page: str) -> str:
    links = _Links()
    links.feed(_get(page).decode("utf-8", "replace"))
    if WHEEL not in links.by_name:
        raise ValueError(f"the index does not list {WHEEL}")
    return urllib.parse.urljoin(page, links.by_name[WHEEL])


def _get(address: str) -> bytes:
    with urllib.request.urlopen(_request(address), timeout=TIMEOUT, context=_tls()) as reply:  # noqa: S310 - any scheme pip's user chose
        return bytes(reply.read(LARGEST))


def _request(address: str) -> urllib.request.Request:
    """Credentials in the address (``https://name:secret@mirror/``) become a header, as pip does."""
    parts = urllib.parse.urlsplit(address)
    login, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())  # noqa: S310 - as above
    if at:
        encoded = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_header("Authorization", f"Basic {encoded}")
    return request


def _tls() -> ssl.SSLContext:
    certificates = os.environ.get("PIP_CERT") or _configured("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=certificates or None)
