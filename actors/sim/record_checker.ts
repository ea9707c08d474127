/**
 * Holds what clients saw of a topic against what a log may do: an observer, told of every operation
 * and its outcome, that draws nothing and changes nothing.
 *
 * The rules, by the names of Jepsen's Kafka checker where it has one:
 * - inconsistent-offsets: an offset, once seen, holds the same value for ever;
 * - duplicate: a value, sent once, stands at one offset;
 * - aborted-read: what was surely refused is never read;
 * - nonmonotonic-send: acknowledged sends of one connection lie in the order sent;
 * - poll-skip: successive reads leave no gap;
 * - high-watermark: what was visible stays visible;
 * - lost-write: what was acknowledged is there in the end, at its offset.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";

/** How a send ended: what `info` sent may or may not be in the log. */
export type SendOutcome =
  | { readonly kind: "ok"; readonly offset: Offset }
  | { readonly kind: "fail" }
  | { readonly kind: "info" };

/** A rule that was broken. */
export interface Violation {
  /** The promise that was broken. */
  readonly rule: string;
  /** What was seen. */
  readonly message: string;
}

interface Seen {
  /** By offset. */
  readonly values: Map<Offset, number>;
  highWatermark: Offset;
}

export class RecordChecker {
  readonly violations: Violation[] = [];
  readonly #partitions: readonly Seen[];
  /** By value: where it was sent and where it was seen or acknowledged. */
  readonly #offsets = new Map<number, { readonly partition: number; readonly offset: Offset }>();
  readonly #acknowledged = new Map<number, Offset>();
  readonly #refused = new Set<number>();
  readonly #lastAcknowledged = new Map<string, { value: number; offset: Offset }>();
  readonly #evaluations = new Map<string, number>();

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => ({
      values: new Map<Offset, number>(),
      highWatermark: 0,
    }));
  }

  /** How often each rule was held against something. */
  get evaluations(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#evaluations);
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** A send ended. `values` of one batch lie at successive offsets; values rise with each send. */
  sent(
    partition: number,
    connection: string,
    values: readonly number[],
    outcome: SendOutcome,
  ): void {
    if (outcome.kind === "fail") {
      for (const value of values) {
        this.#refused.add(value);
        if (this.#offsets.has(value)) this.#broken("aborted-read", `refused ${value} was read`);
      }
      return;
    }
    if (outcome.kind === "info") return;
    values.forEach((value, index) => {
      this.#acknowledged.set(value, outcome.offset + index);
      this.#place(partition, outcome.offset + index, value);
    });
    this.#inOrder(partition, connection, values, outcome.offset);
  }

  #inOrder(partition: number, connection: string, values: readonly number[], offset: Offset): void {
    const key = `${partition} ${connection}`;
    const value = values[0] ?? -1;
    const last = this.#lastAcknowledged.get(key);
    this.#evaluated("nonmonotonic-send");
    if (last !== undefined && (last.value < value) !== (last.offset < offset)) {
      this.#broken(
        "nonmonotonic-send",
        `partition ${partition}: ${last.value} at ${last.offset}, ${value} at ${offset}`,
      );
    }
    if (last === undefined || last.offset < offset) {
      this.#lastAcknowledged.set(key, { value, offset });
    }
  }

  /** A reader at `expected` got this record next. */
  read(partition: number, expected: Offset, offset: Offset, value: number): void {
    this.#evaluated("poll-skip");
    if (offset !== expected) {
      this.#broken("poll-skip", `partition ${partition}: ${offset} follows, not ${expected}`);
    }
    this.#evaluated("aborted-read");
    if (this.#refused.has(value)) {
      this.#broken("aborted-read", `partition ${partition}: refused ${value} at ${offset}`);
    }
    this.#place(partition, offset, value);
  }

  /** A broker said how far the partition is visible. */
  visible(partition: number, highWatermark: Offset): void {
    const seen = this.#seen(partition);
    this.#evaluated("high-watermark");
    if (highWatermark < seen.highWatermark) {
      this.#broken(
        "high-watermark",
        `partition ${partition}: ${highWatermark} after ${seen.highWatermark}`,
      );
    }
    seen.highWatermark = Math.max(seen.highWatermark, highWatermark);
  }

  /** A reader got bytes that are no sound batch. */
  corrupt(partition: number, reason: string): void {
    this.#broken("corrupt-read", `partition ${partition}: ${reason}`);
  }

  /** Everything was read to the end: what was acknowledged must be among it. */
  finish(values: readonly (readonly number[])[]): void {
    const there = new Map<number, Offset>();
    for (const partition of values) partition.forEach((value, offset) => there.set(value, offset));
    for (const [value, offset] of this.#acknowledged) {
      this.#evaluated("lost-write");
      const found = there.get(value);
      if (found !== offset) {
        this.#broken("lost-write", `${value} was acknowledged at ${offset} and is at ${found}`);
      }
    }
  }

  #place(partition: number, offset: Offset, value: number): void {
    const { values } = this.#seen(partition);
    this.#evaluated("inconsistent-offsets");
    const there = values.get(offset);
    if (there !== undefined && there !== value) {
      this.#broken(
        "inconsistent-offsets",
        `partition ${partition}: offset ${offset} held ${there} and holds ${value}`,
      );
    }
    values.set(offset, value);
    this.#evaluated("duplicate");
    const before = this.#offsets.get(value);
    if (before !== undefined && (before.offset !== offset || before.partition !== partition)) {
      this.#broken(
        "duplicate",
        `${value} is at ${before.partition}:${before.offset} and at ${partition}:${offset}`,
      );
    }
    this.#offsets.set(value, { partition, offset });
  }

  #seen(partition: number): Seen {
    const seen = this.#partitions[partition];
    if (seen === undefined) throw new RangeError(`Cannot check partition ${partition}: no such`);
    return seen;
  }

  #evaluated(rule: string): void {
    this.#evaluations.set(rule, (this.#evaluations.get(rule) ?? 0) + 1);
  }

  #broken(rule: string, message: string): void {
    this.violations.push({ rule, message });
  }
}
