/**
 * Snapshots of the metadata: everything below an offset, in a file of its own (KIP-630).
 *
 * Owns the files: their names (`<end offset>-<epoch>.checkpoint`, as Kafka's), what stands in them,
 * and how one comes to be: beside its place, synced, then renamed, so that a crash leaves a whole
 * snapshot or none. Does not own when one is made, nor what becomes of the log below it.
 *
 * @module
 */

import type { Timestamp } from "../../storage/bytes/ids.ts";
import { readSmallFile } from "../../storage/checkpoint.ts";
import { buildControlBatch } from "../../storage/control_record.ts";
import type { Disk, File } from "../../storage/disk.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import { BatchView, setBaseOffset, setPartitionLeaderEpoch } from "../../storage/record_batch.ts";
import { checkBatch } from "../../storage/record_batch_validation.ts";
import { encodeMessage } from "../../net/kafka/codec.ts";
import { SNAPSHOT_FOOTER_RECORD } from "../../net/messages/records/snapshot_footer_record.ts";
import { SNAPSHOT_HEADER_RECORD } from "../../net/messages/records/snapshot_header_record.ts";
import { encodeMetadata } from "./metadata_batches.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import type { SnapshotId, SnapshotPart } from "./quorum_log.ts";
import { controlContent } from "./quorum_records.ts";
import type { VoterSet } from "./voters.ts";

const SUFFIX = ".checkpoint";
/** Behind the name of a snapshot that is not whole yet; Kafka's. */
const PART_SUFFIX = ".part";

/** Bytes of records in one batch of a snapshot, about. */
const BATCH_BYTES = 64 * 1024;

/** What a snapshot holds. */
export interface SnapshotContent {
  readonly records: Iterable<MetadataRecord>;
  /** Undefined where no record says who votes. */
  readonly voters: VoterSet | undefined;
  /** Of the last record that it covers. */
  readonly timestamp: Timestamp;
}

/** The snapshots in one folder. */
export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  #latest: SnapshotId | undefined;
  #incoming: { readonly id: SnapshotId; file: File | undefined } | undefined;

  /** Removes what was left half done. @throws {DiskError} */
  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
    for (const { name } of disk.status(folder) === undefined ? [] : disk.list(folder)) {
      if (name.endsWith(SUFFIX + PART_SUFFIX)) disk.remove(`${folder}/${name}`);
      const id = parseName(name);
      // The listing is sorted by name, which is by end offset and epoch.
      if (id !== undefined) this.#latest = id;
    }
  }

  get latest(): SnapshotId | undefined {
    return this.#latest;
  }

  /** All of the latest snapshot: its batches. @throws {Error} when it is damaged */
  readLatest(): Uint8Array | undefined {
    if (this.#latest === undefined) return undefined;
    const path = this.#path(this.#latest);
    const bytes = readSmallFile(this.#disk, path);
    if (bytes === undefined) throw new Error(`Cannot read ${path}: it is gone`);
    checkSnapshot(bytes, path);
    return bytes;
  }

  /** A part of a snapshot; undefined where that is not the latest. */
  read(id: SnapshotId, position: number, maxBytes: number): SnapshotPart | undefined {
    if (id.endOffset !== this.#latest?.endOffset || id.epoch !== this.#latest.epoch) {
      return undefined;
    }
    const file = this.#disk.open(this.#path(id));
    try {
      const size = file.size();
      const bytes = new Uint8Array(Math.max(0, Math.min(maxBytes, size - position)));
      const read = bytes.length === 0 ? 0 : file.read(bytes, position);
      return { size, bytes: bytes.subarray(0, read) };
    } finally {
      file.close();
    }
  }

  /** Makes a snapshot; durable on return. @throws {DiskError} and there is none */
  write(id: SnapshotId, content: SnapshotContent): void {
    const file = this.#createPart(id);
    try {
      let position = 0;
      for (const batch of snapshotBatches(id, content)) {
        file.write(batch, position);
        position += batch.length;
      }
      file.sync();
    } finally {
      file.close();
    }
    this.#keep(id);
  }

  /** Begins to take in a snapshot of another node's. @throws {DiskError} */
  begin(id: SnapshotId): void {
    this.drop();
    this.#incoming = { id, file: undefined };
  }

  /** @throws {DiskError} with what was there before */
  append(position: number, bytes: Uint8Array): void {
    const incoming = this.#incoming;
    if (incoming === undefined) throw new Error("Cannot take in a snapshot: none is begun");
    incoming.file ??= this.#createPart(incoming.id);
    incoming.file.write(bytes, position);
  }

  /** Checks and keeps what was taken in; durable on return. @throws {Error} */
  adopt(): SnapshotId {
    const { id, file } = this.#incoming ?? {};
    if (id === undefined || file === undefined) {
      throw new Error("Cannot adopt a snapshot: none was taken in");
    }
    const bytes = new Uint8Array(file.size());
    file.read(bytes, 0);
    checkSnapshot(bytes, file.path);
    file.sync();
    file.close();
    this.#incoming = undefined;
    this.#keep(id);
    return id;
  }

  /** Forgets what was taken in. */
  drop(): void {
    const file = this.#incoming?.file;
    this.#incoming = undefined;
    if (file === undefined) return;
    file.close();
    this.#disk.remove(file.path);
  }

  /** Removes the snapshots before the latest: nothing refers to them any more. */
  removeOlder(): void {
    for (const { name } of this.#disk.list(this.#folder)) {
      const id = parseName(name);
      if (id === undefined || id.endOffset >= (this.#latest?.endOffset ?? 0)) continue;
      this.#disk.remove(`${this.#folder}/${name}`);
    }
  }

  #createPart(id: SnapshotId): File {
    const file = this.#disk.open(this.#path(id) + PART_SUFFIX, { create: true });
    file.truncate(0);
    return file;
  }

  #keep(id: SnapshotId): void {
    const path = this.#path(id);
    this.#disk.rename(path + PART_SUFFIX, path);
    this.#disk.syncDirectory(this.#folder);
    this.#latest = id;
  }

  #path(id: SnapshotId): string {
    return `${this.#folder}/${snapshotName(id)}`;
  }
}

/** The name of a snapshot's file. */
function snapshotName({ endOffset, epoch }: SnapshotId): string {
  return `${String(endOffset).padStart(20, "0")}-${String(epoch).padStart(10, "0")}${SUFFIX}`;
}

function parseName(name: string): SnapshotId | undefined {
  const match = /^([0-9]{20})-([0-9]{10})\.checkpoint$/.exec(name);
  return match === null ? undefined : { endOffset: Number(match[1]), epoch: Number(match[2]) };
}

/** Every batch must be sound; what is not was damaged on the disk or on its way. */
function checkSnapshot(bytes: Uint8Array, path: string): void {
  const batch = new BatchView();
  let isControl = false;
  for (let position = 0; position < bytes.length; position += batch.sizeInBytes) {
    const fault = checkBatch(bytes, position, bytes.length);
    if (fault !== null) throw new Error(`Cannot read ${path} at ${position}: ${fault.reason}`);
    isControl = batch.moveTo(bytes, position).isControl;
  }
  // The footer is a control batch; nothing else that ends a file can be.
  if (!isControl) throw new Error(`Cannot read ${path}: it has no end`);
}

function* snapshotBatches(
  id: SnapshotId,
  { records, voters, timestamp }: SnapshotContent,
): Generator<Uint8Array> {
  let offset = 0;
  const stamp = (batch: Uint8Array): Uint8Array => {
    setBaseOffset(batch, 0, offset);
    setPartitionLeaderEpoch(batch, 0, id.epoch);
    offset += new BatchView(batch, 0).lastOffsetDelta + 1;
    return batch;
  };
  const header = encodeMessage(SNAPSHOT_HEADER_RECORD, 0, {
    version: 0,
    lastContainedLogTimestamp: timestamp,
  });
  const opening = [{ kind: "SNAPSHOT_HEADER", version: 0, value: header } as const];
  const who = voters === undefined ? [] : [
    controlContent({ kind: "kraft-version", version: 1 }),
    controlContent({ kind: "voters", voters }),
  ];
  yield stamp(buildControlBatch([...opening, ...who], { timestamp }));
  for (const batch of dataBatches(records, timestamp)) yield stamp(batch);
  const footer = encodeMessage(SNAPSHOT_FOOTER_RECORD, 0, { version: 0 });
  const closing = { kind: "SNAPSHOT_FOOTER", version: 0, value: footer } as const;
  yield stamp(buildControlBatch([closing], { timestamp }));
}

function* dataBatches(
  records: Iterable<MetadataRecord>,
  timestamp: Timestamp,
): Generator<Uint8Array> {
  let values: Uint8Array[] = [];
  let bytes = 0;
  const batch = () => {
    const builder = new RecordBatchBuilder(new Uint8Array(bytes + values.length * 32 + 256));
    for (const value of values) builder.tryAppend(timestamp, null, value);
    values = [];
    bytes = 0;
    return builder.build();
  };
  for (const record of records) {
    const value = encodeMetadata(record);
    values.push(value);
    bytes += value.length;
    if (bytes >= BATCH_BYTES) yield batch();
  }
  if (values.length > 0) yield batch();
}
