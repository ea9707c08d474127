/**
 * Compaction of one log: of each key the latest record stays.
 *
 * Two walks. The first, over what was not compacted yet, notes for each key the last offset it is
 * at, as far as memory goes. The second, over everything before that, copies what stays into new
 * segments, several small ones into one, and swaps each in as soon as it is durable.
 *
 * Owns the order of steps. It works in slices: whoever runs it calls `step` until it says that it
 * is over, waits where it says so, and may end it between any two calls. Reads and syncs are off
 * the loop. What of a batch stays is compaction_filter.ts', how far a run may go
 * compaction_plan.ts', the swap compaction_swap.ts'.
 *
 * Invariants: nothing of the log changes but by swaps, each of which leaves a log that folds to the
 * same map; where the log changes otherwise in a way that concerns the run (it is cut, closed, no
 * longer to be compacted), the run ends and leaves nothing.
 *
 * @module
 */

import { CompressionError } from "./compression_errors.ts";
import { decompress, DECOMPRESSED_BATCH_BYTES_MAX } from "./compression.ts";
import type { Offset, Timestamp } from "./bytes/ids.ts";
import { type BatchVerdict, CompactionFilter } from "./compaction_filter.ts";
import { CompactionInput } from "./compaction_input.ts";
import { LatestRecords } from "./compaction_latest.ts";
import { CompactionMap, NO_ROOM } from "./compaction_map.ts";
import { CompactionOutput } from "./compaction_output.ts";
import { swapIn, syncNames } from "./compaction_swap.ts";
import { CompactionTransactions } from "./compaction_transactions.ts";
import { RecordWalk } from "./compaction_walk.ts";
import { CorruptLogError } from "./corrupt_log_error.ts";
import { DiskError, type File } from "./disk.ts";
import type { LogState } from "./log_state.ts";
import { abortedTransactions } from "./log_transactions.ts";
import { BATCH_HEADER_BYTES, type BatchView } from "./record_batch.ts";
import type { Segment } from "./segment.ts";

export interface CompactionOptions {
  /** The first offset that was not compacted, and the first that must not be: a segment's base. */
  readonly from: Offset;
  readonly to: Offset;
  /** When it begins. */
  readonly now: Timestamp;
  /** Bytes of memory for the map of keys (`log.cleaner.dedupe.buffer.size`), at least for one. */
  readonly mapBytesMax: number;
  /** Bytes that are read and written at a time (`log.cleaner.io.buffer.size`). */
  readonly bufferBytes: number;
  /** Of the hashes of keys: chance, drawn for each run. */
  readonly seed: number;
  /** `decompressed.batch.max.bytes` */
  readonly decompressedBytesMax?: number;
  /** Called, never within a step, when a run that waits can go on. */
  wake(): void;
}

/** What a run did. */
export interface CompactionSummary {
  /** The next run begins here. */
  readonly endOffset: Offset;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
  /** Keys that were told apart. */
  readonly keys: number;
  /** Whether there was no memory for more of them: the next run goes on from there. */
  readonly mapFull: boolean;
  /** Batches whose records nobody can read: they stay as they are. */
  readonly unreadableBatches: number;
}

export type CompactionStep =
  | { readonly kind: "more" }
  /** For the disk: `wake` will be called. */
  | { readonly kind: "waiting" }
  | ({ readonly kind: "done" } & CompactionSummary)
  /** The log changed under it: another run may go farther. */
  | { readonly kind: "stopped"; readonly reason: string }
  /** The disk would not; nothing was lost. Where the log has failed, it says so itself. */
  | { readonly kind: "failed"; readonly failure: DiskError }
  /** What was durable cannot be read: no other run would get farther. */
  | { readonly kind: "corrupt"; readonly reason: string };

/** Written at a time at most: on the loop, into the page cache, at up to four milliseconds a MB. */
const WRITE_BYTES_MAX = 128 * 1024;

/** Bits of which records are latest may take so much memory besides the map, a share of its. */
const LATEST_SHARE = 0.25;

const MORE: CompactionStep = { kind: "more" };
const WAITING: CompactionStep = { kind: "waiting" };

/** Segments that become one. */
interface Group {
  readonly segments: readonly Segment[];
  /** The base of the segment that follows. */
  readonly end: Offset;
  readonly sizeInBytes: number;
  /** Which of them holds the last batch. */
  readonly last: number;
}

/** A run. */
export class Compaction {
  readonly #state: LogState;
  readonly #options: CompactionOptions;
  readonly #map: CompactionMap;
  readonly #latest: LatestRecords | undefined;
  readonly #inputBuffer: Uint8Array;
  readonly #outputBuffer: Uint8Array;
  readonly #walk = new RecordWalk();
  readonly #truncations: number;
  #phase: "map" | "copy" | "sync" = "map";
  #transactions = new CompactionTransactions();
  #filter: CompactionFilter | undefined;
  #input: CompactionInput | undefined;
  /** Where the next segment begins that is to be walked over. */
  #cursor: Offset;
  /** The map knows all up to here. */
  #mapEnd: Offset;
  #group: Group | undefined;
  /** Which of the group's segments is read. */
  #member = 0;
  #output: CompactionOutput | undefined;
  #toSync: File[] = [];
  #syncing = false;
  #syncFailure: DiskError | undefined;
  #end: CompactionStep | undefined;
  #now: Timestamp;
  #bytesRead = 0;
  #bytesWritten = 0;
  #sizeBefore = 0;
  #sizeAfter = 0;
  #unreadable = 0;

  constructor(state: LogState, options: CompactionOptions) {
    this.#state = state;
    this.#options = options;
    const { from, to, mapBytesMax, bufferBytes, seed } = options;
    this.#map = new CompactionMap(mapBytesMax, from, seed);
    this.#latest = LatestRecords.of(from, to, mapBytesMax * LATEST_SHARE);
    this.#inputBuffer = new Uint8Array(bufferBytes);
    this.#outputBuffer = new Uint8Array(Math.min(bufferBytes, WRITE_BYTES_MAX));
    this.#truncations = state.truncations;
    this.#cursor = from;
    this.#mapEnd = to;
    this.#now = options.now;
  }

  /** Bytes read and written so far, for whoever keeps it from taking all of the disk. */
  get bytesMoved(): number {
    return this.#bytesRead + this.#bytesWritten + (this.#output?.sizeInBytes ?? 0);
  }

  /**
   * Goes on for about so many bytes of batches. A run may take hours: what goes now and how long
   * the rest may stay is counted from `now`.
   */
  step(bytesBudget = Infinity, now = this.#now): CompactionStep {
    if (this.#end !== undefined) return this.#end;
    this.#now = now;
    try {
      const { config, truncations, failure } = this.#state;
      if (failure !== undefined) return this.#finish({ kind: "failed", failure });
      if (truncations !== this.#truncations) return this.#stop("the log was cut");
      if (!config.cleanupCompact) return this.#stop("the log is not to be compacted any more");
      const until = this.#bytesRead + bytesBudget;
      let step: CompactionStep;
      do step = this.#advance(); while (step === MORE && this.#bytesRead < until);
      return step;
    } catch (error) {
      if (error instanceof DiskError) return this.#finish({ kind: "failed", failure: error });
      if (error instanceof CorruptLogError) {
        return this.#finish({ kind: "corrupt", reason: error.message });
      }
      throw error;
    }
  }

  /** Ends it, and removes what it has written; not an error where it is over. */
  stop(): void {
    if (this.#end === undefined) this.#stop("it was stopped");
  }

  #advance(): CompactionStep {
    switch (this.#phase) {
      case "map":
        return this.#mapMore();
      case "copy":
        return this.#copyMore();
      case "sync":
        return this.#syncMore();
    }
  }

  // The first walk.

  #mapMore(): CompactionStep {
    const input = this.#input ?? this.#openToMap();
    if (input === undefined) return this.#mapped();
    switch (input.next()) {
      case "waiting":
        return WAITING;
      case "end":
        this.#input = undefined;
        return MORE;
      case "batch":
        if (input.batch.baseOffset >= this.#options.to) return this.#mapped();
        this.#bytesRead += input.batch.sizeInBytes;
        return this.#mapBatch(input.batch) ? MORE : this.#mapped();
    }
  }

  #openToMap(): CompactionInput | undefined {
    const { segments } = this.#state;
    const { from, to } = this.#options;
    const isFirst = this.#cursor === from;
    const index = isFirst
      ? this.#state.segmentIndex(from)
      : segments.findIndex(({ baseOffset }) => baseOffset >= this.#cursor);
    const segment = segments[index];
    const next = segments[index + 1];
    if (segment === undefined || next === undefined || segment.baseOffset >= to) return undefined;
    if (isFirst) this.#transactions.add(abortedTransactions(this.#state, from, to));
    this.#cursor = next.baseOffset;
    const spot = isFirst ? segment.seek(from, this.#state.config.indexIntervalBytes) : undefined;
    const start = spot?.position ?? (isFirst && segment.baseOffset < from ? segment.size : 0);
    return this.#input = this.#open(segment, start);
  }

  #open(segment: Segment, from: number): CompactionInput {
    const { wake } = this.#options;
    const buffer = this.#inputBuffer;
    return new CompactionInput({ segment, from, buffer, wake: () => this.#wake(wake) });
  }

  #wake(wake: () => void): void {
    if (this.#end === undefined) wake();
  }

  /** Notes the keys of a batch. Returns whether there was room for all; else the map ends there. */
  #mapBatch(batch: BatchView): boolean {
    if (batch.isControl) {
      this.#transactions.control(batch, () => {});
      return true;
    }
    if (this.#transactions.data(batch)) return true;
    const { from, decompressedBytesMax = DECOMPRESSED_BATCH_BYTES_MAX } = this.#options;
    const walk = this.#walk;
    const { baseOffset } = batch;
    try {
      let body = batch.source;
      if (batch.compression === "none") {
        const start = batch.position + BATCH_HEADER_BYTES;
        walk.reset(body, start, batch.position + batch.sizeInBytes);
      } else {
        body = decompress(batch.compression, batch.body, decompressedBytesMax);
        walk.reset(body, 0, body.length);
      }
      while (walk.next()) {
        const offset = baseOffset + walk.offsetDelta;
        if (walk.keyLength < 0 || offset < from) continue;
        const previous = this.#map.put(body, walk.keyStart, walk.keyLength, offset);
        if (previous === NO_ROOM) {
          this.#mapEnd = offset;
          return false;
        }
        this.#latest?.moved(previous, offset);
      }
    } catch (error) {
      // What the second walk cannot read either stays as it is.
      if (!(error instanceof RangeError || error instanceof CompressionError)) throw error;
      this.#latest?.keep(baseOffset, batch.lastOffset);
    }
    return true;
  }

  #mapped(): CompactionStep {
    const { decompressedBytesMax = DECOMPRESSED_BATCH_BYTES_MAX } = this.#options;
    const { deleteRetentionMs } = this.#state.config;
    this.#filter = new CompactionFilter({
      map: this.#map,
      latest: this.#latest,
      mapEnd: this.#mapEnd,
      deleteRetentionMs,
      decompressedBytesMax,
    });
    this.#input = undefined;
    this.#transactions = new CompactionTransactions();
    this.#cursor = this.#state.segments[0]!.baseOffset;
    this.#phase = "copy";
    return MORE;
  }

  // The second.

  #copyMore(): CompactionStep {
    const group = this.#group ?? this.#openGroup();
    if (group === undefined) return this.#done();
    const input = this.#input ??= this.#open(group.segments[this.#member]!, 0);
    switch (input.next()) {
      case "waiting":
        return WAITING;
      case "batch":
        this.#bytesRead += input.batch.sizeInBytes;
        this.#copy(input.batch, group, input.isAtEnd);
        return MORE;
      case "end":
        this.#input = undefined;
        if (++this.#member < group.segments.length) return MORE;
        return this.#written(group, this.#output as CompactionOutput);
    }
  }

  /** The next segments that fit into one. */
  #openGroup(): Group | undefined {
    const state = this.#state;
    const { segments, config } = state;
    const first = segments.findIndex(({ baseOffset }) => baseOffset >= this.#cursor);
    const members: Segment[] = [];
    let sizeInBytes = 0;
    let last = 0;
    for (let index = first; index >= 0 && index < segments.length - 1; index++) {
      const segment = segments[index]!;
      if (segment.baseOffset >= this.#mapEnd) break;
      const { size } = segment;
      const fits = sizeInBytes + size <= config.segmentBytes &&
        (members[0] ?? segment).canHold(segments[index + 1]!.baseOffset);
      if (members.length > 0 && !fits) break;
      if (size > 0) last = members.length;
      members.push(segment);
      sizeInBytes += size;
    }
    if (members.length === 0) return undefined;
    const end = segments[first + members.length]!.baseOffset;
    this.#cursor = end;
    // Nothing to write, and no file that could tell where its offsets end.
    if (sizeInBytes === 0) return this.#openGroup();
    this.#begin(members, end);
    return this.#group = { segments: members, end, sizeInBytes, last };
  }

  #begin(members: readonly Segment[], end: Offset): void {
    const state = this.#state;
    const { resources, folder, config: { indexIntervalBytes } } = state;
    const { baseOffset, createdAt } = members[0]!;
    // What an earlier swap renamed must not be taken for this one's.
    if (state.namesChanged) syncNames(state);
    const aborted = abortedTransactions(state, baseOffset, end);
    this.#transactions.add(aborted);
    this.#member = 0;
    const buffer = this.#outputBuffer;
    this.#output = new CompactionOutput({
      resources,
      folder,
      baseOffset,
      createdAt,
      indexIntervalBytes,
      buffer,
    });
  }

  #copy(batch: BatchView, group: Group, endsSegment: boolean): void {
    const output = this.#output as CompactionOutput;
    const verdict = this.#judge(batch, endsSegment && this.#member === group.last, output);
    (this.#filter as CompactionFilter).apply(batch, verdict, output, this.#now);
  }

  #judge(batch: BatchView, isLast: boolean, output: CompactionOutput): BatchVerdict {
    const speaksForProducer = this.#isLastOfProducer(batch);
    // Without it nobody could tell where the segment's offsets end, and a reader would wait there.
    const keepEmpty = isLast || speaksForProducer;
    if (!batch.isControl) {
      return { discard: this.#transactions.data(batch), keepEmpty, expires: false };
    }
    const expires = this.#transactions.control(
      batch,
      (aborted) => output.segment.transactions.append(aborted),
    );
    const hasExpired = batch.hasDeleteHorizon && batch.baseTimestamp <= this.#now;
    // An empty marker would not tell its producer's epoch.
    const discard = expires && !speaksForProducer && (hasExpired || batch.recordsCount === 0);
    return { discard, keepEmpty, expires };
  }

  /** Whether a batch tells where its producer stands: its sequence numbers, or else its epoch. */
  #isLastOfProducer(batch: BatchView): boolean {
    const { producerId } = batch;
    if (producerId < 0) return false;
    const entry = this.#state.producers(this.#now).get(producerId);
    if (entry === undefined) return false;
    const last = entry.batches[entry.batches.length - 1];
    if (last !== undefined) return batch.lastOffset === last.lastOffset;
    return batch.isControl && batch.producerEpoch === entry.producerEpoch;
  }

  /** A group is copied: it is made durable, unless it is what it was. */
  #written(group: Group, output: CompactionOutput): CompactionStep {
    output.flush();
    const isSame = group.segments.length === 1 && !output.changed &&
      output.sizeInBytes === group.sizeInBytes;
    if (isSame) return this.#groupDone(group, group.sizeInBytes);
    this.#toSync = output.finish();
    this.#phase = "sync";
    return MORE;
  }

  #syncMore(): CompactionStep {
    if (this.#syncing) return WAITING;
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    const file = this.#toSync.shift();
    if (file === undefined) return this.#swap(this.#group as Group);
    this.#syncing = true;
    file.syncLater((failure) => {
      this.#syncing = false;
      this.#syncFailure = failure;
      this.#wake(this.#options.wake);
    });
    return WAITING;
  }

  #swap(group: Group): CompactionStep {
    const { segments } = this.#state;
    const output = this.#output as CompactionOutput;
    const index = segments.indexOf(group.segments[0]!);
    const count = group.segments.length;
    const isThere = index >= 0 && index + count < segments.length &&
      group.segments.every((segment, at) => segments[index + at] === segment);
    // Retention has taken some meanwhile. What is older than the tombstones further on is still in
    // the others: were it said to be compacted, it would come back once they have gone.
    if (!isThere) return this.#stop("segments were removed");
    const { sizeInBytes } = output;
    swapIn(this.#state, index, count, output.segment, this.#now);
    return this.#groupDone(group, sizeInBytes);
  }

  #groupDone(group: Group, sizeAfter: number): CompactionStep {
    this.#bytesWritten += this.#output?.sizeInBytes ?? 0;
    this.#discardOutput();
    this.#sizeBefore += group.sizeInBytes;
    this.#sizeAfter += sizeAfter;
    this.#group = undefined;
    this.#phase = "copy";
    return MORE;
  }

  // The end.

  #done(): CompactionStep {
    return this.#finish({
      kind: "done",
      endOffset: this.#mapEnd,
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      sizeBefore: this.#sizeBefore,
      sizeAfter: this.#sizeAfter,
      keys: this.#map.size,
      mapFull: this.#mapEnd < this.#options.to,
      unreadableBatches: this.#filter?.unreadable ?? 0,
    });
  }

  #stop(reason: string): CompactionStep {
    return this.#finish({ kind: "stopped", reason });
  }

  #finish(end: CompactionStep): CompactionStep {
    this.#end = end;
    this.#input = undefined;
    this.#discardOutput();
    return end;
  }

  #discardOutput(): void {
    this.#output?.discard();
    this.#output = undefined;
  }
}
