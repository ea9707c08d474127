/**
 * Scenarios: real clusters in the simulated world and their clients, led step by step into what
 * chance seldom brings about. The rules as they are meant break nothing in any of them.
 *
 * @module
 */

import type { ClusterSimulationOptions } from "../../mod.ts";
import { CALM_WORLD } from "../../mod.ts";
import type { PartitionTrack } from "../../actors/sim/checkers/tracks.ts";
import { type ScenarioStage, ScenarioStuck } from "../../actors/sim/scenario_stage.ts";
import type { NodeId } from "../../storage/bytes/ids.ts";
import { SMALL, TOPIC } from "./small_cluster.ts";
import { TRANSACTION_SCENARIOS } from "./transactions/transaction_scenarios.ts";

type Run = NonNullable<ClusterSimulationOptions["run"]>;
type Options = Omit<ClusterSimulationOptions, "seed">;

/** Links take half a millisecond. */
const WORLD = { ...CALM_WORLD, linkMinUs: 500 };

/** Three partitions, so that one of them is led elsewhere than where the controller is. */
const RUN: Run = { ...SMALL, faults: {}, topics: [{ ...TOPIC, partitions: 3 }] };

/** Nobody is fenced, or falls behind, for being silent a while. */
const PATIENT = {
  ...SMALL.properties,
  "broker.session.timeout.ms": "9000",
  "broker.heartbeat.interval.ms": "500",
  "replica.lag.time.max.ms": "30000",
};

/** Who is who in a partition of three replicas. */
interface Cast {
  readonly partition: PartitionTrack;
  readonly leader: NodeId;
  readonly controller: NodeId;
  /** Neither the leader nor the controller. */
  readonly third: NodeId;
}

/** A partition that is led elsewhere than where the controller is, everybody in sync. */
function cast(stage: ScenarioStage): Cast {
  const controller = stage.controller();
  const candidates = () =>
    [0, 1, 2].map((number) => stage.partition(`topic-0-${number}`)).filter((track) =>
      track?.truth?.isr.length === 3 && track.truth.leader >= 0 &&
      track.truth.leader !== controller && track.committed.endOffset > 20
    );
  stage.until("a partition is led elsewhere", () => candidates().length > 0);
  const partition = candidates()[0]!;
  const { leader, replicas } = partition.truth!;
  const third = replicas.find((id) => id !== leader && id !== controller)!;
  return { partition, leader, controller, third };
}

function isLedBy({ truth, replicas }: PartitionTrack, id: NodeId): boolean {
  const state = replicas.get(id)?.view?.state;
  return truth?.leader === id && state?.role === "leader" &&
    state.leaderEpoch === truth.leaderEpoch;
}

function highWatermark(partition: PartitionTrack, id: NodeId): number {
  return partition.replicas.get(id)?.view?.state.highWatermark ?? -1;
}

/** KIP-903: what a leader asks for is late, and the one it wants in has lost its records since. */
const RESTARTED_SINCE: Options = {
  world: WORLD,
  // The controller has a node of its own, whose quorum nobody can disturb.
  run: { ...RUN, voters: 1, combined: false, properties: PATIENT },
  scenario: (stage) => {
    const { partition, leader, controller, third } = cast(stage);
    const standing = () => stage.checker.metadata.image.brokers.get(third);
    stage.crash(third);
    stage.until("it is out", () => partition.truth?.isr.includes(third) === false);
    stage.wait(500);
    stage.cut(third, leader);
    stage.start(third);
    stage.until("it is unfenced", () => standing()?.fenced === false && stage.isUpToDate(leader));
    const before = standing()!.epoch;
    // Its session must be over sooner than its leader's.
    stage.cut(third, controller, "one");
    stage.reset(third, controller);
    stage.wait(6000);
    stage.cut(leader, controller, "one");
    stage.mend(third, leader);
    const wanted = () => partition.replicas.get(leader)?.view?.state.maximalIsr ?? [];
    stage.until("it is to join", () => wanted().includes(third));
    stage.wait(200);
    stage.crash(third, "what is not synced");
    stage.cut(third, leader);
    stage.mend(third, controller, "one");
    stage.start(third);
    stage.until("it is another", () => {
      const now = standing();
      return now !== undefined && now.epoch > before && !now.fenced;
    });
    stage.mend(leader, controller, "one");
    stage.wait(2000);
  },
};

/** #2954: who leads next does not know yet how far the one before had told clients. */
const LATE_MARK: Options = {
  world: WORLD,
  run: { ...RUN, properties: { ...PATIENT, "replica.fetch.wait.max.ms": "20000" } },
  scenario: (stage) => {
    const { partition, leader } = cast(stage);
    stage.stopSending();
    stage.wait(7000); // By now every consumer has been told the end.
    const others = partition.truth!.replicas.filter((id) => id !== leader);
    const [next, last] = others as [NodeId, NodeId];
    stage.deafen(last);
    const behind = highWatermark(partition, next);
    if (behind >= highWatermark(partition, leader)) {
      throw new ScenarioStuck("Nobody is behind the leader's mark");
    }
    stage.crash(leader);
    stage.until("another leads", () => isLedBy(partition, next));
    stage.wait(8000);
    stage.undeafen(last);
  },
};

/** A member of the ISR has lost records, and fetches before its leader hears that it is out. */
const LOST_SINCE: Options = {
  world: WORLD,
  run: { ...RUN, properties: PATIENT },
  scenario: (stage) => {
    const { partition, leader, third } = cast(stage);
    stage.wait(2000);
    stage.deafen(leader);
    stage.crash(third, "what is not synced");
    stage.wait(50);
    stage.start(third);
    stage.until("it is out", () => partition.truth?.isr.includes(third) === false);
    stage.wait(3000);
    stage.undeafen(leader);
    stage.wait(1000);
  },
};

/** The node whose log is cut has to know what it had of other producers (KIP-98). */
const CUT_AND_LED: Options = {
  world: WORLD,
  run: {
    ...RUN,
    topics: [{ ...TOPIC, partitions: 1 }],
    producersPerPartition: 2,
    requestTimeoutMs: 20_000,
    deliveryTimeoutMs: 60_000,
  },
  scenario: (stage) => {
    // Producers are on client-1 and client-2.
    const [silenced, heard] = ["client-1", "client-2"] as const;
    const nodes = [1, 2, 3];
    stage.until("everybody is in sync", () => {
      const track = stage.partition("topic-0-0");
      return track?.truth?.isr.length === 3 && track.committed.endOffset > 50;
    });
    const partition = stage.partition("topic-0-0")!;
    const leader = partition.truth!.leader;
    const others = nodes.filter((id) => id !== leader);
    // What it sends is committed, and it does not hear so.
    for (const id of nodes) stage.cut(id, silenced, "one");
    stage.wait(500);
    for (const id of nodes) stage.cut(silenced, id, "one");
    stage.wait(200);
    // The leader goes on alone with what the other sends: that will be cut.
    for (const id of others) stage.cut(leader, id);
    stage.until("another leads", () => others.some((id) => isLedBy(partition, id)));
    stage.wait(500);
    for (const id of nodes) if (id !== leader) stage.cut(heard, id, "one");
    for (const id of others) stage.mend(leader, id);
    stage.until("it is in sync again", () => partition.truth!.isr.includes(leader));
    // Whoever leads in its place hands over.
    for (const id of others) {
      if (isLedBy(partition, leader)) break;
      stage.stop(id);
      stage.start(id);
      stage.wait(3000);
    }
    stage.until("it leads again", () => isLedBy(partition, leader));
    for (const id of nodes) {
      stage.mend(id, silenced);
      stage.reset(id, silenced);
    }
    stage.wait(3000);
  },
};

export const SCENARIOS = {
  "a follower loses its records while it is asked to be let in": RESTARTED_SINCE,
  "a new leader is asked for the end before it knows the mark": LATE_MARK,
  "a member of the ISR lost records, and its leader has not heard of it": LOST_SINCE,
  "a log is cut and leads again, and a producer repeats what came before": CUT_AND_LED,
  ...TRANSACTION_SCENARIOS,
} satisfies Readonly<Record<string, Options>>;

/** The name of a scenario. */
export type ScenarioName = keyof typeof SCENARIOS;
