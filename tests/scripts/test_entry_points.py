"""script/demo and script/test hand over to what they promise, from any folder, with all their options."""

from __future__ import annotations

import os

from tests.scripts.conftest import ROOT, Clone


def test_the_demo_gets_its_options_as_they_were_given(clone: Clone, free_port: str) -> None:
    clone.make_ready()
    (clone.folder / "manage.py").write_text("import sys; print(sys.argv[1:])")
    given = ["--fresh", "--check", "--seed", "7", "--dataset", "my data", "--port", free_port]

    done = clone.run("script/demo", *given)

    assert done.stdout.strip() == str(["demo", *given])
    assert done.returncode == 0


def test_the_demo_ends_with_the_demo_s_own_exit_code(clone: Clone, free_port: str) -> None:
    clone.make_ready()
    (clone.folder / "manage.py").write_text("import sys; sys.exit(3)")

    assert clone.run("script/demo", "--port", free_port).returncode == 3


def test_a_ready_environment_is_left_alone(clone: Clone) -> None:
    clone.make_ready()

    done = clone.run("script/setup", "--dev")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_test_command_names_its_steps(clone: Clone) -> None:
    clone.make_ready()

    done = clone.run("script/test", "--list")

    names = [line.split()[0] for line in done.stdout.splitlines()]
    checks = ["lint", "format", "types", "layers", "migrations", "check"]
    assert names == [*checks, "plain", "sqlite", "postgresql", "clients", "system"]


def test_every_script_can_be_started() -> None:
    entries = [ROOT / "script" / name for name in ("demo", "lock", "server", "setup", "test", "worker", "beat")]
    assert [entry.name for entry in [*entries, ROOT / ".ci" / "run"] if not os.access(entry, os.X_OK)] == []
