/**
 * The records of coordinators as keys and values of a log, byte for byte as Kafka writes them:
 * `int16 version | fields` in both. The version of a key tells its kind.
 *
 * @module
 */

import { decodeMessage, encodeMessage } from "../../net/kafka/codec.ts";
import type { CoordinatorRecordKind } from "../../net/messages/records/coordinator_records.ts";
import { readInt16, writeInt16 } from "../../storage/bytes/big_endian.ts";
import type { EncodedRecord, RecordCodec } from "./machine.ts";

/** A record by the name of its kind: that of its value's table without `Value`. */
export interface KeyedRecord {
  readonly kind: string;
  readonly key: unknown;
  /** Null deletes what the key speaks of. */
  readonly value: unknown;
}

const VERSION_BYTES = 2;

interface Kind extends CoordinatorRecordKind {
  readonly name: string;
  readonly keyVersion: number;
  readonly valueVersion: number;
}

/**
 * The codec of a coordinator's records.
 *
 * @param valueVersions the version in which to write the values of a kind; the latest when absent
 */
export function recordCodec<CoordinatorRecord extends KeyedRecord>(
  kinds: readonly CoordinatorRecordKind[],
  valueVersions: Readonly<Record<string, number>> = {},
): RecordCodec<CoordinatorRecord> {
  const byName = new Map<string, Kind>();
  const byKeyVersion = new Map<number, Kind>();
  for (const { key, value } of kinds) {
    const name = value.name.replace(/Value$/, "");
    const keyVersion = key.versions.max;
    const valueVersion = valueVersions[name] ?? value.versions.max;
    const kind: Kind = { key, value, name, keyVersion, valueVersion };
    byName.set(name, kind);
    for (let version = key.versions.min; version <= keyVersion; version++) {
      byKeyVersion.set(version, kind);
    }
  }
  return {
    encode: (record) => encode(byName.get(record.kind) as Kind, record),
    decode(key, value) {
      const version = key.length < VERSION_BYTES ? -1 : readInt16(key, 0);
      const kind = byKeyVersion.get(version);
      return kind === undefined ? undefined : decode(kind, key, value) as CoordinatorRecord;
    },
  };
}

function encode(kind: Kind, { key, value }: KeyedRecord): EncodedRecord {
  return {
    key: versioned(kind.keyVersion, encodeMessage(kind.key, kind.keyVersion, key)),
    value: value === null
      ? null
      : versioned(kind.valueVersion, encodeMessage(kind.value, kind.valueVersion, value)),
  };
}

function versioned(version: number, fields: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(VERSION_BYTES + fields.length);
  writeInt16(bytes, 0, version);
  bytes.set(fields, VERSION_BYTES);
  return bytes;
}

function decode(kind: Kind, key: Uint8Array, value: Uint8Array | null): KeyedRecord {
  const fields = (bytes: Uint8Array) => bytes.subarray(VERSION_BYTES);
  return {
    kind: kind.name,
    key: decodeMessage(kind.key, readInt16(key, 0), fields(key)),
    value: value === null ? null : decodeMessage(kind.value, readInt16(value, 0), fields(value)),
  };
}
