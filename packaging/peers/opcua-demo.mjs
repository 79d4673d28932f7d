// The OPC UA server of the demo's line: variables named on the command line,
// changed by lines on standard input.
//
// Usage: node opcua-demo.mjs '{"variables":[{"id":"Press.State","type":"Int32","value":0}]}'
// Prints {"ready":true,"endpoint":…,"certificate":…}; then each line
//   {"id":"Press.State","value":1,"at":1700000000000}
// sets a variable with that source time and is answered by {"set":n}, n counting.
import { createInterface } from "node:readline";
import { createServer } from "node:net";
import { readFileSync } from "node:fs";
import { DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes } from "node-opcua";

const options = { variables: [], user: "", password: "", pki: "", namespace: "urn:linewatch:demo", ...JSON.parse(process.argv[2] ?? "{}") };
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
for (const name of ["log", "info", "warn", "debug"]) console[name] = (...args) => console.error(...args);

const port = await new Promise((resolve, reject) => {
  const probe = createServer();
  probe.once("error", reject);
  probe.listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const certificates = new OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: true, keySize: 2048 });
await certificates.initialize();
const server = new OPCUAServer({
  port, host: "127.0.0.1", hostname: "127.0.0.1", resourcePath: "",
  serverInfo: { applicationUri: "urn:linewatch:demo:line", productUri: "urn:linewatch:demo" },
  buildInfo: { productName: "Linewatch demo line" },
  securityPolicies: [SecurityPolicy.Basic256Sha256], securityModes: [MessageSecurityMode.SignAndEncrypt],
  allowAnonymous: false, userManager: { isValidUser: (user, password) => user === options.user && password === options.password },
  serverCertificateManager: certificates,
});
await server.initialize();
const space = server.engine.addressSpace.registerNamespace(options.namespace);
const line = space.addFolder("ObjectsFolder", { browseName: "Line3", nodeId: "s=Line3" });
const variables = new Map();
for (const { id, type, value } of options.variables) {
  const v = space.addVariable({ componentOf: line, browseName: id, nodeId: `s=${id}`, dataType: type, minimumSamplingInterval: 0 });
  v.setValueFromSource({ dataType: DataType[type], value }, StatusCodes.Good, new Date());
  variables.set(id, { v, type });
}
await server.start();

let count = 0;
createInterface({ input: process.stdin })
  .on("line", (text) => {
    const { id, value, at } = JSON.parse(text);
    const { v, type } = variables.get(id);
    v.setValueFromSource({ dataType: DataType[type], value }, StatusCodes.Good, new Date(at));
    say({ set: ++count });
  })
  // The demo is over: never outlive it.
  .on("close", () => { void server.shutdown(0).then(() => process.exit(0)); });

say({ ready: true, endpoint: `opc.tcp://127.0.0.1:${port}`, certificate: readFileSync(server.certificateFile, "utf8") });
