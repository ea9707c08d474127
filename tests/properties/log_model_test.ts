import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import type { Log } from "../../storage/log.ts";
import { BatchView } from "../../storage/record_batch.ts";
import {
  type BatchSpec,
  follower,
  joinBatches,
  leader,
  makeBatch,
  NOW,
  openLog,
  replicatedBatch,
  split,
} from "../storage/log_fixture.ts";
import { compareLog, compareProducers, LogModel } from "./log_model.ts";

const RUNS = 150;

type Step =
  | { kind: "append"; spec: BatchSpec }
  | { kind: "replicate"; specs: BatchSpec[]; epochUp: number }
  | { kind: "produce"; producer: number; count: number; jump: number; epochUp: number }
  | { kind: "epoch"; up: number }
  | { kind: "read"; at: number; maxBytes: number; max: number }
  | { kind: "time"; timestamp: number }
  | { kind: "epochEnd"; epoch: number }
  | { kind: "truncate"; at: number }
  | { kind: "startAt"; by: number }
  | { kind: "deleteBefore"; at: number }
  | { kind: "retention"; at: number; bytes: number }
  | { kind: "roll" | "flush" | "checkpoint" | "reopen" | "kill" | "expire" };

const share = fc.double({ min: 0, max: 1, noNaN: true });

const spec: fc.Arbitrary<BatchSpec> = fc.record({
  values: fc.array(fc.string({ maxLength: 60 }), { minLength: 1, maxLength: 4 }),
  timestamps: fc.array(fc.nat(50).map((ms) => NOW + ms), { minLength: 4, maxLength: 4 }),
  compression: fc.constantFrom("none" as const, "none" as const, "gzip" as const),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("append" as const), spec }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("replicate" as const),
      specs: fc.array(spec, { minLength: 1, maxLength: 4 }),
      epochUp: fc.constantFrom(0, 0, 0, 1, 3),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("produce" as const),
      producer: fc.nat(2),
      count: fc.integer({ min: 1, max: 3 }),
      jump: fc.constantFrom(0, 0, 0, 0, 0, -1, -2, 1),
      epochUp: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1),
    }),
  },
  fc.record({ kind: fc.constant("epoch" as const), up: fc.integer({ min: 1, max: 2 }) }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      at: share,
      maxBytes: fc.nat(900),
      max: share,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("time" as const),
      timestamp: fc.nat(60).map((ms) => NOW + ms - 5),
    }),
  },
  fc.record({ kind: fc.constant("epochEnd" as const), epoch: fc.nat(12) }),
  fc.record({ kind: fc.constant("truncate" as const), at: share }),
  fc.record({ kind: fc.constant("startAt" as const), by: fc.integer({ min: -20, max: 20 }) }),
  fc.record({ kind: fc.constant("deleteBefore" as const), at: share }),
  fc.record({ kind: fc.constant("retention" as const), at: share, bytes: fc.nat(2500) }),
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "roll" as const,
        "flush" as const,
        "checkpoint" as const,
        "reopen" as const,
        "kill" as const,
        "expire" as const,
      ),
    }),
  },
);

/** A log and its model, and the producers that write to both. */
class Pair {
  readonly disk = new MemoryDisk();
  readonly model = new LogModel();
  readonly indexBytesMax: number;
  log: Log;
  epoch = 0;
  /** What owner of the log has in its checkpoint. */
  recoveryPoint = 0;
  readonly sequences = new Map<number, { epoch: number; next: number }>();

  constructor(indexBytesMax: number) {
    this.indexBytesMax = indexBytesMax;
    this.log = openLog(this.disk, { indexBytesMax });
  }

  at(part: number): number {
    const { startOffset, endOffset } = this.model;
    return startOffset + Math.round(part * (endOffset - startOffset));
  }

  run(step: Step): void {
    switch (step.kind) {
      case "append":
        return this.append(makeBatch(step.spec));
      case "replicate":
        return this.replicate(step.specs, step.epochUp);
      case "produce":
        return this.produce(step);
      case "epoch":
        this.epoch += step.up;
        this.log.assignEpoch(this.epoch);
        return this.model.assignEpoch(this.epoch, this.model.endOffset);
      case "read":
        return this.read(this.at(step.at), step.maxBytes, this.at(step.max));
      case "time":
        return this.lookUpTime(step.timestamp);
      case "epochEnd":
        return assertEquals(
          this.log.endOffsetFor(step.epoch),
          this.model.endOffsetFor(step.epoch),
        );
      case "truncate":
        return this.truncate(this.at(step.at));
      case "startAt":
        return this.startAt(Math.max(0, this.model.endOffset + step.by));
      case "deleteBefore":
        assert(this.log.deleteRecordsBefore(this.at(step.at)));
        return this.model.raiseStart(this.at(step.at));
      case "retention":
        return this.applyRetention(this.at(step.at), step.bytes);
      case "roll":
        return this.log.roll(NOW);
      case "flush":
        this.log.flushSync();
        return assertEquals(this.log.flushedOffset, this.model.endOffset);
      case "checkpoint":
        this.log.checkpointSync(NOW);
        this.recoveryPoint = this.log.recoveryPoint;
        return assertEquals(this.recoveryPoint, this.model.endOffset);
      case "reopen":
        return this.reopen(true);
      case "kill":
        return this.reopen(false);
      case "expire":
        return this.log.removeExpiredProducers(NOW);
    }
  }

  append(bytes: Uint8Array): void {
    const first = this.model.endOffset;
    const result = this.log.append(bytes, leader(this.epoch));
    this.model.append(bytes);
    assertEquals(result, {
      kind: "appended",
      firstOffset: first,
      lastOffset: this.model.endOffset - 1,
      logAppendTime: -1,
      duplicate: false,
    });
  }

  replicate(specs: readonly BatchSpec[], epochUp: number): void {
    let offset = this.model.endOffset;
    const batches = specs.map((one, index) => {
      if (index === specs.length - 1) this.epoch += epochUp;
      const bytes = replicatedBatch(offset, this.epoch, one);
      offset = new BatchView(bytes).nextOffset;
      return bytes;
    });
    const bytes = joinBatches(...batches);
    assertEquals(this.log.append(bytes, follower(this.epoch)).kind, "appended");
    this.model.append(bytes);
  }

  /** Sends the next batch of an idempotent producer, or one of another place in its sequence. */
  produce(step: Step & { kind: "produce" }): void {
    const known = this.sequences.get(step.producer) ?? { epoch: 0, next: 0 };
    const epoch = Math.max(0, known.epoch + step.epochUp);
    const next = epoch > known.epoch ? 0 : known.next;
    const values = Array.from({ length: step.count }, (_, index) => `p${index}`);
    const baseSequence = Math.max(0, next + step.jump);
    const bytes = makeBatch({
      values,
      producerId: step.producer,
      producerEpoch: epoch,
      baseSequence,
    });
    const batch = new BatchView(bytes);
    const expected = this.model.producers.check(batch);
    const result = this.log.append(bytes, leader(this.epoch));
    if (expected === undefined) {
      this.model.append(bytes);
      assertEquals(result.kind, "appended");
      this.sequences.set(step.producer, { epoch, next: baseSequence + step.count });
    } else if (typeof expected === "string") {
      assertEquals(result.kind === "refused" && result.error, expected);
    } else {
      const { lastOffset, offsetDelta } = expected;
      assertEquals(result, {
        kind: "appended",
        firstOffset: lastOffset - offsetDelta,
        lastOffset,
        logAppendTime: -1,
        duplicate: true,
      });
    }
  }

  read(from: number, maxBytes: number, maxOffset: number): void {
    const readable = this.model.readable(from, maxOffset);
    const result = this.log.read(from, { maxBytes, maxOffset, minOneBatch: true });
    if (readable.length === 0 || from >= maxOffset) return assertEquals(result.kind, "empty");
    assert(result.kind === "batches");
    const batches = split(result.bytes);
    assert(batches.length > 0, "a read gives at least one batch");
    assertEquals(batches, readable.slice(0, batches.length).map(({ bytes }) => bytes));
    if (batches.length > 1) assert(result.bytes.length <= maxBytes, "a read stays in its limit");
    const without = this.log.read(from, { maxBytes, maxOffset, minOneBatch: false });
    const fits = readable[0]!.bytes.length <= maxBytes;
    assertEquals(without, fits ? result : { kind: "empty" });
  }

  lookUpTime(timestamp: number): void {
    const found = this.log.offsetForTime(timestamp);
    const expected = this.model.offsetForTime(timestamp);
    if (expected === undefined) return assertEquals(found.kind, "none");
    assert(found.kind === "found");
    assertEquals({ timestamp: found.timestamp, offset: found.offset }, expected);
    const times = this.model.records.map((record) => record.timestamp);
    const max = this.log.offsetOfMaxTimestamp();
    assert(max.kind === "found");
    assertEquals(max.timestamp, Math.max(...times));
    assertEquals(max.offset, this.model.records.find((r) => r.timestamp === max.timestamp)!.offset);
  }

  truncate(offset: number): void {
    this.model.truncateTo(offset);
    assertEquals(this.log.truncateTo(offset, NOW), this.model.endOffset);
    this.forgetProducers();
  }

  startAt(offset: number): void {
    this.log.truncateFullyAndStartAt(offset, NOW);
    this.model.startAt(offset);
    this.sequences.clear();
  }

  applyRetention(highWatermark: number, retentionBytes: number): void {
    const { config } = this.log;
    this.log.configure({ ...config, retentionBytes });
    const before = this.log.sizeInBytes;
    const result = this.log.applyRetention(highWatermark, NOW + 1e9);
    this.log.configure(config);
    assertEquals(result.failure, undefined);
    if (result.segmentsRemoved === 0) return;
    // Whole segments went: the log starts where the first of the others does.
    const start = Math.max(this.log.logStartOffset, this.model.startOffset);
    assert(start <= highWatermark, "retention stays below the high watermark");
    assert(
      this.log.sizeInBytes >= Math.min(before, retentionBytes) || start === highWatermark ||
        this.model.startOffset >= start,
    );
    this.model.raiseStart(start);
  }

  reopen(clean: boolean): void {
    if (clean) {
      this.log.close({ clean, now: NOW });
      this.recoveryPoint = this.log.recoveryPoint;
    } else {
      this.disk.killProcess();
    }
    const { recoveryPoint, indexBytesMax } = this;
    const logStartOffset = this.log.logStartOffset;
    this.log = openLog(this.disk, { clean, recoveryPoint, logStartOffset, indexBytesMax });
    this.model.restart();
  }

  /** After a cut the producers go on from what the log still knows of them. */
  forgetProducers(): void {
    for (const [producer, known] of this.sequences) {
      const entry = this.model.producers.get(producer);
      const last = entry?.batches.at(-1);
      if (entry === undefined || last === undefined) this.sequences.delete(producer);
      else {this.sequences.set(producer, {
          epoch: entry.producerEpoch,
          next: last.lastSequence + 1,
        });}
      void known;
    }
  }
}

Deno.test("log: any sequence of operations leaves what a plain list of batches would hold", () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 40, size: "max" }),
      fc.constantFrom(1e6, 2000),
      (steps, indexBytesMax) => {
        const pair = new Pair(indexBytesMax);
        for (const one of steps) {
          pair.run(one);
          compareLog(pair.log, pair.model);
          compareProducers(pair.log, pair.model.batches.map(({ bytes }) => bytes));
        }
      },
    ),
    { numRuns: RUNS },
  );
});
