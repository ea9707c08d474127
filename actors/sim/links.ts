/**
 * The links of the simulated world: how long packets take, and what is broken about them now.
 *
 * Owns the state that faults change: partitions, clogs, delays. Each ordered pair of hosts draws
 * from a stream of its own. Invariant: what was broken n times is whole after being mended n times.
 *
 * @module
 */

import type { LinkFaults } from "../../net/memory_network.ts";
import type { Random, RandomStream } from "../runtime/environment.ts";
import { exponential } from "./random.ts";
import type { WorldOptions } from "./world_options.ts";

/** One direction between two hosts. */
interface Link {
  readonly stream: RandomStream;
  partitions: number;
  /** Milliseconds that each packet takes longer. */
  extraDelayMs: number;
  /** Nothing that leaves before this time arrives before it. */
  cloggedUntilMs: number;
  /** Packets of 65,536 that break their connection. */
  resetsOf65536: number;
}

/** The wires between the nodes of a simulation: cut, slow, or whole. */
export class Links implements LinkFaults {
  readonly #world: WorldOptions;
  readonly #random: Random;
  readonly #nowMs: () => number;
  readonly #links = new Map<string, Map<string, Link>>();

  /** @ignore */
  constructor(world: WorldOptions, random: Random, nowMs: () => number) {
    this.#world = world;
    this.#random = random;
    this.#nowMs = nowMs;
  }

  delay(from: string, to: string): number {
    const link = this.#link(from, to);
    const us = this.#world.linkMinUs + exponential(link.stream, this.#world.linkMeanUs);
    const clogged = link.cloggedUntilMs === 0
      ? 0
      : Math.max(0, link.cloggedUntilMs - this.#nowMs());
    return us / 1000 + link.extraDelayMs + clogged;
  }

  partitioned(from: string, to: string): boolean {
    return this.#link(from, to).partitions > 0;
  }

  bandwidth(): number {
    return this.#world.linkKibPerMs === 0 ? Infinity : this.#world.linkKibPerMs * 1024;
  }

  resets(from: string, to: string): boolean {
    const { resetsOf65536, stream } = this.#link(from, to);
    return resetsOf65536 > 0 && stream.chance(resetsOf65536, 65_536);
  }

  chunk(from: string, to: string, available: number): number {
    const { partialReadsOf256, singleByteReadsOf256 } = this.#world;
    if (partialReadsOf256 + singleByteReadsOf256 === 0 || available === 1) return available;
    const { stream } = this.#link(from, to);
    const drawn = stream.integer(256);
    if (drawn < singleByteReadsOf256) return 1;
    if (drawn < singleByteReadsOf256 + partialReadsOf256) return 1 + stream.integer(available);
    return available;
  }

  /** Lets nothing through in this direction, until `heal`. */
  partition(from: string, to: string): void {
    this.#link(from, to).partitions++;
  }

  /** Ends what was done to one direction of a link. */
  heal(from: string, to: string): void {
    const link = this.#link(from, to);
    link.partitions = Math.max(0, link.partitions - 1);
  }

  /** Adds to the delay of each packet; a negative number takes away. */
  slowDown(from: string, to: string, byMs: number): void {
    const link = this.#link(from, to);
    link.extraDelayMs = Math.max(0, link.extraDelayMs + byMs);
  }

  /** Holds back what leaves in the next `forMs`, until they are over. */
  clog(from: string, to: string, forMs: number): void {
    const link = this.#link(from, to);
    link.cloggedUntilMs = Math.max(link.cloggedUntilMs, this.#nowMs() + forMs);
  }

  /** Has this many of 65,536 packets break their connection. */
  setResets(from: string, to: string, of65536: number): void {
    this.#link(from, to).resetsOf65536 = of65536;
  }

  /** Mends everything. */
  healAll(): void {
    for (const links of this.#links.values()) {
      for (const link of links.values()) {
        link.partitions = 0;
        link.extraDelayMs = 0;
        link.cloggedUntilMs = 0;
        link.resetsOf65536 = 0;
      }
    }
  }

  #link(from: string, to: string): Link {
    let links = this.#links.get(from);
    if (links === undefined) {
      links = new Map();
      this.#links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      link = {
        stream: this.#random.stream(`link ${from} > ${to}`),
        partitions: 0,
        extraDelayMs: 0,
        cloggedUntilMs: 0,
        resetsOf65536: 0,
      };
      links.set(to, link);
    }
    return link;
  }
}
