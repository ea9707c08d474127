/**
 * Reading batches for fetches: into pooled buffers, at once where the bytes are in memory, off the
 * loop where they may have to come from the device. What comes from there is held against its
 * checksums: nobody is given bytes that have rotted.
 *
 * Invariant: a buffer is the asker's when it was told of it, or back in the pool.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import { CorruptLogError } from "../../storage/corrupt_log_error.ts";
import { DiskError, type File } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import { findDamage } from "../../storage/slice_check.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { FetchVerdict } from "./leader_state.ts";
import { readFailure } from "./log_questions.ts";
import type { Read } from "./messages.ts";
import type { Replica } from "./replica.ts";
import type { Troubles } from "../runtime/troubles.ts";

const TROUBLE = "reads fail";

export interface PartitionReaderOptions {
  readonly buffers: BufferPool;
  readonly troubles: Troubles;
  /** A callback for the disk that has `run` called in the partition's turn. */
  later(run: (result: number | DiskError) => void): (result: number | DiskError) => void;
  /** Told of bytes that are not what was written, after whoever asked for them; it may throw. */
  damaged(damage: CorruptLogError): void;
}

export class PartitionReader {
  readonly #options: PartitionReaderOptions;

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
  }

  /** Answers with batches that are visible, with none, or with why there are none. */
  read(message: Read, log: Log, replica: Replica): void {
    this.#guard(message, () => this.#readVisible(message, log, replica));
  }

  #readVisible(message: Read, log: Log, replica: Replica): void {
    const { currentLeaderEpoch, fetchOffset, anyReplica, rack, readCommitted } = message;
    const error = anyReplica === true
      ? replica.checkReader(currentLeaderEpoch, fetchOffset)
      : replica.checkLeader(currentLeaderEpoch);
    if (error !== ErrorCode.NONE) return void message.replyTo.tell(readFailure(error));
    if (rack !== undefined) {
      const preferredReadReplica = replica.preferredReadReplica(rack, fetchOffset);
      if (preferredReadReplica !== undefined) {
        const reply = readFailure(ErrorCode.NONE, log, replica);
        return void message.replyTo.tell({ ...reply, preferredReadReplica });
      }
    }
    const end = readCommitted ? replica.lastStableOffset : replica.highWatermark;
    this.#read(message, end, log, replica);
  }

  /** Answers a follower, which has been let in or not, with batches up to the log's end. */
  readForFollower(message: Read, verdict: FetchVerdict, log: Log, replica: Replica): void {
    this.#guard(message, () => this.#serveFollower(message, verdict, log, replica));
  }

  /** What is known of transactions may have to be read first, and that may fail. */
  #guard(message: Read, read: () => void): void {
    const { troubles, damaged } = this.#options;
    let damage: CorruptLogError | undefined;
    try {
      read();
    } catch (error) {
      if (!(error instanceof DiskError) && !(error instanceof CorruptLogError)) throw error;
      troubles.begin(TROUBLE, error.message);
      message.replyTo.tell(readFailure(ErrorCode.KAFKA_STORAGE_ERROR));
      if (error instanceof CorruptLogError) damage = error;
    }
    if (damage !== undefined) damaged(damage);
  }

  #serveFollower(message: Read, verdict: FetchVerdict, log: Log, replica: Replica): void {
    switch (verdict.kind) {
      case "served":
        return this.#read(message, log.logEndOffset, log, replica);
      case "refused":
        return void message.replyTo.tell({
          ...readFailure(verdict.error, log, replica),
          logEndOffset: log.logEndOffset,
        });
      case "diverging": {
        const { epoch, endOffset } = verdict;
        const reply = readFailure(ErrorCode.NONE, log, replica);
        return void message.replyTo.tell({ ...reply, diverging: { epoch, endOffset } });
      }
    }
  }

  /** @throws {DiskError | CorruptLogError} where nothing is answered yet */
  #read(message: Read, maxOffset: Offset, log: Log, replica: Replica): void {
    const { replyTo, fetchOffset, maxBytes, atLeastOneBatch } = message;
    const { buffers, troubles, later, damaged } = this.#options;
    const located = log.locate(fetchOffset, { maxBytes, maxOffset, minOneBatch: atLeastOneBatch });
    if (located.kind === "refused") {
      const { failure } = located;
      if (failure instanceof CorruptLogError) throw failure;
      if (failure !== undefined) troubles.begin(TROUBLE, failure.message);
      return void replyTo.tell(readFailure(ErrorCode[located.error], log, replica));
    }
    const { logEndOffset } = log;
    const plain = readFailure(ErrorCode.NONE, log, replica);
    const reply = message.follower === undefined ? plain : { ...plain, logEndOffset };
    if (located.kind === "empty") return void replyTo.tell(reply);
    const { file, position, length, endOffset, hot } = located;
    const abortedTransactions = message.readCommitted && message.follower === undefined
      ? log.abortedTransactions(fetchOffset, endOffset)
      : undefined;
    const buffer = buffers.take(length);
    const records = buffer.subarray(0, length);
    const { truncations } = log;
    const answer = (result: number | DiskError): void => {
      if (log.truncations !== truncations) {
        // It follows another leader since: the bytes may be others.
        buffers.give(buffer);
        return void replyTo.tell(readFailure(ErrorCode.NOT_LEADER_OR_FOLLOWER));
      }
      const damage = result === length && !hot
        ? findDamage(records, located, fetchOffset)
        : undefined;
      if (result === length && damage === undefined) {
        const release = () => buffers.give(buffer);
        troubles.end(TROUBLE);
        // Nobody may be there any more to release it.
        const read = abortedTransactions === undefined
          ? { ...reply, records, release }
          : { ...reply, records, abortedTransactions, release };
        if (!replyTo.tell(read)) release();
        return;
      }
      buffers.give(buffer);
      const missing = `Cannot read ${file.path} at ${position}: it ends after ${result} bytes`;
      const trouble = typeof result === "number" ? damage?.message ?? missing : result.message;
      troubles.begin(TROUBLE, trouble);
      replyTo.tell(readFailure(ErrorCode.KAFKA_STORAGE_ERROR, log, replica));
      if (damage !== undefined) damaged(damage);
    };
    if (hot) return answer(tryRead(file, records, position));
    file.readLater(records, position, later(answer));
  }
}

function tryRead(file: File, target: Uint8Array, position: number): number | DiskError {
  try {
    return file.read(target, position);
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}
