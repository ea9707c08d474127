/**
 * What transactions may do, judged by what clients were told and what readers of committed records
 * saw (guarantees P29, P30, P35).
 *
 * - Of a transfer that was committed both halves are there, once; of one that was aborted none; of
 *   one whose outcome is not known both or none.
 * - A copy has in each partition what its original has, once, in order.
 * - A reader that came earlier saw nothing else, and in the same order.
 *
 * @module
 */

import { parseHalf, type TransferEvent } from "./transactor_events.ts";

/** The values that a reader of committed records saw, by partition, in order. */
export type ReadValues = readonly (readonly string[])[];

export function judgeTransfers(events: readonly TransferEvent[], read: ReadValues): string[] {
  const outcomes = new Map<string, TransferEvent["kind"]>();
  for (const { kind, id } of events) outcomes.set(id, kind);
  const halves = new Map<string, number[]>();
  for (const value of read.flat()) {
    const { id, half } = parseHalf(value);
    const counts = halves.get(id) ?? [0, 0];
    counts[half] = (counts[half] ?? 0) + 1;
    halves.set(id, counts);
  }
  const broken: string[] = [];
  for (const [id, kind] of outcomes) {
    const seen = halves.get(id)?.join(" and ") ?? "0 and 0";
    if (isAllowed(kind, seen)) continue;
    broken.push(`transfer ${id} was ${kind}, and its halves were read ${seen} times`);
  }
  for (const id of halves.keys()) {
    if (!outcomes.has(id)) broken.push(`transfer ${id} was never begun, and was read`);
  }
  return broken;
}

function isAllowed(kind: TransferEvent["kind"], seen: string): boolean {
  if (kind === "committed") return seen === "1 and 1";
  if (kind === "aborted") return seen === "0 and 0";
  return seen === "1 and 1" || seen === "0 and 0";
}

export function judgeCopy(original: ReadValues, copy: ReadValues): string[] {
  return original.flatMap((values, partition) => {
    const copied = copy[partition] ?? [];
    const at = values.findIndex((value, index) => copied[index] !== value);
    if (at < 0 && copied.length === values.length) return [];
    const place = at < 0 ? values.length : at;
    return [
      `copy of partition ${partition}: at ${place} stands ${copied[place] ?? "nothing"} for ` +
      `${values[place] ?? "nothing"}; ${copied.length} of ${values.length} were copied`,
    ];
  });
}

/** A reader that saw less of a topic than another, later one. */
export function judgeEarlier(earlier: ReadValues, later: ReadValues, topic: string): string[] {
  return earlier.flatMap((values, partition) => {
    const at = values.findIndex((value, index) => later[partition]?.[index] !== value);
    if (at < 0) return [];
    return [
      `${topic}-${partition}: a reader saw ${values[at]} that was not there later, or elsewhere`,
    ];
  });
}
