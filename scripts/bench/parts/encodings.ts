/**
 * The same loads by both of a node's listeners: Kafka's protocol beside the native one.
 *
 * The clients of both stand ready at the same node all the time and take turns, and who begins
 * changes from round to round, so that neither has the warmer node or the quieter machine.
 */

import type { Bench, Part } from "../bench.ts";
import { bytesPerSecond, recordsPerSecond } from "../ceiling.ts";
import { atLeast } from "../figure.ts";
import type { ConsumeMode } from "../load/consume.ts";
import type { ProduceMode, Throughput } from "../load/produce.ts";
import { type MeasuredRound, measureRound } from "../measured_round.ts";
import { type NodeWithTopic, startNodeWithTopic } from "../node_with_topic.ts";
import type { Job } from "../role.ts";
import { touchPages } from "../warm_pages.ts";

const PRODUCE: readonly { readonly mode: ProduceMode; readonly records: number }[] = [
  { mode: "promise", records: 1_500_000 },
  { mode: "batch", records: 2_500_000 },
];
const CONSUME: readonly { readonly mode: ConsumeMode; readonly records: number }[] = [
  { mode: "records", records: 4_000_000 },
  { mode: "batches", records: 4_000_000 },
];
const PARTITIONS = 3;
const RECORD_BYTES = 100;
/** What a record takes on disk besides its value. */
const OVERHEAD_BYTES = 24;
/** Of the native listener's rate, in percent. */
const SHARE_MIN = 90;

const ENCODINGS = ["native", "kafka"] as const;
type Encoding = typeof ENCODINGS[number];

export const encodings: Part = {
  name: "encodings",
  summary: "100-byte records by Kafka's listener, against the native one; 3 partitions",
  async run(bench) {
    for (const load of PRODUCE) await compareProducing(bench, load);
    for (const load of CONSUME) await compareConsuming(bench, load);
  },
};

function compareProducing(
  bench: Bench,
  { mode, records }: typeof PRODUCE[number],
): Promise<void> {
  return bench.withFolder(async (folder) => {
    await using node = await startNodeWithTopic(bench, folder, PARTITIONS);
    const before = touchPages.bind(undefined, folder, records * (RECORD_BYTES + OVERHEAD_BYTES));
    await takeTurns(bench, node, `produce, ${mode}`, records, (bootstrap) => ({
      role: "producer",
      load: { bootstrap, topic: node.topic, mode, recordSize: RECORD_BYTES },
    }), () => before()());
  });
}

function compareConsuming(
  bench: Bench,
  { mode, records }: typeof CONSUME[number],
): Promise<void> {
  return bench.withFolder(async (folder) => {
    await using node = await startNodeWithTopic(bench, folder, PARTITIONS);
    const { bootstrap, topic } = node;
    {
      await using producer = await bench.start({
        role: "producer",
        load: { bootstrap, topic, mode: "batch", recordSize: RECORD_BYTES },
      });
      await producer.round(records);
    }
    await takeTurns(bench, node, `consume, ${mode}`, records, (bootstrap) => ({
      role: "consumer",
      load: { bootstrap, topic, mode, from: "start" },
    }));
  });
}

/** Measures one load by both listeners, in turn, and reports the best round of each. */
async function takeTurns(
  bench: Bench,
  node: NodeWithTopic,
  name: string,
  records: number,
  job: (bootstrap: string) => Job,
  prepare = () => {},
): Promise<void> {
  bench.progress(name);
  await using native = await bench.start(job(node.bootstrap));
  await using kafka = await bench.start(job(node.kafka));
  const clients = { native, kafka };
  const best: Partial<Record<Encoding, MeasuredRound>> = {};
  for (let round = 0; round <= bench.rounds; round++) {
    const turns = round % 2 === 0 ? ENCODINGS : ENCODINGS.toReversed();
    for (const encoding of turns) {
      prepare();
      const client = clients[encoding];
      const result = await measureRound(
        [node.process, client],
        () => client.round<Throughput>(records),
      );
      // The first round of each only warms up.
      if (round === 0) continue;
      const { elapsedMs } = best[encoding] ?? { elapsedMs: Infinity };
      if (result.elapsedMs < elapsedMs) best[encoding] = result;
    }
  }
  report(bench, name, best.native!, best.kafka!);
}

function report(bench: Bench, name: string, native: MeasuredRound, kafka: MeasuredRound): void {
  for (const [encoding, best] of Object.entries({ native, kafka })) {
    const rate = recordsPerSecond(best);
    bench.report({ name: `${name}, ${encoding}`, value: rate, unit: "records/s" });
    const msPerMb = best.cpuSeconds[0]! * 1000 / (best.bytes / 1e6);
    bench.report({ name: `${name}, ${encoding}, node`, value: msPerMb, unit: "CPU ms/MB" });
  }
  bench.report({
    name: `${name}, kafka beside native`,
    value: bytesPerSecond(kafka) / bytesPerSecond(native) * 100,
    unit: "%",
    target: atLeast(SHARE_MIN),
  });
}
