"""What every bench stands on: a migrated template database, and emulators that hold its dataset."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.database import Server, manage
from bench.emulated import Emulated, emulators


class NoServerError(Exception):
    """DATABASE_URL names no PostgreSQL server."""


@dataclass
class Stage:
    """`environment` holds both connections as the emulators give them; everything else is at its default."""

    server: Server
    template: str
    emulated: Emulated
    dataset: Path
    environment: Mapping[str, str]

    def fresh(self) -> None:
        """The ERP as in the dataset, an empty Emarsys account, nothing left to be written by the database."""
        self.emulated.reset(self.dataset)
        self.server.settle()


@contextmanager
def stage(write: Callable[[Path], None]) -> Iterator[Stage]:
    """`write` puts the dataset into a folder. Everything made here is gone at the end."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith(("postgres://", "postgresql://")):
        raise NoServerError("DATABASE_URL must name a PostgreSQL server where databases may be created")
    server, template = Server(url), f"bench_{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, server.database(template) as template_url:
        dataset = Path(folder) / "dataset"
        write(dataset)
        with emulators(dataset, Path(folder) / "emulators.log") as emulated:
            environment = {
                **emulated.environment(),
                "STATE_DIR": str(Path(folder) / "state"),
                "LOG_LEVEL": "ERROR",
                "PYTHONUNBUFFERED": "1",
            }
            manage(["migrate", "--verbosity", "0"], {**environment, "DATABASE_URL": template_url})
            yield Stage(server, template, emulated, dataset, environment)
