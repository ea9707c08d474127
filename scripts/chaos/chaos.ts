/**
 * A cluster of processes under faults, judged by what its clients were told and what they saw.
 *
 * @module
 */

import { Admin } from "../../mod.ts";
import { SeededRandom } from "../../actors/sim/random.ts";
import type { ChaosClients, ChaosSurroundings } from "./chaos_clients.ts";
import { ChaosNode } from "./chaos_node.ts";
import { CHAOS_FAULTS, type ChaosFault, FaultDriver } from "./chaos_faults.ts";
import { type ChaosVerdict, ChaosWorkload } from "./chaos_workload.ts";
import { FullDisks } from "./full_disks.ts";
import { TransactionClients, type TransactionVerdict } from "./transactions/transaction_clients.ts";
import { type ChaosLinks, NamespaceLinks, ProxyLinks } from "./links.ts";

/** What came of a run: what its clients say, and what was done to it. */
export type Hurt<Result> = Result & {
  readonly faults: Readonly<Record<string, number>>;
  /** Where the nodes' logs are, if something was wrong. */
  readonly folder: string | undefined;
};

export interface ChaosOptions {
  readonly nodes: number;
  readonly seconds: number;
  readonly seed: number;
  readonly faults: readonly ChaosFault[];
  readonly links: ChaosLinks["kind"];
  readonly recordsPerSecond: number;
  /** Takes a line on what goes on. */
  note(line: string): void;
  readonly stopping: AbortSignal;
}

export type ChaosResult = Hurt<ChaosVerdict>;

/** What nodes ask for that are reached from beyond loopback. */
const SECRET = "chaos";

/**
 * Runs a cluster with producers and consumers, hurts it, and says what came of it; leaves nothing
 * behind but the folder of a run that was not sound.
 * @throws {Error} when it cannot be run, or was told to stop before it could judge
 */
export function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { recordsPerSecond } = options;
  return runHurt(options, {
    clients: (surroundings) => new ChaosWorkload({ ...surroundings, recordsPerSecond }),
    isSound: ({ verdict }) => verdict.violations.length === 0,
  });
}

/** Runs a cluster with clients of transactions. @throws {Error} as `runChaos` does */
export function runTransactionChaos(options: ChaosOptions): Promise<Hurt<TransactionVerdict>> {
  const { recordsPerSecond, seed } = options;
  const random = new SeededRandom(seed).stream("transactions");
  return runHurt(options, {
    clients: (surroundings) =>
      new TransactionClients({ ...surroundings, recordsPerSecond, random }),
    isSound: ({ violations }) => violations.length === 0,
  });
}

/** Runs a cluster with clients of any kind. @throws {Error} as `runChaos` does */
async function runHurt<Result>(
  options: ChaosOptions,
  { clients, isSound }: {
    readonly clients: (surroundings: ChaosSurroundings) => ChaosClients<Result>;
    readonly isSound: (result: Result) => boolean;
  },
): Promise<Hurt<Result>> {
  const folder = await Deno.makeTempDir({ prefix: "strom-chaos-" });
  const ids = Array.from({ length: options.nodes }, (_, index) => index + 1);
  let links: ChaosLinks | undefined;
  let nodes: readonly ChaosNode[] = [];
  let disks: FullDisks | undefined;
  let keepsFolder = true;
  try {
    links = options.links === "proxy"
      ? new ProxyLinks(ids)
      : await NamespaceLinks.make(ids, Deno.pid % 200);
    nodes = makeNodes(options, ids, links, folder);
    if (options.faults.includes("disk-full")) disks = await FullDisks.make(nodes);
    const cluster = { nodes, links, disks, folder };
    const { result, faults } = await orStopped(options.stopping, hurt(options, cluster, clients));
    keepsFolder = !isSound(result);
    return { ...result, faults, folder: keepsFolder ? folder : undefined };
  } catch (error) {
    if (options.stopping.aborted) {
      keepsFolder = false;
      throw new Error("Stopped before the end: nothing was judged");
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${reason}; logs are in ${folder}`, { cause: error });
  } finally {
    // Whoever still works on a run that was stopped starts none of them again.
    await Promise.all(nodes.map((node) => node.retire()));
    await links?.close();
    if (keepsFolder) await disks?.keep();
    await disks?.close();
    if (!keepsFolder) await Deno.remove(folder, { recursive: true });
  }
}

/** What `work` comes to, unless it is told to stop before; the work is left to itself then. */
function orStopped<Result>(stopping: AbortSignal, work: Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(stopping.reason);
  if (stopping.aborted) stop();
  stopping.addEventListener("abort", stop);
  return Promise.race([work, promise]).finally(() => stopping.removeEventListener("abort", stop));
}

function makeNodes(
  options: ChaosOptions,
  ids: readonly number[],
  links: ChaosLinks,
  folder: string,
): ChaosNode[] {
  const voters = ids.map((id) => `${id}@${links.place(id).advertised}`).join(",");
  const properties = {
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "5000",
    ...(isSecret(options) ? { "native.shared.secret": SECRET } : {}),
  };
  return ids.map((id) => new ChaosNode({ id, folder, place: links.place(id), voters, properties }));
}

/** Nodes that are reached from beyond loopback want to know who comes. */
function isSecret({ links }: ChaosOptions): boolean {
  return links === "namespaces";
}

async function hurt<Result>(
  options: ChaosOptions,
  { nodes, links, disks, folder }: {
    readonly nodes: readonly ChaosNode[];
    readonly links: ChaosLinks;
    readonly disks: FullDisks | undefined;
    readonly folder: string;
  },
  makeClients: (surroundings: ChaosSurroundings) => ChaosClients<Result>,
): Promise<{ readonly result: Result; readonly faults: Readonly<Record<string, number>> }> {
  const { seconds, seed, stopping } = options;
  const startedAt = performance.now();
  const note = (line: string) =>
    options.note(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${line}`);
  await Promise.all(nodes.map((node) => node.start()));
  const access = isSecret(options) ? { secret: SECRET } : {};
  const bootstrap = nodes.map(({ id }) => links.place(id).advertised).join(",");
  const replicationFactor = Math.min(3, nodes.length);
  const ending = new AbortController();
  const end = () => ending.abort();
  stopping.addEventListener("abort", end);
  await using clients = makeClients({ bootstrap, access, replicationFactor, folder, note });
  const random = new SeededRandom(seed).stream("chaos");
  const driver = new FaultDriver({ nodes, links, disks, note }, random, options.faults);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await using admin = await Admin.connect(bootstrap, access);
    await clients.connect(admin);
    timer = setTimeout(end, seconds * 1000);
    await Promise.all([clients.run(ending.signal), driver.run(ending.signal)]);
  } finally {
    clearTimeout(timer);
    ending.abort();
    stopping.removeEventListener("abort", end);
  }
  note("everything is mended; reading all partitions to their ends");
  return { result: await clients.judge(), faults: driver.counts };
}

/** The kinds of faults that a text names, parted by commas; undefined where it names none. */
export function parseChaosFaults(text: string): readonly ChaosFault[] | undefined {
  if (text === "all") return CHAOS_FAULTS;
  const named = text.split(",");
  const known = CHAOS_FAULTS.filter((kind) => named.includes(kind));
  return known.length === named.length ? known : undefined;
}
