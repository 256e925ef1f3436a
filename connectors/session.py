"""How a connection is made: certificates that are trusted, sockets that are allowed, a log without queries."""

import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from connectors.addresses import check_peer
from connectors.base import Settings
from connectors.errors import ConfigurationError


def new_session(trusted: ssl.SSLContext | None, public: bool = False) -> requests.Session:
    """One session for one origin; `public` refuses a connection that arrives in a private network."""
    session = requests.Session()
    session.trust_env = False  # no .netrc, no proxy by surprise
    adapter = _Adapter(trusted, public)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["User-Agent"] = "integration-console"
    return session


def trusted_by(settings: Settings | None) -> ssl.SSLContext | None:
    """Trusts the connection's CA_FILE beside the public authorities; None where none is set.

    Raises ConfigurationError for a file that is not there or holds no certificate.
    """
    path = settings.text("CA_FILE").strip() if settings else ""
    if not settings or not path:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{settings.connection}: the file of CA_FILE cannot be read or holds no certificate.",
            system=settings.connection,
            request="CA_FILE",
            reply=type(error).__name__,
            remedy="Give the path of a PEM file with the authority's certificates that this process may read.",
        ) from None
    return context


class _Adapter(requests.adapters.HTTPAdapter):
    def __init__(self, trusted: ssl.SSLContext | None, public: bool) -> None:
        self._trusted, self._public = trusted, public
        super().__init__(pool_connections=4, pool_maxsize=32, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        if self._trusted:
            options["ssl_context"] = self._trusted
        super().init_poolmanager(*arguments, **options)
        if self._public:
            self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}


class _PublicConnection(HTTPSConnection):
    def _new_conn(self) -> Any:
        """Asked of the socket itself: a name may lead elsewhere than when it was checked."""
        made = super()._new_conn()
        try:
            check_peer(self.host, str(made.getpeername()[0]))
        except ConfigurationError:
            made.close()
            raise
        return made


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _WithoutQueries(logging.Filter):
    """urllib3 logs each address at DEBUG; a filter in it may hold an e-mail address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_path(one) if isinstance(one, str) else one for one in record.args)
        elif isinstance(record.args, Mapping):
            record.args = {name: _path(one) if isinstance(one, str) else one for name, one in record.args.items()}
        return True


def _path(text: str) -> str:
    return text.partition("?")[0] if "?" in text and urlsplit(text).path else text


for _name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.poolmanager", "urllib3.util.retry"):
    logging.getLogger(_name).addFilter(_WithoutQueries())
