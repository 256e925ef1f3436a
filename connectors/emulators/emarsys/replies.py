"""The envelope of Core API replies and the errors that answer a whole request (contract 2.1, 10)."""

from typing import TYPE_CHECKING, Any

import msgspec

from connectors.emulators.system import Response

if TYPE_CHECKING:
    from connectors.emulators.emarsys.call import Call

_encode = msgspec.json.Encoder().encode
JSON = "application/json; charset=utf-8"


class ApiError(Exception):
    """Ends a request: HTTP status, replyCode and text as the error table lists them."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


def reply(data: Any, *, records: int = 0, status: int = 200, code: int = 0, text: str = "OK") -> Response:
    """The usual envelope; `data` is an object, an array, a scalar or, on errors, the empty string."""
    body = _encode({"replyCode": code, "replyText": text, "data": data})
    return Response(status, body, {"Content-Type": JSON}, records)


def refusal(error: ApiError, *, with_data: bool = True) -> Response:
    if with_data:
        return reply("", status=error.status, code=error.code, text=error.text)
    return bare({"replyCode": error.code, "replyText": error.text}, status=error.status)


def bare(value: Any, *, status: int = 200, records: int = 0) -> Response:
    """A JSON reply without an envelope: token endpoint, health, `contactIds` (contract 1.3, 3.9)."""
    return Response(status, _encode(value), {"Content-Type": JSON}, records)


def plain(text: str, status: int = 200, records: int = 0) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"}, records)


def body_json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiError(400, 1010, "The payload is not a valid JSON.") from None


def body_object(body: bytes) -> dict[str, Any]:
    """The JSON object a request carries; 400 / 1010 when it is none."""
    value = body_json(body or b"{}")
    if not isinstance(value, dict):
        raise ApiError(400, 1010, "The payload is not a valid JSON.")
    return value


def require_size(call: "Call", most: int) -> None:
    """Refuses a body above a limit; with which status is not documented (contract 2.3)."""
    if len(call.request.body) > most:
        raise ApiError(int(call.account.settings["oversize_status"]), 1, "The payload is too large.")


def whole_number(text: Any, name: str, default: int | None = None) -> int:
    """A parameter that must be a whole number; 400 / 10001 when it is missing or is none."""
    if text in (None, "") and default is not None:
        return default
    try:
        return int(str(text))
    except ValueError:
        raise ApiError(400, 10001, f"Missing or invalid parameter: {name}") from None
