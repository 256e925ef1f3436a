"""Combined segments: some segments together, without some others (contract 5; errors 13001 to 13005)."""

from typing import Any

from connectors.emulators.emarsys.call import Call
from connectors.emulators.emarsys.combined_members import COMBINED
from connectors.emulators.emarsys.replies import ApiError, reply
from connectors.emulators.store import Record
from connectors.emulators.system import Response


def listing(call: Call) -> Response:
    found = [{"id": int(one["id"]), "name": one["name"]} for one in _all(call)]
    return reply(found, records=len(found))


def _all(call: Call) -> list[Record]:
    return [one for one in call.account.segments.records.values() if one["type"] == COMBINED]


def single(call: Call) -> Response:
    return reply(_shown(_combined(call, 404)), records=1)


def _combined(call: Call, status: int) -> Record:
    found = call.account.segments.records.get(call.parts[0])
    if found is None or found["type"] != COMBINED:
        raise ApiError(status, 13001, "Combined segment not found.")
    return found


def _shown(segment: Record) -> Record:
    return {"id": int(segment["id"]), "name": segment["name"], "definition": segment["definition"]}


def create(call: Call) -> Response:
    """The new segment is one like the others: it can be counted, run and exported."""
    record = _checked(call)
    segment_id = call.account.segments.create(record | {"type": COMBINED, "criteriaTypes": []})
    return reply(_shown({**record, "id": segment_id}), records=1)


def update(call: Call) -> Response:
    """What is left out stays."""
    present = _combined(call, 400)
    record = _checked(call, present)
    call.account.segments.records.edit(present["id"], {**present, **record})
    return reply(_shown({**record, "id": present["id"]}), records=1)


def _checked(call: Call, present: Record | None = None) -> Record:
    try:
        body = call.body
    except ApiError:
        raise ApiError(400, 13002, "Invalid JSON input.") from None
    name = body.get("name", present["name"] if present else "")
    if not isinstance(name, str) or not name.strip():
        raise ApiError(400, 13003, "No name provided.")
    others = (one for one in _all(call) if present is None or one["id"] != present["id"])
    if any(one["name"] == name for one in others):
        raise ApiError(400, 13004, "Name already exists.")
    definition = body.get("definition", present["definition"] if present else None)
    if not _is_definition(call, definition, present["id"] if present else ""):
        raise ApiError(400, 13005, "Definition is invalid.")
    return {"name": name, "definition": definition}


def _is_definition(call: Call, definition: Any, own_id: str) -> bool:
    """`include` is a must; every segment named exists, and none is combined itself."""
    if not isinstance(definition, dict) or set(definition) - {"include", "exclude"} or "include" not in definition:
        return False
    known = call.account.segments.records
    for side in definition.values():
        numbers = side.get("segment_ids") if isinstance(side, dict) else None
        if not isinstance(numbers, list) or side.get("relation") not in ("AND", "OR"):
            return False
        found = [known.get(str(one)) for one in numbers]
        if any(one is None or one["type"] == COMBINED or one["id"] == own_id for one in found):
            return False
    return bool(definition["include"]["segment_ids"])
