"""The process: a listening socket (and one for TLS), the hub behind it, and a way to run it all in a thread."""

import contextlib
import errno
import fcntl
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from connectors.emulators import tls
from connectors.emulators.control import Control
from connectors.emulators.datasets import DEMO
from connectors.emulators.hub import Hub
from connectors.emulators.system import Response, SftpAccount
from connectors.emulators.wire import Connection, Delivery, Received


class InUseError(Exception):
    """Somebody else has the port or the state; the message is for the person who started the emulators."""


class PortInUseError(InUseError):
    """Another program listens on the port."""


class StateInUseError(InUseError):
    """Other emulators keep their state in the same folder."""


class Server(ThreadingMixIn, TCPServer):
    """A thread per connection; connections are few and long-lived."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], hub: Hub, secure: ssl.SSLContext | None = None) -> None:
        self.hub = hub
        self.control = Control(hub)
        self._secure = secure
        self._open: set[socket.socket] = set()
        super().__init__(address, Connection)

    @property
    def base(self) -> str:
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"{'https' if self._secure else 'http'}://{host}:{port}"

    def answer(self, received: Received) -> Delivery:
        if received.target.startswith("/_control"):
            return Delivery(self.control.answer(received))
        if not self.hub.is_loaded:
            return Delivery(Response(503, b'{"error":"the emulators are still loading"}', {"Retry-After": "1"}))
        return self.hub.answer(received)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self._secure:
            # The handshake waits for the first read, which happens in the connection's own thread.
            connection = self._secure.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away mid-answer is no news; anything else is printed by the base class."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        """Stops listening and hangs up on everybody."""
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def listening(host: str, port: int, hub: Hub, secure: ssl.SSLContext | None = None) -> Server:
    """Binds the socket. PortInUseError when somebody else has the port."""
    try:
        return Server((host, port), hub, secure)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortInUseError(
            f"Port {port} on {host} is taken: another program listens there, perhaps emulators that still run. "
            "Stop it, or choose another port with --port."
        ) from error


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Two processes appending to one journal would ruin it. The lock goes with the process, however it ends."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateInUseError(f"{state} is in use by emulators that still run. Stop them first.") from None
        yield


@contextlib.contextmanager
def _sftp(host: str, port: int, keys: Path, hub: Hub) -> Iterator[None]:
    """Files beside HTTP; its keys stay with the state. PortInUseError when somebody else has the port."""
    from connectors.emulators.sftp import SftpListener  # paramiko takes its time: only where files are wanted

    def accounts() -> dict[str, SftpAccount]:
        serving = [system for system in hub.systems.values() if hasattr(system, "sftp_accounts")]
        return {user: account for system in serving for user, account in system.sftp_accounts().items()}

    def log(verb: str, path: str) -> None:
        hub.log.add("sftp", verb, path, 200)

    try:
        listener = SftpListener(host, port, keys, accounts, log)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortInUseError(f"Port {port} on {host} is taken. Choose another one with --sftp-port.") from error
    hub.addresses["sftp"] = listener.address
    hub.addresses["sftp_host_key"] = listener.host_key
    hub.addresses["sftp_keys"] = str(keys.resolve())
    try:
        yield
    finally:
        listener.close()


@contextlib.contextmanager
def _listeners(
    host: str,
    port: int,
    tls_port: int | None,
    state: str | Path | None,
    settings: Mapping[str, str] | None,
    sftp_port: int | None = None,
    tls_hosts: Collection[str] = (),
) -> Iterator[list[Server]]:
    """The plain server first; the one for TLS, where it is wanted, keeps its certificate with the state."""
    with contextlib.ExitStack() as stack:
        folder = Path(state) if state else None
        if folder is not None:
            stack.enter_context(_alone(folder))
        hub = Hub(folder, dict(settings or {}))
        stack.callback(hub.close)
        servers = [listening(host, port, hub)]
        stack.callback(servers[0].close)
        if tls_port is not None:
            keys = folder / "tls" if folder else Path(stack.enter_context(TemporaryDirectory()))
            servers.append(listening(host, tls_port, hub, tls.context(keys, tls_hosts)))
            stack.callback(servers[1].close)
            hub.addresses["https"] = servers[1].base
            hub.addresses["certificate"] = str((keys / "certificate.pem").resolve())
        if sftp_port is not None:
            keys = folder / "sftp" if folder else Path(stack.enter_context(TemporaryDirectory()))
            stack.enter_context(_sftp(host, sftp_port, keys, hub))
        yield servers


@contextlib.contextmanager
def _answering(servers: list[Server]) -> Iterator[None]:
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        servers[0].hub.stopping.set()
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()


def serve(
    port: int = 8900,
    state: str | Path | None = None,
    seed: int = 1,
    dataset: str | None = "online_retail",
    empty: bool = False,
    drift: bool = True,
    fresh: bool = False,
    host: str = "127.0.0.1",
    tls_port: int | None = None,
    settings: Mapping[str, str] | None = None,
    sftp_port: int | None = None,
    tls_hosts: Collection[str] = (),
) -> None:
    """Runs the emulators in the foreground until SIGINT or SIGTERM; only the main thread can call it.

    State found in the folder is kept unless `fresh`. PortInUseError before anything is loaded,
    DatasetError when the dataset cannot be read.
    """
    stopped = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopped.set()

    with _listeners(host, port, tls_port, state, settings, sftp_port, tls_hosts) as servers, _answering(servers):
        hub = servers[0].hub
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        hub.start(None if empty else dataset, seed, drift, fresh)
        addresses = " and ".join(server.base for server in servers)
        sys.stderr.write(f"Emulators listen on {addresses} ({', '.join(hub.systems)}); Ctrl-C stops them.\n")
        kept = hub.loaded
        if (kept.dataset, kept.seed) != _asked_for(empty, dataset, seed):
            said = f"They keep the state of {kept.dataset or 'no dataset'}, seed {kept.seed}; --fresh starts over.\n"
            sys.stderr.write(said)
        sys.stderr.flush()
        while not stopped.wait(0.5):
            pass


def _asked_for(empty: bool, dataset: str | None, seed: int) -> tuple[str | None, int]:
    """What the state would have been made from: a folder counts by its full path."""
    if empty or dataset is None:
        return None, seed
    return (dataset if dataset == DEMO else str(Path(dataset).expanduser().resolve())), seed


@contextlib.contextmanager
def running(
    state: str | Path | None = None,
    seed: int = 1,
    dataset: str | None = None,
    drift: bool = True,
    fresh: bool = False,
    port: int = 0,
    tls_port: int | None = None,
    settings: Mapping[str, str] | None = None,
    sftp_port: int | None = None,
    tls_hosts: Collection[str] = (),
) -> Iterator[str]:
    """The same in threads, for tests: yields the base address, on a free port unless one is asked for."""
    with _listeners("127.0.0.1", port, tls_port, state, settings, sftp_port, tls_hosts) as servers, _answering(servers):
        servers[0].hub.start(dataset, seed, drift, fresh)
        yield servers[0].base
