/**
 * What administrators ask of groups, and what happens to them without anybody asking: describing,
 * listing, deleting; offsets that are too old, or of topics that are gone.
 *
 * @module
 */

import type { Timestamp } from "../../../storage/bytes/ids.ts";
import { OPERATIONS_NOT_ASKED } from "../../../net/messages/acl_operations.ts";
import { BATCH_HEADER_BYTES } from "../../../storage/record_batch.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { DescribedGroup } from "../../../net/messages/describe_groups.ts";
import type { ListedGroup } from "../../../net/messages/list_groups.ts";
import type { TopicImage } from "../../controller/cluster_image.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { CoordinatorContext } from "../machine.ts";
import type { ClassicGroup } from "./classic_group.ts";
import type { ClassicGroups } from "./classic_groups.ts";
import { NO_BYTES } from "./classic_member.ts";
import { CONSUMER_PROTOCOL } from "./consumer_protocol.ts";
import type { ConsumerGroups } from "./consumer_groups.ts";
import { describeConsumerGroup } from "./describe_consumer_group.ts";
import type { GroupMetrics } from "./group_metrics.ts";
import type { GroupMetadataStore } from "./group_metadata_store.ts";
import type { OffsetStore, StoredOffset } from "./offset_store.ts";
import {
  groupMetadataRecord,
  type GroupRecord,
  type OffsetCommitRecord,
  offsetCommitRecord,
} from "./records.ts";
import type {
  Answer,
  DeleteGroup,
  DescribeConsumerGroup,
  DescribeGroup,
  ListGroups,
  OffsetDelete,
} from "./requests.ts";

export interface GroupAdminOptions {
  readonly context: CoordinatorContext<GroupRecord>;
  readonly metrics: GroupMetrics;
  readonly offsets: OffsetStore;
  readonly metadata: GroupMetadataStore;
  readonly classic: ClassicGroups;
  readonly consumer: ConsumerGroups;
}

type AdminRequest =
  | OffsetDelete
  | DescribeGroup
  | DescribeConsumerGroup
  | DeleteGroup
  | ListGroups;

const MINUTE_MS = 60_000;

/** Groups that are looked at in one turn for offsets to expire. */
const LOOKED_AT_MAX = 10_000;
/** To delete an offset takes as long as to look at so many groups. */
const TOMBSTONE_WEIGHT = 5;
const EXPIRE_ON_MS = 50;

/** Before offsets of a topic that is gone are deleted again, where that has failed. */
const FORGET_AGAIN_MS = 1000;

/** Bytes of tombstones of offsets, about, that are written as one where the log takes as many. */
const TOMBSTONE_BYTES_MAX = 128 * 1024;

export class GroupAdmin {
  readonly #options: GroupAdminOptions;

  constructor(options: GroupAdminOptions) {
    this.#options = options;
  }

  handle(request: AdminRequest): void {
    switch (request.kind) {
      case "describe-group":
        return this.#describe(request);
      case "list-groups":
        return this.#list(request);
      case "delete-group":
        return this.#delete(request);
      case "offset-delete":
        return this.#deleteOffsets(request);
      case "describe-consumer-group":
        return this.#describeConsumer(request);
    }
  }

  #has(groupId: string): boolean {
    const { classic, consumer, offsets } = this.#options;
    return classic.get(groupId) !== undefined || consumer.get(groupId) !== undefined ||
      offsets.hasGroup(groupId);
  }

  // Looking.

  #describe({ groupId, replyTo }: DescribeGroup): void {
    const { classic, consumer } = this.#options;
    const group = classic.get(groupId);
    const isThere = consumer.get(groupId) === undefined && this.#has(groupId);
    const described = group !== undefined ? describeClassic(group) : describeNone(groupId, isThere);
    this.#answerCommitted(replyTo, described);
  }

  #describeConsumer({ groupId, replyTo }: DescribeConsumerGroup): void {
    const { consumer, context } = this.#options;
    const described = describeConsumerGroup(
      groupId,
      consumer.get(groupId),
      context,
    );
    this.#answerCommitted(replyTo, described);
  }

  /** Answers when everything that was looked at is committed. */
  #answerCommitted<Response>(replyTo: Ref<Answer<Response>>, response: Response): void {
    this.#options.context.write({
      records: [],
      done: (error) => {
        if (error !== ErrorCode.NONE) return void replyTo.tell({ kind: "refused", error });
        replyTo.tell({ kind: "response", response });
      },
    });
  }

  #list({ request, replyTo }: ListGroups): void {
    const { classic, consumer, offsets } = this.#options;
    const listed: ListedGroup[] = [];
    for (const { groupId, state } of consumer.all) {
      listed.push(listedGroup(groupId, CONSUMER_PROTOCOL, state, "consumer"));
    }
    for (const group of classic.all) {
      const { groupId, protocolType, state } = group;
      if (group.isUnused && !offsets.hasGroup(groupId) && group.generationId === 0) continue;
      listed.push(listedGroup(groupId, protocolType ?? "", state, "classic"));
    }
    for (const groupId of offsets.groups()) {
      if (classic.get(groupId) === undefined && consumer.get(groupId) === undefined) {
        listed.push(listedGroup(groupId, "", "Empty", "classic"));
      }
    }
    const states = new Set(request.statesFilter.map((state) => state.toLowerCase()));
    const types = new Set(request.typesFilter.map((type) => type.toLowerCase()));
    const response = listed.filter(({ groupState, groupType }) =>
      (states.size === 0 || states.has(groupState.toLowerCase())) &&
      (types.size === 0 || types.has(groupType.toLowerCase()))
    );
    replyTo.tell({ kind: "response", response });
  }

  // Deleting.

  #delete({ groupId, replyTo }: DeleteGroup): void {
    const answer = (errorCode: ErrorCode) =>
      void replyTo.tell({ kind: "response", response: { errorCode } });
    const { classic, consumer, offsets } = this.#options;
    if (!this.#has(groupId)) return answer(ErrorCode.GROUP_ID_NOT_FOUND);
    const group = classic.get(groupId) ?? consumer.get(groupId);
    if (group !== undefined && group.state !== "Empty") return answer(ErrorCode.NON_EMPTY_GROUP);
    const records: OffsetCommitRecord[] = [];
    for (const topic of offsets.topicsOf(groupId)) {
      for (const partition of offsets.partitionsOf(groupId, topic)) {
        records.push(offsetCommitRecord(groupId, topic, partition, null));
      }
    }
    this.#deleteGroup(groupId, records, (error) => {
      if (error === ErrorCode.NONE) this.#options.metrics.offsetDeletions.add(records.length);
      answer(error);
    });
  }

  /**
   * Writes tombstones of all that is left of a group's offsets, and of the group behind them: what
   * is deleted only in part is still there to be deleted again.
   */
  #deleteGroup(
    groupId: string,
    records: readonly OffsetCommitRecord[],
    done: (error: ErrorCode) => void,
  ): void {
    const { context, classic, consumer, metadata } = this.#options;
    const group = classic.remove(groupId);
    const ended = (error: ErrorCode) => {
      if (error !== ErrorCode.NONE && group !== undefined) classic.restore(group);
      done(error);
    };
    for (const chunk of chunked(records, context.writeBytesMax)) {
      const refusal = this.#writeUnlessRefused(chunk);
      if (refusal !== ErrorCode.NONE) return ended(refusal);
    }
    const written: GroupRecord[] = [...consumer.get(groupId)?.tombstones() ?? []];
    if (metadata.has(groupId)) written.push(groupMetadataRecord(groupId, null));
    context.write({ records: written, done: ended });
  }

  /** Why it cannot be written; where that turns out later, what is written behind fails, too. */
  #writeUnlessRefused(records: readonly GroupRecord[]): ErrorCode {
    let refusal: ErrorCode = ErrorCode.NONE;
    this.#options.context.write({ records, done: (error) => refusal = error });
    return refusal;
  }

  #deleteOffsets({ request, replyTo }: OffsetDelete): void {
    const { groupId } = request;
    const { context, classic, consumer, offsets } = this.#options;
    const group = classic.get(groupId);
    const consumers = consumer.get(groupId);
    const refusal = !this.#has(groupId)
      ? ErrorCode.GROUP_ID_NOT_FOUND
      : group !== undefined && group.state !== "Empty" && !group.isConsumers
      ? ErrorCode.NON_EMPTY_GROUP
      : ErrorCode.NONE;
    if (refusal !== ErrorCode.NONE) {
      const response = { errorCode: refusal, throttleTimeMs: 0, topics: [] };
      return void replyTo.tell({ kind: "response", response });
    }
    const isUsed = group !== undefined && group.state !== "Empty";
    const records: GroupRecord[] = [];
    const topics = request.topics.map(({ name, partitions }) => {
      const isSubscribed = isUsed && group.isSubscribedTo(name) ||
        consumers?.isSubscribedTo(name) === true;
      return {
        name,
        partitions: partitions.map(({ partitionIndex }) => {
          if (isSubscribed) {
            return { partitionIndex, errorCode: ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC };
          }
          if (offsets.partitionsOf(groupId, name).has(partitionIndex)) {
            records.push(offsetCommitRecord(groupId, name, partitionIndex, null));
          }
          return { partitionIndex, errorCode: ErrorCode.NONE };
        }),
      };
    });
    this.#options.metrics.offsetDeletions.add(records.length);
    context.write({
      records,
      done: (errorCode) =>
        replyTo.tell({
          kind: "response",
          response: {
            errorCode,
            throttleTimeMs: 0,
            topics: errorCode === ErrorCode.NONE ? topics : [],
          },
        }),
    });
  }

  /** Nobody can go on where a topic was that is gone. */
  topicsRemoved(topics: readonly TopicImage[]): void {
    const now = this.#options.context.now();
    for (const { name } of topics) this.#forgetTopic(name, now);
  }

  /**
   * Forgets what was committed of a topic until it went, and not what is of another of its name.
   */
  #forgetTopic(name: string, wentAt: Timestamp): void {
    const { context, offsets, metrics } = this.#options;
    const isThereAgain = context.image.topicByName(name) !== undefined;
    const records: OffsetCommitRecord[] = [];
    for (const groupId of offsets.groups()) {
      for (const partition of offsets.partitionsOf(groupId, name)) {
        const { commitTimestamp } = offsets.get(groupId, name, partition) ?? {};
        if (isThereAgain && (commitTimestamp === undefined || commitTimestamp > wentAt)) continue;
        records.push(offsetCommitRecord(groupId, name, partition, null));
      }
    }
    metrics.offsetDeletions.add(records.length);
    for (const written of chunked(records, context.writeBytesMax)) {
      const done = (error: ErrorCode) => {
        if (error === ErrorCode.NONE) return;
        context.startTimer(`gone\0${name}`, FORGET_AGAIN_MS, () => {
          this.#forgetTopic(name, wentAt);
        });
      };
      context.write({ records: written, done });
    }
  }

  // Expiry.

  expireNowAndThen(): void {
    const { context } = this.#options;
    context.startTimer("expire", context.config.offsetsRetentionCheckIntervalMs, () => {
      this.expire();
      this.expireNowAndThen();
    });
  }

  /** Deletes offsets that nobody has used for long, and groups that have nothing left. */
  expire(): void {
    const { offsets, classic, consumer } = this.#options;
    const groupIds = new Set(offsets.groups());
    for (const { groupId } of classic.all) groupIds.add(groupId);
    for (const { groupId } of consumer.all) groupIds.add(groupId);
    this.#expireSome(groupIds.values());
  }

  /** Goes on in a while where there are many: others wait meanwhile. */
  #expireSome(groupIds: Iterator<string>): void {
    let left = LOOKED_AT_MAX;
    while (left > 0) {
      const next = groupIds.next();
      if (next.done === true) return;
      left -= 1 + TOMBSTONE_WEIGHT * this.#expireGroup(next.value);
    }
    this.#options.context.startTimer("expire on", EXPIRE_ON_MS, () => this.#expireSome(groupIds));
  }

  /** Returns how many offsets it has deleted. */
  #expireGroup(groupId: string): number {
    const { context, offsets, classic, consumer, metrics } = this.#options;
    const records = this.#expired(groupId);
    metrics.offsetExpirations.add(records.length);
    const kept = offsetsIn(offsets, groupId) - records.length;
    const group = classic.get(groupId);
    const isUnused = (group === undefined || group.state === "Empty" && group.isUnused) &&
      (consumer.get(groupId)?.members.size ?? 0) === 0;
    if (isUnused && kept === 0 && !offsets.hasPending(groupId)) {
      this.#deleteGroup(groupId, records, () => {});
    } else {
      // What cannot be written now is found again.
      for (const chunk of chunked(records, context.writeBytesMax)) this.#writeUnlessRefused(chunk);
    }
    return records.length;
  }

  #expired(groupId: string): OffsetCommitRecord[] {
    const { context, offsets, classic, consumer } = this.#options;
    const since = expiresSince(classic.get(groupId));
    if (since === undefined) return [];
    const now = context.now();
    const retentionMs = context.config.offsetsRetentionMinutes * MINUTE_MS;
    const group = classic.get(groupId);
    const consumers = consumer.get(groupId);
    const records: OffsetCommitRecord[] = [];
    for (const [topic, partitions] of offsets.ofGroup(groupId)) {
      if (group !== undefined && group.state !== "Empty" && group.isSubscribedTo(topic)) continue;
      if (consumers?.isSubscribedTo(topic) === true) continue;
      for (const [partition, offset] of partitions) {
        const isOld = offset.expireTimestamp !== -1
          ? now >= offset.expireTimestamp
          : now - since(offset) >= retentionMs;
        if (!isOld || offsets.hasPending(groupId, topic, partition)) continue;
        records.push(offsetCommitRecord(groupId, topic, partition, null));
      }
    }
    return records;
  }
}

/** From when on a group's offsets grow old; undefined while they do not (KIP-211). */
function expiresSince(
  group: ClassicGroup | undefined,
): ((offset: StoredOffset) => number) | undefined {
  const committed = ({ commitTimestamp }: StoredOffset) => commitTimestamp;
  if (group === undefined || group.protocolType === null) return committed;
  if (group.state === "Empty") {
    const { stateTimestamp } = group;
    return stateTimestamp === -1 ? committed : () => stateTimestamp;
  }
  return group.state === "Stable" && group.isConsumers && group.knowsSubscription
    ? committed
    : undefined;
}

/** Tombstones in parts that are small enough to be written. */
function chunked(
  records: readonly OffsetCommitRecord[],
  writeBytesMax: number,
): OffsetCommitRecord[][] {
  const chunks: OffsetCommitRecord[][] = [];
  const bytesMax = Math.min(TOMBSTONE_BYTES_MAX, writeBytesMax) - BATCH_HEADER_BYTES;
  let bytes = Infinity;
  for (const record of records) {
    const { group, topic } = record.key;
    const more = 3 * (group.length + topic.length) + 64;
    if (bytes + more > bytesMax) {
      chunks.push([]);
      bytes = 0;
    }
    bytes += more;
    chunks.at(-1)?.push(record);
  }
  return chunks;
}

function offsetsIn(offsets: OffsetStore, groupId: string): number {
  let count = 0;
  for (const partitions of offsets.ofGroup(groupId).values()) count += partitions.size;
  return count;
}

function listedGroup(
  groupId: string,
  protocolType: string,
  groupState: string,
  groupType: string,
): ListedGroup {
  return { groupId, protocolType, groupState, groupType };
}

function describeClassic(group: ClassicGroup): DescribedGroup {
  const isStable = group.state === "Stable";
  return {
    ...describeNone(group.groupId, true),
    groupState: group.state,
    protocolType: group.protocolType ?? "",
    protocolData: isStable ? group.protocolName ?? "" : "",
    members: [...group.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? member.metadata(group.protocolName) : NO_BYTES,
      memberAssignment: isStable ? member.assignment : NO_BYTES,
    })),
  };
}

/** A group without members: one that has offsets, or none at all. */
function describeNone(groupId: string, exists: boolean): DescribedGroup {
  return {
    errorCode: exists ? ErrorCode.NONE : ErrorCode.GROUP_ID_NOT_FOUND,
    errorMessage: exists ? null : `Group ${groupId} not found`,
    groupId,
    groupState: exists ? "Empty" : "Dead",
    protocolType: "",
    protocolData: "",
    members: [],
    authorizedOperations: OPERATIONS_NOT_ASKED,
  };
}
