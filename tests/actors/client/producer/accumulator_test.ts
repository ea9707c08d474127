import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  Accumulator,
  type PartitionQueue,
} from "../../../../actors/client/producer/accumulator.ts";
import { splitBatch } from "../../../../actors/client/producer/batch_splitting.ts";
import { BrokerQueue } from "../../../../actors/client/producer/broker_queue.ts";
import { TimeoutError } from "../../../../actors/client/errors.ts";
import { FlushWaiter } from "../../../../actors/client/producer/flush_waiter.ts";
import type { ProducerBatch } from "../../../../actors/client/producer/producer_batch.ts";
import { PartitionQueue as Queue } from "../../../../actors/client/producer/accumulator.ts";
import { BatchView } from "../../../../storage/record_batch.ts";
import { decodeRecords } from "../../../../storage/record.ts";

const RULES = { lingerMs: 5, eager: false, maxRequestSize: 1_000_000 };

function accumulator(batchSize: number, bufferMemory: number) {
  const events: string[] = [];
  const made = new Accumulator({
    batchSize,
    bufferMemory,
    batchBegan: ({ partition }) => events.push(`began ${partition}`),
    batchFull: ({ partition }) => events.push(`full ${partition}`),
  });
  return { accumulator: made, events };
}

function queue(accumulator: Accumulator, partition: number, leader = 1): PartitionQueue {
  const { partitions } = accumulator.topic("t");
  const made = partitions[partition] ??= new Queue("t", partition);
  made.leader = leader;
  return made;
}

function ignore(): void {}

/** The timestamps of a batch's records, which tests use as numbers. */
function numbersOf(batch: ProducerBatch): number[] {
  return decodeRecords(new BatchView(batch.close({}))).map(({ timestamp }) => timestamp);
}

Deno.test("accumulator: records of a partition share a batch until it is full", () => {
  const { accumulator: made, events } = accumulator(200, 10_000);
  const partition = queue(made, 0);
  const value = new Uint8Array(50);
  assertEquals(made.tryAppend(partition, 1, null, value, undefined), undefined);
  const batch = made.begin(partition, 60, 0)!;
  assert(batch.tryAppend(1, null, value, undefined));
  assertEquals(made.tryAppend(partition, 2, null, value, undefined), batch);
  assertEquals(made.tryAppend(partition, 3, null, value, undefined), undefined);
  // Once full it stays so, also for what would fit.
  assertEquals(made.tryAppend(partition, 3, null, null, undefined), undefined);
  assertEquals(events, ["began 0", "full 0"]);
  assertEquals(batch.recordsCount, 2);
});

Deno.test("accumulator: memory is taken by batches and given back once they settled", () => {
  const { accumulator: made } = accumulator(200, 500);
  const partition = queue(made, 0);
  const first = made.begin(partition, 60, 0)!;
  made.begin(queue(made, 1), 60, 0);
  assertEquals(made.freeBytes, 100);
  assertEquals(made.begin(queue(made, 2), 60, 0), undefined);
  partition.shift();
  made.release(first);
  assertEquals(made.freeBytes, 300);
  // A record that is larger than a batch takes what it needs.
  assertEquals(made.begin(partition, 239, 0)!.memoryBytes, 300);
  assertEquals(made.freeBytes, 0);
});

Deno.test("accumulator: buffers are used again", () => {
  const { accumulator: made } = accumulator(200, 1000);
  const partition = queue(made, 0);
  const first = made.begin(partition, 60, 0)!;
  const { buffer } = first;
  partition.shift();
  made.release(first);
  assertEquals(made.begin(partition, 60, 0)!.buffer === buffer, true);
});

Deno.test("accumulator: the oldest batch is the one begun first of those not settled", () => {
  const { accumulator: made } = accumulator(200, 1000);
  const batches = [0, 1, 2].map((partition) => made.begin(queue(made, partition), 60, partition)!);
  for (const batch of batches) batch.tryAppend(1, null, null, undefined);
  assertEquals(made.oldest, batches[0]);
  made.release(batches[1]!);
  assertEquals(made.oldest, batches[0]);
  made.abandon(batches[0]!);
  assertEquals(made.oldest, batches[2]);
});

Deno.test("accumulator: a flush waits for the batches there are, not for later ones", () => {
  const { accumulator: made } = accumulator(200, 1000);
  let isFlushed = false;
  const batches = [0, 1].map((partition) => made.begin(queue(made, partition), 60, 0)!);
  for (const batch of batches) batch.tryAppend(1, null, null, undefined);
  const waiter = new FlushWaiter(() => isFlushed = true);
  made.addWaiter(waiter);
  waiter.armed();
  made.begin(queue(made, 2), 60, 0);
  batches[0]!.complete(0, -1, ignore);
  assertEquals(isFlushed, false);
  batches[1]!.fail(new TimeoutError("x"), ignore);
  assertEquals(isFlushed, true);
});

Deno.test("producer batch: promises, callbacks and groups of one batch each get their record", async () => {
  const { accumulator: made } = accumulator(1000, 1000);
  const batch = made.begin(queue(made, 0), 60, 0)!;
  const told: (number | undefined)[] = [];
  const promises: Promise<{ offset: number; timestamp: number }>[] = [];
  for (let i = 0; i < 10; i++) {
    batch.tryAppend(100 + i, null, null, undefined);
    if (i % 3 === 1) batch.addCallback((metadata) => told.push(metadata?.offset));
    else promises.push(batch.promise());
  }
  batch.complete(50, -1, ignore);
  assertEquals(told, [51, 54, 57]);
  const kept = await Promise.all(promises);
  assertEquals(kept.map(({ offset }) => offset), [50, 52, 53, 55, 56, 58, 59]);
  assertEquals(kept.map(({ timestamp }) => timestamp), [100, 102, 103, 105, 106, 108, 109]);
});

Deno.test("broker queue: a batch that is not full is due when it has lingered", () => {
  const { accumulator: made } = accumulator(200, 1000);
  const partition = queue(made, 0);
  const broker = new BrokerQueue(1, RULES);
  broker.add(partition);
  const batch = made.begin(partition, 60, 100)!;
  assertEquals(broker.take(104, false, []), []);
  assertEquals(broker.nextDue, 105);
  assertEquals(broker.take(105, false, []), [batch]);
});

Deno.test("broker queue: a full batch is due at once, and everything in a hurry", () => {
  const { accumulator: made } = accumulator(200, 1000);
  const broker = new BrokerQueue(1, RULES);
  for (const partition of [0, 1]) {
    made.begin(queue(made, partition), 60, 100);
    broker.add(queue(made, partition));
  }
  queue(made, 1).first!.isFull = true;
  assertEquals(broker.take(100, false, []).map(({ partition }) => partition), [1]);
  assertEquals(broker.take(100, true, []).map(({ partition }) => partition), [0]);
});

Deno.test("broker queue: an idle broker of an eager producer waits for nothing", () => {
  const { accumulator: made } = accumulator(200, 1000);
  const broker = new BrokerQueue(1, { ...RULES, eager: true });
  made.begin(queue(made, 0), 60, 100);
  broker.add(queue(made, 0));
  broker.inFlight = 1;
  assertEquals(broker.take(100, false, []).length, 0);
  broker.inFlight = 0;
  assertEquals(broker.take(100, false, []).length, 1);
});

Deno.test("broker queue: a request holds at most maxRequestSize, and partitions take turns", () => {
  const { accumulator: made } = accumulator(1000, 100_000);
  const broker = new BrokerQueue(1, { ...RULES, maxRequestSize: 1500 });
  for (const partition of [0, 1, 2]) {
    const waiting = queue(made, partition);
    for (let i = 0; i < 3; i++) {
      const batch = made.begin(waiting, 60, 0)!;
      batch.tryAppend(0, null, new Uint8Array(600), undefined);
      batch.isFull = true;
    }
    broker.add(waiting);
  }
  const taken: number[][] = [];
  for (let i = 0; i < 5; i++) {
    const batches = broker.take(100, false, []);
    taken.push(batches.map(({ partition }) => partition));
  }
  assert(taken.every((partitions) => partitions.length <= 2), JSON.stringify(taken));
  assertEquals(taken.flat().toSorted(), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
  assertEquals(taken.slice(0, 3).flat().toSorted(), [0, 0, 1, 1, 2, 2]);
});

Deno.test("broker queue: a partition that got another leader strays", () => {
  const { accumulator: made } = accumulator(200, 1000);
  const broker = new BrokerQueue(1, RULES);
  made.begin(queue(made, 0), 60, 0);
  broker.add(queue(made, 0));
  queue(made, 0, 2);
  const strays: PartitionQueue[] = [];
  assertEquals(broker.take(1000, false, strays), []);
  assertEquals(strays, [queue(made, 0, 2)]);
  assertEquals(broker.length, 0);
});

/** What may happen to the batches of a producer. */
type Step =
  | { readonly kind: "append"; readonly partition: number; readonly bytes: number }
  | { readonly kind: "send" }
  | { readonly kind: "answer"; readonly nth: number; readonly outcome: "done" | "again" | "split" }
  | { readonly kind: "pass"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      partition: fc.nat(2),
      bytes: fc.nat(150),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("send" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      nth: fc.nat(4),
      outcome: fc.constantFrom(
        "done" as const,
        "done" as const,
        "again" as const,
        "split" as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(10) }) },
);

Deno.test("accumulator: loses, repeats and reorders nothing, and ends with its whole budget", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const budget = 3000;
    const { accumulator: made } = accumulator(250, budget);
    const broker = new BrokerQueue(1, RULES);
    const appended: number[][] = [[], [], []];
    const stored: number[][] = [[], [], []];
    const inFlight: ProducerBatch[] = [];
    let now = 0;
    let next = 0;
    const list = (partition: PartitionQueue) => {
      if (!partition.isListed) broker.add(partition);
    };
    const append = (index: number, bytes: number) => {
      const partition = queue(made, index);
      const value = new Uint8Array(bytes);
      if (made.tryAppend(partition, next, null, value, undefined) === undefined) {
        const batch = made.begin(partition, bytes + 40, now);
        if (batch === undefined) return;
        batch.tryAppend(next, null, value, undefined);
        list(partition);
      }
      appended[index]!.push(next++);
    };
    const send = (hurry: boolean) => {
      for (const batch of broker.take(now, hurry, [])) {
        const { inFlight: others } = queue(made, batch.partition);
        if (batch.attempts > 0) assertEquals(others, 1, "a retry travels alone");
        batch.isInFlight = true;
        inFlight.push(batch);
      }
    };
    /** As one broker does: what it stores of a partition it stores in the order it came. */
    const answer = (nth: number, outcome: "done" | "again" | "split") => {
      const batch = inFlight[nth];
      if (batch === undefined) return;
      const rest = inFlight.filter((other) => other.partition === batch.partition);
      // An answer that fails one fails those behind it, as the broker that moved away would.
      const answered = outcome === "done" ? [rest[0]!] : rest;
      for (const one of answered) {
        inFlight.splice(inFlight.indexOf(one), 1);
        one.isInFlight = false;
        const partition = queue(made, one.partition);
        if (--partition.inFlight === 0) partition.isRetryInFlight = false;
        if (outcome === "done") {
          stored[one.partition]!.push(...numbersOf(one));
          made.release(one);
          one.complete(0, -1, ignore);
          continue;
        }
        one.attempts++;
        if (outcome === "split" && one === answered[0] && one.recordsCount > 1) {
          const parts = splitBatch(one, (size) => made.beginPart(one, partition, size));
          partition.putBack(...parts.map((part) => part.batch));
          made.release(one);
        } else {
          one.notBefore = now + 3;
          one.close({});
          partition.putBack(one);
        }
        list(partition);
      }
    };
    for (const step of steps) {
      if (step.kind === "append") append(step.partition, step.bytes);
      else if (step.kind === "send") send(false);
      else if (step.kind === "answer") answer(step.nth, step.outcome);
      else now += step.ms;
    }
    for (let round = 0; round < 2000 && (broker.length > 0 || inFlight.length > 0); round++) {
      now += 10;
      send(true);
      answer(0, "done");
    }
    assertEquals(stored, appended);
    assertEquals(made.freeBytes, budget);
    assertEquals(made.oldest, undefined);
  }));
});
