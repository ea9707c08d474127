/**
 * A whole cluster and its clients in a simulated world with faults: one run from one seed.
 *
 * A run has two phases. In the first faults happen while clients send, read and administer, and
 * every rule is held against every state. In the second a core of the cluster, enough to serve, is
 * mended and all that lies outside of it fails for ever: then everything must converge within a
 * bounded time, or a reason is given why it has not; and what clients saw is held against what a
 * log may do.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { SocketAddress } from "../../net/network.ts";
import { parseBrokerConfig } from "../config/broker_config.ts";
import { bootNode } from "../node.ts";
import type { Protocol } from "../protocol.ts";
import type { Environment } from "../runtime/environment.ts";
import { ClusterChecker } from "./checkers/cluster_checker.ts";
import { type ClusterRunOptions, drawClusterOptions } from "./cluster_options.ts";
import { ADMIN_HOST, CLIENT_HOSTS, ClusterWorkload } from "./cluster_workload.ts";
import { drawFaults, type Fault, type FaultKind } from "./faults.ts";
import type { HistoryCounts, Operation } from "./history.ts";
import { checkHistory } from "./history_checker.ts";
import { chooseCore, type Core, pendingReason } from "./liveness.ts";
import { observeNode } from "./live_views.ts";
import type { Violation } from "./record_checker.ts";
import type { SimulatedNode, Stoppable } from "./simulated_node.ts";
import { Simulation, SimulationFailure } from "./simulation.ts";
import type { WorldOptions } from "./world_options.ts";

/** What one run of a cluster is made of. */
export interface ClusterSimulationOptions {
  /** The same seed gives the same run. */
  readonly seed: number | string;
  /** Instead of what the seed would draw. */
  readonly run?: Partial<ClusterRunOptions>;
  /** Instead of what the seed would draw. */
  readonly world?: Partial<WorldOptions>;
  /** Kinds of faults to draw from. */
  readonly kinds?: readonly FaultKind[];
  /** Instead of what the seed would draw. */
  readonly faults?: readonly Fault[];
  /** Stand in for the classes of the same names, on all nodes. */
  readonly protocol?: Partial<Protocol>;
  /** Takes a line for each event. */
  readonly trace?: (line: string) => void;
  /** Takes the lines that nodes log. */
  readonly log?: (line: string) => void;
}

/** What a run did and whether anything was wrong. */
export interface ClusterSimulationResult {
  readonly seed: number | string;
  readonly run: ClusterRunOptions;
  readonly world: WorldOptions;
  readonly faults: readonly Fault[];
  readonly virtualMs: number;
  readonly events: number;
  /** Tells runs apart: the same run has the same. */
  readonly traceHash: string;
  readonly operations: HistoryCounts;
  readonly history: readonly Operation[];
  readonly faultCounts: Readonly<Record<string, number>>;
  /** How often each rule was held against something. */
  readonly evaluations: Readonly<Record<string, number>>;
  readonly vacuity: Readonly<Record<string, number>>;
  /** Broken rules, most telling first; none unless there is a bug. */
  readonly violations: readonly Violation[];
}

const PORT = 9192;
const RESTART_MS = 500;
const CALM_MS = 5000;
const CONVERGE_MS = 180_000;
const STABLE_MS = 100;

/** Runs one seed. The same options give the same result, to the last bit. */
export function simulateCluster(options: ClusterSimulationOptions): ClusterSimulationResult {
  return new ClusterRun(options).run();
}

class ClusterRun {
  readonly #options: ClusterSimulationOptions;
  readonly #simulation: Simulation;
  readonly #run: ClusterRunOptions;
  readonly #faults: readonly Fault[];
  readonly #checker: ClusterChecker;
  readonly #workload: ClusterWorkload;
  readonly #all: Core;
  readonly #voters: string;
  readonly #ids = new Map<string, NodeId>();
  readonly #violations: Violation[] = [];

  constructor(options: ClusterSimulationOptions) {
    this.#options = options;
    this.#simulation = new Simulation({
      seed: options.seed,
      ...(options.world === undefined ? {} : { world: options.world }),
      ...(options.trace === undefined ? {} : { trace: options.trace }),
      connectTimeoutMs: 1000,
      retransmitTimeoutMs: 5000,
      log: (node, line) => this.#options.log?.(`${this.#simulation.nowMs} ${node}: ${line}`),
      exited: (node) => this.#restartLater(node),
    });
    const { random } = this.#simulation;
    this.#run = drawClusterOptions(random.stream("cluster"), options.run, options.kinds);
    this.#all = membersOf(this.#run);
    const ids = [...new Set([...this.#all.voters, ...this.#all.brokers])];
    for (const id of ids) this.#ids.set(nodeName(id), id);
    this.#voters = this.#all.voters.map((id) => `${id}@${nodeName(id)}:${PORT}`).join();
    const names = [...this.#ids.keys()];
    const targets = {
      nodes: names,
      hosts: CLIENT_HOSTS,
      downAtOnceMax: this.#run.downAtOnceMax,
      damagedMax: names.length,
    };
    this.#faults = options.faults ??
      drawFaults(random.stream("faults"), this.#run.faults, targets, this.#run.faultsForMs);
    this.#checker = new ClusterChecker({
      when: () => `${this.#simulation.nowMs} ms, event ${this.#simulation.events}: `,
      flushBeforeAck: this.#run.flushBeforeAck,
      minInsyncReplicas: this.#run.minInsyncReplicas,
      acksAll: (topic) =>
        this.#run.topics.some(({ name, mode }) =>
          name === topic && (mode === "idempotent" || mode === "all")
        ),
    });
    this.#workload = new ClusterWorkload({
      run: this.#run,
      bootstrap: this.#all.brokers.map((id) => addressOf(id)),
      brokers: this.#all.brokers,
      checker: this.#checker,
    });
  }

  run(): ClusterSimulationResult {
    const simulation = this.#simulation;
    simulation.afterEvent(({ owner }) => {
      const id = this.#ids.get(owner.name);
      if (id !== undefined) this.#checker.afterEvent(id);
    });
    simulation.faults.useCluster({
      mayLoseData: (nodes, wipes) => this.#mayLoseData(nodes, wipes),
      nodeEnds: (node, how) => this.#nodeEnds(node, how),
      controller: () => {
        const id = this.#checker.leaderOfQuorum;
        return id === undefined ? undefined : nodeName(id);
      },
      moveLeader: (drawn, round) => this.#workload.moveLeader(drawn, round),
    });
    try {
      this.#proceed();
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      this.#violations.push({ rule: "crash", message: error.message });
    }
    return this.#result();
  }

  #proceed(): void {
    const simulation = this.#simulation;
    for (const [name, id] of this.#ids) {
      simulation.node(name).start((environment) => this.#boot(id, environment));
    }
    CLIENT_HOSTS.forEach((host, index) =>
      this.#workload.startClients(simulation.node(host), index)
    );
    this.#workload.startAdmin(simulation.node(ADMIN_HOST));
    simulation.faults.schedule(this.#faults);
    const { reason } = simulation.run({
      forMs: this.#run.faultsForMs,
      until: () => this.#isBroken(),
    });
    if (reason === "condition") return;
    this.#converge();
    if (!this.#isBroken()) this.#checkHistory();
  }

  #isBroken(): boolean {
    return this.#checker.violations.length > 0 || this.#workload.violations.length > 0;
  }

  #boot(id: NodeId, environment: Environment): Stoppable {
    const node = this.#simulation.node(nodeName(id));
    const { run } = { run: this.#run };
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
      observer: observeNode(id, node.disk.contents, this.#checker),
      ...(this.#options.protocol === undefined ? {} : { protocol: this.#options.protocol }),
      ready: () => {},
      failed: (reason) => {
        this.#options.log?.(`${this.#simulation.nowMs} ${node.name}: failed: ${reason}`);
        const { incarnation } = node;
        this.#simulation.at(0, "node failed", () => {
          if (node.incarnation !== incarnation) return;
          this.#nodeEnds(node.name, "killed");
          node.crash();
          this.#restartLater(node);
        });
      },
    });
    return {
      crash: () => booted.crash(),
      shutdown: (done) =>
        booted.close((failures) => {
          this.#nodeEnds(node.name, failures.length === 0 ? "clean" : "killed");
          done();
        }),
    };
  }

  #rolesOf(id: NodeId): string {
    const roles = [];
    if (this.#all.brokers.includes(id)) roles.push("broker");
    if (this.#all.voters.includes(id)) roles.push("controller");
    return roles.join();
  }

  #restartLater(node: SimulatedNode): void {
    const id = this.#ids.get(node.name);
    if (id === undefined) throw new Error(`A client host failed: ${node.name}`);
    this.#checker.processEnded(id, "killed");
    this.#simulation.at(RESTART_MS, "restart", () => node.restart());
  }

  #nodeEnds(name: string, how: "clean" | "killed" | "power-lost" | "wiped"): void {
    const id = this.#ids.get(name);
    if (id === undefined) return;
    this.#checker.processEnded(id, how === "wiped" ? "damaged" : how);
    if (how === "wiped") this.#checker.diskWiped(id);
  }

  /** What may be lost at a time without losing anything that was acknowledged. */
  #mayLoseData(names: readonly string[], wipes: boolean): boolean {
    const { flushBeforeAck, topics, minInsyncReplicas } = this.#run;
    const ids = names.map((name) => this.#ids.get(name)!);
    // A voter that forgets its vote and its log is declared lost, which is another story.
    if (wipes && ids.some((id) => this.#all.voters.includes(id))) return false;
    if (flushBeforeAck && !wipes) return true;
    const budget = Math.min(
      ...topics.map(({ replicationFactor }) => Math.min(replicationFactor, minInsyncReplicas)),
    ) - 1;
    return new Set([...this.#checker.recovering, ...ids]).size <= budget;
  }

  /** The second phase. */
  #converge(): void {
    const simulation = this.#simulation;
    const stream = simulation.random.stream("liveness");
    const order = (ids: readonly NodeId[]) => {
      const left = [...ids];
      return ids.map(() => left.splice(stream.integer(left.length), 1)[0]!);
    };
    const isFull = stream.chance(1, 2);
    const core = isFull
      ? this.#all
      : chooseCore(this.#checker, this.#all, this.#run.minInsyncReplicas, order);
    this.#workload.calm();
    simulation.faults.healAll();
    for (const [name, id] of this.#ids) {
      const node = simulation.node(name);
      const isKept = core.voters.includes(id) || core.brokers.includes(id);
      // A replica that has failed stays so until its node restarts.
      this.#nodeEnds(name, "killed");
      node.crash();
      if (isKept) node.restart();
    }
    simulation.run({ forMs: CALM_MS, until: () => this.#isBroken() });
    if (this.#isBroken()) return;
    this.#workload.stopSending();
    this.#workload.forgetEnds();
    this.#awaitConvergence(core);
  }

  #awaitConvergence(core: Core): void {
    const simulation = this.#simulation;
    const deadline = simulation.nowMs + CONVERGE_MS;
    const reason = () => pendingReason(this.#checker, core) ?? this.#workload.pending();
    while (simulation.nowMs < deadline) {
      simulation.run({ forMs: STABLE_MS, until: () => this.#isBroken() });
      if (this.#isBroken()) return;
      if (reason() === undefined) return this.#checker.checkAll();
    }
    this.#violations.push({
      rule: "liveness",
      message: `not within ${CONVERGE_MS} ms after the faults had ended, with voters ` +
        `[${core.voters}] and brokers [${core.brokers}]: ${reason()}`,
    });
  }

  #checkHistory(): void {
    if (this.#violations.length > 0) return;
    const given = new Map<string, number>();
    for (
      const { name, topicId, givenUpFrom, isDeleted } of this.#checker.tracks.partitions.values()
    ) {
      given.set(`${name}:${topicId}`, isDeleted ? 0 : givenUpFrom);
    }
    const { operations } = this.#workload.history;
    const { violations, evaluations } = checkHistory(operations, {
      drained: true,
      mayBeLost: (partition, offset) => offset >= (given.get(partition) ?? 0),
    });
    this.#violations.push(...violations);
    this.#historyEvaluations = evaluations;
  }
  #historyEvaluations: Readonly<Record<string, number>> = {};

  #result(): ClusterSimulationResult {
    const simulation = this.#simulation;
    const { history } = this.#workload;
    return {
      seed: this.#options.seed,
      run: this.#run,
      world: simulation.world,
      faults: this.#faults,
      virtualMs: simulation.nowMs,
      events: simulation.events,
      traceHash: simulation.traceHash,
      operations: history.counts,
      history: history.operations,
      faultCounts: simulation.faults.counts,
      evaluations: { ...this.#checker.evaluations, ...this.#historyEvaluations },
      vacuity: this.#checker.vacuity.counts,
      violations: [
        ...this.#checker.violations,
        ...this.#workload.violations,
        ...this.#violations,
      ],
    };
  }
}

function nodeName(id: NodeId): string {
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
