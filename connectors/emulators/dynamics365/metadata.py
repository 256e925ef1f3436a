"""`$metadata` and the service document, so that generic OData tools can read the environment (8.8)."""

from connectors.emulators.dynamics365.replies import encode
from connectors.emulators.dynamics365.schema import ENTITY_SETS, ENUMS, NAMESPACE, EntitySet, Property


def edmx() -> bytes:
    enums = "".join(_enum(name, members) for name, members in ENUMS.items())
    types = "".join(_type(entity) for entity in ENTITY_SETS.values())
    sets = "".join(_set(entity) for entity in ENTITY_SETS.values())
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">{enums}{types}'
        f'<EntityContainer Name="Resources">{sets}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    ).encode()


def _enum(name: str, members: tuple[str, ...]) -> str:
    inner = "".join(f'<Member Name="{member}" Value="{value}"/>' for value, member in enumerate(members))
    return f'<EnumType Name="{name}">{inner}</EnumType>'


def _type(entity: EntitySet) -> str:
    key = "".join(f'<PropertyRef Name="{name}"/>' for name in entity.key)
    properties = "".join(_property(entity, declared) for declared in entity.properties.values())
    navigation = "".join(
        f'<NavigationProperty Name="{name}" Type="Collection({NAMESPACE}.{ENTITY_SETS[target].type})"/>'
        for name, target in entity.navigation.items()
    )
    return f'<EntityType Name="{entity.type}"><Key>{key}</Key>{properties}{navigation}</EntityType>'


def _set(entity: EntitySet) -> str:
    bindings = "".join(
        f'<NavigationPropertyBinding Path="{name}" Target="{target}"/>' for name, target in entity.navigation.items()
    )
    return f'<EntitySet Name="{entity.name}" EntityType="{NAMESPACE}.{entity.type}">{bindings}</EntitySet>'


def _property(entity: EntitySet, declared: Property) -> str:
    rest = ' Scale="Variable"' if declared.kind == "decimal" else ""
    rest += ' Precision="0"' if declared.kind == "date" else ""
    required = declared.name in entity.key or declared.kind not in ("string",)
    rest += ' Nullable="false"' if required else ""
    return f'<Property Name="{declared.name}" Type="{declared.edm}"{rest}/>'


def service_document(root: str) -> bytes:
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in ENTITY_SETS]
    return encode({"@odata.context": f"{root}/$metadata", "value": sets})
