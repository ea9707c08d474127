/**
 * The rules of history_checker.ts on the order in which one process reads: without gaps, and
 * without going back.
 *
 * Where a process goes on by itself (it was assigned its partitions) both hold from poll to poll.
 * Where a group gives and takes partitions (subscribe) they hold within one operation only, and
 * there not for partitions that changed hands in it.
 *
 * @module
 */

import type { Operation } from "./history.ts";
import type { Findings } from "./history_checker.ts";
import { hasSteps, type SteppedOperation, type VersionOrder } from "./version_orders.ts";

interface Reader {
  subscribed: boolean;
  /** By partition: the index of the last record read. */
  readonly positions: Map<string, number>;
}

/** Checks `poll-skip`, `nonmonotonic-poll` and their `int-` forms. */
export function checkPollOrder(
  findings: Findings,
  operations: readonly Operation[],
  orders: ReadonlyMap<string, VersionOrder>,
): void {
  const readers = new Map<string, Reader>();
  for (const operation of operations) {
    const { process } = operation;
    const reader = readers.get(process) ?? { subscribed: false, positions: new Map() };
    readers.set(process, reader);
    if (operation.kind === "crash") {
      readers.delete(process);
    } else if (!hasSteps(operation)) {
      reader.subscribed = operation.kind === "subscribe";
      const kept = new Set(operation.partitions);
      for (const partition of [...reader.positions.keys()]) {
        if (!kept.has(partition)) reader.positions.delete(partition);
      }
    } else if (operation.outcome === "ok") {
      checkPolls(findings, operation, reader, orders);
    }
  }
}

function checkPolls(
  findings: Findings,
  operation: SteppedOperation,
  reader: Reader,
  orders: ReadonlyMap<string, VersionOrder>,
): void {
  const rebalanced = new Set(operation.rebalanced);
  const inside = new Set<string>();
  for (const step of operation.steps) {
    if (step.kind !== "poll") continue;
    const { partition } = step;
    const indexes = orders.get(partition)?.indexes;
    for (const { offset } of step.records) {
      const index = indexes?.get(offset) ?? -1;
      const before = reader.positions.get(partition);
      const isInside = inside.has(partition);
      const isFree = isInside ? rebalanced.has(partition) : reader.subscribed;
      if (before !== undefined && !isFree) {
        const where = `${partition}: operation ${operation.index} of ${operation.process} read ` +
          `offset ${offset}, place ${index}, after place ${before}`;
        compare(findings, isInside ? "int-" : "", index - before, where);
      }
      inside.add(partition);
      reader.positions.set(partition, index);
    }
  }
}

function compare(findings: Findings, prefix: string, step: number, message: string): void {
  findings.evaluated(`${prefix}poll-skip`);
  findings.evaluated(`${prefix}nonmonotonic-poll`);
  if (step > 1) findings.broken(`${prefix}poll-skip`, message);
  if (step < 1) findings.broken(`${prefix}nonmonotonic-poll`, message);
}
