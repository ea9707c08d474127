/**
 * The header of a RecordBatch v2 (magic 2), Kafka's format since 0.11 (KIP-98): where its fields
 * are, how to read and patch them in place, and how to walk over batches that lie end to end.
 *
 * Owns the 61 bytes before the records. It does not own the records (storage/record.ts), what a
 * broker demands of a batch from outside (storage/record_batch_validation.ts) nor the writing of
 * whole batches (storage/record_batch_builder.ts).
 *
 * Invariants: nothing here allocates per batch; `baseOffset`, `batchLength`, `partitionLeaderEpoch`
 * and `magic` lie outside the checksum, so a broker patches the first three without touching it;
 * every other patch recomputes it.
 *
 * @module
 */

import {
  readInt16,
  readInt32,
  readInt64,
  readUint32,
  writeInt16,
  writeInt32,
  writeInt64,
} from "./bytes/big_endian.ts";
import { crc32c } from "./bytes/crc32c.ts";
import type { Epoch, Offset, ProducerId, Timestamp } from "./bytes/ids.ts";
import { type Compression, compressionOfId, idOfCompression } from "./compression.ts";

/** Where each field of the header starts, counted from the start of the batch. */
export const BATCH_FIELD = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordsCount: 57,
} as const;

/** Bytes of the header: the records, compressed or not, start here. */
export const BATCH_HEADER_BYTES = 61;

/** Bytes that `batchLength` does not count: `baseOffset` and itself. */
export const BATCH_LENGTH_PREFIX_BYTES = 12;

/** The only record format that the log holds. */
export const BATCH_MAGIC = 2;

/** The bits of `attributes`. */
export const BATCH_ATTRIBUTE = {
  compressionMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
  unusedMask: 0xff80,
} as const;

/** Who gave the records their timestamps: the producer, or the broker when it appended them. */
export type TimestampType = "CreateTime" | "LogAppendTime";

/**
 * A window on the header of one batch, wherever it lies. It owns nothing: the bytes belong to
 * whoever made them, and one view moves over many batches.
 *
 * Fields are read as they are, without any check; the 61 bytes must be there. Those of eight bytes
 * throw RangeError where they hold no safe integer, which validation has ruled out.
 */
export class BatchView {
  #bytes: Uint8Array;
  #position: number;

  constructor(bytes: Uint8Array = new Uint8Array(0), position = 0) {
    this.#bytes = bytes;
    this.#position = position;
  }

  /** Looks at the batch that starts at `position` of `bytes` from now on. */
  moveTo(bytes: Uint8Array, position: number): this {
    this.#bytes = bytes;
    this.#position = position;
    return this;
  }

  /** The array that the batch lies in. */
  get source(): Uint8Array {
    return this.#bytes;
  }

  /** Where in `source` the batch starts. */
  get position(): number {
    return this.#position;
  }

  /** The bytes of the whole batch, shared with the source. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(this.#position, this.#position + this.sizeInBytes);
  }

  /** The records as they lie in the batch, perhaps compressed; shared with the source. */
  get body(): Uint8Array {
    const start = this.#position;
    return this.#bytes.subarray(start + BATCH_HEADER_BYTES, start + this.sizeInBytes);
  }

  /** The offset of the first record, or of where it was before compaction. */
  get baseOffset(): Offset {
    return readInt64(this.#bytes, this.#position);
  }

  /** The offset of the last record; compaction keeps it. */
  get lastOffset(): Offset {
    return this.baseOffset + this.lastOffsetDelta;
  }

  /** The offset after the last record. */
  get nextOffset(): Offset {
    return this.lastOffset + 1;
  }

  /** The size of the whole batch, header included. */
  get sizeInBytes(): number {
    return BATCH_LENGTH_PREFIX_BYTES + this.batchLength;
  }

  /** The bytes that follow the length field. */
  get batchLength(): number {
    return readInt32(this.#bytes, this.#position + BATCH_FIELD.batchLength);
  }

  get partitionLeaderEpoch(): Epoch {
    return readInt32(this.#bytes, this.#position + BATCH_FIELD.partitionLeaderEpoch);
  }

  get magic(): number {
    return (this.#bytes[this.#position + BATCH_FIELD.magic]! << 24) >> 24;
  }

  /** The checksum that the header claims. */
  get crc(): number {
    return readUint32(this.#bytes, this.#position + BATCH_FIELD.crc);
  }

  get attributes(): number {
    return readInt16(this.#bytes, this.#position + BATCH_FIELD.attributes);
  }

  /** @throws RangeError when the attributes name no known codec */
  get compression(): Compression {
    return compressionOfId(this.attributes & BATCH_ATTRIBUTE.compressionMask);
  }

  get timestampType(): TimestampType {
    return (this.attributes & BATCH_ATTRIBUTE.logAppendTime) !== 0 ? "LogAppendTime" : "CreateTime";
  }

  get isTransactional(): boolean {
    return (this.attributes & BATCH_ATTRIBUTE.transactional) !== 0;
  }

  /** Whether the records are markers for brokers and clients, never shown to applications. */
  get isControl(): boolean {
    return (this.attributes & BATCH_ATTRIBUTE.control) !== 0;
  }

  /** Whether `baseTimestamp` is the time after which compaction drops tombstones (KIP-534). */
  get hasDeleteHorizon(): boolean {
    return (this.attributes & BATCH_ATTRIBUTE.deleteHorizon) !== 0;
  }

  get lastOffsetDelta(): number {
    return readInt32(this.#bytes, this.#position + BATCH_FIELD.lastOffsetDelta);
  }

  get baseTimestamp(): Timestamp {
    return readInt64(this.#bytes, this.#position + BATCH_FIELD.baseTimestamp);
  }

  /** The largest timestamp, as the producer says: some clients say it wrong. */
  get maxTimestamp(): Timestamp {
    return readInt64(this.#bytes, this.#position + BATCH_FIELD.maxTimestamp);
  }

  /** The largest timestamp of a record that is there; -1 where compaction has left none. */
  get recordsTimestamp(): Timestamp {
    return this.recordsCount === 0 ? -1 : this.maxTimestamp;
  }

  /** -1 for a producer that is not idempotent. */
  get producerId(): ProducerId {
    return readInt64(this.#bytes, this.#position + BATCH_FIELD.producerId);
  }

  get producerEpoch(): number {
    return readInt16(this.#bytes, this.#position + BATCH_FIELD.producerEpoch);
  }

  get baseSequence(): number {
    return readInt32(this.#bytes, this.#position + BATCH_FIELD.baseSequence);
  }

  /** The sequence number of the last record; after 2^31 - 1 comes 0. */
  get lastSequence(): number {
    const first = this.baseSequence;
    return first < 0 ? first : (first + this.lastOffsetDelta) & 0x7fffffff;
  }

  get recordsCount(): number {
    return readInt32(this.#bytes, this.#position + BATCH_FIELD.recordsCount);
  }

  /** Computes the checksum of what the header says the batch holds; that much must be there. */
  computeCrc(): number {
    const start = this.#position;
    return crc32c(this.#bytes, start + BATCH_FIELD.attributes, start + this.sizeInBytes);
  }
}

/** Why a walk over batches stopped: all were seen, the last is cut off, or this is no batch. */
export type BatchWalkEnd = "end" | "incomplete" | "malformed";

/**
 * Walks over batches that lie end to end, without looking past their headers.
 *
 * ```ts
 * const cursor = new BatchCursor(bytes);
 * while (cursor.next()) handle(cursor.batch);
 * // bytes up to cursor.position are whole batches
 * ```
 */
export class BatchCursor {
  /** The batch that the last `next()` found; the same view each time. */
  readonly batch = new BatchView();
  #bytes: Uint8Array;
  #position: number;
  #to: number;

  constructor(bytes: Uint8Array, from = 0, to: number = bytes.length) {
    this.#bytes = bytes;
    this.#position = from;
    this.#to = to;
  }

  /** Where the next batch starts: everything before it has been walked over. */
  get position(): number {
    return this.#position;
  }

  /** Moves to the next whole batch; false at the end or at what is none, see {@link stoppedBy}. */
  next(): boolean {
    const size = batchSizeAt(this.#bytes, this.#position, this.#to);
    if (size < BATCH_HEADER_BYTES || size > this.#to - this.#position) return false;
    this.batch.moveTo(this.#bytes, this.#position);
    this.#position += size;
    return true;
  }

  /** What lies at {@link position} once `next()` has returned false. */
  get stoppedBy(): BatchWalkEnd {
    if (this.#position >= this.#to) return "end";
    const size = batchSizeAt(this.#bytes, this.#position, this.#to);
    return size >= 0 && size < BATCH_HEADER_BYTES ? "malformed" : "incomplete";
  }
}

/** Walks over whole batches with `for of`; unlike the cursor it makes a view for each. */
export function* walkBatches(
  bytes: Uint8Array,
  from = 0,
  to: number = bytes.length,
): Generator<BatchView, void, void> {
  const cursor = new BatchCursor(bytes, from, to);
  while (cursor.next()) yield new BatchView(bytes, cursor.batch.position);
}

/**
 * The size that the batch at `position` claims, or -1 when not even its length field is there.
 * A size below {@link BATCH_HEADER_BYTES} is no batch; a negative length counts as size 0.
 */
export function batchSizeAt(bytes: Uint8Array, position: number, to: number): number {
  if (to - position < BATCH_LENGTH_PREFIX_BYTES) return -1;
  const length = readInt32(bytes, position + BATCH_FIELD.batchLength);
  return length < 0 ? 0 : BATCH_LENGTH_PREFIX_BYTES + length;
}

/** Gives the batch its place in the log. The checksum stays. */
export function setBaseOffset(bytes: Uint8Array, position: number, baseOffset: Offset): void {
  writeInt64(bytes, position, baseOffset);
}

/** Stamps the batch with the epoch of the leader that appends it. The checksum stays. */
export function setPartitionLeaderEpoch(bytes: Uint8Array, position: number, epoch: Epoch): void {
  writeInt32(bytes, position + BATCH_FIELD.partitionLeaderEpoch, epoch);
}

/** Gives all records of the batch the time of the append, and the batch a new checksum. */
export function setLogAppendTime(bytes: Uint8Array, position: number, timestamp: Timestamp): void {
  const attributes = readInt16(bytes, position + BATCH_FIELD.attributes);
  writeInt16(bytes, position + BATCH_FIELD.attributes, attributes | BATCH_ATTRIBUTE.logAppendTime);
  writeInt64(bytes, position + BATCH_FIELD.maxTimestamp, timestamp);
  sealBatch(bytes, position);
}

/** Corrects the largest timestamp of the batch, and its checksum. */
export function setMaxTimestamp(bytes: Uint8Array, position: number, timestamp: Timestamp): void {
  writeInt64(bytes, position + BATCH_FIELD.maxTimestamp, timestamp);
  sealBatch(bytes, position);
}

/** What an idempotent producer gives each batch: who sends it and where its numbering starts. */
export interface ProducerStamp {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** Gives a batch another producer id, epoch and sequence before a resend, and a new checksum. */
export function setProducerStamp(bytes: Uint8Array, position: number, stamp: ProducerStamp): void {
  writeProducerStamp(bytes, position, stamp);
  sealBatch(bytes, position);
}

/** Computes the checksum of a batch whose other fields are in place and writes it. */
export function sealBatch(bytes: Uint8Array, position: number): void {
  const size = batchSizeAt(bytes, position, bytes.length);
  const crc = crc32c(bytes, position + BATCH_FIELD.attributes, position + size);
  writeInt32(bytes, position + BATCH_FIELD.crc, crc);
}

/** The fields of a header that a writer of batches chooses. */
export interface BatchHeader extends ProducerStamp {
  readonly baseOffset: Offset;
  readonly partitionLeaderEpoch: Epoch;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: Timestamp;
  readonly maxTimestamp: Timestamp;
  readonly recordsCount: number;
}

/** Writes all 61 bytes in front of records that are already in place, checksum included. */
export function writeBatchHeader(
  bytes: Uint8Array,
  position: number,
  sizeInBytes: number,
  header: BatchHeader,
): void {
  const length = sizeInBytes - BATCH_LENGTH_PREFIX_BYTES;
  writeInt64(bytes, position, header.baseOffset);
  writeInt32(bytes, position + BATCH_FIELD.batchLength, length);
  writeInt32(bytes, position + BATCH_FIELD.partitionLeaderEpoch, header.partitionLeaderEpoch);
  bytes[position + BATCH_FIELD.magic] = BATCH_MAGIC;
  writeInt16(bytes, position + BATCH_FIELD.attributes, header.attributes);
  writeInt32(bytes, position + BATCH_FIELD.lastOffsetDelta, header.lastOffsetDelta);
  writeInt64(bytes, position + BATCH_FIELD.baseTimestamp, header.baseTimestamp);
  writeInt64(bytes, position + BATCH_FIELD.maxTimestamp, header.maxTimestamp);
  writeProducerStamp(bytes, position, header);
  writeInt32(bytes, position + BATCH_FIELD.recordsCount, header.recordsCount);
  sealBatch(bytes, position);
}

/** What the attributes say, by name. */
export interface BatchAttributes {
  readonly compression?: Compression;
  readonly timestampType?: TimestampType;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
}

/** The attributes as the header holds them. */
export function encodeAttributes(named: BatchAttributes): number {
  let attributes = idOfCompression(named.compression ?? "none");
  if (named.timestampType === "LogAppendTime") attributes |= BATCH_ATTRIBUTE.logAppendTime;
  if (named.isTransactional) attributes |= BATCH_ATTRIBUTE.transactional;
  if (named.isControl) attributes |= BATCH_ATTRIBUTE.control;
  return attributes;
}

function writeProducerStamp(bytes: Uint8Array, position: number, stamp: ProducerStamp): void {
  writeInt64(bytes, position + BATCH_FIELD.producerId, stamp.producerId);
  writeInt16(bytes, position + BATCH_FIELD.producerEpoch, stamp.producerEpoch);
  writeInt32(bytes, position + BATCH_FIELD.baseSequence, stamp.baseSequence);
}
