import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { ProducerState } from "../../storage/producer_state.ts";
import { BatchView } from "../../storage/record_batch.ts";
import {
  expectAppended,
  follower,
  joinBatches,
  leader,
  makeBatch,
  NOW,
  openLog,
  readBatches,
  reopen,
} from "./log_fixture.ts";

/**
 * Three replicas of a partition and the producers that send to its leader: what a leader says of a
 * batch that it is sent again, after restarts, truncations and changes of leader.
 */

const REPLICAS = 3;
const SEQUENCE_MAX = 0x7fffffff;

interface Sent {
  readonly bytes: Uint8Array;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

interface Producer {
  readonly id: number;
  epoch: number;
  next: number;
  /** What the log took, in order. */
  sent: Sent[];
}

class Partition {
  readonly disks = Array.from({ length: REPLICAS }, () => new MemoryDisk());
  readonly logs: Log[] = this.disks.map((disk) => openLog(disk));
  readonly producers: Producer[] = [
    { id: 1, epoch: 0, next: 0, sent: [] },
    // It comes to where numbers begin anew.
    { id: 2, epoch: 3, next: SEQUENCE_MAX - 4, sent: [] },
  ];
  leader = 0;
  epoch = 0;

  get log(): Log {
    return this.logs[this.leader]!;
  }

  send(of: number, count: number): void {
    const producer = this.producers[of]!;
    const bytes = makeBatch({
      values: Array.from({ length: count }, (_, i) => `${producer.next}-${i}`),
      producerId: producer.id,
      producerEpoch: producer.epoch,
      baseSequence: producer.next,
    });
    const { firstOffset, lastOffset, duplicate } = expectAppended(
      this.log.append(bytes.slice(), leader(this.epoch)),
    );
    assertEquals(duplicate, false);
    producer.sent.push({ bytes, firstOffset, lastOffset });
    producer.next = (producer.next + count) & SEQUENCE_MAX;
  }

  /** One of the last five is sent again; it is where it was. */
  sendAgain(of: number, back: number): void {
    const { sent } = this.producers[of]!;
    const again = sent.at(-1 - (back % 5));
    if (again === undefined) return;
    const before = this.log.logEndOffset;
    const answer = expectAppended(this.log.append(again.bytes.slice(), leader(this.epoch)));
    assertEquals(answer.duplicate, true);
    assertEquals([answer.firstOffset, answer.lastOffset], [again.firstOffset, again.lastOffset]);
    assertEquals(this.log.logEndOffset, before);
  }

  /** A gap, and an old epoch, are refused, and change nothing. */
  sendWrong(of: number): void {
    const producer = this.producers[of]!;
    if (producer.sent.length === 0) return;
    const wrong = (baseSequence: number, producerEpoch: number) => {
      const batch = makeBatch({ producerId: producer.id, producerEpoch, baseSequence });
      const result = this.log.append(batch, leader(this.epoch));
      return result.kind === "refused" ? result.error : "appended";
    };
    const gap = (producer.next + 1) & SEQUENCE_MAX;
    assertEquals(wrong(gap, producer.epoch), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    assertEquals(wrong(1, producer.epoch + 1), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    if (producer.epoch > 0) assertEquals(wrong(0, producer.epoch - 1), "INVALID_PRODUCER_EPOCH");
  }

  bump(of: number): void {
    const producer = this.producers[of]!;
    producer.epoch++;
    producer.next = 0;
    producer.sent = [];
  }

  /** A follower takes so many batches. */
  replicate(to: number, count: number): void {
    const target = this.logs[to]!;
    if (to === this.leader) return;
    const batches = readBatches(this.log, target.logEndOffset).slice(0, count);
    if (batches.length === 0) return;
    expectAppended(target.append(joinBatches(...batches), follower(this.epoch)));
  }

  /** Another leads: what it does not have is lost, to producers and to the others. */
  elect(to: number): void {
    this.leader = to;
    this.epoch++;
    const { logEndOffset } = this.log;
    this.log.assignEpoch(this.epoch);
    for (const log of this.logs) {
      if (log.logEndOffset > logEndOffset) log.truncateTo(logEndOffset, NOW);
    }
    for (const producer of this.producers) {
      producer.sent = producer.sent.filter(({ lastOffset }) => lastOffset < logEndOffset);
      const last = producer.sent.at(-1);
      const known = this.log.producers(NOW).get(producer.id);
      if (last !== undefined) {
        producer.next = (new BatchView(last.bytes).lastSequence + 1) & SEQUENCE_MAX;
      } else if (known === undefined || known.producerEpoch < producer.epoch) {
        producer.next = 0;
      } else {
        this.bump(producer.id - 1);
      }
    }
  }

  restart(which: number, clean: boolean): void {
    const disk = this.disks[which]!;
    const log = this.logs[which]!;
    if (clean) {
      this.logs[which] = reopen(disk, log);
    } else {
      log.flushSync();
      log.close({ clean: false, now: NOW });
      this.logs[which] = openLog(disk);
    }
  }

  /** What each log knows of producers is what its batches say. */
  check(): void {
    for (const log of this.logs) {
      const state = new ProducerState();
      for (const batch of readBatches(log, 0)) state.apply(new BatchView(batch));
      assertEquals(entriesOf(log.producers(NOW)), entriesOf(state));
    }
  }
}

const entriesOf = (state: ProducerState) =>
  [...state.entries()].sort((a, b) => a.producerId - b.producerId);

type Step = readonly [
  "send" | "sendAgain" | "sendWrong" | "bump" | "replicate" | "elect" | "restart",
  ...unknown[],
];
const of = fc.nat(1);
const replica = fc.nat(REPLICAS - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constant("send" as const), of, fc.integer({ min: 1, max: 4 })),
  },
  { weight: 4, arbitrary: fc.tuple(fc.constant("sendAgain" as const), of, fc.nat(4)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("sendWrong" as const), of) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("bump" as const), of) },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.constant("replicate" as const), replica, fc.integer({ min: 1, max: 6 })),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constant("elect" as const), replica) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("restart" as const), replica, fc.boolean()) },
);

Deno.test("log: a batch sent again is where it was, on whichever replica and after whatever (P25, P26)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const partition = new Partition();
      for (const [name, ...given] of steps) {
        (partition[name] as (...given: unknown[]) => void)(...given);
        partition.check();
      }
      for (const log of partition.logs) log.close({ clean: true, now: NOW });
    }),
    { numRuns: 200 },
  );
});

Deno.test("log: sequences go on with 0 after 2^31 - 1, also within a batch", () => {
  const log = openLog(new MemoryDisk());
  const send = (baseSequence: number, count: number) => {
    const values = Array.from({ length: count }, String);
    const batch = makeBatch({ values, producerId: 5, producerEpoch: 0, baseSequence });
    return log.append(batch, leader());
  };
  expectAppended(send(SEQUENCE_MAX - 2, 2));
  // The last number there is, and the first one.
  assertEquals(expectAppended(send(SEQUENCE_MAX, 3)).firstOffset, 2);
  assertEquals(expectAppended(send(2, 1)).firstOffset, 5);
  const again = expectAppended(send(SEQUENCE_MAX, 3));
  assertEquals([again.duplicate, again.firstOffset, again.lastOffset], [true, 2, 4]);
  assert(send(2, 2).kind === "refused", "as long as another, it is no repetition");
  log.close({ clean: true, now: NOW });
});
