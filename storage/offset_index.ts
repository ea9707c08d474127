/**
 * Where in a segment an offset is: Kafka's `.index`, entries of 8 bytes, `relative offset,
 * position`, both int32. An entry says that the batch at `position` ends with that offset.
 *
 * Invariants: offsets and positions rise strictly from entry to entry. There is one entry for about
 * every `index.interval.bytes` of log, so a lookup gives a place to start walking, not an answer.
 *
 * @module
 */

import { readUint32, writeInt32 } from "./bytes/big_endian.ts";
import { IndexFile, type IndexResources } from "./index_file.ts";

/** Bytes of one entry. */
export const OFFSET_INDEX_ENTRY_BYTES = 8;

/** The sparse map from relative offsets to positions of one segment. */
export class OffsetIndex {
  readonly file: IndexFile;

  constructor(resources: IndexResources, path: string) {
    this.file = new IndexFile(resources, path, OFFSET_INDEX_ENTRY_BYTES, soundBytes);
  }

  get entries(): number {
    return this.file.entries;
  }

  relativeOffset(entry: number): number {
    return readUint32(this.file.bytes, entry * OFFSET_INDEX_ENTRY_BYTES);
  }

  position(entry: number): number {
    return readUint32(this.file.bytes, entry * OFFSET_INDEX_ENTRY_BYTES + 4);
  }

  /** The last entry whose offset is at most `relativeOffset`, or -1. */
  floorByOffset(relativeOffset: number): number {
    return this.#floor(relativeOffset, 0);
  }

  /** The last entry whose position is at most `position`, or -1. */
  floorByPosition(position: number): number {
    return this.#floor(position, 4);
  }

  /** Adds an entry; one that does not rise is a bug of the caller. */
  append(relativeOffset: number, position: number): void {
    const last = this.entries - 1;
    if (last >= 0 && this.relativeOffset(last) >= relativeOffset) {
      throw new RangeError(
        `Cannot add offset ${relativeOffset} to ${this.file.path}: last is ${
          this.relativeOffset(last)
        }`,
      );
    }
    const at = this.file.append();
    const bytes = this.file.bytes;
    writeInt32(bytes, at, relativeOffset);
    writeInt32(bytes, at + 4, position);
  }

  /** Keeps the entries whose batches end before `relativeOffset`. */
  truncateTo(relativeOffset: number): void {
    this.file.truncate(this.floorByOffset(relativeOffset - 1) + 1);
  }

  #floor(value: number, field: 0 | 4): number {
    const length = this.file.lengthInBytes;
    const bytes = this.file.bytes;
    let low = 0;
    let high = length / OFFSET_INDEX_ENTRY_BYTES;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (readUint32(bytes, middle * OFFSET_INDEX_ENTRY_BYTES + field) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/**
 * Zeros of sectors that were never written, and anything else that does not rise, end the index.
 */
function soundBytes(bytes: Uint8Array, length: number): number {
  let offset = -1;
  let position = -1;
  for (let at = 0; at < length; at += OFFSET_INDEX_ENTRY_BYTES) {
    const nextOffset = readUint32(bytes, at);
    const nextPosition = readUint32(bytes, at + 4);
    if (
      nextOffset <= offset || nextPosition <= position ||
      nextOffset > 0x7fffffff || nextPosition > 0x7fffffff
    ) return at;
    offset = nextOffset;
    position = nextPosition;
  }
  return length;
}
