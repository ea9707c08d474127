/**
 * The nodes of a cluster in a simulated world: started, hurt, watched by the checkers, and mended.
 *
 * Owns the nodes and what faults may do to them without breaking a promise that was never made
 * (the budget of losses). Does not own clients: cluster_simulation.ts has some of its own,
 * simulate.ts takes its users'.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { CLEAN_SHUTDOWN_MARK } from "../../storage/checkpoint.ts";
import type { SocketAddress } from "../../net/network.ts";
import { parseBrokerConfig } from "../config/broker_config.ts";
import { bootNode } from "../node.ts";
import type { Protocol } from "../protocol.ts";
import type { Environment } from "../runtime/environment.ts";
import { BitRot, type RottenBatch } from "./bit_rot.ts";
import { ClusterChecker } from "./checkers/cluster_checker.ts";
import { EventScopes } from "./checkers/event_scope.ts";
import type { ClusterRunOptions } from "./cluster_options.ts";
import { chooseCore, type Core, isSettled, pendingReason } from "./liveness.ts";
import { observeNode } from "./live_views.ts";
import type { SimulatedNode, Stoppable } from "./simulated_node.ts";
import type { Simulation } from "./simulation.ts";

/** What the nodes of a cluster are made of. */
export interface SimulatedClusterOptions {
  readonly simulation: Simulation;
  readonly run: ClusterRunOptions;
  readonly protocol: Partial<Protocol> | undefined;
  /**
   * Whether syncs of logs are done: without them nothing is durable before the system writes it
   * back.
   */
  readonly syncs: boolean;
  /** Has leadership of a drawn partition go to another replica. */
  moveLeader(drawn: number, round: number): void;
  log(line: string): void;
}

const PORT = 9192;
const RESTART_MS = 500;

export class SimulatedCluster {
  /** Holds every state against the rules. */
  readonly checker: ClusterChecker;
  /** All nodes. */
  readonly members: Core;
  readonly #options: SimulatedClusterOptions;
  readonly #ids = new Map<string, NodeId>();
  readonly #voters: string;
  /** Names of those that never start again. */
  readonly #dead = new Set<string>();
  /** Names of those that have ended by themselves and start again soon. */
  readonly #restarting = new Set<string>();
  /** Those whose syncs are to fail, or have: they count as having lost everything. */
  readonly #doomed = new Set<NodeId>();
  /** Voters whose disks were emptied: with another directory they are voters no more. */
  readonly #former = new Set<NodeId>();
  readonly #rot: BitRot;

  constructor(options: SimulatedClusterOptions) {
    this.#options = options;
    const { simulation, run } = options;
    this.members = membersOf(run);
    const ids = [...new Set([...this.members.voters, ...this.members.brokers])];
    for (const id of ids) this.#ids.set(nodeName(id), id);
    this.#voters = this.members.voters.map((id) => `${id}@${nodeName(id)}:${PORT}`).join();
    this.checker = new ClusterChecker({
      when: () => `${simulation.nowMs} ms, event ${simulation.events}: `,
      flushBeforeAck: run.flushBeforeAck,
      minInsyncReplicas: run.minInsyncReplicas,
      acksAll: (topic) =>
        run.topics.some(({ name, mode }) =>
          name === topic && (mode === "idempotent" || mode === "all")
        ),
    });
    this.#rot = new BitRot(this.checker, simulation.random.stream("rot"));
  }

  /** Names of the hosts of nodes. */
  static names(run: ClusterRunOptions): readonly string[] {
    const { voters, brokers } = membersOf(run);
    return [...new Set([...voters, ...brokers])].map((id) => nodeName(id));
  }

  /** Where clients connect. */
  get bootstrap(): readonly SocketAddress[] {
    return this.members.brokers.map((id) => addressOf(id));
  }

  /** Starts every node, and has checkers and faults see them. */
  start(): void {
    const { simulation, moveLeader } = this.#options;
    const scopes = new EventScopes();
    simulation.afterEvent(({ owner, what }) => {
      const id = this.#ids.get(owner.name);
      if (id !== undefined) this.checker.afterEvent(id, scopes.of(what, owner.actor));
    });
    simulation.faults.useCluster({
      mayLoseData: (nodes, wipes) => this.#mayLoseData(nodes, wipes),
      mayFailSyncs: (node) => this.#mayFailSyncs(node),
      mayRot: (node) => this.#drawRot(node) !== undefined,
      rot: (node) => {
        const batch = this.#drawRot(node);
        if (batch !== undefined) this.#rot.turn(batch);
        return batch !== undefined;
      },
      nodeEnds: (node, how) => this.nodeEnds(node, how),
      controller: () => {
        const id = this.checker.leaderOfQuorum;
        return id === undefined ? undefined : nodeName(id);
      },
      moveLeader,
    });
    for (const [name, id] of this.#ids) {
      const node = simulation.node(name);
      node.disk.syncs = this.#options.syncs;
      node.start((environment) => this.#boot(id, environment));
    }
  }

  /** A process has ended by itself: it starts again, later. */
  exited(node: SimulatedNode): void {
    const id = this.#ids.get(node.name);
    if (id === undefined) throw new Error(`The process of a client ended: ${node.name}`);
    this.nodeEnds(node.name, "killed");
    if (this.#restarting.has(node.name)) return;
    this.#restarting.add(node.name);
    this.#options.simulation.at(RESTART_MS, "restart", () => {
      this.#restarting.delete(node.name);
      if (!this.#dead.has(node.name)) node.restart();
    });
  }

  /** A process is about to end. */
  nodeEnds(name: string, how: "clean" | "killed" | "power-lost" | "wiped"): void {
    const id = this.#ids.get(name);
    if (id === undefined) return;
    this.checker.processEnded(id, how === "wiped" ? "damaged" : how);
    if (how !== "clean") this.#rot.nodeDied(id);
    if (how !== "wiped") return;
    this.checker.diskWiped(id);
    if (this.members.voters.includes(id)) this.#former.add(id);
  }

  /**
   * Ends all faults for a core of the cluster that is enough to serve, or for all of it; what lies
   * outside fails for ever. Returns the core.
   */
  mend(): Core {
    const { simulation, run } = this.#options;
    const stream = simulation.random.stream("liveness");
    const order = (ids: readonly NodeId[]) => {
      const left = [...ids];
      return ids.map(() => left.splice(stream.integer(left.length), 1)[0]!);
    };
    const isFull = stream.chance(1, 2) || this.#former.size > 0 || this.#rot.nodes().size > 0 ||
      !isSettled(this.checker, this.members);
    const { minInsyncReplicas } = run;
    const running = new Set(this.members.brokers.filter((id) => this.#isSettled(id)));
    const core = isFull ? this.members : chooseCore(this.checker, {
      ...this.members,
      running,
      minInsyncReplicas,
      topics: run.topics.map(({ name }) => name),
      order,
    });
    for (const [name, id] of this.#ids) {
      if (core.voters.includes(id) || core.brokers.includes(id)) continue;
      this.#dead.add(name);
      this.nodeEnds(name, "killed");
      simulation.node(name).crash();
    }
    simulation.faults.healAll((name) => !this.#dead.has(name));
    return core;
  }

  /** Starts nodes that are to be up and are not: those that were just about to stop. */
  keepUp(): void {
    for (const name of this.#ids.keys()) {
      const waits = this.#dead.has(name) || this.#restarting.has(name);
      if (!waits) this.#options.simulation.node(name).restart();
    }
  }

  /** Whether a broker has run ever since it registered, and is not about to stop. */
  #isSettled(id: NodeId): boolean {
    const { state, isStopping } = this.#options.simulation.node(nodeName(id));
    const registered = this.checker.metadata.image.brokers.get(id);
    return state !== "down" && !isStopping && registered?.fenced === false &&
      registered.epoch === this.checker.broker(id)?.brokerEpoch;
  }

  /** Brings back from a backup what only one node had, and has rotted there. */
  restore(): void {
    this.#rot.restoreLast();
  }

  /** Why the core does not do all that it is for; undefined when it does. */
  pending(core: Core): string | undefined {
    this.restore();
    return pendingReason(this.checker, core);
  }

  #boot(id: NodeId, environment: Environment): Stoppable {
    const { run, simulation, protocol, log } = this.#options;
    const node = simulation.node(nodeName(id));
    if (node.disk.hasFailedSync) this.#replaceDisk(id, node);
    const booted = bootNode({
      nodeId: id,
      native: addressOf(id),
      config: parseBrokerConfig({
        ...run.properties,
        "flush.before.ack": String(run.flushBeforeAck),
        "min.insync.replicas": String(run.minInsyncReplicas),
        "process.roles": this.#rolesOf(id),
        ...(this.#ids.size === 1 ? {} : { "controller.quorum.voters": this.#voters }),
      }),
      environment,
      probe: node.probe,
      observer: observeNode(id, node.disk.contents, this.checker),
      ...(protocol === undefined ? {} : { protocol }),
      ready: () => {},
      failed: (reason) => {
        log(`${simulation.nowMs} ${node.name}: failed: ${reason}`);
        const { incarnation } = node;
        simulation.at(0, "node failed", () => {
          if (node.incarnation !== incarnation) return;
          node.exit(reason);
        });
      },
    });
    return {
      crash: () => booted.crash(),
      shutdown: (done) =>
        booted.close(() => {
          // What the next process goes by: without it all logs count as after a crash.
          const isMarked = node.disk.contents.peekNames("").includes(CLEAN_SHUTDOWN_MARK);
          this.nodeEnds(node.name, isMarked ? "clean" : "killed");
          done();
        }),
    };
  }

  #rolesOf(id: NodeId): string {
    const roles = [];
    if (this.members.brokers.includes(id)) roles.push("broker");
    if (this.members.voters.includes(id)) roles.push("controller");
    return roles.join();
  }

  /** What may be lost at a time without losing anything that was acknowledged. */
  #mayLoseData(names: readonly string[], wipes: boolean): boolean {
    const ids = names.map((name) => this.#ids.get(name)!);
    if (wipes && !ids.every((id) => this.#mayForget(id))) return false;
    if (this.#options.run.flushBeforeAck && !wipes) return true;
    return this.#isWithinBudget(ids);
  }

  /** Whether enough replicas of everything stay whole, with those lost that may be already. */
  #isWithinBudget(ids: readonly NodeId[]): boolean {
    const { topics, minInsyncReplicas } = this.#options.run;
    const factors = topics.map(({ replicationFactor }) => replicationFactor);
    const budget = Math.min(minInsyncReplicas, ...factors) - 1;
    const rotten = this.#rot.nodes();
    return new Set([...rotten, ...this.checker.recovering, ...this.#doomed, ...ids]).size <= budget;
  }

  #drawRot(name: string): RottenBatch | undefined {
    const id = this.#ids.get(name)!;
    if (!this.#isWithinBudget([id])) return undefined;
    return this.#rot.choose(id, this.#options.simulation.node(name).disk.contents);
  }

  /** Only where no vote and no metadata can be forgotten thereby, however long it takes. */
  #mayFailSyncs(name: string): boolean {
    const id = this.#ids.get(name)!;
    if (this.members.voters.includes(id) || !this.#mayLoseData([name], true)) return false;
    this.#doomed.add(id);
    return true;
  }

  /** Nobody trusts a disk on which a sync has failed: its machine gets another. */
  #replaceDisk(id: NodeId, node: SimulatedNode): void {
    this.nodeEnds(node.name, "wiped");
    node.disk.wipe();
    this.#doomed.delete(id);
  }

  /** A voter may forget its votes and its log only where neither is missed, nor is the voter. */
  #mayForget(id: NodeId): boolean {
    const { voters } = this.members;
    if (!voters.includes(id)) return true;
    const former = new Set([...this.#former, id]);
    return former.size * 2 < voters.length && this.checker.quorum.mayForget(id, voters);
  }
}

/** The host of a node. */
export function nodeName(id: NodeId): string {
  return `node-${id}`;
}

function addressOf(id: NodeId): SocketAddress {
  return { host: nodeName(id), port: PORT };
}

/** Voters come first; brokers are the same nodes, or as many others. */
function membersOf({ nodes, voters, combined }: ClusterRunOptions): Core {
  const ids = Array.from({ length: nodes }, (_, index) => index + 1);
  const voterIds = ids.slice(0, voters);
  if (combined || nodes === 1) return { voters: voterIds, brokers: ids };
  return { voters: voterIds, brokers: ids.map((id) => id + voters) };
}
