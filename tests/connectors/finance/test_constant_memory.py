"""A read takes the memory of a page or two, however many pages there are."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.conftest import Open
from tests.connectors.finance.endless_server import SIZE


@pytest.fixture(scope="module")
def endless() -> Iterator[str]:
    """The address of a server of as many pages as its path says."""
    program = Path(__file__).with_name("endless_server.py")
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def read(source: Any, stream: str) -> tuple[int, int]:
    """How many rows, and the most bytes that were held at once."""
    tracemalloc.start()
    try:
        rows = sum(len(page.rows) for page in source.read(stream, ""))
        return rows, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("stream", ["customer", "order"])
def test_eight_times_the_pages_take_no_more_memory(endless: str, finance: Open, stream: str) -> None:
    most = {}
    for pages in (2, 5, 40):  # the first to warm up
        source = finance(URL=endless, DATA_PATH=f"/{pages}", PAGE_SIZE=str(SIZE), AUTH="none")
        rows, most[pages] = read(source, stream)
        assert rows == pages * SIZE
    assert most[40] < 1.25 * most[5]
