"""Endpoints for segments: definitions, counts, members and runs (contract 5)."""

from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.criteria import CriteriaError
from connectors.emulators.emarsys.replies import ApiError, reply, whole_number
from connectors.emulators.system import Response

_SHOWN = ("id", "name", "type", "tags", "criteriaTypes", "baseContactListId", "predefinedSegmentId")
_EMPTY: dict[str, Any] = {"tags": [], "baseContactListId": None, "predefinedSegmentId": None}
_MAX_PAGE = 1_000_000


def listing(call: Call) -> Response:
    """No sizes in the list."""
    segments = [
        {name: ({**_EMPTY, **segment}).get(name) for name in _SHOWN}
        for segment in call.account.segments.records.values()
    ]
    return reply(segments, records=len(segments))


def single(call: Call) -> Response:
    segment = _segment(call)
    return reply({name: segment.get(name) for name in ("id", "name", "description", "type")}, records=1)


def _segment(call: Call) -> dict[str, Any]:
    segment_id = call.parts[0]
    if not segment_id.isdecimal():
        raise ApiError(400, 1, f"Action {segment_id} is invalid.")
    segment = call.account.segments.records.get(segment_id)
    if segment is None:
        raise ApiError(404, 10002, f"Segment not found: {segment_id}")
    return segment


def _evaluating() -> Response:
    return reply("", status=202, code=10001, text="The segment is currently evaluated.")


def count(call: Call) -> Response:
    """A bare integer, after as many 202 as the switch `segment_202` says."""
    segment_id = _segment(call)["id"]
    settings = call.account.settings
    if settings["count_202"] and call.account.segments.is_pending(segment_id, int(settings["segment_202"])):
        return _evaluating()
    return reply(len(call.account.segments.members(segment_id)))


def contacts(call: Call) -> Response:
    """Ids as strings; `limit` is required. Later pages belong to the evaluation of the first."""
    segment_id = _segment(call)["id"]
    limit = whole_number(call.query.get("limit"), "limit")
    offset = whole_number(call.query.get("offset"), "offset", 0)
    if not 1 <= limit < _MAX_PAGE or offset < 0:
        raise ApiError(400, 10001, "Missing or invalid parameter: limit")
    segments = call.account.segments
    if not offset and segments.is_pending(segment_id, int(call.account.settings["segment_202"])):
        return _evaluating()
    page = segments.members(segment_id, kept=offset > 0)[offset : offset + limit]
    return reply(page, records=len(page))


def has_contact(call: Call) -> Response:
    return reply(call.parts[1] in set(call.account.segments.members(_segment(call)["id"])))


def read_criteria(call: Call) -> Response:
    """What the segment asks of contact fields; 1008 where criteria of other types cannot be read this way."""
    segment = _segment(call)
    if not segment.get("contactCriteria"):
        raise ApiError(400, 1008, "Validation error: the segment has no contact criteria.")
    return reply(
        {
            "id": segment["id"],
            "name": segment["name"],
            "description": segment.get("description", ""),
            "baseContactListId": str(segment.get("baseContactListId") or "0"),
            "contactCriteria": segment["contactCriteria"],
        }
    )


def write_criteria(call: Call) -> Response:
    segment = _segment(call)
    changed: dict[str, Any] = (_base(call) if "baseContactListId" in call.body else {}) | {
        name: call.body[name] for name in ("name", "description", "contactCriteria") if name in call.body
    }
    if not changed.get("contactCriteria"):
        raise ApiError(400, 1008, "Validation error: contactCriteria is required.")
    try:
        call.account.segments.records.edit(segment["id"], {**segment, **changed})
    except CriteriaError as error:
        raise ApiError(400, 1008, f"Validation error: {error}") from None
    return reply({"id": segment["id"]})


def create(call: Call) -> Response:
    body = call.body
    if not body.get("name") or not body.get("contactCriteria"):
        raise ApiError(400, 1008, "Validation error: name and contactCriteria are required.")
    record = {"name": str(body["name"]), "description": str(body.get("description", "")), **_base(call)}
    try:
        segment_id = call.account.segments.create(record | {"contactCriteria": body["contactCriteria"]})
    except CriteriaError as error:
        raise ApiError(400, 1008, f"Validation error: {error}") from None
    return reply({"id": segment_id})


def _base(call: Call) -> dict[str, Any]:
    """The contact list a segment is drawn from; "0" is every contact."""
    given = str(call.body.get("baseContactListId") or "0")
    if given != "0" and given not in call.account.lists.records:
        raise ApiError(400, 10005, f"Invalid base contact list: {given}")
    return {"baseContactListId": given}


def delete(call: Call) -> Response:
    segment_id = _segment(call)["id"]
    if call.account.segments.is_combined(segment_id):
        raise ApiError(400, 10009, "The segment is used in a combined segment.")
    call.account.segments.records.edit(segment_id, None)
    return reply({})
