// Drives a cluster with `Cluster` of the npm package `ioredis`. Usage: ioredis_cluster.js BINARY
//
// A slot moves and a replica takes its primary's place while the client works.
"use strict";

const assert = require("node:assert");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const { Cluster, Redis } = require("ioredis");

const [binary] = process.argv.slice(2);
const SCRIPT = path.join(__dirname, "..", "..", "scripts", "cluster");
const FIRST_PORT = 16_000 + Math.floor(Math.random() * 900) * 10;
const KEYS = 300;
const DEADLINE_MS = 60_000;

function script(folder, ...words) {
  const env = { ...process.env, OXIDIS: binary };
  execFileSync(SCRIPT, [...words, "--dir", folder], { env, stdio: ["ignore", "ignore", "inherit"] });
}

async function until(what, holds) {
  const end = Date.now() + DEADLINE_MS;
  while (!(await holds().catch(() => false))) {
    assert(Date.now() < end, `waited in vain for ${what}`);
    await sleep(50);
  }
}

async function checkCommands(cluster) {
  const numbers = [...Array(KEYS).keys()];
  await Promise.all(numbers.map((number) => cluster.set(`key:${number}`, number)));
  const values = await Promise.all(numbers.map((number) => cluster.get(`key:${number}`)));
  assert.deepStrictEqual(values, numbers.map(String));
  await cluster.mset("{tag}:a", 1, "{tag}:b", 2);
  assert.deepStrictEqual(await cluster.mget("{tag}:a", "{tag}:b"), ["1", "2"]);
  await assert.rejects(cluster.mget("key:1", "key:2"), /CROSSSLOT/);
  const piped = await cluster.pipeline().incr("{tag}:n").incrby("{tag}:n", 4).get("{tag}:n").exec();
  assert.deepStrictEqual(piped, [[null, 1], [null, 5], [null, "5"]]);
  const done = await cluster.multi().set("{tag}:x", 1).incr("{tag}:x").exec();
  assert.deepStrictEqual(done, [[null, "OK"], [null, 2]]);
  cluster.defineCommand("add", { numberOfKeys: 1, lua: "return redis.call('incrby', KEYS[1], ARGV[1])" });
  assert.strictEqual(await cluster.add("{tag}:n", 10), 15);
  assert.strictEqual(cluster.nodes("master").length, 3);
}

async function checkMessages(cluster) {
  const subscriber = cluster.duplicate();
  const told = new Promise((resolve) => subscriber.on("message", (channel, text) => resolve([channel, text])));
  await subscriber.subscribe("news");
  await cluster.publish("news", "told");
  assert.deepStrictEqual(await told, ["news", "told"]);
  subscriber.disconnect();
}

async function checkMoves(cluster) {
  let isOver = false;
  const work = (async () => {
    for (let number = 0; !isOver; number = (number + 1) % KEYS) {
      await cluster.set(`key:${number}`, number);
      assert.strictEqual(await cluster.get(`key:${number}`), String(number));
    }
  })();
  const slot = await cluster.cluster("KEYSLOT", "key:1");
  const masters = cluster.nodes("master").map(({ options }) => new Redis({ port: options.port, host: options.host }));
  const nodes = await Promise.all(masters.map(async (node) => ({ node, id: await node.cluster("MYID") })));
  const ofSlot = await Promise.all(nodes.map(async ({ node }) => node.cluster("COUNTKEYSINSLOT", slot)));
  const at = ofSlot.findIndex((count) => count > 0);
  const [origin, target] = [nodes[at], nodes[(at + 1) % nodes.length]];
  await target.node.cluster("SETSLOT", slot, "IMPORTING", origin.id);
  await origin.node.cluster("SETSLOT", slot, "MIGRATING", target.id);
  for (let keys; (keys = await origin.node.cluster("GETKEYSINSLOT", slot, 10)).length > 0; ) {
    await origin.node.migrate("127.0.0.1", target.node.options.port, "", 0, 5000, "KEYS", ...keys);
  }
  for (const { node } of [target, origin]) await node.cluster("SETSLOT", slot, "NODE", target.id);
  await until("the replicas to be shown", async () => {
    await new Promise((resolve) => cluster.refreshSlotsCache(resolve));
    return cluster.nodes("slave").length > 0;
  });
  const [replica] = cluster.nodes("slave").map(({ options }) => new Redis({ port: options.port, host: options.host }));
  await until("the failover to begin", async () => (await replica.cluster("FAILOVER")) === "OK");
  await until("the failover", async () => (await replica.role())[0] === "master");
  isOver = true;
  await work;
  for (let number = 0; number < KEYS; number++) assert.strictEqual(await cluster.get(`key:${number}`), String(number));
  [...masters, replica].forEach((node) => node.disconnect());
}

async function main() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "oxidis-ioredis-"));
  let cluster;
  try {
    script(folder, "start", "3", "--replicas", "1", "--port", String(FIRST_PORT));
    cluster = new Cluster([{ host: "127.0.0.1", port: FIRST_PORT + 1 }]);
    for (const check of [checkCommands, checkMessages, checkMoves]) {
      await check(cluster);
      console.log(`ok: ${check.name}`);
    }
  } finally {
    cluster?.disconnect();
    script(folder, "stop");
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
