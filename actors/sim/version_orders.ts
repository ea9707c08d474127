/**
 * The order of the values in each partition, as a history shows it: the ground that the rules of
 * history_checker.ts stand on.
 *
 * A partition's version order maps offsets to the values seen there, by the sends that must have
 * been committed (acknowledged, or one of whose values an ok poll read) and by all polls. A value's
 * index is its place in that order: offsets with the gaps squeezed out.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import type { Operation } from "./history.ts";

/** An operation with steps. */
export type SteppedOperation = Operation & { readonly kind: "send" | "poll" | "txn" };

/** What is known of one partition. */
export interface VersionOrder {
  /** The values seen at each offset: one, unless something is wrong. */
  readonly offsets: ReadonlyMap<Offset, ReadonlySet<number>>;
  /** The offsets at which each value was seen: one, unless something is wrong. */
  readonly values: ReadonlyMap<number, ReadonlySet<Offset>>;
  /** The place of each offset among all that hold something. */
  readonly indexes: ReadonlyMap<Offset, number>;
  /** Who wrote each value. */
  readonly writers: ReadonlyMap<number, SteppedOperation>;
  /** Values that an ok operation read. */
  readonly read: ReadonlySet<number>;
}

interface Building {
  readonly offsets: Map<Offset, Set<number>>;
  readonly values: Map<number, Set<Offset>>;
  readonly indexes: Map<Offset, number>;
  readonly writers: Map<number, SteppedOperation>;
  readonly read: Set<number>;
}

/** Whether it has steps. */
export function hasSteps(operation: Operation): operation is SteppedOperation {
  return "steps" in operation;
}

/** The version orders of all partitions, by partition. */
export function versionOrders(
  operations: readonly Operation[],
): ReadonlyMap<string, VersionOrder> {
  const orders = new Map<string, Building>();
  const stepped = operations.filter(hasSteps);
  for (const operation of stepped) takeReads(orders, operation);
  for (const operation of stepped) {
    if (mustHaveCommitted(orders, operation)) takeWrites(orders, operation);
  }
  for (const { offsets, indexes } of orders.values()) {
    [...offsets.keys()].sort((a, b) => a - b).forEach((offset, index) =>
      indexes.set(offset, index)
    );
  }
  return orders;
}

/** Acknowledged, or of unknown outcome and seen. */
export function mustHaveCommitted(
  orders: ReadonlyMap<string, VersionOrder>,
  { outcome, steps }: SteppedOperation,
): boolean {
  if (outcome !== "info") return outcome === "ok";
  return steps.some((step) =>
    step.kind === "send" && orders.get(step.partition)?.read.has(step.value) === true
  );
}

function takeReads(orders: Map<string, Building>, operation: SteppedOperation): void {
  for (const step of operation.steps) {
    const order = orderOf(orders, step.partition);
    if (step.kind === "send") {
      order.writers.set(step.value, operation);
      continue;
    }
    for (const { offset, value } of step.records) {
      place(order, offset, value);
      if (operation.outcome === "ok") order.read.add(value);
    }
  }
}

function takeWrites(orders: Map<string, Building>, { steps }: SteppedOperation): void {
  for (const step of steps) {
    if (step.kind === "send" && step.offset !== undefined) {
      place(orderOf(orders, step.partition), step.offset, step.value);
    }
  }
}

function place({ offsets, values }: Building, offset: Offset, value: number): void {
  const there = offsets.get(offset);
  if (there === undefined) offsets.set(offset, new Set([value]));
  else there.add(value);
  const at = values.get(value);
  if (at === undefined) values.set(value, new Set([offset]));
  else at.add(offset);
}

function orderOf(orders: Map<string, Building>, partition: string): Building {
  let order = orders.get(partition);
  if (order === undefined) {
    order = {
      offsets: new Map(),
      values: new Map(),
      indexes: new Map(),
      writers: new Map(),
      read: new Set(),
    };
    orders.set(partition, order);
  }
  return order;
}
