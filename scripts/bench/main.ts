/**
 * Measures throughput, latency, memory, recovery and start-up of this tree on this machine.
 *
 * Usage: deno task bench [PART…] [--full] [--rounds N] [--folder DIR] [--json] [--profiles DIR]
 *
 * Everything runs in processes of its own, over loopback, on data of its own. What is measured is
 * printed as a table, or as JSON; progress goes to stderr. Exits with 1 where a figure is missed.
 */

import { parseArgs } from "@std/cli/parse-args";
import { Bench, type Part } from "./bench.ts";
import { type Figure, figureToJson, formatTable, isMet } from "./figure.ts";
import { both } from "./parts/both.ts";
import { compaction } from "./parts/compaction.ts";
import { consume } from "./parts/consume.ts";
import { encodings } from "./parts/encodings.ts";
import { failover } from "./parts/failover.ts";
import { groups } from "./parts/groups.ts";
import { latency } from "./parts/latency.ts";
import { leaderLoss } from "./parts/leader_loss.ts";
import { log } from "./parts/log.ts";
import { partitions } from "./parts/partitions.ts";
import { produce } from "./parts/produce.ts";
import { recovery } from "./parts/recovery.ts";
import { replication } from "./parts/replication.ts";
import { sockets } from "./parts/sockets.ts";
import { start } from "./parts/start.ts";

const PARTS: readonly Part[] = [
  sockets,
  produce,
  both,
  consume,
  encodings,
  latency,
  log,
  recovery,
  start,
  partitions,
  compaction,
  replication,
  failover,
  leaderLoss,
  groups,
];

function usage(): string {
  const width = Math.max(...PARTS.map(({ name }) => name.length));
  return [
    "Usage: deno task bench [PART…] [--full] [--rounds N] [--folder DIR] [--json] [--profiles DIR]",
    "",
    ...PARTS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
  ].join("\n");
}

function choose(names: readonly string[]): readonly Part[] {
  if (names.length === 0) return PARTS;
  return names.map((name) => {
    const part = PARTS.find((part) => part.name === name);
    if (part === undefined) refuse(`There is no part ${name}`);
    return part;
  });
}

function refuse(reason: string): never {
  console.error(`${reason}\n\n${usage()}`);
  Deno.exit(2);
}

/** What figures depend on besides this tree. */
function machine(): Record<string, unknown> {
  return {
    at: new Date().toISOString(),
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    os: `${Deno.build.os} ${Deno.osRelease()}`,
    cores: navigator.hardwareConcurrency,
    memoryBytes: Deno.systemMemoryInfo().total,
    loadAverage: Deno.loadavg(),
  };
}

function print(figures: readonly Figure[], before: Record<string, unknown>, asJson: boolean): void {
  if (asJson) {
    console.log(JSON.stringify({ machine: before, figures: figures.map(figureToJson) }, null, 2));
    return;
  }
  const missed = figures.filter((figure) => isMet(figure) === false).length;
  const asked = figures.filter((figure) => isMet(figure) !== undefined).length;
  console.log(formatTable(figures));
  console.log(`\n${asked - missed} of ${asked} figures are what they should be`);
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    boolean: ["full", "json", "help"],
    string: ["rounds", "folder", "profiles", "_"],
    unknown: (arg, key) => key === undefined || refuse(`Unknown option ${arg}`),
  });
  if (args.help === true) return console.log(usage());
  const rounds = Number(args.rounds ?? 3);
  if (!Number.isInteger(rounds) || rounds < 1) refuse(`--rounds ${args.rounds} is no count`);
  const parts = choose(args._.map(String));
  const before = machine();
  const bench = new Bench({
    full: args.full === true,
    rounds,
    folder: String(args.folder ?? Deno.env.get("TMPDIR") ?? "/tmp"),
    ...(args.profiles === undefined ? {} : { profiles: String(args.profiles) }),
    progress: (text) => console.error(text),
  });
  for (const part of parts) await bench.run(part);
  print(bench.figures, before, args.json === true);
  if (bench.figures.some((figure) => isMet(figure) === false)) Deno.exit(1);
}

if (import.meta.main) await main();
