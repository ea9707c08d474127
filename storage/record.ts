/**
 * The records inside a batch: a cursor that moves over them without making anything, and the
 * records as objects for where that is convenient.
 *
 * Owns the layout of a record. It does not own the batch's header (storage/record_batch.ts) nor the
 * meaning of control records (storage/control_record.ts).
 *
 * Invariants: no length leads past the batch; `next()` has walked over the whole record, headers
 * included, before it returns true; offsets rise from record to record and stay within what the
 * header says; a batch whose records do not fill it exactly, or are not as many as it says, is
 * corrupt. Keys, values and header values are views on the batch, or on the one buffer that it was
 * decompressed into.
 *
 * @module
 */

import { ByteReader } from "./bytes/byte_reader.ts";
import type { Offset, Timestamp } from "./bytes/ids.ts";
import { decompress, DECOMPRESSED_BATCH_BYTES_MAX } from "./compression.ts";
import { BATCH_HEADER_BYTES, type BatchView } from "./record_batch.ts";

/** A name and a value that travel with a record. */
export interface RecordHeader {
  /** Its name; several may have the same. */
  readonly key: string;
  /** Bytes of any kind. */
  readonly value: Uint8Array | null;
}

/** One record as an object. */
export interface DecodedRecord {
  readonly offset: Offset;
  readonly timestamp: Timestamp;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** The records of a batch are not laid out as its header says. */
export class CorruptRecordError extends RangeError {
  override name = "CorruptRecordError";
  /** The offset of the record that cannot be read; the next to expect where it is not known. */
  readonly offset: Offset;
  readonly reason: string;

  constructor(offset: Offset, reason: string, options?: ErrorOptions) {
    super(`Cannot read record at offset ${offset}: ${reason}`, options);
    this.offset = offset;
    this.reason = reason;
  }
}

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

const textDecoder = new TextDecoder();

/**
 * Moves over the records of a batch.
 *
 * ```ts
 * const cursor = new RecordCursor(batch);
 * while (cursor.next()) use(cursor.offset, cursor.key, cursor.value);
 * ```
 *
 * All members but `next` and `open` speak of the record that the last `next()` found.
 */
export class RecordCursor {
  readonly #reader = new ByteReader();
  #source: Uint8Array = new Uint8Array(0);
  #baseOffset = 0;
  #baseTimestamp = 0;
  /** The time of all records where the broker gave it, else -1 and `#hasLogAppendTime` false. */
  #logAppendTime = -1;
  #hasLogAppendTime = false;
  #lastOffsetDelta = -1;
  #recordsLeft = 0;
  #offsetDelta = -1;
  #timestampDelta = 0;
  #keyStart = 0;
  #keyLength = -1;
  #valueStart = 0;
  #valueLength = -1;
  #headersStart = 0;
  #headersCount = 0;
  #start = 0;

  /** Like {@link open}, when a batch is given. */
  constructor(batch?: BatchView, decompressedBytesMax?: number) {
    if (batch !== undefined) this.open(batch, decompressedBytesMax);
  }

  /**
   * Stands before the first record of another batch from now on. The batch's size must be checked;
   * its view may move on afterwards.
   *
   * @throws CompressionError (see storage/compression_errors.ts), RangeError for an unknown codec
   */
  open(batch: BatchView, decompressedBytesMax = DECOMPRESSED_BATCH_BYTES_MAX): this {
    const compression = batch.compression;
    if (compression === "none") {
      this.#source = batch.source;
      const start = batch.position;
      this.#reader.reset(this.#source, start + BATCH_HEADER_BYTES, start + batch.sizeInBytes);
    } else {
      this.#source = decompress(compression, batch.body, decompressedBytesMax);
      this.#reader.reset(this.#source);
    }
    this.#baseOffset = batch.baseOffset;
    this.#baseTimestamp = batch.baseTimestamp;
    this.#hasLogAppendTime = batch.timestampType === "LogAppendTime";
    this.#logAppendTime = this.#hasLogAppendTime ? batch.maxTimestamp : -1;
    this.#lastOffsetDelta = batch.lastOffsetDelta;
    this.#recordsLeft = batch.recordsCount;
    this.#offsetDelta = -1;
    return this;
  }

  /**
   * Moves to the next record; false after the last.
   *
   * @throws CorruptRecordError
   */
  next(): boolean {
    const reader = this.#reader;
    const previous = this.#offsetDelta;
    try {
      if (this.#recordsLeft <= 0) return this.#finish();
      this.#recordsLeft--;
      const length = reader.varint();
      const start = this.#start = reader.position;
      // The least is one byte each for attributes, two deltas, two lengths and a count.
      if (length < 6 || length > reader.end - start) this.#refuse(`length ${length}`);
      reader.position = start + 1; // The attributes of a record say nothing yet.
      this.#timestampDelta = reader.varlong();
      if (!Number.isSafeInteger(this.#baseTimestamp + this.#timestampDelta)) {
        this.#refuse(`timestamp delta ${this.#timestampDelta}`);
      }
      this.#moveTo(reader.varint());
      const keyLength = this.#keyLength = reader.varint();
      this.#keyStart = reader.position;
      if (keyLength > 0) reader.skip(keyLength);
      else if (keyLength < -1) this.#refuse(`key length ${keyLength}`);
      const valueLength = this.#valueLength = reader.varint();
      this.#valueStart = reader.position;
      if (valueLength > 0) reader.skip(valueLength);
      else if (valueLength < -1) this.#refuse(`value length ${valueLength}`);
      this.#headersCount = reader.varint();
      this.#headersStart = reader.position;
      if (this.#headersCount !== 0) this.#skipHeaders();
      if (reader.position !== start + length) {
        this.#refuse(`length ${length}, but its fields take ${reader.position - start}`);
      }
    } catch (error) {
      this.#rethrow(error, previous);
    }
    return true;
  }

  get offset(): Offset {
    return this.#baseOffset + this.#offsetDelta;
  }

  /** The broker's time of append where the topic says so, else what the producer gave. */
  get timestamp(): Timestamp {
    return this.#hasLogAppendTime
      ? this.#logAppendTime
      : this.#baseTimestamp + this.#timestampDelta;
  }

  /** The bytes of the record's fields, without its length in front. */
  get sizeInBytes(): number {
    return this.#reader.position - this.#start;
  }

  /** A view on the key; null for none. */
  get key(): Uint8Array | null {
    const start = this.#keyStart;
    return this.#keyLength < 0 ? null : this.#source.subarray(start, start + this.#keyLength);
  }

  /** The bytes of the key; -1 for none. */
  get keyLength(): number {
    return this.#keyLength;
  }

  /** A view on the value; null for none, which in a compacted topic deletes the key. */
  get value(): Uint8Array | null {
    const start = this.#valueStart;
    return this.#valueLength < 0 ? null : this.#source.subarray(start, start + this.#valueLength);
  }

  /** The bytes of the value; -1 for none. */
  get valueLength(): number {
    return this.#valueLength;
  }

  get headersCount(): number {
    return this.#headersCount;
  }

  /** The headers, decoded anew at each call. */
  get headers(): readonly RecordHeader[] {
    if (this.#headersCount === 0) return NO_HEADERS;
    const reader = new ByteReader(this.#source, this.#headersStart, this.#reader.position);
    const headers: RecordHeader[] = [];
    for (let index = 0; index < this.#headersCount; index++) {
      const key = textDecoder.decode(reader.bytes(reader.varint()));
      const valueLength = reader.varint();
      headers.push({ key, value: valueLength < 0 ? null : reader.bytes(valueLength) });
    }
    return headers;
  }

  /** The record as an object; its key, value and headers are views. */
  toRecord(): DecodedRecord {
    const { offset, timestamp, key, value, headers } = this;
    return { offset, timestamp, key, value, headers };
  }

  /** Takes the record's place in the batch, which must be after the one before. */
  #moveTo(offsetDelta: number): void {
    const previous = this.#offsetDelta;
    if (offsetDelta <= previous || offsetDelta > this.#lastOffsetDelta) {
      this.#refuse(`offset delta ${offsetDelta} after ${previous} of ${this.#lastOffsetDelta}`);
    }
    this.#offsetDelta = offsetDelta;
  }

  #skipHeaders(): void {
    const reader = this.#reader;
    // Two bytes a header at the least: a count beyond that must not even be counted to.
    if (this.#headersCount < 0 || this.#headersCount > reader.remaining / 2) {
      this.#refuse(`${this.#headersCount} headers`);
    }
    for (let index = 0; index < this.#headersCount; index++) {
      reader.skip(reader.varint());
      const valueLength = reader.varint();
      if (valueLength > 0) reader.skip(valueLength);
      else if (valueLength < -1) this.#refuse(`header value length ${valueLength}`);
    }
  }

  #finish(): boolean {
    if (this.#reader.remaining > 0 || this.#recordsLeft < 0) {
      this.#refuse(`${this.#reader.remaining} bytes follow the last record`);
    }
    return false;
  }

  #refuse(reason: string): never {
    throw new RangeError(reason);
  }

  /** Says which record it was that could not be read. */
  #rethrow(error: unknown, previousDelta: number): never {
    if (!(error instanceof RangeError)) throw error;
    const offsetDelta = this.#offsetDelta > previousDelta ? this.#offsetDelta : previousDelta + 1;
    throw new CorruptRecordError(this.#baseOffset + offsetDelta, error.message, { cause: error });
  }
}

/**
 * All records of a batch as objects, whose keys and values are views on it.
 *
 * @throws CorruptRecordError, CompressionError, RangeError for an unknown codec
 */
export function decodeRecords(
  batch: BatchView,
  decompressedBytesMax = DECOMPRESSED_BATCH_BYTES_MAX,
): DecodedRecord[] {
  const records: DecodedRecord[] = [];
  const cursor = new RecordCursor(batch, decompressedBytesMax);
  while (cursor.next()) records.push(cursor.toRecord());
  return records;
}
