/**
 * One step of a member of a consumer group on its way to its target assignment (KIP-848): first it
 * gives up what it must not keep, then it comes to the target's epoch, then it is given what others
 * have given up.
 *
 * Invariant: a member comes to another epoch only when it holds nothing that it should have given
 * up; a partition is given to it only when nobody else holds it.
 *
 * @module
 */

import type { Uuid } from "../../../storage/bytes/ids.ts";
import {
  type Assignment,
  difference,
  filtered,
  intersection,
  NO_PARTITIONS,
  overlaps,
  sizeOf,
  union,
} from "./assignment.ts";
import { type ConsumerMember, MEMBER_STATE } from "./consumer_member.ts";

/** What a step is made towards. */
export interface ReconciliationGoal {
  readonly targetEpoch: number;
  readonly target: Assignment;
  /** What the member says that it holds; undefined where it does not say. */
  readonly owned: Assignment | undefined;
  /** Whether anybody holds the partition, be it to give it up. */
  isHeld(topicId: Uuid, partition: number): boolean;
}

/** The member after the step: the same where there is none to be made. */
export function reconcile(member: ConsumerMember, goal: ReconciliationGoal): ConsumerMember {
  switch (member.state) {
    case MEMBER_STATE.stable:
      return member.memberEpoch === goal.targetEpoch ? member : next(member, goal);
    case MEMBER_STATE.unrevoked:
      return stillOwns(member.pendingRevocation, goal) ? member : next(member, goal);
    default:
      return next(member, goal);
  }
}

/** Whoever does not say what it holds may hold everything. */
function stillOwns(revoked: Assignment, { owned }: ReconciliationGoal): boolean {
  return owned === undefined || overlaps(owned, revoked);
}

function next(member: ConsumerMember, goal: ReconciliationGoal): ConsumerMember {
  const { target, targetEpoch, isHeld } = goal;
  const kept = intersection(member.assigned, target);
  const revoked = difference(member.assigned, kept);
  if (revoked.size > 0 && stillOwns(revoked, goal)) {
    // In its epoch until it has given them up; or, if it has given up others, in the next one.
    return moved(member, memberEpochWhileRevoking(member), {
      state: MEMBER_STATE.unrevoked,
      assigned: kept,
      pendingRevocation: revoked,
    });
  }
  const missing = difference(target, kept);
  const free = filtered(missing, (topicId, partition) => !isHeld(topicId, partition));
  const isComplete = sizeOf(free) === sizeOf(missing);
  return moved(member, targetEpoch, {
    state: isComplete ? MEMBER_STATE.stable : MEMBER_STATE.unreleased,
    assigned: union(kept, free),
    pendingRevocation: NO_PARTITIONS,
  });
}

function memberEpochWhileRevoking({ state, memberEpoch }: ConsumerMember): number {
  return state === MEMBER_STATE.unrevoked ? memberEpoch + 1 : memberEpoch;
}

function moved(
  member: ConsumerMember,
  memberEpoch: number,
  change: Pick<ConsumerMember, "state" | "assigned" | "pendingRevocation">,
): ConsumerMember {
  return { ...member, ...change, memberEpoch, previousMemberEpoch: member.memberEpoch };
}
