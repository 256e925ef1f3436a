"""Metadata: EntityDefinitions, `$metadata`, tables of one's own (dynamics365.md 3.1, 3.3, 8.8)."""

from xml.etree import ElementTree

from tests.emulators.dataverse.client import Organisation

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def test_the_names_of_a_table_as_the_sdk_asks_for_them(crm: Organisation) -> None:
    """dynamics365.md 3.1"""
    query = {"select": "LogicalName,EntitySetName,PrimaryIdAttribute", "filter": "LogicalName eq 'contact'"}
    [found] = crm.rows("EntityDefinitions", **query)
    assert found.pop("MetadataId")
    assert found == {"LogicalName": "contact", "EntitySetName": "contacts", "PrimaryIdAttribute": "contactid"}
    assert crm.get("EntityDefinitions(LogicalName='nosuch')").status_code == 404


def test_picklists_with_their_options_as_the_sdk_asks_for_them(crm: Organisation) -> None:
    """dynamics365.md 3.1"""
    cast = "Microsoft.Dynamics.CRM.PicklistAttributeMetadata"
    path = f"EntityDefinitions(LogicalName='contact')/Attributes/{cast}"
    found = crm.rows(path, select="LogicalName", expand="OptionSet($select=Options)")
    options = {row["LogicalName"]: row["OptionSet"]["Options"] for row in found}
    labels = {o["Value"]: o["Label"]["UserLocalizedLabel"]["Label"] for o in options["preferredcontactmethodcode"]}
    assert labels == {1: "Any", 2: "Email", 3: "Phone", 4: "Fax", 5: "Mail"}


def test_which_tables_are_tracked(crm: Organisation) -> None:
    """dynamics365.md 3.3"""
    query = {"select": "LogicalName", "filter": "ChangeTrackingEnabled eq true"}
    before = {row["LogicalName"] for row in crm.rows("EntityDefinitions", **query)}
    assert {"contact", "account", "msdynmkt_contactpointconsent4"} <= before
    assert "lead" not in before
    crm.switch(untracked="contact")
    assert before - {row["LogicalName"] for row in crm.rows("EntityDefinitions", **query)} == {"contact"}


def test_columns_by_name_and_by_filter(crm: Organisation) -> None:
    """dynamics365.md 3.1, 3.5"""
    column = crm.get("EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='masterid')").json()
    assert (column["AttributeType"], column["Targets"], column["IsValidForUpdate"]) == ("Lookup", ["contact"], False)
    flags = crm.rows("EntityDefinitions(LogicalName='contact')/Attributes", filter="AttributeType eq 'Boolean'")
    assert {"donotbulkemail", "donotsendmm", "merged"} <= {row["LogicalName"] for row in flags}


def test_edmx_names_every_set_type_and_binding_it_uses(crm: Organisation) -> None:
    """dynamics365.md 8.8"""
    answer = crm.get("$metadata")
    assert answer.headers["Content-Type"] == "application/xml"
    schema = ElementTree.fromstring(answer.content).find(f".//{EDM}Schema")
    assert schema is not None
    types = {f"{schema.get('Namespace')}.{found.get('Name')}": found for found in schema.findall(f"{EDM}EntityType")}
    container = schema.find(f"{EDM}EntityContainer")
    assert container is not None
    sets = {found.get("Name"): found for found in container.findall(f"{EDM}EntitySet")}
    for entity_set in sets.values():
        entity = types[str(entity_set.get("EntityType"))]
        navigation = {found.get("Name") for found in entity.findall(f"{EDM}NavigationProperty")}
        for binding in entity_set.findall(f"{EDM}NavigationPropertyBinding"):
            assert binding.get("Target") in sets
            assert binding.get("Path") in navigation
    for entity in types.values():
        properties = [found.get("Name") for found in entity.findall(f"{EDM}Property")]
        assert len(properties) == len(set(properties))
        names = properties + [found.get("Name") for found in entity.findall(f"{EDM}NavigationProperty")]
        assert len(names) == len(set(names))
        for constraint in entity.iter(f"{EDM}ReferentialConstraint"):
            assert constraint.get("Property") in properties
        for reference in entity.iter(f"{EDM}NavigationProperty"):
            target = str(reference.get("Type")).removeprefix("Collection(").removesuffix(")")
            assert target in types
    assert {row["name"] for row in crm.rows("")} == set(sets)
    contact = types["Microsoft.Dynamics.CRM.contact"]
    kinds = {found.get("Name"): found.get("Type") for found in contact.findall(f"{EDM}Property")}
    row = crm.row("C-1")
    assert set(row) - set(kinds) == {"@odata.context", "@odata.etag"}
    assert (kinds["_masterid_value"], kinds["modifiedon"]) == ("Edm.Guid", "Edm.DateTimeOffset")


def test_a_table_of_ones_own_holds_rows_and_goes_with_them(crm: Organisation) -> None:
    """What the official SDK does (8.9)"""
    title = {"@odata.type": "Microsoft.Dynamics.CRM.ComplexStringAttributeMetadata", "SchemaName": "new_Title",
             "MaxLength": 20, "IsPrimaryName": True}  # fmt: skip
    made = {"Entities": [{"SchemaName": "new_Thing", "Attributes": [title]}]}
    assert crm.call("POST", "CreateEntities", json=made).status_code == 200
    assert crm.call("POST", "CreateEntities", json=made).status_code == 412
    assert crm.call("POST", "new_things", json={"new_title": "One"}).status_code == 204
    link = crm.baseline("new_things")
    assert crm.call("POST", "new_things", json={"new_title": "Two"}).status_code == 204
    assert [row["new_title"] for row in crm.get(link).json()["value"]] == ["Two"]
    assert crm.call("DELETE", "EntityDefinitions(LogicalName='new_thing')").status_code == 204
    assert crm.get("new_things").status_code == 404
    assert crm.call("DELETE", "EntityDefinitions(LogicalName='contact')").status_code == 400
    assert crm.call("POST", "CreateEntities", json=made).status_code == 200
    assert crm.rows("new_things") == []


def test_sql_and_fetch_xml_as_the_clients_send_them(crm: Organisation) -> None:
    """What the official SDK and dynamics-web-api send (8.9)"""
    sql = (
        "SELECT TOP 2 c.fullname, c.emailaddress1 FROM contact c WHERE c.statecode = 0 AND (c.fullname LIKE '%e%' "
        "OR c.donotbulkemail = 1) AND c.createdon >= '2025-01-01' AND c.contactid IS NOT NULL ORDER BY c.fullname DESC"
    )
    answer = crm.call("GET", "contacts", params={"sql": sql})
    assert [row["fullname"] for row in answer.json()["value"]] == ["Eve Émile", "Bob Baker"]
    for refused in ("SELECT * FROM contact", "SELECT a.name FROM account a", "DELETE FROM contact"):
        assert crm.call("GET", "contacts", params={"sql": refused}).status_code == 400
    fetch = (
        '<fetch count="1"><entity name="contact"><attribute name="fullname"/><order attribute="fullname"/>'
        '<filter type="or"><condition attribute="firstname" operator="begins-with" value="ad"/>'
        '<condition attribute="emailaddress1" operator="null"/></filter></entity></fetch>'
    )
    first = crm.call("GET", "contacts", params={"fetchXml": fetch}).json()
    assert [row["fullname"] for row in first["value"]] == ["Ada O'Neil"]
    assert first["@Microsoft.Dynamics.CRM.morerecords"] is True
    second = crm.call("GET", "contacts", params={"fetchXml": fetch.replace('count="1"', 'count="1" page="2"')}).json()
    assert [row["fullname"] for row in second["value"]] == ["Ada Oneil"]
    bomb = '<!DOCTYPE f [<!ENTITY a "aaaa">]><fetch><entity name="contact"><attribute name="&a;"/></entity></fetch>'
    for bad in ("<fetch", bomb, fetch.replace("contact", "account")):
        assert crm.call("GET", "contacts", params={"fetchXml": bad}).status_code == 400
