/**
 * A cluster of processes under faults, judged by what its clients were told and what they saw.
 *
 * @module
 */

import { join } from "@std/path";
import { Admin, type ClientConfig } from "../../mod.ts";
import { checkHistory, type HistoryVerdict } from "../../actors/sim/history_checker.ts";
import type { HistoryCounts } from "../../actors/sim/history.ts";
import { SeededRandom } from "../../actors/sim/random.ts";
import { ChaosNode } from "./chaos_node.ts";
import { CHAOS_FAULTS, type ChaosFault, FaultDriver } from "./chaos_faults.ts";
import { ChaosWorkload, TOPIC } from "./chaos_workload.ts";
import { FullDisks } from "./full_disks.ts";
import { type ChaosLinks, NamespaceLinks, ProxyLinks } from "./links.ts";

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

export interface ChaosResult {
  readonly counts: HistoryCounts;
  readonly faults: Readonly<Record<string, number>>;
  readonly verdict: HistoryVerdict;
  /** The longest time in which nothing was acknowledged, in milliseconds. */
  readonly longestSilenceMs: number;
  /** Where the nodes' logs are, if something was wrong. */
  readonly folder: string | undefined;
}

/** What nodes ask for that are reached from beyond loopback. */
const SECRET = "chaos";
const PARTITIONS = 6;
const MIN_INSYNC = "2";

/**
 * Runs a cluster, hurts it, and says what came of it; leaves nothing behind but the folder of a run
 * that was not sound.
 * @throws {Error} when it cannot be run, or was told to stop before it could judge
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
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
    const result = await orStopped(options.stopping, hurt(options, nodes, links, disks));
    keepsFolder = result.verdict.violations.length > 0;
    return { ...result, folder: keepsFolder ? folder : undefined };
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

async function hurt(
  options: ChaosOptions,
  nodes: readonly ChaosNode[],
  links: ChaosLinks,
  disks: FullDisks | undefined,
): Promise<Omit<ChaosResult, "folder">> {
  const { seconds, seed, recordsPerSecond, stopping } = options;
  const startedAt = performance.now();
  const note = (line: string) =>
    options.note(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${line}`);
  await Promise.all(nodes.map((node) => node.start()));
  const access = isSecret(options) ? { secret: SECRET } : {};
  const bootstrap = nodes.map(({ id }) => links.place(id).advertised).join(",");
  await createTopic(bootstrap, access, Math.min(3, nodes.length));
  const ending = new AbortController();
  const end = () => ending.abort();
  stopping.addEventListener("abort", end);
  const workload = new ChaosWorkload({
    bootstrap,
    access,
    partitions: PARTITIONS,
    recordsPerSecond,
    note,
    producers: 2,
    consumers: 2,
  });
  const random = new SeededRandom(seed).stream("chaos");
  const driver = new FaultDriver({ nodes, links, disks, note }, random, options.faults);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await workload.connect();
    timer = setTimeout(end, seconds * 1000);
    await Promise.all([workload.run(ending.signal), driver.run(ending.signal)]);
  } finally {
    clearTimeout(timer);
    ending.abort();
    stopping.removeEventListener("abort", end);
  }
  note("everything is mended; reading all partitions to their ends");
  await workload.drain();
  const { history, longestSilenceMs } = workload;
  const verdict = checkHistory(history.operations, { drained: true });
  return { counts: history.counts, faults: driver.counts, verdict, longestSilenceMs };
}

async function createTopic(
  bootstrap: string,
  access: ClientConfig,
  replicationFactor: number,
): Promise<void> {
  await using admin = await Admin.connect(bootstrap, access);
  await admin.createTopics([{
    name: TOPIC,
    partitions: PARTITIONS,
    replicationFactor,
    configs: { "min.insync.replicas": replicationFactor > 1 ? MIN_INSYNC : "1" },
  }]);
}

/** The kinds of faults that a text names, parted by commas; undefined where it names none. */
export function parseChaosFaults(text: string): readonly ChaosFault[] | undefined {
  if (text === "all") return CHAOS_FAULTS;
  const named = text.split(",");
  const known = CHAOS_FAULTS.filter((kind) => named.includes(kind));
  return known.length === named.length ? known : undefined;
}

/** The log of a node of a run that was not sound. */
export function nodeLog(folder: string, id: number): string {
  return join(folder, `node-${id}.log`);
}
