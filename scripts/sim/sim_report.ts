/**
 * What is told of a run that broke a rule: the rule, the few faults that suffice, what clients did
 * with the partition, and the command that runs it again.
 *
 * @module
 */

import {
  type ClusterSimulationOptions,
  type ClusterSimulationResult,
  shrinkList,
  simulateCluster,
} from "../../mod.ts";

const VIOLATIONS_SHOWN = 5;
const OPERATIONS_SHOWN = 25;

/** The faults that suffice to break the same rule, found within so many runs. */
export function shrinkFaults(
  options: ClusterSimulationOptions,
  result: ClusterSimulationResult,
  runsMax: number,
): ClusterSimulationResult {
  const rule = result.violations[0]?.rule;
  let smallest = result;
  let runs = 0;
  shrinkList(result.faults, (faults) => {
    if (runs++ >= runsMax) return false;
    const again = simulateCluster({ ...options, faults });
    const fails = again.violations[0]?.rule === rule;
    if (fails && faults.length < smallest.faults.length) smallest = again;
    return fails;
  });
  return smallest;
}

/** Lines about a run that broke a rule. */
export function violationLines(
  first: ClusterSimulationResult,
  shrunk: ClusterSimulationResult,
  command: string,
): string[] {
  const [violation] = shrunk.violations;
  return [
    "",
    `seed ${first.seed} breaks ${first.violations.length} rules:`,
    ...first.violations.slice(0, VIOLATIONS_SHOWN).map(({ rule, message }) =>
      `  ${rule}: ${message}`
    ),
    `${shrunk.faults.length} of its ${first.faults.length} faults suffice for the first:`,
    ...shrunk.faults.map((fault) => `  ${JSON.stringify(fault)}`),
    `  ${violation?.rule}: ${violation?.message}`,
    "what clients did there last:",
    ...historyLines(shrunk, violation?.message ?? ""),
    `replay: ${command}`,
  ];
}

/** The last operations on the partition that a message is about. */
function historyLines({ history }: ClusterSimulationResult, message: string): string[] {
  const partition = /\b(topic-\d+-\d+)\b/.exec(message)?.[1];
  const lines: string[] = [];
  for (const operation of history) {
    if (!("steps" in operation)) continue;
    const { process, outcome, index } = operation;
    for (const step of operation.steps) {
      if (partition !== undefined && !step.partition.startsWith(`${partition}:`)) continue;
      const said = step.kind === "send"
        ? `send ${step.value} at ${step.offset ?? "?"}`
        : `poll ${step.records.map(({ offset, value }) => `${value}@${offset}`).join(" ")}`;
      lines.push(`  #${index} ${process} ${outcome}: ${said}`);
    }
  }
  return lines.slice(-OPERATIONS_SHOWN);
}
