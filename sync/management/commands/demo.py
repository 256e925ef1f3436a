"""Everything on this machine: emulators with the demo company, web, worker and beat; and the story they tell."""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from connectors.emulators.dataset import DatasetError
from connectors.emulators.datasets import DEMO, open_dataset
from sync import flows, tasks
from sync.demo import furnishing
from sync.demo.state import CannotStartError, Folder
from sync.demo.story import StoryFailedError, Teller
from sync.demo.summary import framed
from sync.demo.supervisor import ChildDiedError, StopAskedError, Supervisor, need_port
from sync.demo.systems import Emulators

WEB_PORT, EMULATORS_PORT = 8000, 8900


class Command(BaseCommand):
    help = "The demo company on this machine, until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--fresh", action="store_true", help="start over; deletes what the demo made")
        parser.add_argument("--check", action="store_true", help="unattended: verify everything, stop, exit 0 or 1")
        parser.add_argument("--seed", type=int, help="what generated people and drift follow from (1)")
        parser.add_argument("--dataset", help=f"{DEMO}, or a folder of CSV files")
        parser.add_argument("--port", type=int, default=WEB_PORT, help=f"of the console ({WEB_PORT})")
        parser.add_argument("--emulators-port", type=int, help="of the emulated systems (port + 900)")

    def handle(self, *args: Any, **options: Any) -> None:
        self._began = time.monotonic()
        self._times: list[tuple[str, float]] = []
        try:
            self._run(options)
        except (CannotStartError, ChildDiedError, StoryFailedError, DatasetError) as problem:
            raise CommandError(str(problem), returncode=1) from problem
        except (StopAskedError, KeyboardInterrupt):
            self.stdout.write("\nStopped. script/demo goes on from here; script/demo --fresh starts over.")
            if options["check"]:
                raise CommandError("Stopped before the check was complete.", returncode=1) from None

    def _run(self, options: dict[str, Any]) -> None:
        folder = Folder(Path(settings.STATE_DIR).resolve(), _embedded_database())
        os.environ["STATE_DIR"] = str(folder.path)  # the processes start in a folder of their own
        port = options["port"]
        emulators_port = options["emulators_port"] or port + EMULATORS_PORT - WEB_PORT
        with folder.alone():
            need_port(port, "the console", "--port")
            need_port(emulators_port, "the emulated systems", "--emulators-port")
            seed, dataset = self._company(folder, options)
            with Supervisor(folder.logs) as supervisor:
                emulators = Emulators(emulators_port)
                try:
                    self._start(supervisor, folder, emulators, (seed, dataset), port)
                    self._tell(supervisor, folder, emulators, seed)
                    console = f"http://127.0.0.1:{port}/"
                    self.stdout.write("\n" + framed(console, emulators.base, folder.logins(), dataset))
                    self.stdout.flush()
                    if not options["check"]:
                        supervisor.watch()
                    sound = self._check(folder, emulators, dataset)
                except StopAskedError:
                    self.stderr.write("\nStopping …")
                    furnishing.hold_runs()
                    raise
                finally:
                    folder.environment.unlink(missing_ok=True)
            self._phase("stop")
        self._say_times()
        if not sound:
            raise CommandError("The check found differences; they are listed above.", returncode=1)

    def _company(self, folder: Folder, options: dict[str, Any]) -> tuple[int, str]:
        """Seed and dataset: what was asked for, else what is here. Starts over where that is asked for."""
        notes = folder.notes()
        asked = {"seed": options["seed"], "dataset": _full(options["dataset"])}
        given = {name: value for name, value in asked.items() if value is not None}
        kept = {} if options["fresh"] else notes
        wanted = {"seed": 1, "dataset": DEMO, **kept, **given}
        seed, dataset = int(wanted["seed"]), str(wanted["dataset"])
        open_dataset(dataset, seed)  # a folder that is no good stops us before anything is made or deleted
        differs = bool(notes) and (notes.get("seed"), notes.get("dataset")) != (seed, dataset)
        if differs and not options["fresh"] and not options["check"]:
            raise CannotStartError(
                f"The demo in {folder.path} was made from {notes.get('dataset')}, seed {notes.get('seed')}. "
                "Add --fresh to start over with the other data, or set STATE_DIR to keep both."
            )
        if not notes and furnishing.has_foreign_runs():
            raise CannotStartError(
                f"The database of {folder.path} holds a console that the demo did not make. "
                "Set STATE_DIR to another folder for the demo."
            )
        torn = bool(notes.get("steps")) and not folder.is_whole
        if torn:
            self.stderr.write("A part of the demo's state was deleted: it starts over.")
        if notes and (differs or torn or options["fresh"]):
            connections.close_all()
            folder.forget()
        folder.note(seed=seed, dataset=dataset)
        return seed, dataset

    def _start(
        self, supervisor: Supervisor, folder: Folder, emulators: Emulators, company: tuple[int, str], port: int
    ) -> None:
        self.stderr.write("Starting the emulated systems, the database, web, worker and beat …")
        seed, dataset = company
        where = ["--port", emulators.base.rpartition(":")[2], "--state", str(folder.emulators)]
        supervisor.start("emulators", ["manage.py", "emulate", *where, "--seed", str(seed), "--dataset", dataset])
        furnishing.database(folder.logins())
        furnishing.free_leases()
        furnishing.let_go()
        supervisor.wait_until(emulators.ready, "The emulated systems")
        variables = emulators.environment()
        os.environ.update(variables)
        folder.keep_environment(variables)
        flows.ensure()
        furnishing.tick()
        web = f"-m gunicorn integration_console.wsgi --bind 127.0.0.1:{port} --workers 1 --threads 2 --timeout 60"
        supervisor.start("web", [*web.split(), *"--graceful-timeout 2 --no-control-socket".split()])
        worker = "-m celery -A integration_console worker -B --concurrency 2 --without-gossip --without-mingle"
        child = supervisor.start(
            "worker",
            [*worker.split(), "--loglevel", "INFO", "--schedule", str(folder.path / "beat")],
            {"REMAP_SIGTERM": "SIGQUIT"},
        )
        supervisor.wait_until(lambda: _answers(port), "The console's web server")
        supervisor.wait_until(lambda: b" ready." in child.log.read_bytes(), "The worker")
        tasks.tick()  # what was interrupted goes on now, not at the next tick
        self._phase("start")

    def _tell(self, supervisor: Supervisor, folder: Folder, emulators: Emulators, seed: int) -> None:
        if not folder.consent.exists() and not folder.notes().get("steps"):
            self._script("--remember", str(folder.consent), "--control", emulators.base)
        Teller(folder, emulators, seed, supervisor.check, self.stdout.write).tell()
        furnishing.schedule_flows()
        self._phase("story")

    def _check(self, folder: Folder, emulators: Emulators, dataset: str) -> bool:
        self.stdout.write("\nChecking the emulated systems against the console's tables, independently")
        database = os.environ.get("DATABASE_URL") or f"sqlite:///{folder.database}"
        sound = self._script(
            "--control", emulators.base, "--database", database, "--before", str(folder.consent), "--figures", dataset
        )
        self._phase("check")
        return sound

    def _script(self, *arguments: str) -> bool:
        self.stdout.flush()
        script = settings.BASE_DIR / "script" / "check"
        return subprocess.run([sys.executable, str(script), *arguments], stdout=self._stdout()).returncode == 0

    def _stdout(self) -> Any:
        """Where this command's own output goes, if a process can write there."""
        try:
            return self.stdout.fileno()
        except (AttributeError, OSError, ValueError):
            return None

    def _phase(self, name: str) -> None:
        self._times.append((name, time.monotonic() - self._began - sum(seconds for _, seconds in self._times)))

    def _say_times(self) -> None:
        told = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in self._times)
        self.stdout.write(f"\nTimes: {told}; together {time.monotonic() - self._began:.0f} s.")


def _embedded_database() -> Path | None:
    default = settings.DATABASES["default"]
    return Path(default["NAME"]) if default["ENGINE"].endswith("sqlite3") else None


def _full(dataset: str | None) -> str | None:
    return dataset if dataset in (None, DEMO) else str(Path(str(dataset)).expanduser().resolve())


def _answers(port: int) -> bool:
    from sync.demo.systems import NO_PROXY

    try:
        with NO_PROXY.open(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
