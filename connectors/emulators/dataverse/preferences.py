"""The `Prefer` header of a request, and what is said about it in `Preference-Applied` (dynamics365.md 3.1, 3.2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

MOST_ROWS = 5_000
FORMATTED = "OData.Community.Display.V1.FormattedValue"
_PART = re.compile(r'\s*([\w.-]+)\s*(?:=\s*("[^"]*"|[^,;"\s]*))?\s*(?:[,;]|$)')


@dataclass(frozen=True)
class Preferences:
    """`page` is 0 where none is asked for; `annotations` are patterns such as `*` or `Microsoft.*`."""

    page: int = 0
    track: bool = False
    representation: bool = False
    continue_on_error: bool = False
    annotations: tuple[str, ...] = ()

    def wants(self, annotation: str) -> bool:
        return any(fnmatchcase(annotation, pattern) for pattern in self.annotations)

    @property
    def applied(self) -> str:
        """The value of `Preference-Applied` for a read."""
        parts = []
        if self.page:
            parts.append(f"odata.maxpagesize={self.page}")
        if self.track:
            parts.append("odata.track-changes")
        if self.annotations:
            parts.append(f'odata.include-annotations="{",".join(self.annotations)}"')
        return ",".join(parts)


def preferences_of(headers: Mapping[str, str]) -> Preferences:
    """Preferences that are not known are ignored, as HTTP has it."""
    found: dict[str, str] = {}
    text = headers.get("prefer", "")
    at = 0
    while at < len(text) and (part := _PART.match(text, at)):
        found[part[1].lower()] = (part[2] or "").strip('"')
        at = part.end()
    page = found.get("odata.maxpagesize", "") or found.get("maxpagesize", "")
    annotations = found.get("odata.include-annotations", "")
    return Preferences(
        page=int(page) if page.isdigit() else 0,
        track="odata.track-changes" in found,
        representation=found.get("return", "") == "representation",
        continue_on_error=found.get("odata.continue-on-error", "false") in ("", "true"),
        annotations=tuple(filter(None, (name.strip() for name in annotations.split(",")))),
    )
