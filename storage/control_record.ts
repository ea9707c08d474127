/**
 * Control records: what brokers write into a log for brokers and clients to act on, and consumers
 * pass over. Transaction markers (KIP-98) and the quorum's own records (KIP-595, KIP-630).
 *
 * Owns the key of a control record, the marker's value, and batches that hold them. The values of
 * the quorum's records are messages with field tables of their own, which net knows: bytes here.
 *
 * @module
 */

import { readInt16, readInt32, writeInt16, writeInt32 } from "./bytes/big_endian.ts";
import type { Epoch, Offset, ProducerId, Timestamp } from "./bytes/ids.ts";
import type { DecodedRecord } from "./record.ts";
import { RecordBatchBuilder } from "./record_batch_builder.ts";

/** The kinds of control record; the key of a record holds the number. */
const CONTROL_RECORD_TYPE = {
  ABORT: 0,
  COMMIT: 1,
  LEADER_CHANGE: 2,
  SNAPSHOT_HEADER: 3,
  SNAPSHOT_FOOTER: 4,
  KRAFT_VERSION: 5,
  KRAFT_VOTERS: 6,
} as const;

export type ControlRecordType = keyof typeof CONTROL_RECORD_TYPE;

/** A control record taken apart. A type that is not known here is to be passed over. */
export type ControlRecord =
  | { readonly kind: "ABORT" | "COMMIT"; readonly coordinatorEpoch: Epoch }
  | {
    readonly kind: Exclude<ControlRecordType, "ABORT" | "COMMIT">;
    readonly version: number;
    readonly value: Uint8Array;
  }
  | { readonly kind: "UNKNOWN"; readonly type: number };

/** Bytes of a control record's key: version and type. */
const KEY_BYTES = 4;

/** Bytes of a marker's value: version and coordinator epoch. */
const MARKER_VALUE_BYTES = 6;

const NAMES = Object.keys(CONTROL_RECORD_TYPE) as readonly ControlRecordType[];

/**
 * Takes apart a record of a control batch.
 *
 * @throws RangeError when its key, or a marker's value, is too short
 */
export function decodeControlRecord(record: DecodedRecord): ControlRecord {
  const { key, value, offset } = record;
  if (key === null || key.length < KEY_BYTES) {
    throw new RangeError(`Cannot read control record at offset ${offset}: its key is too short`);
  }
  const version = readInt16(key, 0);
  const type = readInt16(key, 2);
  // Versions only ever add fields at the end, so that the known ones are read from any.
  const kind = version < 0 ? undefined : NAMES[type];
  if (kind === undefined) return { kind: "UNKNOWN", type };
  if (kind !== "ABORT" && kind !== "COMMIT") {
    return { kind, version, value: value ?? new Uint8Array(0) };
  }
  if (value === null || value.length < MARKER_VALUE_BYTES) {
    throw new RangeError(`Cannot read ${kind} marker at offset ${offset}: its value is too short`);
  }
  return { kind, coordinatorEpoch: readInt32(value, 2) };
}

/** What a control batch says about where it stands in the log. */
export interface ControlBatchPlace {
  readonly timestamp: Timestamp;
  readonly baseOffset?: Offset;
  readonly partitionLeaderEpoch?: Epoch;
}

/** The end of a transaction in one partition. */
export interface TransactionMarker extends ControlBatchPlace {
  readonly kind: "ABORT" | "COMMIT";
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: Epoch;
}

/** A control record to write, of those that the quorum and its snapshots use. */
export interface ControlRecordContent {
  readonly kind: ControlRecordType;
  readonly version: number;
  readonly value: Uint8Array;
}

/** The batch that ends a transaction: one record, which takes one offset. */
export function buildTransactionMarker(marker: TransactionMarker): Uint8Array {
  const value = new Uint8Array(MARKER_VALUE_BYTES);
  writeInt32(value, 2, marker.coordinatorEpoch);
  return buildBatch([{ kind: marker.kind, version: 0, value }], marker, {
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    isTransactional: true,
  });
}

/** A batch of control records that belong to no producer. */
export function buildControlBatch(
  records: readonly ControlRecordContent[],
  place: ControlBatchPlace,
): Uint8Array {
  return buildBatch(records, place, {});
}

interface ControlBatchOwner {
  readonly producerId?: ProducerId;
  readonly producerEpoch?: number;
  readonly isTransactional?: boolean;
}

function buildBatch(
  records: readonly ControlRecordContent[],
  place: ControlBatchPlace,
  owner: ControlBatchOwner,
): Uint8Array {
  const sizeMax = records.reduce((size, { value }) => size + value.length + 32, 64);
  const builder = new RecordBatchBuilder(new Uint8Array(sizeMax));
  for (const { kind, version, value } of records) {
    const key = new Uint8Array(KEY_BYTES);
    writeInt16(key, 0, version);
    writeInt16(key, 2, CONTROL_RECORD_TYPE[kind]);
    builder.tryAppend(place.timestamp, key, value);
  }
  return builder.build({
    ...owner,
    isControl: true,
    baseOffset: place.baseOffset ?? 0,
    partitionLeaderEpoch: place.partitionLeaderEpoch ?? -1,
  });
}
