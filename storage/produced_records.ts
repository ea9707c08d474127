/**
 * What a leader does with the records of a batch before it appends it, where it must look at them:
 * it checks what the topic asks of each, and compresses them as the topic says.
 *
 * Owns those rules and what is said of records that break them (KIP-467). It does not own what the
 * header alone tells (record_batch_validation.ts, log_append.ts). A batch that nothing asks to be
 * looked into passes untouched, and unseen: to decompress each would cost ten to sixty times what
 * all other checks of it do.
 *
 * Invariants: nothing comes out larger than is allowed; a batch takes no more offsets than it has
 * bytes, unless its records were counted; whatever the bytes, nothing is thrown.
 *
 * @module
 */

import { CompressionError, DecompressionBombError } from "./compression_errors.ts";
import { compress, type Compression, decompress, idOfCompression } from "./compression.ts";
import type { Timestamp } from "./bytes/ids.ts";
import { RecordWalk } from "./compaction_walk.ts";
import { UNLIMITED } from "./log_config.ts";
import {
  BATCH_ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_PREFIX_BYTES,
  BatchView,
  sealBatch,
} from "./record_batch.ts";
import { writeInt16, writeInt32 } from "./bytes/big_endian.ts";

/** How a topic has batches stored: `compression.type` and its level. */
export interface StoredCompression {
  /** `producer` leaves them as they come. */
  readonly type: Compression | "producer";
  readonly level: number | undefined;
}

/** What a topic asks of records. */
export interface ProducedRecordRules {
  readonly compression: StoredCompression;
  /** Compacted topics have no place for records without a key. */
  readonly keysRequired: boolean;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  readonly decompressedBytesMax: number;
}

/** What is wrong with one record of a batch. */
export interface RecordError {
  /** Which of the batch's records, from 0. */
  readonly batchIndex: number;
  readonly message: string;
}

export type PreparedBatch =
  /** Append it as it is. */
  | { readonly kind: "untouched" }
  /** Append this instead. */
  | { readonly kind: "recoded"; readonly records: Uint8Array }
  | {
    readonly kind: "refused";
    readonly error: "INVALID_RECORD" | "INVALID_TIMESTAMP" | "MESSAGE_TOO_LARGE";
    readonly reason: string;
    readonly recordErrors: readonly RecordError[];
  };

const UNTOUCHED: PreparedBatch = { kind: "untouched" };
const NO_ERRORS: readonly RecordError[] = Object.freeze([]);
/** Errors of so many records are told one by one. */
const RECORD_ERRORS_MAX = 1000;

const batchView = new BatchView();
const walk = new RecordWalk();

/** Looks into a batch that a producer sent, whose header is sound, if anything asks for that. */
export function prepareProducedBatch(
  records: Uint8Array,
  rules: ProducedRecordRules,
  now: Timestamp,
): PreparedBatch {
  const batch = batchView.moveTo(records, 0);
  const { compression: { type } } = rules;
  const recodes = type !== "producer" && type !== batch.compression;
  const checksTimes = rules.timestampType === "CreateTime" &&
    (rules.timestampBeforeMaxMs < UNLIMITED ||
      batch.maxTimestamp - now > rules.timestampAfterMaxMs);
  const counts = batch.recordsCount > batch.sizeInBytes - BATCH_HEADER_BYTES;
  if (!recodes && !rules.keysRequired && !checksTimes && !counts) return UNTOUCHED;
  try {
    const body = decompress(batch.compression, batch.body, rules.decompressedBytesMax);
    const errors = checkRecords(batch, body, rules, checksTimes, now);
    if (errors.all.length > 0) return refuseRecords(errors);
    return recodes ? recode(batch, body, rules.compression) : UNTOUCHED;
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof CompressionError)) throw error;
    const isTooLarge = error instanceof DecompressionBombError;
    const code = isTooLarge ? "MESSAGE_TOO_LARGE" : "INVALID_RECORD";
    return { kind: "refused", error: code, reason: error.message, recordErrors: NO_ERRORS };
  }
}

interface Errors {
  readonly all: RecordError[];
  /** Whether no record has another fault than its time. */
  timesOnly: boolean;
}

/** @throws {RangeError} when the records are not laid out as the header says */
function checkRecords(
  batch: BatchView,
  body: Uint8Array,
  rules: ProducedRecordRules,
  checksTimes: boolean,
  now: Timestamp,
): Errors {
  const errors: Errors = { all: [], timesOnly: true };
  const { baseTimestamp, recordsCount } = batch;
  const { keysRequired, timestampBeforeMaxMs, timestampAfterMaxMs } = rules;
  let index = 0;
  walk.reset(body, 0, body.length);
  for (; walk.next(); index++) {
    if (walk.offsetDelta !== index) {
      throw new RangeError(`Record ${index} has offset delta ${walk.offsetDelta}`);
    }
    if (keysRequired && walk.keyLength < 0) {
      errors.timesOnly = false;
      note(errors, index, "Compacted topic cannot accept message without key");
    } else if (checksTimes) {
      const timestamp = baseTimestamp + walk.timestampDelta;
      if (timestamp < 0) continue;
      if (timestamp - now > timestampAfterMaxMs || now - timestamp > timestampBeforeMaxMs) {
        note(errors, index, `Timestamp ${timestamp} of message is out of range of ${now}`);
      }
    }
  }
  if (index !== recordsCount) {
    throw new RangeError(`The batch says that it has ${recordsCount} records and has ${index}`);
  }
  return errors;
}

function note({ all }: Errors, batchIndex: number, message: string): void {
  if (all.length < RECORD_ERRORS_MAX) all.push({ batchIndex, message });
}

function refuseRecords({ all, timesOnly }: Errors): PreparedBatch {
  const shown = all.slice(0, 3).map(({ batchIndex, message }) => `${batchIndex}: ${message}`);
  const reason = `One or more records have been rejected due to ${all.length} record errors in ` +
    `total, and only showing the first three errors at most: [${shown.join("; ")}]`;
  const error = timesOnly ? "INVALID_TIMESTAMP" : "INVALID_RECORD";
  return { kind: "refused", error, reason, recordErrors: all };
}

/** The batch with its records compressed in another way. */
function recode(
  batch: BatchView,
  body: Uint8Array,
  { type, level }: StoredCompression,
): PreparedBatch {
  const codec = type as Compression;
  const stored = compress(codec, body, level);
  const records = new Uint8Array(BATCH_HEADER_BYTES + stored.length);
  records.set(batch.source.subarray(batch.position, batch.position + BATCH_HEADER_BYTES));
  records.set(stored, BATCH_HEADER_BYTES);
  writeInt32(records, BATCH_FIELD.batchLength, records.length - BATCH_LENGTH_PREFIX_BYTES);
  const attributes = batch.attributes & ~BATCH_ATTRIBUTE.compressionMask | idOfCompression(codec);
  writeInt16(records, BATCH_FIELD.attributes, attributes);
  sealBatch(records, 0);
  return { kind: "recoded", records };
}
