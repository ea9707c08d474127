/**
 * Rules of the log's producers, broken for as long as a run takes: they have no class of their own
 * that a node could be given, so methods are replaced where they stand.
 *
 * @module
 */

import { LogState } from "../../storage/log_state.ts";
import { ProducerState } from "../../storage/producer_state.ts";

/** Breaks a rule; returns what mends it. */
export type Break = () => () => void;

/** Breaks several rules at once. */
export function allOf(...breaks: readonly Break[]): Break {
  return () => {
    const mends = breaks.map((each) => each());
    return () => mends.reverse().forEach((mend) => mend());
  };
}

/** Puts another method in the place of one. */
export function replace<Target extends object, Key extends keyof Target>(
  target: Target,
  key: Key,
  make: (original: Target[Key]) => Target[Key],
): Break {
  return () => {
    const original = target[key];
    target[key] = make(original);
    return () => target[key] = original;
  };
}

/** What was appended is appended again when it is repeated. */
export const noDedupe: Break = replace(
  ProducerState.prototype,
  "check",
  () => () => undefined,
);

/** B14: a batch that is repeated is answered with another offset than its own. */
export const wrongOffsets: Break = replace(
  ProducerState.prototype,
  "check",
  (original) =>
    function (this: ProducerState, batch, ordered) {
      const found = original.call(this, batch, ordered);
      return typeof found === "object" ? { ...found, lastOffset: found.lastOffset + 1 } : found;
    },
);

/** B14: what is known of producers is lost when the log is cut. */
export const lostProducers: Break = replace(
  LogState.prototype,
  "dropProducersAbove",
  () =>
    function (this: LogState) {
      this.resetProducers();
    },
);

/** B15: a batch that is repeated is refused as out of order. */
export const refusedRetries: Break = replace(
  ProducerState.prototype,
  "check",
  (original) =>
    function (this: ProducerState, batch, ordered) {
      const found = original.call(this, batch, ordered);
      return typeof found === "object" ? "OUT_OF_ORDER_SEQUENCE_NUMBER" : found;
    },
);
