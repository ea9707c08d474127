/**
 * A group of the classic protocol: its state, its members, and what they have in common.
 *
 * Owns the state machine and its legal transitions, the votes for a protocol, and the counts. Does
 * not own when anything happens: classic_groups.ts decides.
 *
 * ```
 * Empty → PreparingRebalance → CompletingRebalance → Stable
 *   ↑        ↑      ↑   └────→ Empty       │            │
 *   │        │      └───────────────────────┴────────────┘
 * ```
 *
 * Invariants: the leader is a member, or there is none; the generation rises by one with each
 * completed join phase; `awaitingJoin` of members and their count agree.
 *
 * @module
 */

import type { Timestamp } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type {
  JoinGroupRequestProtocol,
  JoinGroupResponse,
  JoinGroupResponseMember,
} from "../../../net/messages/join_group.ts";
import type { GroupMetadataValue } from "../../../net/messages/records/group_metadata_value.ts";
import { ClassicMember, failedJoin, NO_BYTES, type Respond } from "./classic_member.ts";
import { CONSUMER_PROTOCOL, subscribedTopicsOf } from "./consumer_protocol.ts";

/** As Kafka spells them. */
export type ClassicState =
  | "Empty"
  | "PreparingRebalance"
  | "CompletingRebalance"
  | "Stable"
  | "Dead";

const PREVIOUS_STATES: Readonly<Record<ClassicState, readonly ClassicState[]>> = {
  Empty: ["PreparingRebalance"],
  PreparingRebalance: ["Stable", "CompletingRebalance", "Empty"],
  CompletingRebalance: ["PreparingRebalance"],
  Stable: ["CompletingRebalance"],
  Dead: ["Stable", "PreparingRebalance", "CompletingRebalance", "Empty", "Dead"],
};

export class ClassicGroup {
  readonly groupId: string;
  #state: ClassicState = "Empty";
  previousState: ClassicState = "Dead";
  generationId = 0;
  protocolType: string | null = null;
  protocolName: string | null = null;
  /** When the state was entered; -1 where that is not known. */
  stateTimestamp: Timestamp;
  leader: string | null = null;
  /** In the order in which they came. */
  readonly members = new Map<string, ClassicMember>();
  /** Member ids by group instance id. */
  readonly #static = new Map<string, string>();
  /** Ids that were given out, with which nobody has joined yet. */
  readonly pendingJoin = new Set<string>();
  readonly pendingSync = new Set<string>();
  /** Whether somebody came while the first rebalance waited for more. */
  newMemberAdded = false;
  /** Whether the leader's assignment for this generation is on its way to the log. */
  isAssigning = false;
  /** The names of protocols that all members speak; undefined where that is to be found out. */
  #common: ReadonlySet<string> | undefined = new Set();
  /** Of consumers, where it can be told. */
  #subscribedTopics: ReadonlySet<string> | undefined;

  constructor(groupId: string, now: Timestamp) {
    this.groupId = groupId;
    this.stateTimestamp = now;
  }

  /** A group as its record says: stable, or empty. */
  static of(groupId: string, value: GroupMetadataValue): ClassicGroup {
    const group = new ClassicGroup(groupId, value.currentStateTimestamp);
    group.generationId = value.generation;
    group.protocolType = value.protocolType === "" ? null : value.protocolType;
    group.protocolName = value.protocol;
    group.leader = value.leader;
    if (value.members.length > 0) group.#state = "Stable";
    for (const metadata of value.members) {
      group.add(ClassicMember.of(metadata, value.protocolType, value.protocol));
    }
    group.#updateSubscribedTopics();
    return group;
  }

  get state(): ClassicState {
    return this.#state;
  }

  /** @throws {Error} where the state machine has no such way */
  transitionTo(state: ClassicState, now: Timestamp): void {
    if (!PREVIOUS_STATES[state].includes(this.#state)) {
      throw new Error(`Cannot move group ${this.groupId} from ${this.#state} to ${state}`);
    }
    this.previousState = this.#state;
    this.#state = state;
    this.stateTimestamp = now;
  }

  get canRebalance(): boolean {
    return PREVIOUS_STATES.PreparingRebalance.includes(this.#state);
  }

  /** Neither members nor anybody who was given an id. */
  get isUnused(): boolean {
    return this.members.size === 0 && this.pendingJoin.size === 0;
  }

  get isConsumers(): boolean {
    return this.protocolType === CONSUMER_PROTOCOL;
  }

  get awaitingJoin(): number {
    let count = 0;
    for (const { awaitingJoin } of this.members.values()) if (awaitingJoin !== undefined) count++;
    return count;
  }

  get allJoined(): boolean {
    return this.pendingJoin.size === 0 && this.awaitingJoin === this.members.size;
  }

  /** The longest that a member may take to rejoin. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.members.values()) {
      longest = Math.max(longest, member.rebalanceTimeoutMs);
    }
    return longest;
  }

  staticMemberId(groupInstanceId: string): string | undefined {
    return this.#static.get(groupInstanceId);
  }

  add(member: ClassicMember, respond?: Respond<JoinGroupResponse>): void {
    const { memberId, groupInstanceId } = member;
    if (groupInstanceId !== null) this.#static.set(groupInstanceId, memberId);
    const names = namesOf(member.protocols);
    this.#common = this.members.size === 0 ? names : this.#common?.intersection(names);
    if (this.members.size === 0) this.protocolType = member.protocolType;
    this.leader ??= memberId;
    member.awaitingJoin = respond;
    this.members.set(memberId, member);
    this.pendingJoin.delete(memberId);
  }

  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (this.members.delete(memberId)) this.#common = undefined;
    const groupInstanceId = member?.groupInstanceId ?? null;
    if (groupInstanceId !== null && this.#static.get(groupInstanceId) === memberId) {
      this.#static.delete(groupInstanceId);
    }
    if (this.leader === memberId) this.leader = this.members.keys().next().value ?? null;
    this.pendingJoin.delete(memberId);
    this.pendingSync.delete(memberId);
  }

  /** Has a member speak what it says it speaks now. */
  setProtocols(member: ClassicMember, protocols: readonly JoinGroupRequestProtocol[]): void {
    const before = namesOf(member.protocols);
    const isSame = before.symmetricDifference(namesOf(protocols)).size === 0;
    if (!isSame) this.#common = undefined;
    member.protocols = protocols;
  }

  /** Gives the place of a static member another id; who waited by the old one is fenced. */
  replaceStatic(groupInstanceId: string, oldId: string, newId: string): ClassicMember {
    const old = this.members.get(oldId) as ClassicMember;
    this.answerJoin(old, failedJoin(ErrorCode.FENCED_INSTANCE_ID, oldId));
    old.answerSync(ErrorCode.FENCED_INSTANCE_ID, null, null);
    const member = new ClassicMember({ ...old, memberId: newId });
    this.members.delete(oldId);
    if (this.pendingSync.delete(oldId)) this.pendingSync.add(newId);
    this.members.set(newId, member);
    this.#static.set(groupInstanceId, newId);
    if (this.leader === oldId) this.leader = newId;
    return member;
  }

  /** Why a request of a member is not taken; NONE where it is. */
  checkMember(memberId: string, groupInstanceId: string | null): ErrorCode {
    if (groupInstanceId !== null) {
      const known = this.#static.get(groupInstanceId);
      if (known === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
      if (known !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
    }
    return this.members.has(memberId) ? ErrorCode.NONE : ErrorCode.UNKNOWN_MEMBER_ID;
  }

  /** Whether a member that speaks these protocols has one in common with all others. */
  supports(protocolType: string, protocols: readonly JoinGroupRequestProtocol[]): boolean {
    if (this.#state === "Empty") return protocolType !== "" && protocols.length > 0;
    if (this.protocolType !== protocolType) return false;
    if (this.members.size === 0) return protocols.length > 0;
    const common = this.#commonProtocols();
    return protocols.some(({ name }) => common.has(name));
  }

  #commonProtocols(): ReadonlySet<string> {
    if (this.#common !== undefined) return this.#common;
    let common: Set<string> | undefined;
    for (const { protocols } of this.members.values()) {
      const names = namesOf(protocols);
      common = common === undefined ? names : common.intersection(names);
    }
    this.#common = common ?? new Set();
    return this.#common;
  }

  /** The protocol with the most votes among those that all speak; null without members. */
  selectProtocol(): string | null {
    const candidates = this.#commonProtocols();
    const votes = new Map<string, number>();
    for (const member of this.members.values()) {
      const vote = member.vote(candidates);
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1);
    }
    let selected: string | null = null;
    for (const [name, count] of votes) {
      if (selected === null || count > (votes.get(selected) ?? 0)) selected = name;
    }
    return selected;
  }

  /** A leader that has rejoined, or another that has; false where nobody has. */
  electJoinedLeader(): boolean {
    const { leader, members } = this;
    if (leader === null) return false;
    if (members.get(leader)?.awaitingJoin !== undefined) return true;
    for (const { memberId, awaitingJoin } of members.values()) {
      if (awaitingJoin === undefined) continue;
      this.leader = memberId;
      return true;
    }
    return false;
  }

  /** The join phase is over. */
  nextGeneration(now: Timestamp): void {
    this.generationId++;
    this.isAssigning = false;
    this.protocolName = this.selectProtocol();
    this.transitionTo(this.members.size > 0 ? "CompletingRebalance" : "Empty", now);
    this.#updateSubscribedTopics();
    this.pendingSync.clear();
  }

  /** Whether offsets of the topic are kept for what the group does now. */
  isSubscribedTo(topic: string): boolean {
    return this.#subscribedTopics?.has(topic) ?? this.isConsumers;
  }

  /** Whether it is known what the group is subscribed to. */
  get knowsSubscription(): boolean {
    return this.#subscribedTopics !== undefined;
  }

  #updateSubscribedTopics(): void {
    this.#subscribedTopics = this.isConsumers
      ? subscribedTopicsOf([...this.members.values()].map((m) => m.metadata(this.protocolName)))
      : undefined;
  }

  /** Answers a JoinGroup that waits. */
  answerJoin(member: ClassicMember, response: JoinGroupResponse): void {
    const respond = member.awaitingJoin;
    member.awaitingJoin = undefined;
    respond?.(response);
  }

  /** The present generation as a member is told of it; only the leader is told of the others. */
  joined(memberId: string): JoinGroupResponse {
    return {
      ...failedJoin(ErrorCode.NONE, memberId),
      generationId: this.generationId,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      leader: this.leader ?? "",
      members: memberId === this.leader ? this.#membersForLeader() : [],
    };
  }

  #membersForLeader(): JoinGroupResponseMember[] {
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: member.metadata(this.protocolName),
    }));
  }

  /** The group as its record says it, with the assignment given or that of the members. */
  toValue(assignment?: ReadonlyMap<string, Uint8Array>): GroupMetadataValue {
    return {
      protocolType: this.protocolType ?? "",
      generation: this.generationId,
      protocol: this.protocolName,
      leader: this.leader,
      currentStateTimestamp: this.stateTimestamp,
      members: [...this.members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: member.metadata(this.protocolName),
        assignment: assignment === undefined
          ? member.assignment
          : assignment.get(member.memberId) ?? NO_BYTES,
      })),
    };
  }
}

function namesOf(protocols: readonly JoinGroupRequestProtocol[]): Set<string> {
  return new Set(protocols.map(({ name }) => name));
}
