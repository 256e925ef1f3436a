"""Finds connectors by listing packages, and connections by reading the environment."""

import importlib
import importlib.util
import os
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import connectors
from connectors.base import Connector, Limits, Sink, Source
from connectors.config import ConnectionSettings
from connectors.errors import ConfigurationError


@dataclass(frozen=True)
class Connection:
    """A configured instance of a connector."""

    name: str
    connector: Connector
    settings: ConnectionSettings

    def open(self, limits: Limits) -> Source | Sink:
        return self.connector.open(self.settings, limits)


@cache
def all_connectors() -> Mapping[str, Connector]:
    """Every package below `connectors` that exports `connector`, by the connector's name."""
    found: dict[str, Connector] = {}
    for path in _packages(connectors.__path__, "connectors."):
        connector = getattr(importlib.import_module(path), "connector", None)
        if isinstance(connector, Connector):
            found[connector.name] = connector
    return found


def _packages(path: "list[str] | object", prefix: str) -> list[str]:
    names = []
    for module in pkgutil.iter_modules(path, prefix):  # type: ignore[arg-type]  # a package's __path__
        if module.ispkg and module.name != "connectors.emulators":
            package = importlib.import_module(module.name)
            names += [module.name, *_packages(package.__path__, f"{module.name}.")]
    return names


@cache
def _in_package(name: str) -> Connector | None:
    """The connector whose package stands where its name says, or the usual one of a family of that name."""
    if (
        not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", name)
        or importlib.util.find_spec(f"connectors.{name.partition('.')[0]}") is None
    ):
        return None
    try:
        module = importlib.import_module(f"connectors.{name}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("connectors."):
            return None
        raise
    found, usual = getattr(module, "connector", None), getattr(module, "USUAL", "")
    if isinstance(found, Connector) and found.name == name:
        return found
    return _in_package(usual) if usual else None


def connections(environment: Mapping[str, str] | None = None) -> Mapping[str, Connection]:
    """The connections named in CONNECTIONS (comma separated), by name in lower case.

    `<NAME>_CONNECTOR` says which connector serves it; by default the one it is named after.
    """
    environment = os.environ if environment is None else environment
    names = environment.get("CONNECTIONS", "dynamics365,emarsys")
    return {
        name: _connection(name, environment) for name in (part.strip().lower() for part in names.split(",")) if name
    }


def _connection(name: str, environment: Mapping[str, str]) -> Connection:
    wanted = environment.get(f"{name.upper().replace('-', '_')}_CONNECTOR", name)
    connector = _connector(wanted, name)
    return Connection(name, connector, ConnectionSettings(name, connector, environment))


def _connector(wanted: str, connection: str) -> Connector:
    # Every connector brings its libraries: a process loads those it is asked for.
    found = _in_package(wanted)
    if found:
        return found
    known = all_connectors()
    if wanted in known:
        return known[wanted]
    flavours = [name for name in known if name.startswith(f"{wanted}.")]
    if flavours:
        usual = getattr(importlib.import_module(f"connectors.{wanted}"), "USUAL", flavours[0])
        return known[usual]
    raise ConfigurationError(
        f"Connection {connection} names the connector {wanted!r}, which is not one of {', '.join(sorted(known))}.",
        system=connection,
        remedy=f"Set {connection.upper()}_CONNECTOR to one of them.",
    )
