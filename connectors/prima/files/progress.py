"""How far the files of a site are read."""

import json
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from connectors.errors import ConfigurationError


@dataclass
class Progress:
    """Sequence numbers by file name; `after` is a moment to start from, as file names stamp it."""

    done: dict[str, int] = field(default_factory=dict)
    after: str = ""

    def text(self) -> str:
        return json.dumps(self.done, sort_keys=True) if self.done else ""


def read(text: str, system: str, zone: tzinfo) -> Progress:
    """From a watermark, a resume point or a moment that somebody gives; ConfigurationError for anything else."""
    if not text:
        return Progress()
    if text.startswith("{"):
        return Progress({str(name): int(number) for name, number in json.loads(text).items()})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{system}: {text[:40]!r} is no place to read files from.",
            system=system,
            remedy="Give a moment in ISO 8601, or start without one to read all files.",
        ) from error
    local = moment.astimezone(zone) if moment.tzinfo else moment
    return Progress(after=local.strftime("%Y%m%d%H%M%S"))
