// npm simple-odata-server over nedb, serving the folder argv[2] (shop.json) on port argv[3].
const fs = require("fs"), http = require("http"), path = require("path");
const ODataServer = require("simple-odata-server"), adapter = require("simple-odata-server-nedb"), Store = require("nedb");

const shop = JSON.parse(fs.readFileSync(path.join(process.argv[2], "shop.json"), "utf8"));
const port = Number(process.argv[3]);
const model = { namespace: "shop", entityTypes: {}, entitySets: {} };
const stores = {};
for (const [name, set] of Object.entries(shop)) {
  const own = { _id: { type: "Edm.String", key: true } };
  // This store compares dates as the text they are, and its parser reads no bare date: so its service says.
  for (const [column, type] of Object.entries(set.columns)) own[column] = { type: /Date|Guid/.test(type) ? "Edm.String" : type };
  model.entityTypes[`${name}Type`] = own;
  model.entitySets[name] = { entityType: `shop.${name}Type` };
  stores[name] = new Store({ inMemoryOnly: true });
  stores[name].insert(set.rows);
}
const service = ODataServer(`http://127.0.0.1:${port}`).model(model).adapter(adapter((name, done) => done(null, stores[name])));
http.createServer((request, response) => service.handle(request, response)).listen(port, "127.0.0.1");
