// Drives the server with the npm package `bullmq`, a job queue that lives on Lua scripts, streams and blocking
// commands. Usage: bullmq.js BINARY [JOBS]
//
// Jobs are delayed, fail and are tried again, have priorities, wait for children, or go through a rate limit; workers
// come and go meanwhile. In the end each job must have been finished, as often and as late as it had to be.
"use strict";

const assert = require("node:assert");
const { spawn } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const { FlowProducer, Queue, QueueEvents, Worker } = require("bullmq");

const [binary, jobsText] = process.argv.slice(2);
const JOBS = Number(jobsText ?? 2000);
const ATTEMPTS = 3;
const LIMIT = { max: 100, duration: 200 };
const WORKERS = 4;
const DEADLINE_MS = 240_000;

async function freePort() {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

async function startServer() {
  const port = await freePort();
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "oxidis-bullmq-"));
  const server = spawn(binary, ["--port", port, "--save", "", "--dir", directory, "--maxmemory-policy", "noeviction"],
    { stdio: ["ignore", "ignore", "inherit"] });
  const stop = () => {
    server.kill("SIGKILL");
    fs.rmSync(directory, { recursive: true, force: true });
  };
  process.on("exit", stop);
  for (let tries = 0; tries < 200; tries++) {
    const socket = net.connect(port, "127.0.0.1");
    const connected = await Promise.race([
      once(socket, "connect").then(() => true, () => false), sleep(1000, false),
    ]);
    socket.destroy();
    if (connected) return port;
    await sleep(50);
  }
  throw new Error(`${binary} did not start on port ${port}`);
}

// What became of each job, by its number: how often it was run, and how it ended.
class Ledger {
  constructor() {
    this.runs = new Map();
    this.ends = new Map();
    this.faults = [];
  }

  ran(job) {
    this.runs.set(job.data.number, (this.runs.get(job.data.number) ?? 0) + 1);
  }

  ended(job, how) {
    if (this.ends.has(job.data.number)) this.faults.push(`job ${job.data.number} ended twice`);
    this.ends.set(job.data.number, how);
  }
}

// The kinds of jobs, in turns; `runs` is how often one is to be run, `end` how it is to end.
const KINDS = [
  { name: "plain", options: () => ({}), runs: 1, end: "completed" },
  { name: "delayed", options: (number) => ({ delay: 50 + (number % 500) }), runs: 1, end: "completed" },
  { name: "retried", options: () => ({ attempts: ATTEMPTS, backoff: { type: "fixed", delay: 20 } }), runs: ATTEMPTS,
    end: "completed" },
  { name: "failing", options: () => ({ attempts: 2, backoff: { type: "exponential", delay: 10 } }), runs: 2,
    end: "failed" },
  { name: "prioritized", options: (number) => ({ priority: 1 + (number % 10) }), runs: 1, end: "completed" },
];

function work(ledger) {
  return async (job) => {
    ledger.ran(job);
    const early = job.timestamp + (job.name === "delayed" ? job.opts.delay : 0) - Date.now();
    if (early > 1) ledger.faults.push(`job ${job.data.number} was run ${early} ms early`);
    if (job.name === "failing") throw new Error("as it must be");
    if (job.name === "retried" && job.attemptsMade < ATTEMPTS - 1) throw new Error("not yet");
    if (job.data.number % 50 === 0) {
      await job.updateProgress(50);
      await job.log("half of it is done");
    }
    return { number: job.data.number, text: "ä€😀" };
  };
}

function startWorker(name, connection, ledger, options = {}) {
  const worker = new Worker(name, work(ledger), { connection, concurrency: 25, ...options });
  worker.on("error", (error) => ledger.faults.push(`worker: ${error.message}`));
  worker.on("completed", (job) => ledger.ended(job, "completed"));
  worker.on("failed", (job) => {
    if (job.attemptsMade >= (job.opts.attempts ?? 1)) ledger.ended(job, "failed");
  });
  return worker;
}

async function until(what, holds) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${DEADLINE_MS} ms`);
    await sleep(50);
  }
}

async function manyJobs(connection) {
  const ledger = new Ledger();
  const queue = new Queue("many", { connection });
  const events = new QueueEvents("many", { connection });
  const told = { completed: 0, failed: 0 };
  events.on("completed", () => told.completed++);
  events.on("failed", () => told.failed++);
  await events.waitUntilReady();

  const workers = Array.from({ length: WORKERS }, () => startWorker("many", connection, ledger));
  for (let from = 0; from < JOBS; from += 500) {
    const numbers = Array.from({ length: Math.min(500, JOBS - from) }, (_, index) => from + index);
    await queue.addBulk(numbers.map((number) => {
      const kind = KINDS[number % KINDS.length];
      return { name: kind.name, data: { number }, opts: kind.options(number) };
    }));
    // One worker goes, another comes.
    const coming = startWorker("many", connection, ledger);
    await coming.waitUntilReady();
    workers.push(coming);
    await workers.shift().close();
  }
  await until("all jobs end", () => ledger.ends.size === JOBS);

  for (let number = 0; number < JOBS; number++) {
    const kind = KINDS[number % KINDS.length];
    assert.strictEqual(ledger.runs.get(number), kind.runs, `runs of job ${number} (${kind.name})`);
    assert.strictEqual(ledger.ends.get(number), kind.end, `end of job ${number} (${kind.name})`);
  }
  assert.deepStrictEqual(ledger.faults, []);
  const failed = Array.from({ length: JOBS }, (_, number) => KINDS[number % KINDS.length])
    .filter((kind) => kind.end === "failed").length;
  const counts = await queue.getJobCounts("active", "completed", "delayed", "failed", "prioritized", "wait");
  assert.deepStrictEqual(counts, { active: 0, completed: JOBS - failed, delayed: 0, failed, prioritized: 0, wait: 0 });
  await until("all events arrive", () => told.completed === JOBS - failed && told.failed === failed);

  const [first] = await queue.getCompleted(0, 0);
  assert.deepStrictEqual(first.returnvalue, { number: first.data.number, text: "ä€😀" });
  await Promise.all(workers.map((worker) => worker.close()));
  await events.close();
  await queue.obliterate();
  await queue.close();
}

async function limitedRate(connection) {
  const ledger = new Ledger();
  const queue = new Queue("limited", { connection });
  const count = Math.min(1000, JOBS / 10);
  const started = Date.now();
  const workers = Array.from({ length: 2 }, () => startWorker("limited", connection, ledger, { limiter: LIMIT }));
  await queue.addBulk(Array.from({ length: count }, (_, number) => ({ name: "plain", data: { number } })));
  await until("all limited jobs end", () => ledger.ends.size === count);
  const least = (Math.ceil(count / LIMIT.max) - 1) * LIMIT.duration;
  assert.ok(Date.now() - started >= least * 0.9, `${count} jobs took less than ${least} ms`);
  assert.deepStrictEqual(ledger.faults, []);
  await Promise.all(workers.map((worker) => worker.close()));
  await queue.close();
}

async function families(connection) {
  const ledger = new Ledger();
  const flow = new FlowProducer({ connection });
  const parents = Math.max(10, JOBS / 100);
  let seen = 0;
  const children = startWorker("children", connection, ledger);
  const parent = new Worker("parents", async (job) => {
    const values = Object.values(await job.getChildrenValues());
    assert.strictEqual(values.length, 5);
    seen++;
  }, { connection });
  for (let number = 0; number < parents; number++) {
    const of = (index) => ({ name: "plain", queueName: "children", data: { number: number * 5 + index } });
    await flow.add({ name: "parent", queueName: "parents", children: [0, 1, 2, 3, 4].map(of) });
  }
  await until("all parents end", () => seen === parents);
  assert.strictEqual(ledger.ends.size, parents * 5);
  assert.deepStrictEqual(ledger.faults, []);
  await Promise.all([children.close(), parent.close(), flow.close()]);
}

async function repeated(connection) {
  const queue = new Queue("repeated", { connection });
  let runs = 0;
  const worker = new Worker("repeated", async () => { runs++; }, { connection });
  await queue.upsertJobScheduler("often", { every: 50 }, { name: "tick" });
  await until("a repeated job runs", () => runs >= 5);
  assert.ok(await queue.removeJobScheduler("often"));
  await worker.close();
  await queue.close();
}

async function main() {
  const connection = { host: "127.0.0.1", port: await startServer(), maxRetriesPerRequest: null };
  for (const part of [manyJobs, limitedRate, families, repeated]) {
    const started = Date.now();
    await part(connection);
    console.log(`bullmq: ${part.name}: ok, ${Date.now() - started} ms`);
  }
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
