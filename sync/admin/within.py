"""Something that calls another system from a page: its result, or an end to the waiting."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def within(seconds: float, read: Callable[[], T]) -> T:
    """The result, or TimeoutError: the reading then ends by itself, unheard."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="read-now")
    try:
        return executor.submit(_and_disconnect, read).result(seconds)
    finally:
        executor.shutdown(wait=False)


def _and_disconnect(read: Callable[[], T]) -> T:
    try:
        return read()
    finally:
        connections.close_all()
