/**
 * A partition as its leaders have it, one after the other: a real log with the real appender, whose
 * high watermark rises when told. And a reader of what is committed, who has read all along.
 *
 * @module
 */

import { assert } from "@std/assert";
import { parseBrokerConfig } from "../../actors/config/broker_config.ts";
import { partitionConfig } from "../../actors/config/partition_config.ts";
import type { Append } from "../../actors/partition/messages.ts";
import {
  type AskVerification,
  PartitionAppender,
} from "../../actors/partition/partition_appender.ts";
import type { Replica } from "../../actors/partition/replica.ts";
import type { Troubles } from "../../actors/runtime/troubles.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { Log } from "../../storage/log.ts";
import { MemoryDisk } from "../../storage/memory_disk.ts";
import { readMarker } from "../../storage/producer_replay.ts";
import { BatchView } from "../../storage/record_batch.ts";
import { decodeRecords } from "../../storage/record.ts";
import { openLog, readBatches, reopen, split } from "../storage/log_fixture.ts";

const CONFIG = partitionConfig(new Map(), parseBrokerConfig({}));
/** Nobody is forgotten: producers that are silent for long are another subject. */
const LOG = { config: { ...CONFIG.log, segmentBytes: 1000, producerIdExpirationMs: 1e12 } };

export interface PartitionWorldOptions {
  readonly verify: AskVerification;
  now(): number;
}

/** A record that somebody reads. */
export interface SeenRecord {
  readonly offset: number;
  readonly value: string;
}

export class PartitionWorld {
  readonly #options: PartitionWorldOptions;
  readonly #disk = new MemoryDisk();
  log: Log;
  highWatermark = 0;
  /** Whether this replica leads: else it refuses. */
  #leaderEpoch = 0;
  #appender: PartitionAppender;
  /** What a reader of committed records has seen, and where it goes on. */
  readonly seen: SeenRecord[] = [];
  #readTo = 0;
  #lastStableOffset = 0;

  constructor(options: PartitionWorldOptions) {
    this.#options = options;
    this.log = openLog(this.#disk, { ...LOG, now: options.now() });
    this.#appender = this.#lead();
  }

  append(message: Append): void {
    this.#appender.append(message, this.log, CONFIG);
  }

  /** The high watermark rises, by so many offsets at most. */
  commit(offsets: number): void {
    this.highWatermark = Math.min(this.log.logEndOffset, this.highWatermark + offsets);
    this.#appender.release(this.log.flushedOffset);
    this.poll();
  }

  /** Another leads, who has what is committed and perhaps more. */
  moveLeader(part: number, restarts: boolean): void {
    this.#appender.fail();
    const { log } = this;
    const uncommitted = log.logEndOffset - this.highWatermark;
    const kept = this.highWatermark + Math.floor(uncommitted * part);
    const now = this.#options.now();
    log.truncateTo(kept, now);
    if (restarts) this.log = reopen(this.#disk, log, { ...LOG, now });
    // A cut takes whole batches.
    assert(this.log.logEndOffset >= this.highWatermark, "what is committed is kept");
    this.#leaderEpoch++;
    this.log.assignEpoch(this.#leaderEpoch);
    this.#appender = this.#lead();
  }

  /** The reader reads all that it may, a batch or more at a time. */
  poll(): void {
    const { log } = this;
    const stable = log.lastStableOffset(this.highWatermark);
    assert(stable <= this.highWatermark, "the last stable offset is committed");
    assert(stable >= this.#lastStableOffset, "the last stable offset does not go back");
    this.#lastStableOffset = stable;
    while (this.#readTo < stable) {
      const range = { maxBytes: 300, maxOffset: stable, minOneBatch: true };
      const located = log.locate(this.#readTo, range);
      assert(located.kind === "slice", "what is stable can be read");
      const bytes = new Uint8Array(located.length);
      located.file.read(bytes, located.position);
      const aborted = log.abortedTransactions(this.#readTo, located.endOffset);
      this.#read(bytes, aborted);
      this.#readTo = located.endOffset;
    }
  }

  /** As consumers of committed records do it. */
  #read(
    bytes: Uint8Array,
    aborted: { readonly producerId: number; readonly firstOffset: number }[],
  ) {
    const left = [...aborted];
    const skipped = new Set<number>();
    for (const batch of split(bytes).map((each) => new BatchView(each))) {
      while (left.length > 0 && left[0]!.firstOffset <= batch.lastOffset) {
        skipped.add(left.shift()!.producerId);
      }
      if (batch.isControl) {
        if (readMarker(batch)?.kind === "ABORT") skipped.delete(batch.producerId);
        continue;
      }
      if (batch.isTransactional && skipped.has(batch.producerId)) continue;
      for (const record of decodeRecords(batch)) {
        assert(record.offset >= this.#readTo, "nothing is read twice");
        this.seen.push({ offset: record.offset, value: textOf(record.value) });
      }
    }
  }

  /** The records of producers, seen or not, in the order of the log. */
  written(): SeenRecord[] {
    return this.batches().filter(({ isControl }) => !isControl).flatMap((batch) =>
      decodeRecords(batch).map(({ offset, value }) => ({ offset, value: textOf(value) }))
    );
  }

  batches(): BatchView[] {
    return readBatches(this.log, 0).map((bytes) => new BatchView(bytes));
  }

  #lead(): PartitionAppender {
    const replica = () => this.highWatermark;
    return new PartitionAppender({
      // What is not here is not used.
      replica: {
        get highWatermark() {
          return replica();
        },
        leaderEpoch: this.#leaderEpoch,
        checkAppend: () => ErrorCode.NONE,
        checkAcknowledge: () => ErrorCode.NONE,
      } as unknown as Replica,
      troubles: { begin: () => {}, end: () => {} } as unknown as Troubles,
      verification: this.#options.verify,
      now: this.#options.now,
      appended: () => {},
    });
  }
}

function textOf(value: Uint8Array | null): string {
  return new TextDecoder().decode(value ?? undefined);
}
