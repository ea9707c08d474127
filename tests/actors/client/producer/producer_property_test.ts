import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BUFFER_MEMORY, check, decoder, mishaps, run, step } from "./producer_runs.ts";

const config = {
  bufferMemory: BUFFER_MEMORY,
  requestTimeoutMs: 2_000,
  retryBackoffMs: 20,
  reconnectBackoffMs: 20,
};

Deno.test("producer: every send settles once and is where it is said to be, whatever befalls", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.record({
        batchSize: fc.constantFrom(0, 300, 1_000),
        lingerMs: fc.constantFrom(undefined, 0, 5, 50),
        maxBlockMs: fc.constantFrom(50, 60_000),
        deliveryTimeoutMs: fc.constantFrom(3_000, 120_000),
      }),
      mishaps,
      fc.array(step, { maxLength: 30 }),
      async (seed, { lingerMs, ...drawn }, misfortune, steps) => {
        const linger = lingerMs === undefined ? {} : { lingerMs };
        check(await run(seed, { ...config, ...drawn, ...linger }, misfortune, steps));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("producer: with one request in flight no mishap changes the order in a partition", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      mishaps,
      fc.array(step, { maxLength: 30 }),
      async (seed, misfortune, steps) => {
        const strict = { ...config, batchSize: 500, maxInFlightRequestsPerConnection: 1 };
        const result = await run(seed, strict, misfortune, steps);
        check(result);
        // A record whose answer was lost is there twice: its first place counts.
        for (const { records } of result.world.cluster.topics.get("t")!.partitions) {
          const numbers = new Set(records.map(({ value }) => parseInt(decoder.decode(value!))));
          let last = -1;
          for (const number of numbers) {
            assert(number > last, `${number} comes after ${last}`);
            last = number;
          }
        }
        const stored = new Set(
          result.world.cluster.topics.get("t")!.partitions.flatMap(({ records }) =>
            records.map(({ value }) => decoder.decode(value!))
          ),
        );
        const lost = result.sent.filter(({ value, metadata }) =>
          metadata !== undefined && !stored.has(value)
        );
        assertEquals(lost.length, 0);
      },
    ),
    { numRuns: 60 },
  );
});
