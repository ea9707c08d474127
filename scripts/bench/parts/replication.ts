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
import { median } from "../percentiles.ts";
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
/** Three nodes that share two cores become faster, round by round, for longer than one alone. */
const ROUNDS_MIN = 9;
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
    await compareRates(bench, SMALL);
    await compareRates(bench, LARGE);
    await compareCpu(bench);
    for (const load of IN_BULK) await compareRates(bench, load);
  },
};

/** Reports what a cluster does of what one node does, in turns. */
async function compareRates(bench: Bench, load: Load): Promise<void> {
  const { name, shareMin } = load;
  await bench.withFolder(async (folder) => {
    await using node = await startAlone(bench, `${folder}/alone`);
    await using cluster = await startCluster(bench, `${folder}/cluster`);
    await using alone = await Producing.start(bench, node, load, PRODUCER);
    await using replicated = await Producing.start(bench, cluster, load, PRODUCER);
    await takeTurns(bench, name, [alone, replicated]);
    const unit = "records/s";
    bench.report({ name: `${name}, one node`, value: median(alone.rates), unit });
    bench.report({ name: `${name}, three replicas`, value: median(replicated.rates), unit });
    bench.report({
      name: `${name}, of one node's`,
      value: medianRatio(replicated.rates, alone.rates) * 100,
      unit: "%",
      ...(shareMin === undefined ? {} : { target: atLeast(shareMin) }),
    });
  });
}

/** Reports what a MB of small records costs all brokers together, beside one of large ones. */
async function compareCpu(bench: Bench): Promise<void> {
  await bench.withFolder(async (folder) => {
    await using cluster = await startCluster(bench, folder);
    await using small = await Producing.start(bench, cluster, SMALL, BATCH_BY_BATCH);
    await using large = await Producing.start(bench, cluster, LARGE, BATCH_BY_BATCH);
    await takeTurns(bench, "a batch a request", [small, large]);
    for (const { load, brokersMsPerMb } of [small, large]) {
      bench.report({
        name: `${load.name}, a batch a request, three brokers`,
        value: median(brokersMsPerMb),
        unit: "CPU ms/MB",
      });
    }
    bench.report({
      name: "brokers' CPU for a MB of small records, beside that of large ones",
      value: Math.abs(medianRatio(small.brokersMsPerMb, large.brokersMsPerMb) - 1) * 100,
      unit: "% apart",
      target: atMost(CPU_DIFFERENCE_MAX),
    });
  });
}

/**
 * Rounds of each in turn, so that what else the machine does falls on both; the first of each only
 * warms up.
 */
async function takeTurns(
  bench: Bench,
  what: string,
  all: readonly Producing[],
): Promise<void> {
  const rounds = Math.max(bench.rounds, ROUNDS_MIN);
  for (let round = 0; round <= rounds; round++) {
    bench.progress(`${what}, ${round === 0 ? "warming up" : `round ${round} of ${rounds}`}`);
    for (const each of all) await each.round(round > 0);
  }
}

/** How much one is of the other, turn by turn: of two best rounds each had its own luck. */
function medianRatio(ofOne: readonly number[], ofOther: readonly number[]): number {
  return median(ofOne.map((value, turn) => value / ofOther[turn]!));
}

/** Where to produce to. */
interface Site extends AsyncDisposable {
  readonly folder: string;
  readonly bootstrap: string;
  readonly nodes: readonly RoleProcess[];
}

async function startAlone(bench: Bench, folder: string): Promise<Site> {
  const node = await startNodeWithTopic(bench, folder, PARTITIONS);
  const { bootstrap, process } = node;
  return {
    folder,
    bootstrap,
    nodes: [process],
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

async function startCluster(bench: Bench, folder: string): Promise<Site> {
  const cluster = await startNodeCluster(bench, folder);
  const { bootstrap, processes } = cluster;
  await using admin = await Admin.connect(bootstrap);
  await admin.createTopics([{
    name: TOPIC,
    partitions: PARTITIONS,
    replicationFactor: processes.length,
    configs: { "min.insync.replicas": "2" },
  }]);
  return {
    folder,
    bootstrap,
    nodes: processes,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}

/** A producer of one load at a site, and its rounds. */
class Producing implements AsyncDisposable {
  readonly load: Load;
  /** Records a second. */
  readonly rates: number[] = [];
  /** What a MB cost all brokers. */
  readonly brokersMsPerMb: number[] = [];
  readonly #site: Site;
  readonly #producer: RoleProcess;

  constructor(load: Load, site: Site, producer: RoleProcess) {
    this.load = load;
    this.#site = site;
    this.#producer = producer;
  }

  static async start(
    bench: Bench,
    site: Site,
    load: Load,
    config: ProducerConfig,
  ): Promise<Producing> {
    const { bootstrap } = site;
    const { mode, recordSize } = load;
    const producer = await bench.start({
      role: "producer",
      load: { bootstrap, topic: TOPIC, mode, recordSize, config },
    });
    return new Producing(load, site, producer);
  }

  async round(counts: boolean): Promise<void> {
    const { folder, nodes } = this.#site;
    const { records, recordSize } = this.load;
    touchPages(folder, nodes.length * records * (recordSize + OVERHEAD_BYTES) + 64e6)();
    const before = storedBytes(folder);
    const measured = await measureRound(nodes, () => this.#producer.round<Throughput>(records));
    const megabytes = (storedBytes(folder) - before) / nodes.length / 1e6;
    if (!counts) return;
    const cpuMs = measured.cpuSeconds.reduce((sum, seconds) => sum + seconds, 0) * 1000;
    this.rates.push(recordsPerSecond(measured));
    this.brokersMsPerMb.push(cpuMs / megabytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer.end();
  }
}
