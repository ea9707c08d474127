/**
 * The coordinator of the groups of one partition of `__consumer_offsets`: takes each request to the
 * part of it that knows, and sees to it that the answer leaves when it may.
 *
 * Owns nothing but that order. Groups of the classic protocol are in classic_groups.ts, those of
 * the consumer protocol in consumer_groups.ts, committed offsets in offset_store.ts; what outlasts
 * the coordinator is the fold of its records.
 *
 * @module
 */

import { ErrorCode } from "../../../net/messages/errors.ts";
import type { ImageChange, TopicImage } from "../../controller/cluster_image.ts";
import type { VerifyTransaction } from "../../partition/verification.ts";
import type { Ref } from "../../runtime/ref.ts";
import { OFFSETS_TOPIC } from "../internal_topics.ts";
import type {
  CoordinatorContext,
  CoordinatorKind,
  CoordinatorMachine,
  Replayed,
  ReplayedMarker,
} from "../machine.ts";
import { ClassicGroup } from "./classic_group.ts";
import { ClassicGroups } from "./classic_groups.ts";
import { failedJoin } from "./classic_member.ts";
import type { ConsumerGroup } from "./consumer_group.ts";
import { ConsumerGroups } from "./consumer_groups.ts";
import { failedHeartbeat } from "./consumer_heartbeat.ts";
import { GroupAdmin } from "./group_admin.ts";
import { GroupMetrics } from "./group_metrics.ts";
import { GroupMetadataStore } from "./group_metadata_store.ts";
import {
  checkClassicCommit,
  checkConsumerCommit,
  checkConsumerFetch,
  committedTopics,
  fetchOffsets,
  memberOf,
  prepareCommit,
  refusedCommit,
  withIds,
} from "./offset_commits.ts";
import { OffsetStore } from "./offset_store.ts";
import { TransactionalCommits } from "./transactional_commits.ts";
import { GROUP_CODEC, groupMetadataRecord, type GroupRecord } from "./records.ts";
import {
  type Answer,
  type CompleteTransaction,
  type ConsumerGroupHeartbeat,
  type GroupRequest,
  type JoinGroup,
  type LeaveGroup,
  type OffsetCommit,
  type OffsetFetch,
  refuseGroupRequest,
  type SyncGroup,
  type TxnOffsetCommit,
} from "./requests.ts";

/** The kind of coordinator that groups have; transactions are taken on trust without a verifier. */
export function groupCoordinatorKind(
  verifier?: Ref<VerifyTransaction>,
): CoordinatorKind<GroupRequest, GroupRecord> {
  return {
    name: "group",
    topic: OFFSETS_TOPIC,
    codec: GROUP_CODEC,
    make: (context) => new GroupCoordinator(context, verifier),
    refuse: refuseGroupRequest,
  };
}

/** OffsetCommit says that there is no such group. */
const TELLS_OF_GROUPS = 9;

export class GroupCoordinator implements CoordinatorMachine<GroupRequest, GroupRecord> {
  readonly #context: CoordinatorContext<GroupRecord>;
  readonly offsets = new OffsetStore();
  readonly metadata = new GroupMetadataStore();
  readonly classic: ClassicGroups;
  readonly consumer: ConsumerGroups;
  readonly #admin: GroupAdmin;
  readonly #metrics: GroupMetrics;
  readonly #transactional: TransactionalCommits;

  constructor(
    context: CoordinatorContext<GroupRecord>,
    verifier?: Ref<VerifyTransaction>,
  ) {
    this.#context = context;
    this.#transactional = new TransactionalCommits({
      context,
      verifier,
      isOpen: (producerId) => this.offsets.hasTransaction(producerId),
      commit: (request) => this.#commitInTransaction(request),
    });
    const metrics = new GroupMetrics(context.environment.metrics);
    this.#metrics = metrics;
    this.classic = new ClassicGroups(context, metrics, this.metadata);
    this.consumer = new ConsumerGroups(context, metrics);
    const { offsets, metadata, classic, consumer } = this;
    this.#admin = new GroupAdmin({ context, metrics, offsets, metadata, classic, consumer });
  }

  replay(record: GroupRecord, at: Replayed): void {
    if (at.producerId >= 0) this.#transactional.replayed(at.producerId, at.producerEpoch);
    switch (record.kind) {
      case "OffsetCommit":
        return this.offsets.replay(record, at);
      case "GroupMetadata":
        return this.metadata.replay(record, at);
      default:
        return this.consumer.replay(record, at);
    }
  }

  replayMarker(marker: ReplayedMarker): void {
    this.offsets.replayMarker(marker);
    this.#transactional.marked(marker.producerId);
  }

  loaded(): void {
    for (const [groupId, value] of this.metadata.all) {
      this.classic.load(ClassicGroup.of(groupId, value));
    }
    this.consumer.loaded();
    this.#admin.expireNowAndThen();
  }

  unloaded(): void {
    this.classic.unload();
    this.#transactional.end();
  }

  metadataChanged(changes: readonly ImageChange[]): void {
    this.consumer.metadataChanged(changes);
    const removed: TopicImage[] = [];
    for (const change of changes) if (change.kind === "topic-removed") removed.push(change.topic);
    if (removed.length > 0) this.#admin.topicsRemoved(removed);
  }

  handle(request: GroupRequest): void {
    switch (request.kind) {
      case "join-group":
        return this.#join(request);
      case "sync-group":
        return this.#sync(request);
      case "heartbeat": {
        const errorCode = this.classic.heartbeat(request.request);
        return responder(request.replyTo)({ throttleTimeMs: 0, errorCode });
      }
      case "leave-group":
        return this.#leave(request);
      case "offset-commit":
        return this.#commit(request);
      case "offset-fetch":
        return this.#fetch(request);
      case "txn-offset-commit":
        return this.#transactional.commit(request);
      case "complete-transaction":
        return this.#completeTransaction(request);
      case "consumer-group-heartbeat":
        return this.#consumerHeartbeat(request);
      case "offset-delete":
      case "describe-group":
      case "describe-consumer-group":
      case "delete-group":
      case "list-groups":
        return this.#admin.handle(request);
    }
  }

  // Membership.

  /** An empty group takes whichever protocol its first member speaks. */
  #join({ request, client, replyTo }: JoinGroup): void {
    const { groupId, memberId } = request;
    const other = this.consumer.get(groupId);
    if (other !== undefined && other.members.size > 0) {
      return responder(replyTo)(failedJoin(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, memberId));
    }
    this.classic.join(request, client, responder(replyTo));
    if (other === undefined || this.classic.get(groupId) === undefined) return;
    // Where that cannot be written, both may be read: the one that is empty gives way again.
    this.#context.write({ records: other.tombstones(), done: () => {} });
  }

  #sync({ request, replyTo }: SyncGroup): void {
    this.#settleProtocol(request.groupId);
    this.classic.sync(request, responder(replyTo));
  }

  /**
   * Members of the classic protocol may have come when the last of the other had gone: where that
   * could not be written the group is not theirs, and nothing of it was assigned to them yet.
   */
  #settleProtocol(groupId: string): void {
    const isConsumers = (this.consumer.get(groupId)?.members.size ?? 0) > 0;
    if (isConsumers) this.classic.dissolve(groupId);
  }

  /**
   * The group where it is one of the consumer protocol: an empty one gives way to a classic one.
   */
  #consumerGroup(groupId: string): ConsumerGroup | undefined {
    const group = this.consumer.get(groupId);
    const isUsed = group !== undefined && group.members.size > 0;
    return isUsed || this.classic.get(groupId) === undefined ? group : undefined;
  }

  #consumerHeartbeat({ request, client, replyTo }: ConsumerGroupHeartbeat): void {
    const { groupId } = request;
    const respond = responder(replyTo);
    this.#settleProtocol(groupId);
    const other = this.classic.get(groupId);
    if (other !== undefined && other.state !== "Empty") {
      const reason = `Group ${groupId} has members of the classic protocol`;
      return respond(failedHeartbeat(ErrorCode.GROUP_ID_NOT_FOUND, reason));
    }
    const making = request.memberEpoch === 0 && this.metadata.has(groupId)
      ? [groupMetadataRecord(groupId, null)]
      : [];
    let removed: ClassicGroup | undefined;
    const accepted = () => void (removed = this.classic.remove(groupId));
    this.consumer.heartbeat(request, client, making, accepted, (response) => {
      if (response.errorCode !== ErrorCode.NONE && removed !== undefined) {
        this.classic.restore(removed);
      }
      respond(response);
    });
  }

  #leave({ request, replyTo }: LeaveGroup): void {
    const { groupId, members } = request;
    const errors = this.classic.leave(groupId, members);
    responder(replyTo)({
      throttleTimeMs: 0,
      errorCode: ErrorCode.NONE,
      members: members.map(({ memberId, groupInstanceId }, index) => ({
        memberId,
        groupInstanceId,
        errorCode: errors[index] as ErrorCode,
      })),
    });
  }

  // Offsets.

  /** The group, or an empty one in its place where it has nothing but offsets. */
  #classicGroup(groupId: string): ClassicGroup | undefined {
    return this.classic.get(groupId) ??
      (this.offsets.hasGroup(groupId) ? new ClassicGroup(groupId, -1) : undefined);
  }

  #commit({ request, version, replyTo }: OffsetCommit): void {
    const { groupId, topics, retentionTimeMs } = request;
    const respond = responder(replyTo);
    const error = this.#checkCommit(request, version);
    if (error !== ErrorCode.NONE) {
      return respond({ throttleTimeMs: 0, topics: withIds(refusedCommit(topics, error)) });
    }
    const group = this.classic.get(groupId);
    if (group !== undefined) this.classic.committed(group, request.memberId);
    const prepared = prepareCommit(this.#context, groupId, topics, retentionTimeMs);
    this.#metrics.offsetCommits.add(prepared.records.length);
    this.#context.write({
      records: prepared.records,
      done: (failure) =>
        respond({
          throttleTimeMs: 0,
          topics: withIds(committedTopics(prepared.topics, failure)),
        }),
    });
  }

  #checkCommit(request: OffsetCommit["request"], version: number): ErrorCode {
    const members = this.#consumerGroup(request.groupId);
    if (members !== undefined) {
      const isOld = version < TELLS_OF_GROUPS;
      return checkConsumerCommit(members, memberOf(request), isOld, false);
    }
    const group = this.#classicGroup(request.groupId);
    if (group !== undefined) return checkClassicCommit(group, memberOf(request), false);
    if (request.generationIdOrMemberEpoch < 0) return ErrorCode.NONE;
    return version >= TELLS_OF_GROUPS ? ErrorCode.GROUP_ID_NOT_FOUND : ErrorCode.ILLEGAL_GENERATION;
  }

  #fetch({ request, requireStable, replyTo }: OffsetFetch): void {
    const { groupId, memberId, memberEpoch } = request;
    const members = this.#consumerGroup(groupId);
    if (members !== undefined && (memberId !== null || memberEpoch >= 0)) {
      const errorCode = checkConsumerFetch(members, memberId, memberEpoch);
      if (errorCode !== ErrorCode.NONE) {
        return responder(replyTo)({ groupId, topics: [], errorCode });
      }
    }
    const topics = withIds(fetchOffsets(this.offsets, request, requireStable));
    this.#context.write({
      records: [],
      done: (error) => {
        if (error !== ErrorCode.NONE) return void replyTo.tell({ kind: "refused", error });
        responder(replyTo)({ groupId, topics, errorCode: ErrorCode.NONE });
      },
    });
  }

  #commitInTransaction({ request, replyTo }: TxnOffsetCommit): void {
    const { groupId, producerId, producerEpoch, topics } = request;
    const respond = responder(replyTo);
    const error = this.#checkTransactionalCommit(request);
    if (error !== ErrorCode.NONE) {
      return respond({ throttleTimeMs: 0, topics: refusedCommit(topics, error) });
    }
    const prepared = prepareCommit(this.#context, groupId, topics, -1);
    this.#metrics.offsetCommits.add(prepared.records.length);
    this.#context.write({
      records: prepared.records,
      producer: { producerId, producerEpoch },
      done: (failure) =>
        respond({ throttleTimeMs: 0, topics: committedTopics(prepared.topics, failure) }),
    });
  }

  #checkTransactionalCommit(request: TxnOffsetCommit["request"]): ErrorCode {
    const members = this.#consumerGroup(request.groupId);
    if (members !== undefined) return checkConsumerCommit(members, request, false, true);
    const group = this.#classicGroup(request.groupId);
    if (group !== undefined) return checkClassicCommit(group, request, true);
    return request.generationId < 0 ? ErrorCode.NONE : ErrorCode.ILLEGAL_GENERATION;
  }

  #completeTransaction(request: CompleteTransaction): void {
    const { producerId, producerEpoch, outcome, coordinatorEpoch, replyTo } = request;
    if (this.#transactional.isLate(request)) {
      const done = (errorCode: ErrorCode) => responder(replyTo)({ errorCode });
      return this.#context.write({ records: [], done });
    }
    this.#context.writeMarker({
      producer: { producerId, producerEpoch },
      outcome,
      coordinatorEpoch,
      done: (errorCode) => responder(replyTo)({ errorCode }),
    });
  }
}

function responder<Response>(replyTo: Ref<Answer<Response>>): (response: Response) => void {
  return (response) => void replyTo.tell({ kind: "response", response });
}
