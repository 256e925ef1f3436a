"""The upload of sales data: append-only, never de-duplicated, its answer only an acceptance (contract 6.1, 6.2)."""

from collections.abc import Sequence

from connectors.base import Answer, Encoded, Outcome, Result
from connectors.errors import BatchRefusedError, UnknownOutcomeError
from connectors.http import Http


class Sales:
    """The inlet `sale` of one account. `header` is the first line of every file."""

    def __init__(self, http: Http, header: bytes) -> None:
        self._http, self._header = http, header

    def send(self, batch: Sequence[Encoded]) -> Answer:
        """Sends the lines once. Raises UnknownOutcomeError when the answer is lost: nothing tells then."""
        reply = self._http.request(
            "POST",
            self._http.base,
            body=self._header + b"".join([row.body for row in batch]),
            headers={"Content-Type": "text/csv", "Accept": "text/plain"},
            repeatable=False,
            writes=True,
            allow=(400, 413, 422),
        )
        if reply.status < 300 and reply.body.lstrip()[:1] == b"<":
            raise UnknownOutcomeError(
                f"{reply.system} answered with a page where it says 'Upload accepted'.",
                system=reply.system,
                request=reply.request,
                reply=reply.excerpt(),
                remedy="Look in Emarsys (Data Sources, Sales Data) whether the lines arrived before sending again.",
            )
        if reply.status < 300:
            return Answer([Result(row.key, Outcome.ACCEPTED) for row in batch], reply.body)
        if len(batch) > 1:
            raise BatchRefusedError(
                f"{reply.system} refused the file ({reply.status}).",
                system=reply.system,
                request=reply.request,
                reply=reply.excerpt(),
            )
        message = reply.excerpt(200)
        return Answer([Result(batch[0].key, Outcome.REJECTED, code=str(reply.status), message=message)], reply.body)
