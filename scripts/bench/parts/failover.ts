/** A thousand partitions with three replicas on three nodes: creating, idling, losing a node. */

import { Admin, Producer } from "../../../mod.ts";
import type { Bench, Part } from "../bench.ts";
import { atMost } from "../figure.ts";
import { type NodeCluster, startNodeCluster } from "../node_cluster.ts";
import { sleep } from "../node_process.ts";

const PARTITIONS = 1000;
const TOPIC = "many";
const CREATE_MAX_MS = 10_000;
const FAILOVER_MAX_MS = 5_000;
const IDLE_CPU_MAX = 5;
const IDLE_SECONDS = 6;
const SESSION_MS = 1_000;
const FIRST_PRODUCE_MAX_MS = 1_500;
const TIMEOUT_MS = 60_000;

export const failover: Part = {
  name: "failover",
  summary: `${PARTITIONS} partitions with 3 replicas on 3 nodes`,
  async run(bench) {
    await bench.withFolder(async (folder) => {
      await using cluster = await startNodeCluster(bench, folder, {
        "broker.session.timeout.ms": String(SESSION_MS),
        "broker.heartbeat.interval.ms": "250",
      });
      await using admin = await Admin.connect(cluster.bootstrap);
      await create(bench, admin);
      await idle(bench, cluster);
      await lose(bench, cluster, admin);
    });
  },
};

async function create(bench: Bench, admin: Admin): Promise<void> {
  bench.progress("creating");
  const start = performance.now();
  const configs = { "min.insync.replicas": "2" };
  await admin.createTopics([{
    name: TOPIC,
    partitions: PARTITIONS,
    replicationFactor: 3,
    configs,
  }]);
  bench.report({ name: "created", value: performance.now() - start, unit: "ms" });
  await until(async () => {
    const [topic] = await admin.describeTopics([TOPIC]);
    return topic!.partitions.every(({ isr }) => isr.length === 3);
  });
  await askAll(admin);
  bench.report({
    name: "created, all serve with all replicas in sync",
    value: performance.now() - start,
    unit: "ms",
    target: atMost(CREATE_MAX_MS),
  });
}

async function idle(bench: Bench, cluster: NodeCluster): Promise<void> {
  bench.progress("idle");
  await sleep(3_000);
  const before = cluster.processes.map(({ usage }) => usage?.cpuMs ?? Number.NaN);
  await sleep(IDLE_SECONDS * 1000);
  const shares = cluster.processes.map(({ usage }, index) =>
    ((usage?.cpuMs ?? Number.NaN) - before[index]!) / (IDLE_SECONDS * 1000) * 100
  );
  bench.report({
    name: "idle CPU of the busiest node",
    value: Math.max(...shares),
    unit: "% of a core",
    target: atMost(IDLE_CPU_MAX),
  });
}

/** Kills the node that leads the first partition, and times when everything has a leader again. */
async function lose(bench: Bench, cluster: NodeCluster, admin: Admin): Promise<void> {
  bench.progress("losing a node");
  const [before] = await admin.describeTopics([TOPIC]);
  const lost = before!.partitions[0]!.leader;
  await using producer = await Producer.connect(cluster.bootstrap);
  await producer.send({ topic: TOPIC, partition: 0, value: "before" });
  const start = performance.now();
  cluster.kill(lost);
  await producer.send({ topic: TOPIC, partition: 0, value: "after" });
  const first = performance.now();
  bench.report({
    name: `first record acknowledged after the kill, session ${SESSION_MS} ms`,
    value: first - start,
    unit: "ms",
    target: atMost(FIRST_PRODUCE_MAX_MS),
  });
  await until(async () => {
    const [topic] = await admin.describeTopics([TOPIC]);
    return topic!.partitions.every(({ leader }) => leader !== lost && leader >= 0);
  });
  await askAll(admin);
  bench.report({
    name: "all partitions serve, since the node was fenced",
    value: performance.now() - start - SESSION_MS,
    unit: "ms",
    target: atMost(FAILOVER_MAX_MS),
  });
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!await isSo().catch(() => false)) {
    if (performance.now() > deadline) throw new Error(`Not so within ${TIMEOUT_MS} ms`);
    await sleep(20);
  }
}

/** Has every partition say where it ends, which only its leader can. */
async function askAll(admin: Admin): Promise<void> {
  await admin.listOffsets(
    Array.from({ length: PARTITIONS }, (_, partition) => ({
      topic: TOPIC,
      partition,
      at: "latest" as const,
    })),
  );
}
