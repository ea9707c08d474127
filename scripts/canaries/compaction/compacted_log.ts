/**
 * A drawn log that is compacted while its power is cut now and then, and held to what compaction
 * must keep (P39): whoever reads what is committed, from the beginning, ends with the same map as
 * without it; what was aborted is known to be; no transaction seems to be open for ever.
 *
 * @module
 */

import type { RandomStream } from "../../../actors/runtime/environment.ts";
import { SeededRandom } from "../../../actors/sim/random.ts";
import { buildTransactionMarker } from "../../../storage/control_record.ts";
import { IndexCache } from "../../../storage/index_cache.ts";
import { Log } from "../../../storage/log.ts";
import { logConfig } from "../../../storage/log_config.ts";
import { LogResources } from "../../../storage/log_resources.ts";
import { MemoryDisk } from "../../../storage/memory_disk.ts";
import { decodeRecords } from "../../../storage/record.ts";
import { BatchCursor } from "../../../storage/record_batch.ts";
import { RecordBatchBuilder } from "../../../storage/record_batch_builder.ts";

/** What was found wrong, if anything was. */
export interface CompactionLook {
  readonly rule: string | undefined;
  readonly detail: string;
}

const FOLDER = "topic-0";
const BATCHES = 60;
const ROUNDS = 4;
const KEYS = 7;
const PRODUCERS = 3;
const RETENTION_MS = 1000;
/** About as many operations of the disk as a run takes. */
const OPERATIONS_MAX = 150;
const CONFIG = logConfig({
  cleanupCompact: true,
  cleanupDelete: false,
  segmentBytes: 400,
  indexIntervalBytes: 100,
  retentionMs: -1,
  deleteRetentionMs: RETENTION_MS,
});
const decoder = new TextDecoder();

/** Thrown in the middle of an operation of the disk. */
class PowerCut extends Error {}

class Broken extends Error {
  constructor(readonly rule: string, message: string) {
    super(message);
  }
}

interface Appended {
  readonly key: string;
  readonly value: string | null;
  readonly producerId: number;
  fate: "open" | "committed" | "aborted";
}

/** One log, from its first record to its last compaction. */
export function lookAtCompaction(seed: number): CompactionLook {
  const log = new CompactedLog(new SeededRandom(seed).stream("compaction"));
  try {
    log.fill();
    for (let round = 1; round <= ROUNDS; round++) log.compact();
    log.openAgain("without what was noted of producers");
    log.verify();
    return { rule: undefined, detail: `${log.cuts} power cuts` };
  } catch (error) {
    if (error instanceof Broken) return { rule: error.rule, detail: error.message };
    if (!(error instanceof Error)) throw error;
    return { rule: "crash", detail: error.message };
  }
}

class CompactedLog {
  readonly #chance: RandomStream;
  readonly #disk: MemoryDisk;
  readonly #appended = new Map<number, Appended>();
  readonly #sequences = new Map<number, number>();
  #log: Log;
  #now = 1_700_000_000_000;
  /** Operations of the disk until its power goes. */
  #operationsLeft = Infinity;
  cuts = 0;

  constructor(chance: RandomStream) {
    this.#chance = chance;
    this.#disk = new MemoryDisk({
      chance,
      faults: {
        befall: () => {
          if (this.#operationsLeft-- === 0) throw new PowerCut();
          return undefined;
        },
      },
    });
    this.#log = this.#open(0);
  }

  #open(recoveryPoint: number): Log {
    const opened = Log.open({
      resources: new LogResources(this.#disk, { indexCache: new IndexCache() }),
      folder: FOLDER,
      now: this.#now,
      clean: false,
      config: CONFIG,
      recoveryPoint,
      logStartOffset: 0,
    });
    if (opened.kind === "open") return opened.log;
    throw new Broken("P40 recovery", `the log does not open: ${JSON.stringify(opened)}`);
  }

  /** Records with and without transactions, all of which have ended, durable in every respect. */
  fill(): void {
    const open = new Set<number>();
    for (let batch = 0; batch < BATCHES; batch++) {
      const producerId = this.#chance.integer(PRODUCERS);
      this.#append(producerId);
      if (producerId > 0) open.add(producerId);
      for (const id of [...open]) if (this.#chance.chance(1, 4)) this.#end(id, open);
    }
    for (const id of [...open]) this.#end(id, open);
    this.#append(0);
    this.#log.roll(this.#now);
    this.#log.checkpointSync(this.#now);
    this.#disk.syncDirectory(FOLDER);
    this.#disk.syncDirectory("");
    this.verify();
  }

  /** Producer 0 has no transactions; the others nothing else. */
  #append(producerId: number): void {
    const builder = new RecordBatchBuilder(new Uint8Array(1024));
    const count = 1 + this.#chance.integer(3);
    const records: Appended[] = [];
    for (let index = 0; index < count; index++) {
      const key = `key-${this.#chance.integer(KEYS)}`;
      const value = this.#chance.chance(1, 6) ? null : `value-${this.#chance.integer(1000)}`;
      builder.tryAppend(this.#now, key, value);
      records.push({ key, value, producerId, fate: producerId === 0 ? "committed" : "open" });
    }
    const baseSequence = this.#sequences.get(producerId) ?? 0;
    const stamp = { producerId, producerEpoch: 0, baseSequence, isTransactional: producerId > 0 };
    const base = this.#log.logEndOffset;
    this.#take(builder.build(stamp).slice(), "leader");
    this.#sequences.set(producerId, baseSequence + count);
    records.forEach((record, index) => this.#appended.set(base + index, record));
  }

  #end(producerId: number, open: Set<number>): void {
    const kind = this.#chance.chance(1, 2) ? "COMMIT" : "ABORT";
    const marker = { kind, producerId, producerEpoch: 0, coordinatorEpoch: 1 } as const;
    this.#take(buildTransactionMarker({ ...marker, timestamp: this.#now }), "coordinator");
    open.delete(producerId);
    for (const record of this.#appended.values()) {
      if (record.producerId !== producerId || record.fate !== "open") continue;
      record.fate = kind === "COMMIT" ? "committed" : "aborted";
    }
  }

  #take(bytes: Uint8Array, origin: "leader" | "coordinator"): void {
    const result = this.#log.append(bytes, { origin, leaderEpoch: 0, now: this.#now });
    if (result.kind !== "appended") throw new Error(`Cannot append: ${JSON.stringify(result)}`);
  }

  /** A run, in the middle of which the power may go. */
  compact(): void {
    this.#now += this.#chance.integer(2 * RETENTION_MS);
    if (this.#chance.chance(3, 4)) this.#operationsLeft = this.#chance.integer(OPERATIONS_MAX);
    try {
      this.#run();
      this.#operationsLeft = Infinity;
      this.verify();
    } catch (error) {
      this.#operationsLeft = Infinity;
      if (!(error instanceof PowerCut)) throw error;
      this.cuts++;
      this.openAgain("after a power cut");
      this.verify();
    }
  }

  #run(): void {
    const log = this.#log;
    const need = log.compactionNeed(0, log.lastStableOffset(log.logEndOffset), this.#now);
    if (need.firstUncleanableOffset <= need.firstDirtyOffset) return;
    const run = log.compact({
      mapBytesMax: 1 << 16,
      bufferBytes: 512,
      seed: 1,
      wake() {},
      from: need.firstDirtyOffset,
      to: need.firstUncleanableOffset,
      now: this.#now,
    });
    for (;;) {
      const step = run.step(200);
      if (step.kind === "waiting") this.#disk.drain();
      else if (step.kind === "failed") throw step.failure;
      else if (step.kind === "corrupt") throw new Broken("P39 compaction", step.reason);
      else if (step.kind !== "more") return;
    }
  }

  openAgain(how: "after a power cut" | "without what was noted of producers"): void {
    const { recoveryPoint } = this.#log;
    if (how === "after a power cut") {
      this.#disk.crash(this.#chance, { tornOf1024: 300, names: "any-order" });
      this.#log = this.#open(recoveryPoint);
      return;
    }
    this.#log.flushSync();
    this.#disk.killProcess();
    for (const { name } of this.#disk.list(FOLDER)) {
      if (/snapshot$|txnindex$/.test(name)) this.#disk.remove(`${FOLDER}/${name}`);
    }
    this.#log = this.#open(0);
  }

  /** P39, as readers see it. */
  verify(): void {
    const log = this.#log;
    const end = log.logEndOffset;
    const aborted = log.abortedTransactions(0, end);
    const found = new Map<string, string>();
    for (const { offset, key, value, producerId } of this.#records()) {
      const was = this.#appended.get(offset);
      if (was === undefined || was.key !== key || was.value !== value) {
        throw new Broken("P39 compaction", `another record stands at ${offset}: ${key}`);
      }
      const isAborted = aborted.some((one) =>
        one.producerId === producerId && one.firstOffset <= offset && offset < one.lastOffset
      );
      if (isAborted !== (was.fate === "aborted")) {
        throw new Broken("P39 compaction", `the record at ${offset} was ${was.fate}`);
      }
      if (isAborted) continue;
      if (value === null) found.delete(key);
      else found.set(key, value);
    }
    const [theirs, mine] = [describeMap(found), describeMap(this.#folded())];
    if (theirs !== mine) {
      throw new Broken("P39 compaction", `the log folds to ${theirs}, and did to ${mine}`);
    }
    const stable = log.lastStableOffset(end);
    if (stable !== end) {
      throw new Broken("P32 last-stable-offset", `the LSO is ${stable}, nothing is open to ${end}`);
    }
  }

  *#records() {
    const log = this.#log;
    for (let offset = log.logStartOffset; offset < log.logEndOffset;) {
      const range = { maxBytes: 1 << 20, maxOffset: log.logEndOffset, minOneBatch: true };
      const read = log.read(offset, range);
      if (read.kind !== "batches") {
        throw new Broken("P39 compaction", `nothing can be read at ${offset}: ${read.kind}`);
      }
      const batches = new BatchCursor(read.bytes);
      while (batches.next()) {
        const { batch } = batches;
        offset = batch.nextOffset;
        if (batch.isControl) continue;
        for (const { offset, key, value } of decodeRecords(batch)) {
          const text = value === null ? null : decoder.decode(value);
          yield {
            offset,
            key: decoder.decode(key!),
            value: text,
            producerId: batch.producerId,
          };
        }
      }
    }
  }

  /** What all committed records fold to, whether they are still there or not. */
  #folded(): Map<string, string> {
    const map = new Map<string, string>();
    for (const { key, value, fate } of this.#appended.values()) {
      if (fate !== "committed") continue;
      if (value === null) map.delete(key);
      else map.set(key, value);
    }
    return map;
  }
}

function describeMap(map: ReadonlyMap<string, string>): string {
  return JSON.stringify([...map].sort());
}
