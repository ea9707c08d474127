/**
 * Two logs of up to three leader epochs and four records, however they came to differ: one follows
 * the other by fetches and truncations, and both end up the same.
 */

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { Replica } from "../../actors/partition/replica.ts";
import type { PartitionAssignment } from "../../actors/partition/messages.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { BatchView } from "../../storage/record_batch.ts";
import {
  expectAppended,
  follower,
  leader,
  makeBatch,
  NOW,
  openLog,
  readBatches,
  readValues,
} from "../storage/log_fixture.ts";

/** Which records each of two logs got in each epoch: of the first so many, or of one that leads. */
interface Epoch {
  readonly leads: 0 | 1;
  /** Batches that the leader appends, of so many records each. */
  readonly batches: readonly number[];
  /** How many batches the other log gets after it has agreed with the leader. */
  readonly fetched: number;
  /** Whether the other log hears of this epoch at all. */
  readonly heard: boolean;
}

const EPOCH: fc.Arbitrary<Epoch> = fc.record({
  leads: fc.constantFrom(0 as const, 1 as const),
  batches: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 3 }),
  fetched: fc.integer({ min: 0, max: 3 }),
  heard: fc.boolean(),
});

const RUNS = { numRuns: 400 };

/** A replica over a real log. */
class Side {
  readonly disk = new MemoryDisk();
  readonly replica: Replica;
  log: Log;

  constructor(readonly id: number) {
    this.log = openLog(this.disk, { config: { segmentBytes: 400 } });
    this.replica = new Replica(id, { minInsyncReplicas: 1, flushBeforeAck: false });
    this.replica.opened(this.log, 0);
  }

  hear(leaderId: number, leaderEpoch: number): void {
    const [replicas, isr] = [[0, 1], [0, 1]];
    const partitionEpoch = leaderEpoch;
    const word: PartitionAssignment = {
      leader: leaderId,
      leaderEpoch,
      partitionEpoch,
      replicas,
      isr,
    };
    const { epochStart } = this.replica.assign(word, 0);
    if (epochStart !== undefined) this.log.assignEpoch(leaderEpoch, epochStart);
  }

  append(records: number): void {
    const epoch = this.replica.leaderEpoch;
    const values = Array.from(
      { length: records },
      (_, index) => `${epoch}/${this.log.logEndOffset + index}`,
    );
    expectAppended(this.log.append(makeBatch({ values }), leader(epoch)));
    this.replica.appended(0);
  }
}

/** One fetch of a batch; whether it changed the follower's log. */
function fetch(from: Side, to: Side): boolean {
  const { log, replica } = to;
  const fetchOffset = log.logEndOffset;
  const verdict = from.replica.fetchedBy({
    replicaId: to.id,
    fetchOffset,
    lastFetchedEpoch: replica.lastFetchedEpoch,
    currentLeaderEpoch: replica.leaderEpoch,
    brokerEpoch: -1,
    logStartOffset: log.logStartOffset,
  }, 0);
  assert(verdict.kind !== "refused", JSON.stringify(verdict));
  if (verdict.kind === "diverging") {
    const point = replica.truncationPoint(verdict.epoch, verdict.endOffset)!;
    assert(point < fetchOffset, "a truncation takes something");
    log.truncateTo(point, NOW);
    replica.logChanged();
    return true;
  }
  const [batch] = readBatches(from.log, fetchOffset);
  if (batch !== undefined && fetchOffset < from.log.logEndOffset) {
    assertEquals(new BatchView(batch).baseOffset, fetchOffset);
    expectAppended(log.append(batch, follower(replica.leaderEpoch)));
  }
  replica.followedTo(from.replica.highWatermark);
  return batch !== undefined && log.logEndOffset > fetchOffset;
}

function follow(from: Side, to: Side, batches: number): void {
  for (let round = 0, got = 0; got < batches; round++) {
    assert(round < 40, "it comes to an end");
    const before = to.log.logEndOffset;
    if (!fetch(from, to)) return;
    if (to.log.logEndOffset > before) got++;
  }
}

/** The longest beginning that both logs have: offset by offset, epoch and value. */
function common(one: Side, other: Side): number {
  const [left, right] = [one, other].map(({ log }) =>
    readValues(log).map((value, offset) => `${log.epochForOffset(offset)} ${value}`)
  );
  let length = 0;
  while (length < left!.length && left![length] === right![length]) length++;
  return length;
}

function play(epochs: readonly Epoch[]): [Side, Side] {
  const sides: [Side, Side] = [new Side(0), new Side(1)];
  epochs.forEach(({ leads, batches, fetched, heard }, leaderEpoch) => {
    const [leading, other] = [sides[leads], sides[1 - leads]!];
    leading.hear(leads, leaderEpoch);
    for (const records of batches) if (leading.log.logEndOffset < 4) leading.append(records);
    if (!heard) return;
    other.hear(leads, leaderEpoch);
    follow(leading, other, fetched);
  });
  return sides;
}

Deno.test("log replication: however two logs differ, the follower ends up as its leader", () => {
  fc.assert(
    fc.property(
      fc.array(EPOCH, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(0 as const, 1 as const),
      (epochs, last) => {
        const sides = play(epochs);
        const [leading, other] = [sides[last], sides[1 - last]!];
        const shared = common(leading, other);
        const held = readValues(leading.log);
        for (const side of sides) side.hear(last, epochs.length);
        follow(leading, other, Infinity);
        assertEquals(readValues(other.log), held);
        assertEquals(readValues(leading.log), held, "the leader's log stays as it is");
        assertEquals(
          other.log.epochEntries.filter(({ startOffset }) => startOffset < held.length),
          leading.log.epochEntries.filter(({ startOffset }) => startOffset < held.length),
        );
        // What both had was never fetched again.
        const kept = readValues(other.log).slice(0, shared);
        assertEquals(kept, held.slice(0, shared));
      },
    ),
    RUNS,
  );
});

Deno.test("log replication: nothing that both logs have is cut", () => {
  fc.assert(
    fc.property(fc.array(EPOCH, { minLength: 1, maxLength: 3 }), (epochs) => {
      const [leading, other] = play(epochs);
      const shared = common(leading, other);
      for (const side of [leading, other]) side.hear(0, epochs.length);
      let lowest = other.log.logEndOffset;
      while (fetch(leading, other)) lowest = Math.min(lowest, other.log.logEndOffset);
      // A batch goes whole, and batches are the same where both have them.
      assert(lowest >= shared, `cut to ${lowest}, both had ${shared}`);
    }),
    RUNS,
  );
});

Deno.test("log replication: a crash between the rounds of a truncation changes nothing", () => {
  fc.assert(
    fc.property(fc.array(EPOCH, { minLength: 1, maxLength: 3 }), (epochs) => {
      const [leading, other] = play(epochs);
      const held = readValues(leading.log);
      for (const side of [leading, other]) side.hear(0, epochs.length);
      for (let round = 0; fetch(leading, other); round++) {
        assert(round < 40, "it comes to an end");
        const { recoveryPoint, logStartOffset } = other.log;
        other.disk.killProcess();
        other.log = openLog(other.disk, {
          config: { segmentBytes: 400 },
          recoveryPoint,
          logStartOffset,
        });
        other.replica.opened(other.log, other.replica.highWatermark);
      }
      assertEquals(readValues(other.log), held);
    }),
    { numRuns: 150 },
  );
});
