/**
 * Whether a cluster whose faults have ended does again all that it is for (L1 to L8), and if not,
 * why.
 *
 * Looks at the checkers' own memory of the nodes; changes nothing.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { ClusterChecker } from "./checkers/cluster_checker.ts";
import { eligibleOf } from "./checkers/membership_rules.ts";
import { describeBatch, isSame } from "./checkers/shadow_log.ts";
import type { PartitionTrack, ReplicaTrack } from "./checkers/tracks.ts";

/** What must converge. */
export interface Core {
  readonly voters: readonly NodeId[];
  readonly brokers: readonly NodeId[];
}

/** The first thing that is not as it should be; undefined when all is. */
export function pendingReason(checker: ClusterChecker, core: Core): string | undefined {
  return quorumPending(checker, core) ?? brokersPending(checker, core) ??
    partitionsPending(checker, core);
}

/** Where nobody is left with a claim to lead: an operator decides. */
export function abandonedPartitions(
  checker: ClusterChecker,
): { readonly topic: string; readonly partition: number }[] {
  return [...checker.tracks.partitions.values()]
    .filter(({ truth, isDeleted }) =>
      truth !== undefined && !isDeleted && truth.leader < 0 && truth.isr.length === 0 &&
      truth.lastKnownElr.length === 0 && eligibleOf(truth).length === 0
    )
    .map(({ name }) => ({
      topic: name.slice(0, name.lastIndexOf("-")),
      partition: Number(name.slice(name.lastIndexOf("-") + 1)),
    }));
}

/** L1 of the quorum: one active controller, and everybody has what it committed. */
function quorumPending(checker: ClusterChecker, core: Core): string | undefined {
  const nodes = new Set([...core.voters, ...core.brokers]);
  const states = [...nodes].map((id) => ({ id, view: checker.quorum.controller(id).view }));
  const leader = states.find(({ view }) => view?.state.isActive === true)?.view?.state;
  if (leader === undefined) {
    const roles = states.map(({ id, view }) => {
      return `${id} is ${view?.state.role ?? "down"} in epoch ${view?.state.epoch ?? "none"}`;
    });
    return `no controller is active: ${roles.join(", ")}`;
  }
  for (const { id, view } of states) {
    if (view === undefined) return `the controller of ${id} does not run`;
    if (view.state.highWatermark < leader.logEndOffset) {
      return `${id} has the metadata up to ${view.state.highWatermark} of ${leader.logEndOffset}`;
    }
  }
  return undefined;
}

/** L5: every broker is registered and unfenced, and has applied the metadata. */
function brokersPending(checker: ClusterChecker, core: Core): string | undefined {
  for (const id of core.brokers) {
    const registered = checker.metadata.image.brokers.get(id);
    if (registered === undefined) return `broker ${id} has not registered`;
    if (registered.fenced) return `broker ${id} is fenced`;
    const broker = checker.broker(id);
    if (broker === undefined) return `broker ${id} does not run`;
    if (broker.appliedOffset < checker.metadata.endOffset) {
      return `broker ${id} has applied the metadata up to ${broker.appliedOffset} of ` +
        `${checker.metadata.endOffset}`;
    }
  }
  return undefined;
}

function partitionsPending(checker: ClusterChecker, core: Core): string | undefined {
  for (const partition of checker.tracks.partitions.values()) {
    if (partition.isDeleted || partition.truth === undefined) continue;
    const reason = partitionPending(partition, core);
    if (reason !== undefined) return `${partition.name}: ${reason}`;
  }
  return undefined;
}

/** L1, L3, L4, L7 and L8 of one partition. */
function partitionPending(partition: PartitionTrack, core: Core): string | undefined {
  const { isr, leader, leaderEpoch, replicas, adding, removing } = partition.truth!;
  if (leader < 0) return `it has no leader; ISR [${isr}], ELR [${eligibleOf(partition.truth!)}]`;
  const members = replicas.filter((id) => core.brokers.includes(id));
  // One to a node that has failed for ever goes on for ever.
  if (adding.length + removing.length > 0 && members.length === replicas.length) {
    return `a reassignment to [${replicas}] goes on`;
  }
  const missing = members.filter((id) => !isr.includes(id));
  if (missing.length > 0) return `[${missing}] of [${replicas}] are not in the ISR [${isr}]`;
  const leading = partition.replicas.get(leader);
  const state = leading?.view?.state;
  if (leading === undefined || state?.role !== "leader" || state.leaderEpoch !== leaderEpoch) {
    return `${leader} is to lead epoch ${leaderEpoch}, and is ${state?.role ?? "nothing"}` +
      ` in epoch ${state?.leaderEpoch}`;
  }
  if (state.isProposalPending) return `a change of the ISR [${isr}] is not answered`;
  const { endOffset } = leading.log.shadow;
  if (state.highWatermark < endOffset) {
    return `the HW of ${leader} is ${state.highWatermark}, its log ends at ${endOffset}`;
  }
  if (state.lastStableOffset < state.highWatermark) {
    return `the LSO of ${leader} is ${state.lastStableOffset}, the HW ${state.highWatermark}`;
  }
  for (const id of members) {
    const reason = differs(partition.replicas.get(id), leading);
    if (reason !== undefined) return `${id} ${reason}`;
  }
  return undefined;
}

function differs(replica: ReplicaTrack | undefined, leading: ReplicaTrack): string | undefined {
  const mine = replica?.log.shadow.last;
  const { last } = leading.log.shadow;
  if (last === undefined && mine === undefined || isSame(mine, last)) return undefined;
  return `ends with ${describeBatch(mine)}, its leader with ${describeBatch(last)}`;
}

/**
 * Whether no change of metadata is under way that could make another choice of a core the right
 * one: an ISR that is being changed, a replica that has failed and not been told of.
 */
export function isSettled(checker: ClusterChecker, core: Core): boolean {
  const leader = checker.leaderOfQuorum;
  const state = leader === undefined ? undefined : checker.quorum.controller(leader).view?.state;
  if (state?.isActive !== true || state.highWatermark < state.logEndOffset) return false;
  for (const { truth, isDeleted, replicas } of checker.tracks.partitions.values()) {
    if (truth === undefined || isDeleted) continue;
    for (const id of truth.replicas) {
      const view = core.brokers.includes(id) ? replicas.get(id)?.view : undefined;
      const runs = checker.broker(id) !== undefined;
      if (runs && (view?.log.isOpen !== true || view.state.isProposalPending)) return false;
    }
  }
  return true;
}

/** Brokers of which a choice is to be made, and what is known of them. */
export interface Candidates extends Core {
  /** Those whose process runs, and has since its registration. */
  readonly running: ReadonlySet<NodeId>;
  readonly minInsyncReplicas: number;
  /** Topics that must be there, or be made, for which all brokers may be needed. */
  readonly topics: readonly string[];
  /** Draws an order. */
  order(ids: readonly NodeId[]): readonly NodeId[];
}

/**
 * The nodes that are kept and must converge: a drawn majority of the voters, and brokers so that
 * each partition has all that are in sync or eligible, one of them able to lead, and enough to be
 * in sync. All others fail for ever. Of those in sync none may be left out: until the controller
 * has noticed, another may lose its place to it.
 */
export function chooseCore(checker: ClusterChecker, candidates: Candidates): Core {
  const { voters: all, order, brokers: allBrokers } = candidates;
  const kept = new Set(order(all).slice(0, Math.floor(all.length / 2) + 1));
  const voters = all.filter((id) => kept.has(id));
  const brokers = allBrokers.filter((id) => kept.has(id));
  for (const id of order(allBrokers)) {
    if (isEnough(checker, candidates, brokers)) break;
    if (!brokers.includes(id)) brokers.push(id);
  }
  return { voters, brokers: brokers.sort((a, b) => a - b) };
}

function isEnough(
  checker: ClusterChecker,
  { running, minInsyncReplicas, topics, brokers: all }: Candidates,
  brokers: readonly NodeId[],
): boolean {
  const { image } = checker.metadata;
  if (topics.some((name) => image.topicByName(name) === undefined)) {
    return brokers.length === all.length;
  }
  for (const { truth, isDeleted, replicas } of checker.tracks.partitions.values()) {
    if (truth === undefined || isDeleted) continue;
    const serves = (id: NodeId) => replicas.get(id)?.view?.log.isOpen === true;
    const members = truth.replicas.filter((id) => brokers.includes(id));
    // Where none is sure to lead, all of them may be needed.
    const eligible = truth.isr.length > 0 ? truth.isr : eligibleOf(truth);
    const leads = eligible.some((id) => running.has(id) && serves(id)) &&
      [...truth.isr, ...eligibleOf(truth)].every((id) => brokers.includes(id));
    const isMoving = truth.adding.length + truth.removing.length > 0;
    const isAll = members.length === truth.replicas.length;
    const enough = Math.min(minInsyncReplicas, truth.replicas.length);
    if (!isAll && (!leads || isMoving || members.length < enough)) return false;
  }
  return true;
}
