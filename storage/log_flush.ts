/**
 * Making a log durable: flushes, of batches only, and checkpoints, of all that recovery starts
 * from.
 *
 * Owns which files are synced, in what order, and what is durable then. It does not own when: that
 * is the partition's, by `flush.messages`, `flush.ms` or an acknowledgement that waits for it.
 *
 * Invariants: one round is under way at a time, and what is asked for meanwhile shares the next
 * one; a sync that failed is never tried again, and nothing is written after it; whoever asked is
 * answered once, after the call that asked has returned.
 *
 * @module
 */

import type { Timestamp } from "./bytes/ids.ts";
import { DiskError, type File } from "./disk.ts";
import type { IndexFile } from "./index_file.ts";
import type { LogState } from "./log_state.ts";
import { restoreTransactionIndex } from "./log_transactions.ts";
import type { Segment } from "./segment.ts";

/** Is told the end of a flush: undefined, or what failed. */
export type FlushDone = (failure: DiskError | undefined) => void;

/** Whether an answer will come, none is needed, or what failed at once. */
export type FlushStart = "started" | "nothing to do" | DiskError;

interface Waiting {
  readonly full: boolean;
  readonly done: FlushDone;
}

/** A file to sync, and how far what it belongs to had come when the round began. */
interface Item {
  readonly file: File;
  readonly segment: Segment;
  readonly of: Segment | IndexFile;
  readonly changes: number;
}

/** What one round syncs, in this order. */
interface Round {
  readonly full: boolean;
  readonly items: readonly Item[];
  readonly syncNames: boolean;
  /** Leader epochs to be committed once they are synced, and after how many changes. */
  readonly epochs: File | undefined;
  readonly epochChanges: number;
}

/** Flushes one log. */
export class LogFlusher {
  readonly #state: LogState;
  #underWay = false;
  #waiting: Waiting[] = [];

  constructor(state: LogState) {
    this.#state = state;
  }

  /** Makes all batches that are in the log now durable, with their segments' names. */
  flush(done: FlushDone): FlushStart {
    if (!this.#underWay && this.#isFlushed()) return "nothing to do";
    return this.#ask({ full: false, done });
  }

  /** Makes everything durable that recovery starts from, and raises the recovery point. */
  checkpoint(now: Timestamp, done: FlushDone): FlushStart {
    if (!this.#underWay && this.#isCheckpointed()) return "nothing to do";
    try {
      this.writeSnapshot(now);
    } catch (error) {
      if (error instanceof DiskError) return error;
      throw error;
    }
    return this.#ask({ full: true, done });
  }

  /** As `flush`, before it returns. @throws {DiskError} */
  flushSync(): void {
    if (!this.#isFlushed()) this.#runSync(false);
  }

  /** As `checkpoint`, before it returns. @throws {DiskError} */
  checkpointSync(now: Timestamp): void {
    if (this.#isCheckpointed()) return;
    this.writeSnapshot(now);
    this.#runSync(true);
  }

  /** Whether `flush.messages` or `flush.ms` ask for a flush. */
  isDue(now: Timestamp): boolean {
    const { logEndOffset, flushedOffset, config, unflushedSince } = this.#state;
    const unflushed = logEndOffset - flushedOffset;
    if (unflushed <= 0) return false;
    if (unflushed >= config.flushMessages) return true;
    return unflushedSince >= 0 && now - unflushedSince >= config.flushMs;
  }

  /** Writes the state of producers before the log end, unless it is written. @throws {DiskError} */
  writeSnapshot(now: Timestamp): void {
    const state = this.#state;
    if (state.snapshots.has(state.logEndOffset)) return;
    state.snapshots.write(state.logEndOffset, state.producers(now), state.segmentBases());
  }

  #isFlushed(): boolean {
    const { failure, flushedOffset, logEndOffset, namesChanged } = this.#state;
    return failure === undefined && flushedOffset === logEndOffset && !namesChanged;
  }

  #isCheckpointed(): boolean {
    return this.#isFlushed() && this.#state.recoveryPoint === this.#state.logEndOffset;
  }

  #ask(waiting: Waiting): FlushStart {
    if (this.#underWay) {
      this.#waiting.push(waiting);
      return "started";
    }
    return this.#startRound([waiting]) ?? "started";
  }

  /** Returns what failed before anything was synced; then nobody is told. */
  #startRound(asked: readonly Waiting[]): DiskError | undefined {
    let round: Round;
    try {
      round = this.#prepare(asked.some(({ full }) => full));
    } catch (error) {
      if (error instanceof DiskError) return error;
      throw error;
    }
    this.#underWay = true;
    this.#syncFrom(round, 0, asked);
    return undefined;
  }

  #syncFrom(round: Round, index: number, asked: readonly Waiting[]): void {
    const item = round.items[index];
    const file = item?.file ?? (index === round.items.length ? round.epochs : undefined);
    // What was cut from the log meanwhile, or replaced by another call, may be gone for good.
    const isMoot = () =>
      item === undefined
        ? !this.#state.isStaged(round.epochs)
        : !this.#state.segments.includes(item.segment);
    if (file === undefined) this.#endRound(this.#tryFinish(round), asked);
    else if (isMoot()) this.#syncFrom(round, index + 1, asked);
    else {
      file.syncLater((failure) => {
        if (failure === undefined || isMoot()) this.#syncFrom(round, index + 1, asked);
        else this.#endRound(failure, asked);
      });
    }
  }

  #endRound(failure: DiskError | undefined, asked: readonly Waiting[]): void {
    if (failure !== undefined) this.#state.syncFailed(failure);
    this.#underWay = false;
    for (const { done } of asked) done(failure);
    while (this.#waiting.length > 0 && !this.#underWay) {
      const next = this.#waiting;
      this.#waiting = [];
      const refused = this.#startRound(next);
      if (refused !== undefined) { for (const { done } of next) done(refused); }
    }
  }

  #runSync(full: boolean): void {
    const round = this.#prepare(full);
    try {
      for (const { file } of round.items) file.sync();
      round.epochs?.sync();
      this.#finish(round);
    } catch (error) {
      if (error instanceof DiskError) this.#state.syncFailed(error);
      throw error;
    }
  }

  /** Says what is to be synced for all that is in the log now. @throws {DiskError} */
  #prepare(full: boolean): Round {
    const state = this.#state;
    if (state.failure !== undefined) throw state.failure;
    // The segment before the recovery point, too: it may have been cut.
    const recent = state.segments.slice(state.segmentIndex(state.recoveryPoint - 1));
    const epochs = full ? state.stageEpochs() : undefined;
    const items: Item[] = [];
    for (const segment of recent) {
      if (full) restoreTransactionIndex(state, segment);
      for (const of of full ? segment.writeIndexes() : []) {
        items.push({ file: of.file, segment, of, changes: of.changes });
      }
      const { changes, changesSynced } = segment;
      if (changes > changesSynced) items.push({ file: segment.log, segment, of: segment, changes });
    }
    if (items.length === 0) {
      // A round has a file at least, since its end has to come later than its beginning.
      const { active } = state;
      items.push({ file: active.log, segment: active, of: active, changes: active.changes });
    }
    const syncNames = state.namesChanged || items.some(({ of }) => !of.nameDurable);
    state.flushTarget = state.logEndOffset;
    state.unflushedSince = -1;
    return { full, items, syncNames, epochs, epochChanges: state.epochChanges };
  }

  #tryFinish(round: Round): DiskError | undefined {
    try {
      this.#finish(round);
      return undefined;
    } catch (error) {
      if (error instanceof DiskError) return error;
      throw error;
    }
  }

  /** All files are synced; what was cut from the log meanwhile, `flushTarget` knows. */
  #finish(round: Round): void {
    const state = this.#state;
    if (round.epochs !== undefined) state.commitEpochs(round.epochs, round.epochChanges);
    if (round.syncNames) state.syncNames();
    for (const { of, changes } of round.items) {
      of.changesSynced = Math.max(of.changesSynced, changes);
      of.nameDurable = true;
    }
    state.flushedOffset = Math.max(state.flushedOffset, state.flushTarget);
    if (round.full) state.raiseRecoveryPoint(state.flushTarget);
  }
}
