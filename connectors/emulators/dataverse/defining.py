"""Clients change the metadata: tables, columns, alternate keys, lookups (what the official SDK does, 3.1)."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from connectors.emulators.dataverse.errors import BAD_QUERY, DUPLICATE, DataverseError, bad_payload
from connectors.emulators.dataverse.metadata_views import KINDS, column_id, table_id
from connectors.emulators.dataverse.organisation import Organisation, id_of
from connectors.emulators.dataverse.payload import json_of, objects_of
from connectors.emulators.dataverse.replies import answer, empty
from connectors.emulators.dataverse.schema import NAMESPACE, Column, Relationship, Table
from connectors.emulators.system import Request, Response

_KINDS = {stem: kind for kind, (_, stem) in KINDS.items() if kind not in ("date", "state", "status")}
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def called(organisation: Organisation, request: Request, found: re.Match[str], table: Table | None) -> Response:
    with organisation.lock:
        given = json_of(request.body) if request.method in ("POST", "PUT", "PATCH") else {}
        what = found["set"], found["part"] or "", request.method
        if what == ("CreateEntities", "", "POST"):
            ids = [table_id(_new_table(organisation, entity)) for entity in objects_of(given, "Entities")]
            return answer({"@odata.context": f"{request.base}/$metadata#{NAMESPACE}.CreateEntitiesResponse",
                           "EntityIds": ids})  # fmt: skip
        if what == ("EntityDefinitions", "", "POST") and table is None:
            made = _new_table(organisation, given)
            return empty(204, 1, OData_EntityId=f"{request.base}/EntityDefinitions({table_id(made)})")
        if what[0] == "RelationshipDefinitions":
            return _relationship(organisation, request, found, given)
        if table is None:
            raise DataverseError(405, BAD_QUERY, f"{request.method} is not supported for {request.path}.")
        return _below_table(organisation, request, found, table, given)


def _below_table(
    organisation: Organisation, request: Request, found: re.Match[str], table: Table, given: Mapping[str, Any]
) -> Response:
    part, method = found["part"] or "", request.method
    if part == "" and method == "DELETE":
        if not table.custom:
            raise DataverseError(
                400, "0x8004f031", f"The table '{table.name}' is a standard one and cannot be deleted."
            )
        organisation.drop(table)
        return empty(204, 1)
    if part == "Attributes":
        return _attribute(organisation, request, found, table, given)
    if part == "Keys" and method == "POST":
        return _new_key(organisation, request, table, given)
    if part == "Keys" and method == "DELETE":
        left = [key for key in organisation.custom.keys(table.name) if key["id"] != (found["part_id"] or "").lower()]
        organisation.custom.put_keys(table.name, left)
        return empty(204, 1)
    raise DataverseError(405, BAD_QUERY, f"{method} is not supported for {request.path}.")


def _attribute(
    organisation: Organisation, request: Request, found: re.Match[str], table: Table, given: Mapping[str, Any]
) -> Response:
    if request.method == "POST":
        column = column_of(given)
        if column.name in table.columns:
            raise DataverseError(400, "0x80047013", f"An attribute with the name '{column.name}' already exists.")
        organisation.custom.put_column(table.name, column)
        own = column_id(table, column)
        return empty(204, 1, OData_EntityId=f"{request.base}/EntityDefinitions({table_id(table)})/Attributes({own})")
    named, own = found["part_name"], (found["part_id"] or "").lower()
    present = next((c for c in table.columns.values() if c.name == named or column_id(table, c) == own), None)
    if present is None:
        raise DataverseError(404, BAD_QUERY, f"Could not find the column '{named or own}' of '{table.name}'.")
    if request.method == "DELETE":
        if not present.custom:
            raise DataverseError(400, "0x8004f01f", f"The column '{present.name}' is a standard one: it stays.")
        organisation.custom.remove_column(table.name, present.name)
        return empty(204, 1)
    changed = column_of({**given, "SchemaName": present.schema_name or present.name})
    options = changed.options or present.options
    column = replace(changed, name=present.name, custom=present.custom, options=options)
    organisation.custom.put_column(table.name, column)
    return empty(204, 1)


def _new_table(organisation: Organisation, given: Mapping[str, Any]) -> Table:
    schema_name = str(given.get("SchemaName", ""))
    name = schema_name.lower()
    if not _NAME.fullmatch(name) or "_" not in name:
        raise bad_payload(f"'{schema_name}' is no name for a table: it needs a prefix, such as new_Widget.")
    if name in organisation.tables():
        raise DataverseError(412, DUPLICATE, f"A table with the name '{schema_name}' already exists.")
    attributes = objects_of(given, "Attributes")
    columns = [column_of(attribute) for attribute in attributes]
    primary = [c for c, attribute in zip(columns, attributes, strict=True) if attribute.get("IsPrimaryName")]
    if len(primary) != 1:
        raise bad_payload("A table needs exactly one primary name column.")
    label = _label(given.get("DisplayName")) or schema_name
    organisation.custom.add_table(name, _plural(name), primary[0].name, label, schema_name, columns)
    return organisation.rows(name).table


def _plural(name: str) -> str:
    if re.search(r"(s|x|z|ch|sh)$", name):
        return f"{name}es"
    return f"{name[:-1]}ies" if re.search(r"[^aeiou]y$", name) else f"{name}s"


def _label(given: Any) -> str:
    labels = objects_of(given, "LocalizedLabels") if isinstance(given, dict) else []
    return str(labels[0].get("Label", "")) if labels else ""


def column_of(given: Mapping[str, Any]) -> Column:
    """A column from its metadata, the plain types and those of CreateEntities (`ComplexStringAttributeMetadata`)."""
    stated = str(given.get("@odata.type", "")).lstrip("#").removeprefix(f"{NAMESPACE}.")
    kind = _KINDS.get(stated.removeprefix("Complex").removesuffix("AttributeMetadata"))
    schema_name = str(given.get("SchemaName", ""))
    if kind is None or not _NAME.fullmatch(schema_name.lower()):
        raise bad_payload(f"The column '{schema_name}' has no known type ('{stated}').")
    options = given.get("OptionSet") or {}
    length, whole = given.get("MaxLength") or 0, given.get("Precision")
    numbers = (length, whole, given.get("MinValue"), given.get("MaxValue"))
    if not isinstance(options, dict) or not all(isinstance(each, int | float | None) for each in numbers):
        raise bad_payload(f"The definition of the column '{schema_name}' has values of the wrong type.")
    if kind == "datetime" and given.get("Format") == "DateOnly":
        kind = "date"
    return Column(
        schema_name.lower(), kind, _label(given.get("DisplayName")), schema_name,
        length=int(length), options=_options(kind, options),
        minimum=given.get("MinValue"), maximum=given.get("MaxValue"), custom=True,
        precision=int(whole) if whole is not None else None,
    )  # fmt: skip


def _options(kind: str, given: Mapping[str, Any]) -> dict[int, str]:
    if kind == "bool":
        sides = ((0, "FalseOption"), (1, "TrueOption"))
        return {value: _label((given.get(name) or {}).get("Label")) or ("No", "Yes")[value] for value, name in sides}
    options = objects_of(given, "Options")
    return {int(o["Value"]): _label(o.get("Label")) for o in options if isinstance(o.get("Value"), int)}


def _new_key(organisation: Organisation, request: Request, table: Table, given: Mapping[str, Any]) -> Response:
    wanted = given.get("KeyAttributes")
    columns = [str(name).lower() for name in wanted] if isinstance(wanted, list) else []
    unknown = [name for name in columns if name not in table.columns]
    if not columns or unknown or not given.get("SchemaName"):
        raise bad_payload(
            f"A key needs SchemaName and columns of '{table.name}'; unknown: {', '.join(unknown) or '-'}."
        )
    key = {"id": str(uuid.uuid4()), "schema_name": str(given["SchemaName"]), "columns": columns}
    organisation.custom.put_keys(table.name, [*organisation.custom.keys(table.name), key])
    address = f"{request.base}/EntityDefinitions(LogicalName='{table.name}')/Keys({key['id']})"
    return empty(204, 1, OData_EntityId=address)


def _relationship(
    organisation: Organisation, request: Request, found: re.Match[str], given: Mapping[str, Any]
) -> Response:
    """One-to-many with its lookup column; many-to-many is not offered."""
    if request.method == "DELETE":
        for relation in organisation.relationships():
            if id_of("relationship", relation.name) == (found["table_id"] or "").lower():
                organisation.custom.remove_column(relation.many, relation.column)
                organisation.custom.remove_relationship(relation.name)
                return empty(204, 1)
        raise DataverseError(404, BAD_QUERY, "Could not find the relationship.")
    lookup = given.get("Lookup")
    if request.method != "POST" or not isinstance(lookup, dict):
        raise DataverseError(501, "", "This emulator makes one-to-many relationships only, with their Lookup.")
    one = organisation.custom.table(str(given.get("ReferencedEntity", "")))
    many = organisation.custom.table(str(given.get("ReferencingEntity", "")))
    schema_name = str(lookup.get("SchemaName", ""))
    column = Column(
        schema_name.lower(), "lookup", _label(lookup.get("DisplayName")), schema_name, targets=(one.name,),
        navigation=(schema_name,), custom=True,
    )  # fmt: skip
    name = str(given.get("SchemaName", ""))
    organisation.custom.put_column(many.name, column)
    organisation.custom.add_relationship(Relationship(name, one.name, many.name, column.name))
    return empty(204, 1, OData_EntityId=f"{request.base}/RelationshipDefinitions({id_of('relationship', name)})")
