"""What stands around every resource: the gateway's headers and budget, features, errors (contract 2.1, 10)."""

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.replies import ApiError, plain, refusal
from connectors.emulators.emarsys.switches import SWITCHES
from connectors.emulators.emarsys.users import User
from connectors.emulators.system import Request, Response

_TOO_MANY = "Too many requests for this account and resource within the last minute."

# As recorded; the latencies are as good as any.
GATEWAY = {
    "Via": "kong/2.0.0",
    "X-Kong-Proxy-Latency": "1",
    "X-Kong-Upstream-Latency": "1",
    "Cache-Control": "max-age=0, no-cache, no-store, must-revalidate",
    "Strict-Transport-Security": "max-age=31536000",
}

# Errors of a whole contact request that come with HTTP 200 on some accounts (2.1, 10).
_ALSO_200 = frozenset({2004, 2005, 2006, 2007, 2008, 2010})


def too_many(is_plain: bool, code: int = 7003) -> Response:
    return plain(_TOO_MANY + "\n", 429) if is_plain else refusal(ApiError(429, code, _TOO_MANY))


def refused(error: ApiError, user: User | None, request: Request) -> Response:
    settings = user.account.settings if user else SWITCHES
    if error.code == 1009 and str(settings["unsupported_method"]) == "501":
        return plain("This feature has not been implemented yet.\n", 501)
    response = refusal(error, with_data=not settings["errors_without_data"])
    if settings["errors_as_200"] and error.code in _ALSO_200 and "/contact" in request.path:
        response.status = 200
    return response


def require_feature(account: Account, segments: list[str]) -> None:
    disabled = [one.strip() for one in str(account.settings["disabled_features"]).split(",") if one.strip()]
    if segments and segments[0] in disabled:
        raise ApiError(412, 8029, "The feature is not enabled for this account.")
