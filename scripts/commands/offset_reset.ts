/**
 * Where `strom groups reset-offsets` sets offsets to.
 *
 * @module
 */

import type { Admin } from "../../mod.ts";
import { instant, UsageError } from "./option.ts";

/** What was asked for. */
export type ResetTarget =
  | { readonly kind: "earliest" | "latest" }
  | { readonly kind: "offset"; readonly offset: number }
  | { readonly kind: "time"; readonly timestamp: number }
  | { readonly kind: "shift-by"; readonly by: number };

/** A partition's offset before and after. */
export interface OffsetChange {
  readonly partition: number;
  /** Null where nothing was committed. */
  readonly from: number | null;
  readonly to: number;
}

/**
 * Reads `--to`, whose value may be one text or two: `offset 5`.
 * @throws {UsageError}
 */
export function parseResetTarget(text: string, operand: string | undefined): ResetTarget {
  const [kind = "", inner] = text.split(/[ =](.*)/s);
  const value = inner ?? operand;
  if (inner !== undefined && operand !== undefined) {
    throw new UsageError(`Unexpected argument ${operand}`);
  }
  switch (kind) {
    case "earliest":
    case "latest":
      if (value !== undefined) throw new UsageError(`Unexpected argument ${value}`);
      return { kind };
    case "offset":
      return { kind, offset: wholeNumber(kind, value, /^\d+$/) };
    case "shift-by":
      return { kind, by: wholeNumber(kind, value, /^[-+]?\d+$/) };
    case "time": {
      if (value === undefined) throw new UsageError("--to time: a time is missing");
      return { kind, timestamp: instant("").read([value], "to time")! };
    }
    default:
      throw new UsageError(`--to is earliest, latest, offset, time, shift-by, not ${text}`);
  }
}

function wholeNumber(kind: string, text: string | undefined, pattern: RegExp): number {
  if (text === undefined) throw new UsageError(`--to ${kind}: a number is missing`);
  if (!pattern.test(text)) throw new UsageError(`--to ${kind} ${text} is no whole number`);
  return Number(text);
}

/** What would change; each offset is one that the log has, or its end. */
export async function resetOffsets(
  admin: Admin,
  group: string,
  topic: string,
  only: number | undefined,
  target: ResetTarget,
): Promise<OffsetChange[]> {
  const [described] = await admin.describeTopics([topic]);
  const numbers = described!.partitions.map(({ partition }) => partition)
    .filter((partition) => only === undefined || partition === only);
  if (numbers.length === 0) throw new Error(`Topic ${topic} has no partition ${only}`);
  const places = numbers.map((partition) => ({ topic, partition }));
  const at = (at: "earliest" | "latest" | { readonly timestamp: number }) =>
    admin.listOffsets(places.map((place) => ({ ...place, at })));
  const [starts, ends, committed] = await Promise.all([
    at("earliest"),
    at("latest"),
    admin.listConsumerGroupOffsets(group, places),
  ]);
  const times = target.kind === "time" ? await at({ timestamp: target.timestamp }) : [];
  return numbers.map((partition, index) => {
    const start = starts[index]!.offset;
    const end = ends[index]!.offset;
    const from = committed[index]!.offset;
    const wanted = wantedOffset(target, { start, end, from, time: times[index]?.offset ?? -1 });
    return { partition, from, to: Math.min(Math.max(wanted, start), end) };
  });
}

interface Known {
  readonly start: number;
  readonly end: number;
  readonly from: number | null;
  /** -1 where no record is as late. */
  readonly time: number;
}

function wantedOffset(target: ResetTarget, { start, end, from, time }: Known): number {
  switch (target.kind) {
    case "earliest":
      return start;
    case "latest":
      return end;
    case "offset":
      return target.offset;
    case "shift-by":
      return (from ?? start) + target.by;
    case "time":
      return time < 0 ? end : time;
  }
}
