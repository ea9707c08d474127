/**
 * A consumer group (KIP-848): the fold of its records, and what follows from it.
 *
 * `replay` is its only mutator, and gives what takes each change back.
 *
 * Invariant: a partition is in what is assigned to, or pending revocation of, one member at most.
 *
 * @module
 */

import type { Uuid } from "../../../storage/bytes/ids.ts";
import type { ConsumerGroupRegularExpressionValue } from "../../../net/messages/records/consumer_group_regular_expression_value.ts";
import type { TopicMetadata } from "../../../net/messages/records/consumer_group_partition_metadata_value.ts";
import type { Undo } from "../machine.ts";
import { type Assignment, assignmentOf, NO_PARTITIONS } from "./assignment.ts";
import {
  type ConsumerMember,
  isReconciled,
  newMember,
  removalRecords,
  withAssignment,
  withMetadata,
} from "./consumer_member.ts";
import type { ConsumerGroupRecord } from "./records.ts";

/** As Kafka spells them. */
export type ConsumerGroupState = "Empty" | "Assigning" | "Reconciling" | "Stable";

/** A subscribed topic. */
export type SubscribedTopic = Pick<TopicMetadata, "topicId" | "topicName" | "numPartitions">;

export class ConsumerGroup {
  readonly groupId: string;
  /** Rises whenever a new target assignment is due. */
  epoch = 0;
  /** The epoch that the target assignment is of. */
  targetEpoch = 0;
  readonly #members = new Map<string, ConsumerMember>();
  readonly #target = new Map<string, Assignment>();
  /** What the members are subscribed to and is there, by name. */
  topics: ReadonlyMap<string, SubscribedTopic> = new Map();
  readonly #patterns = new Map<string, ConsumerGroupRegularExpressionValue>();
  /** Member ids by instance id. */
  readonly #static = new Map<string, string>();
  /** Who holds a partition: it is assigned to the member, or the member has yet to give it up. */
  readonly #holders = new Map<Uuid, Map<number, string>>();
  /** Whether topics may have changed since they were looked at last. */
  needsRefresh = true;

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  get members(): ReadonlyMap<string, ConsumerMember> {
    return this.#members;
  }

  get target(): ReadonlyMap<string, Assignment> {
    return this.#target;
  }

  /** What each pattern that members subscribe by stands for. */
  get patterns(): ReadonlyMap<string, ConsumerGroupRegularExpressionValue> {
    return this.#patterns;
  }

  get state(): ConsumerGroupState {
    if (this.#members.size === 0) return "Empty";
    if (this.epoch > this.targetEpoch) return "Assigning";
    for (const member of this.#members.values()) {
      if (!isReconciled(member, this.targetEpoch)) return "Reconciling";
    }
    return "Stable";
  }

  staticMember(instanceId: string): ConsumerMember | undefined {
    const memberId = this.#static.get(instanceId);
    return memberId === undefined ? undefined : this.#members.get(memberId);
  }

  targetOf(memberId: string): Assignment {
    return this.#target.get(memberId) ?? NO_PARTITIONS;
  }

  /** Who holds a partition, be it to give it up. */
  holderOf(topicId: Uuid, partition: number): string | undefined {
    return this.#holders.get(topicId)?.get(partition);
  }

  /** The topics that a member wants, by name and by pattern. */
  subscriptionOf(member: ConsumerMember): ReadonlySet<string> {
    const { subscribedTopicNames, subscribedTopicRegex } = member;
    const matched = subscribedTopicRegex === ""
      ? []
      : this.#patterns.get(subscribedTopicRegex)?.topics ?? [];
    return new Set([...subscribedTopicNames, ...matched]);
  }

  isSubscribedTo(topic: string): boolean {
    return this.topics.has(topic);
  }

  /** What deletes the group, in Kafka's order. */
  tombstones(): ConsumerGroupRecord[] {
    const { groupId } = this;
    const records: ConsumerGroupRecord[] = [];
    for (const memberId of this.#members.keys()) records.push(...removalRecords(groupId, memberId));
    for (const regularExpression of this.#patterns.keys()) {
      const key = { groupId, regularExpression };
      records.push({ kind: "ConsumerGroupRegularExpression", key, value: null });
    }
    const key = { groupId };
    records.push(
      { kind: "ConsumerGroupTargetAssignmentMetadata", key, value: null },
      { kind: "ConsumerGroupPartitionMetadata", key, value: null },
      { kind: "ConsumerGroupMetadata", key, value: null },
    );
    return records;
  }

  /** Applies a record; that of the group's end is for whoever holds the group. */
  replay(record: ConsumerGroupRecord, undo: Undo[] | undefined): void {
    switch (record.kind) {
      case "ConsumerGroupMetadata": {
        const before = this.epoch;
        this.epoch = record.value?.epoch ?? 0;
        undo?.push(() => this.epoch = before);
        return;
      }
      case "ConsumerGroupTargetAssignmentMetadata": {
        const before = this.targetEpoch;
        this.targetEpoch = record.value?.assignmentEpoch ?? 0;
        undo?.push(() => this.targetEpoch = before);
        return;
      }
      case "ConsumerGroupPartitionMetadata": {
        const before = this.topics;
        this.topics = new Map(record.value?.topics.map((topic) => [topic.topicName, topic]));
        undo?.push(() => this.topics = before);
        return;
      }
      case "ConsumerGroupRegularExpression":
        return change(
          this.#patterns,
          record.key.regularExpression,
          record.value ?? undefined,
          undo,
        );
      case "ConsumerGroupTargetAssignmentMember": {
        const { value } = record;
        const target = value === null ? undefined : assignmentOf(value.topicPartitions);
        return change(this.#target, record.key.memberId, target, undo);
      }
      case "ConsumerGroupMemberMetadata": {
        const { memberId } = record.key;
        if (record.value === null) return this.#changeMember(memberId, undefined, undo);
        const member = this.#members.get(memberId) ?? newMember(memberId);
        return this.#changeMember(memberId, withMetadata(member, record.value), undo);
      }
      case "ConsumerGroupCurrentMemberAssignment":
        return this.#replayAssignment(record, undo);
    }
  }

  #replayAssignment(
    { key: { memberId }, value }: Extract<
      ConsumerGroupRecord,
      { kind: "ConsumerGroupCurrentMemberAssignment" }
    >,
    undo: Undo[] | undefined,
  ): void {
    const known = this.#members.get(memberId);
    if (value !== null) {
      const member = withAssignment(known ?? newMember(memberId), value);
      return this.#changeMember(memberId, member, undo);
    }
    if (known === undefined) return;
    const { memberEpoch, previousMemberEpoch, state, assigned, pendingRevocation } = newMember("");
    this.#changeMember(memberId, {
      ...known,
      memberEpoch,
      previousMemberEpoch,
      state,
      assigned,
      pendingRevocation,
    }, undo);
  }

  #changeMember(
    memberId: string,
    member: ConsumerMember | undefined,
    undo: Undo[] | undefined,
  ): void {
    const before = this.#members.get(memberId);
    this.#setMember(memberId, member);
    undo?.push(() => this.#setMember(memberId, before));
  }

  #setMember(memberId: string, member: ConsumerMember | undefined): void {
    const before = this.#members.get(memberId);
    if (before !== undefined) this.#release(before);
    if (member === undefined) {
      this.#members.delete(memberId);
      return;
    }
    this.#members.set(memberId, member);
    if (member.instanceId !== null) this.#static.set(member.instanceId, memberId);
    this.#hold(member.assigned, memberId);
    this.#hold(member.pendingRevocation, memberId);
  }

  #hold(assignment: Assignment, memberId: string): void {
    for (const [topicId, partitions] of assignment) {
      let holders = this.#holders.get(topicId);
      if (holders === undefined) this.#holders.set(topicId, holders = new Map());
      for (const partition of partitions) holders.set(partition, memberId);
    }
  }

  #release({ memberId, instanceId, assigned, pendingRevocation }: ConsumerMember): void {
    if (instanceId !== null && this.#static.get(instanceId) === memberId) {
      this.#static.delete(instanceId);
    }
    for (const assignment of [assigned, pendingRevocation]) {
      for (const [topicId, partitions] of assignment) {
        const holders = this.#holders.get(topicId);
        for (const partition of partitions) {
          if (holders?.get(partition) === memberId) holders.delete(partition);
        }
        if (holders?.size === 0) this.#holders.delete(topicId);
      }
    }
  }
}

function change<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value | undefined,
  undo: Undo[] | undefined,
): void {
  const before = map.get(key);
  const set = (to: Value | undefined) => {
    if (to === undefined) map.delete(key);
    else map.set(key, to);
  };
  set(value);
  undo?.push(() => set(before));
}
