/**
 * What is told of a run that broke a rule: the rule, the few faults that suffice, what clients did
 * that breaks it, and the command that runs exactly that again.
 *
 * @module
 */

import {
  checkHistory,
  type ClusterSimulationOptions,
  type ClusterSimulationResult,
  type Operation,
  shrinkList,
  shrinkListAsync,
} from "../../mod.ts";
import { type Asked, replayCommand } from "./replay.ts";
import { runSeed } from "./seed_job.ts";

const VIOLATIONS_SHOWN = 5;
const OPERATIONS_SHOWN = 25;

/** A smaller run that breaks the same rule. */
export interface ShrunkRun {
  readonly result: ClusterSimulationResult;
  /** The simulated seconds with faults that it takes, where they are fewer than before. */
  readonly seconds?: number;
}

/** The faults that suffice to break the same rule, found within so many runs. */
export async function shrinkRun(
  options: ClusterSimulationOptions,
  result: ClusterSimulationResult,
  runsMax: number,
): Promise<ShrunkRun> {
  const rule = result.violations[0]?.rule;
  let smallest: ClusterSimulationResult | undefined;
  let runs = 0;
  await shrinkListAsync(result.faults, async (faults) => {
    if (runs++ >= runsMax) return false;
    const again = await runSeed({ ...options, faults });
    const fails = again.violations[0]?.rule === rule;
    if (fails) smallest = again;
    return fails;
  });
  const { faults } = smallest ?? result;
  // Then nothing need go on for longer than the last of them.
  const seconds = Math.ceil(((faults[faults.length - 1]?.at ?? 0) + 1) / 1000);
  if (seconds * 1000 < result.run.faultsForMs) {
    const run = { ...options.run, faultsForMs: seconds * 1000 };
    const again = await runSeed({ ...options, run, faults });
    if (again.violations[0]?.rule === rule) return { result: again, seconds };
  }
  return { result: smallest ?? result };
}

/** Lines about a run that broke a rule. */
export function violationLines(
  first: ClusterSimulationResult,
  { result, seconds }: ShrunkRun,
  asked: Asked,
): string[] {
  const [violation] = result.violations;
  const { rule = "", message = "" } = violation ?? {};
  const faults = result.faults.map((fault) => `  ${JSON.stringify(fault)}`);
  return [
    "",
    `seed ${first.seed} breaks ${first.violations.length} rules:`,
    ...first.violations.slice(0, VIOLATIONS_SHOWN).map(({ rule, message }) =>
      `  ${rule}: ${message}`
    ),
    `as ran: ${replayCommand(asked)}`,
    "",
    `${faults.length} of its ${first.faults.length} faults suffice${faults.length > 0 ? ":" : ""}`,
    ...faults,
    `  ${rule}: ${message}`,
    ...historyLines(result.history, rule, message),
    `run ${result.traceHash}, after ${result.events} events`,
    `replay: ${
      replayCommand({ ...asked, seconds: seconds ?? asked.seconds, schedule: result.faults })
    }`,
  ];
}

/** Rules that no operation left out can break: a history may be shrunk for them. */
const POSITIVE: ReadonlySet<string> = new Set([
  "inconsistent-offsets",
  "duplicate",
  "aborted-read",
  "precommitted-read",
  "nonmonotonic-send",
  "int-nonmonotonic-send",
  "nonmonotonic-poll",
  "int-nonmonotonic-poll",
]);

/** What clients did that breaks the rule; else the last that they did to what the message names. */
export function historyLines(
  history: readonly Operation[],
  rule: string,
  message: string,
): string[] {
  const partition = /\b(topic-\d+-\d+)\b/.exec(message)?.[1];
  const breaks = (operations: readonly Operation[]) =>
    checkHistory(operations, { drained: true }).violations.some((found) =>
      found.rule === rule && (partition === undefined || found.message.includes(partition))
    );
  if (POSITIVE.has(rule) && breaks(history)) {
    const few = shrinkList(history, breaks);
    return [
      "what clients did suffices for that:",
      ...few.flatMap((one) => linesOf(one, partition)),
    ];
  }
  const lines = history.flatMap((operation) => linesOf(operation, partition));
  return ["what clients did there last:", ...lines.slice(-OPERATIONS_SHOWN)];
}

function linesOf(operation: Operation, partition: string | undefined): string[] {
  if (!("steps" in operation)) return [];
  const { process, outcome, index, steps } = operation;
  return steps
    .filter((step) => partition === undefined || step.partition.startsWith(`${partition}:`))
    .map((step) => {
      const said = step.kind === "send"
        ? `send ${step.value} at ${step.offset ?? "?"}`
        : `poll ${step.records.map(({ offset, value }) => `${value}@${offset}`).join(" ")}`;
      return `  #${index} ${process} ${outcome}: ${said}`;
    });
}
