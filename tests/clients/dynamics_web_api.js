"use strict";
/*
 * Drives the emulated Dataverse with the npm package dynamics-web-api, which is not ours.
 *
 *     node dynamics_web_api.js http://127.0.0.1:8900
 *
 * The script asks the control API for the credentials, prints each step, and ends with 1 at the first difference.
 */
const assert = require("node:assert");
const { DynamicsWebApi } = require("dynamics-web-api");

const root = (process.argv[2] || "http://127.0.0.1:8900").replace(/\/$/, "");
const stamp = String(Date.now());
const nobody = "00000000-0000-0000-0000-00000000dead";

function same(what, found, expected) {
  assert.deepStrictEqual(found, expected, `DIFFERENT ${what}`);
  console.log(`ok  ${what}: ${String(JSON.stringify(found)).slice(0, 100)}`);
}

async function refused(what, call, status) {
  try {
    await call();
  } catch (error) {
    same(what, error.status, status);
    return;
  }
  assert.fail(`DIFFERENT ${what}: it was not refused`);
}

async function token(system) {
  const form = new URLSearchParams({
    ...system.clients[0], grant_type: "client_credentials", scope: system.scope,
  });
  const answer = await fetch(system.token_url, { method: "POST", body: form });
  return (await answer.json()).access_token;
}

async function rows(api) {
  const own = await api.create({ collection: "contacts", data: { firstname: "Ada", lastname: stamp } });
  same("a created row's id", /^[0-9a-f-]{36}$/.test(own), true);
  const back = await api.create({
    collection: "accounts", data: { name: `One ${stamp}`, "primarycontactid@odata.bind": `contacts(${own})` },
    returnRepresentation: true, select: ["name", "accountid"],
  });
  same("a created row comes back", back.name, `One ${stamp}`);
  const read = await api.retrieve({
    collection: "accounts", key: back.accountid, select: ["name"],
    expand: [{ property: "primarycontactid", select: ["fullname"] }],
  });
  same("its contact is expanded", read.primarycontactid.fullname, `Ada ${stamp}`);
  const labelled = await api.retrieve({
    collection: "contacts", key: own, select: ["statecode"], includeAnnotations: "*",
  });
  same("labels", labelled["statecode@OData.Community.Display.V1.FormattedValue"], "Active");
  await api.update({ collection: "contacts", key: own, data: { jobtitle: "Chief" } });
  await api.updateSingleProperty({ collection: "contacts", key: own, fieldValuePair: { department: "Sales" } });
  const now = await api.retrieve({ collection: "contacts", key: own, select: ["jobtitle", "department"] });
  same("updates are stored", [now.jobtitle, now.department], ["Chief", "Sales"]);
  const stale = () => api.update({
    collection: "contacts", key: own, data: { jobtitle: "x" }, ifmatch: labelled["@odata.etag"],
  });
  same("a stale tag changes nothing (the client says false for 412)", await stale(), false);
  await api.update({ collection: "contacts", key: own, data: { jobtitle: "Boss" }, ifmatch: now["@odata.etag"] });
  await refused("an update of a missing row is 404",
    () => api.update({ collection: "contacts", key: nobody, data: { jobtitle: "x" } }), 404);
  const tag = (await api.retrieve({ collection: "contacts", key: own }))["@odata.etag"];
  const again = await api.retrieve({ collection: "contacts", key: own, select: ["jobtitle"], ifnonematch: tag });
  same("unchanged since its tag (the client says undefined for 304)", again, undefined);
  await api.deleteRecord({ collection: "contacts", key: own, fieldName: "department" });
  same("one column is emptied",
    (await api.retrieve({ collection: "contacts", key: own, select: ["department"] })).department, null);
  await relations(api, own, back.accountid);
  await api.deleteRecord({ collection: "contacts", key: own });
  await refused("a deleted row is 404", () => api.retrieve({ collection: "contacts", key: own }), 404);
  await api.deleteRecord({ collection: "accounts", key: back.accountid });
}

async function relations(api, contact, account) {
  await api.associate({
    collection: "accounts", primaryKey: account, relationshipName: "contact_customer_accounts",
    relatedCollection: "contacts", relatedKey: contact,
  });
  const company = async () => (await api.retrieve({ collection: "contacts", key: contact }))._parentcustomerid_value;
  same("associated", await company(), account);
  await api.disassociate({
    collection: "accounts", primaryKey: account, relationshipName: "contact_customer_accounts", relatedKey: contact,
  });
  same("disassociated", await company(), null);
  await api.associateSingleValued({
    collection: "contacts", primaryKey: contact, navigationProperty: "parentcustomerid_account",
    relatedCollection: "accounts", relatedKey: account,
  });
  same("associated through the lookup", await company(), account);
  await api.disassociateSingleValued({
    collection: "contacts", primaryKey: contact, navigationProperty: "parentcustomerid_account",
  });
  same("disassociated through the lookup", await company(), null);
}

async function upserts(api) {
  const key = nobody.replace("dead", stamp.slice(-4));
  const updateOnly = await api.upsert({ collection: "contacts", key, data: { lastname: stamp }, ifmatch: "*" });
  same("an upsert that may not create (the client says null for 404)", updateOnly, null);
  await api.upsert({ collection: "contacts", key, data: { firstname: "Up", lastname: stamp } });
  await api.upsert({ collection: "contacts", key, data: { firstname: "Down" } });
  const createOnly = await api.upsert({ collection: "contacts", key, data: { firstname: "x" }, ifnonematch: "*" });
  same("an upsert that may only create (the client says null for 412)", createOnly, null);
  same("an upsert creates, then changes", (await api.retrieve({ collection: "contacts", key })).fullname, `Down ${stamp}`);
  await api.deleteRecord({ collection: "contacts", key });
}

async function queries(api) {
  const ids = [];
  for (let at = 0; at < 7; at += 1) {
    ids.push(await api.create({ collection: "contacts", data: { firstname: `N${at}`, lastname: stamp } }));
  }
  const filter = `lastname eq '${stamp}'`;
  const first = await api.retrieveMultiple({ collection: "contacts", filter, select: ["fullname"], maxPageSize: 3, count: true });
  same("the first page and its count", [first.value.length, first.oDataCount], [3, 7]);
  const second = await api.retrieveMultiple({ collection: "contacts", filter, maxPageSize: 3 }, first.oDataNextLink);
  same("the second page", second.value.length, 3);
  const all = await api.retrieveAll({ collection: "contacts", filter, select: ["fullname"], orderBy: ["fullname desc"], maxPageSize: 2 });
  same("all of them, ordered", all.value.map((row) => row.fullname), [6, 5, 4, 3, 2, 1, 0].map((at) => `N${at} ${stamp}`));
  same("top", (await api.retrieveMultiple({ collection: "contacts", filter, top: 2 })).value.length, 2);
  same("count", await api.count({ collection: "contacts", filter }), 7);
  same("count of all pages", await api.countAll({ collection: "contacts", filter, select: ["contactid"] }), 7);
  const fetchXml = `<fetch count="3"><entity name="contact"><attribute name="fullname"/><order attribute="fullname"/>`
    + `<filter><condition attribute="lastname" operator="eq" value="${stamp}"/></filter></entity></fetch>`;
  const fetched = await api.fetch({ collection: "contacts", fetchXml, includeAnnotations: "*" });
  same("FetchXML", [fetched.value.length, fetched.PagingInfo.nextPage], [3, 2]);
  const more = await api.fetch({
    collection: "contacts", fetchXml, pageNumber: fetched.PagingInfo.nextPage, pagingCookie: fetched.PagingInfo.cookie,
  });
  same("its second page", more.value.map((row) => row.fullname), [3, 4, 5].map((at) => `N${at} ${stamp}`));
  same("all its pages", (await api.fetchAll({ collection: "contacts", fetchXml })).value.length, 7);
  return ids;
}

async function changes(api, ids) {
  const options = { collection: "contacts", select: ["fullname", "statecode", "merged", "_masterid_value"] };
  const baseline = await api.retrieveAll({ ...options, trackChanges: true, maxPageSize: 3 });
  const link = baseline.oDataDeltaLink;
  same("the baseline has every row", new Set(baseline.value.map((row) => row.contactid)).size >= ids.length, true);
  same("a delta link", /\$deltatoken=\d+%21/.test(link), true);
  same("nothing has changed", (await api.retrieveMultiple({ collection: "contacts" }, link)).value, []);
  await api.deleteRecord({ collection: "contacts", key: ids[6] });
  const type = "Microsoft.Dynamics.CRM.contact";
  await api.callAction({
    actionName: "Merge",
    action: {
      Target: { "@odata.type": type, contactid: ids[0] },
      Subordinate: { "@odata.type": type, contactid: ids[1] },
      UpdateContent: { "@odata.type": type, jobtitle: "Merged" },
      PerformParentingChecks: false,
    },
  });
  const delta = await api.retrieveMultiple({ collection: "contacts" }, link);
  same("a merge is two updates, and the deletion follows", delta.value.map((row) => row.contactid || row.reason),
    [ids[0], ids[1], "deleted"]);
  same("the subordinate", [delta.value[1].statecode, delta.value[1].merged, delta.value[1]._masterid_value], [1, true, ids[0]]);
  same("the target", (await api.retrieve({ collection: "contacts", key: ids[0] })).jobtitle, "Merged");
  await refused("a merged row cannot be changed",
    () => api.update({ collection: "contacts", key: ids[1], data: { jobtitle: "x" } }), 400);
}

async function batches(api, ids) {
  api.startBatch();
  api.create({ collection: "contacts", data: { firstname: "First", lastname: stamp }, contentId: "1" });
  api.create({ collection: "accounts", data: { name: `Batch ${stamp}`, "primarycontactid@odata.bind": "$1" }, contentId: "2" });
  api.update({ contentId: "$1", data: { jobtitle: "In a batch" } });
  api.retrieveMultiple({ collection: "contacts", filter: `lastname eq '${stamp}' and jobtitle eq 'In a batch'` });
  const done = await api.executeBatch();
  same("a batch", [done.length, done[3].value[0].fullname], [4, `First ${stamp}`]);
  const [account] = (await api.retrieveMultiple({ collection: "accounts", filter: `name eq 'Batch ${stamp}'` })).value;
  same("its reference", account._primarycontactid_value, done[0]);
  api.startBatch();
  api.create({ collection: "contacts", data: { firstname: "Never", lastname: stamp } });
  api.update({ collection: "contacts", key: nobody, data: { jobtitle: "x" } });
  const failed = await api.executeBatch();
  same("a failing changeset is one refusal", failed.map((answer) => answer.status), [404]);
  same("a failing changeset leaves nothing",
    await api.count({ collection: "contacts", filter: `firstname eq 'Never' and lastname eq '${stamp}'` }), 0);
  api.startBatch();
  for (const key of [done[0], ...ids.slice(0, 6)]) api.deleteRecord({ collection: "contacts", key, inChangeSet: false });
  api.deleteRecord({ collection: "accounts", key: account.accountid, inChangeSet: false });
  await api.executeBatch({ continueOnError: true });
  same("all is tidied up", await api.count({ collection: "contacts", filter: `lastname eq '${stamp}'` }), 0);
}

async function metadata(api) {
  const me = await api.callFunction("WhoAmI");
  same("WhoAmI", /^[0-9a-f-]{36}$/.test(me.UserId), true);
  const counted = await api.callFunction({ name: "RetrieveTotalRecordCount", parameters: { EntityNames: ["contact"] } });
  same("RetrieveTotalRecordCount", counted.EntityRecordCountCollection.Keys, ["contact"]);
  const tables = await api.retrieveEntities({ select: ["LogicalName"], filter: "ChangeTrackingEnabled eq true" });
  same("tables with change tracking", tables.value.map((table) => table.LogicalName).includes("contact"), true);
  const contact = await api.retrieveEntity({ key: "LogicalName='contact'", select: ["EntitySetName", "MetadataId"] });
  same("a table", contact.EntitySetName, "contacts");
  const attribute = await api.retrieveAttribute({ entityKey: contact.MetadataId, attributeKey: "LogicalName='emailaddress1'" });
  same("a column", [attribute.AttributeType, attribute.MaxLength], ["String", 100]);
  const picklists = await api.retrieveAttributes({
    entityKey: "LogicalName='contact'", castType: "Microsoft.Dynamics.CRM.PicklistAttributeMetadata",
    expand: [{ property: "OptionSet" }],
  });
  const method = picklists.value.find((found) => found.LogicalName === "preferredcontactmethodcode");
  same("its options", method.OptionSet.Options.map((option) => option.Value), [1, 2, 3, 4, 5]);
  const edmx = await api.retrieveCsdlMetadata();
  same("$metadata", edmx.includes('<EntitySet Name="contacts"'), true);
}

async function main() {
  const system = (await (await fetch(`${root}/_control/systems`)).json()).dataverse;
  const api = new DynamicsWebApi({
    serverUrl: `${system.base}/`, // without the last slash the client drops the path
    dataApi: { path: "data", version: "9.2" },
    onTokenRefresh: () => token(system),
  });
  await rows(api);
  await upserts(api);
  const ids = await queries(api);
  await changes(api, ids);
  await batches(api, ids);
  await metadata(api);
  console.log("dynamics-web-api: all as expected");
}

main().catch((error) => {
  console.error(error.message || error);
  if (error.stack) console.error(error.stack.split("\n").slice(0, 6).join("\n"));
  process.exit(1);
});
