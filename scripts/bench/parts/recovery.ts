/** Starting on many full partitions, after a shutdown in order and after none. */

import { Admin, Producer } from "../../../mod.ts";
import type { Bench, Part } from "../bench.ts";
import { atMost } from "../figure.ts";
import { NodeProcess, sleep } from "../node_process.ts";
import { percentile } from "../percentiles.ts";
import { touchPages } from "../warm_pages.ts";

const PARTITIONS = 1_000;
const BYTES = 1e9;
const FULL_BYTES = 10e9;
const RECORD_BYTES = 1_000;
const TOPIC = "stored";
/** What is served while the others recover. */
const SERVED = "served";
const CLEAN_MAX_MS = 1_500;
const UNCLEAN_MAX_MS_PER_GB = 1_500;
/** Partitions asked at a time: as many as wait, not all at once. */
const ASKED = 8;
/** Between two records to the partition that is served. */
const SEND_PERIOD_MS = 5;

export const recovery: Part = {
  name: "recovery",
  summary: "1,000 partitions with 1 GB (10 GB with --full), closed in order and killed",
  async run(bench) {
    const bytes = bench.full ? FULL_BYTES : BYTES;
    await bench.withFolder(async (folder) => {
      const data = `${folder}/node`;
      touchPages(folder, Math.min(bytes, 2e9))();
      await fill(bench, data, bytes);
      await measureClean(bench, data);
      await measureUnclean(bench, data, bytes);
    });
  },
};

/** Stores the bytes, and ends in order. */
async function fill(bench: Bench, data: string, bytes: number): Promise<void> {
  bench.progress(`storing ${bytes / 1e9} GB`);
  await using node = await NodeProcess.start({ data });
  await using admin = await Admin.connect(node.bootstrap);
  await admin.createTopics([
    { name: TOPIC, partitions: PARTITIONS },
    { name: SERVED, partitions: 1 },
  ]);
  const load = {
    bootstrap: node.bootstrap,
    topic: TOPIC,
    mode: "batch" as const,
    recordSize: RECORD_BYTES,
  };
  await using producer = await bench.start({ role: "producer", load });
  await producer.round(Math.ceil(bytes / RECORD_BYTES));
  bench.progress("ending in order");
  bench.report({ name: "ended in order", value: await node.end(), unit: "ms" });
}

/** Starts after a shutdown in order, and kills the node in the end. */
async function measureClean(bench: Bench, data: string): Promise<void> {
  bench.progress("starting after a shutdown in order");
  const node = await NodeProcess.start({ data });
  const { ready, all } = await measureStart(node);
  bench.report({ name: "clean, ready", value: ready, unit: "ms" });
  bench.report({
    name: "clean, all partitions have answered",
    value: all,
    unit: "ms",
    target: atMost(CLEAN_MAX_MS),
  });
  await node.kill();
}

async function measureUnclean(bench: Bench, data: string, bytes: number): Promise<void> {
  bench.progress("starting after a kill");
  await using node = await NodeProcess.start({ data });
  const { ready, firstRecord, all, latencies } = await measureStart(node);
  bench.report({ name: "unclean, ready", value: ready, unit: "ms" });
  bench.report({ name: "unclean, first acknowledged record", value: firstRecord, unit: "ms" });
  bench.report({
    name: "unclean, all partitions have answered",
    value: all / (bytes / 1e9),
    unit: "ms/GB",
    target: atMost(UNCLEAN_MAX_MS_PER_GB),
  });
  const served = Float64Array.from(latencies);
  const unit = "ms";
  bench.report({ name: "another served meanwhile, p50", value: percentile(served, 50), unit });
  bench.report({
    name: "another served meanwhile, longest",
    value: percentile(served, 100),
    unit,
    note: `${latencies.length} records, one after the other`,
  });
}

interface MeasuredStart {
  /** From the start of the process. */
  readonly ready: number;
  /** Of a client that connected when the node was ready. */
  readonly firstRecord: number;
  readonly all: number;
  /** Of the records after that, one after the other, while the others recovered. */
  readonly latencies: readonly number[];
}

async function measureStart(node: NodeProcess): Promise<MeasuredStart> {
  await using producer = await Producer.connect(node.bootstrap);
  await producer.send({ topic: SERVED, value: "record" });
  const firstRecord = performance.now() - node.startedAt;
  await using admin = await Admin.connect(node.bootstrap);
  const latencies: number[] = [];
  let isDone = false;
  const serving = (async () => {
    while (!isDone) {
      const start = performance.now();
      await producer.send({ topic: SERVED, value: "record" });
      latencies.push(performance.now() - start);
      await sleep(SEND_PERIOD_MS);
    }
  })();
  for (let partition = 0; partition < PARTITIONS; partition += ASKED) {
    await admin.listOffsets(
      Array.from({ length: Math.min(ASKED, PARTITIONS - partition) }, (_, index) => ({
        topic: TOPIC,
        partition: partition + index,
        at: "latest" as const,
      })),
    );
  }
  const all = performance.now() - node.startedAt;
  isDone = true;
  await serving;
  return { ready: node.readyMs, firstRecord, all, latencies };
}
