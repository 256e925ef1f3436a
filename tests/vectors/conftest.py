"""The server that the tests of connectors have, too."""

from tests.connectors.conftest import running_server, server, slept

__all__ = ["running_server", "server", "slept"]
