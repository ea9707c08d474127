/**
 * Clusters in a simulated world for properties of one's own: a workload of the real clients, faults
 * from a seed, and a check after every event beside the rules that always hold.
 *
 * @module
 */

import { Admin } from "../client/admin/admin.ts";
import type { Environment, RandomStream } from "../runtime/environment.ts";
import { formatAddress } from "../../net/network.ts";
import type { Protocol } from "../protocol.ts";
import { CLUSTER_KINDS, type ClusterRunOptions, drawClusterOptions } from "./cluster_options.ts";
import { drawFaults, type Fault, type FaultKind } from "./faults.ts";
import { History, leaveOut, type Operation } from "./history.ts";
import { checkHistory } from "./history_checker.ts";
import { abandonedPartitions } from "./liveness.ts";
import type { Violation } from "./record_checker.ts";
import { SimulatedCluster } from "./simulated_cluster.ts";
import { Simulation, SimulationFailure } from "./simulation.ts";
import type { WorldOptions } from "./world_options.ts";

/** What a workload is given: a host of its own, and the cluster to talk to. */
export interface SimulatedWorld {
  /** `host:port` of every broker: what clients connect to. */
  readonly bootstrap: readonly string[];
  /** To be given to clients as their `environment`: their time, chance and network. */
  readonly environment: Environment;
  /** Draws that belong to the seed. */
  readonly random: RandomStream;
  /** What clients did and saw, where the workload tells: it is held against what a log may do. */
  readonly history: History;
  /**
   * Partitions (`orders-0`) that had a leader by an unclean election: what they held before may be
   * gone, and their part of the history is held against nothing.
   */
  readonly lossy: ReadonlySet<string>;
  /** Virtual milliseconds since the world began. */
  readonly nowMs: number;
  /** Lets virtual time pass. */
  sleep(ms: number): Promise<void>;
  /**
   * Ends all faults, for good: what is asked from now on must succeed sooner or later. An operator
   * elects a leader where nobody is left with a claim to lead, which may lose records.
   */
  mend(): void;
}

/** What to simulate. */
export interface SimulateOptions {
  /** The same seed gives the same run. */
  readonly seed: number | string;
  /** How many nodes, each a broker and a voter; 3 when absent. */
  readonly nodes?: number;
  /** What clients do. The run ends when it does; what it throws is a violation. */
  readonly workload: (world: SimulatedWorld) => Promise<void>;
  /** Which kinds of faults happen, or the faults themselves; all kinds when absent. */
  readonly faults?: "none" | readonly FaultKind[] | readonly Fault[];
  /** For how long, in virtual milliseconds, unless the workload mends sooner; 30,000. */
  readonly faultsForMs?: number;
  /** Held after every event: what it throws is a violation. It must change nothing. */
  readonly check?: (nowMs: number) => void;
  /** Broker configs of all nodes, by Kafka's names. */
  readonly properties?: Readonly<Record<string, string>>;
  /** How long the workload may take, in virtual milliseconds; 600,000. */
  readonly timeoutMs?: number;
  /** Instead of what the seed would draw. */
  readonly world?: Partial<WorldOptions>;
  /** Instead of what the seed would draw. */
  readonly run?: Partial<ClusterRunOptions>;
  /** Stand in for the classes of the same names, on all nodes. */
  readonly protocol?: Partial<Protocol>;
  /** Takes a line for each event. */
  readonly trace?: (line: string) => void;
  /** Takes the lines that nodes log. */
  readonly log?: (line: string) => void;
}

/** What came of it. */
export interface SimulateResult {
  /** What it was made from. */
  readonly seed: number | string;
  /** What the cluster was like. */
  readonly run: ClusterRunOptions;
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
  /** How often each kind of fault took effect. */
  readonly faultCounts: Readonly<Record<string, number>>;
  /** How often each rule was held against something. */
  readonly evaluations: Readonly<Record<string, number>>;
  /** How often happened what the rules are about. */
  readonly vacuity: Readonly<Record<string, number>>;
  /** Broken rules, of the cluster's (by number), of histories, `workload` and `check`. */
  readonly violations: readonly Violation[];
}

const FAULTS_FOR_MS = 30_000;
const TIMEOUT_MS = 600_000;
/** How often an operator looks at a cluster that is whole again. */
const OPERATOR_MS = 5000;
const HOST = "workload";

/**
 * Runs a workload against a cluster in a simulated world. The same options give the same result, to
 * the last bit, as long as the workload takes time, chance and network from its world only.
 *
 * What was acknowledged may be lost where nobody promises otherwise: by a power cut without
 * `flush.before.ack`, by an unclean election (`world.lossy`). examples/simulated_property.ts is a
 * property that holds.
 */
export function simulate(options: SimulateOptions): Promise<SimulateResult> {
  return new WorkloadRun(options).run();
}

class WorkloadRun {
  readonly #options: SimulateOptions;
  readonly #simulation: Simulation;
  readonly #run: ClusterRunOptions;
  readonly #faults: readonly Fault[];
  readonly #cluster: SimulatedCluster;
  readonly #history = new History();
  readonly #violations: Violation[] = [];
  #ended = false;

  constructor(options: SimulateOptions) {
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
    this.#run = this.#drawRun();
    this.#faults = this.#drawFaults();
    this.#cluster = new SimulatedCluster({
      simulation: this.#simulation,
      run: this.#run,
      protocol: options.protocol,
      syncs: true,
      moveLeader: () => {},
      log,
    });
  }

  #drawRun(): ClusterRunOptions {
    const { nodes = 3, faults, faultsForMs = FAULTS_FOR_MS, run } = this.#options;
    const stream = this.#simulation.random.stream("cluster");
    // A workload is one program: nobody but itself could start it a second time.
    const kinds = kindsOf(faults).filter((kind) => kind !== "client-crash");
    const given = { nodes, voters: nodes, combined: true, topics: [], faultsForMs, ...run };
    const drawn = drawClusterOptions(stream, given, kinds);
    return { ...drawn, properties: { ...drawn.properties, ...this.#options.properties } };
  }

  #drawFaults(): readonly Fault[] {
    const { faults } = this.#options;
    if (faults === "none" || faults?.length === 0) return [];
    if (faults?.some((fault) => typeof fault === "object") === true) return faults as Fault[];
    const nodes = SimulatedCluster.names(this.#run);
    const targets = {
      nodes,
      hosts: [HOST],
      downAtOnceMax: this.#run.downAtOnceMax,
      damagedMax: nodes.length,
    };
    const stream = this.#simulation.random.stream("faults");
    return drawFaults(stream, this.#run.faults, targets, this.#run.faultsForMs);
  }

  async run(): Promise<SimulateResult> {
    const simulation = this.#simulation;
    this.#cluster.start();
    const { check, timeoutMs = TIMEOUT_MS } = this.#options;
    if (check !== undefined) simulation.afterEvent(() => this.#check(check));
    simulation.node(HOST).start((environment) => {
      // Not awaited: the world goes on only when nothing in it does.
      this.#work(environment);
      return { crash: () => {} };
    });
    simulation.faults.schedule(this.#faults);
    try {
      const until = () => this.#ended || this.#isBroken;
      const { reason } = await simulation.runAsync({ forMs: timeoutMs, until });
      if (reason !== "condition") {
        this.#broken("workload", `it has not ended within ${timeoutMs} ms`);
      }
    } catch (error) {
      if (!(error instanceof SimulationFailure)) throw error;
      this.#broken("crash", error.message);
    }
    return this.#result();
  }

  get #isBroken(): boolean {
    return this.#violations.length > 0 || this.#cluster.checker.violations.length > 0;
  }

  async #work(environment: Environment): Promise<void> {
    const simulation = this.#simulation;
    const lossy = () => this.#lossy();
    try {
      await this.#options.workload({
        bootstrap: this.#cluster.bootstrap.map((address) => formatAddress(address)),
        environment,
        random: simulation.random.stream("workload"),
        history: this.#history,
        get lossy() {
          return lossy();
        },
        get nowMs() {
          return simulation.nowMs;
        },
        sleep: (ms) => new Promise((resolve) => environment.timers.schedule(ms, resolve)),
        mend: () => {
          simulation.faults.healAll();
          this.#operate(environment);
        },
      });
    } catch (error) {
      this.#broken("workload", error instanceof Error ? error.message : String(error));
    }
    this.#ended = true;
  }

  /** What an operator does once all nodes are back: what nodes must not do by themselves. */
  async #operate(environment: Environment): Promise<void> {
    const { bootstrap, checker } = this.#cluster;
    while (!this.#ended) {
      this.#cluster.restore();
      const abandoned = abandonedPartitions(checker);
      if (abandoned.length > 0) {
        try {
          await using admin = await Admin.connect(
            bootstrap.map((address) => formatAddress(address)),
            { environment },
          );
          await admin.electLeaders("unclean", abandoned);
        } catch {
          // Looked at again below.
        }
      }
      await new Promise<void>((resolve) => environment.timers.schedule(OPERATOR_MS, resolve));
    }
  }

  #lossy(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { name, lastUncleanEpoch } of this.#cluster.checker.tracks.partitions.values()) {
      if (lastUncleanEpoch >= 0) names.add(name);
    }
    return names;
  }

  /** What clients did and saw of partitions that have kept what they were given. */
  #judgedHistory(): readonly Operation[] {
    const lossy = this.#lossy();
    // Who has forgotten what became of transactions answers for none of them.
    const forgets = [...lossy].some((name) => name.startsWith("__transaction_state-"));
    const { operations } = this.#history;
    const kept = forgets ? operations.filter(({ kind }) => kind !== "txn") : operations;
    return leaveOut(kept, (partition) => lossy.has(partition));
  }

  #check(check: (nowMs: number) => void): void {
    try {
      check(this.#simulation.nowMs);
    } catch (error) {
      this.#broken("check", error instanceof Error ? error.message : String(error));
    }
  }

  #broken(rule: string, message: string): void {
    this.#violations.push({ rule, message });
  }

  #result(): SimulateResult {
    const simulation = this.#simulation;
    const { checker } = this.#cluster;
    if (!this.#isBroken) checker.checkAll();
    const verdict = checkHistory(this.#judgedHistory(), { drained: false });
    return {
      seed: this.#options.seed,
      run: this.#run,
      world: simulation.world,
      faults: this.#faults,
      virtualMs: simulation.nowMs,
      events: simulation.events,
      traceHash: simulation.traceHash,
      faultCounts: simulation.faults.counts,
      evaluations: { ...checker.evaluations, ...verdict.evaluations },
      vacuity: checker.vacuity.counts,
      violations: [...checker.violations, ...this.#violations, ...verdict.violations],
    };
  }
}

/** Of faults or their kinds, the kinds; all where nothing is said. */
function kindsOf(faults: SimulateOptions["faults"]): readonly FaultKind[] {
  if (faults === undefined) return CLUSTER_KINDS;
  if (faults === "none") return [];
  return faults.map((fault) => typeof fault === "string" ? fault : fault.kind);
}
