/**
 * The deliberate bugs that the checkers must catch, and where each is looked for.
 *
 * Names are those of the mutations (m) and classic bugs (B) of the guarantees. The checkers know of
 * none of them, and are silent about the same runs without them.
 *
 * @module
 */

import type { Protocol } from "../../mod.ts";
import * as decisions from "./broken_decisions.ts";
import * as compaction from "./compaction/broken_compaction.ts";
import { BROKEN_RULES } from "./broken_quorum_rules.ts";
import * as replicas from "./broken_replicas.ts";
import { lostProducers, noDedupe, refusedRetries, wrongOffsets } from "./broken_storage.ts";
import { type Bug, burst, type Ground, scenario, walk } from "./grounds.ts";
import * as seeds from "./seeds.ts";
import * as transactions from "./transactions/broken_transactions.ts";

/** A bug, and where to look for it. */
export interface Canary extends Bug {
  readonly name: string;
  readonly summary: string;
  /** Where it must be caught. */
  readonly ground: Ground;
}

type Decisions = Protocol["ControllerDecisions"];
type Replica = Protocol["Replica"];

const SLOW_ISR = walk("two leader epochs, slow changes of the ISR");
const THREE_EPOCHS = walk("three leader epochs, a record");
const LOST_WHILE_JOINING = scenario(
  "a follower loses its records while it is asked to be let in",
);

function replica(name: string, summary: string, Replica: Replica, ground: Ground): Canary {
  return { name, summary, protocol: { Replica }, ground };
}

function controller(
  name: string,
  summary: string,
  ControllerDecisions: Decisions,
  ground: Ground,
): Canary {
  return { name, summary, protocol: { ControllerDecisions }, ground };
}

function quorum(name: string, summary: keyof typeof BROKEN_RULES, ground: Ground): Canary {
  return { name, summary, protocol: { QuorumRules: BROKEN_RULES[summary]! }, ground };
}

function storage(name: string, summary: string, breaks: Bug["breaks"], ground: Ground): Canary {
  return { name, summary, breaks: breaks!, ground };
}

/** KIP-101, 279, 320, 497: truncation, the high watermark, and who is in sync. */
const REPLICATION: readonly Canary[] = [
  replica(
    "old",
    "truncation to the high watermark, no epochs in fetches",
    replicas.OldProtocol,
    seeds.ELECTIONS,
  ),
  replica(
    "m1",
    "truncation point from a leader of another epoch",
    replicas.TruncationFromAnyEpoch,
    burst("a follower asks one that led an epoch earlier where their logs part"),
  ),
  replica("m2", "records from a leader of another epoch", replicas.FetchFromAnyEpoch, THREE_EPOCHS),
  replica(
    "m3",
    "the HW counts followers of another epoch",
    replicas.MarkFromAnyEpoch,
    THREE_EPOCHS,
  ),
  replica(
    "m4",
    "joins before the leader's epoch is reached",
    replicas.JoinBeforeEpoch,
    burst("a follower has the mark, and not what was committed before the epoch"),
  ),
  replica("m5", "joins below the HW", replicas.JoinBelowMark, SLOW_ISR),
  replica("m6", "joins from another epoch", replicas.JoinFromAnyEpoch, THREE_EPOCHS),
  controller(
    "m7",
    "the ISR is written without compare and set",
    decisions.AnyonesIsr,
    THREE_EPOCHS,
  ),
  replica("m8", "a new follower cuts at its HW", replicas.TruncateToMark, seeds.ELECTIONS),
  replica(
    "m9",
    "truncation without the epoch found",
    replicas.TruncateWithoutEpoch,
    THREE_EPOCHS,
  ),
  replica("b5", "the HW over the committed ISR", replicas.MarkOverCommittedIsr, SLOW_ISR),
  {
    name: "b6",
    summary: "leader and controller let in any broker",
    protocol: {
      Replica: replicas.JoinAnyBroker,
      ControllerDecisions: decisions.AnyIncarnation,
    },
    ground: LOST_WHILE_JOINING,
  },
  controller(
    "b6c",
    "the controller lets in any incarnation",
    decisions.AnyIncarnation,
    LOST_WHILE_JOINING,
  ),
  replica("b8", "a proposal of unknown outcome is taken back", replicas.RollBackUnknown, SLOW_ISR),
  replica(
    "b8s",
    "answers older than the metadata count",
    replicas.TakeStaleAnswers,
    burst("an answer to a proposal comes after newer metadata"),
  ),
  replica("b9", "followers' ends outlive the epoch", replicas.KeepFollowers, SLOW_ISR),
  replica(
    "b9l",
    "followers' ends outlive their leaving the ISR",
    replicas.KeepWhoLeft,
    burst("a follower fails and loses its records, and its broker is well"),
  ),
  replica(
    "b10",
    "epochs without records are not noted",
    replicas.ForgetEmptyEpochs,
    burst("a leader epoch gets no record, and a follower has one of the epoch before"),
  ),
  replica(
    "b11",
    "late answers are taken in",
    replicas.TakeLateAnswers,
    burst("an answer of one leader comes after another's"),
  ),
  replica(
    "b12",
    "the end is told before it is known",
    replicas.TellEarlyEnd,
    scenario("a new leader is asked for the end before it knows the mark"),
  ),
  replica(
    "b12m",
    "a leader's HW falls",
    replicas.FallingMark,
    scenario("a member of the ISR lost records, and its leader has not heard of it"),
  ),
];

/** Sequences of producers, and what is durable. */
const STORAGE: readonly Canary[] = [
  storage("b14", "repeated batches get another offset", wrongOffsets, seeds.RETRIES),
  storage(
    "b14l",
    "producers are forgotten at a cut",
    lostProducers,
    // Which batches are under way when a client hears no more is by chance.
    scenario("a log is cut and leads again, and a producer repeats what came before", 4),
  ),
  storage("b15", "repeated batches are out of order", refusedRetries, seeds.RETRIES),
  storage("dedupe", "repeated batches are appended again", noDedupe, seeds.RETRIES),
  { name: "fsync", summary: "syncs do nothing", syncs: false, ground: seeds.POWER_FLUSHED },
];

/** KIP-98, KIP-890: what is decided, by whom, and who may read it. */
const TRANSACTIONS: readonly Canary[] = [
  storage(
    "p32",
    "what is undecided is read as committed",
    transactions.noStableOffset,
    scenario("a transaction is read while it is open, and then aborted"),
  ),
  storage(
    "b13",
    "the last stable offset is included",
    transactions.stableOffsetIncluded,
    scenario("a transaction is read while it is open, and then aborted"),
  ),
  storage(
    "p33",
    "who was fenced ends a transaction",
    transactions.unfencedEnds,
    scenario("a producer that was fenced ends its transaction"),
  ),
  storage(
    "b16e",
    "transactions of a producer share an epoch",
    transactions.sameEpoch,
    scenario("the end of a transaction comes again in the next"),
  ),
  storage(
    "b16p",
    "records are appended to no open transaction",
    transactions.noVerification,
    scenario("a record of an aborted transaction comes after its end"),
  ),
  storage(
    "b17",
    "markers are matched by producer id alone",
    transactions.markersByIdAlone,
    scenario("a marker of before comes into another's transaction"),
  ),
  storage(
    "b18",
    "that a transaction is open is only in memory",
    transactions.begunInMemory,
    scenario("a coordinator fails in the middle of a transaction"),
  ),
];

const LOGS: Ground = { kind: "logs", name: "compacted, with power cuts", atMost: 40 };

/** KIP-58, KIP-534: what compaction may take away, and that a crash leaves no half of it. */
const COMPACTION: readonly Canary[] = [
  storage("p39a", "what was aborted outlives what was committed", compaction.abortedCount, LOGS),
  storage("p39m", "markers go while there is what they end", compaction.markersGo, LOGS),
  storage("p39o", "of a key an older record stays", compaction.olderStay, LOGS),
  storage("b20", "the steps of a swap are not made durable", compaction.hastySwaps, LOGS),
];

const QUORUM: readonly Canary[] = [
  quorum("b21v", "vote before fsync", seeds.POWER),
  quorum("b21l", "leader counts unsynced records", seeds.POWER),
  quorum("b21f", "follower acknowledges unsynced records", seeds.POWER),
  quorum("b22", "leads again in the same epoch", seeds.POWER),
  quorum("logok", "votes for a log that lacks records", seeds.OUTAGES),
  quorum("half", "counts half for a majority", seeds.OUTAGES),
];

/** KIP-966, KIP-455: who may lead, and who holds a partition. */
const CONTROLLER: readonly Canary[] = [
  controller("b7", "unclean restarts are forgiven", decisions.ForgivenRestarts, seeds.POWER),
  controller("elr", "eligibility lasts", decisions.LastingEligibility, seeds.OUTAGES),
  controller("leader", "anybody may lead", decisions.AnyLeader, seeds.OUTAGES),
  controller(
    "reassign",
    "reassignments end early",
    decisions.HastyReassignment,
    seeds.REASSIGNMENTS,
  ),
];

/** All of them. */
export const CANARIES: readonly Canary[] = [
  ...REPLICATION,
  ...STORAGE,
  ...TRANSACTIONS,
  ...COMPACTION,
  ...QUORUM,
  ...CONTROLLER,
];
