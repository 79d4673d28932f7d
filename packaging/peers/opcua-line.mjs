// A real OPC UA server for tests and experiments: variables that step together,
// a small press with an alarm, and switches on standard input.
//
// Usage: node opcua-line.mjs '{"variables":200,"every":100}'
// Prints one JSON line {"ready":true,"port":…,"endpoint":…,"certificate":…} when it listens.
// Commands on standard input, one word per line, each answered by one JSON line:
//   step            all variables step once     {"step":n}
//   count           answers                     {"step":n,"sessions":n,"subscriptions":n}
//   alarm on|off    the press's level alarm     {"alarm":"on"}
//   acknowledge     somebody at the machine acknowledges it
//   bad | good      status of Line1.Press.State {"quality":"bad"}
//   state N         sets Line1.Press.State      {"state":n}
//   remove | add    the node Line1.Press.Extra  {"extra":"removed"}
//   status N        ServerStatus.State          {"status":n}
//   stop            ends the server             {"stopped":true}
import { createInterface } from "node:readline";
import { createServer } from "node:net";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer,
  SecurityPolicy, StatusCodes,
} from "node-opcua";

const given = JSON.parse(process.argv[2] ?? "{}");
const options = {
  port: 0, variables: 0, every: 0, start: 0, sessions: 20, subscriptions: 100,
  policies: ["None"], modes: ["None"], users: null, anonymous: true,
  namespace: "urn:linewatch:test", extraNamespace: "", pki: "", certificate: "", key: "",
  trustAll: true, minSampleRate: 0, itemsPerCall: 0, readsPerCall: 0, alarm: true, advertise: "", ...given,
};

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
// node-opcua writes its warnings with console; standard output is for answers only.
for (const name of ["log", "info", "warn", "debug"]) console[name] = (...args) => console.error(...args);

const port = options.port || (await freePort());
const folder = options.pki || mkdtempSync(join(tmpdir(), "opcua-line-"));
if (!options.pki) process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
process.on("SIGTERM", () => process.exit(0)); // so that "exit" comes
const certificates = new OPCUACertificateManager({
  rootFolder: folder, automaticallyAcceptUnknownCertificate: options.trustAll, keySize: 2048,
});
await certificates.initialize();

const limits = {};
if (options.itemsPerCall) limits.maxMonitoredItemsPerCall = options.itemsPerCall;
if (options.readsPerCall) {
  limits.maxNodesPerRead = options.readsPerCall;
  limits.maxNodesPerBrowse = options.readsPerCall;
  limits.maxNodesPerTranslateBrowsePathsToNodeIds = options.readsPerCall;
}
const server = new OPCUAServer({
  port,
  host: "127.0.0.1",
  hostname: "127.0.0.1",
  resourcePath: "",
  ...(options.advertise ? { alternateHostname: [options.advertise] } : {}),
  serverInfo: { applicationUri: "urn:linewatch:test:server", productUri: "urn:linewatch:test" },
  buildInfo: { productName: "linewatch test line" },
  securityPolicies: options.policies.map((p) => SecurityPolicy[p]),
  securityModes: options.modes.map((m) => MessageSecurityMode[m]),
  allowAnonymous: options.anonymous,
  userManager: options.users
    ? { isValidUser: (user, password) => options.users[user] === password }
    : undefined,
  serverCertificateManager: certificates,
  ...(options.certificate ? { certificateFile: options.certificate, privateKeyFile: options.key } : {}),
  serverCapabilities: {
    maxSessions: options.sessions, maxSubscriptions: options.subscriptions,
    minSupportedSampleRate: options.minSampleRate, operationLimits: limits,
  },
});
await server.initialize();

const addressSpace = server.engine.addressSpace;
if (options.extraNamespace) addressSpace.registerNamespace(options.extraNamespace);
const space = addressSpace.registerNamespace(options.namespace);
const line = space.addFolder("ObjectsFolder", { browseName: "Line1", nodeId: "s=Line1" });

let step = options.start;
const variables = [];
for (let i = 0; i < options.variables; i++) {
  const v = space.addVariable({
    componentOf: line, browseName: `Step${String(i).padStart(4, "0")}`, nodeId: `s=Step.${i}`,
    dataType: "Int32", minimumSamplingInterval: 0,
  });
  v.setValueFromSource({ dataType: DataType.Int32, value: step }, StatusCodes.Good, new Date());
  variables.push(v);
}
function stepAll() {
  step++;
  const at = new Date();
  for (const v of variables) v.setValueFromSource({ dataType: DataType.Int32, value: step }, StatusCodes.Good, at);
}

const press = space.addObject({ componentOf: line, browseName: "Press", nodeId: "s=Line1.Press", eventSourceOf: line, eventNotifier: 1 });
function addPress(name, dataType, value) {
  const v = space.addVariable({
    componentOf: press, browseName: name, nodeId: `s=Line1.Press.${name}`, dataType: DataType[dataType], minimumSamplingInterval: 0,
  });
  v.setValueFromSource({ dataType: DataType[dataType], value }, StatusCodes.Good, new Date());
  return v;
}
const temperature = addPress("Temperature", "Double", 41.5);
const state = addPress("State", "Int32", 1);
addPress("FaultWord1", "UInt16", 0);
addPress("FaultWord2", "UInt16", 0);
addPress("Program", "String", "P-100");
space.addVariable({
  componentOf: press, browseName: "Matrix", nodeId: "s=Line1.Press.Matrix", dataType: "Double", valueRank: 1,
  arrayDimensions: [3], value: { dataType: DataType.Double, arrayType: 1, value: new Float64Array([1, 2, 3]) },
});
let extra = addPress("Extra", "Int32", 7);

let alarm = null;
if (options.alarm) {
  server.engine.addressSpace.installAlarmsAndConditionsService();
  const level = addPress("Level", "Double", 50);
  // Standing alarms are repeated only along HasNotifier from the Server object.
  line.addReference({ referenceType: "HasNotifier", isForward: false, nodeId: server.engine.addressSpace.rootFolder.objects.server.nodeId });
  alarm = space.instantiateExclusiveLimitAlarm("ExclusiveLevelAlarmType", {
    browseName: "LevelAlarm", conditionSource: press, componentOf: press, conditionName: "LevelAlarm",
    inputNode: level, severity: 700, highHighLimit: 95, highLimit: 90, lowLimit: 10, lowLowLimit: 5,
    optionals: ["ConfirmedState", "Confirm"],
  });
  alarm.level = level;
}

await server.start();
const timer = options.every ? setInterval(stepAll, options.every) : null;

const commands = {
  step: () => { stepAll(); return { step }; },
  count: () => ({ step, sessions: server.engine.currentSessionCount, subscriptions: server.engine.currentSubscriptionCount }),
  alarm: (to) => {
    alarm.level.setValueFromSource({ dataType: DataType.Double, value: to === "on" ? 97 : 50 }, StatusCodes.Good, new Date());
    return { alarm: to };
  },
  acknowledge: () => {
    const branch = alarm.currentBranch();
    alarm.acknowledgeAndAutoConfirmBranch(branch, "seen");
    return { acknowledged: alarm.ackedState.getValue?.() ?? true };
  },
  bad: () => {
    state.setValueFromSource({ dataType: DataType.Int32, value: 0 }, StatusCodes.BadSensorFailure, new Date());
    return { quality: "bad" };
  },
  good: () => {
    state.setValueFromSource({ dataType: DataType.Int32, value: 1 }, StatusCodes.Good, new Date());
    return { quality: "good" };
  },
  state: (n) => {
    state.setValueFromSource({ dataType: DataType.Int32, value: Number(n) }, StatusCodes.Good, new Date());
    return { state: Number(n) };
  },
  temperature: (n) => {
    temperature.setValueFromSource({ dataType: DataType.Double, value: Number(n) }, StatusCodes.Good, new Date());
    return { temperature: Number(n) };
  },
  remove: () => { addressSpace.deleteNode(extra.nodeId); return { extra: "removed" }; },
  add: () => { extra = addPress("Extra", "Int32", 8); return { extra: "added" }; },
  status: (n) => { server.engine.setServerState(Number(n)); return { status: Number(n) }; },
};

async function stop() {
  if (timer) clearInterval(timer);
  await server.shutdown(0);
  say({ stopped: true });
  process.exit(0);
}

createInterface({ input: process.stdin })
  .on("line", (text) => {
    // Plain words for a person, a JSON text for a program.
    const words = text.startsWith('"') ? JSON.parse(text) : text;
    const [name, argument] = words.trim().split(/\s+/);
    if (name === "stop") { void stop(); return; }
    try {
      say(commands[name] ? commands[name](argument) : { error: `no command ${name}` });
    } catch (error) {
      say({ error: String(error) });
    }
  })
  // The parent is gone: never outlive a test.
  .on("close", () => process.exit(0));

say({
  ready: true, port, endpoint: `opc.tcp://127.0.0.1:${port}`, namespace: space.index,
  certificate: readFileSync(server.certificateFile, "utf8"), folder,
});
