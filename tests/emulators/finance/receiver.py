"""A receiver of events on loopback: keeps what it is sent, answers what it is told."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any


class Receiver:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refusals = 0  # how many messages are answered with 500 before one is taken
        self.refused = 0
        self._arrived = Condition()
        self.url = ""

    def took(self, message: dict[str, Any], headers: dict[str, str]) -> int:
        with self._arrived:
            if self.refusals:
                self.refusals -= 1
                self.refused += 1
                status = 500
            else:
                self.messages.append(message)
                self.headers.append(headers)
                status = 200
            self._arrived.notify_all()
            return status

    def wait(self, count: int) -> list[dict[str, Any]]:
        """The messages, test messages left out, as soon as there are so many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.real()) >= count, 20), self.messages
            return self.real()

    def wait_for_test(self) -> dict[str, Any]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: bool(self.messages), 20)
            return self.messages[0]

    def real(self) -> list[dict[str, Any]]:
        return [m for m in self.messages if m.get("BusinessEventId") != "BusinessEventsTestEndpointContract"]


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.took(json.loads(body), headers))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/events?code=secret"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
