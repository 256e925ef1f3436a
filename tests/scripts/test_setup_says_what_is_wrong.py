"""The set-up on machines where it cannot work: one clear sentence, exit 1, nothing half-made."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from pytest_httpserver import HTTPServer

from tests.scripts.conftest import Clone

NO_ENSUREPIP = 'raise ImportError("No module named ensurepip")'


def test_a_python_that_is_too_old_is_named(clone: Clone) -> None:
    old = 'case "$1" in --version) echo "Python 3.9.18";; *) exit 1;; esac'
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python"):
        clone.program(name, old)

    done = clone.run("script/demo")

    assert done.returncode == 1
    assert "needs Python 3.11 or newer; found: python3 (Python 3.9.18)" in done.stderr
    assert clone.left_behind() == []


def test_a_newer_python_under_another_name_is_found(clone: Clone) -> None:
    newer = (clone.folder.parent / "bin" / "python3").read_text().splitlines()[1]
    clone.program("python3", "exit 1")
    clone.program("python3.12", newer)
    clone.make_ready()

    assert clone.run("script/setup").returncode == 0


def test_an_sqlite_that_is_too_old_is_named(clone: Clone) -> None:
    clone.shadow("sqlite3", 'sqlite_version_info = (3, 34, 1)\nsqlite_version = "3.34.1"')

    done = clone.run("script/demo")

    assert done.returncode == 1
    assert "needs SQLite 3.35 or newer" in done.stderr
    assert "3.34.1" in done.stderr
    assert clone.left_behind() == []


def test_a_python_without_sqlite_is_named(clone: Clone) -> None:
    clone.shadow("sqlite3", 'raise ImportError("No module named _sqlite3")')

    done = clone.run("script/demo")

    assert (done.returncode, clone.left_behind()) == (1, [])
    assert "built without SQLite" in done.stderr


def test_a_port_in_use_of_the_emulated_systems_is_named_too(clone: Clone, free_port: str, taken_port: int) -> None:
    done = clone.run("script/demo", "--port", free_port, "--emulators-port", str(taken_port))

    assert (done.returncode, clone.left_behind()) == (1, [])
    assert "choose another with --emulators-port" in done.stderr


def test_a_port_in_use_is_named_before_anything_is_installed(clone: Clone, taken_port: int) -> None:
    done = clone.run("script/demo", "--port", str(taken_port))

    assert done.returncode == 1
    assert f"Port {taken_port} on 127.0.0.1 cannot be used (Address already in use)" in done.stderr
    assert clone.left_behind() == []


@pytest.mark.parametrize("port", ["70000", "0", "http"])
def test_a_port_that_cannot_exist_is_named(clone: Clone, port: str) -> None:
    done = clone.run("script/demo", "--port", port)

    assert (done.returncode, clone.left_behind()) == (1, [])
    assert f"{port} is not a port" in done.stderr


@pytest.mark.usefixtures("no_index")
def test_without_network_nothing_is_left_and_the_old_environment_stays(clone: Clone) -> None:
    before = clone.folder / ".venv"
    before.mkdir()
    (before / "mine").touch()

    done = clone.run("script/setup")

    assert done.returncode == 1
    assert "No package index can be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in before.iterdir()] == ["mine"]
    assert clone.left_behind() == [".venv"]


@pytest.mark.usefixtures("no_index")
def test_without_ensurepip_and_without_network_the_missing_package_is_named(clone: Clone) -> None:
    clone.shadow("ensurepip", NO_ENSUREPIP)
    clone.shadow("virtualenv", "raise ImportError")

    done = clone.run("script/setup")

    assert (done.returncode, clone.left_behind()) == (1, [])
    assert "pip could not be fetched" in done.stderr
    assert "apt install python3-venv" in done.stderr


def test_a_pip_that_is_not_the_expected_one_is_refused(clone: Clone, httpserver: HTTPServer) -> None:
    page = '<a href="../../files/pip-26.3-py3-none-any.whl#sha256=0">pip-26.3-py3-none-any.whl</a>'
    httpserver.expect_request("/simple/pip/").respond_with_data(page, content_type="text/html")
    httpserver.expect_request("/files/pip-26.3-py3-none-any.whl").respond_with_data(b"not pip")
    clone.environment["PIP_INDEX_URL"] = httpserver.url_for("/simple")
    clone.shadow("ensurepip", NO_ENSUREPIP)
    clone.shadow("virtualenv", "raise ImportError")

    done = clone.run("script/setup")

    assert (done.returncode, clone.left_behind()) == (1, [])
    assert "whose hash is not the expected one" in done.stderr


def test_a_full_disk_is_named(clone: Clone) -> None:
    clone.shadow(
        "sitecustomize",
        "import shutil\nfrom collections import namedtuple\n"
        "shutil.disk_usage = lambda path: namedtuple('Usage', 'total used free')(2**30, 2**30, 5 * 2**20)",
    )

    done = clone.run("script/setup")

    assert (done.returncode, clone.left_behind()) == (1, [])
    assert "MB of free disk" in done.stderr
    assert "has 5 MB" in done.stderr


def test_ctrl_c_leaves_nothing_half_made(clone: Clone, taken_port: int) -> None:
    clone.environment |= {"PIP_INDEX_URL": f"http://127.0.0.1:{taken_port}/simple"}  # it accepts and never answers
    clone.shadow("ensurepip", NO_ENSUREPIP)
    clone.shadow("virtualenv", "raise ImportError")
    command = [str(clone.folder / "script" / "setup")]
    process = subprocess.Popen(
        command, env=clone.environment | {"PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    while b"no ensurepip" not in process.stdout.readline():
        assert process.poll() is None
    while not (clone.folder / "var" / "setup" / "venv" / "pyvenv.cfg").exists():
        assert process.poll() is None

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to what the command has started as well
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert said.decode().strip() == "Stopped; nothing was changed."
    assert clone.left_behind() == []
