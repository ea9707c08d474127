/**
 * A cluster of processes under faults, judged by what its clients were told and what they saw.
 *
 * @module
 */

import { join } from "@std/path";
import { Admin } from "../../mod.ts";
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

const PARTITIONS = 6;
const MIN_INSYNC = "2";

/** Runs a cluster, hurts it, and says what came of it. @throws {Error} when it cannot be run */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const folder = await Deno.makeTempDir({ prefix: "strom-chaos-" });
  const ids = Array.from({ length: options.nodes }, (_, index) => index + 1);
  const links = options.links === "proxy"
    ? new ProxyLinks(ids)
    : await NamespaceLinks.make(ids, Deno.pid % 200);
  const nodes = makeNodes(options, ids, links, folder);
  let disks: FullDisks | undefined;
  let isSound = false;
  const giveUp = () => nodes.forEach((node) => node.kill());
  options.stopping.addEventListener("abort", giveUp);
  try {
    disks = await FullDisks.make(nodes);
    await Promise.all(nodes.map((node) => node.start()));
    options.stopping.removeEventListener("abort", giveUp);
    const result = await hurt(options, nodes, links, disks);
    isSound = result.verdict.violations.length === 0;
    return { ...result, folder: isSound ? undefined : folder };
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
    await links.close();
    await disks?.close();
    if (isSound) await Deno.remove(folder, { recursive: true });
  }
}

function makeNodes(
  { links: kind }: ChaosOptions,
  ids: readonly number[],
  links: ChaosLinks,
  folder: string,
): ChaosNode[] {
  const voters = ids.map((id) => `${id}@${links.place(id).advertised}`).join(",");
  const properties = {
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "5000",
    // Nodes that are reached from beyond loopback want to know each other.
    ...(kind === "namespaces" ? { "native.shared.secret": "chaos" } : {}),
  };
  return ids.map((id) =>
    new ChaosNode({
      id,
      folder,
      place: links.place(id),
      voters,
      properties,
    })
  );
}

async function hurt(
  options: ChaosOptions,
  nodes: readonly ChaosNode[],
  links: ChaosLinks,
  disks: FullDisks | undefined,
): Promise<Omit<ChaosResult, "folder">> {
  const { seconds, seed, recordsPerSecond, note, stopping } = options;
  const bootstrap = nodes.map(({ id }) => links.place(id).advertised).join(",");
  await createTopic(bootstrap, Math.min(3, nodes.length));
  const ending = new AbortController();
  const end = () => ending.abort();
  const timer = setTimeout(end, seconds * 1000);
  stopping.addEventListener("abort", end);
  const workload = new ChaosWorkload({
    bootstrap,
    partitions: PARTITIONS,
    recordsPerSecond,
    producers: 2,
    consumers: 2,
  });
  const random = new SeededRandom(seed).stream("chaos");
  const driver = new FaultDriver({ nodes, links, disks, note }, random, options.faults);
  try {
    const clients = workload.run(ending.signal);
    await driver.run(ending.signal);
    await clients;
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

async function createTopic(bootstrap: string, replicationFactor: number): Promise<void> {
  await using admin = await Admin.connect(bootstrap);
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
