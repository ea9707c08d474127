/**
 * Holds a whole history against what a log may do: Jepsen's Kafka checker over our own operations.
 *
 * | rule                 | what is wrong                                                       |
 * | -------------------- | ------------------------------------------------------------------- |
 * | inconsistent-offsets | one offset was seen holding two values                              |
 * | duplicate            | one value stands at two offsets                                     |
 * | lost-write           | a committed value below the highest offset read was never read      |
 * | unseen               | an acknowledged value was read by nobody in the end                 |
 * | aborted-read (G1a)   | an ok poll read a value whose writer surely failed                  |
 * | precommitted-read    | an operation polled a value that it sent itself                     |
 * | poll-skip            | a poll leaves out what lies between it and the process's last       |
 * | nonmonotonic-poll    | a poll gives again what the process has had, or what lies before it |
 * | int-…                | the same within one operation                                       |
 * | nonmonotonic-send    | a later send of a process lands at or before an earlier one         |
 *
 * What Kafka allows is no anomaly: sends of others between one's own (int-send-skip), transactions
 * whose writes interleave (G0), and, with subscribe, polls that go back or skip where partitions
 * changed hands.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import type { Operation, SendStep } from "./history.ts";
import type { Violation } from "./record_checker.ts";
import { checkPollOrder } from "./history_polls.ts";
import {
  hasSteps,
  mustHaveCommitted,
  type SteppedOperation,
  type VersionOrder,
  versionOrders,
} from "./version_orders.ts";

/** What a history is held against. */
export interface HistoryRules {
  /** Whether at the end every partition was read to its end: what is unread then is lost. */
  readonly drained: boolean;
  /** Values that are allowed to be lost: of partitions whose leader was elected uncleanly. */
  readonly mayBeLost?: (partition: string, offset: Offset) => boolean;
  /** Rules that do not hold for this history: what it was made with does not promise them. */
  readonly except?: ReadonlySet<string>;
}

/** What came of it. */
export interface HistoryVerdict {
  /** At most `VIOLATIONS_MAX` of each rule. */
  readonly violations: readonly Violation[];
  /** How often each rule was held against something. */
  readonly evaluations: Readonly<Record<string, number>>;
}

const VIOLATIONS_MAX = 20;

/** Takes what the rules find. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly evaluations: Record<string, number> = {};
  readonly #found = new Map<string, number>();
  readonly #except: ReadonlySet<string>;

  constructor(except: ReadonlySet<string> = new Set()) {
    this.#except = except;
  }

  evaluated(rule: string, count = 1): void {
    this.evaluations[rule] = (this.evaluations[rule] ?? 0) + count;
  }

  broken(rule: string, message: string): void {
    if (this.#except.has(rule)) return;
    const found = this.#found.get(rule) ?? 0;
    this.#found.set(rule, found + 1);
    if (found < VIOLATIONS_MAX) this.violations.push({ rule, message });
  }
}

/** Checks a history. */
export function checkHistory(
  operations: readonly Operation[],
  rules: HistoryRules,
): HistoryVerdict {
  const findings = new Findings(rules.except);
  const orders = versionOrders(operations);
  for (const [partition, order] of orders) {
    checkPlaces(findings, partition, order);
    checkLost(findings, partition, order, orders, rules);
  }
  for (const operation of operations) {
    if (hasSteps(operation)) checkReads(findings, operation, orders);
  }
  checkSendOrder(findings, operations);
  checkPollOrder(findings, operations, orders);
  return findings;
}

/** One value at an offset, and one offset for a value. */
function checkPlaces(findings: Findings, partition: string, order: VersionOrder): void {
  findings.evaluated("inconsistent-offsets", order.offsets.size);
  for (const [offset, values] of order.offsets) {
    if (values.size === 1) continue;
    const held = [...values].join(" and ");
    findings.broken("inconsistent-offsets", `${partition}: offset ${offset} held ${held}`);
  }
  findings.evaluated("duplicate", order.values.size);
  for (const [value, offsets] of order.values) {
    if (offsets.size === 1) continue;
    const places = [...offsets].join(" and ");
    findings.broken("duplicate", `${partition}: ${value} stands at ${places}`);
  }
}

/** What was committed is read once somebody has read past it, and in the end anyway. */
function checkLost(
  findings: Findings,
  partition: string,
  order: VersionOrder,
  orders: ReadonlyMap<string, VersionOrder>,
  rules: HistoryRules,
): void {
  const { values, indexes, writers, read } = order;
  const indexOf = (value: number) =>
    Math.max(...[...values.get(value) ?? []].map((offset) => indexes.get(offset) ?? -1));
  let highestRead = -1;
  for (const value of read) highestRead = Math.max(highestRead, indexOf(value));
  for (const [value, writer] of writers) {
    const offsets = values.get(value);
    if (offsets === undefined || !mustHaveCommitted(orders, writer)) continue;
    findings.evaluated("lost-write");
    if (read.has(value) || isExempt(rules, partition, offsets)) continue;
    const [offset] = offsets;
    const message = `${partition}: ${value} at ${offset}, of operation ${writer.index} of ` +
      `${writer.process}`;
    if (indexOf(value) <= highestRead) {
      findings.broken("lost-write", `${message}, was never read; others behind it were`);
    }
    if (rules.drained && writer.outcome === "ok") {
      findings.broken("unseen", `${message}, was acknowledged and read by nobody`);
    }
  }
  if (rules.drained) findings.evaluated("unseen", values.size);
}

function isExempt(
  { mayBeLost }: HistoryRules,
  partition: string,
  offsets: ReadonlySet<Offset>,
): boolean {
  return mayBeLost !== undefined && [...offsets].every((offset) => mayBeLost(partition, offset));
}

/** What a poll may not give: what was refused, and what the operation itself has sent. */
function checkReads(
  findings: Findings,
  operation: SteppedOperation,
  orders: ReadonlyMap<string, VersionOrder>,
): void {
  const { outcome, steps, index, process } = operation;
  for (const step of steps) {
    if (step.kind !== "poll") continue;
    const writers = orders.get(step.partition)?.writers;
    for (const { offset, value } of step.records) {
      const writer = writers?.get(value);
      const where =
        `${step.partition}: operation ${index} of ${process} read ${value} at ${offset}`;
      findings.evaluated("aborted-read");
      if (outcome === "ok" && writer?.outcome === "fail") {
        findings.broken("aborted-read", `${where}, which was refused`);
      }
      findings.evaluated("precommitted-read");
      if (writer === operation) findings.broken("precommitted-read", `${where}, its own`);
    }
  }
}

/** Successful sends of one process to one partition lie in the order in which they began. */
function checkSendOrder(findings: Findings, operations: readonly Operation[]): void {
  const last = new Map<string, Map<string, SendStep>>();
  for (const operation of operations) {
    if (!hasSteps(operation) || operation.outcome !== "ok") continue;
    const ofProcess = last.get(operation.process) ?? new Map<string, SendStep>();
    last.set(operation.process, ofProcess);
    const within = new Map<string, SendStep>();
    for (const step of operation.steps) {
      if (step.kind !== "send" || step.offset === undefined) continue;
      const inside = within.get(step.partition);
      const before = inside ?? ofProcess.get(step.partition);
      const rule = inside === undefined ? "nonmonotonic-send" : "int-nonmonotonic-send";
      if (before?.offset !== undefined) {
        findings.evaluated(rule);
        if (step.offset <= before.offset) {
          const { process, partition } = { ...operation, ...step };
          const message = `${partition}: ${process} sent ${before.value}, then ${step.value}; ` +
            `they are at ${before.offset} and ${step.offset}`;
          findings.broken(rule, message);
        }
      }
      within.set(step.partition, step);
    }
    for (const [partition, step] of within) ofProcess.set(partition, step);
  }
}
