/**
 * `deno task canaries`: breaks one rule after the other on purpose, and sees that the checkers
 * catch each; and that they are silent about the same runs when nothing is broken.
 */

import { parseArgs } from "@std/cli/parse-args";
import { CANARIES, type Canary } from "./canaries/canaries.ts";
import {
  type Caught,
  cleanLooks,
  falseAlarms,
  hunt,
  type Searched,
  searched,
} from "./canaries/hunt.ts";

const USAGE = `Breaks a rule on purpose, and sees which check catches it.

  deno task canaries             all of them
  deno task canaries m4 b22      those
  deno task canaries --list      what there is
  deno task canaries --details   and what exactly was held against each

Each is caught in seeds of the simulation that have nodes, links and disks fail; in a scenario,
which leads a simulated cluster into one situation; in a walk through all that can happen to three
replicas within bounds; in a script for three replicas; or in drawn logs that are compacted while
their power is cut. The same is then run with nothing broken and must be silent. Exits with 1 if a
bug survives, or if there is any alarm with nothing broken.`;

const NAME = 10;
const SUMMARY = 56;
const RULE = 28;

function row(name: string, summary: string, rule: string, where: string): string {
  return `${name.padEnd(NAME)}${summary.padEnd(SUMMARY)}${rule.padEnd(RULE)}${where}`;
}

function huntAll(canaries: readonly Canary[], details: boolean): readonly Caught[] {
  console.log(row("bug", "what is broken", "caught by", "after, or in"));
  return canaries.map((canary) => {
    const caught = hunt(canary);
    const { rule = "SURVIVED", where, detail } = caught;
    console.log(row(canary.name, canary.summary, rule, where));
    if (details || caught.rule === undefined) console.log(`${" ".repeat(NAME)}${detail}`);
    return caught;
  });
}

/** Returns how many places were not silent. */
function cleanRuns(places: readonly Searched[]): number {
  console.log("\nthe same with nothing broken");
  let loud = 0;
  for (const place of places) {
    const { kind, name } = place.ground;
    const alarms = falseAlarms(place);
    const range = "atMost" in place.ground ? ` 1 to ${cleanLooks(place)}` : "";
    const what = `${kind}${range}: ${name}`;
    console.log(`${" ".repeat(NAME)}${alarms.length === 0 ? "silent" : "ALARM "}  ${what}`);
    for (const alarm of alarms) console.log(`${" ".repeat(NAME)}        ${alarm}`);
    if (alarms.length > 0) loud++;
  }
  return loud;
}

function main(): number {
  const options = parseArgs(Deno.args, { boolean: ["help", "list", "details"] });
  const names = options._.map(String).filter((name) => name !== "all");
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const unknown = names.filter((name) => !CANARIES.some((canary) => canary.name === name));
  if (unknown.length > 0) {
    console.error(`canaries: there is no ${unknown.join(", ")}\n\n${USAGE}`);
    return 2;
  }
  const chosen = CANARIES.filter(({ name }) => names.length === 0 || names.includes(name));
  if (options.list) {
    for (const { name, summary } of chosen) console.log(`${name.padEnd(NAME)}${summary}`);
    return 0;
  }
  const hunted = huntAll(chosen, options.details);
  const survivors = hunted.filter(({ rule }) => rule === undefined).length;
  const loud = cleanRuns(searched(hunted));
  console.log(
    `\n${chosen.length} bugs, ${survivors} survived; ` +
      (loud === 0 ? "silent where nothing is broken" : `${loud} false alarms`),
  );
  return survivors + loud === 0 ? 0 : 1;
}

Deno.exit(main());
