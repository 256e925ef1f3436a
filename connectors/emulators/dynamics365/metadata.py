"""`$metadata` and the service document, so that generic OData tools can read the environment (8.8)."""

from collections.abc import Mapping

from connectors.emulators.dynamics365.replies import encode
from connectors.emulators.dynamics365.schema import ENUMS, NAMESPACE, EntitySet, Property

_ACTIONS = {
    "ExportToPackage": "definitionGroupId packageName executionId reExecute:Boolean legalEntityId",
    "GetExecutionSummaryStatus": "executionId",
    "GetExportedPackageUrl": "executionId",
}
_GROUP = "DataManagementDefinitionGroup"


def edmx(sets: Mapping[str, EntitySet]) -> bytes:
    enums = "".join(_enum(name, members) for name, members in ENUMS.items())
    types = "".join(_type(entity, sets) for entity in sets.values()) + _package_types()
    listed = "".join(_set(entity) for entity in sets.values())
    listed += f'<EntitySet Name="{_GROUP}s" EntityType="{NAMESPACE}.{_GROUP}"/>'
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        f'<Schema Namespace="{NAMESPACE}" xmlns="http://docs.oasis-open.org/odata/ns/edm">{enums}{types}'
        f'<EntityContainer Name="Resources">{listed}</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>'
    ).encode()


def _enum(name: str, members: tuple[str, ...]) -> str:
    inner = "".join(f'<Member Name="{member}" Value="{value}"/>' for value, member in enumerate(members))
    return f'<EnumType Name="{name}">{inner}</EnumType>'


def _package_types() -> str:
    """Data projects and what can be done with them (2.8)."""
    bound = f'<Parameter Name="{_GROUP}s" Type="Collection({NAMESPACE}.{_GROUP})"/>'
    actions = ""
    for name, words in _ACTIONS.items():
        pairs = (word.partition(":")[::2] for word in words.split())
        parameters = "".join(f'<Parameter Name="{n}" Type="Edm.{kind or "String"}"/>' for n, kind in pairs)
        actions += f'<Action Name="{name}" IsBound="true">{bound}{parameters}<ReturnType Type="Edm.String"/></Action>'
    names = "".join(f'<Property Name="{name}" Type="Edm.String"/>' for name in ("Description", "ProjectCategory"))
    key = '<Key><PropertyRef Name="Name"/></Key><Property Name="Name" Type="Edm.String" Nullable="false"/>'
    return f'<EntityType Name="{_GROUP}">{key}{names}</EntityType>{actions}'


def _type(entity: EntitySet, sets: Mapping[str, EntitySet]) -> str:
    key = "".join(f'<PropertyRef Name="{name}"/>' for name in entity.key)
    properties = "".join(_property(entity, declared) for declared in entity.properties.values())
    navigation = ""
    for name, found in entity.navigation.items():
        target = f"{NAMESPACE}.{sets[found.target].type}"
        kind = f"Collection({target})" if found.many else target
        navigation += f'<NavigationProperty Name="{name}" Type="{kind}"/>'
    return f'<EntityType Name="{entity.type}"><Key>{key}</Key>{properties}{navigation}</EntityType>'


def _set(entity: EntitySet) -> str:
    bindings = "".join(
        f'<NavigationPropertyBinding Path="{name}" Target="{found.target}"/>'
        for name, found in entity.navigation.items()
    )
    return f'<EntitySet Name="{entity.name}" EntityType="{NAMESPACE}.{entity.type}">{bindings}</EntitySet>'


def _property(entity: EntitySet, declared: Property) -> str:
    rest = ' Scale="Variable"' if declared.kind == "decimal" else ""
    rest += ' Precision="0"' if declared.kind in ("date", "moment") else ""
    required = declared.name in entity.key or declared.kind not in ("string",)
    rest += ' Nullable="false"' if required else ""
    return f'<Property Name="{declared.name}" Type="{declared.edm}"{rest}/>'


def service_document(root: str, sets: Mapping[str, EntitySet]) -> bytes:
    listed = [{"name": name, "kind": "EntitySet", "url": name} for name in (*sets, f"{_GROUP}s")]
    return encode({"@odata.context": f"{root}/$metadata", "value": listed})
