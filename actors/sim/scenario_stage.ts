/**
 * The stage of a scenario: a cluster in the simulated world and its clients, led step by step,
 * where chance would seldom come upon a situation.
 *
 * Owns how a scenario waits and strikes. It decides nothing: the rules are held against every event
 * as in any other run, which ends with the first that is broken.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { ClusterChecker } from "./checkers/cluster_checker.ts";
import type { PartitionTrack } from "./checkers/tracks.ts";
import type { ClusterWorkload } from "./cluster_workload.ts";
import type { History } from "./history.ts";
import { nodeName } from "./simulated_cluster.ts";
import type { Boot, SimulatedNode } from "./simulated_node.ts";
import type { Simulation } from "./simulation.ts";

/** What happens in the first phase of a run, in order. */
export type Scenario = (stage: ScenarioStage) => void;

/** Ends a scenario in the middle: a rule is broken. */
export class ScenarioOver extends Error {
  override readonly name = "ScenarioOver";
}

/** A scenario waited for what did not come: it says nothing about any rule. */
export class ScenarioStuck extends Error {
  override readonly name = "ScenarioStuck";
}

export interface ScenarioStageOptions {
  readonly simulation: Simulation;
  readonly checker: ClusterChecker;
  readonly workload: ClusterWorkload;
  /** Whether a rule is broken. */
  isBroken(): boolean;
}

const WAIT_MAX_MS = 30_000;
/** Until the scenario, or the end of all faults, takes it back. */
const FOR_GOOD_MS = 1_000_000_000;
const METADATA = "metadata-committed";

export class ScenarioStage {
  readonly checker: ClusterChecker;
  readonly #options: ScenarioStageOptions;

  constructor(options: ScenarioStageOptions) {
    this.#options = options;
    this.checker = options.checker;
  }

  /** Lets so much time go by. @throws {ScenarioOver} */
  wait(forMs: number): void {
    const { simulation, isBroken } = this.#options;
    simulation.run({ forMs, until: isBroken });
    if (isBroken()) throw new ScenarioOver();
  }

  /** Goes on when that is so. @throws {ScenarioOver} @throws {ScenarioStuck} */
  until(what: string, isSo: () => boolean, withinMs = WAIT_MAX_MS): void {
    const { simulation, isBroken } = this.#options;
    const { reason } = simulation.run({
      forMs: withinMs,
      until: () => isBroken() || isSo(),
    });
    if (isBroken()) throw new ScenarioOver();
    if (reason === "condition") return;
    throw new ScenarioStuck(`The scenario waited ${withinMs} ms in vain until ${what}`);
  }

  /** What clients did and saw; a scenario's own clients write it down there too. */
  get history(): History {
    return this.#options.workload.history;
  }

  /** Starts a host of the scenario's own. */
  startHost(name: string, boot: Boot): void {
    this.#options.simulation.node(name).start(boot);
  }

  /** A partition, as checkers know it: `topic-0-1`. */
  partition(name: string): PartitionTrack | undefined {
    return [...this.checker.tracks.partitions.values()].find((track) => track.name === name);
  }

  /** The node whose controller is active. @throws {ScenarioOver} @throws {ScenarioStuck} */
  controller(): NodeId {
    this.until("there is a controller", () => this.checker.leaderOfQuorum !== undefined);
    return this.checker.leaderOfQuorum!;
  }

  /** Whether a broker has applied all metadata that are committed. */
  isUpToDate(id: NodeId): boolean {
    return (this.checker.broker(id)?.appliedOffset ?? -1) >= this.checker.metadata.endOffset;
  }

  /** The process of a node dies; with `loses` its machine has no power, and forgets. */
  crash(id: NodeId, loses: "nothing" | "what is not synced" = "nothing"): void {
    const node = nodeName(id);
    const { faults } = this.#options.simulation;
    const downMs = FOR_GOOD_MS;
    if (loses === "nothing") return faults.inject({ at: 0, kind: "crash", node, downMs });
    const names = "in-order";
    faults.inject({ at: 0, kind: "power-loss", nodes: [node], downMs, tornOf1024: 0, names });
  }

  /** The process of a node ends in order, and stays away. */
  stop(id: NodeId): void {
    const node = nodeName(id);
    this.#options.simulation.faults.inject({ at: 0, kind: "restart", node, downMs: FOR_GOOD_MS });
    this.until(`${node} has stopped`, () => this.#node(id).state === "down");
  }

  /** A node that is down starts again. */
  start(id: NodeId): void {
    this.#node(id).restart();
  }

  /** Nothing gets from one host to the other; both ways unless it is said. */
  cut(from: NodeId | string, to: NodeId | string, ways: "both" | "one" = "both"): void {
    const { links } = this.#options.simulation;
    links.partition(hostOf(from), hostOf(to));
    if (ways === "both") links.partition(hostOf(to), hostOf(from));
  }

  /** Takes one `cut` back. */
  mend(from: NodeId | string, to: NodeId | string, ways: "both" | "one" = "both"): void {
    const { links } = this.#options.simulation;
    links.heal(hostOf(from), hostOf(to));
    if (ways === "both") links.heal(hostOf(to), hostOf(from));
  }

  /** Breaks the connections of two hosts. */
  reset(one: NodeId | string, other: NodeId | string): void {
    this.#options.simulation.network.reset(hostOf(one), hostOf(other));
  }

  /** A broker hears nothing of the controller any more. */
  deafen(id: NodeId): void {
    this.#node(id).holdMessages(METADATA);
  }

  /** It hears all at once. */
  undeafen(id: NodeId): void {
    this.#node(id).releaseMessages(METADATA);
  }

  /** Producers make no more batches. */
  stopSending(): void {
    this.#options.workload.stopSending();
  }

  #node(id: NodeId): SimulatedNode {
    return this.#options.simulation.node(nodeName(id));
  }
}

function hostOf(host: NodeId | string): string {
  return typeof host === "string" ? host : nodeName(host);
}
