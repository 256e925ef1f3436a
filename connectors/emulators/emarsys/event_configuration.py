"""What Engagement Events have to look like: one record of `event_configurations` for each (contract 4.3).

Its id is `integration/configuration`; `fields` are names with `string`, `number`, `boolean`, `object` or `array`.
"""

from connectors.emulators.store import Record

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


def accept(configuration_id: str, record: Record) -> Record:
    fields = record.get("fields", {})
    if "/" not in configuration_id or not isinstance(fields, dict) or set(fields.values()) - set(TYPES):
        raise ValueError(f"a configuration's id is integration/configuration, types are {', '.join(TYPES)}")
    return {"fields": fields, "required": [], **record, "id": configuration_id}
