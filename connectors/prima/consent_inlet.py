"""Consent written back (contract 7.3): off until switched on, sent once, looked up again when an answer was lost."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from connectors.base import Answer, Effect, Encoded, Inlet, Observed, Outcome, Page, Result, Settings, Stream
from connectors.errors import ConfigurationError, RecordError, UnknownOutcomeError
from connectors.prima.consent_body import Body, encoded, expected
from connectors.prima.envelope import BusinessError, Service, check_status, filled, request
from connectors.prima.reader import Reply
from connectors.prima.site import Site
from connectors.prima.values import Clock
from connectors.records import Consent, Record

log = logging.getLogger("connectors.prima")
ON, DRY = ("yes", "true", "on", "1"), ("dry-run", "dry_run", "dry")
OFF = ("", "no", "false", "off", "0")

INLET = Inlet(
    entity="consent",
    effect=Effect.UPSERT,
    batch=4,
    max_bytes=64 * 1024,
    readable=True,
    encode=encoded,
    fields={"given": "given"},
    expected=expected,
    after="customer",
)


class Pen(Protocol):
    """Writes one customer's flags. Raises UnknownOutcomeError, UnavailableError or BusinessError."""

    def write(self, customer: str, flags: Mapping[str, str], at: str, delivery: str) -> bytes: ...


class ConsentInlet:
    """`read` gives the site's consents by key, or all of them (no keys)."""

    def __init__(
        self, settings: Settings, pen: Pen, stream: Stream, read: Callable[[Sequence[str]], Iterable[Page]]
    ) -> None:
        self._settings, self._pen, self._stream, self._read = settings, pen, stream, read
        self._doubtful: set[str] = set()

    def send(self, batch: Sequence[Encoded], key: str) -> Answer:
        mode = self._mode()
        bodies = {one.key: msgspec.json.decode(one.body, type=Body) for one in batch}
        done = self._done_already(bodies)
        open_ = {name: body for name, body in bodies.items() if name not in done}
        results = [Result(name, Outcome.ACCEPTED, bodies[name].customer) for name in done]
        if not open_:
            return Answer(results)
        return self._written(open_, results, key, mode in DRY)

    def look(self, keys: Sequence[str]) -> Mapping[str, Observed]:
        return {observed.key: observed for page in self._read(keys) for observed in self._observed(page)}

    def find(self, records: Sequence[Record]) -> Mapping[str, Sequence[Observed]]:
        keys = {f"{record.customer}|{record.channel}": record.key for record in records if isinstance(record, Consent)}
        return {keys[key]: [observed] for key, observed in self.look(list(keys)).items() if key in keys}

    def scan(self) -> Iterator[Sequence[Observed]]:
        for page in self._read(()):
            yield list(self._observed(page))

    def _mode(self) -> str:
        """Raises ConfigurationError while write-back is off: what is not meant to be sent is not sent."""
        mode = self._settings.text("CONSENT_WRITE_BACK").strip().lower()
        if mode in ON or mode in DRY:
            return mode
        raise ConfigurationError(
            f"{self._settings.connection}: consent is not written back to this site (CONSENT_WRITE_BACK is "
            f"{mode or 'empty'}).",
            system=self._settings.connection,
            remedy="Set CONSENT_WRITE_BACK=yes once a test account has proved what blanks mean there, or dry-run to "
            "log the requests only; else pause this flow.",
        )

    def _done_already(self, bodies: Mapping[str, Body]) -> list[str]:
        """After a lost answer the customer is read again before anything is sent again (contract 7.3)."""
        if not any(body.customer in self._doubtful for body in bodies.values()):
            return []
        held = self.look([f"{body.customer}|{body.channel}" for body in bodies.values()])
        self._doubtful -= {body.customer for body in bodies.values()}
        return [
            name
            for name, body in bodies.items()
            if (observed := held.get(f"{body.customer}|{body.channel}")) and observed.fields["given"] == body.given
        ]

    def _written(self, bodies: Mapping[str, Body], results: list[Result], key: str, dry: bool) -> Answer:
        one = next(iter(bodies.values()))
        flags = {body.channel: body.given for body in bodies.values()}
        if dry:
            log.info("%s: dry run, not sent: customer %s, %s", self._settings.connection, one.customer, flags)
            message = "Dry run: the request was logged, not sent."
            return Answer(
                [*results, *(Result(name, Outcome.REJECTED, code="dry_run", message=message) for name in bodies)]
            )
        try:
            reply = self._pen.write(one.customer, flags, one.at, key)
        except UnknownOutcomeError:
            self._doubtful.add(one.customer)
            raise
        except BusinessError as error:
            return Answer([*results, *(Result(name, Outcome.REJECTED, code="refused", message=error.text[:300])
                                       for name in bodies)], error.text.encode())  # fmt: skip
        return Answer([*results, *(Result(name, Outcome.ACCEPTED, one.customer) for name in bodies)], reply)

    def _observed(self, page: Page) -> Iterator[Observed]:
        for row in page.rows:
            try:
                record = self._stream.map(row).record
            except RecordError:
                continue
            record = getattr(record, "record", record)
            if isinstance(record, Consent):
                yield Observed(record.customer, record.key, {"given": record.given})


class SoapPen:
    """The request that the site file describes: only the flags that changed (contract 7.3)."""

    def __init__(
        self, service: Service, site: Site, clock: Clock, look: Callable[[Sequence[str]], Mapping[str, Observed]]
    ) -> None:
        self._service, self._write, self._clock, self._look = service, site.consent_write, clock, look

    def write(self, customer: str, flags: Mapping[str, str], at: str, delivery: str) -> bytes:
        said = self._write
        if not said.type:
            raise ConfigurationError(
                f"{self._service.system}: the mapping file describes no consent_write.",
                system=self._service.system,
                remedy="Add consent_write to the mapping file, or set CONSENT_WRITE_BACK=no.",
            )
        values = {"delivery": delivery, "customer": customer, "at": local(self._clock, at), "source": said.source}
        params = {name: text for name, template in said.params.items() if (text := filled(template, values))}
        reply = Reply()
        self._service.write(request(said.type, {**params, **self._attributes(customer, flags)}, {}), (), reply)
        check_status(self._service, said.type, reply)
        return msgspec.json.encode(
            {"status": reply.attributes.get((), {}), "data": reply.attributes.get(("data",), {})}
        )

    def _attributes(self, customer: str, flags: Mapping[str, str]) -> dict[str, str]:
        said = self._write
        unknown = flags.keys() - said.flags.keys()
        if unknown:
            raise BusinessError(
                self._service.system, said.type, f"the site has no flag for {', '.join(sorted(unknown))}"
            )
        held = self._held(customer) if said.unchanged == "current" else {}
        words = {"yes": said.yes, "no": said.no, "": ""}
        everything = {channel: flags.get(channel) or held.get(channel, "") for channel in said.flags}
        return {said.flags[channel]: words[given] for channel, given in everything.items()
                if given or said.unchanged == "empty"}  # fmt: skip

    def _held(self, customer: str) -> dict[str, str]:
        found = self._look([f"{customer}|{channel}" for channel in self._write.flags])
        return {key.rpartition("|")[2]: observed.fields["given"] for key, observed in found.items()}


def local(clock: Clock, at: str) -> str:
    return clock.show(datetime.fromisoformat(at)) if at else ""
