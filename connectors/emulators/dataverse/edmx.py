"""`$metadata` and the service document, so that generic OData tools can read an organisation (dynamics365.md 8.8)."""

from typing import Any
from xml.sax.saxutils import quoteattr

from connectors.emulators.dataverse.organisation import Organisation
from connectors.emulators.dataverse.schema import NAMESPACE, Column, Relationship, Table

_BASE = "crmbaseentity"
_PARAMETERS = (
    ("Target", f"{NAMESPACE}.{_BASE}"), ("Subordinate", f"{NAMESPACE}.{_BASE}"),
    ("UpdateContent", f"{NAMESPACE}.{_BASE}"), ("PerformParentingChecks", "Edm.Boolean"),
)  # fmt: skip


def document(organisation: Organisation) -> bytes:
    tables = organisation.tables()
    relations = organisation.relationships()
    types = "".join(_type(table, relations) for table in tables.values())
    sets = "".join(_set(table, relations, tables) for table in tables.values())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" Alias="mscrm" xmlns="http://docs.oasis-open.org/odata/ns/edm">'
        f'<EntityType Name="{_BASE}" Abstract="true"/>{types}{_operations()}'
        f'<EntityContainer Name="System">{sets}<FunctionImport Name="WhoAmI" Function="{NAMESPACE}.WhoAmI"/>'
        f'<FunctionImport Name="RetrieveVersion" Function="{NAMESPACE}.RetrieveVersion"/>'
        f'<ActionImport Name="Merge" Action="{NAMESPACE}.Merge"/></EntityContainer>'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    ).encode()


def _type(table: Table, relations: list[Relationship]) -> str:
    properties = "".join(_property(table, column) for column in table.columns.values())
    single = "".join(_single(name, column, target) for name, (column, target) in table.navigation.items())
    many = "".join(
        f'<NavigationProperty Name="{relation.name}" Type="Collection({NAMESPACE}.{relation.many})"/>'
        for relation in relations
        if relation.one == table.name
    )
    return (
        f'<EntityType Name="{table.name}" BaseType="{NAMESPACE}.{_BASE}"><Key><PropertyRef Name="{table.id_column}"/>'
        f"</Key>{properties}{single}{many}</EntityType>"
    )


def _property(table: Table, column: Column) -> str:
    rest = f' MaxLength="{column.length}"' if column.length else ""
    rest += ' Scale="Variable"' if column.kind in ("decimal", "money") else ""
    rest += ' Nullable="false"' if column.name == table.id_column else ""
    return f"<Property Name={quoteattr(column.property_name)} Type={quoteattr(column.edm)}{rest}/>"


def _single(name: str, column: Column, target: str) -> str:
    referenced = f"{target}id"
    constraint = f'<ReferentialConstraint Property="{column.property_name}" ReferencedProperty="{referenced}"/>'
    return f'<NavigationProperty Name="{name}" Type="{NAMESPACE}.{target}">{constraint}</NavigationProperty>'


def _set(table: Table, relations: list[Relationship], tables: dict[str, Table]) -> str:
    paths = {name: tables[target].set_name for name, (_, target) in table.navigation.items()}
    paths |= {relation.name: tables[relation.many].set_name for relation in relations if relation.one == table.name}
    bindings = "".join(f'<NavigationPropertyBinding Path="{p}" Target="{t}"/>' for p, t in paths.items())
    return f'<EntitySet Name="{table.set_name}" EntityType="{NAMESPACE}.{table.name}">{bindings}</EntitySet>'


def _operations() -> str:
    merge = "".join(f'<Parameter Name="{name}" Type="{kind}"/>' for name, kind in _PARAMETERS)
    ids = "".join(
        f'<Property Name="{name}" Type="Edm.Guid"/>' for name in ("BusinessUnitId", "UserId", "OrganizationId")
    )
    version = '<Property Name="Version" Type="Edm.String"/>'
    return (
        f'<ComplexType Name="WhoAmIResponse">{ids}</ComplexType>'
        f'<ComplexType Name="RetrieveVersionResponse">{version}</ComplexType>'
        f'<Function Name="WhoAmI"><ReturnType Type="{NAMESPACE}.WhoAmIResponse"/></Function>'
        f'<Function Name="RetrieveVersion"><ReturnType Type="{NAMESPACE}.RetrieveVersionResponse"/></Function>'
        f'<Action Name="Merge">{merge}</Action>'
    )


def service_document(organisation: Organisation, base: str) -> dict[str, Any]:
    sets = [{"name": table.set_name, "kind": "EntitySet", "url": table.set_name}
            for table in organisation.tables().values()]  # fmt: skip
    return {"@odata.context": f"{base}/$metadata", "value": sets}
