/** Consuming alone: node and consumer in processes of their own, what was stored before. */

import type { Bench, Part } from "../bench.ts";
import { bestRound } from "../best_round.ts";
import { bytesPerSecond, recordsPerSecond } from "../ceiling.ts";
import { atLeast, type Target } from "../figure.ts";
import type { ConsumeMode } from "../load/consume.ts";
import type { Throughput } from "../load/produce.ts";
import { cpuPerMillion, measureRound } from "../measured_round.ts";
import { type NodeWithTopic, startNodeWithTopic } from "../node_with_topic.ts";
import { touchPages } from "../warm_pages.ts";

interface Size {
  readonly name: string;
  readonly recordSize: number;
  readonly records: number;
  readonly perSecond: Readonly<Record<ConsumeMode, Target | undefined>>;
  readonly ofCeiling: Readonly<Record<ConsumeMode, Target | undefined>>;
}

const SIZES: readonly Size[] = [
  {
    name: "100 B",
    recordSize: 100,
    records: 4_000_000,
    perSecond: { records: atLeast(2_000_000), batches: atLeast(2_000_000) },
    ofCeiling: { records: undefined, batches: undefined },
  },
  {
    name: "1 KiB",
    recordSize: 1024,
    records: 500_000,
    perSecond: { records: undefined, batches: undefined },
    ofCeiling: { records: atLeast(25), batches: atLeast(50) },
  },
];

const MODE_NAMES = { records: "record by record", batches: "undecoded batches" } as const;

export const consume: Part = {
  name: "consume",
  summary: "3 partitions, from the page cache",
  async run(bench) {
    const { hop } = await bench.ceiling();
    for (const size of SIZES) await consumeOneSize(bench, size, hop);
  },
};

async function consumeOneSize(bench: Bench, size: Size, hop: number): Promise<void> {
  await bench.withFolder(async (folder) => {
    await using node = await startNodeWithTopic(bench, folder, 3);
    const { bootstrap, topic } = node;
    bench.progress(`storing ${size.name}`);
    touchPages(folder, size.records * (size.recordSize + 24))();
    {
      await using producer = await bench.start({
        role: "producer",
        load: { bootstrap, topic, mode: "batch", recordSize: size.recordSize },
      });
      await producer.round(size.records);
    }
    for (const mode of ["records", "batches"] as const) {
      await consumeOneWay(bench, node, size, mode, hop);
    }
  });
}

async function consumeOneWay(
  bench: Bench,
  node: NodeWithTopic,
  { name, records, perSecond, ofCeiling }: Size,
  mode: ConsumeMode,
  hop: number,
): Promise<void> {
  const { bootstrap, topic } = node;
  const way = `${name} ${MODE_NAMES[mode]}`;
  bench.progress(way);
  await using consumer = await bench.start({
    role: "consumer",
    load: { bootstrap, topic, mode, from: "start" },
  });
  const best = await bestRound(
    bench,
    () => measureRound([node.process, consumer], () => consumer.round<Throughput>(records)),
  );
  const share = bytesPerSecond(best) / hop;
  const wanted = perSecond[mode];
  bench.report({
    name: way,
    value: recordsPerSecond(best),
    unit: "records/s",
    ...(wanted === undefined ? {} : { target: wanted }),
    ofCeiling: share,
  });
  const wantedShare = ofCeiling[mode];
  if (wantedShare !== undefined) {
    bench.report({
      name: `${way}, of ceiling`,
      value: share * 100,
      unit: "%",
      target: wantedShare,
    });
  }
  const unit = "CPU s/M records";
  bench.report({ name: `${way}, node`, value: cpuPerMillion(best, 0), unit });
  bench.report({ name: `${way}, consumer`, value: cpuPerMillion(best, 1), unit });
  bench.report({
    name: `${way}, consumer RSS at most`,
    value: (consumer.usage?.peakRssBytes ?? Number.NaN) / 1e6,
    unit: "MB",
  });
}
