/**
 * A node and a client in a simulated world with faults: one run from one seed.
 *
 * A run has two parts. While faults happen the client sends and reads; then everything is mended,
 * the node must serve again within a bounded time, and all that was acknowledged must be there.
 *
 * @module
 */

import { parseBrokerConfig } from "../config/broker_config.ts";
import type { Environment, RandomStream } from "../runtime/environment.ts";
import { bootNode } from "../node.ts";
import { drawFaultPlan, drawFaults, type Fault, type FaultKind } from "./faults.ts";
import { pick } from "./random.ts";
import { RecordChecker, type Violation } from "./record_checker.ts";
import { RecordWorkload, type WorkloadCounts } from "./record_workload.ts";
import { Simulation } from "./simulation.ts";
import type { SimulatedNode, Stoppable } from "./simulated_node.ts";

/** What one run of a node in the simulated world is made of. */
export interface NodeSimulationOptions {
  /** The same seed gives the same run. */
  readonly seed: number | string;
  /** Virtual time with faults; 60 seconds when absent. */
  readonly faultsForMs?: number;
  /** Kinds of faults to draw from; all that a single node must bear when absent. */
  readonly kinds?: readonly FaultKind[];
  /** Instead of what the seed would draw. */
  readonly faults?: readonly Fault[];
  /** `flush.before.ack` of the node; drawn when absent. */
  readonly flushBeforeAck?: boolean;
  /** Takes a line for each event. */
  readonly trace?: (line: string) => void;
  /** Takes the lines that the node logs. */
  readonly log?: (line: string) => void;
}

/** What a run did and whether anything was wrong. */
export interface NodeSimulationResult {
  /** What it was made from: the same gives the same again. */
  readonly seed: number | string;
  /** `flush.before.ack` of the node. */
  readonly flushBeforeAck: boolean;
  /** What befell the node. */
  readonly faults: readonly Fault[];
  /** How long it took in the simulated world. */
  readonly virtualMs: number;
  /** How many things happened. */
  readonly events: number;
  /** Tells runs apart: the same run has the same. */
  readonly traceHash: string;
  /** What clients asked for, and what came of it. */
  readonly operations: WorkloadCounts;
  /** How often each kind of fault took effect. */
  readonly faultCounts: Readonly<Record<string, number>>;
  /** How often each rule was held against something. */
  readonly evaluations: Readonly<Record<string, number>>;
  /** How often the node started. */
  readonly starts: number;
  /** How often a start found a torn log and cut it. */
  readonly tornLogsCut: number;
  /** Promises that were broken: none, unless there is a bug. */
  readonly violations: readonly Violation[];
}

/** A process crash loses nothing that was written; these may happen to any node. */
const BEARABLE: readonly FaultKind[] = [
  "crash",
  "pause",
  "partition",
  "link-delay",
  "link-clog",
  "link-reset",
  "disk-full",
  "disk-read-only",
  "slow-sync",
  "clock-step",
  "clock-drift",
  "handler-throw",
];

const NODE = "node";
const CLIENT = "client";
const PORT = 9192;
const PARTITIONS = 3;
const RESTART_MS = 1000;
const RECOVERY_MS = 300_000;

/** Runs one seed. The same options give the same result, to the last bit. */
export function simulateNode(options: NodeSimulationOptions): NodeSimulationResult {
  return new NodeRun(options).run();
}

class NodeRun {
  readonly #options: NodeSimulationOptions;
  readonly #simulation: Simulation;
  readonly #checker = new RecordChecker(PARTITIONS);
  readonly #faults: readonly Fault[];
  readonly #flushBeforeAck: boolean;
  readonly #properties: Readonly<Record<string, string>>;
  #workload: RecordWorkload | undefined;
  #tornLogsCut = 0;

  constructor(options: NodeSimulationOptions) {
    this.#options = options;
    this.#simulation = new Simulation({
      seed: options.seed,
      ...(options.trace === undefined ? {} : { trace: options.trace }),
      connectTimeoutMs: 1000,
      retransmitTimeoutMs: 5000,
      log: (node, line) => this.#logged(node, line),
      exited: (node) => this.#restartLater(node),
    });
    const stream = this.#simulation.random.stream("node simulation");
    this.#flushBeforeAck = options.flushBeforeAck ?? stream.chance(3, 4);
    const kinds = options.kinds ?? this.#drawKinds(stream);
    this.#properties = {
      "flush.before.ack": String(this.#flushBeforeAck),
      "log.segment.bytes": String(pick(stream, [2000, 20_000, 1_000_000])),
      "log.index.interval.bytes": String(pick(stream, [100, 1000, 4096])),
      "log.retention.check.interval.ms": "5000",
      "log.flush.offset.checkpoint.interval.ms": "3000",
    };
    const targets = { nodes: [NODE], hosts: [CLIENT], downAtOnceMax: 1, damagedMax: 1, kinds };
    const faults = this.#simulation.random.stream("faults");
    this.#faults = options.faults ??
      drawFaults(faults, drawFaultPlan(faults, targets), targets, this.#faultsForMs);
  }

  /** A disk that failed a sync may lie about later ones, which a power cut would show. */
  #drawKinds(stream: RandomStream): readonly FaultKind[] {
    if (!this.#flushBeforeAck) return BEARABLE;
    return [...BEARABLE, stream.chance(1, 4) ? "sync-fails" : "power-loss"];
  }

  get #faultsForMs(): number {
    return this.#options.faultsForMs ?? 60_000;
  }

  run(): NodeSimulationResult {
    const simulation = this.#simulation;
    simulation.node(NODE).start((environment) => this.#boot(simulation.node(NODE), environment));
    simulation.node(CLIENT).start((environment) => {
      this.#workload = this.#makeWorkload(environment);
      this.#workload.start();
      return { crash: () => {} };
    });
    simulation.faults.schedule(this.#faults);
    simulation.run({ forMs: this.#faultsForMs });
    this.#mend();
    return this.#result();
  }

  #boot(node: SimulatedNode, environment: Environment): Stoppable {
    return bootNode({
      nodeId: 1,
      native: { host: NODE, port: PORT },
      config: parseBrokerConfig(this.#properties),
      environment,
      probe: node.probe,
      ready: () => {},
      failed: () => {
        this.#simulation.at(0, "node failed", () => {
          node.crash();
          this.#restartLater(node);
        });
      },
    });
  }

  #restartLater(node: SimulatedNode): void {
    this.#simulation.at(RESTART_MS, "restart", () => node.restart());
  }

  #makeWorkload(environment: Environment): RecordWorkload {
    const stream = environment.random.stream("options");
    return new RecordWorkload({
      environment,
      broker: { host: NODE, port: PORT },
      topic: "records",
      partitions: PARTITIONS,
      configs: {},
      sendEveryMs: pick(stream, [5, 50, 200]),
      valueBytesMax: pick(stream, [10, 300, 3000]),
      checker: this.#checker,
    });
  }

  #logged(node: string, line: string): void {
    if (line.includes("cut a torn log")) this.#tornLogsCut++;
    this.#options.log?.(`${node}: ${line}`);
  }

  /** Ends all faults; the node must serve again, and the client find what it was promised. */
  #mend(): void {
    const simulation = this.#simulation;
    const workload = this.#workload as RecordWorkload;
    simulation.faults.healAll();
    // A partition that failed is offline until its node has restarted.
    simulation.node(NODE).crash();
    simulation.node(NODE).restart();
    workload.stopSending();
    // What is under way ends, one way or the other, within its time-out.
    simulation.run({ forMs: 20_000 });
    workload.forgetEnds();
    const { reason } = simulation.run({
      forMs: RECOVERY_MS,
      until: () => this.#checker.violations.length > 0 || workload.isDrained(),
    });
    if (reason !== "condition") {
      this.#checker.violations.push({
        rule: "liveness",
        message: `the node did not serve within ${RECOVERY_MS} ms after all faults had ended`,
      });
    } else {
      this.#checker.finish(workload.values);
    }
  }

  #result(): NodeSimulationResult {
    const simulation = this.#simulation;
    const workload = this.#workload as RecordWorkload;
    return {
      seed: this.#options.seed,
      flushBeforeAck: this.#flushBeforeAck,
      faults: this.#faults,
      virtualMs: simulation.nowMs,
      events: simulation.events,
      traceHash: simulation.traceHash,
      operations: workload.counts,
      faultCounts: simulation.faults.counts,
      evaluations: this.#checker.evaluations,
      starts: simulation.node(NODE).starts,
      tornLogsCut: this.#tornLogsCut,
      violations: this.#checker.violations,
    };
  }
}
