/**
 * What a coordinator has written and what is not committed yet: batches, in the order of the log,
 * with how to undo them and whom to tell.
 *
 * One batch is on its way at a time; what is written meanwhile gathers in the next. So when the log
 * refuses a batch, nothing that was built upon it is in the log.
 *
 * @module
 */

import type { Epoch, Offset, Timestamp } from "../../storage/bytes/ids.ts";
import { buildTransactionMarker } from "../../storage/control_record.ts";
import { BATCH_HEADER_BYTES } from "../../storage/record_batch.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { MalformedMessageError } from "../../net/schema/fault.ts";
import type { EncodedRecord, RecordCodec, Undo, WriteProducer } from "./machine.ts";

/** More than the framing of a record in a batch takes. */
const RECORD_OVERHEAD_BYTES = 32;

/** So many bytes of records, at most, are gathered from several writes. */
const GATHERED_BYTES_MAX = 512 * 1024;

/** Where more than this waits, whoever comes is told to come again. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const WAITING_MAX = 50_000;

type Done = (error: ErrorCode) => void;

/** A marker that makes a batch of its own. */
export interface QueuedMarker {
  readonly outcome: "commit" | "abort";
  readonly coordinatorEpoch: Epoch;
}

/**
 * The bytes of what is written as one; or why it cannot be written, and nothing of it is: what it
 * was made from comes from clients, whose texts may be too long for a record, and many.
 *
 * @param batchBytesMax the largest batch that the log is to take
 */
export function encodeWrite<CoordinatorRecord>(
  records: readonly CoordinatorRecord[],
  codec: RecordCodec<CoordinatorRecord>,
  batchBytesMax: number,
): readonly EncodedRecord[] | ErrorCode {
  const encoded: EncodedRecord[] = [];
  let bytes = BATCH_HEADER_BYTES;
  try {
    for (const record of records) {
      const one = codec.encode(record);
      bytes += sizeOf(one);
      if (bytes > batchBytesMax) return ErrorCode.MESSAGE_TOO_LARGE;
      encoded.push(one);
    }
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    return ErrorCode.INVALID_RECORD;
  }
  return encoded;
}

/** One batch of the log. */
export class WriteBatch {
  readonly baseOffset: Offset;
  readonly producer: WriteProducer | undefined;
  readonly marker: QueuedMarker | undefined;
  readonly #records: EncodedRecord[] = [];
  readonly #dones: Done[] = [];
  readonly undo: Undo[] = [];
  #bytes = BATCH_HEADER_BYTES;

  constructor(baseOffset: Offset, producer?: WriteProducer, marker?: QueuedMarker) {
    this.baseOffset = baseOffset;
    this.producer = producer;
    this.marker = marker;
  }

  /** How many are to be told. */
  get waiting(): number {
    return this.#dones.length;
  }

  /** More than the batch takes. */
  get bytes(): number {
    return this.#bytes;
  }

  get endOffset(): Offset {
    return this.baseOffset + (this.marker === undefined ? this.#records.length : 1);
  }

  /** Whether a write of so many bytes goes along with what is in it. */
  takes(bytes: number, producer: WriteProducer | undefined, bytesMax: number): boolean {
    return this.marker === undefined && this.#bytes + bytes <= bytesMax &&
      this.producer?.producerId === producer?.producerId &&
      this.producer?.producerEpoch === producer?.producerEpoch;
  }

  add(records: readonly EncodedRecord[], bytes: number): void {
    for (const record of records) this.#records.push(record);
    this.#bytes += bytes;
  }

  /** Has `done` called when the batch is committed, or has failed. */
  onDone(done: Done): void {
    this.#dones.push(done);
  }

  /** The batch as the log takes it. */
  build(now: Timestamp): Uint8Array {
    const { producer, marker } = this;
    if (marker !== undefined && producer !== undefined) {
      const { outcome, coordinatorEpoch } = marker;
      const kind = outcome === "commit" ? "COMMIT" : "ABORT";
      return buildTransactionMarker({ ...producer, kind, coordinatorEpoch, timestamp: now });
    }
    const builder = new RecordBatchBuilder(new Uint8Array(this.#bytes));
    for (const { key, value } of this.#records) builder.tryAppend(now, key, value);
    return builder.build(producer === undefined ? {} : { ...producer, isTransactional: true });
  }

  /** Takes back what the batch did. */
  undoAll(): void {
    for (const takeBack of this.undo.reverse()) takeBack();
    this.undo.length = 0;
  }

  settle(error: ErrorCode): void {
    for (const done of this.#dones.splice(0)) done(error);
  }
}

/** The batches of one life of a coordinator. */
export class WriteQueue {
  #batches: WriteBatch[] = [];
  /** Whether the first is on its way. */
  #isSending = false;
  #endOffset: Offset;
  /** Of all batches. */
  #bytes = 0;

  /** @param endOffset where the log ends: nobody else writes to it */
  constructor(endOffset: Offset) {
    this.#endOffset = endOffset;
  }

  /** Where the next record will stand. */
  get endOffset(): Offset {
    return this.#endOffset;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** Whether so much waits, as where replicas are missing, that no more is to be taken. */
  get isFull(): boolean {
    if (this.#bytes >= WAITING_BYTES_MAX) return true;
    const last = this.#batches.at(-1);
    return last !== undefined && last.waiting >= WAITING_MAX;
  }

  /** What is not committed, in the order of the log. */
  peek(): readonly WriteBatch[] {
    return this.#batches;
  }

  /** Has `done` called when everything written so far is committed: now, where it is. */
  afterAll(done: Done): void {
    const last = this.#batches.at(-1);
    if (last === undefined) done(ErrorCode.NONE);
    else last.onDone(done);
  }

  /** Puts the records of one write behind; returns the batch that they are in. */
  add(
    records: readonly EncodedRecord[],
    producer: WriteProducer | undefined,
    batchBytesMax = Infinity,
  ): WriteBatch {
    const bytes = records.reduce((sum, record) => sum + sizeOf(record), 0);
    const bytesMax = Math.min(batchBytesMax, GATHERED_BYTES_MAX);
    const last = this.#batches.at(-1);
    const isOpen = last !== undefined && !(this.#isSending && this.#batches.length === 1);
    const batch = isOpen && last.takes(bytes, producer, bytesMax)
      ? last
      : this.#push(new WriteBatch(this.#endOffset, producer));
    batch.add(records, bytes);
    this.#bytes += bytes;
    this.#endOffset = batch.endOffset;
    return batch;
  }

  addMarker(producer: WriteProducer, marker: QueuedMarker): WriteBatch {
    const batch = this.#push(new WriteBatch(this.#endOffset, producer, marker));
    this.#endOffset = batch.endOffset;
    return batch;
  }

  #push(batch: WriteBatch): WriteBatch {
    this.#batches.push(batch);
    this.#bytes += batch.bytes;
    return batch;
  }

  /** The batch to send now; undefined while one is on its way, and where there is none. */
  next(): WriteBatch | undefined {
    if (this.#isSending) return undefined;
    const [first] = this.#batches;
    this.#isSending = first !== undefined;
    return first;
  }

  /** The batch on its way is committed: whoever waits for it is told. */
  committed(): void {
    this.#isSending = false;
    const committed = this.#batches.shift();
    if (committed === undefined) return;
    this.#bytes -= committed.bytes;
    committed.settle(ErrorCode.NONE);
  }

  /**
   * Undoes everything that is not committed, and only then tells whoever waits.
   *
   * @param others for those that are not in the first batch: what they built upon is gone
   */
  fail(error: ErrorCode, others: ErrorCode = error): void {
    const failed = this.#batches;
    this.#batches = [];
    this.#bytes = 0;
    this.#isSending = false;
    this.#endOffset = failed[0]?.baseOffset ?? this.#endOffset;
    for (const batch of failed.toReversed()) batch.undoAll();
    failed.forEach((batch, index) => batch.settle(index === 0 ? error : others));
  }
}

/** More than a record takes in a batch. */
function sizeOf({ key, value }: EncodedRecord): number {
  return RECORD_OVERHEAD_BYTES + key.length + (value?.length ?? 0);
}
