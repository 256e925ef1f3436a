"""External events: resolved by name, triggered in batches, each answer read row by row (contract 4)."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import msgspec

from connectors.base import Answer, Encoded, Outcome, Result
from connectors.emarsys import codes, replies
from connectors.emarsys.codes import Meaning
from connectors.errors import BatchRefusedError, ConfigurationError
from connectors.http import Http, Reply


class Events:
    """The inlet `order_event`; `key` is the field that contacts are addressed by."""

    def __init__(self, http: Http, key: str) -> None:
        self._http, self._key = http, key
        self._asking = Lock()

    def send(self, batch: Sequence[Encoded]) -> Answer:
        """Triggers one event for these contacts. Repeating is safe for an hour: so long Emarsys knows a `trigger_id`.

        Raises UnknownOutcomeError where no answer came, and ConfigurationError where the event is unknown or nothing
        is attached to it.
        """
        name = batch[0].group
        number = self._number(name)
        body = b'{"key_id":"%b","contacts":[%b]}' % (self._key.encode(), b",".join([row.body for row in batch]))
        reply = replies.write(self._http, "POST", f"event/{number}/trigger", body, keyed=True)
        try:
            data = replies.accepted(reply)
        except BatchRefusedError:
            if len(batch) > 1:
                raise
            refused = replies.envelope(reply)
            return Answer([_rejected(batch[0], str(refused.code), refused.text or "")], reply.body)
        except ConfigurationError as error:
            raise self._about(name, error) from error
        self._connected(name, data, reply)
        return Answer(self._results(batch, data, reply), reply.body)

    def names(self) -> Mapping[str, str]:
        """The account's external events: name → id."""
        with self._asking:
            return self._ids

    @cached_property
    def _ids(self) -> Mapping[str, str]:
        listed = replies.data(self._http, "GET", "event")
        with replies.understood(self._http.system, "GET event"):
            return {str(entry["name"]): str(entry["id"]) for entry in listed or []}

    def _number(self, name: str) -> str:
        found = self.names().get(name)
        if found:
            return found
        raise ConfigurationError(
            f"{self._http.system} has no external event {name}.",
            system=self._http.system,
            request="GET event",
            remedy=f"Create the external event {name} in Emarsys, or name another in EVENTS.",
        )

    def _connected(self, name: str, data: Any, reply: Reply) -> None:
        """200 with `connectedTo: false` is what other accounts answer as 400 / 5005 (contract 4.2)."""
        connected = data.get("connectedTo") if isinstance(data, dict) else None
        if connected is False or (isinstance(connected, dict) and connected and not any(connected.values())):
            raise ConfigurationError(
                f"{reply.system}: nothing is attached to the external event {name}, so no message leaves.",
                system=reply.system,
                request=reply.request,
                reply=reply.excerpt(),
                remedy=f"Attach an e-mail or an active program to {name} in Emarsys.",
            )

    def _about(self, name: str, error: ConfigurationError) -> ConfigurationError:
        return ConfigurationError(
            f"External event {name}: {error.message}",
            system=error.system,
            request=error.request,
            reply=error.reply,
            remedy=error.remedy,
        )

    def _results(self, batch: Sequence[Encoded], data: Any, reply: Reply) -> list[Result]:
        """Errors are filed by the contact's key, so all events of one contact share one."""
        errors = replies.row_errors(data)
        values = [_contact(row) for row in batch]
        nameless = [value for value in errors if value not in set(values)]
        for code, _ in map(replies.row_error, errors.values()):
            if codes.rule(200, code, "event").meaning is Meaning.SETUP:
                raise replies.refusal(reply, code)
        if nameless and len(batch) > 1:
            raise BatchRefusedError(
                f"{reply.system} refused an event without saying whose.",
                system=reply.system,
                request=reply.request,
                reply=reply.excerpt(),
            )
        if nameless:
            return [_rejected(batch[0], *replies.row_error(errors[nameless[0]]))]
        return [
            _rejected(row, *replies.row_error(errors[value])) if value in errors else Result(row.key, Outcome.ACCEPTED)
            for row, value in zip(batch, values, strict=True)
        ]


def _contact(row: Encoded) -> str:
    return str(msgspec.json.decode(row.body)["external_id"])


def _rejected(row: Encoded, code: str, said: str) -> Result:
    return Result(row.key, Outcome.REJECTED, code=code, message=said)
