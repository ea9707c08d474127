/**
 * `strom chaos`: real nodes under real faults, judged by what their clients saw.
 *
 * @module
 */

import {
  type ChaosResult,
  type Hurt,
  parseChaosFaults,
  runChaos,
  runTransactionChaos,
} from "../chaos/chaos.ts";
import type { TransactionVerdict } from "../chaos/transactions/transaction_clients.ts";
import { CHAOS_FAULTS } from "../chaos/chaos_faults.ts";
import { type GroupChaosResult, runGroupChaos } from "../chaos/groups/group_chaos.ts";
import { NamespaceLinks } from "../chaos/links.ts";
import { command, type Terminal } from "./command.ts";
import { choice, flag, integer, textOr, UsageError } from "./option.ts";

const DEFAULT_NODES = 3;
const DEFAULT_SECONDS = 60;
const DEFAULT_RATE = 1000;

export const chaos = command({
  name: "chaos",
  summary: "Hurt a cluster of processes on this machine, and check that it loses nothing",
  details: [
    "Nodes are killed, stopped by signals, cut off from each other and denied disk space while",
    "producers with acks=all and consumers go on; in the end everything that was acknowledged must",
    "be there, once, in order, at its offset. Filling disks and namespaces need root.",
    "",
    "With --group the nodes are left alone, and the members of a group are killed, stopped and added:",
    "each record must be processed, no partition have two owners, no committed offset go back.",
    "With --transactions clients transfer and copy, and are killed, too: what is committed must be",
    "there whole and once, what is aborted nowhere.",
  ],
  options: {
    nodes: integer("N", `How many nodes (default ${DEFAULT_NODES})`, { min: 1, max: 9 }),
    seconds: integer("N", `How long to go on (default ${DEFAULT_SECONDS})`, { min: 1 }),
    seed: integer("N", "Which faults come when (default: any)", { min: 0 }),
    faults: textOr("LIST", "all", `Some of ${CHAOS_FAULTS.join(", ")}`),
    links: choice(["proxy", "namespaces"], "proxy", "How links are cut: proxies, or the kernel"),
    transactions: flag("Have clients with transactions, which are hurt, too"),
    group: choice(["none", "classic", "consumer"], "none", "Hurt a group of this protocol"),
    rate: integer("N", `Records a second (default ${DEFAULT_RATE})`, { min: 1 }),
    json: flag("Print JSON"),
  },
  exclusive: [["transactions", "group"]],
  endsOnSignal: true,
  async run({ options, terminal }) {
    const faults = parseChaosFaults(options.faults);
    if (faults === undefined) {
      throw new UsageError(`--faults ${options.faults} is not among ${CHAOS_FAULTS.join(", ")}`);
    }
    const refusal = options.links === "namespaces" ? await NamespaceLinks.refusal() : undefined;
    if (refusal !== undefined) throw new Error(`Cannot cut links by namespaces: ${refusal}`);
    const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
    terminal.note(`seed ${seed}`);
    if (options.group !== "none") {
      const result = await runGroupChaos({
        nodes: options.nodes ?? DEFAULT_NODES,
        seconds: options.seconds ?? DEFAULT_SECONDS,
        recordsPerSecond: options.rate ?? DEFAULT_RATE,
        protocol: options.group,
        seed,
        note: (line) => terminal.note(line),
        stopping: terminal.stopping,
      });
      printGroup(result, seed, options.json, terminal);
      return sound(result.violations.length, result.folder);
    }
    const run = {
      nodes: options.nodes ?? DEFAULT_NODES,
      seconds: options.seconds ?? DEFAULT_SECONDS,
      recordsPerSecond: options.rate ?? DEFAULT_RATE,
      links: options.links,
      seed,
      faults,
      note: (line: string) => terminal.note(line),
      stopping: terminal.stopping,
    };
    if (options.transactions) {
      const result = await runTransactionChaos(run);
      printTransactions(result, seed, options.json, terminal);
      return sound(result.violations.length, result.folder);
    }
    const result = await runChaos(run);
    print(result, seed, options.json, terminal);
    sound(result.verdict.violations.length, result.folder);
  },
});

function sound(violations: number, folder: string | undefined): void {
  if (violations > 0) throw new Error(`${violations} promises were broken; logs are in ${folder}`);
}

function printGroup(
  result: GroupChaosResult,
  seed: number,
  json: boolean,
  { output }: Terminal,
): void {
  if (json) return output.writeLine(JSON.stringify({ seed, ...result }));
  const { faults, records, processed, violations } = result;
  output.writeLine(`seed         ${seed}`);
  output.writeLine(`faults       ${listing(faults)}`);
  output.writeLine(`records      ${records}, processed ${(processed / records).toFixed(3)} times`);
  output.writeLine(`violations   ${violations.length}`);
  for (const violation of violations) output.writeLine(`  ${violation}`);
}

function print(result: ChaosResult, seed: number, json: boolean, { output }: Terminal): void {
  const { counts, faults, verdict, longestSilenceMs } = result;
  if (json) return output.writeLine(JSON.stringify({ seed, ...result }));
  const { sends, recordsRead } = counts;
  output.writeLine(`seed         ${seed}`);
  output.writeLine(`faults       ${listing(faults)}`);
  output.writeLine(`sends        ${listing({ ...sends })}`);
  output.writeLine(`records read ${recordsRead}`);
  output.writeLine(`longest time without an acknowledgement: ${Math.round(longestSilenceMs)} ms`);
  output.writeLine(`evaluations  ${listing(verdict.evaluations)}`);
  output.writeLine(`violations   ${verdict.violations.length}`);
  for (const { rule, message } of verdict.violations) output.writeLine(`  ${rule}: ${message}`);
}

function printTransactions(
  result: Hurt<TransactionVerdict>,
  seed: number,
  json: boolean,
  { output }: Terminal,
): void {
  if (json) return output.writeLine(JSON.stringify({ seed, ...result }));
  const { faults, clientFaults, transfers, copied, violations } = result;
  output.writeLine(`seed         ${seed}`);
  output.writeLine(`faults       ${listing(faults)}; of clients: ${listing(clientFaults)}`);
  output.writeLine(`transfers    ${listing(transfers)}`);
  output.writeLine(`copied       ${copied}`);
  output.writeLine(`violations   ${violations.length}`);
  for (const violation of violations) output.writeLine(`  ${violation}`);
}

function listing(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([name, count]) => `${name} ${count}`).sort().join(", ");
}
