/**
 * Reading batches for fetches: into pooled buffers, at once where the bytes are in memory, off the
 * loop where they may have to come from the device.
 *
 * Invariant: a buffer is the asker's when it was told of it, or back in the pool.
 *
 * @module
 */

import { DiskError, type File } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { readFailure } from "./log_questions.ts";
import type { Read } from "./messages.ts";
import type { Replica } from "./replica.ts";
import type { Troubles } from "./troubles.ts";

const TROUBLE = "reads fail";

export interface PartitionReaderOptions {
  readonly buffers: BufferPool;
  readonly troubles: Troubles;
  /** A callback for the disk that has `run` called in the partition's turn. */
  later(run: (result: number | DiskError) => void): (result: number | DiskError) => void;
}

export class PartitionReader {
  readonly #options: PartitionReaderOptions;

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
  }

  /** Answers with batches below what may be read, with none, or with why there are none. */
  read(message: Read, log: Log, replica: Replica): void {
    const { replyTo, fetchOffset, maxBytes, atLeastOneBatch, readCommitted } = message;
    const { buffers, troubles, later } = this.#options;
    const error = replica.checkLeader(message.currentLeaderEpoch);
    if (error !== ErrorCode.NONE) return void replyTo.tell(readFailure(error));
    const { highWatermark, lastStableOffset } = replica;
    const located = log.locate(fetchOffset, {
      maxBytes,
      maxOffset: readCommitted ? lastStableOffset : highWatermark,
      minOneBatch: atLeastOneBatch,
    });
    if (located.kind === "refused") {
      if (located.failure !== undefined) troubles.begin(TROUBLE, located.failure.message);
      return void replyTo.tell(readFailure(ErrorCode[located.error], log, replica));
    }
    const reply = readFailure(ErrorCode.NONE, log, replica);
    if (located.kind === "empty") return void replyTo.tell(reply);
    const { file, position, length, hot } = located;
    const buffer = buffers.take(length);
    const records = buffer.subarray(0, length);
    const answer = (result: number | DiskError): void => {
      if (result === length) {
        const release = () => buffers.give(buffer);
        troubles.end(TROUBLE);
        // Nobody may be there any more to release it.
        if (!replyTo.tell({ ...reply, records, release })) release();
        return;
      }
      buffers.give(buffer);
      const missing = `Cannot read ${file.path} at ${position}: it ends after ${result} bytes`;
      troubles.begin(TROUBLE, typeof result === "number" ? missing : result.message);
      replyTo.tell(readFailure(ErrorCode.KAFKA_STORAGE_ERROR, log, replica));
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
