/**
 * From when on a segment holds a time: Kafka's `.timeindex`, entries of 12 bytes, `timestamp int64,
 * relative offset int32`. An entry says that no record up to that offset is later than that
 * timestamp, and that the batch which ends with that offset was the first to reach it.
 *
 * Invariants: timestamps rise strictly, offsets do not fall. When a segment is sealed its last
 * entry is its largest timestamp.
 *
 * @module
 */

import { isSafeInt64, readInt64, readUint32 } from "./bytes/big_endian.ts";
import { writeInt32, writeInt64 } from "./bytes/big_endian.ts";
import type { Timestamp } from "./bytes/ids.ts";
import { IndexFile, type IndexResources } from "./index_file.ts";

/** Bytes of one entry. */
export const TIME_INDEX_ENTRY_BYTES = 12;

/** The sparse map from timestamps to relative offsets of one segment. */
export class TimeIndex {
  readonly file: IndexFile;

  constructor(resources: IndexResources, path: string) {
    this.file = new IndexFile(resources, path, TIME_INDEX_ENTRY_BYTES, soundBytes);
  }

  get entries(): number {
    return this.file.entries;
  }

  timestamp(entry: number): Timestamp {
    return readInt64(this.file.bytes, entry * TIME_INDEX_ENTRY_BYTES);
  }

  relativeOffset(entry: number): number {
    return readUint32(this.file.bytes, entry * TIME_INDEX_ENTRY_BYTES + 8);
  }

  /** The last entry that is earlier than `timestamp`, or -1. */
  lastBefore(timestamp: Timestamp): number {
    let low = 0;
    let high = this.entries;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.timestamp(middle) < timestamp) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Adds an entry unless the last one says as much. */
  maybeAppend(timestamp: Timestamp, relativeOffset: number): void {
    const last = this.entries - 1;
    if (last >= 0) {
      if (this.timestamp(last) >= timestamp) return;
      if (this.relativeOffset(last) > relativeOffset) return;
    }
    if (timestamp < 0) return;
    const at = this.file.append();
    const bytes = this.file.bytes;
    writeInt64(bytes, at, timestamp);
    writeInt32(bytes, at + 8, relativeOffset);
  }

  /** Keeps the entries of offsets before `relativeOffset`. */
  truncateTo(relativeOffset: number): void {
    let kept = this.entries;
    while (kept > 0 && this.relativeOffset(kept - 1) >= relativeOffset) kept--;
    this.file.truncate(kept);
  }
}

/**
 * Zeros of sectors that were never written, and anything else that does not rise, end the index.
 */
function soundBytes(bytes: Uint8Array, length: number): number {
  let timestamp = -1;
  let offset = -1;
  for (let at = 0; at < length; at += TIME_INDEX_ENTRY_BYTES) {
    if (!isSafeInt64(bytes, at)) return at;
    const nextTimestamp = readInt64(bytes, at);
    const nextOffset = readUint32(bytes, at + 8);
    if (nextTimestamp <= timestamp || nextOffset < offset || nextOffset > 0x7fffffff) return at;
    // A sector of zeros that begins inside an entry leaves a timestamp with offset 0.
    if (nextOffset === 0 && at > 0) return at;
    timestamp = nextTimestamp;
    offset = nextOffset;
  }
  return length;
}
