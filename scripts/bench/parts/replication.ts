/** acks=all to three replicas, beside one node alone in the same run. */

import { Admin } from "../../../mod.ts";
import type { Bench, Part } from "../bench.ts";
import { bestRound } from "../best_round.ts";
import { recordsPerSecond } from "../ceiling.ts";
import { atLeast, atMost } from "../figure.ts";
import type { Throughput } from "../load/produce.ts";
import { type MeasuredRound, measureRound } from "../measured_round.ts";
import { startNodeCluster } from "../node_cluster.ts";
import { startNodeWithTopic, TOPIC } from "../node_with_topic.ts";
import type { RoleProcess } from "../role_process.ts";

interface Size {
  readonly name: string;
  readonly recordSize: number;
  /** Of one round. */
  readonly records: number;
  /** What the cluster must do of what one node does. */
  readonly shareMin: number;
}

const SIZES: readonly Size[] = [
  { name: "100 B", recordSize: 100, records: 1_500_000, shareMin: 60 },
  { name: "1 KiB", recordSize: 1024, records: 250_000, shareMin: 30 },
];

const PARTITIONS = 3;
/** A broker that did anything for each record would need more for small ones. */
const CPU_DIFFERENCE_MAX = 20;

export const replication: Part = {
  name: "replication",
  summary: "acks=all to 3 replicas, against one node",
  async run(bench) {
    const costs: number[] = [];
    for (const size of SIZES) costs.push(await compare(bench, size));
    const [small, large] = costs as [number, number];
    bench.report({
      name: "brokers' CPU for a MB of small records, beyond that of large ones",
      value: Math.abs(small / large - 1) * 100,
      unit: "%",
      target: atMost(CPU_DIFFERENCE_MAX),
    });
  },
};

/** Returns what a MB costs all brokers together, in seconds. */
async function compare(bench: Bench, size: Size): Promise<number> {
  const { name, shareMin } = size;
  const unit = "records/s";
  bench.progress(`${name}, one node`);
  const alone = await bench.withFolder(async (folder) => {
    await using node = await startNodeWithTopic(bench, folder, PARTITIONS);
    return await produce(bench, node.bootstrap, [node.process], size);
  });
  bench.report({ name: `${name}, one node`, value: recordsPerSecond(alone), unit });
  bench.progress(`${name}, three nodes`);
  const replicated = await bench.withFolder(async (folder) => {
    await using cluster = await startNodeCluster(bench, folder);
    await using admin = await Admin.connect(cluster.bootstrap);
    await admin.createTopics([{
      name: TOPIC,
      partitions: PARTITIONS,
      replicationFactor: cluster.processes.length,
      configs: { "min.insync.replicas": "2" },
    }]);
    return await produce(bench, cluster.bootstrap, cluster.processes, size);
  });
  bench.report({ name: `${name}, three replicas`, value: recordsPerSecond(replicated), unit });
  bench.report({
    name: `${name}, of one node's`,
    value: recordsPerSecond(replicated) / recordsPerSecond(alone) * 100,
    unit: "%",
    target: atLeast(shareMin),
  });
  const brokers = replicated.cpuSeconds.slice(0, -1).reduce((sum, seconds) => sum + seconds, 0);
  const cost = brokers / (replicated.bytes / 1e6);
  bench.report({ name: `${name}, brokers`, value: cost * 1000, unit: "CPU ms/MB" });
  return cost;
}

async function produce(
  bench: Bench,
  bootstrap: string,
  nodes: readonly RoleProcess[],
  { recordSize, records }: Size,
): Promise<MeasuredRound> {
  await using producer = await bench.start({
    role: "producer",
    load: { bootstrap, topic: TOPIC, mode: "batch", recordSize },
  });
  return await bestRound(
    bench,
    () => measureRound([...nodes, producer], () => producer.round<Throughput>(records)),
  );
}
