/**
 * Keeping a partition's log: when it is flushed and checkpointed, and when old segments go.
 *
 * Owns the one flush that is under way, and what the next checkpoint of the data folder is told.
 * What a flush means for what is visible is the replica's to say.
 *
 * Invariant: while the replica waits for a flush, one is under way.
 *
 * @module
 */

import type { Timestamp } from "../../storage/bytes/ids.ts";
import { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import { UNLIMITED } from "../../storage/log_config.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { Replica } from "./replica.ts";
import type { Troubles } from "../runtime/troubles.ts";

export interface LogKeeperOptions {
  readonly replica: Replica;
  readonly directory: LogDirectory;
  readonly folder: string;
  readonly troubles: Troubles;
  now(): Timestamp;
  /** A callback for the disk that has `run` called in the partition's turn. */
  later(run: (failure: DiskError | undefined) => void): (failure: DiskError | undefined) => void;
  /** Has `run` called in the partition's turn, instead of what was to be called before. */
  after(delayMs: number, run: () => void): void;
  /** Told that more is durable. */
  flushed(): void;
  /** Told that what is on the disk is in doubt; ends the partition. */
  failed(failure: DiskError): never;
}

export class LogKeeper {
  readonly #options: LogKeeperOptions;
  #flushing = false;
  #flushPlanned = false;
  /** Syncs whose outcome is not known yet. */
  #underWay = 0;
  /** What waits for them; nothing else is begun before. */
  #ending: (() => void) | undefined;

  constructor(options: LogKeeperOptions) {
    this.#options = options;
  }

  /** One flush at a time; what is appended meanwhile is flushed with the next. */
  maybeFlush(log: Log): void {
    if (this.#flushing || this.#ending !== undefined) return;
    const { replica, now, later, flushed, failed } = this.#options;
    if (!replica.awaitsFlush && !log.flushDue(now())) return this.#scheduleFlush(log);
    const started = log.flush(later((failure) => this.#flushed(log, failure)));
    if (started instanceof DiskError) failed(started);
    this.#flushing = started === "started";
    if (this.#flushing) this.#underWay++;
    if (!this.#flushing) flushed();
  }

  /** Time for retention, rolls, checkpoints and flushes that are due. */
  maintain(log: Log): void {
    const { replica, troubles, now } = this.#options;
    const { failure } = log.applyRetention(replica.highWatermark, now());
    if (failure !== undefined) troubles.warn("retention failed", failure.message);
    log.removeExpiredProducers(now());
    if (log.checkpointDue) this.checkpoint(log);
    this.note(log);
    this.maybeFlush(log);
  }

  /**
   * Runs `end`, now or when what is under way is done, and begins nothing more. What a disk reports
   * of a failed sync it may report once: whoever syncs meanwhile would be told that all is well.
   */
  end(end: () => void): void {
    if (this.#underWay === 0) end();
    else this.#ending = end;
  }

  /** Says how far the log is, for the next checkpoint. */
  note(log: Log): void {
    const { directory, folder, replica } = this.#options;
    const { highWatermark } = directory.progress(folder);
    // What is only in the page cache a power cut may tear, and then it is to be cut.
    const durable = Math.max(highWatermark, log.flushedOffset);
    directory.note(folder, {
      recoveryPoint: log.recoveryPoint,
      logStartOffset: log.logStartOffset,
      highWatermark: Math.min(replica.highWatermark, durable),
    });
  }

  /** `flush.ms`: a timer only while something waits for it. */
  #scheduleFlush(log: Log): void {
    const { flushMs } = log.config;
    if (flushMs === UNLIMITED || this.#flushPlanned || log.flushedOffset >= log.logEndOffset) {
      return;
    }
    this.#flushPlanned = true;
    this.#options.after(flushMs, () => {
      this.#flushPlanned = false;
      this.maybeFlush(log);
    });
  }

  #flushed(log: Log, failure: DiskError | undefined): void {
    this.#flushing = false;
    this.#underWay--;
    if (failure === undefined) {
      this.#options.flushed();
      this.note(log);
    } else {
      this.#notSynced(log, failure);
    }
    if (this.#ending === undefined) this.maybeFlush(log);
    else if (this.#underWay === 0) this.#ending();
  }

  /** Segments that were sealed need no scan at the next start once this is done. */
  checkpoint(log: Log): void {
    if (this.#ending !== undefined) return;
    const { now, later } = this.#options;
    const started = log.checkpoint(now(), later((failure) => this.#flushed(log, failure)));
    if (started === "started") this.#underWay++;
    else if (started instanceof DiskError) this.#notSynced(log, started);
  }

  /** A checkpoint writes before it syncs: where that failed nothing is in doubt. */
  #notSynced(log: Log, failure: DiskError): void {
    const { troubles, failed } = this.#options;
    if (log.failure !== undefined) failed(failure);
    troubles.warn("checkpoint not written", failure.message);
  }
}
