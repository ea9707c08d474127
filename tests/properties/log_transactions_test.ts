import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { readMarker } from "../../storage/producer_replay.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { expectAppended, makeBatch, NOW, openLog, readBatches } from "../storage/log_fixture.ts";
import { compareProducers } from "./log_model.ts";

/** A transaction as the batches of a log tell it, read from scratch. */
interface Told {
  readonly producerId: number;
  readonly first: number;
  /** Of the marker, or Infinity while there is none. */
  last: number;
  aborted: boolean;
}

function transactionsOf(batches: readonly Uint8Array[]): Told[] {
  const all: Told[] = [];
  const open = new Map<number, Told>();
  for (const bytes of batches) {
    const batch = new BatchView(bytes);
    const { producerId, baseOffset } = batch;
    if (!batch.isTransactional) continue;
    if (!batch.isControl) {
      if (open.has(producerId)) continue;
      const told = { producerId, first: baseOffset, last: Infinity, aborted: false };
      open.set(producerId, told);
      all.push(told);
      continue;
    }
    const told = open.get(producerId);
    if (told === undefined) continue;
    told.last = baseOffset;
    told.aborted = readMarker(batch)!.kind === "ABORT";
    open.delete(producerId);
  }
  return all;
}

/** Holds the log against its own batches: P32, and P40 for what is known of transactions. */
function check(log: Log): void {
  const batches = readBatches(log, 0);
  const told = transactionsOf(batches);
  const end = log.logEndOffset;
  const marks = batches.map((bytes) => new BatchView(bytes).nextOffset);
  // A follower's mark may fall.
  for (const mark of [...marks, ...marks.toReversed()]) {
    const undecided = told.filter(({ first, last }) => first < mark && last >= mark);
    const expected = Math.min(mark, ...undecided.map(({ first }) => first));
    assertEquals(log.lastStableOffset(mark), expected, `last stable offset below ${mark}`);
  }
  for (let from = 0; from < end; from += 3) {
    for (const to of [from + 1, from + 4, end]) {
      const expected = told
        .filter(({ aborted, first, last }) => aborted && last >= from && first < to)
        .map(({ producerId, first, last }) => [producerId, first, last])
        .sort((a, b) => a[1]! - b[1]!);
      const found = log.abortedTransactions(from, to)
        .map(({ producerId, firstOffset, lastOffset }) => [producerId, firstOffset, lastOffset]);
      assertEquals(found, expected, `aborted from ${from} to ${to}`);
    }
  }
  compareProducers(log, batches);
}

type Step =
  | { readonly kind: "write"; readonly producer: number; readonly bytes: number }
  | { readonly kind: "plain"; readonly bytes: number }
  | { readonly kind: "end"; readonly producer: number; readonly committed: boolean }
  | { readonly kind: "truncate"; readonly part: number }
  | { readonly kind: "kill" | "power" | "reopen" | "checkpoint" | "roll" | "unload" };

/** A checkpoint before a power cut finds out what it has forgotten. */
const RARE = [
  "kill",
  "power",
  "power",
  "reopen",
  "checkpoint",
  "checkpoint",
  "roll",
  "unload",
] as const;

const producer = fc.integer({ min: 1, max: 4 });
const bytes = fc.integer({ min: 1, max: 150 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("write" as const), producer, bytes }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("plain" as const), bytes }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("end" as const), producer, committed: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("truncate" as const),
      part: fc.double({ min: 0.3, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(...RARE),
    }),
  },
);

/** A log and the producers that write to it; the leader epoch is always 0. */
class Subject {
  readonly #disk = new MemoryDisk();
  /** None: what is not written to its file at once is lost from memory. */
  readonly #options = { indexBytesMax: 0 };
  readonly #epochs = new Map<number, number>();
  log = openLog(this.#disk, this.#options);

  run(step: Step): void {
    switch (step.kind) {
      case "write":
        return this.#write(step.producer, step.bytes);
      case "plain":
        return void expectAppended(
          this.log.append(makeBatch({ values: ["x".repeat(step.bytes)] }), LEADER),
        );
      case "end":
        return this.#end(step.producer, step.committed);
      case "truncate":
        this.log.truncateTo(Math.floor(this.log.logEndOffset * step.part), NOW);
        return this.#epochs.clear();
      case "checkpoint":
        return this.log.checkpointSync(NOW);
      case "roll":
        return this.log.roll(NOW);
      case "unload":
        return void this.log.offsetForTime(NOW);
      default:
        return this.#restart(step.kind);
    }
  }

  /** Each transaction has an epoch of its own. */
  #epochOf(producerId: number): number {
    const known = this.#epochs.get(producerId) ??
      this.log.producers(NOW).get(producerId)?.producerEpoch ?? 0;
    this.#epochs.set(producerId, known);
    return known;
  }

  #write(producerId: number, bytes: number): void {
    const known = this.log.producers(NOW).get(producerId);
    const producerEpoch = this.#epochOf(producerId);
    const last = known?.producerEpoch === producerEpoch ? known.batches.at(-1) : undefined;
    const baseSequence = (last?.lastSequence ?? -1) + 1;
    expectAppended(this.log.append(
      makeBatch({
        values: ["x".repeat(bytes), "y"],
        producerId,
        producerEpoch,
        baseSequence,
        isTransactional: true,
      }),
      LEADER,
    ));
  }

  #end(producerId: number, committed: boolean): void {
    const producerEpoch = this.#epochOf(producerId) + 1;
    this.#epochs.set(producerId, producerEpoch);
    expectAppended(this.log.append(
      buildTransactionMarker({
        kind: committed ? "COMMIT" : "ABORT",
        producerId,
        producerEpoch,
        coordinatorEpoch: 0,
        timestamp: NOW,
      }),
      { ...LEADER, origin: "coordinator" },
    ));
  }

  #restart(how: "kill" | "power" | "reopen"): void {
    const { recoveryPoint } = this.log;
    if (how === "reopen") this.log.close({ clean: true, now: NOW });
    else if (how === "kill") this.#disk.killProcess();
    else this.#disk.crash();
    const clean = how === "reopen";
    const point = clean ? this.log.recoveryPoint : recoveryPoint;
    this.log = openLog(this.#disk, { ...this.#options, clean, recoveryPoint: point });
    this.#epochs.clear();
  }
}

const LEADER = { origin: "leader", leaderEpoch: 0, now: NOW } as const;

Deno.test("log: what it knows of transactions is what its batches tell, whatever happens", () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 60 });
  fc.assert(
    fc.property(steps, (all) => {
      const subject = new Subject();
      for (const one of all) {
        subject.run(one);
        if (one.kind === "truncate" || one.kind === "power") check(subject.log);
      }
      check(subject.log);
    }),
    { numRuns: 150 },
  );
});
