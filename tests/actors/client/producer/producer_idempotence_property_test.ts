import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BatchView } from "../../../../storage/record_batch.ts";
import type { FakePartition } from "../fake_broker.ts";
import { BUFFER_MEMORY, check, decoder, mishaps, run, step } from "./producer_runs.ts";

const config = {
  bufferMemory: BUFFER_MEMORY,
  retryBackoffMs: 20,
  reconnectBackoffMs: 20,
};

/** P25, P27: no value twice, and all in the order of their sending. */
function checkOrder({ records }: FakePartition): void {
  let last = -1;
  for (const { value } of records) {
    const number = parseInt(decoder.decode(value!));
    assert(number > last, `${number} comes after ${last}`);
    last = number;
  }
}

/** P26: of each producer epoch the numbers begin at 0 and rise without a gap; epochs rise. */
function checkSequences({ batches }: FakePartition): void {
  let epoch = -1;
  let next = 0;
  for (const batch of batches) {
    const { producerEpoch, baseSequence, recordsCount, producerId } = new BatchView(batch);
    assert(producerId >= 0, "it has a producer");
    assert(producerEpoch >= epoch, `epoch ${producerEpoch} after ${epoch}`);
    if (producerEpoch > epoch) next = 0;
    assertEquals(baseSequence, next, `the sequence in epoch ${producerEpoch}`);
    epoch = producerEpoch;
    next += recordsCount;
  }
}

Deno.test("idempotence: each record is stored once and in order, whatever befalls", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.record({
        batchSize: fc.constantFrom(0, 300, 1_000),
        maxInFlightRequestsPerConnection: fc.constantFrom(1, 5),
        maxBlockMs: fc.constantFrom(50, 60_000),
        requestTimeoutMs: fc.constantFrom(200, 2_000),
        deliveryTimeoutMs: fc.constantFrom(2_100, 3_000, 120_000),
      }),
      mishaps,
      fc.array(step, { maxLength: 30 }),
      async (seed, drawn, misfortune, steps) => {
        const result = await run(seed, { ...config, ...drawn }, misfortune, steps);
        check(result);
        const isPatient = drawn.deliveryTimeoutMs > 100_000 && drawn.maxBlockMs > 50_000;
        if (isPatient && misfortune.tooLargeBytes === Infinity) {
          const failed = result.sent.filter(({ metadata }) => metadata === undefined);
          assertEquals(failed, [], "nothing fails while there is time");
        }
        for (const partition of result.world.cluster.topics.get("t")!.partitions) {
          checkOrder(partition);
          checkSequences(partition);
        }
      },
    ),
    { numRuns: Number(Deno.env.get("STROM_RUNS") ?? 300) },
  );
});
