/**
 * The cleaner of a node: has partitions compact their logs, the filthiest first.
 *
 * Owns the order, and what partitions may take of memory and disk. It knows those that have said
 * that they may be compacted; each looks by itself whether it is worth it. Where none is, it rests;
 * where there is no partition to be compacted at all, it keeps no timer.
 *
 * @module
 */

import type { BrokerConfig } from "../../config/broker_config.ts";
import type {
  AskCompactionNeed,
  Compact,
  Compactable,
  CompactionEnded,
  CompactionNeedReply,
} from "../../partition/compaction_messages.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../../runtime/actor.ts";
import type { Gauge } from "../../runtime/metrics.ts";
import type { Ref } from "../../runtime/ref.ts";

export interface LogCleanerOptions {
  /** As it stands now: what is set live counts. */
  config(): BrokerConfig;
}

/** A look at a partition's log may have to wait for a disk. */
const LOOK_TIMEOUT_MS = 30_000;

/** Places of a table for two keys: less would get nowhere. */
const MAP_BYTES_MIN = 48;

type CleanerMessage =
  | Compactable
  | { readonly kind: "look" }
  | {
    readonly kind: "looked";
    readonly folder: string;
    readonly result: AskResult<CompactionNeedReply>;
  }
  | {
    readonly kind: "compacted";
    readonly folder: string;
    readonly result: AskResult<CompactionEnded>;
  };

export function logCleanerActor(options: LogCleanerOptions): Behaviour<Compactable> {
  return (context) => new LogCleaner(context as unknown as ActorContext<CleanerMessage>, options);
}

class LogCleaner implements Actor<CleanerMessage> {
  readonly #context: ActorContext<CleanerMessage>;
  readonly #options: LogCleanerOptions;
  readonly #partitions = new Map<string, Ref<AskCompactionNeed | Compact>>();
  readonly #running = new Set<string>();
  /** Questions of the present look without an answer. */
  #looking = 0;
  /** Those that are due, as the present look has found out. */
  #due = new Map<string, CompactionNeedReply>();
  /** Those that a run did nothing for since the last rest. */
  readonly #tried = new Set<string>();
  #resting = false;
  /** Those that cannot be compacted as they are. */
  readonly #uncleanable = new Set<string>();
  readonly #uncleanablePartitionsCount: Gauge;

  constructor(context: ActorContext<CleanerMessage>, options: LogCleanerOptions) {
    this.#context = context;
    this.#options = options;
    const { metrics } = context.environment;
    this.#uncleanablePartitionsCount = metrics.gauge("uncleanable-partitions-count");
    this.#uncleanablePartitionsCount.set(0);
  }

  receive(message: CleanerMessage): void {
    switch (message.kind) {
      case "compactable":
        return this.#register(message);
      case "look":
        this.#resting = false;
        this.#tried.clear();
        return this.#look();
      case "looked":
        this.#looking--;
        if (message.result.kind === "reply") this.#looked(message.folder, message.result.reply);
        return this.#looking === 0 ? this.#compact() : undefined;
      case "compacted": {
        const { folder, result } = message;
        this.#running.delete(folder);
        if (result.kind !== "reply" || !result.reply.done) this.#tried.add(folder);
        return this.#look();
      }
    }
  }

  #looked(folder: string, need: CompactionNeedReply): void {
    if (!this.#partitions.has(folder)) return;
    if (need.isDue) this.#due.set(folder, need);
    this.#noteUncleanable(folder, need.isUncleanable);
  }

  #noteUncleanable(folder: string, isUncleanable: boolean): void {
    if (isUncleanable) this.#uncleanable.add(folder);
    else this.#uncleanable.delete(folder);
    this.#uncleanablePartitionsCount.set(this.#uncleanable.size);
  }

  #register({ folder, partition }: Compactable): void {
    if (partition === undefined) {
      this.#partitions.delete(folder);
      this.#noteUncleanable(folder, false);
    } else this.#partitions.set(folder, partition);
    this.#rest();
  }

  /** Looks again after a while, if there is anything to look at. */
  #rest(): void {
    const { logCleanerEnable, logCleanerBackoffMs } = this.#options.config();
    if (this.#resting || this.#looking > 0 || this.#partitions.size === 0 || !logCleanerEnable) {
      return;
    }
    this.#resting = true;
    this.#context.startTimer("look", logCleanerBackoffMs, { kind: "look" });
  }

  #look(): void {
    if (this.#looking > 0) return;
    this.#due.clear();
    const { logCleanerThreads } = this.#options.config();
    if (this.#running.size < logCleanerThreads) {
      for (const [folder, partition] of this.#partitions) {
        if (this.#running.has(folder) || this.#tried.has(folder)) continue;
        this.#looking++;
        this.#context.ask<AskCompactionNeed, CompactionNeedReply>(
          partition,
          LOOK_TIMEOUT_MS,
          (replyTo) => ({ kind: "compaction-need", replyTo }),
          (result) => ({ kind: "looked", folder, result }),
        );
      }
    }
    if (this.#looking === 0) this.#rest();
  }

  #compact(): void {
    const { logCleanerThreads } = this.#options.config();
    const filthiest = [...this.#due].sort(([, a], [, b]) =>
      b.overdueMs - a.overdueMs || b.dirtyRatio - a.dirtyRatio
    );
    for (const [folder] of filthiest) {
      if (this.#running.size >= logCleanerThreads) break;
      const partition = this.#partitions.get(folder);
      if (partition !== undefined) this.#compactOne(folder, partition);
    }
    this.#due.clear();
    this.#rest();
  }

  #compactOne(folder: string, partition: Ref<Compact>): void {
    const {
      logCleanerThreads,
      logCleanerDedupeBufferSize,
      logCleanerIoBufferLoadFactor,
      logCleanerIoBufferSize,
      logCleanerIoMaxBytesPerSecond,
    } = this.#options.config();
    this.#running.add(folder);
    const share = logCleanerDedupeBufferSize / logCleanerThreads;
    const mapBytesMax = Math.max(MAP_BYTES_MIN, share * logCleanerIoBufferLoadFactor);
    this.#context.ask<Compact, CompactionEnded>(
      partition,
      Infinity,
      (replyTo) => ({
        kind: "compact",
        mapBytesMax,
        bufferBytes: logCleanerIoBufferSize,
        bytesPerSecond: logCleanerIoMaxBytesPerSecond / logCleanerThreads,
        replyTo,
      }),
      (result) => ({ kind: "compacted", folder, result }),
    );
  }
}
