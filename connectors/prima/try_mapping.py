"""`python -m connectors.prima.try_mapping MAPPING REPLY.xml ENTITY`: what a mapping makes of a captured reply.

Exit 0 when it fits, 1 when a required field is missing everywhere or the reply cannot be read, 2 for wrong use.
It prints personal data of the reply's first records: mind where the output goes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from connectors.errors import ConfigurationError
from connectors.prima import site_files, trial


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    mapping, reply, entity = arguments
    try:
        report = trial.test_mapping(site_files.load(mapping), Path(reply).read_bytes(), entity)
    except ConfigurationError as error:
        print(f"{error.message} {error.remedy}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{reply} cannot be read: {error.strerror}.", file=sys.stderr)
        return 2
    print(trial.printed(report))
    return 1 if report.missing or report.problem or not report.records else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
