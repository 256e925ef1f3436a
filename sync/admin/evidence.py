"""The request and the reply of a delivery as one exception needs them: this record's part, masked by role.

Deliveries hold whole batches, a record a line, and the reply as it came. Of a list only the elements that name
the record are kept.
"""

import csv
import io
import json
import zlib
from collections.abc import Mapping
from typing import Any

from sync import masking
from sync.models import SyncIssue

LARGEST = 20_000
"""Characters of a payload that a page shows."""
SPOKEN = ("replyText", "errors", "message")
FIRST = 20
"""Records shown of a request that is not about one."""


def shown(user: Any, issue: SyncIssue) -> dict[str, str] | None:
    """Request and reply as pretty text, or None without a delivery."""
    delivery = issue.delivery
    if delivery is None:
        return None
    names = names_of(issue)
    request = masking.shown_payload(user, issue.team, cut(_parsed(_unpacked(delivery.request)), names))
    reply = _shown_reply(user, issue, cut(_parsed(_unpacked(delivery.reply)), names))
    return {
        "request": _pretty(request),
        "reply": _pretty(reply),
        "message": masking.shown_text(user, issue.team, delivery.message),
    }


def _shown_reply(user: Any, issue: SyncIssue, part: Any, name: str = "", spoken: bool = False) -> Any:
    """A reply's own words (its text, its errors) are masked as text, so that what went wrong stays readable."""
    if isinstance(part, Mapping):
        return {
            masking.shown_text(user, issue.team, str(key)): _shown_reply(
                user, issue, value, key, spoken or key in SPOKEN
            )
            for key, value in part.items()
        }
    if isinstance(part, list):
        return [_shown_reply(user, issue, one, name, spoken) for one in part]
    if spoken and isinstance(part, str):
        return masking.shown_text(user, issue.team, part)
    return masking.shown_payload(user, issue.team, part, "id" if name == "ids" else name)


def _pretty(payload: Any) -> str:
    """JSON; lines of a CSV as lines."""
    if not payload:
        return ""
    if isinstance(payload, list) and all(
        isinstance(one, dict) and one.keys() <= {"line", "records"} for one in payload
    ):
        rows = [",".join(one["line"]) if "line" in one else f"({one['records']})" for one in payload]
        return "\n".join(rows)[:LARGEST]
    return json.dumps(payload, indent=2, ensure_ascii=False)[:LARGEST]


def names_of(issue: SyncIssue) -> frozenset[str]:
    """What the record may be called in a payload: its key, a customer's number alone, and its id at the target."""
    number = issue.source_id.rpartition("|")[2] if issue.entity == "customer" else ""
    return frozenset(name for name in (issue.source_id, number, issue.target_id) if name)


def _unpacked(packed: bytes | memoryview | None) -> str:
    if not packed:
        return ""
    try:
        return zlib.decompress(bytes(packed)).decode("utf-8", "replace")
    except zlib.error:
        return ""


def _parsed(text: str) -> Any:
    """One JSON value, else a record a line: an object (contacts) or the cells of a CSV line (sales)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [_record(line) for line in text.splitlines() if line.strip()]


def _record(line: str) -> Any:
    if line.startswith("{"):
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            return {"text": line[:2_000]}
    return {"line": next(csv.reader(io.StringIO(line)), [])}


def cut(payload: Any, names: frozenset[str]) -> Any:
    """The payload with long lists and maps narrowed to what names the record."""
    if isinstance(payload, list):
        return _cut_list(payload, names)
    if isinstance(payload, Mapping):
        mine = {key: value for key, value in payload.items() if str(key) in names}
        if mine and len(payload) > len(mine):
            return mine
        return {key: cut(value, names) for key, value in payload.items()}
    return payload


def _cut_list(items: list[Any], names: frozenset[str]) -> list[Any]:
    """Without a name (an exception about a whole upload) the first ones are kept."""
    if len(items) <= 1:
        return items
    mine = [one for one in items if _names(one, names)] if names else items[:FIRST]
    left_out = len(items) - len(mine)
    return [*mine, {"records": f"{left_out} others of this request are not shown"}] if left_out else mine


def _names(part: Any, names: frozenset[str]) -> bool:
    if isinstance(part, Mapping):
        return any(str(key) in names or _names(value, names) for key, value in part.items())
    if isinstance(part, list):
        return any(_names(one, names) for one in part)
    return str(part) in names
