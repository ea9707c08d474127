/**
 * Commits, fetches and deletions of offsets: who may, what is written, what is answered.
 *
 * Owns the checks against the group's generation; members of the consumer protocol are checked by
 * their groups. Reads answer when everything that they saw is committed.
 *
 * @module
 */

import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type {
  OffsetCommitRequest,
  OffsetCommitRequestPartition,
} from "../../../net/messages/offset_commit.ts";
import type {
  OffsetFetchRequestGroup,
  OffsetFetchResponsePartitions,
} from "../../../net/messages/offset_fetch.ts";
import type { CoordinatorContext } from "../machine.ts";
import type { ClassicGroup } from "./classic_group.ts";
import type { ConsumerGroup } from "./consumer_group.ts";
import type { OffsetStore, StoredOffset } from "./offset_store.ts";
import { type GroupRecord, offsetCommitRecord } from "./records.ts";

/** The partitions of commits, plain and transactional, have the same shape. */
interface CommittedTopic {
  readonly name: string;
  readonly partitions: readonly OffsetCommitRequestPartition[];
}

interface AnsweredTopic {
  readonly name: string;
  readonly partitions: { readonly partitionIndex: number; readonly errorCode: number }[];
}

/** What a commit comes to. */
export interface PreparedCommit {
  readonly records: GroupRecord[];
  readonly topics: readonly AnsweredTopic[];
}

/** Who commits, as the request says. */
export interface CommittingMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  /** Or the member's epoch. */
  readonly generationId: number;
}

const NO_OFFSET = -1;
const textEncoder = new TextEncoder();

/** Why a member of a classic group may not commit; NONE where it may. */
export function checkClassicCommit(
  group: ClassicGroup,
  member: CommittingMember,
  isTransactional: boolean,
): ErrorCode {
  const { memberId, groupInstanceId, generationId } = member;
  // Whoever does without the group's protocol may, where nobody uses it.
  if (generationId < 0 && group.state === "Empty") return ErrorCode.NONE;
  if (generationId >= 0 || memberId !== "" || groupInstanceId !== null) {
    const error = group.checkMember(memberId, groupInstanceId);
    if (error !== ErrorCode.NONE) return error;
    if (generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  } else if (!isTransactional && group.state !== "Empty") {
    return ErrorCode.UNKNOWN_MEMBER_ID;
  }
  // The group has a new generation whose assignment nobody has yet.
  return !isTransactional && group.state === "CompletingRebalance"
    ? ErrorCode.REBALANCE_IN_PROGRESS
    : ErrorCode.NONE;
}

/** Why a member of a consumer group may not commit; NONE where it may (KIP-848). */
export function checkConsumerCommit(
  group: ConsumerGroup,
  { memberId, groupInstanceId, generationId: memberEpoch }: CommittingMember,
  isOld: boolean,
  isTransactional: boolean,
): ErrorCode {
  if (memberEpoch < 0 && group.members.size === 0) return ErrorCode.NONE;
  // A producer need not say for which member it commits: before KIP-447 none did.
  const saysNothing = memberId === "" && memberEpoch < 0 && groupInstanceId === null;
  if (isTransactional && saysNothing) return ErrorCode.NONE;
  const member = group.members.get(memberId);
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  // An older version has no word for a stale epoch.
  if (!isTransactional && isOld) return ErrorCode.UNSUPPORTED_VERSION;
  if (memberEpoch === member.memberEpoch) return ErrorCode.NONE;
  return isTransactional ? ErrorCode.ILLEGAL_GENERATION : ErrorCode.STALE_MEMBER_EPOCH;
}

/** Why a member of a consumer group may not fetch; NONE where it may. */
export function checkConsumerFetch(
  group: ConsumerGroup,
  memberId: string | null,
  memberEpoch: number,
): ErrorCode {
  const member = memberId === null ? undefined : group.members.get(memberId);
  if (member === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  return memberEpoch === member.memberEpoch ? ErrorCode.NONE : ErrorCode.STALE_MEMBER_EPOCH;
}

/** The records of a commit, and its answer once they are written. */
export function prepareCommit(
  context: CoordinatorContext<GroupRecord>,
  groupId: string,
  topics: readonly CommittedTopic[],
  retentionTimeMs: number,
): PreparedCommit {
  const { offsetMetadataMaxBytes } = context.config;
  const commitTimestamp = context.now();
  const expireTimestamp = retentionTimeMs === -1
    ? -1
    // For ever is no longer than can be written.
    : Math.min(commitTimestamp + retentionTimeMs, Number.MAX_SAFE_INTEGER);
  const records: GroupRecord[] = [];
  const answered = topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(
      ({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata }) => {
        const metadata = committedMetadata ?? "";
        if (isLonger(metadata, offsetMetadataMaxBytes)) {
          return { partitionIndex, errorCode: ErrorCode.OFFSET_METADATA_TOO_LARGE };
        }
        records.push(offsetCommitRecord(groupId, name, partitionIndex, {
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata,
          commitTimestamp,
          expireTimestamp,
        }));
        return { partitionIndex, errorCode: ErrorCode.NONE };
      },
    ),
  }));
  return { records, topics: answered };
}

function isLonger(text: string, bytes: number): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && textEncoder.encode(text).length > bytes;
}

/** The topics of a commit, each partition with the same error. */
export function refusedCommit(topics: readonly CommittedTopic[], errorCode: ErrorCode) {
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  }));
}

/** The answer to a commit whose records came to `error`. */
export function committedTopics(
  topics: readonly AnsweredTopic[],
  error: ErrorCode,
): readonly AnsweredTopic[] {
  if (error === ErrorCode.NONE) return topics;
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex, errorCode }) => ({
      partitionIndex,
      errorCode: errorCode === ErrorCode.NONE ? error : errorCode,
    })),
  }));
}

/** A plain commit in the words of the request. */
export function memberOf(
  { memberId, groupInstanceId, generationIdOrMemberEpoch }: OffsetCommitRequest,
): CommittingMember {
  return { memberId, groupInstanceId, generationId: generationIdOrMemberEpoch };
}

/** The offsets of a group that are asked for, or all. */
export function fetchOffsets(
  store: OffsetStore,
  { groupId, topics }: OffsetFetchRequestGroup,
  requireStable: boolean,
) {
  const fetchOne = (topic: string, partition: number) => {
    const isUnstable = requireStable && store.hasPending(groupId, topic, partition);
    return fetched(partition, store.get(groupId, topic, partition), isUnstable);
  };
  const wanted = topics ??
    [...store.ofGroup(groupId)].map(([name, partitions]) => ({
      name,
      partitionIndexes: [...partitions.keys()],
    }));
  return wanted.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partition) => fetchOne(name, partition)),
  }));
}

function fetched(
  partitionIndex: number,
  stored: StoredOffset | undefined,
  isUnstable: boolean,
): OffsetFetchResponsePartitions {
  if (isUnstable || stored === undefined) {
    return {
      partitionIndex,
      committedOffset: NO_OFFSET,
      committedLeaderEpoch: -1,
      metadata: "",
      errorCode: isUnstable ? ErrorCode.UNSTABLE_OFFSET_COMMIT : ErrorCode.NONE,
    };
  }
  const { offset, leaderEpoch, metadata } = stored;
  return {
    partitionIndex,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: ErrorCode.NONE,
  };
}

/** The topics of a response, which may be known by id in versions that are not served yet. */
export function withIds<Topic extends { readonly name: string }>(topics: readonly Topic[]) {
  return topics.map((topic) => ({ ...topic, topicId: ZERO_UUID }));
}
