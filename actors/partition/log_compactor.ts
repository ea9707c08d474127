/**
 * Compacting a partition's log, beside all that it does otherwise: in slices so short that nobody
 * waits for them, and no faster than it may.
 *
 * Owns the run that is under way, and up to where the log is compacted. When to run is the node's
 * cleaner's to say; what a run does is storage's.
 *
 * Invariants: one run at a time; who asked for it is told its end once; nothing of it goes on after
 * `stop`.
 *
 * @module
 */

import { CorruptLogError } from "../../storage/corrupt_log_error.ts";
import type { Offset } from "../../storage/bytes/ids.ts";
import type { Compaction, CompactionStep } from "../../storage/compaction.ts";
import { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import type { LogDirectory } from "../../storage/log_directory.ts";
import type { Environment } from "../runtime/environment.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Troubles } from "../runtime/troubles.ts";
import type {
  AskCompactionNeed,
  Compact,
  Compactable,
  CompactionEnded,
  CompactionNeedReply,
} from "./compaction_messages.ts";
import { CompactionPace } from "./compaction_pace.ts";

/** Work of one slice: bytes of batches, and time where that is little. */
const STEP_BYTES = 32 * 1024;
const STEPS_MAX = 32;
const SLICE_MS = 0.5;

const TROUBLE = "compaction fails";

const NOT_DUE: CompactionNeedReply = {
  isDue: false,
  dirtyRatio: 0,
  overdueMs: 0,
  isUncleanable: false,
};
const UNCLEANABLE: CompactionNeedReply = { ...NOT_DUE, isUncleanable: true };

export interface LogCompactorOptions {
  readonly folder: string;
  readonly directory: LogDirectory;
  readonly environment: Environment;
  readonly troubles: Troubles;
  /** Absent where nothing is compacted. */
  readonly cleaner: Ref<Compactable> | undefined;
  readonly self: Ref<AskCompactionNeed | Compact>;
  /** `decompressed.batch.max.bytes` */
  decompressedBytesMax(): number;
  /** The end of what is decided: nothing from there on is compacted. */
  lastStableOffset(log: Log): Offset;
  /** A callback that has `run` called in the partition's turn. */
  later(run: () => void): () => void;
  /** Has `run` called in the partition's turn after a while. */
  after(delayMs: number, run: () => void): void;
  /** Has what is in the log made durable, or nothing of it may be compacted. */
  checkpoint(log: Log): void;
  /** The log may have failed. */
  ended(log: Log): void;
}

/** What a log was like when a run found that it cannot be read somewhere. */
interface Uncleanable {
  readonly logStartOffset: Offset;
  readonly truncations: number;
}

interface Run {
  readonly compaction: Compaction;
  readonly message: Compact;
  readonly log: Log;
  /** Monotonic. */
  readonly startedAt: number;
  readonly pace: CompactionPace;
  isWaiting: boolean;
}

export class LogCompactor {
  readonly #options: LogCompactorOptions;
  #run: Run | undefined;
  /** Whether the cleaner was told of this partition. */
  #isTold = false;
  /** Messages that were the compactions' own. */
  #ownMessages = 0;
  /** No run would get farther, unless what cannot be read was taken away. */
  #uncleanable: Uncleanable | undefined;

  constructor(options: LogCompactorOptions) {
    this.#options = options;
  }

  /** The log is open, or kept in another way from now on. */
  settle(log: Log): void {
    const { cleaner, folder, self } = this.#options;
    const wanted = log.config.cleanupCompact;
    if (cleaner === undefined || wanted === this.#isTold) return;
    this.#isTold = wanted;
    this.#uncleanable = undefined;
    cleaner.tell({ kind: "compactable", folder, partition: wanted ? self : undefined });
  }

  /** Answers whether the log is worth compacting; `log` is undefined while it is not open. */
  answerNeed({ replyTo }: AskCompactionNeed, log: Log | undefined): void {
    replyTo.tell(log === undefined ? NOT_DUE : this.#need(log));
  }

  #need(log: Log): CompactionNeedReply {
    const { directory, folder, environment, lastStableOffset, checkpoint, troubles } =
      this.#options;
    if (this.#run !== undefined || !log.config.cleanupCompact) return NOT_DUE;
    if (this.#isUncleanable(log)) return UNCLEANABLE;
    try {
      const now = environment.clock.wall();
      const from = directory.compactedTo(folder);
      const need = log.compactionNeed(from, lastStableOffset(log), now);
      if (need.firstDirtyOffset !== from) directory.noteCompacted(folder, need.firstDirtyOffset);
      if (log.checkpointDue) checkpoint(log);
      const { isDue, dirtyRatio, overdueMs } = need;
      return { isDue, dirtyRatio, overdueMs, isUncleanable: false };
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof CorruptLogError)) throw error;
      troubles.begin(TROUBLE, error.message);
      return NOT_DUE;
    }
  }

  #isUncleanable({ logStartOffset, truncations }: Log): boolean {
    const since = this.#uncleanable;
    return since?.logStartOffset === logStartOffset && since.truncations === truncations;
  }

  /** Begins to compact. */
  start(message: Compact, log: Log): void {
    const { directory, folder, environment, lastStableOffset, later, troubles } = this.#options;
    const refuse = () => void message.replyTo.tell({ done: false, bytesRead: 0 });
    if (this.#run !== undefined || this.#isUncleanable(log) || !log.config.cleanupCompact) {
      return refuse();
    }
    try {
      const now = environment.clock.wall();
      const need = log.compactionNeed(directory.compactedTo(folder), lastStableOffset(log), now);
      const { firstDirtyOffset: from, firstUncleanableOffset: to } = need;
      if (to <= from) return refuse();
      const { mapBytesMax, bufferBytes } = message;
      const compaction = log.compact({
        from,
        to,
        now,
        mapBytesMax,
        bufferBytes,
        decompressedBytesMax: this.#options.decompressedBytesMax(),
        seed: environment.random.stream("compaction").integer(2 ** 32),
        wake: later(() => this.#wake()),
      });
      const startedAt = environment.clock.monotonic();
      const pace = new CompactionPace(this.#othersMessages());
      this.#run = { compaction, message, log, startedAt, pace, isWaiting: false };
    } catch (error) {
      if (!(error instanceof DiskError || error instanceof CorruptLogError)) throw error;
      troubles.begin(TROUBLE, error.message);
      return refuse();
    }
    this.#goOn();
  }

  /** The log is about to be closed: ends the run that is under way, leaving the log as it is. */
  stop(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    run.compaction.stop();
    run.message.replyTo.tell({ done: false, bytesRead: run.compaction.bytesMoved });
  }

  /** The partition is gone. */
  end(): void {
    this.stop();
    const { cleaner, folder } = this.#options;
    if (this.#isTold) cleaner?.tell({ kind: "compactable", folder, partition: undefined });
    this.#isTold = false;
  }

  #wake(): void {
    this.#ownMessages++;
    const run = this.#run;
    if (run?.isWaiting !== true) return;
    run.isWaiting = false;
    this.#giveWay(run);
  }

  /** Others get their turn, and what connections have brought is taken in. */
  #giveWay(run: Run): void {
    const { environment: { clock, dispatcher }, later } = this.#options;
    const since = clock.monotonic();
    dispatcher.afterIo(later(() => {
      this.#ownMessages++;
      if (this.#run !== run) return;
      const now = clock.monotonic();
      const restMs = run.pace.rest(now, now - since, this.#othersMessages());
      if (restMs > 0) this.#rest(run, restMs);
      else this.#goOn();
    }));
  }

  #rest(run: Run, ms: number): void {
    const { environment: { clock }, after } = this.#options;
    after(ms, () => {
      this.#ownMessages++;
      if (this.#run !== run) return;
      run.pace.rested(clock.monotonic());
      this.#goOn();
    });
  }

  /** Messages that the node has handled, but for these. */
  #othersMessages(): number {
    return this.#options.environment.dispatcher.handled - this.#ownMessages;
  }

  /** A slice. */
  #goOn(): void {
    const run = this.#run;
    if (run === undefined) return;
    const { environment: { clock } } = this.#options;
    const now = clock.monotonic();
    const wall = clock.wall();
    const delayMs = this.#aheadMs(run, now);
    // What is less than a timer can tell is made up for with the next slice.
    if (delayMs >= 1) return this.#rest(run, delayMs);
    const until = now + SLICE_MS;
    let steps = 0;
    let step: CompactionStep;
    do step = run.compaction.step(STEP_BYTES, wall); while (
      step.kind === "more" && ++steps < STEPS_MAX && clock.monotonic() < until
    );
    run.pace.worked(clock.monotonic() - now);
    if (step.kind === "waiting") run.isWaiting = true;
    else if (step.kind === "more") this.#giveWay(run);
    else this.#ended(run, step);
  }

  /** For how long it has to rest so as not to take more of the disk than it may. */
  #aheadMs({ compaction, message, startedAt }: Run, now: number): number {
    return compaction.bytesMoved / message.bytesPerSecond * 1000 - (now - startedAt);
  }

  #ended(run: Run, step: CompactionStep): void {
    const { directory, folder, environment, troubles, ended } = this.#options;
    this.#run = undefined;
    const reply = (end: CompactionEnded) => void run.message.replyTo.tell(end);
    const bytesRead = run.compaction.bytesMoved;
    switch (step.kind) {
      case "done": {
        directory.noteCompacted(folder, step.endOffset);
        troubles.end(TROUBLE);
        const { sizeBefore, sizeAfter, keys, mapFull, unreadableBatches } = step;
        const ms = Math.round(environment.clock.monotonic() - run.startedAt);
        environment.logger.log("info", "log compacted", {
          partition: folder,
          sizeBefore,
          sizeAfter,
          keys,
          // With more of log.cleaner.dedupe.buffer.size it would have come farther.
          mapFull,
          unreadableBatches,
          ms,
        });
        return reply({ done: true, bytesRead: step.bytesRead });
      }
      case "stopped":
        environment.logger.log("info", "compaction stopped", {
          partition: folder,
          reason: step.reason,
        });
        return reply({ done: false, bytesRead });
      case "failed":
        troubles.begin(TROUBLE, step.failure.message);
        reply({ done: false, bytesRead });
        return ended(run.log);
      case "corrupt": {
        const { logStartOffset, truncations } = run.log;
        this.#uncleanable = { logStartOffset, truncations };
        troubles.warn("log cannot be compacted", step.reason);
        return reply({ done: false, bytesRead });
      }
    }
  }
}
