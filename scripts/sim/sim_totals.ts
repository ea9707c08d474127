/**
 * What runs of the simulation did, summed up, to show that they were about something.
 *
 * @module
 */

import type { ClusterSimulationResult } from "../../mod.ts";

/** Sums by name. */
type Sums = Map<string, number>;

export class SimTotals {
  runs = 0;
  events = 0;
  virtualMs = 0;
  violations = 0;
  /** Runs with the real clients. */
  ofClients = 0;
  /** Runs in which an unclean election gave something up. */
  lossy = 0;
  /** How often each kind of fault took effect. */
  readonly faults: Sums = new Map();
  readonly #operations: Sums = new Map();
  readonly evaluations: Sums = new Map();
  readonly #vacuity: Sums = new Map();

  add(result: ClusterSimulationResult): void {
    this.runs++;
    this.events += result.events;
    this.virtualMs += result.virtualMs;
    if (result.clients !== undefined) {
      this.ofClients++;
      addTo(this.#operations, `clients' runs of ${result.clients}`, 1);
    }
    this.violations += result.violations.length;
    if ((result.vacuity["unclean elections"] ?? 0) > 0) this.lossy++;
    const { sends, polls, recordsRead } = result.operations;
    for (const [outcome, count] of Object.entries(sends)) {
      addTo(this.#operations, `send ${outcome}`, count);
    }
    for (const [outcome, count] of Object.entries(polls)) {
      addTo(this.#operations, `poll ${outcome}`, count);
    }
    addTo(this.#operations, "records read", recordsRead);
    for (const [what, count] of Object.entries(result.requests)) {
      addTo(this.#operations, what, count);
    }
    for (const [kind, count] of Object.entries(result.faultCounts)) {
      addTo(this.faults, kind, count);
    }
    for (const [rule, count] of Object.entries(result.evaluations)) {
      addTo(this.evaluations, rule, count);
    }
    for (const [name, count] of Object.entries(result.vacuity)) {
      addTo(this.#vacuity, name, count);
    }
  }

  /** Names of the counts against vacuity that are zero. */
  get vacuous(): readonly string[] {
    return [...this.#vacuity].filter(([, count]) => count === 0).map(([name]) => name);
  }

  /** Lines for people; `seconds` is how long it took. */
  lines(seconds: number): string[] {
    const simulated = this.virtualMs / 1000;
    const faults = sumOf(this.faults);
    const operations = sumOf(this.#operations) - (this.#operations.get("records read") ?? 0);
    return [
      `seeds        ${this.runs}, of them with the real clients ${this.ofClients}, lossy by an ` +
      `unclean election ${this.lossy}`,
      `events       ${this.events} (${Math.round(this.events / seconds)} a second)`,
      `time         ${Math.round(simulated)} s simulated (${
        Math.round(simulated / seconds)
      } times real)`,
      `a second     ${(operations / simulated).toFixed(1)} operations, ${
        (faults / simulated).toFixed(2)
      } faults, simulated`,
      `faults       ${list(this.faults)}`,
      `operations   ${list(this.#operations)}`,
      "evaluations",
      ...[...this.evaluations].sort(byRule).map(([rule, count]) => `  ${rule.padEnd(28)} ${count}`),
      "what happened",
      ...[...this.#vacuity].map(([name, count]) => `  ${name.padEnd(40)} ${count}`),
      `violations   ${this.violations}`,
    ];
  }
}

function addTo(sums: Sums, name: string, count: number): void {
  sums.set(name, (sums.get(name) ?? 0) + count);
}

function sumOf(sums: Sums): number {
  return [...sums.values()].reduce((sum, count) => sum + count, 0);
}

function list(sums: Sums): string {
  return [...sums].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, count]) => `${name} ${count}`).join(", ");
}

/** Numbered rules by their numbers, then the others by name. */
function byRule([a]: [string, number], [b]: [string, number]): number {
  const number = (rule: string) => Number(/^P(\d+) /.exec(rule)?.[1] ?? 1000);
  return number(a) - number(b) || (a < b ? -1 : 1);
}
