"""Creating, changing and deleting rows over OData (dynamics365.md 2.3, 2.6)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.emulators.dynamics365.replies import ODataError, encode, odata, unknown_property
from connectors.emulators.dynamics365.representation import key_text
from connectors.emulators.dynamics365.schema import ENUMS, ETAG, NAMESPACE, EntitySet
from connectors.emulators.dynamics365.tables import Renamed, Row, Table, Writable
from connectors.emulators.system import Request, Response

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "date": str, "moment": str, "decimal": (int, float), "int": int, "long": int,
}  # fmt: skip


def writable(table: Table) -> Writable:
    """The table behind, when it takes changes; ODataError 400 for a posted document or a view."""
    entity = table.entity
    inner = table.table if isinstance(table, Renamed) else table
    if not entity.writable or not isinstance(inner, Writable):
        raise ODataError(400, f"Write failed for table row of type '{entity.type}'. The entity is read-only.")
    return inner


def change(request: Request, table: Table, row: Row) -> Response:
    """PATCH, PUT or DELETE of the row that the key names: 204, or 412 when `If-Match` names another version."""
    target, entity = writable(table), table.entity
    with target.lock:
        place = target.id_of(row)
        current = target.get(place)
        wanted = request.headers.get("if-match", "*")
        if current is None or wanted not in ("*", current[ETAG]):
            raise ODataError(412, "The record has been changed by another user.")
        if request.method == "DELETE":
            target.edit(place, None)
            return Response(204, headers={"OData-Version": "4.0"}, records=1)
        changes = body_of(entity, request.body)
        for name in entity.key:
            if name in changes and changes[name] != current[name]:
                raise ODataError(400, f"The key property '{name}' cannot be changed.")
        base = {name: current[name] for name in entity.key} if request.method == "PUT" else current
        stored = _edited(target, place, {**base, **changes})
    return Response(204, headers={"OData-Version": "4.0", "ETag": stored[ETAG]}, records=1)


def create(request: Request, table: Table, company: str) -> Response:
    """POST: 201 with the row. Without `dataAreaId` it belongs to the caller's own company (2.3)."""
    target, entity = writable(table), table.entity
    values = body_of(entity, request.body)
    if not entity.is_shared:
        values["dataAreaId"] = str(values.get("dataAreaId") or company).lower()
    # An article need not have every dimension, and some keys the system numbers itself.
    needed = [name for name in entity.key if name != entity.numbered and not name.startswith("Product")]
    for name in needed:
        if not values.get(name) and entity.properties[name].default in ("", 0):
            raise ODataError(400, f"Field '{name}' must be filled in.")
    with target.lock:
        key = target.id_of({**entity.defaults, **values})
        if target.get(key) is not None:
            raise ODataError(400, f"Cannot create a record in {entity.name}. The record already exists.")
        stored = _edited(target, key, values)
    shown = {ETAG: stored[ETAG], **{name: stored[name] for name in entity.properties}}
    context = f"{request.base}/data/$metadata#{entity.name}/$entity"
    location = f"{request.base}/data/{entity.name}({key_text(entity, stored)})"
    return odata(encode({"@odata.context": context, **shown}), 201, 1, Location=location, ETag=stored[ETAG])


def _edited(target: Writable, place: str, values: dict[str, Any]) -> Mapping[str, Any]:
    try:
        return target.edit(place, values) or {}
    except ValueError as error:
        raise ODataError(400, f"Write failed for table row of type '{target.entity.type}'. {error}.") from None


def body_of(entity: EntitySet, body: bytes) -> dict[str, Any]:
    """A payload whose names and types fit the entity; null becomes the property's empty value (2.2)."""
    try:
        values = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ODataError(400, f"An error occurred while reading the payload: {error}.") from None
    if not isinstance(values, dict):
        raise ODataError(400, "An unexpected 'StartArray' node was found in the payload.")
    return {
        name: _checked(entity, name, value)
        for name, value in values.items()
        if not name.startswith("@") and "@odata." not in name
    }


def _checked(entity: EntitySet, name: str, value: Any) -> Any:
    if name not in entity.properties:
        words = unknown_property(name, entity.type).message
        words = words.replace("Could not find a property named", "The property")
        raise ODataError(400, words.replace(" on type", " does not exist on type"))
    declared = entity.properties[name]
    if value is None:
        return declared.default
    if declared.kind in ENUMS:
        if value not in ENUMS[declared.kind]:
            raise ODataError(400, f"Requested value '{value}' was not found in '{NAMESPACE}.{declared.kind}'.")
    elif isinstance(value, bool) or not isinstance(value, _TYPES[declared.kind]):
        raise ODataError(400, f"Cannot convert a value of property '{name}' to the expected type '{declared.edm}'.")
    return value
