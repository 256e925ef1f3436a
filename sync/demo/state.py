"""What the demo keeps in its state folder, and that only one demo uses it at a time."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.roles import ROLES


class CannotStartError(Exception):
    """Something keeps the demo from starting; the message is for the person at the keyboard."""


@dataclass(frozen=True)
class Folder:
    """The state folder: database, emulators' state, messages, logs, and the notes of what was done.

    `database` is the embedded database's file, None when DATABASE_URL names a server.
    """

    path: Path
    database: Path | None

    @property
    def emulators(self) -> Path:
        return self.path / "emulators"

    @property
    def logs(self) -> Path:
        return self.path / "log"

    @property
    def environment(self) -> Path:
        """Addresses and credentials of the emulated systems, for `manage.py` in another terminal."""
        return self.path / "demo.env"

    @property
    def consent(self) -> Path:
        """Every contact's opt-in before the first sync, written by script/check."""
        return self.path / "opt-ins-before.json"

    @property
    def is_whole(self) -> bool:
        """Whether both sides of the story are still there: the console's database and the emulators' state."""
        console = self.database is None or self.database.exists()
        return console and (self.emulators / "loaded.json").exists()

    @property
    def _notes(self) -> Path:
        return self.path / "demo.json"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the folder's lock; it goes with the process, however it ends."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "demo.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStartError(f"A demo is running in {self.path} already; stop it first (Ctrl-C).") from None
            yield

    def notes(self) -> dict[str, Any]:
        """What was noted: seed, dataset, and the steps of the story that are done; empty before the first start."""
        try:
            return dict(json.loads(self._notes.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def note(self, **values: Any) -> dict[str, Any]:
        kept = self.notes() | values
        _write(self._notes, json.dumps(kept, indent=1, default=str))
        return kept

    def logins(self) -> dict[str, str]:
        """A password for each role, made once and kept for as long as the folder lasts."""
        path = self.path / "demo-logins.json"
        if path.exists():
            kept: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
            if set(kept) == set(ROLES):
                return kept
        made = {role: "-".join(secrets.token_hex(3) for _ in range(3)) for role in ROLES}
        _write(path, json.dumps(made, indent=1))
        return made

    def keep_environment(self, variables: Mapping[str, str]) -> None:
        _write(self.environment, "".join(f"{name}={value}\n" for name, value in sorted(variables.items())))

    def forget(self) -> None:
        """Deletes what the demo made; the logins stay, and so does everything it does not know."""
        if self.database is None:
            raise CannotStartError(
                "DATABASE_URL names a database server, and the demo deletes nothing there. Empty that database "
                "yourself, or unset DATABASE_URL to use the embedded one."
            )
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.database}{suffix}").unlink(missing_ok=True)
        for path in (self._notes, self.consent, self.environment):
            path.unlink(missing_ok=True)
        for folder in (self.emulators, self.logs):
            shutil.rmtree(folder, ignore_errors=True)
        for message in (self.path / "broker").glob("*/*"):
            message.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """For this user alone, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, path)
