/**
 * The records of `__consumer_offsets`, typed, and their codec: byte for byte Kafka's.
 *
 * @module
 */

import type { Timestamp } from "../../../storage/bytes/ids.ts";
import type { ConsumerGroupCurrentMemberAssignmentKey } from "../../../net/messages/records/consumer_group_current_member_assignment_key.ts";
import type { ConsumerGroupCurrentMemberAssignmentValue } from "../../../net/messages/records/consumer_group_current_member_assignment_value.ts";
import type { ConsumerGroupMemberMetadataKey } from "../../../net/messages/records/consumer_group_member_metadata_key.ts";
import type { ConsumerGroupMemberMetadataValue } from "../../../net/messages/records/consumer_group_member_metadata_value.ts";
import type { ConsumerGroupMetadataKey } from "../../../net/messages/records/consumer_group_metadata_key.ts";
import type { ConsumerGroupMetadataValue } from "../../../net/messages/records/consumer_group_metadata_value.ts";
import type { ConsumerGroupPartitionMetadataKey } from "../../../net/messages/records/consumer_group_partition_metadata_key.ts";
import type { ConsumerGroupPartitionMetadataValue } from "../../../net/messages/records/consumer_group_partition_metadata_value.ts";
import type { ConsumerGroupRegularExpressionKey } from "../../../net/messages/records/consumer_group_regular_expression_key.ts";
import type { ConsumerGroupRegularExpressionValue } from "../../../net/messages/records/consumer_group_regular_expression_value.ts";
import type { ConsumerGroupTargetAssignmentMemberKey } from "../../../net/messages/records/consumer_group_target_assignment_member_key.ts";
import type { ConsumerGroupTargetAssignmentMemberValue } from "../../../net/messages/records/consumer_group_target_assignment_member_value.ts";
import type { ConsumerGroupTargetAssignmentMetadataKey } from "../../../net/messages/records/consumer_group_target_assignment_metadata_key.ts";
import type { ConsumerGroupTargetAssignmentMetadataValue } from "../../../net/messages/records/consumer_group_target_assignment_metadata_value.ts";
import { GROUP_RECORDS } from "../../../net/messages/records/coordinator_records.ts";
import type { GroupMetadataKey } from "../../../net/messages/records/group_metadata_key.ts";
import type { GroupMetadataValue } from "../../../net/messages/records/group_metadata_value.ts";
import type { OffsetCommitKey } from "../../../net/messages/records/offset_commit_key.ts";
import type { OffsetCommitValue } from "../../../net/messages/records/offset_commit_value.ts";
import type { RecordCodec } from "../machine.ts";
import { recordCodec } from "../record_codec.ts";

interface Keyed<Kind extends string, Key, Value> {
  readonly kind: Kind;
  readonly key: Key;
  /** Null deletes what the key speaks of. */
  readonly value: Value | null;
}

/** Records of groups of the consumer protocol (KIP-848). */
export type ConsumerGroupRecord =
  | Keyed<"ConsumerGroupMetadata", ConsumerGroupMetadataKey, ConsumerGroupMetadataValue>
  | Keyed<
    "ConsumerGroupPartitionMetadata",
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue
  >
  | Keyed<
    "ConsumerGroupMemberMetadata",
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue
  >
  | Keyed<
    "ConsumerGroupTargetAssignmentMetadata",
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue
  >
  | Keyed<
    "ConsumerGroupTargetAssignmentMember",
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue
  >
  | Keyed<
    "ConsumerGroupCurrentMemberAssignment",
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue
  >
  | Keyed<
    "ConsumerGroupRegularExpression",
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue
  >;

/** Of a committed offset. */
export type OffsetCommitRecord = Keyed<"OffsetCommit", OffsetCommitKey, OffsetCommitValue>;

/** Of a group of the classic protocol. */
export type GroupMetadataRecord = Keyed<"GroupMetadata", GroupMetadataKey, GroupMetadataValue>;

/** Any record of `__consumer_offsets`. */
export type GroupRecord = OffsetCommitRecord | GroupMetadataRecord | ConsumerGroupRecord;

/** As Kafka 4 writes them: version 1 of an offset's value only where it says when it expires. */
const LATEST_CODEC = recordCodec<GroupRecord>(GROUP_RECORDS, {
  OffsetCommit: 3,
  GroupMetadata: 3,
});
const EXPIRING_CODEC = recordCodec<GroupRecord>(GROUP_RECORDS, { OffsetCommit: 1 });

export const GROUP_CODEC: RecordCodec<GroupRecord> = {
  encode: (record) => {
    const expires = record.kind === "OffsetCommit" && (record.value?.expireTimestamp ?? -1) !== -1;
    return (expires ? EXPIRING_CODEC : LATEST_CODEC).encode(record);
  },
  decode: (key, value) => LATEST_CODEC.decode(key, value),
};

/** A committed offset, by whoever commits it. */
export interface CommittedOffset {
  readonly offset: number;
  /** -1 where it is not known. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestamp: Timestamp;
  /** -1 where the broker's retention counts. */
  readonly expireTimestamp: Timestamp;
}

/** The record of a committed offset; null deletes it. */
export function offsetCommitRecord(
  group: string,
  topic: string,
  partition: number,
  value: CommittedOffset | null,
): OffsetCommitRecord {
  return { kind: "OffsetCommit", key: { group, topic, partition }, value };
}

/** The record of a classic group; null deletes it. */
export function groupMetadataRecord(
  group: string,
  value: GroupMetadataValue | null,
): GroupMetadataRecord {
  return { kind: "GroupMetadata", key: { group }, value };
}
