"""Reads one page ahead in a thread of its own, so that reading and delivering overlap."""

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")


class _End(Generic[T]):
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(pages: Iterator[T], depth: int = 1) -> Iterator[T]:
    """The same pages; an error of the reader is raised here, after the pages before it."""
    waiting: queue.Queue[T | _End[T]] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: T | _End[T]) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for page in pages:
                if not put(page):
                    return
            put(_End())
        except BaseException as error:
            put(_End(error))
        finally:
            connections.close_all()

    threading.Thread(target=read, name="read-ahead", daemon=True).start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error:
            raise item.error
    finally:
        stop.set()
