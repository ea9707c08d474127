/**
 * `deno task canaries`: breaks one rule after the other on purpose, and sees that the simulation
 * catches each; and that it is silent about the same runs when nothing is broken.
 */

import { parseArgs } from "@std/cli/parse-args";
import { type ClusterSimulationResult, simulateCluster } from "../mod.ts";
import { CANARIES, type Canary } from "./canaries/canaries.ts";

const USAGE = `Breaks a rule on purpose, and sees whether the simulation catches it.

  deno task canaries             all of them
  deno task canaries m4 b22      those
  deno task canaries --list      what there is

  --seeds N   how many to try at most (200)
  --clean N   how many seeds of each aim must be silent without the bug (3)`;

/** What became of one. */
interface Caught {
  readonly seeds: number;
  readonly events: number;
  readonly rule: string | undefined;
}

function run(canary: Canary, seed: number): ClusterSimulationResult {
  const { aim, protocol, breaks } = canary;
  const mend = breaks?.();
  try {
    return simulateCluster({ ...aim, seed, ...(protocol === undefined ? {} : { protocol }) });
  } finally {
    mend?.();
  }
}

function hunt(canary: Canary, seeds: number): Caught {
  let events = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const result = run(canary, seed);
    events += result.events;
    const [violation] = result.violations;
    if (violation !== undefined) return { seeds: seed, events, rule: violation.rule };
  }
  return { seeds, events, rule: undefined };
}

function stripColors(text: string): string {
  // deno-lint-ignore no-control-regex -- terminals are told of colors so
  return text.replaceAll(/\x1b\[[0-9;]*m/g, "");
}

/** Whether the script that is made for it notices it. */
function isScripted({ script }: Canary): boolean {
  if (script === undefined) return false;
  const { success, stdout } = new Deno.Command(Deno.execPath(), {
    args: ["test", "-qA", "--no-check", "--filter", script.test, script.file],
    stdout: "piped",
    stderr: "null",
  }).outputSync();
  // A test that is not there fails nothing.
  return success && /\b1 passed/.test(stripColors(new TextDecoder().decode(stdout)));
}

/** Seeds of the same aim, with nothing broken: returns what is held against them. */
function falseAlarms({ aim: { syncs: _syncs, ...aim } }: Canary, seeds: number): string[] {
  const alarms: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const [violation] = simulateCluster({ ...aim, seed }).violations;
    if (violation !== undefined) {
      alarms.push(`seed ${seed}: ${violation.rule}: ${violation.message}`);
    }
  }
  return alarms;
}

function wholeNumber(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : otherwise;
}

function main(): number {
  const options = parseArgs(Deno.args, { string: ["seeds", "clean"], boolean: ["help", "list"] });
  const names = options._.map(String).filter((name) => name !== "all");
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const chosen = names.length === 0
    ? CANARIES
    : CANARIES.filter(({ name }) => names.includes(name));
  const unknown = names.filter((name) => !CANARIES.some((canary) => canary.name === name));
  if (unknown.length > 0) {
    console.error(`canaries: there is no ${unknown.join(", ")}\n\n${USAGE}`);
    return 2;
  }
  if (options.list) {
    for (const { name, summary } of chosen) console.log(`${name.padEnd(10)} ${summary}`);
    return 0;
  }
  let failures = 0;
  const cleaned = new Set<string>();
  for (const canary of chosen) {
    const { seeds, events, rule } = hunt(canary, wholeNumber(options.seeds, 200));
    const scripted = rule === undefined && isScripted(canary);
    const after = rule === undefined
      ? scripted ? `not in ${seeds} seeds; ${canary.script?.test}` : `SURVIVED ${seeds} seeds`
      : `${rule} after ${seeds} seeds, ${events} events`;
    console.log(`${canary.name.padEnd(10)} ${canary.summary.padEnd(52)} ${after}`);
    if (rule === undefined && !scripted) failures++;
    const aim = JSON.stringify(canary.aim.run);
    if (cleaned.has(aim)) continue;
    cleaned.add(aim);
    for (const alarm of falseAlarms(canary, wholeNumber(options.clean, 3))) {
      console.log(`           FALSE ALARM with nothing broken: ${alarm}`);
      failures++;
    }
  }
  console.log(`${chosen.length} canaries, ${failures} failures`);
  return failures === 0 ? 0 : 1;
}

Deno.exit(main());
