"""One call at a time per site (contract 8, operating limits): between threads, and between this machine's processes."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from connectors.errors import UnavailableError

PATIENCE = 600.0
_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)


@contextlib.contextmanager
def turn(system: str, address: str, patience: float = PATIENCE) -> Iterator[None]:
    """Waits for the site's other call to end; raises UnavailableError when it does not within `patience` seconds."""
    ends = time.monotonic() + patience
    if not _locks[address].acquire(timeout=patience):
        raise _busy(system, patience)
    try:
        with _file(address).open("w") as file:
            while not _locked(file.fileno()):
                if time.monotonic() > ends:
                    raise _busy(system, patience)
                time.sleep(0.05)
            yield
    finally:
        _locks[address].release()


def _locked(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _file(address: str) -> Path:
    folder = Path(tempfile.gettempdir()) / f"integration-console-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"prima-{hashlib.sha256(address.encode()).hexdigest()[:16]}.lock"


def _busy(system: str, patience: float) -> UnavailableError:
    return UnavailableError(
        f"{system}: another call to this site has been running for {patience:.0f} s; only one at a time is allowed.",
        system=system,
        remedy="Wait for the other run to end, or cancel it.",
    )
