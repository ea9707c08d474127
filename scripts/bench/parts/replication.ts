/**
 * acks=all to three replicas, beside one node alone in the same run.
 *
 * Both have the partitions, the batches and the lingering that one gives a topic that is to carry
 * much: with Kafka's smallest ones, of 16 KiB, what a request costs counts more than its bytes,
 * three times over where each batch is fetched twice. The targets are for records that are sent one
 * by one, each with its promise. In bulk a producer needs so little of the two cores that what one
 * node does is limited by nothing else, and the replicas show; that is told, and has no target.
 *
 * What brokers need for a MB is counted by the bytes in their logs, which for small records are a
 * tenth more than the values that were sent. It is compared with one batch in each request: free to
 * choose, a producer of small records, which is busier, sends twice as many requests with half the
 * batches, and it is requests that cost a broker.
 */

import { Admin } from "../../../mod.ts";
import type { ProducerConfig } from "../../../actors/client/configs.ts";
import type { Bench, Part } from "../bench.ts";
import { recordsPerSecond } from "../ceiling.ts";
import { atLeast, atMost } from "../figure.ts";
import type { ProduceMode, Throughput } from "../load/produce.ts";
import { measureRound } from "../measured_round.ts";
import { startNodeCluster } from "../node_cluster.ts";
import { startNodeWithTopic, TOPIC } from "../node_with_topic.ts";
import type { RoleProcess } from "../role_process.ts";
import { storedBytes } from "../stored_bytes.ts";
import { touchPages } from "../warm_pages.ts";

interface Load {
  readonly name: string;
  readonly mode: ProduceMode;
  readonly recordSize: number;
  /** Of one round. */
  readonly records: number;
  /** What the cluster must do of what one node does, in percent. */
  readonly shareMin?: number;
}

const SMALL: Load = {
  name: "100 B",
  mode: "promise",
  recordSize: 100,
  records: 1_500_000,
  shareMin: 60,
};
const LARGE: Load = {
  name: "1 KiB",
  mode: "promise",
  recordSize: 1024,
  records: 150_000,
  shareMin: 30,
};
const IN_BULK: readonly Load[] = [
  { name: "100 B in bulk", mode: "batch", recordSize: 100, records: 3_000_000 },
  { name: "1 KiB in bulk", mode: "batch", recordSize: 1024, records: 300_000 },
];

const PARTITIONS = 12;
const PRODUCER: ProducerConfig = { batchSize: 128 * 1024, lingerMs: 5 };
const BATCH_BY_BATCH: ProducerConfig = { ...PRODUCER, maxRequestSize: 136 * 1024 };
/** A broker that did anything for each record would need more for small ones. */
const CPU_DIFFERENCE_MAX = 20;
/** What a record takes on disk besides its value, at most. */
const OVERHEAD_BYTES = 24;

export const replication: Part = {
  name: "replication",
  summary: "acks=all to 3 replicas, against one node; 12 partitions, 128 KiB batches",
  async run(bench) {
    await compare(bench, SMALL);
    await compare(bench, LARGE);
    const small = await brokersMsPerMb(bench, SMALL);
    const large = await brokersMsPerMb(bench, LARGE);
    bench.report({
      name: "brokers' CPU for a MB of small records, beside that of large ones",
      value: Math.abs(small / large - 1) * 100,
      unit: "% apart",
      target: atMost(CPU_DIFFERENCE_MAX),
    });
    for (const load of IN_BULK) await compare(bench, load);
  },
};

/** Reports what a cluster does of what one node does. */
async function compare(bench: Bench, load: Load): Promise<void> {
  const { name, shareMin } = load;
  const unit = "records/s";
  bench.progress(`${name}, one node`);
  const alone = await bench.withFolder(async (folder) => {
    await using node = await startNodeWithTopic(bench, folder, PARTITIONS);
    return await produce(bench, load, PRODUCER, { folder, ...node, nodes: [node.process] });
  });
  bench.report({ name: `${name}, one node`, value: alone.rate, unit });
  bench.progress(`${name}, three nodes`);
  const replicated = await produceReplicated(bench, load, PRODUCER);
  bench.report({ name: `${name}, three replicas`, value: replicated.rate, unit });
  bench.report({
    name: `${name}, of one node's`,
    value: replicated.rate / alone.rate * 100,
    unit: "%",
    ...(shareMin === undefined ? {} : { target: atLeast(shareMin) }),
  });
}

/** Reports and returns what a MB costs all brokers together, in milliseconds. */
async function brokersMsPerMb(bench: Bench, load: Load): Promise<number> {
  const name = `${load.name}, a batch a request, three brokers`;
  bench.progress(name);
  const { brokersMsPerMb } = await produceReplicated(bench, load, BATCH_BY_BATCH);
  bench.report({ name, value: brokersMsPerMb, unit: "CPU ms/MB" });
  return brokersMsPerMb;
}

function produceReplicated(bench: Bench, load: Load, config: ProducerConfig): Promise<Outcome> {
  return bench.withFolder(async (folder) => {
    await using cluster = await startNodeCluster(bench, folder);
    await using admin = await Admin.connect(cluster.bootstrap);
    const nodes = cluster.processes;
    await admin.createTopics([{
      name: TOPIC,
      partitions: PARTITIONS,
      replicationFactor: nodes.length,
      configs: { "min.insync.replicas": "2" },
    }]);
    return await produce(bench, load, config, { folder, bootstrap: cluster.bootstrap, nodes });
  });
}

/** Where to produce to. */
interface Site {
  readonly folder: string;
  readonly bootstrap: string;
  readonly nodes: readonly RoleProcess[];
}

interface Outcome {
  /** Records a second, in the best round. */
  readonly rate: number;
  /** What a MB cost all brokers, in the round in which it cost least. */
  readonly brokersMsPerMb: number;
}

async function produce(
  bench: Bench,
  load: Load,
  config: ProducerConfig,
  site: Site,
): Promise<Outcome> {
  const { mode, recordSize, records } = load;
  const { folder, bootstrap, nodes } = site;
  await using producer = await bench.start({
    role: "producer",
    load: { bootstrap, topic: TOPIC, mode, recordSize, config },
  });
  const best = { rate: 0, brokersMsPerMb: Infinity };
  for (let round = 0; round <= bench.rounds; round++) {
    touchPages(folder, nodes.length * records * (recordSize + OVERHEAD_BYTES) + 64e6)();
    const before = storedBytes(folder);
    const measured = await measureRound(nodes, () => producer.round<Throughput>(records));
    const megabytes = (storedBytes(folder) - before) / nodes.length / 1e6;
    // The first only warms up.
    if (round === 0) continue;
    const cpuMs = measured.cpuSeconds.reduce((sum, seconds) => sum + seconds, 0) * 1000;
    best.rate = Math.max(best.rate, recordsPerSecond(measured));
    best.brokersMsPerMb = Math.min(best.brokersMsPerMb, cpuMs / megabytes);
  }
  return best;
}
