// Starts the real binary for a file of tests, on a free port and a fresh data folder.
"use strict";
const { spawn, spawnSync } = require("node:child_process");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const readline = require("node:readline");

const root = path.resolve(__dirname, "../..");
const tule = process.env.TULE_BIN || path.join(root, "bin/tule");

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on("error", reject).listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// start gives a running Tule: its url and data folder, and stop.
async function start() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tule-node-"));
  const data = path.join(dir, "data");
  fs.mkdirSync(data);
  const provided = path.join(root, ".cache/provided/runtimes");
  if (spawnSync("cp", ["-al", provided, path.join(data, "runtimes")]).status !== 0) spawnSync("cp", ["-a", provided, data]);
  const address = `127.0.0.1:${await freePort()}`;
  const log = fs.openSync(path.join(dir, "log"), "w");
  const child = spawn(tule, ["start", "--data", data, "--listen", address, "--test"], { stdio: ["ignore", "pipe", log] });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const ready = new Promise((resolve) => readline.createInterface({ input: child.stdout }).once("line", resolve));
  const first = await Promise.race([ready, exited]);
  const said = () => fs.readFileSync(path.join(dir, "log"), "utf8");
  if (first !== "Ready.") throw new Error(`tule start: ${first}\n${said()}`);
  return {
    url: `http://${address}`, data, tule,
    async stop() {
      child.kill("SIGTERM");
      const status = await exited;
      const log = said();
      fs.rmSync(dir, { recursive: true, force: true });
      if (status !== 0) throw new Error(`tule stopped with status ${status}\n${log.slice(-4000)}`);
    },
  };
}

// zip packs one file, without compression.
function zip(name, text) {
  const file = Buffer.from(name), data = Buffer.from(text);
  const sum = crc32(data);
  const fixed = (signature, extra, tail) => {
    const head = Buffer.alloc(26 + extra);
    head.writeUInt16LE(20, extra);
    head.writeUInt32LE(sum, extra + 10);
    head.writeUInt32LE(data.length, extra + 14);
    head.writeUInt32LE(data.length, extra + 18);
    head.writeUInt16LE(file.length, extra + 22);
    return Buffer.concat([Buffer.from(signature, "hex"), head, Buffer.alloc(tail), file]);
  };
  const local = Buffer.concat([fixed("504b0304", 0, 0), data]);
  const central = fixed("504b0102", 2, 14);
  const end = Buffer.alloc(22);
  end.write("504b0506", "hex");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

function crc32(data) {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

// trust is a trust policy for a service.
const trust = (service) => JSON.stringify({
  Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" }],
});

// eventually asks until check gives something true, or the deadline has come.
async function eventually(check, seconds = 20) {
  for (const deadline = Date.now() + seconds * 1000; ;) {
    const got = await check();
    if (got) return got;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const songs = {
  TableName: "songs", BillingMode: "PAY_PER_REQUEST",
  KeySchema: [{ AttributeName: "artist", KeyType: "HASH" }, { AttributeName: "year", KeyType: "RANGE" }],
  AttributeDefinitions: [{ AttributeName: "artist", AttributeType: "S" }, { AttributeName: "year", AttributeType: "N" }],
};

module.exports = { start, zip, trust, eventually, songs };
