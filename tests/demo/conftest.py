"""The demo as a new user starts it: a process, a folder, two ports, a small retailer."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("Ada", "Bob", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jill")
READY = "Stop: Ctrl-C"


def retailer(folder: Path) -> Path:
    """Twenty customers with thirty invoices; every seventh has no customer; one credit note."""
    folder.mkdir(parents=True)
    customers = ["customer_id,email,first_name,last_name,city,country,loyalty_tier,legal_entity,email_consent"]
    orders = ["order_id,customer_id,ordered_at,currency,status,total,legal_entity"]
    lines = ["order_id,line_no,sku,quantity,unit_price,line_total"]
    for n in range(1, 21):
        place = f"{('York', 'Bath')[n % 2]},{'GB' if n % 3 else 'DE'},{('silver', 'gold')[n % 2]}"
        who = f"C-{n:03},c{n}@example.com,{NAMES[n % 10]},Last{n}"
        customers.append(f"{who},{place},usmf,{'no' if n % 5 == 0 else 'yes'}")
    for n in range(1, 31):
        customer = f"C-{n % 20 + 1:03}" if n % 7 else ""
        orders.append(f"SO-{n:03},{customer},2026-01-{n % 28 + 1:02}T10:00:00Z,GBP,invoiced,{10 * n + 3.49:.2f},usmf")
        lines += [f"SO-{n:03},1,SKU-{n % 4},{n},10.00,{10 * n:.2f}", f"SO-{n:03},2,POST,1,3.49,3.49"]
    refunds = [
        "refund_id,order_id,line_no,customer_id,sku,quantity,amount,currency,refunded_at,reason",
        "CN-1,SO-001,1,C-002,SKU-1,1,4.50,GBP,2026-02-01T10:00:00Z,return",
    ]
    files = {"customers": customers, "orders": orders, "order_lines": lines, "refunds": refunds}
    for name, rows in files.items():
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Demo:
    """`manage.py demo` with a state folder and ports of its own, on the embedded database and broker."""

    state: Path
    dataset: Path
    port: int
    emulators_port: int

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "CELERY_BROKER_URL", "CONNECTIONS") and "_URL" not in name
        }
        return {**kept, "STATE_DIR": str(self.state), "PYTHONUNBUFFERED": "1"}

    def run(self, command: str, *options: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._words(command, *options), env=self.environment, capture_output=True, text=True, timeout=seconds
        )

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Starts it and waits until it has told its story and says how to stop it."""
        said = (self.state.parent / "said.txt").open("w+", encoding="utf-8")
        process = subprocess.Popen(
            self._words("demo", *options), env=self.environment, stdout=said, stderr=said, text=True
        )
        until = time.monotonic() + 90
        while READY not in (text := self.said):
            assert process.poll() is None, text
            assert time.monotonic() < until, text
            time.sleep(0.1)
        return process

    @property
    def said(self) -> str:
        return (self.state.parent / "said.txt").read_text(encoding="utf-8")

    def processes(self) -> list[str]:
        """What is running on behalf of this demo: its words name the folder or the port."""
        listed = subprocess.run(["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        mine = (str(self.state), f"127.0.0.1:{self.port}")
        return [line.strip() for line in listed.splitlines() if any(one in line for one in mine) and " ps " not in line]

    def pid_of(self, word: str) -> int:
        """The first process whose command line holds this word."""
        return min(int(line.split()[0]) for line in self.processes() if word in line)

    def stop(self, process: subprocess.Popen[str], number: int = signal.SIGINT) -> float:
        """Seconds until it has ended."""
        began = time.monotonic()
        process.send_signal(number)
        process.wait(30)
        return time.monotonic() - began

    def all_gone(self, seconds: float = 10) -> bool:
        until = time.monotonic() + seconds
        while self.processes() and time.monotonic() < until:
            time.sleep(0.1)
        return not self.processes()

    def _words(self, command: str, *options: str) -> list[str]:
        ports = ["--port", str(self.port), "--emulators-port", str(self.emulators_port)] if command == "demo" else []
        return [sys.executable, str(ROOT / "manage.py"), command, *ports, *options]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo of the small retailer, not started yet."""
    folder = tmp_path_factory.mktemp("demo") / "a folder"
    return Demo(folder / "state", retailer(folder / "retailer"), free_port(), free_port())


@pytest.fixture(scope="module")
def checked(made: Demo) -> tuple[Demo, subprocess.CompletedProcess[str]]:
    """After the whole of it, unattended."""
    return made, made.run("demo", "--check", "--dataset", str(made.dataset), "--seed", "3")


@pytest.fixture(scope="module")
def standing(checked: tuple[Demo, subprocess.CompletedProcess[str]]) -> Iterator[Demo]:
    """Started again after the check, and running."""
    demo, _ = checked
    process = demo.start()
    yield demo
    assert demo.stop(process) < 10
    assert process.returncode == 0
    assert demo.all_gone(0)
