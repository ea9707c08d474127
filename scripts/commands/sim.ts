/**
 * `strom sim`: clusters in the simulated world, seed after seed.
 *
 * @module
 */

import {
  CLUSTER_KINDS,
  type ClusterSimulationOptions,
  type ClusterSimulationResult,
  type Fault,
  type FaultKind,
} from "../../mod.ts";
import type { Asked } from "../sim/replay.ts";
import { runSeed, type SeedJob } from "../sim/seed_job.ts";
import { runSeeds } from "../sim/seed_pool.ts";
import { shrinkRun, violationLines } from "../sim/sim_report.ts";
import { SimTotals } from "../sim/sim_totals.ts";
import { command, type Terminal } from "./command.ts";
import { flag, integer, text, textOr, UsageError } from "./option.ts";

const DEFAULT_SEEDS = 1000;
const SHRINK_RUNS = 60;
const MINUTE_MS = 60_000;

export const sim = command({
  name: "sim",
  summary: "Run clusters in a simulated world with faults, and hold them to every rule",
  details: [
    "Each seed is a cluster, its clients, and faults: crashes, power cuts, broken links, full",
    "disks, wrong clocks. After every event the state of all nodes is held against the rules; in",
    "the end what is left must converge, and what clients saw must be what a log may do.",
    "The same seed gives the same run, to the last bit. Every tenth has the real clients for its",
    "workload: plain records, or transactions and exactly-once copies.",
    "",
    "Kinds of faults:",
    ...inLines(CLUSTER_KINDS),
  ],
  options: {
    seed: integer("N", "One seed, told about in full", { min: 0 }),
    from: integer("N", "The first of several seeds (default 1)", { min: 0 }),
    seeds: integer("N", `How many (default ${DEFAULT_SEEDS})`, { min: 1 }),
    minutes: integer("M", "Begin seeds for so long, instead", { min: 1 }),
    jobs: integer("N", "Seeds at a time, in processes of their own (default: one a core)", {
      min: 1,
    }),
    nodes: integer("N", "How many brokers (default: as drawn, 1 to 5)", { min: 1, max: 9 }),
    seconds: integer("S", "Simulated seconds with faults in each run (default 30)", { min: 1 }),
    faults: textOr("LIST", "all", "Some kinds of faults, with commas"),
    schedule: text("JSON", "The faults themselves, instead of drawing them"),
    trace: text("FILE", "Write a line for each event of one seed"),
    logs: flag("Print what nodes log in the run of one seed"),
  },
  exclusive: [["seed", "from"], ["seed", "seeds"], ["seed", "minutes"], ["seeds", "minutes"]],
  async run({ options, terminal }) {
    const print = (line: string) => terminal.output.writeText(`${line}\n`);
    const { nodes, seconds, seed } = options;
    const kinds = kindsOf(options.faults);
    const schedule = options.schedule === undefined ? undefined : faultsOf(options.schedule);
    const optionsOf = (seed: number): ClusterSimulationOptions => ({
      seed,
      run: {
        ...(nodes === undefined ? {} : { nodes }),
        ...(seconds === undefined ? {} : { faultsForMs: seconds * 1000 }),
      },
      ...(kinds === undefined ? {} : { kinds }),
      ...(schedule === undefined ? {} : { faults: schedule }),
    });
    const asked = (seed: number): Asked => ({ seed, nodes, seconds, kinds, schedule });
    print(`commit ${await commit()}`);
    const runner = new SeedRunner(optionsOf, asked, terminal, print);
    if (seed !== undefined) await runner.runOne(seed, options.trace, options.logs);
    else {
      const { from = 1, seeds = DEFAULT_SEEDS, minutes } = options;
      const until = minutes === undefined ? { to: from + seeds } : { ms: minutes * MINUTE_MS };
      await runner.runMany({ from, ...until }, options.jobs ?? navigator.hardwareConcurrency);
    }
    if (runner.broken > 0) throw new Error(`${runner.broken} seeds broke a rule`);
  },
});

class SeedRunner {
  readonly #optionsOf: (seed: number) => ClusterSimulationOptions;
  readonly #asked: (seed: number) => Asked;
  readonly #terminal: Terminal;
  readonly #print: (line: string) => void;
  readonly #totals = new SimTotals();
  readonly #began = performance.now();
  broken = 0;

  constructor(
    optionsOf: (seed: number) => ClusterSimulationOptions,
    asked: (seed: number) => Asked,
    terminal: Terminal,
    print: (line: string) => void,
  ) {
    this.#optionsOf = optionsOf;
    this.#asked = asked;
    this.#terminal = terminal;
    this.#print = print;
  }

  async runMany(seeds: Pick<SeedJob, "from" | "to" | "ms">, jobs: number): Promise<void> {
    const { seed: _, ...options } = this.#optionsOf(seeds.from);
    const broken: ClusterSimulationResult[] = [];
    await runSeeds({ ...seeds, options, step: 1 }, jobs, (result) => {
      this.#printLine(result);
      this.#totals.add(result);
      if (result.violations.length > 0) broken.push(result);
      return this.#show();
    });
    this.#end();
    for (const result of broken) await this.#tell(result);
  }

  async runOne(seed: number, trace: string | undefined, logs: boolean): Promise<void> {
    const lines: string[] = [];
    const options = this.#optionsOf(seed);
    const result = await runSeed({
      ...options,
      ...(trace === undefined ? {} : { trace: (line: string) => lines.push(line) }),
      ...(logs ? { log: this.#print } : {}),
    });
    if (trace !== undefined) Deno.writeTextFileSync(trace, lines.join("\n"));
    this.#print(JSON.stringify({ ...result, history: undefined }, undefined, 2));
    this.#totals.add(result);
    this.#end();
    if (result.violations.length > 0) await this.#tell(result);
  }

  /** Shows what was printed so far, one call after the other. */
  #show(): Promise<void> {
    return this.#shown = this.#shown.then(() => this.#terminal.output.flush());
  }
  #shown = Promise.resolve();

  #printLine(result: ClusterSimulationResult): void {
    const { seed, run, clients, events, traceHash, virtualMs } = result;
    this.#print(
      `seed ${seed}: ${run.nodes} nodes, ${run.voters} voters` +
        `${run.combined ? "" : " apart"}, ${
          clients === undefined
            ? `RF ${run.topics.map(({ replicationFactor }) => replicationFactor)}`
            : `real clients' ${clients}`
        }, min ISR ${run.minInsyncReplicas}` +
        `${run.flushBeforeAck ? ", flushed" : ""}; faults ${Object.keys(run.faults)}; ` +
        `${events} events, ${Math.round(virtualMs / 1000)} s, ${traceHash}`,
    );
  }

  /** Tells of a run that broke a rule, and of the little that suffices for that. */
  async #tell(result: ClusterSimulationResult): Promise<void> {
    this.broken++;
    const seed = Number(result.seed);
    const options = this.#optionsOf(seed);
    this.#terminal.note("shrinking the faults…");
    const again = await runSeed(options);
    if (again.traceHash !== result.traceHash) {
      this.#print(
        `seed ${seed} is not the same each time: ${result.traceHash} and ${again.traceHash}`,
      );
    }
    const shrunk = await shrinkRun(options, again, SHRINK_RUNS);
    for (const line of violationLines(result, shrunk, this.#asked(seed))) this.#print(line);
  }

  #end(): void {
    const seconds = (performance.now() - this.#began) / 1000;
    for (const line of this.#totals.lines(seconds)) this.#print(line);
  }
}

function kindsOf(list: string): readonly FaultKind[] | undefined {
  if (list === "all") return undefined;
  return list.split(",").map((word) => {
    const kind = CLUSTER_KINDS.find((kind) => kind === word.trim());
    if (kind !== undefined) return kind;
    throw new UsageError(`--faults ${word} is not among ${CLUSTER_KINDS.join(", ")}`);
  });
}

function faultsOf(json: string): readonly Fault[] {
  try {
    return JSON.parse(json);
  } catch {
    throw new UsageError("--schedule is no JSON");
  }
}

/** Seeds mean the same only with the same code. */
async function commit(): Promise<string> {
  try {
    const git = new Deno.Command("git", { args: ["rev-parse", "--short", "HEAD"], stderr: "null" });
    const { success, stdout } = await git.output();
    return success ? new TextDecoder().decode(stdout).trim() : "unknown";
  } catch {
    return "unknown";
  }
}

/** Names with commas, in lines that fit a terminal. */
function inLines(names: readonly string[]): string[] {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last === undefined || last.length + name.length > 90) lines.push(`  ${name}`);
    else lines[lines.length - 1] = `${last}, ${name}`;
  }
  return lines;
}
