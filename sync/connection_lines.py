"""Connections as an operator sees them: what each is for, which settings it has, what it is asked and tells us.

Values of secrets are never read here; only whether they are set. A name in CONNECTIONS that means nothing is told
as such and hides no other connection.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.base import Setting
from connectors.errors import ConfigurationError
from connectors.registry import Connection, connections
from sync import addresses, flow_lines
from sync.flow_lines import FlowLine

NAME = re.compile(r"[a-z][a-z0-9_-]*")
"""What can stand in an address and before the names of environment variables."""

USER_IN_ADDRESS = re.compile(r"//[^/@\s]+@")
KEY_IN_ADDRESS = re.compile(r"([?&](?:code|key|sig|[\w-]*key|[\w-]*secret)=)[^&\s]+", re.IGNORECASE)


@dataclass(frozen=True)
class SettingLine:
    """`state` is set, missing or default; `shown` is the value in use, never a secret's."""

    variable: str
    meaning: str
    state: str
    shown: str
    secret: bool


@dataclass(frozen=True)
class ConnectionLine:
    connection: Connection
    missing: Sequence[str]
    flows: Sequence[FlowLine]

    @property
    def name(self) -> str:
        return self.connection.name

    @property
    def title(self) -> str:
        return self.connection.connector.title

    @property
    def offers(self) -> list[str]:
        return [name.replace("_", " ") for name in self.connection.connector.streams]

    @property
    def accepts(self) -> list[str]:
        return [name.replace("_", " ") for name in self.connection.connector.inlets]

    @property
    def hears(self) -> bool:
        """Whether its webhook's messages are understood and a key for them is set."""
        return self.connection.connector.notice is not None and _is_set(self.connection, "WEBHOOK_KEY")

    @property
    def webhook_variable(self) -> str:
        return self.connection.settings.variable("WEBHOOK_KEY")

    @property
    def understands_messages(self) -> bool:
        return self.connection.connector.notice is not None

    @property
    def tries_mappings(self) -> bool:
        return self.connection.connector.trial is not None

    @property
    def out(self) -> list[FlowLine]:
        """Flows that read from it."""
        return [line for line in self.flows if line.flow.source == self.name]

    @property
    def into(self) -> list[FlowLine]:
        """Flows that write to it."""
        return [line for line in self.flows if line.flow.target == self.name]

    @property
    def next_steps(self) -> list["Step"]:
        """What somebody should do about it, the most urgent first; none where nothing is to do."""
        steps = [Step(f"Set {', '.join(self.missing)} in the environment and restart.")] if self.missing else []
        steps += [Step(f"The last run of {line.flow.name} failed: read why.", line.last_url)
                  for line in self.flows if line.failed]  # fmt: skip
        steps += [Step(f"{line.flow.name} is late: look at its runs.", line.url)
                  for line in self.flows if line.freshness == "late" and not line.failed]  # fmt: skip
        steps += [Step(f"{line.flow.name} is paused: resume it when the reason is over.", line.url)
                  for line in self.flows if line.freshness == "paused"]  # fmt: skip
        return steps + self._unwanted()

    def _unwanted(self) -> list["Step"]:
        off = [line for line in self.out if line.freshness == "off"]
        if not off or self.missing:
            return []
        if len(off) == 1:
            return [Step(f"{off[0].flow.name} is not switched on yet.", off[0].url)]
        return [Step(f"{len(off)} flows are not switched on yet.", addresses.flows())]

    @property
    def settings(self) -> list[tuple[str, list[SettingLine]]]:
        """What somebody has set or must set, and what is at its default; each under its heading."""
        known = self.connection.settings.known
        lines = [_setting(self.connection, name, setting, self.missing) for name, setting in known.items()]
        own = [line for line in lines if line.state != "default"]
        rest = [line for line in lines if line.state == "default"]
        return [("", sorted(own, key=lambda line: line.state)), (f"{len(rest)} settings at their default", rest)]


@dataclass(frozen=True)
class Step:
    """One sentence, and the page where it is done if it is one of ours."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Misnamed:
    """A name in CONNECTIONS that is no connection, and why. While there is one, no flow runs."""

    name: str
    message: str
    remedy: str


def lines() -> list[ConnectionLine]:
    """Two queries, whatever the number of connections; without the misnamed ones."""
    stored = flow_lines.lines()
    return [_line(connection, stored) for connection in _good().values()]


def line(name: str) -> ConnectionLine | None:
    found = _good().get(name)
    return _line(found, flow_lines.lines()) if found else None


def misnamed() -> list[Misnamed]:
    found = (_wrong(name) for name in _names())
    return [one for one in found if one]


def _names() -> list[str]:
    named = os.environ.get("CONNECTIONS")
    if named is None:
        return list(connections())
    return list(dict.fromkeys(name for part in named.split(",") if (name := part.strip().lower())))


def _wrong(name: str) -> Misnamed | None:
    if not NAME.fullmatch(name):
        return Misnamed(name, f"{name} is no name for a connection.", "Use letters, digits, - and _; commas between.")
    try:
        _alone(name)
    except ConfigurationError as error:
        return Misnamed(name, error.message, error.remedy)
    return None


def _good() -> dict[str, Connection]:
    return {name: _alone(name) for name in _names() if _wrong(name) is None}


def _alone(name: str) -> Connection:
    """Its settings read the environment of the moment, as those of the registry's other callers."""
    return connections({**os.environ, "CONNECTIONS": name})[name]


def _line(connection: Connection, stored: Sequence[FlowLine]) -> ConnectionLine:
    own = [one for one in stored if connection.name in (one.flow.source, one.flow.target)]
    return ConnectionLine(connection, connection.settings.missing(), own)


def _setting(connection: Connection, name: str, setting: Setting, missing: Sequence[str]) -> SettingLine:
    variable = connection.settings.variable(name)
    is_set = _is_set(connection, name)
    state = "set" if is_set else "missing" if variable in missing else "default"
    given = connection.settings.environment.get(variable, "") if is_set else setting.default or ""
    return SettingLine(variable, setting.meaning, state, "" if setting.secret else _safe(given), setting.secret)


def _safe(value: str) -> str:
    """An address may carry a password or a key although its setting is no secret."""
    return KEY_IN_ADDRESS.sub(r"\1***", USER_IN_ADDRESS.sub("//***@", value))


def _is_set(connection: Connection, name: str) -> bool:
    variable, environment = connection.settings.variable(name), connection.settings.environment
    return bool(environment.get(variable) or environment.get(f"{variable}_FILE"))
