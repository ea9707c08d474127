/**
 * What is in a segment's `.index`, `.timeindex` and `.snapshot`.
 *
 * @module
 */

import { readInt64, readUint32 } from "../../storage/bytes/big_endian.ts";
import { OFFSET_INDEX_ENTRY_BYTES } from "../../storage/offset_index.ts";
import { decodeProducerEntries } from "../../storage/producer_snapshots.ts";
import { TIME_INDEX_ENTRY_BYTES } from "../../storage/time_index.ts";
import { timeText } from "./dump_log.ts";
import type { Output } from "./output.ts";

/** Prints an offset index; returns what is wrong with it. */
export function dumpOffsetIndex(
  bytes: Uint8Array,
  baseOffset: number,
  json: boolean,
  output: Output,
): string[] {
  let offset = -1;
  let position = -1;
  return dumpEntries(bytes, OFFSET_INDEX_ENTRY_BYTES, (at) => {
    const isRising = readUint32(bytes, at) > offset && readUint32(bytes, at + 4) > position;
    offset = readUint32(bytes, at);
    position = readUint32(bytes, at + 4);
    const entry = { offset: baseOffset + offset, position };
    output.writeLine(
      json ? JSON.stringify(entry) : `offset ${entry.offset}  position ${entry.position}`,
    );
    return isRising;
  });
}

/** Prints a time index; returns what is wrong with it. */
export function dumpTimeIndex(
  bytes: Uint8Array,
  baseOffset: number,
  json: boolean,
  output: Output,
): string[] {
  let timestamp = -1;
  let offset = -1;
  return dumpEntries(bytes, TIME_INDEX_ENTRY_BYTES, (at) => {
    const isRising = readInt64(bytes, at) > timestamp && readUint32(bytes, at + 8) >= offset;
    timestamp = readInt64(bytes, at);
    offset = readUint32(bytes, at + 8);
    const entry = { timestamp, offset: baseOffset + offset };
    output.writeLine(
      json ? JSON.stringify(entry) : `${timeText(timestamp)}  offset ${entry.offset}`,
    );
    return isRising;
  });
}

/** Prints the producers of a snapshot. */
export function dumpSnapshot(
  bytes: Uint8Array,
  name: string,
  json: boolean,
  output: Output,
): string[] {
  for (const entry of decodeProducerEntries(bytes, name)) {
    const { producerId, producerEpoch, lastTimestamp, currentTransactionFirstOffset } = entry;
    const last = entry.batches.at(-1);
    if (json) output.writeLine(JSON.stringify(entry));
    else {
      output.writeLine(
        [
          `producer ${producerId} epoch ${producerEpoch}`,
          last === undefined ? "" : `sequence ${last.lastSequence}  offset ${last.lastOffset}`,
          timeText(lastTimestamp),
          currentTransactionFirstOffset < 0 ? "" : `transaction ${currentTransactionFirstOffset}`,
        ].filter((part) => part !== "").join("  "),
      );
    }
  }
  return [];
}

/** Walks over entries of one size, up to the zeros that a preallocated index ends in. */
function dumpEntries(
  bytes: Uint8Array,
  entryBytes: number,
  dump: (at: number) => boolean,
): string[] {
  const problems: string[] = [];
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  const entries = Math.ceil(length / entryBytes);
  for (let entry = 0; entry < entries && (entry + 1) * entryBytes <= bytes.length; entry++) {
    if (!dump(entry * entryBytes)) problems.push(`Entry ${entry} does not rise`);
  }
  const torn = bytes.length % entryBytes;
  if (torn > 0) problems.push(`The last ${torn} bytes are the torn start of an entry`);
  return problems;
}
