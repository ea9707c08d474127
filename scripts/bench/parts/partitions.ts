/** Ten thousand partitions on one node. */

import { Admin, Producer } from "../../../mod.ts";
import type { Bench, Part } from "../bench.ts";
import { atMost } from "../figure.ts";
import { NodeProcess, sleep } from "../node_process.ts";

const PARTITIONS = 10_000;
const TOPIC = "many";
const START_MAX_MS = 5_000;
const RSS_MAX_MB = 500;
const IDLE_CPU_MAX = 10;
/** The budget of descriptors for files, and some for sockets and the runtime. */
const OPEN_FILES_MAX = 1_100;
const IDLE_SECONDS = 6;

export const partitions: Part = {
  name: "partitions",
  summary: "10,000 partitions: creating, starting, idling",
  async run(bench) {
    await bench.withFolder(async (folder) => {
      const data = `${folder}/node`;
      await create(bench, data);
      await restart(bench, data);
    });
  },
};

async function create(bench: Bench, data: string): Promise<void> {
  bench.progress("creating");
  await using node = await NodeProcess.start({ data });
  await using admin = await Admin.connect(node.bootstrap);
  const start = performance.now();
  await admin.createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
  bench.report({ name: "created", value: performance.now() - start, unit: "ms" });
  await askAll(admin);
  bench.report({ name: "created, all serve", value: performance.now() - start, unit: "ms" });
  bench.progress("ending in order");
  bench.report({ name: "ended in order", value: await node.end(), unit: "ms" });
}

async function restart(bench: Bench, data: string): Promise<void> {
  bench.progress("starting");
  await using node = await NodeProcess.start({ data });
  const since = () => performance.now() - node.startedAt;
  const unit = "ms";
  bench.report({ name: "ready", value: node.readyMs, unit });
  await using producer = await Producer.connect(node.bootstrap);
  await producer.send({ topic: TOPIC, partition: PARTITIONS - 1, value: "record" });
  bench.report({
    name: "first acknowledged record",
    value: since(),
    unit,
    target: atMost(START_MAX_MS),
  });
  await using admin = await Admin.connect(node.bootstrap);
  await askAll(admin);
  bench.report({
    name: "all partitions have answered",
    value: since(),
    unit,
    target: atMost(START_MAX_MS),
  });
  await measureIdle(bench, node);
  bench.report({ name: "ended in order, untouched", value: await node.end(), unit });
}

async function measureIdle(bench: Bench, node: NodeProcess): Promise<void> {
  bench.progress("idle");
  await sleep(2_000);
  const before = node.usage;
  await sleep(IDLE_SECONDS * 1000);
  const after = node.usage;
  if (before === undefined || after === undefined) return;
  bench.report({
    name: "RSS",
    value: after.rssBytes / 1e6,
    unit: "MB",
    target: atMost(RSS_MAX_MB),
  });
  bench.report({
    name: "idle CPU",
    value: (after.cpuMs - before.cpuMs) / (IDLE_SECONDS * 1000) * 100,
    unit: "% of a core",
    target: atMost(IDLE_CPU_MAX),
  });
  bench.report({
    name: "open files",
    value: after.openFiles,
    unit: "",
    target: atMost(OPEN_FILES_MAX),
  });
}

/** Has every partition say where it ends, for which its log must be open. */
async function askAll(admin: Admin): Promise<void> {
  await admin.listOffsets(
    Array.from({ length: PARTITIONS }, (_, partition) => ({
      topic: TOPIC,
      partition,
      at: "latest" as const,
    })),
  );
}
