"use strict";
/*
 * Drives the emulated Emarsys with suite-js-sdk, Emarsys' own SDK of the internal API, unmodified.
 *
 *     node suite_js_sdk.js http://127.0.0.1:8900
 *
 * The SDK signs with Escher; the emulated API takes the signature as it is. The script opens an account of its own,
 * prints each step, and ends with 1 at the first difference.
 */
const assert = require("node:assert");
const { api: SuiteAPI } = require("suite-js-sdk");

const root = (process.argv[2] || "http://127.0.0.1:8900").replace(/\/$/, "");
const { hostname, port } = new URL(root);
const control = `${root}/_control/emarsys`;
const stamp = String(Date.now());
const account = `sdk-${stamp}`;
const customerId = Number(stamp.slice(-9));
const external = "10569";

function same(what, found, expected) {
  assert.deepStrictEqual(found, expected, `DIFFERENT ${what}`);
  console.log(`ok  ${what}: ${String(JSON.stringify(found)).slice(0, 100)}`);
}

async function behind(method, path, body) {
  const answer = await fetch(`${control}/${path}`, { method, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${answer.statusText}`);
  return answer.status === 204 ? null : answer.json();
}

async function data(call) {
  const answer = await call;
  assert.strictEqual(answer.body.replyCode, 0, JSON.stringify(answer.body));
  return answer.body.data;
}

async function refused(what, call, status, code) {
  try {
    await call;
  } catch (error) {
    same(what, [error.code, error.data.replyCode], [status, code]);
    return;
  }
  assert.fail(`DIFFERENT ${what}: it was not refused`);
}

async function contacts(sdk) {
  const created = await data(sdk.contact.create({ key_id: external, [external]: "C-1", 1: "Ana", 3: "ana@example.com" }));
  same("a created contact's id is a number", typeof created.id, "number");
  const rows = [{ [external]: "C-1", 2: "Diaz" }, { [external]: "C-2", 3: "bo@example.com", 14: 184 }];
  const written = await data(sdk.contact.createOrUpdate({ key_id: external, contacts: rows }));
  same("updated ids are texts, created ones numbers", written.ids.map((one) => typeof one), ["string", "number"]);
  await data(sdk.contact.update({ key_id: external, [external]: "C-2", 31: 2 }));
  const wanted = { keyId: external, keyValues: ["C-1", "C-9"], fields: ["1", "2"] };
  const got = await data(sdk.contact.getData(wanted));
  same("getdata finds one", got.result.map((one) => [one["1"], one["2"]]), [["Ana", "Diaz"]]);
  same("and names the other", got.errors.map((one) => [one.key, one.errorCode]), [["C-9", 2008]]);
  const named = await data(sdk.contact.getData({ keyId: external, keyValues: ["C-1"] }, { stringIds: true }));
  same("getdata by string ids", named.result[0].first_name, "Ana");
  const queried = await data(
    sdk.contact.query({ returnFieldId: 3, queryFieldId: external, queryFieldValue: "C-2", limit: 10 })
  );
  same("query", queried.result.map((one) => one["3"]), ["bo@example.com"]);
  await refused("creating it again", sdk.contact.create({ key_id: external, [external]: "C-1" }), 400, 2009);
  const merge = { key_id: external, target_key_value: "C-1", source_key_value: "C-2", delete_source: true, merge_rules: {} };
  await refused("merging is closed to customers", sdk.contact.merge(merge), 404, 1);
  return String(created.id);
}

async function lists(sdk, ana) {
  const made = await data(sdk.contactList.create({ name: "VIP", key_id: external, external_ids: ["C-1", "C-9"] }));
  same("a list is made, what is unknown is named", Object.keys(made.errors), ["C-9"]);
  const added = await data(sdk.contactList.add({ contact_list_id: made.id, key_id: external, external_ids: ["C-2"] }));
  same("adding to it", added.inserted_contacts, 1);
  const members = await data(sdk.contactList.list({ contact_list_id: made.id, limit: 10, offset: 0 }));
  same("its members", [members.length, members[0]], [2, ana]);
  same("all lists", (await data(sdk.contactList.listContactLists({}))).map((one) => one.name), ["VIP"]);
}

async function segments(sdk) {
  const segment = (await data(sdk.segment.listSegments({}))).find((one) => one.name.startsWith("Without a loyalty"));
  const pending = await sdk.segment.countContacts({ segment_id: segment.id });
  same("a count is being evaluated first", [pending.statusCode, pending.body.replyCode], [202, 10001]);
  same("then it is a number", await data(sdk.segment.countContacts({ segment_id: segment.id })), 2);
  const ids = await data(sdk.segment.listContacts({ segment_id: segment.id, limit: 100, offset: 0 }));
  same("its contacts", ids.length, 2);
}

async function account_of_its_own(sdk) {
  same("settings", (await data(sdk.settings.getSettings({}))).id, String(customerId));
  const fields = await data(sdk.field.get({ translate_id: "de" }));
  same("fields in German", fields.find((one) => one.string_id === "first_name").name, "Vorname");
  const choices = await data(sdk.field.getChoices({ field_id: 5, translate_id: "en" }));
  same("choices", choices.map((one) => [one.id, one.choice]), [["1", "Male"], ["2", "Female"]]);
  const campaigns = await data(sdk.email.list({}));
  same("campaigns", campaigns.map((one) => one.name), ["Welcome", "Spring newsletter"]);
  same("one campaign", (await data(sdk.email.get({ email_id: campaigns[0].id }))).name, "Welcome");
}

async function events(sdk) {
  const [event] = await behind("GET", `events@${account}`);
  const payload = { event_id: event.id, key_id: external, external_id: "C-1", data: { global: { order_no: "SO-1" } } };
  await data(sdk.externalEvent.trigger(payload));
  same("the outbox", (await behind("GET", `outbox@${account}`)).map((one) => [one.to, one.data.global.order_no]), [
    ["ana@example.com", "SO-1"]
  ]);
  await refused("an unknown event", sdk.externalEvent.trigger({ ...payload, event_id: 7 }), 400, 5001);
}

async function exports_(sdk) {
  const today = Date.now();
  const range = [today - 2 * 86400000, today + 2 * 86400000].map((at) => new Date(at).toISOString().slice(0, 10));
  const body = { distribution_method: "local", origin: "all", time_range: range, contact_fields: [external, "31"] };
  const address = `${root}/api/v2/internal/${customerId}/contact/getchanges`;
  const answer = await fetch(address, { method: "POST", body: JSON.stringify(body) });
  const id = (await answer.json()).data.id;
  const file = await sdk.export.getData({ export_id: id, offset: 0, limit: 10 });
  const rows = file.body.trim().split("\n").map((line) => line.split(",").slice(1));
  same("an export as CSV", rows, [["externalId", "Opt-In"], ["C-1", ""], ["C-2", "False"]]);
  await data(sdk.contact.delete({ key_id: external, [external]: "C-2" }));
  same("a deleted contact is gone", (await behind("GET", `contacts@${account}`)).length, 1);
}

async function main() {
  const record = { customer_id: String(customerId), first_field: Number(external), export_seconds: 0 };
  await behind("PUT", `settings/${account}`, record);
  const sdk = SuiteAPI.create({
    customerId,
    apiKey: "key",
    apiSecret: "secret",
    environment: hostname,
    port,
    secure: false
  });
  try {
    const ana = await contacts(sdk);
    await lists(sdk, ana);
    await segments(sdk);
    await account_of_its_own(sdk);
    await events(sdk);
    await exports_(sdk);
  } finally {
    await behind("DELETE", `settings/${account}`);
  }
  console.log("suite-js-sdk: no differences");
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
