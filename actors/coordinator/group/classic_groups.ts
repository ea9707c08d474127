/**
 * The classic protocol of groups: JoinGroup, SyncGroup, Heartbeat and LeaveGroup, answered as Kafka
 * answers. When members rebalance, and when they are out, is in classic_rebalances.ts.
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
import type { GroupMetadataStore } from "./group_metadata_store.ts";
import type { GroupMetrics } from "./group_metrics.ts";
import { ClassicRebalances } from "./classic_rebalances.ts";
import type { GroupRecord } from "./records.ts";
import type { GroupClient } from "./requests.ts";

/** JoinGroup asks members to come again with the id that they were given (KIP-394). */
const REQUIRES_MEMBER_ID = 4;
/** JoinGroup says that the leader need not assign (KIP-814). */
const SKIPS_ASSIGNMENT = 9;

/** Characters of a name, at most, in a member id: a text of the protocol has 32,767 bytes. */
const NAME_LENGTH_MAX = 1000;

/** A member whose first JoinGroup waits for so long is out: it has no session yet. */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000;

interface Joining {
  readonly request: JoinGroupRequest;
  readonly client: GroupClient;
  readonly respond: Respond<JoinGroupResponse>;
}

export class ClassicGroups {
  readonly #context: CoordinatorContext<GroupRecord>;
  readonly #metrics: GroupMetrics;
  readonly #rebalances: ClassicRebalances;
  readonly #groups = new Map<string, ClassicGroup>();

  /** @param written the groups of which there is a record */
  constructor(
    context: CoordinatorContext<GroupRecord>,
    metrics: GroupMetrics,
    written: Pick<GroupMetadataStore, "has">,
  ) {
    this.#context = context;
    this.#metrics = metrics;
    this.#rebalances = new ClassicRebalances(context, ({ groupId }) => {
      // Nobody ever came: ids that are given out to anybody must not leave a group each.
      if (!written.has(groupId)) this.#groups.delete(groupId);
    });
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
    for (const member of group.members.values()) this.#rebalances.heard(group, member);
    if (group.members.size > this.#context.config.groupMaxSize) {
      this.#rebalances.prepareRebalance(group);
    }
  }

  /** Takes a group away that has no members. */
  remove(groupId: string): ClassicGroup | undefined {
    const group = this.#groups.get(groupId);
    if (group === undefined) return undefined;
    this.#rebalances.end(group);
    this.#groups.delete(groupId);
    return group;
  }

  /** Sends the members of a group away: it is none of theirs. */
  dissolve(groupId: string): void {
    const group = this.#groups.get(groupId);
    if (group === undefined || group.members.size === 0) return;
    for (const member of [...group.members.values()]) this.#rebalances.removeMember(group, member);
    this.remove(groupId);
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
    const known = this.#groups.get(groupId);
    if (known === undefined && memberId !== "") return refuse(ErrorCode.UNKNOWN_MEMBER_ID);
    const group = known ?? new ClassicGroup(groupId, this.#context.now());
    if (!this.#hasRoom(group, request)) {
      group.remove(memberId);
      return refuse(ErrorCode.GROUP_MAX_SIZE_REACHED, "");
    }
    if (!group.supports(request.protocolType, request.protocols)) {
      return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    }
    if (known === undefined) this.#groups.set(groupId, group);
    if (memberId === "") this.#joinNew(group, joining);
    else if (group.pendingJoin.has(memberId)) this.#joinPending(group, joining);
    else this.#joinAgain(group, joining);
  }

  #hasRoom(group: ClassicGroup, { memberId, groupInstanceId }: JoinGroupRequest): boolean {
    const { groupMaxSize } = this.#context.config;
    // A static member that comes back takes nobody else's place.
    const ownId = groupInstanceId === null ? undefined : group.staticMemberId(groupInstanceId);
    const member = group.members.get(memberId === "" ? ownId ?? "" : memberId);
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
    const memberId = this.#drawMemberId(groupInstanceId ?? client.clientId);
    if (groupInstanceId !== null) {
      const oldId = group.staticMemberId(groupInstanceId);
      if (oldId !== undefined) return this.#replaceStatic(group, oldId, memberId, joining);
      return this.#add(group, memberId, joining);
    }
    if (client.version < REQUIRES_MEMBER_ID) return this.#add(group, memberId, joining);
    const isGiven = this.#rebalances.awaitJoin(group, memberId, sessionTimeoutMs);
    if (isGiven) return respond(failedJoin(ErrorCode.MEMBER_ID_REQUIRED, memberId));
    this.#rebalances.forgetPending(group, memberId);
    respond(failedJoin(ErrorCode.COORDINATOR_NOT_AVAILABLE, ""));
  }

  /** A new id, which tells people whose it is. */
  #drawMemberId(name: string): string {
    const id = this.#context.environment.random.stream("group member ids").uuid();
    return `${name.slice(0, NAME_LENGTH_MAX).toWellFormed()}-${id}`;
  }

  #joinPending(group: ClassicGroup, joining: Joining): void {
    const { groupInstanceId, memberId } = joining.request;
    if (groupInstanceId !== null) {
      return joining.respond(failedJoin(ErrorCode.UNKNOWN_MEMBER_ID, memberId));
    }
    this.#rebalances.joined(group, memberId);
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
    this.#rebalances.heard(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS);
    this.#rebalances.rebalanceOrComplete(group);
  }

  #update(group: ClassicGroup, member: ClassicMember, { request, respond }: Joining): void {
    this.#take(group, member, request);
    // Of two requests of one member the later counts.
    group.answerJoin(member, failedJoin(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId));
    member.awaitingJoin = respond;
    this.#rebalances.rebalanceOrComplete(group);
  }

  #take(group: ClassicGroup, member: ClassicMember, request: JoinGroupRequest): void {
    group.setProtocols(member, request.protocols);
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
    this.#rebalances.forget(group, before);
    this.#take(group, member, request);
    this.#rebalances.heard(group, member);
    member.awaitingJoin = respond;
    switch (group.state) {
      case "Stable":
        if (group.protocolName !== group.selectProtocol()) {
          return this.#rebalances.rebalanceOrComplete(group);
        }
        return this.#keepAssignment(group, member, before, leaderBefore, joining);
      case "CompletingRebalance":
        // The leader may be assigning to the old id.
        return this.#rebalances.prepareRebalance(group);
      default:
        return this.#rebalances.maybeComplete(group);
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
    this.#rebalances.write(group, undefined, (error) => {
      if (group.members.get(memberId) !== member) return;
      if (error !== ErrorCode.NONE) {
        const instanceId = member.groupInstanceId as string;
        group.answerJoin(member, failedJoin(error, ""));
        const restored = group.replaceStatic(instanceId, memberId, before.memberId);
        group.setProtocols(restored, before.protocols);
        restored.rebalanceTimeoutMs = before.rebalanceTimeoutMs;
        restored.sessionTimeoutMs = before.sessionTimeoutMs;
        this.#rebalances.forget(group, member);
        return this.#rebalances.heard(group, restored);
      }
      // A rebalance that began meanwhile answers it.
      if (group.state !== "Stable") return;
      this.#rebalances.heard(group, member);
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

  // SyncGroup.

  sync(request: SyncGroupRequest, respond: Respond<SyncGroupResponse>): void {
    const { groupId, memberId } = request;
    const group = this.#groups.get(groupId);
    const error = group === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : checkSync(group, request);
    if (group === undefined || error !== ErrorCode.NONE) return respond(failedSync(error));
    const member = group.members.get(memberId) as ClassicMember;
    this.#rebalances.synced(group, memberId);
    member.answerSync(ErrorCode.REBALANCE_IN_PROGRESS, null, null);
    member.awaitingSync = respond;
    if (group.state === "Stable") {
      member.answerSync(ErrorCode.NONE, group.protocolType, group.protocolName);
      return this.#rebalances.heard(group, member);
    }
    if (memberId === group.leader) this.#assign(group, request);
  }

  #assign(group: ClassicGroup, { generationId, assignments }: SyncGroupRequest): void {
    // A leader that asks again waits for what it gave first: the log must not say otherwise.
    if (group.isAssigning) return;
    group.isAssigning = true;
    const assignment = new Map(assignments.map((given) => [given.memberId, given.assignment]));
    this.#rebalances.write(group, assignment, (error) => {
      // Meanwhile a member may have come or gone.
      if (group.state !== "CompletingRebalance" || group.generationId !== generationId) return;
      if (error !== ErrorCode.NONE) {
        this.#rebalances.resetAssignment(group, error);
        return this.#rebalances.rebalanceOrComplete(group);
      }
      for (const member of group.members.values()) {
        member.assignment = assignment.get(member.memberId) ?? NO_BYTES;
        if (member.answerSync(ErrorCode.NONE, group.protocolType, group.protocolName)) {
          this.#rebalances.heard(group, member);
        }
      }
      group.transitionTo("Stable", this.#context.now());
      this.#metrics.completedRebalances.add(1);
    });
  }

  // Heartbeats.

  heartbeat({ groupId, memberId, groupInstanceId, generationId }: HeartbeatRequest): ErrorCode {
    const group = this.#groups.get(groupId);
    if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    const error = group.checkMember(memberId, groupInstanceId);
    if (error !== ErrorCode.NONE) return error;
    if (generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
    this.#rebalances.heard(group, group.members.get(memberId) as ClassicMember);
    return group.state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** A commit of offsets is a sign of life, too. */
  committed(group: ClassicGroup, memberId: string): void {
    const member = group.members.get(memberId);
    if (member === undefined || group.state === "CompletingRebalance") return;
    this.#rebalances.heard(group, member);
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
      if (group.state === "PreparingRebalance") this.#rebalances.maybeComplete(group);
      else this.#rebalances.afterRemoval(group);
    }
    return errors;
  }

  #leaveOne(group: ClassicGroup, memberId: string, groupInstanceId: string | null): ErrorCode {
    // An administrator names static members only by their instance.
    const id = memberId === "" && groupInstanceId !== null
      ? group.staticMemberId(groupInstanceId) ?? ""
      : memberId;
    if (group.pendingJoin.has(id)) {
      this.#rebalances.forgetPending(group, id);
      return ErrorCode.NONE;
    }
    const error = group.checkMember(id, groupInstanceId);
    if (error === ErrorCode.NONE) {
      this.#rebalances.removeMember(group, group.members.get(id) as ClassicMember);
    }
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
