/**
 * What goes wrong in a simulated world, and when: a list that is drawn from a seed, printed, and
 * can be given instead, whole or shrunk.
 *
 * Owns the kinds of faults and their drawing; fault_injector.ts does them. A plan says which kinds
 * a run has and how often (swarm testing: a run with few kinds goes deeper than one with all), a
 * schedule which faults come when. All numbers are whole.
 *
 * @module
 */

import type { RandomStream } from "../runtime/environment.ts";
import { between, exponential, pick } from "./random.ts";

/** One thing that goes wrong at `at` milliseconds; what ends by itself says after how long. */
export type Fault =
  & { readonly at: number }
  & (
    /** The process dies; its machine goes on. */
    | { readonly kind: "crash"; readonly node: string; readonly downMs: number }
    /** Several machines at once; what was not synced may be lost or torn. */
    | {
      readonly kind: "power-loss";
      readonly nodes: readonly string[];
      readonly downMs: number;
      readonly tornOf1024: number;
      readonly names: "in-order" | "any-order";
    }
    /** A collection of garbage, a machine that moves: clocks go on, nothing else does. */
    | { readonly kind: "pause"; readonly node: string; readonly forMs: number }
    /** Nothing gets from one side to the other; nor back, where symmetric. */
    | {
      readonly kind: "partition";
      readonly from: readonly string[];
      readonly to: readonly string[];
      readonly symmetric: boolean;
      readonly forMs: number;
    }
    | {
      readonly kind: "link-delay";
      readonly from: string;
      readonly to: string;
      readonly byMs: number;
      readonly forMs: number;
    }
    /** What leaves is held back until it ends. */
    | {
      readonly kind: "link-clog";
      readonly from: string;
      readonly to: string;
      readonly forMs: number;
    }
    /** The connections between two hosts break; only one is told, where it is named. */
    | {
      readonly kind: "link-reset";
      readonly first: string;
      readonly second: string;
      readonly told?: string;
    }
    | {
      readonly kind: "disk-full";
      readonly node: string;
      readonly roomBytes: number;
      readonly forMs: number;
    }
    | { readonly kind: "disk-read-only"; readonly node: string; readonly forMs: number }
    | { readonly kind: "sync-fails"; readonly node: string; readonly count: number }
    | { readonly kind: "write-fails"; readonly node: string; readonly count: number }
    | { readonly kind: "read-fails"; readonly node: string; readonly count: number }
    | {
      readonly kind: "slow-sync";
      readonly node: string;
      readonly byMs: number;
      readonly forMs: number;
    }
    /** A bit of a file turns round on the medium. */
    | { readonly kind: "bit-flip"; readonly node: string }
    | { readonly kind: "clock-step"; readonly node: string; readonly byMs: number }
    | {
      readonly kind: "clock-drift";
      readonly node: string;
      readonly byPpm: number;
      readonly forMs: number;
    }
    /** The handler of a message to come throws. */
    | { readonly kind: "handler-throw"; readonly node: string; readonly nthMessage: number }
    /** The process ends in order, and starts again. */
    | { readonly kind: "restart"; readonly node: string; readonly downMs: number }
    /** The disk is replaced by an empty one while the node is down. */
    | { readonly kind: "disk-wipe"; readonly node: string; readonly downMs: number }
    /** The process dies, or ends in order, and a bit has turned of what it had written. */
    | {
      readonly kind: "bit-rot";
      readonly node: string;
      readonly inOrder: boolean;
      readonly downMs: number;
    }
    /** Whoever leads the metadata quorum is cut off from the others. */
    | {
      readonly kind: "controller-isolation";
      readonly symmetric: boolean;
      readonly forMs: number;
    }
    /**
     * Messages of a kind stay in the mailboxes of a node: `metadata-committed` is a slow broker.
     */
    | {
      readonly kind: "message-delay";
      readonly node: string;
      readonly message: string;
      readonly forMs: number;
    }
    /** The process of a client dies, and another comes in its place. */
    | { readonly kind: "client-crash"; readonly node: string; readonly downMs: number }
    /** Hosts are held back from all others, one after the other, and let go in another order. */
    | {
      readonly kind: "swizzle-clog";
      readonly nodes: readonly string[];
      /** The same, in the order in which they are let go. */
      readonly freed: readonly string[];
      readonly everyMs: number;
    }
    /** Leadership of a partition goes round, several times in a row. */
    | {
      readonly kind: "leader-burst";
      /** Draws the partition. */
      readonly drawn: number;
      readonly rounds: number;
      readonly everyMs: number;
    }
  );

/** The name of a kind of fault. */
export type FaultKind = Fault["kind"];

/** All kinds of fault. */
export const FAULT_KINDS: readonly FaultKind[] = [
  "crash",
  "power-loss",
  "pause",
  "partition",
  "link-delay",
  "link-clog",
  "link-reset",
  "disk-full",
  "disk-read-only",
  "sync-fails",
  "write-fails",
  "read-fails",
  "slow-sync",
  "bit-flip",
  "clock-step",
  "clock-drift",
  "handler-throw",
];

/** Kinds that only a cluster can have. */
export const CLUSTER_FAULT_KINDS: readonly FaultKind[] = [
  "restart",
  "disk-wipe",
  "controller-isolation",
  "message-delay",
  "leader-burst",
  "client-crash",
  "swizzle-clog",
  "bit-rot",
];

/** How often each kind comes, as the mean time between two of them; those left out do not. */
export type FaultPlan = { readonly [Kind in FaultKind]?: number };

/** Faults that what is on a disk may not survive. */
const DAMAGING: ReadonlySet<FaultKind> = new Set(["bit-flip", "sync-fails", "write-fails"]);

/** What there is to break, and how much of it at a time. */
export interface FaultTargets {
  /** The nodes that crash, pause and have disks. */
  readonly nodes: readonly string[];
  /** Further hosts, whose links alone are broken: clients. */
  readonly hosts?: readonly string[];
  /** Nodes that may be down at a time; default less than half of them. */
  readonly downAtOnceMax?: number;
  /** Nodes whose disks may be damaged in the whole run; default less than half of them. */
  readonly damagedMax?: number;
  /** Kinds to choose from; default all. */
  readonly kinds?: readonly FaultKind[];
}

/** Kinds that take a process, or what it holds, from the others for seconds. */
const HEAVY: ReadonlySet<FaultKind> = new Set([
  "crash",
  "power-loss",
  "restart",
  "disk-wipe",
  "bit-rot",
  "client-crash",
  "controller-isolation",
  "disk-read-only",
  "write-fails",
]);
const MEAN_MS = [2300, 5500, 13_000, 40_000];
/** Many of these at a time leave nobody who could do anything wrong. */
const HEAVY_MEAN_MS = [5000, 12_000, 25_000, 60_000];

/** Draws which kinds a run has: each with even chance, at intervals from rare to frequent. */
export function drawFaultPlan(stream: RandomStream, targets: FaultTargets): FaultPlan {
  const plan: { -readonly [Kind in FaultKind]?: number } = {};
  for (const kind of targets.kinds ?? FAULT_KINDS) {
    // Drawn for each kind alike, so that leaving one out shifts no other.
    const isIn = stream.chance(1, 2);
    const meanMs = pick(stream, HEAVY.has(kind) ? HEAVY_MEAN_MS : MEAN_MS);
    if (isIn) plan[kind] = meanMs;
  }
  return plan;
}

/** Draws the faults of `durationMs`, in order of time. */
export function drawFaults(
  stream: RandomStream,
  plan: FaultPlan,
  targets: FaultTargets,
  durationMs: number,
): Fault[] {
  const drawn: Fault[] = [];
  for (const kind of [...FAULT_KINDS, ...CLUSTER_FAULT_KINDS]) {
    const meanMs = plan[kind];
    if (meanMs === undefined || targets.nodes.length === 0) continue;
    for (let at = exponential(stream, meanMs); at < durationMs;) {
      const fault = drawFault(stream, kind, at, targets);
      if (fault !== undefined) drawn.push(fault);
      at += 1 + exponential(stream, meanMs);
    }
  }
  drawn.sort((a, b) => a.at - b.at);
  return withinBudget(drawn, targets);
}

function drawFault(
  stream: RandomStream,
  kind: FaultKind,
  at: number,
  targets: FaultTargets,
): Fault | undefined {
  const node = pick(stream, targets.nodes);
  switch (kind) {
    case "crash":
      return { at, kind, node, downMs: downTime(stream) };
    case "power-loss":
      return drawPowerLoss(stream, at, targets);
    case "pause":
      return { at, kind, node, forMs: pick(stream, [20, 200, 200, 2000, 12_000]) };
    case "partition":
      return drawPartition(stream, at, targets);
    case "link-delay":
    case "link-clog":
    case "link-reset":
      return drawLinkFault(stream, kind, at, targets);
    case "disk-full":
      return { at, kind, node, roomBytes: stream.integer(20_000), forMs: duration(stream) };
    case "disk-read-only":
      return { at, kind, node, forMs: duration(stream) };
    case "sync-fails":
    case "write-fails":
      return { at, kind, node, count: 1 };
    case "read-fails":
      return { at, kind, node, count: pick(stream, [1, 1, 5]) };
    case "slow-sync":
      return { at, kind, node, byMs: between(stream, 10, 3000), forMs: duration(stream) };
    case "bit-flip":
      return { at, kind, node };
    case "clock-step":
      return { at, kind, node, byMs: pick(stream, [-1, 1]) * pick(stream, [5, 1000, 3_600_000]) };
    case "clock-drift":
      return { at, kind, node, byPpm: between(stream, -2000, 2000), forMs: duration(stream) };
    case "handler-throw":
      return { at, kind, node, nthMessage: 1 + stream.integer(100) };
    case "restart":
    case "disk-wipe":
      return { at, kind, node, downMs: downTime(stream) };
    case "bit-rot":
      return { at, kind, node, inOrder: stream.chance(1, 2), downMs: downTime(stream) };
    case "controller-isolation":
      return { at, kind, symmetric: stream.chance(1, 2), forMs: duration(stream) };
    case "message-delay": {
      const forMs = pick(stream, [50, 500, 5000]) + exponential(stream, 5000);
      return { at, kind, node, message: "metadata-committed", forMs };
    }
    case "client-crash":
      return targets.hosts === undefined || targets.hosts.length === 0
        ? undefined
        : { at, kind, node: pick(stream, targets.hosts), downMs: downTime(stream) };
    case "swizzle-clog":
      return drawSwizzle(stream, at, targets);
    case "leader-burst": {
      const drawn = stream.integer(2 ** 31);
      const rounds = between(stream, 2, 4);
      return { at, kind, drawn, rounds, everyMs: pick(stream, [1, 20, 100, 400]) };
    }
  }
}

function drawPowerLoss(stream: RandomStream, at: number, targets: FaultTargets): Fault {
  const count = 1 + stream.integer(Math.max(1, downAtOnceMax(targets)));
  return {
    at,
    kind: "power-loss",
    nodes: drawSome(stream, targets.nodes, count),
    downMs: downTime(stream),
    tornOf1024: pick(stream, [0, 100, 1024]),
    names: stream.chance(1, 4) ? "any-order" : "in-order",
  };
}

/** One host alone, or a drawn half, against the rest. */
function drawPartition(stream: RandomStream, at: number, targets: FaultTargets): Fault | undefined {
  const hosts = hostsOf(targets);
  if (hosts.length < 2) return undefined;
  const count = stream.chance(1, 2) ? 1 : between(stream, 1, hosts.length - 1);
  const from = drawSome(stream, hosts, count);
  const to = hosts.filter((host) => !from.includes(host));
  const turned = stream.chance(1, 2);
  return {
    at,
    kind: "partition",
    from: turned ? to : from,
    to: turned ? from : to,
    symmetric: stream.chance(1, 2),
    forMs: duration(stream),
  };
}

function drawLinkFault(
  stream: RandomStream,
  kind: "link-delay" | "link-clog" | "link-reset",
  at: number,
  targets: FaultTargets,
): Fault | undefined {
  const [from, to] = drawSome(stream, hostsOf(targets), 2);
  if (from === undefined || to === undefined) return undefined;
  switch (kind) {
    case "link-delay":
      return { at, kind, from, to, byMs: between(stream, 1, 500), forMs: duration(stream) };
    case "link-clog":
      return { at, kind, from, to, forMs: exponential(stream, 2000) };
    case "link-reset": {
      const told = stream.integer(4);
      return { at, kind, first: from, second: to, ...(told === 0 ? { told: from } : {}) };
    }
  }
}

/** A drawn part of the hosts, each held back for some steps of a few hundred milliseconds. */
function drawSwizzle(stream: RandomStream, at: number, targets: FaultTargets): Fault {
  const hosts = hostsOf(targets);
  const some = drawSome(stream, hosts, between(stream, 1, hosts.length));
  return {
    at,
    kind: "swizzle-clog",
    nodes: shuffled(stream, some),
    freed: shuffled(stream, some),
    everyMs: between(stream, 20, 800),
  };
}

/** Leaves out what would take down, or damage, more nodes than there may be. */
function withinBudget(faults: readonly Fault[], targets: FaultTargets): Fault[] {
  const kept: Fault[] = [];
  const downUntil = new Map<string, number>();
  const damaged = new Set<string>();
  const damagedMax = targets.damagedMax ?? minority(targets);
  for (const fault of faults) {
    if (isTakingDown(fault)) {
      const nodes = fault.kind === "power-loss" ? fault.nodes : [fault.node];
      const down = new Set(nodes);
      for (const [node, until] of downUntil) if (until > fault.at) down.add(node);
      if (down.size > downAtOnceMax(targets)) continue;
      for (const node of nodes) {
        downUntil.set(node, Math.max(downUntil.get(node) ?? 0, fault.at + fault.downMs));
      }
    } else if (DAMAGING.has(fault.kind) && "node" in fault) {
      if (!damaged.has(fault.node) && damaged.size >= damagedMax) continue;
      damaged.add(fault.node);
    }
    kept.push(fault);
  }
  return kept;
}

type TakingDown = Fault & {
  readonly kind: "crash" | "power-loss" | "restart" | "disk-wipe" | "bit-rot";
};

function isTakingDown(fault: Fault): fault is TakingDown {
  return fault.kind === "crash" || fault.kind === "power-loss" || fault.kind === "restart" ||
    fault.kind === "disk-wipe" || fault.kind === "bit-rot";
}

function hostsOf(targets: FaultTargets): readonly string[] {
  return [...targets.nodes, ...targets.hosts ?? []];
}

function downAtOnceMax(targets: FaultTargets): number {
  return targets.downAtOnceMax ?? minority(targets);
}

function minority(targets: FaultTargets): number {
  return Math.floor((targets.nodes.length - 1) / 2);
}

function downTime(stream: RandomStream): number {
  return pick(stream, [0, 10, 500, 1000, 12_000]) + exponential(stream, 500);
}

function duration(stream: RandomStream): number {
  return pick(stream, [50, 500, 500, 5000]) + exponential(stream, 1000);
}

function shuffled(stream: RandomStream, items: readonly string[]): readonly string[] {
  const left = [...items];
  return items.map(() => left.splice(stream.integer(left.length), 1)[0]!);
}

/** Some of the given, in their order. */
function drawSome(
  stream: RandomStream,
  items: readonly string[],
  count: number,
): readonly string[] {
  const left = [...items];
  while (left.length > count) left.splice(stream.integer(left.length), 1);
  return left;
}
