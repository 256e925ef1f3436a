"""Environment → one connection's settings, naming what is missing."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from connectors.base import Connector, Setting
from connectors.errors import ConfigurationError

STANDARD: Mapping[str, Setting] = {
    "ALLOW_HTTP": Setting("yes allows plain http to other machines (a VPN or a TLS proxy must protect it)", "no"),
    "CA_FILE": Setting("file with the certificates of a private authority; empty means the system's", ""),
    "REPLY_MB": Setting("megabytes that one answer may have where it is read as a whole", "64"),
    "TARGETS": Setting("connections its records go to, comma separated; empty means the first that accepts them", ""),
    "WEBHOOK_KEY": Setting("what the system's webhook must show; empty means none is accepted", "", secret=True),
    "FEED_PASSWORD": Setting(
        "password with which the product feed is fetched; empty means nobody may", "", secret=True
    ),
}
"""What every connection has, whatever its connector."""
LARGEST_SECRET = 65_536


@dataclass(frozen=True)
class ConnectionSettings:
    """The settings of one named connection: `<NAME>_<SETTING>` in the environment.

    A secret may be the value itself, `file:PATH`, `env:NAME`, or come from `<NAME>_<SETTING>_FILE`.
    """

    connection: str
    connector: Connector
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @property
    def known(self) -> Mapping[str, Setting]:
        """Every setting by name: the connector's own, and those that all have."""
        return {**STANDARD, **self.connector.settings}

    def variable(self, name: str) -> str:
        return f"{self.connection.upper().replace('-', '_')}_{name}"

    def missing(self) -> list[str]:
        """The environment variables that must be set and are not."""
        return [
            self.variable(name)
            for name, setting in self.connector.settings.items()
            if setting.default is None and not self._raw(name) and self._applies(setting.when)
        ]

    def _applies(self, when: tuple[str, str] | None) -> bool:
        return when is None or self.text(when[0]) == when[1]

    def text(self, name: str) -> str:
        setting = self.known[name]
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
        if not value and self.known[name].default is None:
            raise self._missing(name)
        return value

    def _from_file(self, name: str, path: str) -> str:
        """The file's content without blanks around it. Raises ConfigurationError naming what is wrong with it."""
        try:
            file = Path(path)
            if file.is_dir() or not path:
                raise self._unusable(name, "is no file", "Give the path of a file that holds the secret alone.")
            # Mounted secrets are often readable by all within their container; writable by all they never are.
            if file.stat().st_mode & stat.S_IWOTH:
                raise self._unusable(name, "may be changed by everybody", "chmod 600 it, owned by this process' user.")
            if file.stat().st_size > LARGEST_SECRET:
                raise self._unusable(name, "is too large", "Give the path of a file that holds the secret alone.")
            value = file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            raise self._unusable(name, "is not there", "Check the path.") from None
        except OSError as error:
            raise self._unusable(name, "cannot be read", "Check the path and its permissions.") from error
        except ValueError:  # without the cause: it holds the content
            raise self._unusable(name, "is no text in UTF-8", "Write the secret as plain text.") from None
        if not value:
            raise self._unusable(name, "is empty", "Write the secret into it.")
        return value

    def _unusable(self, name: str, why: str, remedy: str) -> ConfigurationError:
        message = f"The file that {self.variable(name)} points to {why}."
        return ConfigurationError(message, system=self.connection, request=self.variable(name), remedy=remedy)

    def _raw(self, name: str) -> str | None:
        value = self.environment.get(self.variable(name))
        if value is None and self.known[name].secret:
            path = self.environment.get(f"{self.variable(name)}_FILE")
            return f"file:{path}" if path else None
        return value

    def _missing(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.variable(name)} is not set ({self.known[name].meaning}).",
            system=self.connection,
            remedy=f"Set {self.variable(name)} in the environment and restart.",
        )
