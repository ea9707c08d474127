/**
 * What a log knows of the producers that wrote to it: the last batches of each, for idempotence
 * (KIP-98), and the transactions that are open.
 *
 * Owns the rules of sequence numbers and producer epochs. It does not own the files it is kept in
 * (producer_snapshots.ts), nor time: whoever appends says when.
 *
 * Invariants: the state is a function of the batches below an offset, in order, so that a replay
 * gives the same; at most five batches are remembered a producer; sequence numbers of one producer
 * epoch rise without a gap, 0 after 2^31 - 1. A producer id of -1 has no state whatever else its
 * batch says.
 *
 * @module
 */

import { NONE, type Offset, type ProducerId, type Timestamp } from "./bytes/ids.ts";

/** How many batches of a producer may be in flight, and so be sent again. */
const BATCHES_REMEMBERED = 5;

const SEQUENCE_MAX = 0x7fffffff;

/** A batch that a producer wrote. */
export interface RememberedBatch {
  readonly lastSequence: number;
  readonly lastOffset: Offset;
  /** Last offset less the first. */
  readonly offsetDelta: number;
  readonly timestamp: Timestamp;
}

/** What is known of one producer. */
export interface ProducerEntry {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  /** Of the coordinator that ended its last transaction, or -1. */
  readonly coordinatorEpoch: number;
  readonly lastTimestamp: Timestamp;
  /** Where its open transaction begins, or -1. */
  readonly currentTransactionFirstOffset: Offset;
  /** The last batches of this producer epoch, oldest first. */
  readonly batches: readonly RememberedBatch[];
}

/** The fields of a batch's header that concern its producer; a BatchView is one. */
export interface ProducerBatch {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly maxTimestamp: Timestamp;
  readonly isTransactional: boolean;
}

/** What a control record that ends a transaction says; a ControlRecord of those kinds is one. */
export interface EndTransactionMarker {
  readonly kind: "ABORT" | "COMMIT";
  readonly coordinatorEpoch: number;
}

/** A transaction that a marker has ended. */
export interface CompletedTransaction {
  readonly producerId: ProducerId;
  readonly firstOffset: Offset;
  /** The offset of the marker. */
  readonly lastOffset: Offset;
  readonly isAborted: boolean;
}

/** Kafka's names of what can be wrong with a batch of an idempotent producer. */
export type ProducerFault =
  | "OUT_OF_ORDER_SEQUENCE_NUMBER"
  | "INVALID_PRODUCER_EPOCH"
  | "INVALID_TXN_STATE"
  | "TRANSACTION_COORDINATOR_FENCED";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

interface Entry extends Omit<Mutable<ProducerEntry>, "batches"> {
  batches: Mutable<RememberedBatch>[];
}

/** The producers of one log. */
export class ProducerState {
  readonly #entries = new Map<ProducerId, Entry>();
  /** Open transactions: first offset to producer, in the order of first offsets. */
  readonly #ongoing = new Map<Offset, ProducerId>();
  /** Ended transactions whose markers may not be committed yet. */
  #unreplicated: CompletedTransaction[] = [];
  #completedSince: Offset = 0;
  /** One past the last offset of a batch that changed the state. */
  #changedUpTo: Offset = 0;

  /** How many producers are known. */
  get size(): number {
    return this.#entries.size;
  }

  /** One past the last offset whose batch the state depends on, 0 where it depends on none. */
  get changedUpTo(): Offset {
    return this.#changedUpTo;
  }

  /** What is known of a producer. */
  get(producerId: ProducerId): ProducerEntry | undefined {
    return this.#entries.get(producerId);
  }

  /** All producers, in the order in which they came. */
  entries(): Iterable<ProducerEntry> {
    return this.#entries.values();
  }

  /**
   * Whether a leader may append the batch: undefined if so, what is wrong, or the batch that it
   * repeats, which is to be answered as if it had been appended just now (valid until the next
   * `apply`).
   *
   * `ordered` is whether its sequence number counts, as it does for producers; coordinators write
   * for members without one.
   */
  check(batch: ProducerBatch, ordered = true): ProducerFault | RememberedBatch | undefined {
    const { producerId, producerEpoch } = batch;
    if (producerId < 0) return undefined;
    const entry = this.#entries.get(producerId);
    if (entry === undefined) return undefined;
    const known = entry.producerEpoch;
    const { baseSequence } = batch;
    if (ordered && producerEpoch === known) {
      const repeated = findRepeated(entry.batches, baseSequence, batch.lastSequence);
      if (repeated !== undefined) return repeated;
    }
    if (producerEpoch < known) return "INVALID_PRODUCER_EPOCH";
    if (ordered && !isInSequence(entry, producerEpoch, baseSequence)) {
      return "OUT_OF_ORDER_SEQUENCE_NUMBER";
    }
    const open = entry.currentTransactionFirstOffset >= 0;
    return open && !batch.isTransactional ? "INVALID_TXN_STATE" : undefined;
  }

  /** Whether a leader may append the marker of a transaction. */
  checkMarker(batch: ProducerBatch, marker: EndTransactionMarker): ProducerFault | undefined {
    const entry = this.#entries.get(batch.producerId);
    if (entry === undefined) return undefined;
    if (batch.producerEpoch < entry.producerEpoch) return "INVALID_PRODUCER_EPOCH";
    return marker.coordinatorEpoch < entry.coordinatorEpoch
      ? "TRANSACTION_COORDINATOR_FENCED"
      : undefined;
  }

  /** Whether something of this producer epoch is known: a marker has raised it, or a record. */
  hasEnteredEpoch({ producerId, producerEpoch }: ProducerBatch): boolean {
    return this.#entries.get(producerId)?.producerEpoch === producerEpoch;
  }

  /** Takes in a batch of data that is in the log. Batches come in the order of their offsets. */
  apply(batch: ProducerBatch): void {
    const { producerId } = batch;
    if (producerId < 0) return;
    const entry = this.#entryOf(producerId);
    this.#enterEpoch(entry, batch.producerEpoch);
    const { baseOffset, lastOffset, maxTimestamp } = batch;
    remember(entry.batches, batch.lastSequence, lastOffset, lastOffset - baseOffset, maxTimestamp);
    entry.lastTimestamp = maxTimestamp;
    if (batch.isTransactional && entry.currentTransactionFirstOffset < 0) {
      entry.currentTransactionFirstOffset = baseOffset;
      this.#ongoing.set(baseOffset, producerId);
    }
    this.#changedUpTo = lastOffset + 1;
  }

  /**
   * Takes in a marker that is in the log. Returns the transaction that it ends, if there was one.
   */
  applyMarker(
    batch: ProducerBatch,
    marker: EndTransactionMarker,
  ): CompletedTransaction | undefined {
    const { producerId } = batch;
    if (producerId < 0) return undefined;
    const entry = this.#entryOf(producerId);
    this.#enterEpoch(entry, batch.producerEpoch);
    entry.coordinatorEpoch = marker.coordinatorEpoch;
    entry.lastTimestamp = batch.maxTimestamp;
    this.#changedUpTo = batch.lastOffset + 1;
    const firstOffset = entry.currentTransactionFirstOffset;
    if (firstOffset < 0) return undefined;
    entry.currentTransactionFirstOffset = NONE;
    this.#ongoing.delete(firstOffset);
    const completed: CompletedTransaction = {
      producerId,
      firstOffset,
      lastOffset: batch.baseOffset,
      isAborted: marker.kind === "ABORT",
    };
    this.#unreplicated.push(completed);
    return completed;
  }

  /** From here on it is known which transactions have ended; a snapshot does not tell. */
  get completedSince(): Offset {
    return this.#completedSince;
  }

  /** Knows of the transactions that ended from `since` on, too. */
  learnCompleted(completed: readonly CompletedTransaction[], since: Offset): void {
    this.#unreplicated = [...completed, ...this.#unreplicated];
    this.#completedSince = since;
  }

  /** Whether a producer has an open transaction. */
  hasOpenTransaction(producerId: ProducerId): boolean {
    const entry = this.#entries.get(producerId);
    return entry !== undefined && entry.currentTransactionFirstOffset >= 0;
  }

  /** Where the oldest open transaction begins, or -1. */
  get firstUndecidedOffset(): Offset {
    if (this.#ongoing.size === 0) return NONE;
    for (const firstOffset of this.#ongoing.keys()) return firstOffset;
    return NONE;
  }

  /**
   * Where the oldest transaction begins that is open, or whose marker is at or above the high
   * watermark: the last stable offset, unless that is -1, for none.
   */
  firstUnstableOffset(highWatermark: Offset): Offset {
    this.#forgetReplicated(highWatermark);
    let first = this.firstUndecidedOffset;
    for (const { firstOffset } of this.#unreplicated) {
      if (first < 0 || firstOffset < first) first = firstOffset;
    }
    return first;
  }

  /**
   * The last stable offset once a transaction is completed, as the transaction index notes it:
   * where the next open one begins, else the offset after the marker.
   */
  lastStableOffset(completed: CompletedTransaction): Offset {
    for (const [firstOffset, producerId] of this.#ongoing) {
      if (producerId !== completed.producerId) return firstOffset;
    }
    return completed.lastOffset + 1;
  }

  /** Forgets producers that have been silent for `expirationMs` and have no open transaction. */
  removeExpired(now: Timestamp, expirationMs: number): void {
    for (const [producerId, entry] of this.#entries) {
      if (isExpired(entry, now, expirationMs)) this.#entries.delete(producerId);
    }
  }

  /** Takes over an entry, as from a snapshot; those of one producer replace each other. */
  restore(entry: ProducerEntry): void {
    this.#entries.set(entry.producerId, {
      ...entry,
      batches: entry.batches.map((batch) => ({ ...batch })),
    });
    const first = entry.currentTransactionFirstOffset;
    if (first >= 0) this.#ongoing.set(first, entry.producerId);
  }

  /** Says up to where the restored entries speak, and puts their transactions in order. */
  restored(upTo: Offset): void {
    const ongoing = [...this.#ongoing].sort(([a], [b]) => a - b);
    this.#ongoing.clear();
    for (const [firstOffset, producerId] of ongoing) this.#ongoing.set(firstOffset, producerId);
    this.#changedUpTo = this.#entries.size === 0 ? 0 : upTo;
    this.#completedSince = upTo;
  }

  #entryOf(producerId: ProducerId): Entry {
    let entry = this.#entries.get(producerId);
    if (entry === undefined) {
      entry = {
        producerId,
        producerEpoch: NONE,
        coordinatorEpoch: NONE,
        lastTimestamp: NONE,
        currentTransactionFirstOffset: NONE,
        batches: [],
      };
      this.#entries.set(producerId, entry);
    }
    return entry;
  }

  #enterEpoch(entry: Entry, producerEpoch: number): void {
    if (entry.producerEpoch === producerEpoch) return;
    entry.producerEpoch = producerEpoch;
    entry.batches.length = 0;
  }

  #forgetReplicated(highWatermark: Offset): void {
    if (this.#unreplicated.length === 0) return;
    if (this.#unreplicated.every(({ lastOffset }) => lastOffset >= highWatermark)) return;
    this.#unreplicated = this.#unreplicated.filter(({ lastOffset }) => lastOffset >= highWatermark);
    // Where a follower's mark falls back it has to be learnt again.
    this.#completedSince = Math.max(this.#completedSince, highWatermark);
  }
}

/** Whether a producer has been silent for so long that it may be forgotten. */
export function isExpired(entry: ProducerEntry, now: Timestamp, expirationMs: number): boolean {
  return entry.currentTransactionFirstOffset < 0 && now - entry.lastTimestamp >= expirationMs;
}

function findRepeated(
  batches: readonly RememberedBatch[],
  firstSequence: number,
  lastSequence: number,
): RememberedBatch | undefined {
  for (let index = batches.length - 1; index >= 0; index--) {
    const batch = batches[index]!;
    if (batch.lastSequence !== lastSequence) continue;
    if (((batch.lastSequence - batch.offsetDelta) & SEQUENCE_MAX) === firstSequence) return batch;
  }
  return undefined;
}

function isInSequence(entry: Entry, producerEpoch: number, baseSequence: number): boolean {
  // No epoch is known where all there is comes from a marker's coordinator: then any will do.
  if (entry.producerEpoch < 0) return true;
  if (producerEpoch !== entry.producerEpoch) return baseSequence === 0;
  const last = entry.batches[entry.batches.length - 1];
  const expected = last === undefined ? 0 : (last.lastSequence + 1) & SEQUENCE_MAX;
  return baseSequence === expected;
}

function remember(
  batches: Mutable<RememberedBatch>[],
  lastSequence: number,
  lastOffset: Offset,
  offsetDelta: number,
  timestamp: Timestamp,
): void {
  if (batches.length < BATCHES_REMEMBERED) {
    batches.push({ lastSequence, lastOffset, offsetDelta, timestamp });
    return;
  }
  // The oldest one's place is taken: nothing is made on the way of an append.
  const oldest = batches[0]!;
  for (let index = 1; index < batches.length; index++) batches[index - 1] = batches[index]!;
  batches[batches.length - 1] = oldest;
  oldest.lastSequence = lastSequence;
  oldest.lastOffset = lastOffset;
  oldest.offsetDelta = offsetDelta;
  oldest.timestamp = timestamp;
}
