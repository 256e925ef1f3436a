"""A worker that sends contacts as fast as its budget lets it: the senders, the budget and the connector as a run
has them. `bulk` for so many seconds, or `urgent`: one call every three seconds, whose waits it prints."""

import json
import sys
import time
from concurrent.futures import Future
from itertools import count

import django


def main(kind: str, seconds: float) -> None:
    django.setup()
    from connectors.base import Known
    from connectors.records import Customer
    from connectors.registry import connections
    from sync.limits import limits_for
    from sync.senders import Senders

    limits = limits_for("emarsys")
    limits.urgent = kind == "urgent"
    sink = connections()["emarsys"].open(limits)
    inlet = sink.inlets["customer"]  # type: ignore[union-attr]  # Emarsys is a sink
    numbers, ends = count(), time.monotonic() + seconds

    def send() -> float:
        key = f"usmf|{kind}-{next(numbers)}"
        person = Customer(key=key, company="usmf", account=key[5:], email=f"{key[5:]}@example.com")
        began = time.monotonic()
        sink.send("customer", [inlet.encode(person, Known())[0]], key)  # type: ignore[union-attr]  # as above
        return time.monotonic() - began

    if kind == "urgent":
        waits = []
        while time.monotonic() < ends:
            waits.append(send())
            time.sleep(3)
        print(json.dumps(waits))
        return
    with Senders(32, limits.budget) as senders:
        # As many at a time as the width lets through: each asks for its turn anew.
        waiting: set[Future[float]] = set()
        while time.monotonic() < ends:
            waiting = {one for one in waiting if not one.done()}
            while len(waiting) < 40:
                waiting.add(senders.submit(send))
            time.sleep(0.01)
        for one in waiting:
            one.cancel()
    print(json.dumps([]))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
