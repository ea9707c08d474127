/**
 * The metadata log, `__cluster_metadata-0`: a log like any other, that holds metadata records.
 *
 * Owns the records' bytes (Kafka's own) and how they are written and read. Does not own who may
 * write, nor what is committed.
 *
 * @module
 */

import type { Epoch, NodeId, Offset, Timestamp, Uuid } from "../../storage/bytes/ids.ts";
import { writePartitionMetadata } from "../../storage/meta_properties.ts";
import { buildControlBatch } from "../../storage/control_record.ts";
import { DiskError, type DiskErrorKind } from "../../storage/disk.ts";
import type { FlushDone } from "../../storage/log_flush.ts";
import { Log } from "../../storage/log.ts";
import { logConfig } from "../../storage/log_config.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { LogResources } from "../../storage/log_resources.ts";
import { RecordBatchBuilder } from "../../storage/record_batch_builder.ts";
import { type BatchView, walkBatches } from "../../storage/record_batch.ts";
import { RecordCursor } from "../../storage/record.ts";
import { decodeRecord, encodeRecord } from "../../net/kafka/record_frame.ts";
import { encodeMessage } from "../../net/kafka/codec.ts";
import { LEADER_CHANGE_MESSAGE } from "../../net/messages/records/leader_change_message.ts";
import { METADATA_TABLES, type MetadataRecord } from "./metadata_record.ts";

/** The topic that the metadata log is, by Kafka's name. It is no topic of the metadata. */
export const METADATA_TOPIC = "__cluster_metadata";

/** The folder of the metadata log, within the data folder. */
export const METADATA_FOLDER = `${METADATA_TOPIC}-0`;

/** Kafka's fixed id of the topic that is the metadata log. */
export const METADATA_TOPIC_ID: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ";

/** Nothing is removed here but by snapshots; a decision is one batch, however large. */
const CONFIG = logConfig({
  retentionMs: -1,
  retentionBytes: -1,
  maxMessageBytes: 64 * 1024 * 1024,
});

/** What an append may fail of, with the log as it was before, and work later. */
const MAY_RECOVER: ReadonlySet<DiskErrorKind> = new Set([
  "no-space",
  "read-only",
  "too-many-open-files",
]);

const READ_BYTES = 1024 * 1024;
const BATCH_BYTES_MIN = 16 * 1024;

export class MetadataLog {
  readonly #log: Log;
  readonly #directory: LogDirectory;

  /**
   * Opens the log; `epochMax` is the newest epoch that a record can have.
   * @throws {Error} when the log cannot be opened, or is damaged
   */
  constructor(
    directory: LogDirectory,
    resources: LogResources,
    epochMax: Epoch,
    now: Timestamp,
  ) {
    this.#directory = directory;
    const opened = Log.open({
      resources,
      folder: METADATA_FOLDER,
      config: CONFIG,
      now,
      clean: directory.clean,
      ...directory.progress(METADATA_FOLDER),
      leaderEpochMax: epochMax,
    });
    if (opened.kind === "failed") throw opened.failure;
    if (opened.kind === "corrupt") {
      const { file, position, offset, reason } = opened;
      throw new Error(
        `Cannot open the metadata log: offset ${offset}, ${file} at ${position}: ${reason}`,
      );
    }
    this.#log = opened.log;
    writePartitionMetadata(directory.disk, METADATA_FOLDER, METADATA_TOPIC_ID);
  }

  get endOffset(): Offset {
    return this.#log.logEndOffset;
  }

  /** The newest leader epoch in the log, or -1. */
  get lastEpoch(): Epoch {
    return this.#log.latestEpoch;
  }

  /**
   * Appends records as one batch. Returns why it could not, where nothing has changed and a later
   * append may succeed: the disk is full, or was made
   * read-only.
   *
   * @throws {Error} when the log cannot be written to any more
   */
  append(records: readonly MetadataRecord[], epoch: Epoch, now: Timestamp): string | undefined {
    const values = records.map(encode);
    const bytes = values.reduce((sum, value) => sum + value.length + 32, BATCH_BYTES_MIN);
    const builder = new RecordBatchBuilder(new Uint8Array(bytes));
    for (const value of values) builder.tryAppend(now, null, value);
    return this.#append(builder.build(), epoch, now);
  }

  /** Opens a new leader's epoch, as the first record of it. @throws {Error} */
  appendLeaderChange(epoch: Epoch, leaderId: NodeId, now: Timestamp): void {
    const voter = { voterId: leaderId, voterDirectoryId: this.#directory.directoryId };
    const value = encodeMessage(LEADER_CHANGE_MESSAGE, 1, {
      version: 1,
      leaderId,
      voters: [voter],
      grantingVoters: [voter],
    });
    this.#log.assignEpoch(epoch);
    const record = { kind: "LEADER_CHANGE", version: 0, value } as const;
    const problem = this.#append(buildControlBatch([record], { timestamp: now }), epoch, now);
    if (problem !== undefined) throw new Error(problem);
  }

  #append(batch: Uint8Array, leaderEpoch: Epoch, now: Timestamp): string | undefined {
    const result = this.#log.append(batch, { origin: "coordinator", leaderEpoch, now });
    if (result.kind === "appended") return undefined;
    const { reason, failure } = result;
    const problem = `Cannot write to the metadata log: ${reason}`;
    if (failure instanceof DiskError && MAY_RECOVER.has(failure.kind)) return problem;
    throw new Error(problem, { cause: failure });
  }

  /**
   * The records from one offset up to, not including, another, in order.
   * @throws {Error} naming a record of a type or version that is not known
   */
  *read(from: Offset, to: Offset): Generator<MetadataRecord> {
    for (let offset = from; offset < to;) {
      const result = this.#log.read(offset, {
        maxBytes: READ_BYTES,
        maxOffset: to,
        minOneBatch: true,
      });
      if (result.kind !== "batches") {
        throw new Error(`Cannot read the metadata log at offset ${offset}: ${result.kind}`);
      }
      for (const batch of walkBatches(result.bytes)) {
        offset = batch.lastOffset + 1;
        if (!batch.isControl) yield* decodeBatch(batch);
      }
    }
  }

  /** Makes everything that is in the log now durable. */
  flushLater(done: FlushDone): void {
    const started = this.#log.flush((failure) => {
      if (failure === undefined) this.#note();
      done(failure);
    });
    if (typeof started === "object") throw started;
  }

  /** Flushes, notes how far the log is, and lets go of it. @throws {DiskError} */
  close(now: Timestamp): void {
    this.#log.close({ clean: true, now });
    this.#note();
  }

  /**
   * Says how much is durable, for the next checkpoint: damage below it is refused at the next
   * start, not cut. A log that lost its end would deny that topics were ever made.
   */
  #note(): void {
    const { recoveryPoint, logStartOffset, flushedOffset } = this.#log;
    this.#directory.note(METADATA_FOLDER, {
      recoveryPoint,
      logStartOffset,
      highWatermark: flushedOffset,
    });
  }
}

function encode(record: MetadataRecord): Uint8Array {
  const { table, version } = METADATA_TABLES[record.kind];
  return encodeRecord<MetadataRecord["value"]>(table, version, record.value);
}

function* decodeBatch(batch: BatchView): Generator<MetadataRecord> {
  const cursor = new RecordCursor(batch);
  while (cursor.next()) {
    const { value } = cursor;
    if (value === null) throw new Error(`Cannot read metadata at ${cursor.offset}: no value`);
    const decoded = decodeRecord(value);
    yield { kind: decoded.kind, value: decoded.value } as MetadataRecord;
  }
}
