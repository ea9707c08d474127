import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { CrashModel } from "../../storage/disk_faults.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { SeededChance } from "../storage/disk_chance.ts";
import { FOLDER, leader, makeBatch, NOW, readBatches, tryOpenLog } from "../storage/log_fixture.ts";
import { plainProducers, replayFromScratch } from "./log_model.ts";

const RUNS = 250;

type Step =
  | { kind: "append"; size: number; producer: number }
  | { kind: "truncate"; back: number }
  | { kind: "flush" | "flushLater" | "checkpoint" | "checkpointLater" | "save" | "roll" | "drain" };

/** Thrown in the middle of an operation of the disk. */
class PowerCut extends Error {}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      size: fc.nat(300),
      producer: fc.integer({ min: -2, max: 2 }),
    }),
  },
  fc.record({ kind: fc.constant("truncate" as const), back: fc.nat(4) }),
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "flush" as const,
        "flushLater" as const,
        "checkpoint" as const,
        "checkpointLater" as const,
        "save" as const,
        "roll" as const,
        "drain" as const,
      ),
    }),
  },
);

const crashModel: fc.Arbitrary<CrashModel> = fc.record({
  tornOf1024: fc.constantFrom(0, 100, 900),
  unwritten: fc.constantFrom("zeros" as const, "noise" as const),
  names: fc.constantFrom("in-order" as const, "any-order" as const),
});

/** A log whose power may go at any operation, and what must and may be left of it then. */
class Victim {
  readonly disk: MemoryDisk;
  epoch = 0;
  log: Log;
  /** What is in the log, as far as the owner was told. */
  batches: Uint8Array[] = [];
  /** Batches that a power cut must not take, a prefix of what the log held. */
  durable: Uint8Array[] = [];
  /** What the log held at some time since it was opened: any prefix of one may be left. */
  versions: Uint8Array[][] = [[]];
  /** The checkpoint of recovery points, which the owner keeps elsewhere. */
  saved = 0;
  operationsLeft = Infinity;
  readonly sequences = new Map<number, number>();

  constructor() {
    this.disk = new MemoryDisk({
      faults: {
        befall: () => {
          if (this.operationsLeft-- > 0) return undefined;
          throw new PowerCut();
        },
      },
    });
    this.log = this.open();
  }

  open(): Log {
    const { saved: recoveryPoint, epoch: leaderEpochMax } = this;
    const opened = tryOpenLog(this.disk, { recoveryPoint, leaderEpochMax });
    if (opened.kind !== "open") throw new Error(`Cannot open: ${JSON.stringify(opened)}`);
    return opened.log;
  }

  run(step: Step): void {
    switch (step.kind) {
      case "append":
        return this.append(step.size, step.producer);
      case "truncate":
        return this.truncate(step.back);
      case "flush":
        this.log.flushSync();
        this.durable = this.batches;
        return;
      case "flushLater":
      case "checkpointLater":
        return this.flushLater(step.kind === "checkpointLater");
      case "checkpoint":
        this.log.checkpointSync(NOW);
        this.durable = this.batches;
        return;
      case "save":
        this.saved = this.log.recoveryPoint;
        return;
      case "roll":
        return this.log.roll(NOW);
      case "drain":
        this.disk.drain();
    }
  }

  flushLater(full: boolean): void {
    const covered = this.batches;
    const done = (failure: unknown) => {
      assertEquals(failure, undefined);
      // What was cut or replaced since is not promised any more.
      const kept = commonPrefix(covered, this.batches);
      if (kept.length > this.durable.length) this.durable = kept;
    };
    if (full) this.log.checkpoint(NOW, done);
    else this.log.flush(done);
  }

  append(size: number, producer: number): void {
    const baseSequence = this.sequences.get(producer) ?? 0;
    const bytes = makeBatch({
      values: ["x".repeat(size), `${this.batches.length}`],
      ...(producer >= 0 ? { producerId: producer, producerEpoch: 0, baseSequence } : {}),
    });
    // Where the cut comes within the append, the batch may be left as it was to be.
    const attempt = bytes.slice();
    const view = new BatchView(attempt);
    stamp(attempt, this.log.logEndOffset, this.epoch);
    this.versions.push([...this.batches, view.bytes]);
    const result = this.log.append(bytes, leader(this.epoch));
    assertEquals(result.kind, "appended");
    this.batches = [...this.batches, bytes];
    if (producer >= 0) this.sequences.set(producer, baseSequence + 2);
  }

  /** Cuts as a follower does: what is appended then has a higher leader epoch. */
  truncate(back: number): void {
    const kept = this.batches.slice(0, Math.max(0, this.batches.length - back));
    const offset = kept.length === 0 ? 0 : new BatchView(kept.at(-1)!).nextOffset;
    this.durable = commonPrefix(this.durable, kept);
    this.log.truncateTo(offset, NOW);
    this.batches = kept;
    this.epoch++;
    this.resumeSequences();
  }

  /** Cuts the power after some more operations of the disk, and starts again. */
  crash(seed: number, model: CrashModel): void {
    this.operationsLeft = Infinity;
    this.disk.crash(new SeededChance(seed), model);
    this.log = this.open();
    this.verify();
    this.versions = [this.batches];
    this.durable = [];
    this.epoch++;
    this.resumeSequences();
  }

  verify(): void {
    const found = readBatches(this.log);
    const { durable, versions } = this;
    assertEquals(found.slice(0, durable.length), durable, "what was flushed is there");
    const held = versions.some((version) => isPrefix(found, version));
    assert(held, `what is left was never in the log: ${found.length} batches`);
    const end = found.length === 0 ? 0 : new BatchView(found.at(-1)!).nextOffset;
    assertEquals(this.log.logEndOffset, end);
    assertEquals(plainProducers(this.log.producers(NOW)), plainProducers(replayFromScratch(found)));
    assertEquals(
      this.log.epochEntries.map(({ epoch, startOffset }) => [epoch, startOffset]),
      epochsOf(found),
      "leader epochs",
    );
    const image = this.disk.image().get(`${FOLDER}/00000000000000000000.log`);
    this.disk.killProcess();
    this.log = this.open();
    assertEquals(readBatches(this.log), found, "opening twice is opening once");
    assertEquals(this.disk.image().get(`${FOLDER}/00000000000000000000.log`), image);
    this.batches = found;
  }

  resumeSequences(): void {
    this.sequences.clear();
    for (const entry of replayFromScratch(this.batches).entries()) {
      this.sequences.set(entry.producerId, entry.batches.at(-1)!.lastSequence + 1);
    }
  }
}

function stamp(bytes: Uint8Array, offset: number, epoch: number): void {
  const data = new DataView(bytes.buffer);
  data.setBigInt64(0, BigInt(offset));
  data.setInt32(12, epoch);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function isPrefix(prefix: readonly Uint8Array[], list: readonly Uint8Array[]): boolean {
  return prefix.length <= list.length && prefix.every((one, index) => same(one, list[index]!));
}

function commonPrefix(a: Uint8Array[], b: Uint8Array[]): Uint8Array[] {
  let length = 0;
  while (length < a.length && length < b.length && same(a[length]!, b[length]!)) length++;
  return a.slice(0, length);
}

function epochsOf(batches: readonly Uint8Array[]): [number, number][] {
  const epochs: [number, number][] = [];
  for (const bytes of batches) {
    const { partitionLeaderEpoch, baseOffset } = new BatchView(bytes);
    if (partitionLeaderEpoch > (epochs.at(-1)?.[0] ?? -1)) {
      epochs.push([partitionLeaderEpoch, baseOffset]);
    }
  }
  return epochs;
}

Deno.test("log: a power cut at any moment leaves a prefix that holds all that was flushed", () => {
  const round = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 25, size: "max" }),
    cutAfter: fc.nat(120),
    seed: fc.integer(),
    model: crashModel,
  });
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 3 }), (rounds) => {
      const victim = new Victim();
      for (const { steps, cutAfter, seed, model } of rounds) {
        victim.operationsLeft = cutAfter;
        try {
          for (const one of steps) victim.run(one);
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
        }
        victim.crash(seed, model);
      }
    }),
    { numRuns: RUNS },
  );
});
