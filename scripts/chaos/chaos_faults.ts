/**
 * What befalls the nodes of a cluster of processes, one after the other, from a seed: at any time a
 * minority at most is hurt, so that the cluster has to go on.
 *
 * @module
 */

import type { RandomStream } from "../../actors/runtime/environment.ts";
import { between, pick } from "../../actors/sim/random.ts";
import type { ChaosNode } from "./chaos_node.ts";
import type { FullDisks } from "./full_disks.ts";
import type { ChaosLinks } from "./links.ts";

export const CHAOS_FAULTS = ["kill", "pause", "cut", "isolate", "disk-full", "stop"] as const;
export type ChaosFault = (typeof CHAOS_FAULTS)[number];

export interface ChaosTargets {
  readonly nodes: readonly ChaosNode[];
  readonly links: ChaosLinks;
  readonly disks: FullDisks | undefined;
  /** Takes a line on what is done. */
  note(line: string): void;
}

/** Does one fault after the other. */
export class FaultDriver {
  readonly #targets: ChaosTargets;
  readonly #random: RandomStream;
  readonly #kinds: readonly ChaosFault[];
  readonly counts: Record<string, number> = {};

  constructor(targets: ChaosTargets, random: RandomStream, kinds: readonly ChaosFault[]) {
    this.#targets = targets;
    this.#random = random;
    this.#kinds = kinds.filter((kind) => kind !== "disk-full" || targets.disks !== undefined);
  }

  /** Hurts and mends until the signal says to end; everything is mended then. */
  async run(ending: AbortSignal): Promise<void> {
    while (!ending.aborted) {
      await pause(between(this.#random, 500, 3000), ending);
      if (ending.aborted) return;
      const kind = pick(this.#random, this.#kinds);
      const node = pick(this.#random, this.#targets.nodes);
      const forMs = pick(this.#random, [200, 2000, 6000, 12_000]);
      this.#targets.note(`${kind} of node ${node.id} for ${forMs} ms`);
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      await this.#hurt(kind, node, () => pause(forMs, ending));
    }
  }

  async #hurt(kind: ChaosFault, node: ChaosNode, wait: () => Promise<void>): Promise<void> {
    const { links, nodes, disks } = this.#targets;
    switch (kind) {
      case "kill":
      case "stop":
        await (kind === "kill" ? node.kill() : node.stop());
        this.#targets.note(`node ${node.id} has ended`);
        await wait();
        await node.start();
        return this.#targets.note(`node ${node.id} serves again`);
      case "pause":
        node.pause();
        await wait();
        return node.resume();
      case "cut": {
        const other = pick(this.#random, nodes.filter(({ id }) => id !== node.id));
        await links.cut(node.id, other.id);
        await wait();
        return links.heal();
      }
      case "isolate":
        for (const { id } of nodes) if (id !== node.id) await links.cut(node.id, id);
        await wait();
        return links.heal();
      case "disk-full":
        await disks!.fill(node);
        await wait();
        await disks!.empty(node);
        // Whatever it has made of it, it must be there again.
        if (!node.isRunning) await node.start();
    }
  }
}

/** Resolves after so long, or when the signal says so. */
export function pause(ms: number, ending: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ending.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      ending.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    ending.addEventListener("abort", end);
  });
}
