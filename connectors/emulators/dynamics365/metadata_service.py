"""The read-only `/Metadata` service beside `/data`, as clients ask it for keys and types (dynamics365.md 2.1)."""

import re
from typing import Any

from connectors.emulators.dynamics365.replies import ODataError, encode, odata
from connectors.emulators.dynamics365.schema import ENTITY_SETS, ENUMS, EntitySet, Property
from connectors.emulators.system import Response

_PATH = re.compile(r"^/metadata/(?P<what>\w+)(?:\('(?P<name>[^']*)'\))?/?$", re.IGNORECASE)
_DATA_TYPES = {"string": "String", "date": "UtcDateTime", "decimal": "Real", "int": "Int32"}


def answer(path: str, root: str) -> Response:
    """ODataError 404 for what is not there."""
    found = _PATH.match(path)
    kinds = {"publicentities": _entities, "dataentities": _data_entities, "publicenumerations": _enumerations}
    if not found or found["what"].lower() not in kinds:
        raise ODataError(404, "No HTTP resource was found that matches the request URI.")
    what, name = found["what"], found["name"]
    rows = kinds[what.lower()]()
    context = f"{root}/metadata/$metadata#{what}"
    if name is None:
        return odata(encode({"@odata.context": context, "value": rows}), records=len(rows))
    for row in rows:
        if name in (row["Name"], row.get("EntitySetName"), row.get("PublicCollectionName")):
            return odata(encode({"@odata.context": f"{context}/$entity", **row}), records=1)
    raise ODataError(404, f"{what} has no '{name}'.")


def _entities() -> list[dict[str, Any]]:
    return [
        {
            "Name": entity.type,
            "EntitySetName": entity.name,
            "LabelId": "",
            "IsReadOnly": not entity.writable,
            "ConfigurationEnabled": True,
            "Properties": [_property(entity, declared) for declared in entity.properties.values()],
            "NavigationProperties": [],
            "PropertyGroups": [],
            "Actions": [],
        }
        for entity in ENTITY_SETS.values()
    ]


def _property(entity: EntitySet, declared: Property) -> dict[str, Any]:
    is_key = declared.name in entity.key
    return {
        "Name": declared.name,
        "TypeName": declared.edm,
        "DataType": _DATA_TYPES.get(declared.kind, "Enum"),
        "LabelId": "",
        "IsKey": is_key,
        "IsMandatory": is_key,
        "ConfigurationEnabled": True,
        "AllowEdit": entity.writable and not is_key,
        "AllowEditOnCreate": entity.writable,
        "IsDimension": False,
        "DimensionRelation": None,
    }


def _data_entities() -> list[dict[str, Any]]:
    return [
        {
            "Name": f"{entity.type}Entity",
            "PublicEntityName": entity.type,
            "PublicCollectionName": entity.name,
            "LabelId": "",
            "DataServiceEnabled": True,
            "DataManagementEnabled": True,
            "EntityCategory": "Master" if entity.writable else "Transaction",
            "IsReadOnly": not entity.writable,
        }
        for entity in ENTITY_SETS.values()
    ]


def _enumerations() -> list[dict[str, Any]]:
    return [
        {
            "Name": name,
            "LabelId": "",
            "Members": [
                {"Name": member, "Value": value, "LabelId": "", "ConfigurationEnabled": True}
                for value, member in enumerate(members)
            ],
        }
        for name, members in ENUMS.items()
    ]
