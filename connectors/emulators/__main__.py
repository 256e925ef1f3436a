"""`python -m connectors.emulators`: the emulated systems alone."""

import argparse
import sys

from connectors.emulators import options
from connectors.emulators.dataset import DatasetError
from connectors.emulators.server import InUseError, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="emulate", description="Emulated ERPs and Emarsys over HTTP.")
    options.add(parser)
    try:
        serve(**options.served(vars(parser.parse_args())))
    except (InUseError, DatasetError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
