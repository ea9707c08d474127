/** Producing alone: producer and node in processes of their own, in each way of sending. */

import type { Bench, Part } from "../bench.ts";
import { bestRound } from "../best_round.ts";
import { bytesPerSecond, recordsPerSecond } from "../ceiling.ts";
import { atLeast, atMost, type Target } from "../figure.ts";
import type { ProduceMode, Throughput } from "../load/produce.ts";
import { cpuPerMillion, measureRound } from "../measured_round.ts";
import { startNodeWithTopic } from "../node_with_topic.ts";
import { touchPages } from "../warm_pages.ts";

interface Way {
  readonly mode: ProduceMode;
  readonly name: string;
  /** Of one round. */
  readonly records: number;
  readonly target: Target;
}

const WAYS: readonly Way[] = [
  { mode: "promise", name: "promise each", records: 2_000_000, target: atLeast(1_000_000) },
  { mode: "keyed", name: "keyed strings", records: 1_500_000, target: atLeast(600_000) },
  { mode: "batch", name: "sendBatch", records: 2_500_000, target: atLeast(2_500_000) },
  { mode: "callback", name: "callback each", records: 2_500_000, target: atLeast(2_500_000) },
];

const RECORD_BYTES = 100;
/** What a record takes on disk besides its value and key. */
const OVERHEAD_BYTES = 24;
const NODE_RSS_MAX_MB = 300;

export const produce: Part = {
  name: "produce",
  summary: "100-byte records, 16 KiB batches, acks=all, 3 partitions",
  async run(bench) {
    const { hop } = await bench.ceiling();
    for (const way of WAYS) await produceOneWay(bench, way, hop);
  },
};

async function produceOneWay(bench: Bench, way: Way, hop: number): Promise<void> {
  const { mode, name, records, target } = way;
  bench.progress(name);
  await bench.withFolder(async (folder) => {
    await using node = await startNodeWithTopic(bench, folder, 3);
    const { bootstrap, topic } = node;
    await using producer = await bench.start({
      role: "producer",
      load: { bootstrap, topic, mode, recordSize: RECORD_BYTES },
    });
    const best = await bestRound(bench, () => {
      touchPages(folder, records * (RECORD_BYTES + OVERHEAD_BYTES) + 64e6)();
      return measureRound(
        [node.process, producer],
        () => producer.round<Throughput>(records),
      );
    });
    bench.report({
      name,
      value: recordsPerSecond(best),
      unit: "records/s",
      target,
      ofCeiling: bytesPerSecond(best) / hop,
    });
    const unit = "CPU s/M records";
    bench.report({ name: `${name}, node`, value: cpuPerMillion(best, 0), unit });
    bench.report({ name: `${name}, producer`, value: cpuPerMillion(best, 1), unit });
    bench.report({
      name: `${name}, node RSS at most`,
      value: (node.process.usage?.peakRssBytes ?? Number.NaN) / 1e6,
      unit: "MB",
      target: atMost(NODE_RSS_MAX_MB),
    });
    bench.report({
      name: `${name}, producer RSS at most`,
      value: (producer.usage?.peakRssBytes ?? Number.NaN) / 1e6,
      unit: "MB",
    });
  });
}
