// Graphile Worker: the settings of the quickest example on its page on performance (24 jobs at a time, a local queue of
// 500, completions in batches), jobs added by one call. No graph, no outputs.
//
//     node graphile.mjs client      takes commands as lines of JSON, and answers so: what protocol.py does for Python
//     node graphile.mjs worker

import fs from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const require = createRequire(process.env.PEERS_NODE_MODULES + "/");
const { Logger, makeWorkerUtils, run, runMigrations } = require("graphile-worker");

const connectionString = process.env.PEERS_DATABASE_URL;
const file = process.env.PEERS_EXECUTIONS;
const MOMENT_BYTES = 8;
const PAUSE_MS = 20;
const DEADLINE_MS = 300_000;
const EMPTY = "SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs) AS empty";
const logger = new Logger(() => (level, message) => {
  if (level === "error" || level === "warning") console.error(message);
});
const preset = {
  worker: {
    connectionString,
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
};

const countExecutions = () => fs.statSync(file).size / MOMENT_BYTES;

function readLastExecution() {
  const buffer = Buffer.alloc(MOMENT_BYTES);
  const descriptor = fs.openSync(file, "r");
  fs.readSync(descriptor, buffer, 0, MOMENT_BYTES, fs.fstatSync(descriptor).size - MOMENT_BYTES);
  fs.closeSync(descriptor);
  return buffer.readBigInt64LE();
}

async function waitUntil(isDone, milliseconds) {
  const end = Date.now() + DEADLINE_MS;
  while (!(await isDone())) {
    if (Date.now() > end) throw new Error(`not done after ${DEADLINE_MS} ms; ${countExecutions()} tasks ran in all`);
    await sleep(milliseconds);
  }
}

const isEmpty = (utils) => utils.withPgClient(async (client) => (await client.query(EMPTY)).rows[0].empty);

async function measureThroughput(utils, tasks) {
  const before = countExecutions();
  const begun = process.hrtime.bigint();
  await utils.addJobs(Array.from({ length: tasks }, (_, number) => ({ identifier: "nothing", payload: { number } })));
  await waitUntil(() => countExecutions() >= before + tasks, 5);
  await waitUntil(() => isEmpty(utils), 10);
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  return { seconds, tasks, executed: countExecutions() - before };
}

async function measureLatency(utils, samples) {
  const ran = [];
  for (let number = 0; number < samples; number++) {
    await sleep(PAUSE_MS);
    const before = countExecutions();
    const begun = process.hrtime.bigint();
    await utils.addJob("nothing", { number });
    await waitUntil(() => countExecutions() > before, 1);
    ran.push(Number(readLastExecution() - begun) / 1e6);
  }
  return { ran_ms: ran, known_ms: [] };
}

async function serveClient() {
  let utils;
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer = {};
    if (command.do === "prepare") {
      await runMigrations({ connectionString, logger });
      const folder = `${process.env.PEERS_NODE_MODULES}/node_modules/graphile-worker`;
      const { version } = JSON.parse(fs.readFileSync(`${folder}/package.json`));
      answer = { versions: { "graphile-worker": version, node: process.versions.node } };
    } else if (command.do === "open") {
      utils = await makeWorkerUtils({ connectionString, logger });
    } else if (command.do === "throughput") {
      answer = await measureThroughput(utils, command.tasks);
    } else if (command.do === "latency") {
      answer = await measureLatency(utils, command.samples);
    } else {
      throw new Error(`no such command: ${command.do}`);
    }
    console.log(JSON.stringify(answer));
  }
  await utils?.release();
}

async function work() {
  const descriptor = fs.openSync(file, "a");
  const moment = Buffer.alloc(MOMENT_BYTES);
  const nothing = async () => {
    moment.writeBigInt64LE(process.hrtime.bigint());
    fs.writeSync(descriptor, moment);
  };
  const runner = await run({ preset, taskList: { nothing }, logger });
  await runner.promise;
}

await (process.argv[2] === "worker" ? work() : serveClient());
