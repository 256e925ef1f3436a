"""One authenticated Core API request, and finding the function that answers it (contract 2.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from connectors.emulators.emarsys.accounts import Account
from connectors.emulators.emarsys.replies import ApiError, body_object
from connectors.emulators.system import Request, Response


@dataclass(frozen=True)
class Call:
    """`parts` are the path segments that stood for `*`; `query` has path-style parameters too."""

    account: Account
    request: Request
    query: Mapping[str, str]
    parts: tuple[str, ...] = ()

    @cached_property
    def body(self) -> dict[str, Any]:
        return body_object(self.request.body)

    @property
    def base_path(self) -> str:
        """`/api/v3` or `/api/v2`, the way the client addressed it."""
        return "/" + "/".join(self.request.path.split("/")[1:3])


Answer = Callable[[Call], Response]
Routes = Mapping[tuple[str, str], Answer]


def split_target(target: str) -> tuple[list[str], dict[str, str]]:
    """Path segments below the API's base, and parameters written into the path (`/contact/3=a@example.com`)."""
    segments = [unquote(part) for part in target.partition("?")[0].split("/") if part]
    if segments and "=" in segments[-1]:
        pairs = (pair.partition("=") for pair in segments.pop().split("&"))
        return segments, {name: value for name, _, value in pairs}
    return segments, {}


class Router:
    """Routes are written `("GET", "filter/*/contacts")`."""

    def __init__(self, routes: Routes) -> None:
        self._routes: dict[int, list[tuple[list[str], str, Answer]]] = {}
        for (method, pattern), answer in routes.items():
            parts = pattern.split("/")
            self._routes.setdefault(len(parts), []).append((parts, method, answer))

    def find(self, method: str, segments: list[str]) -> tuple[Answer, tuple[str, ...]]:
        """400 / 1009 when only the method is wrong, 404 when there is no such route, as for merging (3.8)."""
        other_method = False
        for pattern, wanted, answer in self._routes.get(len(segments), []):
            if all(part in ("*", segment) for part, segment in zip(pattern, segments, strict=True)):
                if wanted == method:
                    return answer, tuple(s for p, s in zip(pattern, segments, strict=True) if p == "*")
                other_method = True
        if other_method:
            raise ApiError(400, 1009, f"The HTTP method is not allowed: {method}")
        raise ApiError(404, 1, f"Action {segments[-1] if segments else ''} is invalid.")
