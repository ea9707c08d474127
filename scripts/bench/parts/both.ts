/** Producing and consuming at once, three processes on whatever processors there are. */

import type { Part } from "../bench.ts";
import { bestRound } from "../best_round.ts";
import { bytesPerSecond, recordsPerSecond } from "../ceiling.ts";
import { atLeast } from "../figure.ts";
import type { Throughput } from "../load/produce.ts";
import { cpuPerMillion, measureRound } from "../measured_round.ts";
import { startNodeWithTopic } from "../node_with_topic.ts";
import { touchPages } from "../warm_pages.ts";

const RECORDS = 1_500_000;
const RECORD_BYTES = 100;
const TARGET = atLeast(700_000);

export const both: Part = {
  name: "both",
  summary: "100-byte records through a node while they are read, a promise each",
  async run(bench) {
    const { relay } = await bench.ceiling();
    await bench.withFolder(async (folder) => {
      await using node = await startNodeWithTopic(bench, folder, 3);
      const { bootstrap, topic } = node;
      await using consumer = await bench.start({
        role: "consumer",
        load: { bootstrap, topic, mode: "records", from: "last" },
      });
      await using producer = await bench.start({
        role: "producer",
        load: { bootstrap, topic, mode: "promise", recordSize: RECORD_BYTES },
      });
      let produced: Throughput | undefined;
      const consumed = await bestRound(bench, () => {
        touchPages(folder, RECORDS * 124 + 64e6)();
        return measureRound([node.process, producer, consumer], async () => {
          const read = consumer.round<Throughput>(RECORDS);
          produced = await producer.round<Throughput>(RECORDS);
          return await read;
        });
      });
      bench.report({
        name: "consumed while produced",
        value: recordsPerSecond(consumed),
        unit: "records/s",
        target: TARGET,
        ofCeiling: bytesPerSecond(consumed) / relay,
        note: "from the first send until the last record was read",
      });
      if (produced !== undefined) {
        bench.report({
          name: "produced while consumed",
          value: recordsPerSecond(produced),
          unit: "records/s",
          target: TARGET,
          ofCeiling: bytesPerSecond(produced) / relay,
        });
      }
      ["node", "producer", "consumer"].forEach((role, index) => {
        bench.report({
          name: role,
          value: cpuPerMillion(consumed, index),
          unit: "CPU s/M records",
        });
      });
    });
  },
};
