import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import { LogDirectory } from "../../storage/log_directory.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import type { Compression } from "../../storage/compression.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { type DecodedRecord, decodeRecords } from "../../storage/record.ts";
import { COMPACTED, keyedBatch, runCompaction } from "../storage/compaction_fixture.ts";
import { FOLDER, leader, NOW, openLog, readBatches } from "../storage/log_fixture.ts";
import { replayFromScratch } from "./log_model.ts";

const RUNS = 150;
const RETENTION_MS = 1000;
const text = new TextDecoder();

/** What comes over a run in one of its first slices. */
type Meanwhile = "nothing" | "appends" | "delete-records" | "truncate";

type Step =
  | {
    kind: "append";
    pairs: [number | null, number | null][];
    producer: number;
    compression: Compression;
  }
  | { kind: "end"; producer: number; commit: boolean }
  | { kind: "compact"; mapKeys: number; budget: number; meanwhile: Meanwhile }
  | { kind: "wait"; ms: number }
  | { kind: "delete-records" | "truncate"; share: number }
  | { kind: "retain" | "roll" | "flush" | "note" | "reopen" | "kill" | "forget" };

const maybe = (max: number) => fc.option(fc.nat(max), { freq: 6 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      pairs: fc.array(fc.tuple(maybe(9), maybe(99)), { minLength: 1, maxLength: 6 }),
      producer: fc.integer({ min: -4, max: 3 }),
      compression: fc.constantFrom<Compression>("none", "none", "none", "gzip", "lz4", "zstd"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      producer: fc.constantFrom(2, 3),
      commit: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("compact" as const),
      mapKeys: fc.constantFrom(4, 8, 1000),
      budget: fc.constantFrom(1, 300, 1e6),
      meanwhile: fc.constantFrom<Meanwhile>(
        "nothing",
        "appends",
        "appends",
        "delete-records",
        "delete-records",
        "truncate",
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(900) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("delete-records" as const, "truncate" as const),
      share: fc.nat(100),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "retain" as const,
        "roll" as const,
        "flush" as const,
        "note" as const,
        "reopen" as const,
        "kill" as const,
        "forget" as const,
      ),
    }),
  },
);

interface ModelRecord {
  readonly record: DecodedRecord;
  readonly isControl: boolean;
  readonly producer: number;
  fate: "open" | "committed" | "aborted";
  /** When a run first went past it. */
  metAt: number | undefined;
}

/** A log that is compacted, and all that was ever appended to it. */
class Compacted {
  readonly disk = new MemoryDisk();
  log: Log;
  now = NOW;
  readonly records = new Map<number, ModelRecord>();
  readonly open = new Map<number, number[]>();
  directory: LogDirectory;
  epoch = 0;
  /** Producers whose last batch was compacted for the sake of one that was cut. */
  readonly forgotten = new Set<number>();
  /** Up to where runs have gone, and may have. */
  mapped = 0;
  reached = 0;

  constructor() {
    this.directory = this.#openDirectory();
    this.log = openLog(this.disk, this.#spec);
  }

  get #spec() {
    return { config: { ...COMPACTED, deleteRetentionMs: RETENTION_MS, fileDeleteDelayMs: 500 } };
  }

  run(step: Step): void {
    switch (step.kind) {
      case "append":
        return this.append(step.pairs, step.producer, step.compression);
      case "end":
        return this.end(step.producer, step.commit);
      case "compact":
        return this.compact(step.mapKeys, step.budget, step.meanwhile);
      case "wait":
        this.now += step.ms;
        return;
      case "retain":
        this.log.applyRetention(this.log.logEndOffset, this.now);
        return;
      case "delete-records":
        return this.deleteRecords(step.share);
      case "truncate":
        return this.truncate(step.share);
      case "note":
        return this.directory.writeCheckpoints();
      case "roll":
        return this.log.roll(this.now);
      case "flush":
        return this.log.checkpointSync(this.now);
      case "reopen": {
        this.log.close({ clean: true, now: this.now });
        return this.#openAgain(true);
      }
      case "kill":
        this.log.flushSync();
        this.disk.killProcess();
        return this.#openAgain(false);
      case "forget": {
        // The snapshots of producers are gone: all is learnt from the batches that are left.
        this.log.flushSync();
        this.disk.killProcess();
        for (const { name } of this.disk.list("topic-0")) {
          if (/snapshot$|txnindex$/.test(name)) this.disk.remove(`topic-0/${name}`);
        }
        this.#openAgain(false, 0);
      }
    }
  }

  #openAgain(clean: boolean, recoveryPoint = this.log.recoveryPoint): void {
    const { logStartOffset } = this.log;
    if (clean) this.directory.closeClean(-1);
    this.directory = this.#openDirectory();
    const spec = { ...this.#spec, clean, recoveryPoint, logStartOffset, now: this.now };
    this.log = openLog(this.disk, spec);
  }

  #openDirectory(): LogDirectory {
    return new LogDirectory(this.disk, { nodeId: 1, holder: "", newId: () => "t".repeat(22) });
  }

  deleteRecords(share: number): void {
    const { logStartOffset, logEndOffset } = this.log;
    const span = logEndOffset - logStartOffset;
    this.log.deleteRecordsBefore(logStartOffset + Math.floor(span * share / 300));
  }

  /** As a follower that finds that it has diverged. The coordinators then send markers again. */
  truncate(share: number): void {
    const { log, directory } = this;
    this.verify();
    const span = log.logEndOffset - log.logStartOffset;
    const point = log.logEndOffset - Math.floor(span * share / 100);
    directory.noteCut(FOLDER, point);
    const end = log.truncateTo(point, this.now);
    directory.noteCut(FOLDER, end);
    this.mapped = Math.min(this.mapped, end);
    this.reached = Math.min(this.reached, end);
    this.epoch++;
    // What compaction took for the sake of a record that was cut is lost with it.
    const left = this.#present();
    for (const [offset, { isControl }] of [...this.records]) {
      const isLost = offset >= log.logStartOffset && !left.has(offset) && !isControl;
      if (offset >= end || isLost) this.records.delete(offset);
    }
    for (const [producer, offsets] of [...this.open]) {
      const kept = offsets.filter((offset) => offset < end);
      if (kept.length === 0) this.open.delete(producer);
      else this.open.set(producer, kept);
    }
    const ends = new Set(this.#batchEnds());
    for (const { producerId, batches } of log.producers(this.now).entries()) {
      const last = batches.at(-1)?.lastOffset;
      if (last !== undefined && !ends.has(last)) this.forgotten.add(producerId);
    }
    this.#endAgain();
  }

  #batchEnds(): number[] {
    const batches = readBatches(this.log, this.log.logStartOffset);
    return batches.map((bytes) => new BatchView(bytes).lastOffset);
  }

  /** Transactions whose markers were cut off end as they did. */
  #endAgain(): void {
    const ends = new Map<number, ModelRecord["fate"]>();
    for (const { producer, isControl, fate } of this.records.values()) {
      if (producer < 2) continue;
      if (isControl || fate === "open") ends.delete(producer);
      else ends.set(producer, fate);
    }
    // Of an aborted one perhaps only the producers' snapshot knows that it began.
    for (const entry of this.log.producers(this.now).entries()) {
      const { producerId, currentTransactionFirstOffset } = entry;
      if (currentTransactionFirstOffset < 0 || this.open.has(producerId)) continue;
      if (!ends.has(producerId)) ends.set(producerId, "aborted");
    }
    for (const [producer, fate] of ends) this.#mark(producer, fate === "committed");
  }

  append(pairs: [number | null, number | null][], producer: number, codec: Compression): void {
    const isTransactional = producer >= 2;
    const known = producer < 0 ? undefined : this.log.producers(this.now).get(producer);
    const baseSequence = (known?.batches.at(-1)?.lastSequence ?? -1) + 1;
    const stamp = producer < 0
      ? {}
      : { producerId: producer, producerEpoch: 0, baseSequence, isTransactional };
    const bytes = keyedBatch(
      pairs.map(([key, value]) =>
        [key === null ? null : `key-${key}`, value === null ? null : `value-${value}`] as const
      ),
      { ...stamp, compression: codec, timestamp: this.now },
    );
    const result = this.log.append(bytes, leader(this.epoch, this.now));
    assertEquals(result.kind, "appended");
    this.forgotten.delete(producer);
    const offsets = this.#take(bytes, producer, isTransactional ? "open" : "committed");
    if (isTransactional) this.open.set(producer, [...this.open.get(producer) ?? [], ...offsets]);
  }

  end(producerId: number, commit: boolean): void {
    if (!this.open.has(producerId)) return;
    const fate = commit ? "committed" : "aborted";
    for (const offset of this.open.get(producerId)!) this.records.get(offset)!.fate = fate;
    this.open.delete(producerId);
    this.#mark(producerId, commit);
  }

  #mark(producerId: number, commit: boolean): void {
    const kind = commit ? "COMMIT" : "ABORT";
    const marker = { kind, producerId, producerEpoch: 0, coordinatorEpoch: 1 } as const;
    const bytes = buildTransactionMarker({ ...marker, timestamp: this.now });
    const { epoch: leaderEpoch, now } = this;
    const context = { origin: "coordinator", leaderEpoch, now } as const;
    assertEquals(this.log.append(bytes, context).kind, "appended");
    this.#take(bytes, producerId, "committed");
  }

  #take(bytes: Uint8Array, producer: number, fate: ModelRecord["fate"]): number[] {
    const view = new BatchView(bytes);
    const offsets: number[] = [];
    for (const record of decodeRecords(view)) {
      this.records.set(record.offset, {
        record,
        isControl: view.isControl,
        producer,
        fate,
        metAt: undefined,
      });
      offsets.push(record.offset);
    }
    return offsets;
  }

  compact(mapKeys: number, budget: number, meanwhile: Meanwhile): void {
    this.log.checkpointSync(this.now);
    const { log, directory } = this;
    const from = directory.compactedTo(FOLDER);
    const lastStableOffset = log.lastStableOffset(log.logEndOffset);
    const need = log.compactionNeed(from, lastStableOffset, this.now);
    if (need.firstUncleanableOffset <= need.firstDirtyOffset) return;
    assert(need.firstUncleanableOffset <= lastStableOffset, "nothing undecided is compacted");
    // What is past the end of the map is not compacted, but what was aborted there goes.
    this.reached = Math.max(this.reached, need.firstUncleanableOffset);
    let slices = 0;
    const end = runCompaction(log, this.disk, {
      from,
      lastStableOffset,
      now: this.now,
      mapBytesMax: mapKeys * 24 + 48,
      budget,
      meanwhile: () => this.#comeOver(meanwhile, ++slices),
    });
    if (end.kind === "stopped") {
      assert(meanwhile === "truncate" || meanwhile === "delete-records", end.reason);
    } else if (end.kind !== "done") throw new Error(JSON.stringify(end));
    else {
      assert(end.endOffset > need.firstDirtyOffset && end.endOffset <= need.firstUncleanableOffset);
      assert(end.bytesWritten >= end.sizeAfter || end.sizeAfter === end.sizeBefore);
      directory.noteCompacted(FOLDER, end.endOffset);
      this.mapped = Math.max(this.mapped, end.endOffset);
    }
    for (const [offset, model] of this.records) {
      const isMet = offset < (model.isControl ? this.reached : this.mapped);
      if (isMet) model.metAt ??= this.now;
    }
    this.verify();
  }

  #comeOver(meanwhile: Meanwhile, slice: number): void {
    if (meanwhile === "appends" && slice < 4) return this.append([[3, slice]], -1, "none");
    if (slice !== 4) return;
    if (meanwhile === "truncate") this.truncate(30);
    if (meanwhile === "delete-records") {
      this.deleteRecords(100);
      this.log.applyRetention(this.log.logEndOffset, this.now);
    }
  }

  verify(): void {
    const { log, records } = this;
    const batches = readBatches(log, log.logStartOffset);
    const present = new Map<number, DecodedRecord>();
    for (const bytes of batches) {
      const view = new BatchView(bytes);
      assertEquals(view.computeCrc(), view.crc);
      assertEquals(log.epochForOffset(view.lastOffset), view.partitionLeaderEpoch);
      for (const record of decodeRecords(view)) {
        present.set(record.offset, record);
        assertEquals(record, records.get(record.offset)?.record, "what is kept is as it was");
      }
    }
    this.verifyKeys(present);
    this.verifyTransactions(present, batches);
    this.verifyTimes(present);
    const found = replayFromScratch(batches);
    for (const producer of log.producers(this.now).entries()) {
      // Of what was deleted nothing need be known.
      if (log.logStartOffset > (producer.batches.at(-1)?.lastOffset ?? 0)) continue;
      if (this.forgotten.has(producer.producerId)) continue;
      const replayed = found.get(producer.producerId);
      assertEquals(replayed?.batches.at(-1), producer.batches.at(-1), "last batch of a producer");
      assertEquals(replayed?.producerEpoch, producer.producerEpoch);
      const { currentTransactionFirstOffset: open } = producer;
      if (log.logStartOffset > 0) continue;
      assertEquals(replayed?.currentTransactionFirstOffset, open, "open transactions");
    }
  }

  /** What is looked up by time is found among what is left. */
  verifyTimes(present: ReadonlyMap<number, DecodedRecord>): void {
    const { log } = this;
    const left = [...present.values()].filter(({ offset }) => offset >= log.logStartOffset);
    const times = new Set(left.map(({ timestamp }) => timestamp));
    for (const time of [...times, this.now + 1]) {
      const wanted = left.find(({ timestamp }) => timestamp >= time);
      const found = log.offsetForTime(time);
      assertEquals(found.kind === "found" ? found.offset : undefined, wanted?.offset);
    }
    const latest = Math.max(...times);
    const found = log.offsetOfMaxTimestamp();
    const wanted = left.find(({ timestamp }) => timestamp === latest);
    assertEquals(found.kind === "found" ? found.offset : undefined, wanted?.offset, "latest");
  }

  #present(): Map<number, DecodedRecord> {
    const batches = readBatches(this.log, this.log.logStartOffset);
    const records = batches.flatMap((bytes) => decodeRecords(new BatchView(bytes)));
    return new Map(records.map((record) => [record.offset, record]));
  }

  verifyKeys(present: ReadonlyMap<number, DecodedRecord>): void {
    const { logStartOffset } = this.log;
    const latest = new Map<string, number>();
    const folded = new Map<string, string>();
    const wanted = new Map<string, string>();
    for (const [offset, { record: { key, value }, fate, isControl }] of this.records) {
      if (offset < logStartOffset || isControl || fate !== "committed" || key === null) continue;
      const name = text.decode(key);
      latest.set(name, offset);
      if (value === null) wanted.delete(name);
      else wanted.set(name, text.decode(value));
      const found = present.get(offset);
      if (found === undefined) continue;
      if (value === null) folded.delete(name);
      else folded.set(name, text.decode(value));
    }
    assertEquals([...folded].sort(), [...wanted].sort(), "it folds to the same map");
    for (const [offset, model] of this.records) {
      if (offset < logStartOffset || present.has(offset)) continue;
      assert(offset < this.reached, "nothing is gone that was not to be compacted");
      const { record: { key, value }, fate, isControl } = model;
      if (isControl) {
        assert(this.now >= model.metAt! + RETENTION_MS, "a marker stays for its time");
      } else if (fate === "committed" && key !== null && latest.get(text.decode(key)) === offset) {
        assertEquals(value, null, "of each key the latest stays");
        assert(this.now >= model.metAt! + RETENTION_MS, "a tombstone stays for its time");
      }
    }
  }

  /** No reader takes an aborted record for a committed one, nor waits for a marker that is gone. */
  verifyTransactions(
    present: ReadonlyMap<number, DecodedRecord>,
    batches: readonly Uint8Array[],
  ): void {
    const { log } = this;
    const aborted = log.abortedTransactions(log.logStartOffset, log.logEndOffset);
    const producers = new Map<number, number>();
    for (const bytes of batches) {
      const view = new BatchView(bytes);
      for (let offset = view.baseOffset; offset <= view.lastOffset; offset++) {
        producers.set(offset, view.producerId);
      }
    }
    for (const [offset, { fate }] of this.records) {
      if (fate !== "aborted" || !present.has(offset)) continue;
      const isKnown = aborted.some((one) =>
        one.producerId === producers.get(offset) && one.firstOffset <= offset &&
        one.lastOffset > offset
      );
      assert(isKnown, `the record at ${offset} was aborted`);
    }
  }
}

Deno.test("compaction: whatever is appended, a log folds to the same map, and all rules hold", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), (steps) => {
      const log = new Compacted();
      for (const one of steps) log.run(one);
      log.run({ kind: "roll" });
      log.run({ kind: "compact", mapKeys: 1000, budget: 1e6, meanwhile: "nothing" });
      log.run({ kind: "wait", ms: 2 * RETENTION_MS });
      log.run({ kind: "compact", mapKeys: 1000, budget: 1e6, meanwhile: "nothing" });
      log.verify();
      log.run({ kind: "forget" });
      log.verify();
    }),
    { numRuns: RUNS },
  );
});
