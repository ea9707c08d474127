/**
 * Runs real Kafka clients against clusters of one node and of three, and our own client against
 * Apache Kafka, and prints what each can do.
 *
 * A client that is not installed is left out, with the reason. One that is installed must show each
 * capability, or say why it has none; a cell without an outcome has failed, and so has a client
 * that can be installed and has no trials. The last line is the plain total.
 *
 * Usage: deno task interop [client…] [capability…]
 */

import { ApacheKafka, ApacheLibraries } from "./apache_kafka.ts";
import { BUILT_CLIENTS, JAVA } from "./built_clients.ts";
import { CAPABILITIES, FAILOVER, KILLED_MEMBER, OWN_CAPABILITIES } from "./capabilities.ts";
import { killMembers, runScript } from "./client_trials.ts";
import { type Client, CLIENTS, OWN_SCRIPT, UNTRIED, whyAbsent } from "./clients.ts";
import { Column, printTable } from "./matrix.ts";
import { RunningCluster } from "./running_cluster.ts";

/** All of it must be over before whoever started it loses patience. */
const BUDGET_MS = 375_000;
/** They wait more than they work: for members to join, and for sessions to end. */
const CONCURRENT_JOBS_MAX = 4;
const CLUSTERS = [1, 3];
const OWN = "strom";

const begun = performance.now();
const leftMs = () => BUDGET_MS - (performance.now() - begun);
const failures: string[] = [];

const wanted = named([...CLIENTS, ...UNTRIED, ...BUILT_CLIENTS].map(({ name }) => name));
const capabilities = named([...CAPABILITIES, KILLED_MEMBER, ...OWN_CAPABILITIES, FAILOVER]);
const scripted = CAPABILITIES.filter((name) => capabilities.includes(name));
const own = OWN_CAPABILITIES.filter((name) => capabilities.includes(name));
const isKilling = capabilities.includes(KILLED_MEMBER);

const folder = await Deno.makeTempDir({ prefix: "strom-interop-" });
const [libraries, installed, clusters] = await Promise.all([
  wanted.includes(OWN) || wanted.includes(JAVA.name)
    ? ApacheLibraries.find()
    : "Nobody asked for it",
  findClients(),
  Promise.all(CLUSTERS.map((nodes) => RunningCluster.start(nodes))),
]);
const clients = [...installed, ...await buildClients()];
const tables = clusters.map((cluster) => ({
  cluster,
  columns: clients.map(({ name }) => new Column(name)),
}));
const ownAtStrom = tables[0]!.columns[clients.findIndex(({ name }) => name === OWN)];
const ownAtKafka = new Column("Apache Kafka");

/** The largest cluster's come first: nodes are taken away from it when they are over. */
const jobs = tables.toReversed().flatMap(({ cluster, columns }) =>
  clients.map((client, index) => async () => {
    const column = columns[index]!;
    if (scripted.length > 0) await runScript(client, cluster, scripted, column, leftMs());
    if (isKilling) await killMembers(client, cluster, column, leftMs());
  })
);
const { cluster: largest, columns: atLargest } = tables.at(-1)!;
const untilFree = Promise.withResolvers<void>();
let atLargestLeft = atLargest.length;
const failovers = untilFree.promise.then(async () => {
  // Each takes a node away: one after the other.
  for (const [index, client] of capabilities.includes(FAILOVER) ? clients.entries() : []) {
    await runScript(client, largest, [FAILOVER], atLargest[index]!, leftMs());
  }
});
if (ownAtStrom !== undefined) jobs.splice(atLargest.length, 0, () => tryOwn(ownAtStrom));
const numbered = jobs.entries();
await Promise.all(Array.from({ length: CONCURRENT_JOBS_MAX }, async () => {
  for (const [index, job] of numbered) {
    await job();
    if (index < atLargest.length && --atLargestLeft === 0) untilFree.resolve();
  }
}));
untilFree.resolve();
await failovers;

for (const { cluster: { nodes }, columns } of tables) {
  const rows = [...scripted, ...(isKilling ? [KILLED_MEMBER] : [])];
  const more = nodes > 1 && capabilities.includes(FAILOVER) ? [FAILOVER] : [];
  printTable(nodes === 1 ? "1 node" : `${nodes} nodes`, columns, [...rows, ...more]);
}
if (ownAtStrom !== undefined) printOwn(ownAtStrom);
for (const end of await Promise.allSettled(clusters.map((cluster) => cluster.close()))) {
  if (end.status === "rejected") failures.push(end.reason.message);
}
await Deno.remove(folder, { recursive: true });
if (clients.length === 0) failures.push("There is no client");
for (const failure of failures) console.log(failure);

const columns = [...tables.flatMap(({ columns }) => columns), ownAtKafka];
const count = (outcome: "passed" | "failed") =>
  columns.reduce((sum, column) => sum + column.count(outcome), 0);
const failed = count("failed") + failures.length;
console.log(`\n${((performance.now() - begun) / 1000).toFixed(0)} s`);
console.log(`${count("passed")} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

/** Of all that there are, those that were named, or all where none was. */
function named(all: readonly string[]): readonly string[] {
  const found = all.filter((each) => Deno.args.includes(each));
  return found.length === 0 ? all : found;
}

/** Those that are here. */
async function findClients(): Promise<Client[]> {
  const reasons = await Promise.all([...CLIENTS, ...UNTRIED].map(async (client) => {
    const isWanted = wanted.includes(client.name);
    const reason = isWanted ? await whyAbsent(client) : "Nobody asked for it";
    if (isWanted && reason !== undefined) tellAbsent(client, reason);
    return reason;
  }));
  for (const [index, { name }] of UNTRIED.entries()) {
    const isHere = reasons[CLIENTS.length + index] === undefined;
    if (isHere) failures.push(`${name} can be installed, and nobody has written trials of it`);
  }
  return CLIENTS.filter((_, index) => reasons[index] === undefined);
}

/** Those that could be built. */
async function buildClients(): Promise<Client[]> {
  const found = await Promise.all(BUILT_CLIENTS.map(async (client) => {
    if (!wanted.includes(client.name)) return [];
    const built = await client.build(folder, libraries);
    if (typeof built !== "string") return [built];
    tellAbsent(client, built);
    return [];
  }));
  return found.flat();
}

function tellAbsent(
  { name, source }: { readonly name: string; readonly source: string },
  reason: string,
): void {
  console.log(`${name} is not here (${source}): ${reason}`);
}

/** What our own client can do besides, and all of it at Apache Kafka. */
async function tryOwn(atStrom: Column): Promise<void> {
  const script = CLIENTS.find(({ name }) => name === OWN)!;
  if (own.length > 0) await runScript(OWN_SCRIPT, clusters[0]!, own, atStrom, leftMs());
  if (typeof libraries === "string") return;
  try {
    const kafka = await ApacheKafka.start(libraries);
    if (scripted.length > 0) await runScript(script, kafka, scripted, ownAtKafka, leftMs());
    if (own.length > 0) await runScript(OWN_SCRIPT, kafka, own, ownAtKafka, leftMs());
    await kafka.close();
  } catch (error) {
    failures.push(String(error));
  }
}

function printOwn(atStrom: Column): void {
  if (typeof libraries === "string") return printTable("our client at", [atStrom], own);
  printTable("our client at", [ownAtKafka, atStrom.named("Strom")], [...scripted, ...own]);
}
