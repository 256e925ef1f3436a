"""A thread that does what falls due by the emulated clock; it lives only while something waits."""

from collections.abc import Callable
from threading import Event, Lock, Thread

_PAUSE = 0.05


class Clockwork:
    """`work` does what is due and says whether anything still waits; `wake` is called when something may have come."""

    def __init__(self, work: Callable[[], bool]) -> None:
        self._work = work
        self._stopped = Event()
        self._lock = Lock()
        self._thread: Thread | None = None
        self._is_called = False

    def wake(self) -> None:
        with self._lock:
            self._is_called = True
            if self._thread is None and not self._stopped.is_set():
                self._thread = Thread(target=self._run, name="emarsys-clockwork", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout=2)

    def _run(self) -> None:
        while not self._stopped.is_set():
            with self._lock:
                self._is_called = False
            waits = self._work()
            with self._lock:
                if not waits and not self._is_called:
                    self._thread = None
                    return
            self._stopped.wait(_PAUSE)
