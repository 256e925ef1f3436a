"""Metadata calls: `EntityDefinitions`, `RelationshipDefinitions`, `RetrieveMetadataChanges` (dynamics365.md 3.1)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from connectors.emulators.dataverse import defining
from connectors.emulators.dataverse.errors import BAD_QUERY, DataverseError, bad_query
from connectors.emulators.dataverse.filter_grammar import test_of
from connectors.emulators.dataverse.filter_values import GUID, Value
from connectors.emulators.dataverse.metadata_views import (
    View,
    column_view,
    key_view,
    option_set_view,
    relationship_view,
    table_id,
    table_view,
)
from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.replies import answer
from connectors.emulators.dataverse.schema import NAMESPACE, Column, Table
from connectors.emulators.system import Request, Response

_SETS = ("EntityDefinitions", "RelationshipDefinitions", "CreateEntities", "RetrieveMetadataChanges")


def _key(prefix: str) -> str:
    return rf"\((?:LogicalName='(?P<{prefix}_name>[^']*)'|(?P<{prefix}_id>{GUID.pattern}))\)"


_PATH = re.compile(
    rf"/(?P<set>\w+)(?:{_key('table')})?"
    rf"(?:/(?P<part>Attributes|Keys|OneToManyRelationships|ManyToOneRelationships|ManyToManyRelationships)"
    rf"(?:{_key('part')})?)?(?:/{re.escape(NAMESPACE)}\.(?P<cast>\w+))?/?"
)
_WITH_OPTIONS = ("picklist", "state", "status", "bool")


def is_about(path: str) -> bool:
    return path.strip("/").partition("/")[0].partition("(")[0] in _SETS


def called(organisation: Organisation, request: Request) -> Response:
    name = request.path.strip("/").partition("/")[0].partition("(")[0]
    if name == "RetrieveMetadataChanges":
        return _changes(organisation, request)
    found = _PATH.fullmatch(request.path)
    if not found:
        raise DataverseError(404, BAD_QUERY, f"Resource not found for the segment '{request.path.strip('/')}'.")
    if request.method != "GET":
        return defining.called(organisation, request, found, table_named(organisation, found))
    if name == "RelationshipDefinitions":
        return _relationships(organisation, request, found)
    table = table_named(organisation, found)
    if table is None:
        views = [table_view(organisation, table) for table in organisation.tables().values()]
        return _many(organisation, request, "EntityDefinitions", views)
    if found["part"] is None:
        view = table_view(organisation, table)
        return answer({"@odata.context": _context(request, "EntityDefinitions/$entity"),
                       **_shown(organisation, view, request.query)})  # fmt: skip
    return _part(organisation, request, table, found)


def table_named(organisation: Organisation, found: re.Match[str]) -> Table | None:
    """The table a path names, None when it names none. DataverseError 404 when there is no such table."""
    if found["set"] != "EntityDefinitions" or not (found["table_name"] or found["table_id"]):
        return None
    for table in organisation.tables().values():
        if found["table_name"] == table.name or (found["table_id"] or "").lower() == table_id(table):
            return table
    named = found["table_name"] or found["table_id"]
    raise DataverseError(404, "0x80060888", f"Could not find an entity with name or id '{named}'.")


def _part(organisation: Organisation, request: Request, table: Table, found: re.Match[str]) -> Response:
    context = f"EntityDefinitions('{table.name}')/{found['part']}"
    views = _views(organisation, table, found["part"], found["cast"] or "")
    if not (found["part_name"] or found["part_id"]):
        return _many(organisation, request, context, views)
    for view in views:
        if found["part_name"] == view.get("LogicalName") or (found["part_id"] or "").lower() == view["MetadataId"]:
            shown = _shown(organisation, view, request.query, with_options=bool(found["cast"]))
            return answer({"@odata.context": _context(request, f"{context}/$entity"), **shown})
    named = found["part_name"] or found["part_id"]
    raise DataverseError(404, "0x80060888", f"Could not find '{named}' among the {found['part']} of '{table.name}'.")


def _views(organisation: Organisation, table: Table, part: str, cast: str) -> list[View]:
    if part == "Attributes":
        views = [column_view(table, column) for column in table.columns.values()]
        return [view for view in views if not cast or view["@odata.type"].endswith(f".{cast}")]
    if part == "Keys":
        return [key_view(table, key) for key in organisation.custom.keys(table.name)]
    if part == "ManyToManyRelationships":
        return []
    side = "one" if part == "OneToManyRelationships" else "many"
    return [relationship_view(organisation, r) for r in organisation.relationships() if getattr(r, side) == table.name]


def _relationships(organisation: Organisation, request: Request, found: re.Match[str]) -> Response:
    views = [relationship_view(organisation, relation) for relation in organisation.relationships()]
    if not (found["table_id"] or found["table_name"]):
        return _many(organisation, request, "RelationshipDefinitions", views)
    for view in views:
        if view["MetadataId"] == (found["table_id"] or "").lower() or view["SchemaName"] == found["table_name"]:
            return answer({"@odata.context": _context(request, "RelationshipDefinitions/$entity"), **view})
    raise DataverseError(404, BAD_QUERY, "Could not find the relationship.")


def _many(organisation: Organisation, request: Request, context: str, views: Sequence[View]) -> Response:
    condition = request.query.get("$filter", "").strip()
    test = test_of(condition, lambda name: _resolved(views, name)) if condition else None
    passed = [_shown(organisation, view, request.query) for view in views if test is None or test(view)]
    body: dict[str, Any] = {"@odata.context": _context(request, context)}
    if request.query.get("$count", "").lower() == "true":
        body["@odata.count"] = len(passed)
    return answer({**body, "value": passed}, records=len(passed))


def _resolved(views: Sequence[View], path: str) -> tuple[str, Value]:
    """The kind of a metadata property is seen from its values: `LogicalName`, `AttributeTypeName/Value`."""

    def read(view: Mapping[str, Any]) -> Any:
        value: Any = view
        for name in path.split("/"):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    values = [value for value in map(read, views) if value is not None]
    if not values and views and path.partition("/")[0] not in views[0]:
        raise bad_query(f"Could not find a property named '{path}' on type '{NAMESPACE}.MetadataBase'.")
    sample = values[0] if values else ""
    if isinstance(sample, bool):
        return "bool", read
    if isinstance(sample, int | float):
        return "int", read
    return ("guid" if path.endswith("MetadataId") else "string"), read


def _context(request: Request, what: str) -> str:
    return f"{request.base}/$metadata#{what}"


def _shown(organisation: Organisation, view: View, query: Mapping[str, str], with_options: bool = False) -> View:
    """Selected properties, the id and the type always, and what is expanded."""
    select = [name.strip() for name in query.get("$select", "").split(",") if name.strip()]
    shown = {n: v for n, v in view.items() if not select or n in (*select, "MetadataId", "@odata.type")}
    expand = query.get("$expand", "")
    if "OptionSet" in expand or with_options:
        shown.update(_option_set(organisation, view))
    for part in ("Attributes", "Keys", "OneToManyRelationships", "ManyToOneRelationships"):
        inner = re.search(rf"(?:^|,)\s*{part}\s*(?:\(([^()]*)\))?", expand)
        if inner and "EntitySetName" in view:
            options = dict(piece.strip().partition("=")[::2] for piece in (inner[1] or "").split(";") if piece)
            table = organisation.custom.table(view["LogicalName"])
            shown[part] = [_shown(organisation, found, options) for found in _views(organisation, table, part, "")]
    return shown


def _option_set(organisation: Organisation, view: View) -> View:
    table = organisation.custom.table(view["EntityLogicalName"])
    column: Column = table.columns[view["LogicalName"]]
    return {"OptionSet": option_set_view(table, column)} if column.kind in _WITH_OPTIONS else {}


def _changes(organisation: Organisation, request: Request) -> Response:
    """`RetrieveMetadataChanges`, as far as conditions on `LogicalName` go."""
    try:
        query = msgspec.json.decode(request.query.get("@p1", ""), type=_Query)
    except msgspec.DecodeError:
        raise bad_query("RetrieveMetadataChanges needs its Query behind the alias @p1.") from None
    tables = [t for t in organisation.tables().values() if _passes(query.criteria, t.name)]
    wanted = query.attribute_query or _Query()
    select = ",".join(wanted.properties.property_names if wanted.properties else [])
    views = [
        {
            "MetadataId": table_id(table),
            "LogicalName": table.name,
            "Attributes": [
                _shown(organisation, column_view(table, column), {"$select": select})
                for column in table.columns.values()
                if _passes(wanted.criteria, column.name)
            ],
        }
        for table in tables
    ]
    context = _context(request, f"{NAMESPACE}.RetrieveMetadataChangesResponse")
    return answer({"@odata.context": context, "EntityMetadata": views, "ServerVersionStamp": "0!0"})


class _Stated(msgspec.Struct, rename="pascal"):
    value: str = ""


class _Condition(msgspec.Struct, rename="pascal"):
    property_name: str = ""
    value: _Stated | None = None


class _Criteria(msgspec.Struct, rename="pascal"):
    conditions: list[_Condition] = []


class _Properties(msgspec.Struct, rename="pascal"):
    property_names: list[str] = []


class _Query(msgspec.Struct, rename="pascal"):
    """What is asked of RetrieveMetadataChanges: for tables, and within for columns."""

    criteria: _Criteria | None = None
    properties: _Properties | None = None
    attribute_query: "_Query | None" = None


def _passes(criteria: _Criteria | None, name: str) -> bool:
    conditions = criteria.conditions if criteria else []
    return all(c.property_name != "LogicalName" or (c.value is not None and c.value.value == name) for c in conditions)
