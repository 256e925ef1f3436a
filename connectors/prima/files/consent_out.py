"""The file that carries consent back to the site (contract 9): one customer's flags. Pure."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime

from connectors.prima.consent_inlet import local
from connectors.prima.site import ConsentWrite
from connectors.prima.values import Clock

HEADER = ("account", "channel", "consent", "date", "source", "unique_id")


def consent_file(
    spec: ConsentWrite, clock: Clock, said: tuple[str, Mapping[str, str], str, str], sequence: int, now: datetime
) -> tuple[str, bytes]:
    """(name, content): Windows-1252, CRLF, the site's words for yes and no. `said` is customer, flags, moment and
    delivery; a row's unique id is the delivery and its channel."""
    customer, flags, at, delivery = said
    text = io.StringIO()
    writer = csv.writer(text, delimiter=spec.delimiter, lineterminator="\r\n")
    writer.writerow(HEADER)
    words = {"yes": spec.yes, "no": spec.no}
    for channel, given in sorted(flags.items()):
        writer.writerow([customer, channel, words[given], local(clock, at), spec.source, f"{delivery}|{channel}"])
    stamp = now.astimezone(clock.zone).strftime("%Y%m%d%H%M%S")
    return f"{spec.file}_{stamp}_{sequence:06}.csv", text.getvalue().encode("cp1252", "replace")
