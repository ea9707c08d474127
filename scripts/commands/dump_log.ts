/**
 * What is in a segment's `.log`: batch by batch, each with its checksum computed, and on request
 * the records in it.
 *
 * @module
 */

import { decodeControlRecord } from "../../storage/control_record.ts";
import type { File } from "../../storage/disk.ts";
import { type DecodedRecord, decodeRecords } from "../../storage/record.ts";
import type { BatchView } from "../../storage/record_batch.ts";
import { SegmentScan } from "../../storage/segment_scan.ts";
import type { Output } from "./output.ts";
import { jsonOf } from "./record_format.ts";

const WINDOW_BYTES = 1024 * 1024;

export interface DumpOptions {
  readonly records: boolean;
  readonly json: boolean;
}

/** Prints a log; returns what is wrong with it. */
export async function dumpLog(
  file: File,
  { records, json }: DumpOptions,
  output: Output,
): Promise<string[]> {
  const problems: string[] = [];
  const size = file.size();
  const scan = new SegmentScan({
    file,
    from: 0,
    to: size,
    buffer: new Uint8Array(WINDOW_BYTES),
    whole: true,
  });
  let nextOffset = 0;
  while (scan.next()) {
    const { batch, position } = scan;
    const described = describe(batch, position);
    if (!described.isValid) problems.push(`The batch at position ${position} fails its checksum`);
    if (described.baseOffset < nextOffset) {
      problems.push(`The batch at position ${position} goes back to ${described.baseOffset}`);
    }
    nextOffset = Math.max(nextOffset, described.nextOffset);
    const read = records && described.isValid ? readRecords(batch, problems) : undefined;
    if (json) output.writeLine(JSON.stringify(asJson(described, batch, read)));
    else printBatch(described, batch, read, output);
    if (output.isFull) await output.flush();
  }
  const rest = size - scan.nextPosition;
  if (rest > 0) {
    const what = scan.stoppedBy === "malformed" ? "are no batch" : "are the torn start of a batch";
    problems.push(`The last ${rest} bytes, from position ${scan.nextPosition}, ${what}`);
  }
  return problems;
}

/** The fields of a batch, with Kafka's names. */
interface DescribedBatch {
  readonly position: number;
  readonly sizeInBytes: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly nextOffset: number;
  readonly recordsCount: number;
  readonly crc: number;
  readonly isValid: boolean;
}

function describe(batch: BatchView, position: number): DescribedBatch {
  const { sizeInBytes, baseOffset, lastOffset, nextOffset, recordsCount, crc } = batch;
  const isValid = crc === batch.computeCrc();
  return { position, sizeInBytes, baseOffset, lastOffset, nextOffset, recordsCount, crc, isValid };
}

function readRecords(batch: BatchView, problems: string[]): DecodedRecord[] {
  try {
    return decodeRecords(batch);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
    return [];
  }
}

function compressionOf(batch: BatchView): string {
  try {
    return batch.compression;
  } catch {
    return `codec ${batch.attributes & 7}`;
  }
}

function printBatch(
  described: DescribedBatch,
  batch: BatchView,
  records: readonly DecodedRecord[] | undefined,
  output: Output,
): void {
  const { position, baseOffset, lastOffset, recordsCount, sizeInBytes, isValid } = described;
  const parts = [
    `position ${position}`,
    `offsets ${baseOffset}-${lastOffset}`,
    `records ${recordsCount}`,
    `bytes ${sizeInBytes}`,
    `leaderEpoch ${batch.partitionLeaderEpoch}`,
    compressionOf(batch),
    batch.timestampType,
    timeText(batch.maxTimestamp),
    batch.producerId < 0
      ? ""
      : `producer ${batch.producerId} epoch ${batch.producerEpoch} sequence ${batch.baseSequence}`,
    batch.isTransactional ? "transactional" : "",
    batch.isControl ? "control" : "",
    isValid ? "crc ok" : "crc WRONG",
  ];
  output.writeLine(parts.filter((part) => part !== "").join("  "));
  for (const record of records ?? []) {
    output.writeLine(`  ${printedRecord(record, batch.isControl)}`);
  }
}

function printedRecord(record: DecodedRecord, isControl: boolean): string {
  const start = `offset ${record.offset}  ${timeText(record.timestamp)}`;
  if (isControl) return `${start}  ${controlKind(record)}`;
  const headers = record.headers.map(({ key, value }) => `${key}=${shown(value)}`);
  return [
    start,
    `key ${shown(record.key)}`,
    `value ${shown(record.value)}`,
    headers.length === 0 ? "" : `headers ${headers.join(",")}`,
  ].filter((part) => part !== "").join("  ");
}

function controlKind(record: DecodedRecord): string {
  try {
    return decodeControlRecord(record).kind;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Text as it is but for line ends; other bytes in base64. */
function shown(bytes: Uint8Array | null): string {
  const json = jsonOf(bytes);
  if (json === null) return "null";
  return typeof json === "string" ? JSON.stringify(json) : `base64:${json.base64}`;
}

/** A timestamp to read; as a number where it is none. */
export function timeText(timestamp: number): string {
  const date = new Date(timestamp);
  return timestamp < 0 || Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString();
}

function asJson(
  { position, sizeInBytes, baseOffset, lastOffset, recordsCount, crc, isValid }: DescribedBatch,
  batch: BatchView,
  records: readonly DecodedRecord[] | undefined,
): unknown {
  return {
    position,
    sizeInBytes,
    baseOffset,
    lastOffset,
    partitionLeaderEpoch: batch.partitionLeaderEpoch,
    magic: batch.magic,
    crc,
    isValid,
    compression: compressionOf(batch),
    timestampType: batch.timestampType,
    isTransactional: batch.isTransactional,
    isControl: batch.isControl,
    baseTimestamp: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    recordsCount,
    ...(records === undefined ? {} : {
      records: records.map(({ offset, timestamp, key, value, headers }) => ({
        offset,
        timestamp,
        key: jsonOf(key),
        value: jsonOf(value),
        headers: headers.map((header) => ({ key: header.key, value: jsonOf(header.value) })),
      })),
    }),
  };
}
