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

import type { Protocol } from "../protocol.ts";
import { type ClusterRunOptions, drawClusterOptions } from "./cluster_options.ts";
import { ADMIN_HOST, CLIENT_HOSTS, ClusterWorkload } from "./cluster_workload.ts";
import { drawFaults, type Fault, type FaultKind } from "./faults.ts";
import { type HistoryCounts, leaveOut, type Operation } from "./history.ts";
import { checkHistory } from "./history_checker.ts";
import type { Violation } from "./record_checker.ts";
import { type Scenario, ScenarioOver, ScenarioStage } from "./scenario_stage.ts";
import { SimulatedCluster } from "./simulated_cluster.ts";
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
  /**
   * Leads the first phase, in place of drawn faults.
   * @internal
   */
  readonly scenario?: Scenario;
  /** Stand in for the classes of the same names, on all nodes. */
  readonly protocol?: Partial<Protocol>;
  /** False has disks say that they have synced logs, and not do it. */
  readonly syncs?: boolean;
  /** Takes a line for each event. */
  readonly trace?: (line: string) => void;
  /** Takes the lines that nodes log. */
  readonly log?: (line: string) => void;
}

/** What a run did and whether anything was wrong. */
export interface ClusterSimulationResult {
  /** What it was made from. */
  readonly seed: number | string;
  /** What it was like. */
  readonly run: ClusterRunOptions;
  /** What the real clients did, in a run whose workload is theirs (`simulateClients`). */
  readonly clients?: "records" | "transactions";
  /** The world it took place in. */
  readonly world: WorldOptions;
  /** What befell it. */
  readonly faults: readonly Fault[];
  /** How long it took in the simulated world. */
  readonly virtualMs: number;
  /** How many things happened. */
  readonly events: number;
  /** Tells runs apart: the same run has the same. */
  readonly traceHash: string;
  /** What clients asked for, and what came of it. */
  readonly operations: HistoryCounts;
  /** What clients asked for besides, by what it was. */
  readonly requests: Readonly<Record<string, number>>;
  /** What clients did and saw. */
  readonly history: readonly Operation[];
  /** How often each kind of fault took effect. */
  readonly faultCounts: Readonly<Record<string, number>>;
  /** How often each rule was held against something. */
  readonly evaluations: Readonly<Record<string, number>>;
  /** How often happened what the rules are about. */
  readonly vacuity: Readonly<Record<string, number>>;
  /** Broken rules; none unless there is a bug. */
  readonly violations: readonly Violation[];
}

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
  readonly #cluster: SimulatedCluster;
  readonly #workload: ClusterWorkload;
  readonly #violations: Violation[] = [];
  #evaluations: Readonly<Record<string, number>> = {};

  constructor(options: ClusterSimulationOptions) {
    this.#options = options;
    const { seed, world, trace } = options;
    const log = (line: string) => options.log?.(line);
    this.#simulation = new Simulation({
      seed,
      ...(world === undefined ? {} : { world }),
      ...(trace === undefined ? {} : { trace }),
      connectTimeoutMs: 1000,
      retransmitTimeoutMs: 5000,
      log: (node, line) => log(`${this.#simulation.nowMs} ${node}: ${line}`),
      logLevel: "info",
      exited: (node, error) => {
        log(`${this.#simulation.nowMs} ${node.name} ended: ${error}`);
        this.#cluster.exited(node);
      },
    });
    const { random } = this.#simulation;
    this.#run = drawClusterOptions(random.stream("cluster"), options.run, options.kinds);
    const names = SimulatedCluster.names(this.#run);
    const targets = {
      nodes: names,
      hosts: CLIENT_HOSTS,
      downAtOnceMax: this.#run.downAtOnceMax,
      damagedMax: names.length,
    };
    const given = options.scenario === undefined ? options.faults : [];
    this.#faults = given ??
      drawFaults(random.stream("faults"), this.#run.faults, targets, this.#run.faultsForMs);
    this.#cluster = new SimulatedCluster({
      simulation: this.#simulation,
      run: this.#run,
      protocol: options.protocol,
      syncs: options.syncs !== false,
      moveLeader: (drawn, round) => this.#workload.moveLeader(drawn, round),
      log,
    });
    const { checker, bootstrap, members } = this.#cluster;
    this.#workload = new ClusterWorkload({
      run: this.#run,
      bootstrap,
      brokers: members.brokers,
      checker,
    });
  }

  run(): ClusterSimulationResult {
    try {
      this.#proceed();
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      this.#violations.push({ rule: "crash", message: error.message });
      this.#options.log?.(String((error.cause as Error | undefined)?.stack));
    }
    return this.#result();
  }

  #proceed(): void {
    const simulation = this.#simulation;
    this.#cluster.start();
    CLIENT_HOSTS.forEach((host, index) => {
      this.#workload.startClients(simulation.node(host), index);
    });
    this.#workload.startAdmin(simulation.node(ADMIN_HOST));
    simulation.faults.schedule(this.#faults);
    const { scenario } = this.#options;
    if (scenario !== undefined) this.#play(scenario);
    else simulation.run({ forMs: this.#run.faultsForMs, until: () => this.#isBroken });
    if (!this.#isBroken) this.#converge();
    if (!this.#isBroken) this.#checkHistory();
  }

  #play(scenario: Scenario): void {
    try {
      scenario(
        new ScenarioStage({
          simulation: this.#simulation,
          checker: this.#cluster.checker,
          workload: this.#workload,
          isBroken: () => this.#isBroken,
        }),
      );
    } catch (error) {
      if (!(error instanceof ScenarioOver)) throw error;
    }
  }

  get #isBroken(): boolean {
    return this.#cluster.checker.violations.length > 0 ||
      this.#workload.violations.length > 0 || this.#violations.length > 0;
  }

  /** The second phase. */
  #converge(): void {
    const simulation = this.#simulation;
    this.#workload.calm();
    const core = this.#cluster.mend();
    simulation.run({ forMs: CALM_MS, until: () => this.#isBroken });
    this.#workload.stopSending();
    const deadline = simulation.nowMs + CONVERGE_MS;
    const reason = () => this.#cluster.pending(core) ?? this.#workload.pending();
    while (simulation.nowMs < deadline && !this.#isBroken) {
      this.#cluster.keepUp();
      simulation.run({ forMs: STABLE_MS, until: () => this.#isBroken });
      if (reason() === undefined) return this.#cluster.checker.checkAll();
    }
    if (this.#isBroken) return;
    this.#violations.push({
      rule: "liveness",
      message: `not within ${CONVERGE_MS} ms after the faults had ended, with voters ` +
        `[${core.voters}] and brokers [${core.brokers}]: ${reason()}`,
    });
  }

  /** Of partitions that were given up by an unclean election, or deleted, nothing is promised. */
  #checkHistory(): void {
    const broken = new Set<string>();
    for (const track of this.#cluster.checker.tracks.partitions.values()) {
      const { name, topicId, givenUpFrom, isDeleted } = track;
      if (isDeleted || givenUpFrom < Infinity) broken.add(`${name}:${topicId}`);
    }
    const operations = leaveOut(this.#workload.history.operations, (name) => broken.has(name));
    const { violations, evaluations } = checkHistory(operations, { drained: true });
    this.#violations.push(...violations);
    this.#evaluations = evaluations;
  }

  #result(): ClusterSimulationResult {
    const simulation = this.#simulation;
    const { history } = this.#workload;
    const { checker } = this.#cluster;
    return {
      seed: this.#options.seed,
      run: this.#run,
      world: simulation.world,
      faults: this.#faults,
      virtualMs: simulation.nowMs,
      events: simulation.events,
      traceHash: simulation.traceHash,
      operations: history.counts,
      requests: this.#workload.requests,
      history: history.operations,
      faultCounts: simulation.faults.counts,
      evaluations: { ...checker.evaluations, ...this.#evaluations },
      vacuity: checker.vacuity.counts,
      violations: [...checker.violations, ...this.#workload.violations, ...this.#violations],
    };
  }
}
