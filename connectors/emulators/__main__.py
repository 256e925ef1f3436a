"""`python -m connectors.emulators`: the emulated systems alone."""

import argparse
import sys

from connectors.emulators.dataset import DatasetError
from connectors.emulators.server import InUseError, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="emulate", description="Emulated ERPs and Emarsys over HTTP.")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--tls-port", type=int, help="serve https there too, with a certificate of its own")
    parser.add_argument("--state", help="folder that keeps the state; without it, memory only")
    parser.add_argument("--seed", type=int, default=1, help="what the generated people and the drift follow from")
    parser.add_argument("--dataset", default="online_retail", help="online_retail, or a folder in the neutral format")
    parser.add_argument("--empty", action="store_true", help="start without data")
    parser.add_argument("--no-drift", action="store_true", help="the target starts in order instead of neglected")
    parser.add_argument("--fresh", action="store_true", help="start over even where there is state")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a switch of a system")
    options = parser.parse_args()
    try:
        serve(
            port=options.port,
            state=options.state,
            seed=options.seed,
            dataset=options.dataset,
            empty=options.empty,
            drift=not options.no_drift,
            fresh=options.fresh,
            tls_port=options.tls_port,
            settings=dict(switch.partition("=")[::2] for switch in options.set),
        )
    except (InUseError, DatasetError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
