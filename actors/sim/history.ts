/**
 * What clients did and what they saw: operations in the order in which they began, and how each
 * ended.
 *
 * Owns the words. An operation is `ok` where its client was told that it was done, `fail` where it
 * surely was not, and `info` where nobody knows: a time-out, a crash, a history that ends. Values
 * are unique within their partition, so that a value says who wrote it.
 *
 * A process does one thing after the other; whoever has several sends under way in a fixed order
 * (an idempotent producer) is one process too, ordered by when each began.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";

/** How an operation ended. */
export type Outcome = "ok" | "fail" | "info";

/** One record sent. */
export interface SendStep {
  /** A send. */
  readonly kind: "send";
  /** Which log: a topic that was created anew is another. */
  readonly partition: string;
  /** What was sent. */
  readonly value: number;
  /** Undefined where the client was not told. */
  readonly offset: Offset | undefined;
}

/** What one poll gave of one partition, in the order in which it was given. */
export interface PollStep {
  /** A poll. */
  readonly kind: "poll";
  /** Which log. */
  readonly partition: string;
  /** In the order in which they were given. */
  readonly records: readonly { readonly offset: Offset; readonly value: number }[];
}

/** A part of an operation. */
export type Step = SendStep | PollStep;

/** What a process did. */
export type Operation =
  & {
    readonly process: string;
    /** Its place in the history. */
    readonly index: number;
  }
  & (
    | {
      readonly kind: "send" | "poll" | "txn";
      readonly outcome: Outcome;
      readonly steps: readonly Step[];
      /** Partitions that were taken away or given while it went on. */
      readonly rebalanced?: readonly string[];
    }
    /** From now on the process polls these; positions in others are forgotten. */
    | { readonly kind: "assign"; readonly partitions: readonly string[] }
    /** As assign, but which partitions it gets is for the group to say. */
    | { readonly kind: "subscribe"; readonly partitions: readonly string[] }
    /** The process ended; what comes under its name is another. */
    | { readonly kind: "crash" }
  );

/** An operation that has not ended. */
export interface OpenOperation {
  /** Says how it ended, once. */
  end(outcome: Outcome, steps: readonly Step[], rebalanced?: readonly string[]): void;
}

/** How many operations ended how. */
export interface HistoryCounts {
  /** Of sends, each of one record: those of a batch end together. */
  readonly sends: Readonly<Record<Outcome, number>>;
  /** Of polls. */
  readonly polls: Readonly<Record<Outcome, number>>;
  /** Records that polls gave. */
  readonly recordsRead: number;
}

/** A history without what was done to partitions of which nothing is promised. */
export function leaveOut(
  operations: readonly Operation[],
  isLeftOut: (partition: string) => boolean,
): readonly Operation[] {
  return operations.map((operation) =>
    "steps" in operation
      ? { ...operation, steps: operation.steps.filter(({ partition }) => !isLeftOut(partition)) }
      : operation
  );
}

/** Takes down what clients do, as they do it. */
export class History {
  readonly #operations: Operation[] = [];
  readonly #counts = {
    sends: { ok: 0, fail: 0, info: 0 },
    polls: { ok: 0, fail: 0, info: 0 },
    recordsRead: 0,
  };

  /** All operations; those that have not ended count as `info`. */
  get operations(): readonly Operation[] {
    return this.#operations;
  }

  /** How many operations ended how. */
  get counts(): HistoryCounts {
    return this.#counts;
  }

  /** An operation begins; `steps` are what is known of it if it never ends. */
  begin(
    kind: "send" | "poll" | "txn",
    process: string,
    steps: readonly Step[] = [],
  ): OpenOperation {
    const index = this.#operations.length;
    this.#operations.push({ kind, process, index, outcome: "info", steps });
    const counts = kind === "poll" ? this.#counts.polls : this.#counts.sends;
    const size = sizeOf(kind, steps);
    counts.info += size;
    let ended = false;
    return {
      end: (outcome, steps, rebalanced) => {
        if (ended) throw new Error(`Cannot end operation ${index} of ${process} twice`);
        ended = true;
        counts.info -= size;
        counts[outcome] += sizeOf(kind, steps);
        for (const step of steps) {
          if (step.kind === "poll") this.#counts.recordsRead += step.records.length;
        }
        const operation = { kind, process, index, outcome, steps };
        this.#operations[index] = rebalanced === undefined
          ? operation
          : { ...operation, rebalanced };
      },
    };
  }

  /** A poll that gave something: nothing is to be said of the others. */
  polled(process: string, steps: readonly PollStep[]): void {
    this.begin("poll", process).end("ok", steps);
  }

  /** The process polls these from now on. */
  assign(process: string, partitions: readonly string[]): void {
    this.#operations.push({ kind: "assign", process, index: this.#operations.length, partitions });
  }

  /** The process subscribes to topics, of which it holds these partitions still. */
  subscribe(process: string, partitions: readonly string[]): void {
    const index = this.#operations.length;
    this.#operations.push({ kind: "subscribe", process, index, partitions });
  }

  /** The process ended without a word. */
  crash(process: string): void {
    this.#operations.push({ kind: "crash", process, index: this.#operations.length });
  }
}

/** How many operations it counts as. */
function sizeOf(kind: "send" | "poll" | "txn", steps: readonly Step[]): number {
  return kind === "send" ? Math.max(1, steps.length) : 1;
}
