/**
 * Does to a simulated world what faults say, counts it, and mends it.
 *
 * Invariant: a fault that ends by itself takes back what it did and no more, unless `healAll` came
 * between.
 *
 * @module
 */

import type { MemoryNetwork } from "../../net/memory_network.ts";
import type { Fault, FaultKind } from "./faults.ts";
import type { Links } from "./links.ts";
import type { SimulatedNode } from "./simulated_node.ts";

/** What faults are done to. */
export interface FaultHost {
  readonly network: MemoryNetwork;
  readonly links: Links;
  node(name: string): SimulatedNode;
  nodes(): readonly SimulatedNode[];
  /** Milliseconds since the world began. */
  nowMs(): number;
  /** Has `run` be an event of the simulation's own. */
  at(delayMs: number, what: string, run: () => void): void;
}

/** What faults of clusters are done with; without it they have no effect. */
export interface ClusterFaults {
  /** Whether these may lose what is not durable, or all: else the budget of the run is spent. */
  mayLoseData(nodes: readonly string[], wipes: boolean): boolean;
  /** Whether syncs of this node may fail: its disk is replaced before it starts again. */
  mayFailSyncs(node: string): boolean;
  /** Told before it happens. */
  nodeEnds(node: string, how: "killed" | "power-lost" | "wiped"): void;
  /** Whether something on the disk of a node may rot. */
  mayRot(node: string): boolean;
  /** Has it rot, where it may still; the node is down. */
  rot(node: string): boolean;
  /** Who leads the metadata quorum, if anybody is up that does. */
  controller(): string | undefined;
  /** Has leadership of a drawn partition go to another replica. */
  moveLeader(drawn: number, round: number): void;
}

/** Brings faults upon the nodes of a simulation. */
export class FaultInjector {
  readonly #host: FaultHost;
  readonly #counts = new Map<FaultKind, number>();
  #cluster: ClusterFaults | undefined;
  /** Rises with `healAll`: what was begun before neither comes nor ends any more. */
  #era = 0;

  /** @ignore */
  constructor(host: FaultHost) {
    this.#host = host;
  }

  /**
   * Lets faults of clusters have an effect.
   * @internal
   */
  useCluster(cluster: ClusterFaults): void {
    this.#cluster = cluster;
  }

  /** How many faults of each kind had an effect, sorted by kind. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => a < b ? -1 : 1));
  }

  /** Has each fault come at its time; those whose time is past come at once. */
  schedule(faults: readonly Fault[]): void {
    for (const fault of faults) {
      this.#later(fault.at - this.#host.nowMs(), `fault ${fault.kind}`, () => this.inject(fault));
    }
  }

  /** Does it now. */
  inject(fault: Fault): void {
    if (this.#begin(fault)) this.#count(fault.kind);
  }

  #count(kind: FaultKind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  /**
   * Takes back all that can be, and all that is yet to come: links and disks work, nothing is
   * paused, every node that was started runs, if it may. Damage stays.
   */
  healAll(mayRun: (node: string) => boolean = () => true): void {
    this.#era++;
    this.#host.links.healAll();
    for (const node of this.#host.nodes()) {
      node.disk.heal();
      node.throwInHandler(0);
      node.releaseMessages();
      node.clock.driftPpm = 0;
      node.resume();
      if (node.state === "down" && node.starts > 0 && mayRun(node.name)) node.restart();
    }
  }

  /** Whether it had an effect: what is down cannot crash. */
  #begin(fault: Fault): boolean {
    switch (fault.kind) {
      case "crash":
      case "power-loss":
      case "disk-wipe":
        return this.#takeDown(fault);
      case "bit-rot":
        return this.#rot(this.#host.node(fault.node), fault);
      case "restart":
        return this.#restart(this.#host.node(fault.node), fault);
      case "controller-isolation":
        return this.#isolateController(fault);
      case "message-delay": {
        const { node, message, forMs } = fault;
        this.#host.node(node).holdMessages(message);
        this.#end(fault, forMs, () => this.#host.node(node).releaseMessages(message));
        return true;
      }
      case "leader-burst":
        for (let round = 0; round < fault.rounds; round++) {
          const move = () => this.#cluster?.moveLeader(fault.drawn, round);
          this.#later(round * fault.everyMs, "move leader", move);
        }
        return this.#cluster !== undefined;
      case "client-crash": {
        const node = this.#host.node(fault.node);
        if (node.state === "down" || node.starts === 0) return false;
        node.crash();
        this.#end(fault, fault.downMs, () => node.restart());
        return true;
      }
      case "swizzle-clog":
        this.#swizzle(fault);
        return true;
      case "pause":
        return this.#pause(this.#host.node(fault.node), fault.forMs);
      case "partition":
      case "link-delay":
      case "link-clog":
      case "link-reset":
        this.#breakLinks(fault);
        return true;
      case "clock-step":
        this.#host.node(fault.node).clock.stepWall(fault.byMs);
        return true;
      case "clock-drift": {
        const { clock } = this.#host.node(fault.node);
        clock.driftPpm += fault.byPpm;
        this.#end(fault, fault.forMs, () => clock.driftPpm -= fault.byPpm);
        return true;
      }
      case "handler-throw": {
        const node = this.#host.node(fault.node);
        if (node.state !== "down") node.throwInHandler(fault.nthMessage);
        return node.state !== "down";
      }
      default:
        return this.#breakDisk(fault);
    }
  }

  #takeDown(fault: Fault & { readonly kind: "crash" | "power-loss" | "disk-wipe" }): boolean {
    const names = fault.kind === "power-loss" ? fault.nodes : [fault.node];
    const nodes = names.map((name) => this.#host.node(name))
      .filter((node) => node.state !== "down");
    const wipes = fault.kind === "disk-wipe";
    const loses = fault.kind !== "crash" &&
      this.#cluster?.mayLoseData(nodes.map(({ name }) => name), wipes) !== false;
    if (wipes && (!loses || this.#cluster === undefined)) return false;
    for (const node of nodes) {
      this.#cluster?.nodeEnds(node.name, wipes ? "wiped" : loses ? "power-lost" : "killed");
      if (fault.kind === "power-loss" && loses) {
        node.crash({ powerLoss: { tornOf1024: fault.tornOf1024, names: fault.names } });
      } else {
        node.crash();
      }
      if (wipes) node.disk.wipe();
      this.#end(fault, fault.downMs, () => node.restart());
    }
    return nodes.length > 0;
  }

  #rot(node: SimulatedNode, fault: Fault & { readonly kind: "bit-rot" }): boolean {
    const cluster = this.#cluster;
    if (node.state === "down" || cluster?.mayRot(node.name) !== true) return false;
    const era = this.#era;
    const ended = () => {
      if (this.#era === era && cluster.rot(node.name)) this.#count("bit-rot");
      this.#end(fault, fault.downMs, () => node.restart());
    };
    if (fault.inOrder) {
      this.#stop(node, ended);
    } else {
      cluster.nodeEnds(node.name, "killed");
      node.crash();
      ended();
    }
    // What has rotted is counted above.
    return false;
  }

  #restart(node: SimulatedNode, fault: Fault & { readonly kind: "restart" }): boolean {
    return this.#stop(node, () => this.#end(fault, fault.downMs, () => node.restart()));
  }

  #stop(node: SimulatedNode, stopped: () => void): boolean {
    if (node.state !== "up") return false;
    const { incarnation } = node;
    node.stop(stopped);
    return node.incarnation === incarnation;
  }

  #isolateController(fault: Fault & { readonly kind: "controller-isolation" }): boolean {
    const from = this.#cluster?.controller();
    if (from === undefined) return false;
    const to = this.#host.nodes().map(({ name }) => name).filter((name) => name !== from);
    this.#breakLinks({ ...fault, kind: "partition", from: [from], to });
    return true;
  }

  #pause(node: SimulatedNode, forMs: number): boolean {
    if (node.state !== "up") return false;
    const { incarnation } = node;
    node.pause();
    this.#later(forMs, "end pause", () => {
      if (node.incarnation === incarnation) node.resume();
    });
    return true;
  }

  /** Each host is clogged at its step and stays so until its step in the other order. */
  #swizzle({ nodes, freed, everyMs }: Fault & { readonly kind: "swizzle-clog" }): void {
    const { links } = this.#host;
    nodes.forEach((node, step) => {
      const forMs = (nodes.length + 1 + freed.indexOf(node) - step) * everyMs;
      this.#later(step * everyMs, "swizzle", () => {
        for (const { name } of this.#host.nodes()) {
          if (name === node) continue;
          links.clog(node, name, forMs);
          links.clog(name, node, forMs);
        }
      });
    });
  }

  #breakLinks(
    fault: Fault & { readonly kind: "partition" | "link-delay" | "link-clog" | "link-reset" },
  ): void {
    const { links, network } = this.#host;
    switch (fault.kind) {
      case "partition": {
        const pairs = fault.from.flatMap((from) => fault.to.map((to) => [from, to] as const));
        if (fault.symmetric) pairs.push(...pairs.map(([from, to]) => [to, from] as const));
        for (const [from, to] of pairs) links.partition(from, to);
        this.#end(fault, fault.forMs, () => {
          for (const [from, to] of pairs) links.heal(from, to);
        });
        return;
      }
      case "link-delay": {
        const { from, to, byMs } = fault;
        links.slowDown(from, to, byMs);
        this.#end(fault, fault.forMs, () => links.slowDown(from, to, -byMs));
        return;
      }
      case "link-clog":
        links.clog(fault.from, fault.to, fault.forMs);
        return;
      case "link-reset":
        network.reset(fault.first, fault.second, fault.told);
        return;
    }
  }

  #breakDisk(
    fault: Fault & {
      readonly kind:
        | "disk-full"
        | "disk-read-only"
        | "sync-fails"
        | "write-fails"
        | "read-fails"
        | "slow-sync"
        | "bit-flip";
    },
  ): boolean {
    const { disk } = this.#host.node(fault.node);
    switch (fault.kind) {
      case "disk-full":
        disk.fill(fault.roomBytes);
        this.#end(fault, fault.forMs, () => disk.contents.capacityBytes = Infinity);
        return true;
      case "disk-read-only":
        disk.contents.readOnly = true;
        this.#end(fault, fault.forMs, () => disk.contents.readOnly = false);
        return true;
      case "sync-fails":
        if (this.#cluster?.mayFailSyncs(fault.node) === false) return false;
        disk.failSyncs(fault.count);
        return true;
      case "write-fails":
        disk.failWrites(fault.count);
        return true;
      case "read-fails":
        disk.failReads(fault.count);
        return true;
      case "slow-sync":
        disk.slowSyncs(fault.byMs);
        this.#end(fault, fault.forMs, () => disk.slowSyncs(-fault.byMs));
        return true;
      case "bit-flip":
        return disk.flipSomeBit() !== undefined;
    }
  }

  #end(fault: Fault, afterMs: number, run: () => void): void {
    this.#later(afterMs, `end ${fault.kind}`, run);
  }

  #later(delayMs: number, what: string, run: () => void): void {
    const era = this.#era;
    this.#host.at(Math.max(0, delayMs), what, () => {
      if (this.#era === era) run();
    });
  }
}
