"""Tables, columns, keys and relationships as metadata shows them (dynamics365.md 3.1, 3.3)."""

from collections.abc import Mapping
from typing import Any

from connectors.emulators.dataverse.organisation import Organisation, id_of
from connectors.emulators.dataverse.schema import NAMESPACE, Column, Relationship, Table

View = dict[str, Any]
# The name of a kind in metadata: AttributeType, and the stem of the metadata type.
KINDS = {
    "string": ("String", "String"), "memo": ("Memo", "Memo"), "int": ("Integer", "Integer"),
    "bigint": ("BigInt", "BigInt"), "bool": ("Boolean", "Boolean"), "picklist": ("Picklist", "Picklist"),
    "state": ("State", "State"), "status": ("Status", "Status"), "datetime": ("DateTime", "DateTime"),
    "date": ("DateTime", "DateTime"), "guid": ("Uniqueidentifier", "UniqueIdentifier"), "lookup": ("Lookup", "Lookup"),
    "decimal": ("Decimal", "Decimal"), "money": ("Money", "Money"), "double": ("Double", "Double"),
}  # fmt: skip
_LANGUAGE = 1033


def label(text: str) -> View:
    localized = {"Label": text, "LanguageCode": _LANGUAGE, "IsManaged": True, "MetadataId": id_of("label", text)}
    return {"LocalizedLabels": [localized], "UserLocalizedLabel": localized}


def table_view(organisation: Organisation, table: Table) -> View:
    return {
        "MetadataId": table_id(table),
        "LogicalName": table.name,
        "SchemaName": table.schema_name or table.label.replace(" ", ""),
        "EntitySetName": table.set_name,
        "LogicalCollectionName": table.set_name,
        "CollectionSchemaName": table.set_name,
        "PrimaryIdAttribute": table.id_column,
        "PrimaryNameAttribute": table.name_column,
        "ChangeTrackingEnabled": organisation.is_tracked(table),
        "IsPrivate": False,
        "IsActivity": False,
        "IsCustomEntity": table.custom,
        "OwnershipType": "UserOwned",
        "TableType": "Standard",
        "DisplayName": label(table.label),
        "DisplayCollectionName": label(f"{table.label}s"),
        "Description": label(""),
        "HasChanged": None,
    }


def table_id(table: Table) -> str:
    return id_of("metadata", table.name)


def column_id(table: Table, column: Column) -> str:
    return id_of("metadata", f"{table.name}.{column.name}")


def schema_name_of(column: Column) -> str:
    return column.schema_name or column.name


def column_view(table: Table, column: Column) -> View:
    """Without its options: those come when they are asked for."""
    attribute_type, stem = KINDS[column.kind]
    if column.name in ("customerid", "parentcustomerid"):
        attribute_type = "Customer"
    view: View = {
        "@odata.type": f"#{NAMESPACE}.{stem}AttributeMetadata",
        "MetadataId": column_id(table, column),
        "LogicalName": column.name,
        "SchemaName": schema_name_of(column),
        "EntityLogicalName": table.name,
        "AttributeType": attribute_type,
        "AttributeTypeName": {"Value": f"{attribute_type}Type"},
        "DisplayName": label(column.label or column.name),
        "Description": label(""),
        "RequiredLevel": {"Value": "None", "CanBeChanged": True},
        "IsPrimaryId": column.name == table.id_column,
        "IsPrimaryName": column.name == table.name_column,
        "IsCustomAttribute": column.custom,
        "IsValidForCreate": column.writable,
        "IsValidForRead": True,
        "IsValidForUpdate": column.writable and column.name != table.id_column,
        "AttributeOf": None,
    }
    return {**view, **_details(column)}


def _details(column: Column) -> View:
    if column.kind in ("string", "memo"):
        return {"MaxLength": column.length or 100, "Format": "Text", "FormatName": {"Value": "Text"}}
    if column.kind in ("int", "bigint", "decimal", "money", "double"):
        numbers = {"MinValue": column.minimum, "MaxValue": column.maximum, "Format": "None"}
        return {**numbers, "Precision": column.precision} if column.precision is not None else numbers
    if column.kind in ("date", "datetime"):
        return {"Format": "DateOnly" if column.kind == "date" else "DateAndTime"}
    if column.kind == "lookup":
        return {"Targets": list(column.targets)}
    return {"DefaultFormValue": column.default} if column.kind == "picklist" else {}


def option_set_view(table: Table, column: Column) -> View:
    name = f"{table.name}_{column.name}"
    if column.kind == "bool":
        yes, no = column.options.get(1, "Yes"), column.options.get(0, "No")
        return {
            "@odata.type": f"#{NAMESPACE}.BooleanOptionSetMetadata",
            "Name": name, "OptionSetType": "Boolean", "IsGlobal": False, "MetadataId": id_of("optionset", name),
            "TrueOption": {"Value": 1, "Label": label(yes)}, "FalseOption": {"Value": 0, "Label": label(no)},
        }  # fmt: skip
    options = [
        {"Value": value, "Label": label(text), **({"State": column.states[value]} if column.states else {})}
        for value, text in column.options.items()
    ]
    kind = {"state": "State", "status": "Status"}.get(column.kind, "Picklist")
    return {
        "@odata.type": f"#{NAMESPACE}.OptionSetMetadata",
        "Name": name, "OptionSetType": kind, "IsGlobal": False, "MetadataId": id_of("optionset", name),
        "Options": options,
    }  # fmt: skip


def key_view(table: Table, key: Mapping[str, Any]) -> View:
    return {
        "MetadataId": key["id"],
        "SchemaName": key["schema_name"],
        "LogicalName": str(key["schema_name"]).lower(),
        "EntityLogicalName": table.name,
        "KeyAttributes": list(key["columns"]),
        "EntityKeyIndexStatus": "Active",
        "DisplayName": label(str(key["schema_name"])),
    }


def relationship_view(organisation: Organisation, relation: Relationship) -> View:
    one, many = organisation.custom.table(relation.one), organisation.custom.table(relation.many)
    lookup = many.columns[relation.column]
    by_target = {target: name for name, target in lookup.targets_by_navigation().items()}
    return {
        "@odata.type": f"#{NAMESPACE}.OneToManyRelationshipMetadata",
        "MetadataId": id_of("relationship", relation.name),
        "SchemaName": relation.name,
        "RelationshipType": "OneToManyRelationship",
        "ReferencedEntity": relation.one,
        "ReferencedAttribute": one.id_column,
        "ReferencingEntity": relation.many,
        "ReferencingAttribute": relation.column,
        "ReferencedEntityNavigationPropertyName": relation.name,
        "ReferencingEntityNavigationPropertyName": by_target[relation.one],
        "IsCustomRelationship": one.custom or many.custom,
    }
