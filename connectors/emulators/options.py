"""What the emulated systems are started with: the same for `python -m connectors.emulators` and `manage.py emulate`."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any


def add(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--tls-port", type=int, help="serve https there too, with a certificate of its own")
    parser.add_argument(
        "--tls-host", action="append", default=[], metavar="NAME", help="a further name in that certificate"
    )
    parser.add_argument("--sftp-port", type=int, help="serve the files that systems drop there, over SFTP")
    parser.add_argument("--state", help="folder that keeps the state; without it, memory only")
    parser.add_argument("--seed", type=int, default=1, help="what the generated people and the drift follow from")
    parser.add_argument("--dataset", default="online_retail", help="online_retail, or a folder in the neutral format")
    parser.add_argument("--empty", action="store_true", help="start without data")
    parser.add_argument("--no-drift", action="store_true", help="the target starts in order instead of neglected")
    parser.add_argument("--fresh", action="store_true", help="start over even where there is state")
    parser.add_argument(
        "--set", action="append", default=[], type=_switch, metavar="NAME=VALUE", help="a switch of a system"
    )


def _switch(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError(f"{text!r} is no switch: write NAME=VALUE, such as dynamics365.page_size=500")
    return name, value


def served(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `server.serve`."""
    alike = ("port", "tls_port", "sftp_port", "state", "seed", "dataset", "empty", "fresh")
    return {name: options[name] for name in alike} | {
        "tls_hosts": options["tls_host"],
        "drift": not options["no_drift"],
        "settings": dict(options["set"]),
    }
