/** Compacting a topic that holds many versions of its keys, alone and beside producers. */

import { Admin } from "../../../mod.ts";
import type { Bench, Part } from "../bench.ts";
import { atLeast, atMost } from "../figure.ts";
import type { AcknowledgedLoad, Acknowledgements } from "../load/acknowledgements.ts";
import { sleep } from "../node_process.ts";
import { bootstrapOf } from "../node_with_topic.ts";
import { percentile } from "../percentiles.ts";
import type { RoleProcess } from "../role_process.ts";
import { touchPages } from "../warm_pages.ts";

const BYTES = 1e9;
const KEYS = 100_000;
const RECORD_BYTES = 1_000;
const PER_SECOND = 100_000;
const LIVE_BYTES = 100;
/** Of producing without compaction, and at the least beside it. */
const SECONDS = 5;
const LIVE = "live";
const IDLE_MIN_MB = 150;
const BESIDE_MIN_MB = 50;
/** How many times as long a producer may wait. */
const P99_RATIO_MAX = 2;
/** A topic is compacted when so little of it is left. */
const LEFT_MAX = 0.4;
const POLL_MS = 20;
const QUIET_MS = 300;

export const compaction: Part = {
  name: "compaction",
  summary: `a topic of 1 GB and ${KEYS} keys, alone and beside ${PER_SECOND} records a second`,
  async run(bench) {
    await bench.withFolder(async (folder) => {
      touchPages(folder, 2e9)();
      const data = `${folder}/node`;
      const properties = { "log.cleaner.backoff.ms": "50", "log.segment.bytes": "100000000" };
      await using node = await bench.start({ role: "node", data, properties });
      const bootstrap = bootstrapOf(node);
      await using admin = await Admin.connect(bootstrap);
      await admin.createTopics([{ name: LIVE, partitions: 3 }]);
      const alone = await compact(bench, admin, bootstrap, data, "alone");
      const target = atLeast(IDLE_MIN_MB);
      bench.report({ name: "alone", value: alone.rate / 1e6, unit: "MB/s", target });
      await beside(bench, admin, bootstrap, data);
    });
  },
};

async function beside(
  bench: Bench,
  admin: Admin,
  bootstrap: string,
  data: string,
): Promise<void> {
  await fill(bench, admin, bootstrap, "beside");
  const load: AcknowledgedLoad = {
    bootstrap,
    topic: LIVE,
    recordSize: LIVE_BYTES,
    recordsPerSecond: PER_SECOND,
  };
  await using sender = await bench.start({ role: "acknowledged-sender", load });
  bench.progress("producing without compaction");
  await sender.round(1);
  const without = await rounds(sender, SECONDS);
  bench.progress("producing beside compaction");
  let isDone = false;
  const waits: Acknowledgements[] = [];
  const producing = (async () => {
    while (!isDone) waits.push(await sender.round<Acknowledgements>(1));
  })();
  const { rate } = await measure(admin, data, "beside");
  isDone = true;
  await producing;
  bench.progress("producing without compaction");
  without.push(...await rounds(sender, SECONDS));
  const produced = Math.min(...waits.map(({ recordsPerSecond }) => recordsPerSecond));
  bench.report({
    name: "beside producers",
    value: rate / 1e6,
    unit: "MB/s",
    target: atLeast(BESIDE_MIN_MB),
    note: `at least ${Math.round(produced)} records a second`,
  });
  const [p99Without, p99] = [p99Of(without), p99Of(waits)];
  bench.report({
    name: "produce p99 without",
    value: p99Without,
    unit: "ms",
    note: `before and after; ${p99OfSeconds(without)}`,
  });
  bench.report({
    name: "produce p99 beside",
    value: p99,
    unit: "ms",
    target: atMost(P99_RATIO_MAX * p99Without),
    note: p99OfSeconds(waits),
  });
}

async function rounds(sender: RoleProcess, seconds: number): Promise<Acknowledgements[]> {
  const waits: Acknowledgements[] = [];
  for (let second = 0; second < seconds; second++) {
    waits.push(await sender.round<Acknowledgements>(1));
  }
  return waits;
}

/** Of all records of all seconds, not of the worst. */
function p99Of(waits: readonly Acknowledgements[]): number {
  return percentile(Float64Array.from(waits.flatMap(({ latenciesMs }) => latenciesMs)), 99);
}

function p99OfSeconds(waits: readonly Acknowledgements[]): string {
  const sorted = Float64Array.from(waits.map(({ p99Ms }) => p99Ms));
  const [median, worst] = [percentile(sorted, 50), percentile(sorted, 100)];
  return `of one second ${median.toFixed(1)} ms in the middle, ${worst.toFixed(1)} ms at worst`;
}

async function compact(
  bench: Bench,
  admin: Admin,
  bootstrap: string,
  data: string,
  topic: string,
): Promise<{ readonly rate: number }> {
  await fill(bench, admin, bootstrap, topic);
  bench.progress("compacting");
  return await measure(admin, data, topic);
}

async function fill(
  bench: Bench,
  admin: Admin,
  bootstrap: string,
  topic: string,
): Promise<void> {
  bench.progress(`storing ${BYTES / 1e9} GB`);
  await admin.createTopics([{ name: topic, partitions: 1 }]);
  const load = {
    bootstrap,
    topic,
    mode: "keyed" as const,
    keys: KEYS,
    recordSize: RECORD_BYTES,
  };
  await using producer = await bench.start({ role: "producer", load });
  await producer.round(Math.ceil(BYTES / RECORD_BYTES));
}

/** Has a topic compacted, and waits until it is. */
async function measure(
  admin: Admin,
  data: string,
  topic: string,
): Promise<{ readonly rate: number }> {
  const folder = `${data}/${topic}-0`;
  const before = logBytes(folder);
  const start = performance.now();
  await admin.alterConfigs([{
    type: "topic",
    name: topic,
    set: { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01" },
  }]);
  let lastBusy = start;
  for (;;) {
    const now = performance.now();
    if (isUnderWay(folder) || logBytes(folder) > LEFT_MAX * before) lastBusy = now;
    // Between two segments there is a moment without a file of either.
    if (now - lastBusy > QUIET_MS) break;
    await sleep(POLL_MS);
  }
  return { rate: before / (lastBusy - start) * 1000 };
}

function logBytes(folder: string): number {
  let bytes = 0;
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.endsWith(".log")) bytes += sizeOf(`${folder}/${name}`);
  }
  return bytes;
}

/** One that was renamed meanwhile is not there any more. */
function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

function isUnderWay(folder: string): boolean {
  return [...Deno.readDirSync(folder)].some(({ name }) => /\.(cleaned|swap)$/.test(name));
}
