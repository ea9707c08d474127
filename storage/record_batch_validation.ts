/**
 * What a batch must be before a log takes it: sound (for whatever comes from a disk or a leader)
 * and proper (for what a producer sends).
 *
 * Owns the checks that need no look at the records: header fields and checksum. It does not own the
 * checks against the log's state (sequence numbers, epochs, transactions) nor those of a topic's
 * policy that need the records (keys in compacted topics, timestamps out of bounds).
 *
 * Invariants: it never throws, whatever the bytes; nothing after `to` is read; a batch found sound
 * can be read by every getter of BatchView.
 *
 * @module
 */

import { isSafeInt64 } from "./bytes/big_endian.ts";
import { COMPRESSION_ID_MAX } from "./compression.ts";
import {
  BATCH_ATTRIBUTE,
  BATCH_FIELD,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchSizeAt,
  BatchView,
} from "./record_batch.ts";

/** The names of Kafka's error codes that a faulty batch is answered with. */
export type BatchFaultKind =
  | "CORRUPT_MESSAGE"
  | "INVALID_RECORD"
  | "INVALID_TIMESTAMP"
  | "MESSAGE_TOO_LARGE"
  | "UNSUPPORTED_COMPRESSION_TYPE"
  | "UNSUPPORTED_FOR_MESSAGE_FORMAT";

/** What is wrong with a batch; the reason is for people. */
export interface BatchFault {
  readonly kind: BatchFaultKind;
  readonly reason: string;
}

/** What a log accepts from a producer. */
export interface ProducedBatchLimits {
  /** `max.message.bytes`: the largest whole batch. */
  readonly batchBytesMax: number;
  /** Coordinators write control batches; clients must not. */
  readonly allowControl?: boolean;
}

/** Every record takes at least seven bytes: its length and six empty fields. */
const RECORD_BYTES_MIN = 7;

/**
 * Checks that a whole batch with a right checksum starts at `position` and ends by `to`.
 * More batches may follow it: `batchSizeAt` tells where.
 */
export function checkBatch(bytes: Uint8Array, position: number, to: number): BatchFault | null {
  return checkFraming(bytes, position, to) ?? checkContent(bytes, position);
}

/**
 * Checks that the bytes from `from` up to `to` are exactly one batch of the kind a producer sends.
 * An empty range is a fault too.
 */
export function validateProducedBatch(
  bytes: Uint8Array,
  from: number,
  to: number,
  limits: ProducedBatchLimits,
): BatchFault | null {
  const framingFault = checkFraming(bytes, from, to);
  if (framingFault !== null) return framingFault;
  const size = batchSizeAt(bytes, from, to);
  if (size !== to - from) {
    return fault("INVALID_RECORD", `${to - from - size} bytes follow the only batch allowed`);
  }
  if (size > limits.batchBytesMax) {
    return fault("MESSAGE_TOO_LARGE", `batch of ${size} bytes, limit ${limits.batchBytesMax}`);
  }
  const contentFault = checkContent(bytes, from);
  if (contentFault !== null) return contentFault;
  const batch = new BatchView(bytes, from);
  return checkAttributes(batch, limits.allowControl === true) ?? checkNumbering(batch) ??
    checkProducer(batch);
}

/** Length and format. The magic comes first: older formats keep it in the same place. */
function checkFraming(bytes: Uint8Array, position: number, to: number): BatchFault | null {
  const available = to - position;
  if (available > BATCH_FIELD.magic) {
    const magic = bytes[position + BATCH_FIELD.magic]!;
    if (magic < BATCH_MAGIC) {
      return fault("UNSUPPORTED_FOR_MESSAGE_FORMAT", `magic ${magic}, must be ${BATCH_MAGIC}`);
    }
    if (magic > BATCH_MAGIC) {
      return fault("CORRUPT_MESSAGE", `magic ${magic}, must be ${BATCH_MAGIC}`);
    }
  }
  if (available < BATCH_HEADER_BYTES) {
    return fault("CORRUPT_MESSAGE", `${available} bytes, a header takes ${BATCH_HEADER_BYTES}`);
  }
  const size = batchSizeAt(bytes, position, to);
  if (size < BATCH_HEADER_BYTES || size > available) {
    return fault("CORRUPT_MESSAGE", `batch claims ${size} bytes, there are ${available}`);
  }
  return null;
}

/** Checksum, numbers that fit a number, and an end that lies after the start. */
function checkContent(bytes: Uint8Array, position: number): BatchFault | null {
  const batch = new BatchView(bytes, position);
  const crc = batch.computeCrc();
  if (crc !== batch.crc) {
    return fault("CORRUPT_MESSAGE", `checksum ${hex(batch.crc)}, content has ${hex(crc)}`);
  }
  const safe = isSafeInt64(bytes, position + BATCH_FIELD.baseOffset) &&
    isSafeInt64(bytes, position + BATCH_FIELD.baseTimestamp) &&
    isSafeInt64(bytes, position + BATCH_FIELD.maxTimestamp) &&
    isSafeInt64(bytes, position + BATCH_FIELD.producerId);
  if (!safe) return fault("INVALID_RECORD", "offset, timestamp or producer id above 2^53");
  const { baseOffset, lastOffsetDelta } = batch;
  if (lastOffsetDelta < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta + 1)) {
    return fault("INVALID_RECORD", `last offset delta ${lastOffsetDelta} at offset ${baseOffset}`);
  }
  return null;
}

function checkAttributes(batch: BatchView, allowControl: boolean): BatchFault | null {
  const attributes = batch.attributes;
  const codecId = attributes & BATCH_ATTRIBUTE.compressionMask;
  if (codecId > COMPRESSION_ID_MAX) {
    return fault("UNSUPPORTED_COMPRESSION_TYPE", `unknown codec ${codecId}`);
  }
  const foreign = BATCH_ATTRIBUTE.unusedMask | BATCH_ATTRIBUTE.deleteHorizon;
  if ((attributes & foreign) !== 0) {
    return fault("INVALID_RECORD", `attributes ${hex(attributes & 0xffff)} set unused bits`);
  }
  if (batch.isControl && !allowControl) {
    return fault("INVALID_RECORD", "control batches are for brokers to write");
  }
  if (batch.timestampType === "LogAppendTime") {
    return fault("INVALID_TIMESTAMP", "only a broker sets the timestamp type LogAppendTime");
  }
  return null;
}

function checkNumbering(batch: BatchView): BatchFault | null {
  const { baseOffset, recordsCount, lastOffsetDelta } = batch;
  if (baseOffset !== 0) {
    return fault("INVALID_RECORD", `base offset ${baseOffset}, must be 0`);
  }
  if (recordsCount <= 0) {
    return fault("INVALID_RECORD", `${recordsCount} records, must be one or more`);
  }
  if (lastOffsetDelta !== recordsCount - 1) {
    return fault("INVALID_RECORD", `${recordsCount} records, last offset delta ${lastOffsetDelta}`);
  }
  const bodyBytes = batch.sizeInBytes - BATCH_HEADER_BYTES;
  if (batch.compression === "none" && recordsCount * RECORD_BYTES_MIN > bodyBytes) {
    return fault("INVALID_RECORD", `${recordsCount} records cannot fit ${bodyBytes} bytes`);
  }
  return null;
}

function checkProducer(batch: BatchView): BatchFault | null {
  const { producerId, producerEpoch, baseSequence } = batch;
  if (producerId < 0) {
    if (producerId < -1) return fault("INVALID_RECORD", `producer id ${producerId}`);
    return batch.isTransactional
      ? fault("INVALID_RECORD", "transactional batch without producer id")
      : null;
  }
  if (producerEpoch < 0) return fault("INVALID_RECORD", `producer epoch ${producerEpoch}`);
  // Markers carry the producer's id but take no place in its sequence.
  if (!batch.isControl && baseSequence < 0) {
    return fault("INVALID_RECORD", `producer ${producerId} with sequence ${baseSequence}`);
  }
  return null;
}

function fault(kind: BatchFaultKind, reason: string): BatchFault {
  return { kind, reason };
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
