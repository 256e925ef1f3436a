"""Environment → one connection's settings, naming what is missing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Connector
from connectors.errors import ConfigurationError


@dataclass(frozen=True)
class ConnectionSettings:
    """The settings of one named connection: `<NAME>_<SETTING>` in the environment.

    A secret may be the value itself, `file:PATH`, `env:NAME`, or come from `<NAME>_<SETTING>_FILE`.
    """

    connection: str
    connector: Connector
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def variable(self, name: str) -> str:
        return f"{self.connection.upper().replace('-', '_')}_{name}"

    def missing(self) -> list[str]:
        """The environment variables that must be set and are not."""
        return [
            self.variable(name)
            for name, setting in self.connector.settings.items()
            if setting.default is None and not self._raw(name)
        ]

    def text(self, name: str) -> str:
        setting = self.connector.settings[name]
        value = self._raw(name)
        if value is None:
            value = setting.default
        if value is None:
            raise self._missing(name)
        return value

    def number(self, name: str) -> int:
        value = self.text(name)
        try:
            return int(value)
        except ValueError as error:
            raise ConfigurationError(
                f"{self.variable(name)} must be a whole number, not {value!r}.",
                system=self.connection,
                remedy=f"Correct {self.variable(name)} in the environment.",
            ) from error

    def flag(self, name: str) -> bool:
        return self.text(name).strip().lower() in {"1", "true", "yes", "on"}

    def secret(self, name: str) -> str:
        path = self.environment.get(f"{self.variable(name)}_FILE")
        value = f"file:{path}" if path else self.text(name)
        if value.startswith("file:"):
            return self._from_file(name, value[5:])
        if value.startswith("env:"):
            found = self.environment.get(value[4:])
            if not found:
                raise self._missing(name)
            return found
        return value

    def _from_file(self, name: str, path: str) -> str:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigurationError(
                f"The file that {self.variable(name)} points to cannot be read.",
                system=self.connection,
                remedy="Check the path and its permissions.",
            ) from error

    def _raw(self, name: str) -> str | None:
        value = self.environment.get(self.variable(name))
        if value is None and self.connector.settings[name].secret:
            path = self.environment.get(f"{self.variable(name)}_FILE")
            return f"file:{path}" if path else None
        return value

    def _missing(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.variable(name)} is not set ({self.connector.settings[name].meaning}).",
            system=self.connection,
            remedy=f"Set {self.variable(name)} in the environment and restart.",
        )
