"""The read-only `/Metadata` service beside `/data`, as clients ask it for keys and types (dynamics365.md 2.1)."""

import re
from collections.abc import Mapping
from typing import Any

from connectors.emulators.dynamics365.replies import ODataError, encode, odata
from connectors.emulators.dynamics365.schema import ENUMS, EntitySet, Link, Property
from connectors.emulators.system import Response

_PATH = re.compile(r"^/metadata/(?P<what>\w+)(?:\('(?P<name>[^']*)'\))?/?$", re.IGNORECASE)
_DATA_TYPES = {
    "string": "String",
    "date": "Date",
    "moment": "UtcDateTime",
    "long": "Int64",
    "decimal": "Real",
    "int": "Int32",
}


_LABEL = re.compile(r"^/metadata/Labels\(Id='(?P<id>[^']*)',\s*Language='(?P<language>[^']*)'\)$", re.IGNORECASE)
_CONDITION = re.compile(r"contains\(tolower\((?P<in>\w+)\),\s*'(?P<part>[^']*)'\)|(?P<of>\w+) eq (?P<is>'[^']*'|\w+)")
_LABELS = "@Emulator:"
_GROUPS = "DataManagementDefinitionGroups"


def answer(path: str, root: str, sets: Mapping[str, EntitySet], query: Mapping[str, str]) -> Response:
    """ODataError 404 for what is not there, 400 for a filter beyond names: `contains(tolower(Name),'x')` and `eq`."""
    if label := _LABEL.match(path):
        return _label(label["id"], label["language"], root)
    found = _PATH.match(path)
    kinds = {"publicentities": _entities, "dataentities": _data_entities, "publicenumerations": _enumerations}
    if not found or found["what"].lower() not in kinds:
        raise ODataError(404, "No HTTP resource was found that matches the request URI.")
    what, name = found["what"], found["name"]
    rows = kinds[what.lower()](sets)
    context = f"{root}/metadata/$metadata#{what}"
    if name is None:
        rows = _chosen(rows, query)
        return odata(encode({"@odata.context": context, "value": rows}), records=len(rows))
    for row in rows:
        if name in (row["Name"], row.get("EntitySetName"), row.get("PublicCollectionName")):
            return odata(encode({"@odata.context": f"{context}/$entity", **row}), records=1)
    raise ODataError(404, f"{what} has no '{name}'.")


def _entities(sets: Mapping[str, EntitySet]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [
        {
            "Name": entity.type,
            "EntitySetName": entity.name,
            "LabelId": f"{_LABELS}{entity.type}",
            "IsReadOnly": not entity.writable,
            "ConfigurationEnabled": True,
            "Properties": [_property(entity, declared) for declared in entity.properties.values()],
            "NavigationProperties": [_navigation(name, found, sets) for name, found in entity.navigation.items()],
            "PropertyGroups": [],
            "Actions": [],
        }
        for entity in sets.values()
    ]
    return [*listed, _packages()]


def _chosen(rows: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    for condition in filter(None, re.split(r"\s+and\s+", query.get("$filter", ""))):
        found = _CONDITION.fullmatch(condition.strip())
        if not found:
            raise ODataError(400, f"The metadata service cannot filter by '{condition}'.")
        if found["in"]:
            rows = [row for row in rows if found["part"].lower() in str(row.get(found["in"], "")).lower()]
        else:
            wanted = found["is"].strip("'").lower()
            rows = [row for row in rows if str(row.get(found["of"], "")).lower() == wanted]
    start, top = int(query.get("$skip", "0")), query.get("$top")
    return rows[start:] if top is None else rows[start : start + int(top)]


def _label(label_id: str, language: str, root: str) -> Response:
    """The words of a name; other labels are not known here (2.1)."""
    if not label_id.startswith(_LABELS):
        raise ODataError(404, f"There is no label '{label_id}'.")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label_id.removeprefix(_LABELS))
    context = f"{root}/metadata/$metadata#Labels/$entity"
    return odata(encode({"@odata.context": context, "Id": label_id, "Language": language, "Value": words}), records=1)


def _packages() -> dict[str, Any]:
    """The data projects, there for their actions alone (2.8)."""
    names = ("ExportToPackage", "GetExecutionSummaryStatus", "GetExportedPackageUrl")
    common: dict[str, Any] = {"BindingKind": "BoundToEntitySet", "Parameters": [], "ReturnType": None}
    actions = [{"Name": name, **common, "FieldLookup": None} for name in names]
    return {"Name": _GROUPS[:-1], "EntitySetName": _GROUPS, "LabelId": "", "IsReadOnly": False,
            "ConfigurationEnabled": True, "Properties": [], "NavigationProperties": [], "PropertyGroups": [],
            "Actions": actions}  # fmt: skip


def _navigation(name: str, found: Link, sets: Mapping[str, EntitySet]) -> dict[str, Any]:
    return {
        "Name": name,
        "RelatedEntity": sets[found.target].type,
        "RelatedRelationName": None,
        "Cardinality": "Multiple" if found.many else "Single",
        "Constraints": [
            {"Property": ours, "ReferencedProperty": theirs}
            for ours, theirs in zip(found.ours, found.theirs, strict=True)
        ],
    }


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


def _data_entities(sets: Mapping[str, EntitySet]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [
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
        for entity in sets.values()
    ]
    packages = {"Name": _GROUPS[:-1], "PublicEntityName": _GROUPS[:-1], "PublicCollectionName": _GROUPS, "LabelId": "",
                "DataServiceEnabled": True, "DataManagementEnabled": False, "EntityCategory": "Parameters",
                "IsReadOnly": False}  # fmt: skip
    return [*listed, packages]


def _enumerations(sets: Mapping[str, EntitySet]) -> list[dict[str, Any]]:
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
