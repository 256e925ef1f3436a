"""`manage.py demo` from the outside: what it says, what it leaves, what keeps it from starting."""

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from sync.demo.state import Folder
from tests.demo.conftest import Demo, free_port

pytestmark = pytest.mark.fault
Checked = tuple[Demo, "subprocess.CompletedProcess[str]"]


def _unmade(tmp_path: Path, made: Demo, **changes: int) -> Demo:
    """A demo in an empty folder of its own."""
    ports = {"port": free_port(), "emulators_port": free_port(), **changes}
    return Demo(tmp_path / "state", made.dataset, **ports)


def _nothing_made(demo: Demo) -> bool:
    names = {path.name for path in demo.state.glob("*")}
    return not names & {"console.sqlite3", "emulators", "demo.json", "log"} and not demo.processes()


def test_the_check_runs_unattended_agrees_and_leaves_no_process(checked: Checked) -> None:
    demo, ran = checked
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Everything agrees" in ran.stdout
    assert "WRONG" not in ran.stdout
    assert re.search(r"all +61 +4,750\.20 +61 +4,750\.20", ran.stdout)
    assert re.search(r"Times: start \d+ s, story \d+ s, check \d+ s, stop \d+ s; together \d+ s", ran.stdout)
    assert demo.all_gone(0)


def test_the_story_is_told_with_plain_progress_where_there_is_no_terminal(checked: Checked) -> None:
    _, ran = checked
    titles = re.findall(r"^(\d)\. ", ran.stdout, re.MULTILINE)
    assert titles == ["1", "2", "3", "4", "5", "6"]
    assert re.search(r"customers +█+ 20 records", ran.stderr)
    assert "\r" not in ran.stderr
    assert re.search(r"7 differences were planted, 7 new exceptions are open", ran.stdout)


def test_started_again_it_goes_on_and_does_not_tell_the_story_twice(standing: Demo) -> None:
    assert "1. Audit" not in standing.said
    with urllib.request.urlopen(f"http://127.0.0.1:{standing.port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    kept = json.loads((standing.state / "demo-logins.json").read_text())
    assert all(f"{role}" in standing.said and password in standing.said for role, password in kept.items())
    assert (standing.state / "demo-logins.json").stat().st_mode & 0o777 == 0o600


def test_every_role_signs_in_with_the_password_that_is_printed(standing: Demo) -> None:
    base = f"http://127.0.0.1:{standing.port}/console"
    for role, password in json.loads((standing.state / "demo-logins.json").read_text()).items():
        with requests.Session() as browser:
            browser.trust_env = False
            page = browser.get(f"{base}/login/", timeout=10).text
            [token] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[:1]
            form = {"username": role, "password": password, "csrfmiddlewaretoken": token, "next": "/console/"}
            answer = browser.post(f"{base}/login/", form, headers={"Referer": base}, timeout=20)
            assert (answer.status_code, answer.url) == (200, f"{base}/"), role


def test_flows_have_schedules_and_the_command_line_reaches_the_demo(standing: Demo) -> None:
    flows = standing.run("flows", "--json")
    rows = [json.loads(line) for line in flows.stdout.splitlines()]
    assert {row["name"]: row["schedule"] for row in rows if row["schedule"]} == {
        "dynamics365.customer": "every 45 minutes",
        "dynamics365.sale": "every 10 minutes",
    }
    ran = standing.run("sync", "dynamics365.customer", "--json")
    assert (ran.returncode, json.loads(ran.stdout)["read"]) == (0, 20), ran.stderr


def test_a_second_demo_in_the_same_folder_is_refused(standing: Demo) -> None:
    ran = Demo(standing.state, standing.dataset, free_port(), free_port()).run("demo")
    assert ran.returncode == 1
    assert "A demo is running in" in ran.stderr


def test_another_seed_asks_for_a_fresh_start(checked: Checked) -> None:
    demo, _ = checked
    ran = Demo(demo.state, demo.dataset, free_port(), free_port()).run("demo", "--seed", "4")
    assert ran.returncode == 1
    assert "running" in ran.stderr or "Add --fresh to start over" in ran.stderr


@pytest.mark.parametrize("which", ["port", "emulators_port"])
def test_a_taken_port_is_said_and_nothing_is_made(made: Demo, tmp_path: Path, which: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = int(other.getsockname()[1])
        demo = _unmade(tmp_path, made, **{which: taken})
        ran = demo.run("demo")
    assert ran.returncode == 1
    assert re.fullmatch(
        rf"CommandError: Port {taken} on 127.0.0.1, wanted for .* choose another with --.*port\.\n", ran.stderr
    )
    assert _nothing_made(demo)


def test_a_folder_that_is_no_dataset_is_said_and_nothing_is_made(made: Demo, tmp_path: Path) -> None:
    demo = _unmade(tmp_path, made)
    ran = demo.run("demo", "--dataset", str(tmp_path / "nowhere"))
    assert ran.returncode == 1
    assert "nowhere" in ran.stderr
    assert _nothing_made(demo)


def test_a_killed_process_is_started_again_and_one_that_keeps_dying_ends_the_demo_with_its_last_words(
    made: Demo, tmp_path: Path
) -> None:
    demo = _unmade(tmp_path, made)
    process = demo.start("--dataset", str(demo.dataset))
    for times in (1, 2):
        _kill_worker(demo)
        _until(lambda times=times: demo.said.count("it is started again") == times)
        assert process.poll() is None
    _kill_worker(demo)
    assert process.wait(20) == 1
    assert "The demo's worker was killed by signal 9" in demo.said
    assert "The last lines of" in demo.said
    assert demo.all_gone(0)
    process = demo.start()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert demo.all_gone(), demo.processes()


def _kill_worker(demo: Demo) -> None:
    subprocess.run(["kill", "-9", str(demo.pid_of("celery"))], check=True)


def _until(so: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < ends
        time.sleep(0.2)


def test_starting_over_deletes_only_what_the_demo_made(tmp_path: Path) -> None:
    folder = Folder(tmp_path, tmp_path / "console.sqlite3")
    logins = folder.logins()
    folder.note(seed=1, steps={})
    folder.emulators.mkdir()
    for name in ("console.sqlite3", "console.sqlite3-wal", "mine.txt", "emulators/journal"):
        (tmp_path / name).write_text("x")
    folder.forget()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo-logins.json", "mine.txt"]
    assert (folder.notes(), folder.logins()) == ({}, logins)


def test_what_is_left_of_a_state_somebody_deleted_in_part_is_no_state(tmp_path: Path) -> None:
    folder = Folder(tmp_path, tmp_path / "console.sqlite3")
    folder.emulators.mkdir()
    (folder.emulators / "loaded.json").touch()
    assert not folder.is_whole
    (tmp_path / "console.sqlite3").touch()
    assert folder.is_whole


def test_ctrl_c_in_the_middle_of_the_story_is_a_clean_stop(made: Demo, tmp_path: Path) -> None:
    demo = _unmade(tmp_path, made)
    with (tmp_path / "said.txt").open("w") as said:
        process = subprocess.Popen(
            demo._words("demo", "--dataset", str(demo.dataset)),
            env=demo.environment,
            stdout=said,
            stderr=said,
            text=True,
        )
        until = time.monotonic() + 60
        while "1. Audit" not in (tmp_path / "said.txt").read_text():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        assert demo.stop(process) < 12
    assert process.returncode == 0
    assert "Stopped. script/demo goes on from here" in (tmp_path / "said.txt").read_text()
    assert demo.all_gone(0)
