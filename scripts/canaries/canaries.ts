/**
 * The deliberate bugs that the simulation must catch, and in which runs they are looked for.
 *
 * The checkers know of none of them, and are silent about the same runs without them. Names are
 * those of the mutations (m) and classic bugs (B) of the guarantees.
 *
 * @module
 */

import type { ClusterSimulationOptions, FaultPlan, Protocol } from "../../mod.ts";
import * as replicas from "./broken_replicas.ts";
import * as decisions from "./broken_decisions.ts";
import { BROKEN_RULES } from "./broken_quorum_rules.ts";
import {
  type Break,
  lostProducers,
  noDedupe,
  refusedRetries,
  wrongOffsets,
} from "./broken_storage.ts";

/** A bug, and where to look for it. */
export interface Canary {
  readonly name: string;
  readonly summary: string;
  readonly protocol?: Partial<Protocol>;
  readonly breaks?: Break;
  /** How runs are aimed at it. */
  readonly aim: Omit<ClusterSimulationOptions, "seed">;
  /** The test of a script or an exhaustive walk that catches it too, where chance seldom does. */
  readonly script?: Script;
}

/** A test that passes only if it notices the bug. */
export interface Script {
  readonly file: string;
  readonly test: string;
}

type Run = NonNullable<ClusterSimulationOptions["run"]>;

const TOPIC = {
  name: "topic-0",
  partitions: 2,
  replicationFactor: 3,
  configs: {},
  mode: "idempotent",
  isVolatile: false,
} as const;

const PROPERTIES = {
  "broker.session.timeout.ms": "1000",
  "broker.heartbeat.interval.ms": "200",
  "controller.quorum.fetch.timeout.ms": "500",
  "controller.quorum.election.timeout.ms": "200",
  "controller.quorum.election.backoff.max.ms": "100",
  "controller.quorum.request.timeout.ms": "500",
  "replica.lag.time.max.ms": "500",
  "replica.fetch.wait.max.ms": "50",
  "replica.fetch.backoff.ms": "50",
  "leader.imbalance.check.interval.seconds": "300",
};

/** Three nodes, one topic, much traffic, quick time-outs: what is aimed at happens often. */
const SMALL: Run = {
  nodes: 3,
  voters: 3,
  combined: true,
  flushBeforeAck: false,
  minInsyncReplicas: 2,
  topics: [TOPIC],
  producersPerPartition: 1,
  consumersPerPartition: 1,
  sendEveryMs: 20,
  valueBytesMax: 20,
  inFlightMax: 3,
  deliveryTimeoutMs: 5000,
  requestTimeoutMs: 500,
  fetchWaitMs: 50,
  adminActions: [],
  adminEveryMs: 10_000,
  properties: PROPERTIES,
  faultsForMs: 20_000,
  downAtOnceMax: 2,
};

/** Bursts of elections, metadata late at some brokers: followers and leaders of several epochs. */
const ELECTIONS: FaultPlan = {
  "leader-burst": 600,
  "message-delay": 1000,
  partition: 4000,
  crash: 6000,
  "link-delay": 3000,
};
/** Nodes come and go, links break. */
const OUTAGES: FaultPlan = {
  crash: 2500,
  partition: 2500,
  restart: 5000,
  "link-clog": 3000,
  pause: 5000,
};
/** Machines lose power. */
const POWER: FaultPlan = { "power-loss": 1500, crash: 4000, partition: 4000 };
/** Connections break, so that clients send again. */
const RETRIES: FaultPlan = { "link-reset": 150, "link-clog": 1000, crash: 5000, partition: 5000 };

function aim(faults: FaultPlan, more: Partial<Run> = {}): Canary["aim"] {
  return { run: { ...SMALL, faults, ...more } };
}

function replica(
  name: string,
  summary: string,
  Replica: Protocol["Replica"],
  where = aim(ELECTIONS),
): Canary {
  return { name, summary, protocol: { Replica }, aim: where };
}

function controller(
  name: string,
  summary: string,
  ControllerDecisions: Protocol["ControllerDecisions"],
  where = aim(OUTAGES),
): Canary {
  return { name, summary, protocol: { ControllerDecisions }, aim: where };
}

function quorum(name: string, rule: string, where = aim(POWER)): Canary {
  const script = { file: QUORUMS, test: `quorum: a simulation shows who ${rule}` };
  return {
    name,
    summary: rule,
    protocol: { QuorumRules: BROKEN_RULES[rule]! },
    aim: where,
    script,
  };
}

const FLUSHED: Partial<Run> = { flushBeforeAck: true };

const WALKS = "tests/actors/partition/replication_model_test.ts";
const QUORUMS = "tests/actors/controller/quorum_simulation_test.ts";

function walk(test: string): Script {
  return { file: WALKS, test: `replication model: it notices: ${test}` };
}

function burst(test: string): Script {
  return { file: WALKS, test: `election burst: it notices: ${test}` };
}

/** By name: chance would need thousands of runs for some of these. */
const SCRIPTS: Readonly<Record<string, Script>> = {
  m1: burst("m1 truncation told by a leader in another epoch"),
  m2: walk("m2 fetches of any epoch are served"),
  m3: walk("m3 the mark counts any epoch"),
  m4: burst("m4, B4 joining before the start of the epoch"),
  m5: walk("m5 joining below the mark"),
  m6: walk("m6 joining from any epoch"),
  m7: walk("m7 the controller compares no epochs"),
  m9: walk("m9, B2 truncation without epoch"),
  b5: walk("B5 the mark over the committed ISR"),
  b8: walk("B8 roll back what may be applied"),
  b8s: burst("B8 an answer that is older than the metadata"),
  b9: walk("B9 followers outlive the epoch"),
  b10: burst("B10 an epoch without a record that nobody noted"),
  b11: burst("B11 an answer that comes after another leader's"),
  b12: {
    file: "tests/actors/partition/replica_test.ts",
    test: "replica: the end is withheld until the high watermark has reached the epoch's start",
  },
};

const FLAWS: readonly Canary[] = [
  replica("old", "truncation to the high watermark, no epochs in fetches", replicas.OldProtocol),
  replica("m1", "truncation point from a leader of another epoch", replicas.TruncationFromAnyEpoch),
  replica("m2", "records from a leader of another epoch", replicas.FetchFromAnyEpoch),
  replica("m3", "the HW counts followers of another epoch", replicas.MarkFromAnyEpoch),
  replica("m4", "joins before the leader's epoch is reached", replicas.JoinBeforeEpoch),
  replica("m5", "joins below the HW", replicas.JoinBelowMark, aim(OUTAGES)),
  replica("m6", "joins from another epoch", replicas.JoinFromAnyEpoch),
  controller(
    "m7",
    "the ISR is written without compare and set",
    decisions.AnyonesIsr,
    aim(ELECTIONS),
  ),
  replica("m8", "a new follower cuts at its HW", replicas.TruncateToMark),
  replica("m9", "truncation without the epoch found", replicas.TruncateWithoutEpoch),
  replica("b5", "the HW over the committed ISR", replicas.MarkOverCommittedIsr, aim(OUTAGES)),
  replica("b6", "the leader lets in any broker", replicas.JoinAnyBroker, aim(POWER)),
  controller("b6c", "the controller lets in any incarnation", decisions.AnyIncarnation, aim(POWER)),
  controller("b7", "unclean restarts are forgiven", decisions.ForgivenRestarts, aim(POWER)),
  replica("b8", "a proposal of unknown outcome is taken back", replicas.RollBackUnknown),
  replica("b8s", "answers older than the metadata count", replicas.TakeStaleAnswers),
  replica("b9", "followers' ends outlive the epoch", replicas.KeepFollowers),
  replica("b10", "epochs without records are not noted", replicas.ForgetEmptyEpochs),
  replica("b11", "late answers are taken in", replicas.TakeLateAnswers),
  replica("b12", "the end is told before it is known", replicas.TellEarlyEnd),
  replica("b12m", "a leader's HW falls", replicas.FallingMark, aim(OUTAGES)),
  replica("b19", "out of range cuts to the leader's end", replicas.CutToLeaderEnd, aim(POWER)),
  {
    name: "b14",
    summary: "repeated batches get another offset",
    breaks: wrongOffsets,
    aim: aim(RETRIES),
  },
  {
    name: "b14l",
    summary: "producers are forgotten at a cut",
    breaks: lostProducers,
    aim: aim(ELECTIONS),
  },
  {
    name: "b15",
    summary: "repeated batches are out of order",
    breaks: refusedRetries,
    aim: aim(RETRIES),
  },
  {
    name: "dedupe",
    summary: "repeated batches are appended again",
    breaks: noDedupe,
    aim: aim(RETRIES),
  },
  quorum("b21v", "vote before fsync"),
  quorum("b21l", "leader counts unsynced records"),
  quorum("b21f", "follower acknowledges unsynced records"),
  quorum("b22", "leads again in the same epoch"),
  quorum("logok", "votes for a log that lacks records", aim(OUTAGES)),
  quorum("half", "counts half for a majority", aim(OUTAGES)),
  controller("elr", "eligibility lasts", decisions.LastingEligibility),
  controller("leader", "anybody may lead", decisions.AnyLeader),
  controller("reassign", "reassignments end early", decisions.HastyReassignment, {
    run: { ...SMALL, faults: OUTAGES, adminActions: ["reassign"], adminEveryMs: 500 },
  }),
  {
    name: "fsync",
    summary: "syncs do nothing",
    aim: { ...aim(POWER, FLUSHED), syncs: false },
  },
];

/** All of them. */
export const CANARIES: readonly Canary[] = FLAWS.map((canary) => {
  const script = SCRIPTS[canary.name] ?? canary.script;
  return script === undefined ? canary : { ...canary, script };
});
