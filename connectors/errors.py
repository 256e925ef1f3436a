"""What can go wrong while talking to a system, each error named by what happens next.

ConnectorError
 ├─ RecordError            this record waits for a person; the others go on
 ├─ UnavailableError       the run waits and tries again
 ├─ UnknownOutcomeError    the request may have been carried out: never repeated blindly
 ├─ BatchRefusedError      one record spoils its batch: halved until it stands alone
 ├─ ConfigurationError     the flow waits for an admin
 ├─ ExpiredWatermarkError  what was known of the changes is gone: everything is read again
 └─ UnexpectedReplyError   a developer must look: not the reply we know
"""

from connectors.redaction import redacted


class ConnectorError(Exception):
    """Carries what an operator needs: the system, the request, its answer, and the remedy.

    Request and answer are kept and logged: what looks like a credential or a person's address is masked in them.
    """

    def __init__(self, message: str, *, system: str = "", request: str = "", reply: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.system = system
        self.request = redacted(request)
        self.reply = redacted(reply)
        self.remedy = remedy


class RecordError(ConnectorError):
    """One row cannot become a record: its key or a required value is missing or unreadable."""

    def __init__(self, kind: str, field: str, message: str, value: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.field = field
        self.value = value


class UnavailableError(ConnectorError):
    """The system does not answer or asks to wait; `retry_after` in seconds where it said so."""

    def __init__(self, message: str, *, retry_after: float | None = None, **details: str) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class UnknownOutcomeError(UnavailableError):
    """The request left, its answer did not arrive: the system may have acted on it."""


class BatchRefusedError(ConnectorError):
    """The target refused the whole request for something in it, and did nothing: send its halves.

    Raised for batches of several records only; a single record is answered with a REJECTED result.
    """


class ConfigurationError(ConnectorError):
    """Credentials, permissions or settings are wrong or missing."""


class UnexpectedReplyError(ConnectorError):
    """The reply is not in the form that the contract describes."""


class ExpiredWatermarkError(ConnectorError):
    """The watermark no longer means anything to the system (an expired delta token): a full read is due."""
