/**
 * Runs real Kafka clients against clusters of one node and of three, and prints what each can do.
 *
 * A client that is not installed is left out, with the reason. One that is installed must show each
 * capability, or say why it has none; a cell without an outcome has failed. The last line is the
 * plain total.
 *
 * Usage: deno task interop [client…] [capability…]
 */

import { CAPABILITIES, FAILOVER } from "./capabilities.ts";
import { type Client, CLIENTS, whyAbsent } from "./clients.ts";
import { linesOf, RunningCluster } from "./running_cluster.ts";

/** All of it must be over before whoever started it loses patience. */
const BUDGET_MS = 225_000;
/** They wait more than they work: for members to join, and for sessions to end. */
const CONCURRENT_CLIENTS_MAX = 4;
const CLUSTERS = [1, 3];

interface Outcome {
  readonly outcome: "passed" | "failed" | "cannot";
  readonly reason: string;
}

type Cells = Map<string, Outcome>;

const begun = performance.now();
const matrix = new Map<string, Cells>();
const cellsOf = (client: Client, nodes: number): Cells => {
  const key = `${client.name} ${nodes}`;
  const cells = matrix.get(key) ?? new Map<string, Outcome>();
  matrix.set(key, cells);
  return cells;
};

/** Of all that there are, those that were named, or all where none was. */
function named<T>(all: readonly T[], nameOf: (each: T) => string): readonly T[] {
  const found = all.filter((each) => Deno.args.includes(nameOf(each)));
  return found.length === 0 ? all : found;
}

const wanted = named(CLIENTS, ({ name }) => name);
const everything: readonly string[] = [...CAPABILITIES, FAILOVER];
const capabilities = named(everything, (name) => name);
const shared = capabilities.filter((name) => name !== FAILOVER);
const installed: Client[] = [];
for (const client of wanted) {
  const reason = await whyAbsent(client);
  if (reason === undefined) installed.push(client);
  else console.log(`${client.name} is not here (${client.source}): ${reason}`);
}

const clusters = await Promise.all(CLUSTERS.map((nodes) => RunningCluster.start(nodes)));
const jobs = clusters.flatMap((cluster) => installed.map((client) => ({ cluster, client })));
const workers = Array.from({ length: CONCURRENT_CLIENTS_MAX }, async () => {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
    if (shared.length > 0) await tryClient(job.client, job.cluster, shared);
  }
});
await Promise.all(workers);
// Each takes nodes away: one after the other.
const [largest] = clusters.slice(-1) as [RunningCluster];
if (capabilities.includes(FAILOVER)) {
  for (const client of installed) await tryClient(client, largest, [FAILOVER]);
}

for (const nodes of CLUSTERS) printTable(nodes);
const endings = await Promise.allSettled(clusters.map((cluster) => cluster.close()));
const misendings = endings.flatMap((end) => end.status === "rejected" ? [end.reason.message] : []);
for (const reason of misendings) console.log(reason);

const outcomes = [...matrix.values()].flatMap((cells) => [...cells.values()]);
const passed = outcomes.filter(({ outcome }) => outcome === "passed").length;
const failed = outcomes.filter(({ outcome }) => outcome === "failed").length + misendings.length +
  (installed.length === 0 ? 1 : 0);
console.log(`\n${((performance.now() - begun) / 1000).toFixed(0)} s`);
console.log(`${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

/** Runs a client's trials; every one of them has an outcome afterwards. */
async function tryClient(
  client: Client,
  cluster: RunningCluster,
  capabilities: readonly string[],
): Promise<void> {
  const cells = cellsOf(client, cluster.nodes);
  const leftMs = BUDGET_MS - (performance.now() - begun);
  let end = leftMs <= 0 ? "There was no time left" : "Its script ended before";
  if (leftMs > 0) {
    const child = new Deno.Command(client.command, {
      args: [...client.args, cluster.kafka, String(cluster.nodes), ...capabilities],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { KAFKAJS_NO_PARTITIONER_WARNING: "1" },
    }).spawn();
    const timer = setTimeout(() => {
      end = "There was no time left";
      child.kill("SIGKILL");
    }, leftMs);
    const noted = new Response(child.stderr).text();
    await listen(child, cluster, cells);
    await child.status;
    clearTimeout(timer);
    const lines = (await noted).trim().split("\n");
    if (capabilities.some((name) => !cells.has(name))) end += `: ${lines.slice(-5).join("\n")}`;
  }
  for (const capability of capabilities) {
    if (!cells.has(capability)) cells.set(capability, { outcome: "failed", reason: end });
  }
}

/** Notes the outcomes that a script prints, and passes its orders on. */
async function listen(
  child: Deno.ChildProcess,
  cluster: RunningCluster,
  cells: Cells,
): Promise<void> {
  const orders = child.stdin.getWriter();
  for await (const line of linesOf(child.stdout)) {
    if (!line.startsWith("@")) continue;
    const said = JSON.parse(line.slice(1));
    if (said.capability !== undefined) {
      cells.set(said.capability, { outcome: said.outcome, reason: said.reason ?? "" });
      continue;
    }
    await cluster.order(said);
    await orders.write(new TextEncoder().encode("done\n"));
  }
  await orders.close().catch(() => {});
}

function printTable(nodes: number): void {
  const rows = nodes === 1 ? shared : capabilities;
  const notes: string[] = [];
  const cell = (client: Client, capability: string): string => {
    const { outcome, reason } = cellsOf(client, nodes).get(capability) ??
      { outcome: "failed", reason: "" };
    if (outcome === "passed") return "yes";
    notes.push(`${client.name}, ${capability}: ${reason}`);
    return outcome === "cannot" ? "–" : "FAILED";
  };
  const lines = [
    [`${nodes} ${nodes === 1 ? "node" : "nodes"}`, ...installed.map(({ name }) => name)],
    ...rows.map((capability) => [
      capability,
      ...installed.map((client) => cell(client, capability)),
    ]),
  ];
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length))
  );
  console.log();
  for (const line of lines) {
    console.log(line.map((text, column) => text.padEnd(widths[column]!)).join("  ").trimEnd());
  }
  for (const note of notes) console.log(`  ${note}`);
}
