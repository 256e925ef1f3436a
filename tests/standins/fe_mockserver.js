// npm @sap-ux/fe-mockserver-core, serving the folder argv[2] (metadata.xml, data/<set>.json) on port argv[3].
const http = require("http"), path = require("path");
const Server = require("@sap-ux/fe-mockserver-core").default;

const [folder, port] = [process.argv[2], Number(process.argv[3])];
const service = { urlPath: "/shop", metadataPath: path.join(folder, "metadata.xml"), mockdataPath: path.join(folder, "data"), generateMockData: false };
const server = new Server({ services: [service] });
server.isReady.then(() => {
  const answer = (request, response) => server.getRouter()(request, response, (error) => {
    response.statusCode = error ? 500 : 404;
    response.end(String(error || "not here"));
  });
  http.createServer(answer).listen(port, "127.0.0.1");
});
