/** End-to-end latency at a steady rate. */

import type { Part } from "../bench.ts";
import { atMost } from "../figure.ts";
import type { Delays, EndToEndLoad, Latencies } from "../load/end_to_end.ts";
import { measureRound } from "../measured_round.ts";
import { startNodeWithTopic } from "../node_with_topic.ts";

const PER_SECOND = 10_000;
const SECONDS = 8;
const P99_MAX_MS = 5;

export const latency: Part = {
  name: "latency",
  summary: `end to end at ${PER_SECOND} records a second`,
  async run(bench) {
    await bench.withFolder(async (folder) => {
      await using node = await startNodeWithTopic(bench, folder, 3);
      const { bootstrap, topic } = node;
      const load: EndToEndLoad = {
        bootstrap,
        topic,
        recordSize: 100,
        recordsPerSecond: PER_SECOND,
      };
      await using receiver = await bench.start({ role: "probe-receiver", load });
      await using sender = await bench.start({ role: "probe-sender", load });
      let latencies: Latencies | undefined;
      let delays: Delays | undefined;
      const run = async (records: number) => {
        const received = receiver.round<Latencies>(records);
        delays = await sender.round<Delays>(records);
        latencies = await received;
      };
      await run(2 * PER_SECOND);
      const records = SECONDS * PER_SECOND;
      const { cpuSeconds } = await measureRound([node.process, sender, receiver], async () => {
        await run(records);
        return { records, bytes: 0, elapsedMs: SECONDS * 1000 };
      });
      const { p50Ms, p99Ms, p999Ms, maxMs } = latencies!;
      const unit = "ms";
      bench.report({ name: "p50", value: p50Ms, unit });
      bench.report({ name: "p99", value: p99Ms, unit, target: atMost(P99_MAX_MS) });
      bench.report({ name: "p99.9", value: p999Ms, unit });
      bench.report({ name: "longest", value: maxMs, unit });
      bench.report({ name: "sender behind its schedule, p50", value: delays!.p50Ms, unit });
      bench.report({ name: "sender behind its schedule, p99", value: delays!.p99Ms, unit });
      ["node", "producer", "consumer"].forEach((role, index) => {
        const share = cpuSeconds[index]! / SECONDS * 100;
        bench.report({ name: role, value: share, unit: "% of a core" });
      });
    });
  },
};
