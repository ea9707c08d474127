/**
 * The classic protocol of groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, and the time-outs
 * that go with them, answered as Kafka answers.
 *
 * Owns the groups with members of one coordinator. What must outlast it, the generation with its
 * members and their assignment, is written when the leader has given it, and when a group is empty;
 * the answer to a SyncGroup leaves when that is committed. Everything else is gone with the
 * coordinator, and members join again.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { HeartbeatRequest } from "../../../net/messages/heartbeat.ts";
import type { JoinGroupRequest, JoinGroupResponse } from "../../../net/messages/join_group.ts";
import type { SyncGroupRequest, SyncGroupResponse } from "../../../net/messages/sync_group.ts";
import type { CoordinatorContext } from "../machine.ts";
import { ClassicGroup } from "./classic_group.ts";
import { ClassicMember, failedJoin, failedSync, NO_BYTES, type Respond } from "./classic_member.ts";
import { groupMetadataRecord, type GroupRecord } from "./records.ts";
import type { GroupClient } from "./requests.ts";

/** JoinGroup asks members to come again with the id that they were given (KIP-394). */
const REQUIRES_MEMBER_ID = 4;
/** JoinGroup says that the leader need not assign (KIP-814). */
const SKIPS_ASSIGNMENT = 9;

/** A member whose first JoinGroup waits for so long is out: it has no session yet. */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000;

interface Joining {
  readonly request: JoinGroupRequest;
  readonly client: GroupClient;
  readonly respond: Respond<JoinGroupResponse>;
}

export class ClassicGroups {
  readonly #context: CoordinatorContext<GroupRecord>;
  readonly #groups = new Map<string, ClassicGroup>();

  constructor(context: CoordinatorContext<GroupRecord>) {
    this.#context = context;
  }

  get all(): Iterable<ClassicGroup> {
    return this.#groups.values();
  }

  get(groupId: string): ClassicGroup | undefined {
    return this.#groups.get(groupId);
  }

  /** Takes up a group that was loaded: its members have the time of a session to be heard of. */
  load(group: ClassicGroup): void {
    this.#groups.set(group.groupId, group);
    for (const member of group.members.values()) this.#heard(group, member);
    if (group.members.size > this.#context.config.groupMaxSize) this.#prepareRebalance(group);
  }

  /** Takes a group away that has no members. */
  remove(groupId: string): ClassicGroup | undefined {
    const group = this.#groups.get(groupId);
    if (group === undefined) return undefined;
    this.#context.cancelTimer(joinKey(group));
    this.#context.cancelTimer(syncKey(group));
    for (const memberId of group.pendingJoin) {
      this.#context.cancelTimer(pendingKey(group, memberId));
    }
    this.#groups.delete(groupId);
    return group;
  }

  /** Puts back what could not be removed. */
  restore(group: ClassicGroup): void {
    if (!this.#groups.has(group.groupId)) this.#groups.set(group.groupId, group);
  }

  /** It is the coordinator no longer: whoever waits is to look for another. */
  unload(): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members.values()) {
        group.answerJoin(member, failedJoin(ErrorCode.NOT_COORDINATOR, member.memberId));
        member.answerSync(ErrorCode.NOT_COORDINATOR, null, null);
      }
    }
    this.#groups.clear();
  }

  // JoinGroup.

  join(request: JoinGroupRequest, client: GroupClient, respond: Respond<JoinGroupResponse>): void {
    const joining = { request, client, respond };
    const { groupId, memberId, sessionTimeoutMs } = request;
    const refuse = (error: ErrorCode, id = memberId) => respond(failedJoin(error, id));
    const { groupMinSessionTimeoutMs, groupMaxSessionTimeoutMs } = this.#context.config;
    if (
      sessionTimeoutMs < groupMinSessionTimeoutMs || sessionTimeoutMs > groupMaxSessionTimeoutMs
    ) {
      return refuse(ErrorCode.INVALID_SESSION_TIMEOUT);
    }
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      if (memberId !== "") return refuse(ErrorCode.UNKNOWN_MEMBER_ID);
      group = new ClassicGroup(groupId, this.#context.now());
      this.#groups.set(groupId, group);
    }
    if (!this.#hasRoom(group, memberId)) {
      group.remove(memberId);
      return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, "");
    }
    if (!group.supports(request.protocolType, request.protocols)) {
      return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    if (memberId === "") this.#joinNew(group, joining);
    else if (group.pendingJoin.has(memberId)) this.#joinPending(group, joining);
    else this.#joinAgain(group, joining);
  }

  #hasRoom(group: ClassicGroup, memberId: string): boolean {
    const { groupMaxSize } = this.#context.config;
    const member = group.members.get(memberId);
    switch (group.state) {
      case "PreparingRebalance":
        return member?.awaitingJoin !== undefined || group.awaitingJoin < groupMaxSize;
      case "CompletingRebalance":
      case "Stable":
        return member !== undefined || group.members.size < groupMaxSize;
      default:
        return true;
    }
  }

  #joinNew(group: ClassicGroup, joining: Joining): void {
    const { request, client, respond } = joining;
    const { groupInstanceId, sessionTimeoutMs } = request;
    const memberId = `${groupInstanceId ?? client.clientId}-${this.#drawId()}`;
    if (groupInstanceId !== null) {
      const oldId = group.staticMemberId(groupInstanceId);
      if (oldId !== undefined) return this.#replaceStatic(group, oldId, memberId, joining);
      return this.#add(group, memberId, joining);
    }
    if (client.version < REQUIRES_MEMBER_ID) return this.#add(group, memberId, joining);
    group.pendingJoin.add(memberId);
    this.#context.startTimer(pendingKey(group, memberId), sessionTimeoutMs, () => {
      if (group.pendingJoin.has(memberId)) this.#removePending(group, memberId);
    });
    respond(failedJoin(ErrorCode.MEMBER_ID_REQUIRED, memberId));
  }

  #drawId(): string {
    return this.#context.environment.random.stream("group member ids").uuid();
  }

  #joinPending(group: ClassicGroup, joining: Joining): void {
    const { groupInstanceId, memberId } = joining.request;
    if (groupInstanceId !== null) {
      return joining.respond(failedJoin(ErrorCode.UNKNOWN_MEMBER_ID, memberId));
    }
    this.#context.cancelTimer(pendingKey(group, memberId));
    this.#add(group, memberId, joining);
  }

  #joinAgain(group: ClassicGroup, joining: Joining): void {
    const { request, respond } = joining;
    const { memberId, groupInstanceId, protocols } = request;
    const error = group.checkMember(memberId, groupInstanceId);
    if (error !== ErrorCode.NONE) return respond(failedJoin(error, memberId));
    const member = group.members.get(memberId) as ClassicMember;
    const isSame = member.matches(protocols);
    switch (group.state) {
      case "PreparingRebalance":
        return this.#update(group, member, joining);
      case "CompletingRebalance":
        // It may have missed the answer.
        return isSame ? respond(group.joined(memberId)) : this.#update(group, member, joining);
      case "Stable":
        // A leader that joins again wants to assign again: partitions may have come.
        if (memberId === group.leader || !isSame) return this.#update(group, member, joining);
        return respond(group.joined(memberId));
      default:
        return respond(failedJoin(ErrorCode.UNKNOWN_MEMBER_ID, memberId));
    }
  }

  #add(group: ClassicGroup, memberId: string, { request, client, respond }: Joining): void {
    const member = new ClassicMember({
      memberId,
      groupInstanceId: request.groupInstanceId,
      clientId: client.clientId,
      clientHost: client.clientHost,
      rebalanceTimeoutMs: rebalanceTimeoutOf(request),
      sessionTimeoutMs: request.sessionTimeoutMs,
      protocolType: request.protocolType,
      protocols: request.protocols,
    });
    member.isNew = true;
    if (group.state === "PreparingRebalance" && group.previousState === "Empty") {
      group.newMemberAdded = true;
    }
    group.add(member, respond);
    this.#heard(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS);
    this.#rebalanceOrComplete(group);
  }

  #update(group: ClassicGroup, member: ClassicMember, { request, respond }: Joining): void {
    this.#take(member, request);
    // Of two requests of one member the later counts.
    group.answerJoin(member, failedJoin(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId));
    member.awaitingJoin = respond;
    this.#rebalanceOrComplete(group);
  }

  #take(member: ClassicMember, request: JoinGroupRequest): void {
    member.protocols = request.protocols;
    member.rebalanceTimeoutMs = rebalanceTimeoutOf(request);
    member.sessionTimeoutMs = request.sessionTimeoutMs;
  }

  /** A static member has come back without its id. */
  #replaceStatic(group: ClassicGroup, oldId: string, newId: string, joining: Joining): void {
    const { request, respond } = joining;
    const leaderBefore = group.leader;
    const before = group.members.get(oldId) as ClassicMember;
    const instanceId = request.groupInstanceId as string;
    const member = group.replaceStatic(instanceId, oldId, newId);
    this.#forget(group, before);
    this.#take(member, request);
    this.#heard(group, member);
    member.awaitingJoin = respond;
    switch (group.state) {
      case "Stable":
        if (group.protocolName !== group.selectProtocol()) return this.#rebalanceOrComplete(group);
        return this.#keepAssignment(group, member, before, leaderBefore, joining);
      case "CompletingRebalance":
        // The leader may be assigning to the old id.
        return this.#prepareRebalance(group);
      default:
        return this.#maybeComplete(group);
    }
  }

  /** Nothing changes but an id: once that is written the member has its assignment at once. */
  #keepAssignment(
    group: ClassicGroup,
    member: ClassicMember,
    before: ClassicMember,
    leaderBefore: string | null,
    { client }: Joining,
  ): void {
    const { memberId } = member;
    this.#write(group, undefined, (error) => {
      if (group.members.get(memberId) !== member) return;
      if (error !== ErrorCode.NONE) {
        const instanceId = member.groupInstanceId as string;
        group.answerJoin(member, failedJoin(error, ""));
        const restored = group.replaceStatic(instanceId, memberId, before.memberId);
        restored.protocols = before.protocols;
        restored.rebalanceTimeoutMs = before.rebalanceTimeoutMs;
        restored.sessionTimeoutMs = before.sessionTimeoutMs;
        this.#forget(group, member);
        return this.#heard(group, restored);
      }
      // A rebalance that began meanwhile answers it.
      if (group.state !== "Stable") return;
      const joined = group.joined(memberId);
      const isLeader = group.leader === memberId;
      group.answerJoin(
        member,
        client.version >= SKIPS_ASSIGNMENT
          ? { ...joined, skipAssignment: isLeader }
          // An older client that finds itself leader would assign: it is told of the former one.
          : { ...joined, leader: leaderBefore ?? "", members: [] },
      );
    });
  }

  // Rebalancing.

  #rebalanceOrComplete(group: ClassicGroup): void {
    if (group.canRebalance) this.#prepareRebalance(group);
    else this.#maybeComplete(group);
  }

  #prepareRebalance(group: ClassicGroup): void {
    if (group.state === "CompletingRebalance") {
      this.#resetAssignment(group, ErrorCode.REBALANCE_IN_PROGRESS);
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

  #maybeComplete(group: ClassicGroup): void {
    // The first rebalance waits for its time.
    if (group.state !== "PreparingRebalance" || group.previousState === "Empty") return;
    if (group.allJoined) this.#completeJoin(group);
  }

  #completeJoin(group: ClassicGroup): void {
    if (group.state !== "PreparingRebalance") return;
    this.#context.cancelTimer(joinKey(group));
    for (const member of [...group.members.values()]) {
      if (member.awaitingJoin !== undefined || member.isStatic) continue;
      this.#forget(group, member);
      group.remove(member.memberId);
    }
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      // Static members may all be away: their sessions decide.
      return this.#completeJoinAfter(group, group.rebalanceTimeoutMs);
    }
    group.nextGeneration(this.#context.now());
    if (group.members.size === 0) return this.#write(group, undefined, () => {});
    for (const member of group.members.values()) {
      group.answerJoin(member, group.joined(member.memberId));
      this.#heard(group, member);
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
      if (member !== undefined) this.#forget(group, member);
      group.remove(memberId);
    }
    this.#prepareRebalance(group);
  }

  #write(
    group: ClassicGroup,
    assignment: ReadonlyMap<string, Uint8Array> | undefined,
    done: (error: ErrorCode) => void,
  ): void {
    const record = groupMetadataRecord(group.groupId, group.toValue(assignment));
    this.#context.write({ records: [record], done });
  }

  // SyncGroup.

  sync(request: SyncGroupRequest, respond: Respond<SyncGroupResponse>): void {
    const { groupId, memberId } = request;
    const group = this.#groups.get(groupId);
    const error = group === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : checkSync(group, request);
    if (group === undefined || error !== ErrorCode.NONE) return respond(failedSync(error));
    const member = group.members.get(memberId) as ClassicMember;
    group.pendingSync.delete(memberId);
    if (group.pendingSync.size === 0) this.#context.cancelTimer(syncKey(group));
    member.answerSync(ErrorCode.REBALANCE_IN_PROGRESS, null, null);
    member.awaitingSync = respond;
    if (group.state === "Stable") {
      member.answerSync(ErrorCode.NONE, group.protocolType, group.protocolName);
      return this.#heard(group, member);
    }
    if (memberId === group.leader) this.#assign(group, request);
  }

  #assign(group: ClassicGroup, { generationId, assignments }: SyncGroupRequest): void {
    const assignment = new Map(assignments.map((given) => [given.memberId, given.assignment]));
    this.#write(group, assignment, (error) => {
      // Meanwhile a member may have come or gone.
      if (group.state !== "CompletingRebalance" || group.generationId !== generationId) return;
      if (error !== ErrorCode.NONE) {
        this.#resetAssignment(group, error);
        return this.#rebalanceOrComplete(group);
      }
      for (const member of group.members.values()) {
        member.assignment = assignment.get(member.memberId) ?? NO_BYTES;
        if (member.answerSync(ErrorCode.NONE, group.protocolType, group.protocolName)) {
          this.#heard(group, member);
        }
      }
      group.transitionTo("Stable", this.#context.now());
    });
  }

  #resetAssignment(group: ClassicGroup, error: ErrorCode): void {
    for (const member of group.members.values()) {
      member.assignment = NO_BYTES;
      if (member.answerSync(error, null, null)) this.#heard(group, member);
    }
  }

  // Heartbeats and sessions.

  heartbeat({ groupId, memberId, groupInstanceId, generationId }: HeartbeatRequest): ErrorCode {
    const group = this.#groups.get(groupId);
    if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    const error = group.checkMember(memberId, groupInstanceId);
    if (error !== ErrorCode.NONE) return error;
    if (generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
    this.#heard(group, group.members.get(memberId) as ClassicMember);
    return group.state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** A commit of offsets is a sign of life, too. */
  committed(group: ClassicGroup, memberId: string): void {
    const member = group.members.get(memberId);
    if (member === undefined || group.state === "CompletingRebalance") return;
    this.#heard(group, member);
  }

  /** The member's session begins anew. Its timer is moved only when it fires. */
  #heard(group: ClassicGroup, member: ClassicMember, timeoutMs = member.sessionTimeoutMs): void {
    member.sessionEndsAt = this.#context.monotonic() + timeoutMs;
    if (member.sessionCheckedAt > member.sessionEndsAt) this.#checkSession(group, member);
  }

  #checkSession(group: ClassicGroup, member: ClassicMember): void {
    member.sessionCheckedAt = member.sessionEndsAt;
    const delayMs = Math.max(0, member.sessionEndsAt - this.#context.monotonic());
    this.#context.startTimer(sessionKey(group, member), delayMs, () => {
      member.sessionCheckedAt = Infinity;
      if (group.members.get(member.memberId) !== member) return;
      if (member.sessionEndsAt > this.#context.monotonic()) {
        return this.#checkSession(group, member);
      }
      // It is heard of again when it is answered.
      if (member.isExcused) return;
      this.#removeMember(group, member);
      this.#afterRemoval(group);
    });
  }

  #forget(group: ClassicGroup, member: ClassicMember): void {
    this.#context.cancelTimer(sessionKey(group, member));
  }

  #removeMember(group: ClassicGroup, member: ClassicMember): void {
    this.#forget(group, member);
    group.answerJoin(member, failedJoin(ErrorCode.UNKNOWN_MEMBER_ID, ""));
    member.answerSync(ErrorCode.UNKNOWN_MEMBER_ID, null, null);
    group.remove(member.memberId);
  }

  #removePending(group: ClassicGroup, memberId: string): void {
    this.#context.cancelTimer(pendingKey(group, memberId));
    group.remove(memberId);
    if (group.state === "PreparingRebalance" && group.allJoined) this.#completeJoin(group);
  }

  #afterRemoval(group: ClassicGroup): void {
    if (group.state === "Stable" || group.state === "CompletingRebalance") {
      this.#rebalanceOrComplete(group);
    } else if (group.state === "PreparingRebalance" && group.allJoined) {
      this.#completeJoin(group);
    }
  }

  // LeaveGroup.

  /** Takes members out; returns an error for each. */
  leave(
    groupId: string,
    leaving: readonly { readonly memberId: string; readonly groupInstanceId: string | null }[],
  ): ErrorCode[] {
    const group = this.#groups.get(groupId);
    if (group === undefined) return leaving.map(() => ErrorCode.UNKNOWN_MEMBER_ID);
    const errors = leaving.map(({ memberId, groupInstanceId }) =>
      this.#leaveOne(group, memberId, groupInstanceId)
    );
    if (errors.includes(ErrorCode.NONE)) {
      if (group.state === "PreparingRebalance") this.#maybeComplete(group);
      else this.#afterRemoval(group);
    }
    return errors;
  }

  #leaveOne(group: ClassicGroup, memberId: string, groupInstanceId: string | null): ErrorCode {
    // An administrator names static members only by their instance.
    const id = memberId === "" && groupInstanceId !== null
      ? group.staticMemberId(groupInstanceId) ?? ""
      : memberId;
    if (group.pendingJoin.has(id)) {
      this.#removePending(group, id);
      return ErrorCode.NONE;
    }
    const error = group.checkMember(id, groupInstanceId);
    if (error === ErrorCode.NONE) this.#removeMember(group, group.members.get(id) as ClassicMember);
    return error;
  }
}

/** Before version 1 there is no rebalance timeout. */
function rebalanceTimeoutOf({ rebalanceTimeoutMs, sessionTimeoutMs }: JoinGroupRequest): number {
  return rebalanceTimeoutMs === -1 ? sessionTimeoutMs : rebalanceTimeoutMs;
}

function checkSync(group: ClassicGroup, request: SyncGroupRequest): ErrorCode {
  const error = group.checkMember(request.memberId, request.groupInstanceId);
  if (error !== ErrorCode.NONE) return error;
  if (request.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  const differs = (said: string | null, known: string | null) =>
    said !== null && known !== null && said !== known;
  if (
    differs(request.protocolType, group.protocolType) ||
    differs(request.protocolName, group.protocolName)
  ) return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  if (group.state === "PreparingRebalance") return ErrorCode.REBALANCE_IN_PROGRESS;
  return ErrorCode.NONE;
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
