/**
 * The rebalances of groups of the classic protocol: when members join, when that is enough, who is
 * out because it did not; and the sessions of members.
 *
 * Owns the timers of groups. What members ask is in classic_groups.ts.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { CoordinatorContext } from "../machine.ts";
import type { ClassicGroup } from "./classic_group.ts";
import { type ClassicMember, failedJoin, NO_BYTES } from "./classic_member.ts";
import { groupMetadataRecord, type GroupRecord } from "./records.ts";
import { Sessions } from "./sessions.ts";

/** Ids that are given out by one coordinator and wait for a member to join with them. */
const PENDING_IDS_MAX = 100_000;

/** Moves groups from one generation to the next. */
export class ClassicRebalances {
  readonly #context: CoordinatorContext<GroupRecord>;
  readonly #sessions: Sessions;
  readonly #abandoned: (group: ClassicGroup) => void;
  /** The timers of ids that were given out. */
  readonly #pending = new Set<string>();
  readonly #pendingIdsMax: number;

  /** @param abandoned told of a group without members that nobody comes to any more */
  constructor(
    context: CoordinatorContext<GroupRecord>,
    abandoned: (group: ClassicGroup) => void,
    pendingIdsMax = PENDING_IDS_MAX,
  ) {
    this.#pendingIdsMax = pendingIdsMax;
    this.#context = context;
    this.#abandoned = abandoned;
    this.#sessions = new Sessions(context);
  }

  /** The group goes: nothing of it happens any more. */
  end(group: ClassicGroup): void {
    this.#context.cancelTimer(joinKey(group));
    this.#context.cancelTimer(syncKey(group));
    for (const memberId of group.pendingJoin) this.joined(group, memberId);
    group.pendingJoin.clear();
  }

  /** Gives out an id: it is for a member that comes soon. False where there is no room for more. */
  awaitJoin(group: ClassicGroup, memberId: string, forMs: number): boolean {
    if (this.#pending.size >= this.#pendingIdsMax) return false;
    const key = pendingKey(group, memberId);
    this.#pending.add(key);
    group.pendingJoin.add(memberId);
    this.#context.startTimer(key, forMs, () => {
      this.#pending.delete(key);
      if (!group.pendingJoin.has(memberId)) return;
      this.forgetPending(group, memberId);
      if (group.state === "PreparingRebalance" && group.allJoined) this.#completeJoin(group);
    });
    return true;
  }

  /** It has come. */
  joined(group: ClassicGroup, memberId: string): void {
    const key = pendingKey(group, memberId);
    if (this.#pending.delete(key)) this.#context.cancelTimer(key);
  }

  /** A member has asked for its assignment. */
  synced(group: ClassicGroup, memberId: string): void {
    group.pendingSync.delete(memberId);
    if (group.pendingSync.size === 0) this.#context.cancelTimer(syncKey(group));
  }

  rebalanceOrComplete(group: ClassicGroup): void {
    if (group.canRebalance) this.prepareRebalance(group);
    else this.maybeComplete(group);
  }

  /** Begins a join phase. */
  prepareRebalance(group: ClassicGroup): void {
    if (group.state === "CompletingRebalance") {
      this.resetAssignment(group, ErrorCode.REBALANCE_IN_PROGRESS);
    }
    group.pendingSync.clear();
    this.#context.cancelTimer(syncKey(group));
    const isInitial = group.state === "Empty";
    group.transitionTo("PreparingRebalance", this.#context.now());
    if (isInitial) {
      const delayMs = this.#context.config.groupInitialRebalanceDelayMs;
      this.#delayInitial(group, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0));
    } else if (group.allJoined) {
      this.#completeJoin(group);
    } else {
      this.#completeJoinAfter(group, group.rebalanceTimeoutMs);
    }
  }

  /** The members of a new group come one after the other: each gives time for another. */
  #delayInitial(group: ClassicGroup, delayMs: number, remainingMs: number): void {
    this.#context.startTimer(joinKey(group), delayMs, () => {
      if (!group.newMemberAdded || remainingMs === 0) return this.#completeJoin(group);
      group.newMemberAdded = false;
      const { groupInitialRebalanceDelayMs } = this.#context.config;
      const nextMs = Math.min(groupInitialRebalanceDelayMs, remainingMs);
      this.#delayInitial(group, nextMs, Math.max(remainingMs - nextMs, 0));
    });
  }

  #completeJoinAfter(group: ClassicGroup, delayMs: number): void {
    this.#context.startTimer(joinKey(group), delayMs, () => this.#completeJoin(group));
  }

  /** Ends the join phase if all have joined. */
  maybeComplete(group: ClassicGroup): void {
    // The first rebalance waits for its time.
    if (group.state !== "PreparingRebalance" || group.previousState === "Empty") return;
    if (group.allJoined) this.#completeJoin(group);
  }

  #completeJoin(group: ClassicGroup): void {
    if (group.state !== "PreparingRebalance") return;
    this.#context.cancelTimer(joinKey(group));
    for (const member of [...group.members.values()]) {
      if (member.awaitingJoin !== undefined || member.isStatic) continue;
      this.forget(group, member);
      group.remove(member.memberId);
    }
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      // Static members may all be away: their sessions decide.
      return this.#completeJoinAfter(group, group.rebalanceTimeoutMs);
    }
    group.nextGeneration(this.#context.now());
    if (group.members.size === 0) return this.write(group, undefined, () => {});
    for (const member of group.members.values()) {
      group.answerJoin(member, group.joined(member.memberId));
      this.heard(group, member);
      member.isNew = false;
      group.pendingSync.add(member.memberId);
    }
    const { generationId } = group;
    this.#context.startTimer(syncKey(group), group.rebalanceTimeoutMs, () => {
      if (group.generationId === generationId) this.#expirePendingSync(group);
    });
  }

  #expirePendingSync(group: ClassicGroup): void {
    if (group.state !== "CompletingRebalance" && group.state !== "Stable") return;
    if (group.pendingSync.size === 0) return;
    for (const memberId of [...group.pendingSync]) {
      const member = group.members.get(memberId);
      if (member !== undefined) this.removeMember(group, member);
    }
    this.prepareRebalance(group);
  }

  /** Writes the group, with the assignment given or that of its members. */
  write(
    group: ClassicGroup,
    assignment: ReadonlyMap<string, Uint8Array> | undefined,
    done: (error: ErrorCode) => void,
  ): void {
    const record = groupMetadataRecord(group.groupId, group.toValue(assignment));
    this.#context.write({ records: [record], done });
  }

  /** The member's session begins anew. */
  heard(group: ClassicGroup, member: ClassicMember, timeoutMs = member.sessionTimeoutMs): void {
    this.#sessions.heard(sessionKey(group, member), timeoutMs, () => {
      // Who waits for an answer is heard of again when it has it.
      if (group.members.get(member.memberId) !== member || member.isExcused) return;
      this.removeMember(group, member);
      this.afterRemoval(group);
    });
  }

  /** The member's session is none any more. */
  forget(group: ClassicGroup, member: ClassicMember): void {
    this.#sessions.forget(sessionKey(group, member));
  }

  /** Takes a member out; whatever it waits for, it is told. */
  removeMember(group: ClassicGroup, member: ClassicMember): void {
    this.forget(group, member);
    group.answerJoin(member, failedJoin(ErrorCode.UNKNOWN_MEMBER_ID, ""));
    member.answerSync(ErrorCode.UNKNOWN_MEMBER_ID, null, null);
    group.remove(member.memberId);
  }

  /** Takes back an id that nobody has joined with. */
  forgetPending(group: ClassicGroup, memberId: string): void {
    this.joined(group, memberId);
    group.remove(memberId);
    if (group.state === "Empty" && group.isUnused) this.#abandoned(group);
  }

  /** Goes on without whoever was taken out. */
  afterRemoval(group: ClassicGroup): void {
    if (group.state === "Stable" || group.state === "CompletingRebalance") {
      this.rebalanceOrComplete(group);
    } else if (group.state === "PreparingRebalance" && group.allJoined) {
      this.#completeJoin(group);
    }
  }

  /** Nobody is assigned anything; who waits for it is told why. */
  resetAssignment(group: ClassicGroup, error: ErrorCode): void {
    for (const member of group.members.values()) {
      member.assignment = NO_BYTES;
      if (member.answerSync(error, null, null)) this.heard(group, member);
    }
  }
}

function joinKey({ groupId }: ClassicGroup): string {
  return `join\0${groupId}`;
}

function syncKey({ groupId }: ClassicGroup): string {
  return `sync\0${groupId}`;
}

function pendingKey({ groupId }: ClassicGroup, memberId: string): string {
  return `pending\0${groupId}\0${memberId}`;
}

function sessionKey({ groupId }: ClassicGroup, { memberId }: ClassicMember): string {
  return `session\0${groupId}\0${memberId}`;
}
