/**
 * `deno task sim`: runs the simulated node seed after seed, and sums up what happened.
 *
 * A seed that breaks a rule ends the run: the faults are shrunk to the few that matter, and the one
 * command that replays it is printed.
 */

import { parseArgs } from "@std/cli/parse-args";
import {
  type NodeSimulationOptions,
  type NodeSimulationResult,
  simulateNode,
} from "../actors/sim/node_simulation.ts";
import { shrinkList } from "../actors/sim/shrink.ts";

const USAGE = `Runs a node and a client in a simulated world with crashes, power cuts, broken
links, full disks and wrong clocks, and holds what the client saw against what a log may do.

  deno task sim                      10,000 seeds
  deno task sim --seeds 500 --from 1 the seeds 1 to 500
  deno task sim --seed 42            one seed, with the node's log lines
  deno task sim --seed 42 --trace F  and a line for each event into the file F

  --seconds N  simulated seconds with faults in each run (60)`;

const options = parseArgs(Deno.args, {
  string: ["seeds", "from", "seed", "trace", "seconds"],
  boolean: ["help"],
  unknown: (argument: string) => {
    console.error(`strom sim: unknown argument ${argument}\n\n${USAGE}`);
    Deno.exit(2);
  },
});

function wholeNumber(name: "seeds" | "from" | "seed" | "seconds", otherwise: number): number {
  const text = options[name];
  if (text === undefined) return otherwise;
  if (/^\d+$/.test(text)) return Number(text);
  console.error(`strom sim: --${name} ${text} is no whole number`);
  Deno.exit(2);
}

/** Sums of what the runs did, to show that they did something. */
class Totals {
  readonly #sums = new Map<string, number>();
  readonly #groups = ["operations", "faults", "evaluations"] as const;
  runs = 0;
  events = 0;
  virtualMs = 0;
  starts = 0;
  tornLogsCut = 0;

  add(result: NodeSimulationResult): void {
    this.runs++;
    this.events += result.events;
    this.virtualMs += result.virtualMs;
    this.starts += result.starts;
    this.tornLogsCut += result.tornLogsCut;
    this.#addGroup("operations", { ...result.operations });
    this.#addGroup("faults", result.faultCounts);
    this.#addGroup("evaluations", result.evaluations);
  }

  #addGroup(group: string, counts: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(counts)) {
      const key = `${group} ${name}`;
      this.#sums.set(key, (this.#sums.get(key) ?? 0) + count);
    }
  }

  print(seconds: number): void {
    console.log(`seeds        ${this.runs}`);
    console.log(`events       ${this.events} (${Math.round(this.events / seconds)} a second)`);
    const speed = Math.round(this.virtualMs / 1000 / seconds);
    console.log(
      `time         ${Math.round(this.virtualMs / 1000)} s simulated (${speed} times real)`,
    );
    console.log(`node starts  ${this.starts}, torn logs cut ${this.tornLogsCut}`);
    for (const group of this.#groups) {
      const parts = [...this.#sums].filter(([key]) => key.startsWith(`${group} `))
        .map(([key, sum]) => `${key.slice(group.length + 1)} ${sum}`);
      console.log(`${group.padEnd(12)} ${parts.sort().join(", ")}`);
    }
  }
}

function report(run: NodeSimulationOptions, result: NodeSimulationResult): void {
  console.log(`\nseed ${result.seed} breaks ${result.violations.length} rules:`);
  for (const { rule, message } of result.violations.slice(0, 10)) {
    console.log(`  ${rule}: ${message}`);
  }
  const [first] = result.violations;
  console.error("shrinking the faults…");
  const faults = shrinkList(
    result.faults,
    (faults) =>
      simulateNode({ ...run, faults }).violations.some(({ rule }) => rule === first?.rule),
  );
  console.log(`${faults.length} of ${result.faults.length} faults suffice:`);
  for (const fault of faults) console.log(`  ${JSON.stringify(fault)}`);
  console.log(`replay: deno task sim --seed ${result.seed} --seconds ${run.faultsForMs! / 1000}`);
}

function runMany(from: number, count: number, faultsForMs: number): boolean {
  const totals = new Totals();
  const began = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    const run = { seed, faultsForMs };
    const result = simulateNode(run);
    totals.add(result);
    if (result.violations.length > 0) {
      report(run, result);
      return false;
    }
    if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode(`\r${seed}`));
  }
  totals.print((performance.now() - began) / 1000);
  console.log("violations   0");
  return true;
}

function runOne(seed: number, faultsForMs: number): boolean {
  const lines: string[] = [];
  const result = simulateNode({
    seed,
    faultsForMs,
    log: (line) => console.log(line),
    ...(options.trace === undefined ? {} : { trace: (line: string) => lines.push(line) }),
  });
  if (options.trace !== undefined) Deno.writeTextFileSync(options.trace, lines.join("\n"));
  console.log(JSON.stringify(result, undefined, 2));
  return result.violations.length === 0;
}

if (options.help) {
  console.log(USAGE);
} else {
  const faultsForMs = 1000 * wholeNumber("seconds", 60);
  const passed = options.seed === undefined
    ? runMany(wholeNumber("from", 1), wholeNumber("seeds", 10_000), faultsForMs)
    : runOne(wholeNumber("seed", 1), faultsForMs);
  Deno.exit(passed ? 0 : 1);
}
