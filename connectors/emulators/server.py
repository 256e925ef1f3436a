"""The process: one listening socket, the hub behind it, and a way to run both in a thread."""

import contextlib
import errno
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from types import FrameType

from connectors.emulators.control import Control
from connectors.emulators.hub import Hub
from connectors.emulators.wire import Connection, Delivery, Received


class PortInUseError(Exception):
    """The message is for the person who started the emulators."""


class Server(ThreadingMixIn, TCPServer):
    """A thread per connection; connections are few and long-lived."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], hub: Hub) -> None:
        self.hub = hub
        self.control = Control(hub)
        self._open: set[socket.socket] = set()
        super().__init__(address, Connection)

    @property
    def base(self) -> str:
        host, port = self.server_address[0], self.server_address[1]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def answer(self, received: Received) -> Delivery:
        if received.target.startswith("/_control"):
            return Delivery(self.control.answer(received))
        return self.hub.answer(received)

    def process_request(self, request, client_address):  # type: ignore[no-untyped-def]
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):  # type: ignore[no-untyped-def]
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):  # type: ignore[no-untyped-def]
        """A client that goes away mid-answer is no news; anything else is printed by the base class."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Stops listening and hangs up on everybody."""
        self.hub.close()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def listening(host: str, port: int, hub: Hub) -> Server:
    """Binds the socket. PortInUseError when somebody else has the port."""
    try:
        return Server((host, port), hub)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortInUseError(
            f"Port {port} on {host} is taken: another program listens there, perhaps emulators that still run. "
            "Stop it, or choose another port with --port."
        ) from error


def serve(
    port: int = 8900,
    state: str | Path | None = None,
    seed: int = 1,
    dataset: str | None = "online_retail",
    empty: bool = False,
    drift: bool = True,
    fresh: bool = False,
    host: str = "127.0.0.1",
    settings: Mapping[str, str] | None = None,
) -> None:
    """Runs the emulators in the foreground until SIGINT or SIGTERM.

    State found in the folder is kept unless `fresh`. PortInUseError before anything is loaded,
    DatasetError when the dataset cannot be read.
    """
    hub = Hub(Path(state) if state else None, dict(settings or {}))
    server = listening(host, port, hub)
    try:
        hub.start(None if empty else dataset, seed, drift, fresh)

        def stop(signum: int, frame: FrameType | None) -> None:
            threading.Thread(target=server.shutdown, daemon=True).start()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        sys.stderr.write(f"Emulators listen on {server.base} ({', '.join(hub.systems)}); Ctrl-C stops them.\n")
        sys.stderr.flush()
        server.serve_forever(poll_interval=0.2)
    finally:
        server.close()


@contextlib.contextmanager
def running(
    state: str | Path | None = None,
    seed: int = 1,
    dataset: str | None = None,
    drift: bool = True,
    fresh: bool = False,
    port: int = 0,
    settings: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """The same in a thread, for tests: yields the base address, on a free port unless one is asked for."""
    hub = Hub(Path(state) if state else None, dict(settings or {}))
    server = listening("127.0.0.1", port, hub)
    try:
        hub.start(dataset, seed, drift, fresh)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.base
        finally:
            server.shutdown()
            thread.join()
    finally:
        server.close()
