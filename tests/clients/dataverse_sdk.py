"""Drives the emulated Dataverse with Microsoft's own SDK, PowerPlatform-Dataverse-Client, which is not ours.

    python dataverse_sdk.py http://127.0.0.1:8900

The emulators must listen with `--tls-port`: the SDK takes https addresses only. The script asks the control API for
that address, its certificate and the credentials, prints each step, and ends with 1 at the first difference.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ROOT = (sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8900").rstrip("/")


def asked(path: str) -> Any:
    with urlopen(f"{ROOT}{path}", timeout=30) as answer:
        return json.load(answer)


SYSTEM = asked("/_control/systems")["dataverse"]
if "https" not in SYSTEM:
    sys.exit("The emulators do not listen with TLS: start them with --tls-port.")
# The certificate is its own authority; `requests`, below the SDK, takes the bundle from here.
os.environ["REQUESTS_CA_BUNDLE"] = SYSTEM["certificate"]

from azure.core.credentials import AccessToken  # noqa: E402 - once the bundle is set
from PowerPlatform.Dataverse.client import DataverseClient  # noqa: E402 - once the bundle is set
from PowerPlatform.Dataverse.core.errors import HttpError, MetadataError  # noqa: E402 - once the bundle is set
from PowerPlatform.Dataverse.models.filters import col, raw  # noqa: E402 - once the bundle is set
from PowerPlatform.Dataverse.models.upsert import UpsertItem  # noqa: E402 - once the bundle is set

STAMP = str(time.time_ns())


class Credential:
    """Client credentials against the emulated Entra ID: any object with `get_token` will do."""

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        client = SYSTEM["clients"][0]
        form = {**client, "grant_type": "client_credentials", "scope": scopes[0]}
        with urlopen(Request(SYSTEM["token_url"], urlencode(form).encode()), timeout=30) as answer:
            given = json.load(answer)
        return AccessToken(given["access_token"], int(time.time()) + int(given["expires_in"]))


class Colour(IntEnum):
    RED = 100000000
    BLUE = 100000001


def same(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        sys.exit(f"DIFFERENT {what}: {found!r}, expected {expected!r}")
    print(f"ok  {what}: {str(found)[:100]}")


def refused(what: str, call: Callable[[], Any], status: int) -> None:
    try:
        call()
    except HttpError as error:
        same(what, error.status_code, status)
        return
    sys.exit(f"DIFFERENT {what}: it was not refused")


def rows(client: DataverseClient) -> None:
    own = client.records.create("account", {"name": f"One {STAMP}", "telephone1": "1", "industrycode": "Retail"})
    found = client.records.retrieve("account", own, select=["name", "telephone1", "industrycode"])
    same("a created account reads back", (found["name"], found["industrycode"]), (f"One {STAMP}", 27))
    client.records.update("account", own, {"telephone1": "2"})
    same("an update is stored", client.records.retrieve("account", own, select=["telephone1"])["telephone1"], "2")
    ids = client.records.create("account", [{"name": f"Many {at} {STAMP}", "numberofemployees": at} for at in range(7)])
    same("seven created at once", len(set(ids)), 7)
    client.records.update("account", ids, {"description": STAMP})
    client.records.update("account", ids[:2], [{"telephone1": "first"}, {"telephone1": "second"}])
    many = client.records.list("account", filter=f"description eq '{STAMP}'", select=["name"], orderby=["name"])
    same("all seven were updated", [row["name"] for row in many], [f"Many {at} {STAMP}" for at in range(7)])
    person = client.records.create(
        "contact", {"firstname": "Ada", "lastname": STAMP, "parentcustomerid_account@odata.bind": f"/accounts({own})"}
    )
    shown = client.records.retrieve("contact", person, select=["fullname"], expand=["parentcustomerid_account"])
    same("a contact's company is expanded", shown["parentcustomerid_account"]["name"], f"One {STAMP}")
    refused("a missing row is 404", lambda: client.records.update("contact", STAMP_ID, {"firstname": "x"}), 404)
    refused("a wrong column is 400", lambda: client.records.create("contact", {"nosuchcolumn": 1}), 400)
    client.records.delete("contact", person)
    same("a deleted row is gone", client.records.retrieve("contact", person), None)
    queries(client, own)
    client.records.delete("account", ids[0])
    client.records.delete("account", [own, *ids[1:]])
    left = client.records.list("account", filter=f"description eq '{STAMP}'", select=["name"])
    same("bulk delete leaves nothing", len(list(left)), 0)


STAMP_ID = "00000000-0000-0000-0000-00000000dead"


def queries(client: DataverseClient, own: str) -> None:
    pages = list(client.records.list_pages("account", filter=f"contains(name,'{STAMP}')", select=["name"], page_size=3))
    same("eight rows come in pages of three", [len(page) for page in pages], [3, 3, 2])
    built = (
        client.query.builder("account")
        .select("name", "numberofemployees")
        .where(col("description") == STAMP)
        .where(col("numberofemployees") >= 4)
        .order_by("numberofemployees", descending=True)
        .include_formatted_values()
        .execute()
    )
    same("a built query filters and orders", [row["numberofemployees"] for row in built], [6, 5, 4])
    either = (col("numberofemployees") == 1) | (col("name").startswith("Many 2"))
    built = client.query.builder("account").select("name").where(raw(f"description eq '{STAMP}'")).where(either)
    same("or and startswith", len(list(built.execute())), 2)
    built = (
        client.query.builder("account").where(col("numberofemployees").in_([1, 2])).where(col("description") == STAMP)
    )
    same("a list of values", len(list(built.execute())), 2)
    built = (
        client.query.builder("account").where(col("telephone1").is_null()).where(col("description") == STAMP).count()
    )
    same("null and count", len(list(built.execute())), 5)
    labelled = client.records.retrieve(
        "account", own, select=["industrycode"], include_annotations="OData.Community.Display.V1.FormattedValue"
    )
    same("labels", labelled["industrycode@OData.Community.Display.V1.FormattedValue"], "Retail")
    found = client.query.sql(f"SELECT TOP 3 name FROM account WHERE description = '{STAMP}' ORDER BY name DESC")
    same("SQL", [row["name"] for row in found], [f"Many {at} {STAMP}" for at in (6, 5, 4)])
    fetch = (
        f'<fetch count="2"><entity name="account"><attribute name="name"/><order attribute="name"/><filter>'
        f'<condition attribute="description" operator="eq" value="{STAMP}"/></filter></entity></fetch>'
    )
    pages = list(client.query.fetchxml(fetch).execute_pages())
    same("FetchXML in pages", [len(page) for page in pages], [2, 2, 2, 1])


def batches(client: DataverseClient) -> None:
    batch = client.batch.new()
    batch.records.create("account", {"name": f"Batch {STAMP}"})
    batch.records.create("account", [{"name": f"Batch a {STAMP}"}, {"name": f"Batch b {STAMP}"}])
    batch.records.list("account", filter=f"contains(name,'{STAMP}')", select=["name"], orderby=["name"])
    result = batch.execute()
    same("a batch without failures", (len(result.failed), len(result.succeeded)), (0, 3))
    same("its ids", len(result.entity_ids), 1)
    names = [row["name"] for row in result.succeeded[-1].data["value"]]
    same("its query", names, [f"Batch {STAMP}", f"Batch a {STAMP}", f"Batch b {STAMP}"])
    batch = client.batch.new()
    with batch.changeset() as changes:
        contact = changes.records.create("contact", {"firstname": "Set", "lastname": STAMP})
        changes.records.create("account", {"name": f"Ref {STAMP}", "primarycontactid@odata.bind": contact})
        changes.records.update("contact", contact, {"jobtitle": "Chief"})
    same("a changeset with references", batch.execute().has_errors, False)
    [made] = client.records.list("account", filter=f"name eq 'Ref {STAMP}'", expand=["primarycontactid"])
    same("the reference was followed", made["primarycontactid"]["jobtitle"], "Chief")
    batch = client.batch.new()
    with batch.changeset() as changes:
        changes.records.create("account", {"name": f"Never {STAMP}"})
        changes.records.update("account", STAMP_ID, {"name": "x"})
    batch.records.create("account", {"name": f"After {STAMP}"})
    result = batch.execute(continue_on_error=True)
    same("a failing changeset among others", (len(result.failed), len(result.succeeded)), (1, 1))
    kept = [
        row["name"] for row in client.records.list("account", filter=f"contains(name,'r {STAMP}')", select=["name"])
    ]
    same("nothing of the changeset was kept", kept, [f"After {STAMP}"])
    left = client.records.list("account", filter=f"contains(name,'{STAMP}')", select=["accountid"])
    client.records.delete("account", [row["accountid"] for row in left])
    people = client.records.list("contact", filter=f"lastname eq '{STAMP}'", select=["contactid"])
    client.records.delete("contact", [row["contactid"] for row in people])


def upserts(client: DataverseClient) -> None:
    key = client.tables.create_alternate_key("account", f"new_Number{STAMP[-6:]}", ["accountnumber"])
    number = STAMP[-12:]
    client.records.upsert("account", [UpsertItem({"accountnumber": number}, {"name": "Made"})])
    client.records.upsert("account", [UpsertItem({"accountnumber": number}, {"name": "Changed"})])
    two = [
        UpsertItem({"accountnumber": number}, {"name": "Third"}),
        UpsertItem({"accountnumber": number + "2"}, {"name": "B"}),
    ]
    client.records.upsert("account", two)
    found = client.records.list("account", filter=f"startswith(accountnumber,'{number}')", orderby=["accountnumber"])
    same("upserts by an alternate key", [row["name"] for row in found], ["Third", "B"])
    client.records.delete("account", [row["accountid"] for row in found])
    same(
        "the key is listed",
        any(k.metadata_id == key.metadata_id for k in client.tables.get_alternate_keys("account")),
        True,
    )
    client.tables.delete_alternate_key("account", key.metadata_id)
    refused(
        "a key that is no more is 400",
        lambda: client.records.upsert("account", [UpsertItem({"accountnumber": number}, {"name": "x"})]), 400,
    )  # fmt: skip


def metadata(client: DataverseClient) -> None:
    contact = client.tables.get("contact")
    same("a table's names", (contact.entity_set_name, contact.primary_id_attribute), ("contacts", "contactid"))
    same("an unknown table is none", client.tables.get("nosuchtable"), None)
    tracked = client.tables.list(filter="ChangeTrackingEnabled eq true", select=["LogicalName"])
    same("tables with change tracking", "contact" in [table["LogicalName"] for table in tracked], True)
    columns = {column["LogicalName"]: column for column in client.tables.list_columns("contact")}
    same("columns", columns["emailaddress1"]["AttributeType"], "String")
    relations = [relation["SchemaName"] for relation in client.tables.list_table_relationships("account")]
    same("relationships", "contact_customer_accounts" in relations, True)
    name = f"new_Widget{STAMP[-6:]}"
    made = client.tables.create(
        name,
        {"new_Price": "decimal", "new_Count": "int", "new_Active": "bool", "new_Colour": Colour, "new_Day": "date"},
        primary_column="new_Title",
    )  # fmt: skip
    same("a table of one's own", made.entity_set_name, name.lower() + "s")
    client.tables.add_columns(name, {"new_Note": "string"})
    client.tables.update_column(name, "new_Note", {"max_length": 5})
    [note] = client.tables.list_columns(name, typed=True, select=["LogicalName", "MaxLength"])[-1:]
    same("a changed column, typed", (note["LogicalName"], note["MaxLength"]), ("new_note", 5))
    refused("a text too long is 400", lambda: client.records.create(name, {"new_note": "123456"}), 400)
    values = {"new_title": "Thing", "new_price": 1.25, "new_count": 3, "new_active": True, "new_colour": "BLUE",
              "new_day": "2026-03-01", "new_note": "n"}  # fmt: skip
    own = client.records.create(name, values)
    found = client.records.retrieve(name, own)
    same("its row", {key: found[key] for key in values}, {**values, "new_colour": 100000001})
    client.tables.create_lookup_field(name, "new_OwnerAccount", "account")
    company = client.records.create("account", {"name": f"Lookup {STAMP}"})
    client.records.update(name, own, {"new_OwnerAccount@odata.bind": f"/accounts({company})"})
    same("its lookup", client.records.retrieve(name, own)["_new_owneraccount_value"], company)
    client.records.delete("account", company)
    client.tables.remove_columns(name, ["new_Note"])
    client.tables.delete(name)
    try:
        client.records.create(name, {"new_title": "x"})
    except (MetadataError, HttpError):
        print("ok  the table is gone")
        return
    sys.exit("DIFFERENT: a deleted table still takes rows")


def main() -> None:
    address = f"{SYSTEM['https']}/dataverse"
    with DataverseClient(address, Credential()) as client:
        for chapter in (rows, batches, upserts, metadata):
            print(f"-- {chapter.__name__}")
            chapter(client)
    print("PowerPlatform-Dataverse-Client: all as expected")


if __name__ == "__main__":
    main()
