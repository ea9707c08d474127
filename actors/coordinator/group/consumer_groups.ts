/**
 * The consumer groups (KIP-848) of one coordinator: their heartbeats, sessions and time-outs.
 *
 * Owns the groups, each a fold of its records, and the timers, which begin anew when a coordinator
 * does. What a heartbeat comes to is decided in consumer_heartbeat.ts; its answer leaves when the
 * records are committed.
 *
 * @module
 */

import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResponse,
} from "../../../net/messages/consumer_group_heartbeat.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  type ConsumerGroupConfig,
  consumerGroupConfig,
} from "../../config/consumer_group_config.ts";
import type { ImageChange } from "../../controller/cluster_image.ts";
import type { CoordinatorContext, Replayed } from "../machine.ts";
import type { Respond } from "./classic_member.ts";
import { ConsumerGroup } from "./consumer_group.ts";
import {
  decideHeartbeat,
  decideLeaveForAWhile,
  decideRemoval,
  failedHeartbeat,
  HeartbeatRefused,
} from "./consumer_heartbeat.ts";
import {
  type ConsumerMember,
  LEAVE_EPOCH,
  LEAVE_FOR_A_WHILE_EPOCH,
  MEMBER_STATE,
} from "./consumer_member.ts";
import type { ConsumerGroupRecord, GroupRecord } from "./records.ts";
import type { GroupClient } from "./requests.ts";
import type { GroupMetrics } from "./group_metrics.ts";
import { Sessions } from "./sessions.ts";
import type { GroupTerms } from "./target_assignment.ts";
import { InvalidPatternError, TopicPattern } from "./topic_pattern.ts";

/** The first version in which a member draws its id itself (KIP-1082). */
const OWN_MEMBER_IDS = 1;

export class ConsumerGroups {
  readonly #context: CoordinatorContext<GroupRecord>;
  readonly #groups = new Map<string, ConsumerGroup>();
  readonly #metrics: GroupMetrics;
  readonly #sessions: Sessions;

  constructor(context: CoordinatorContext<GroupRecord>, metrics: GroupMetrics) {
    this.#context = context;
    this.#metrics = metrics;
    this.#sessions = new Sessions(context);
  }

  get all(): Iterable<ConsumerGroup> {
    return this.#groups.values();
  }

  get(groupId: string): ConsumerGroup | undefined {
    return this.#groups.get(groupId);
  }

  replay(record: ConsumerGroupRecord, { undo }: Replayed): void {
    const { groupId } = record.key;
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      // Compaction may have left a tombstone of what is gone.
      if (record.value === null) return;
      group = new ConsumerGroup(groupId);
      this.#groups.set(groupId, group);
      undo?.push(() => this.#groups.delete(groupId));
    }
    group.replay(record, undo);
    if (record.kind !== "ConsumerGroupMetadata" || record.value !== null) return;
    const removed = group;
    this.#groups.delete(groupId);
    undo?.push(() => this.#groups.set(groupId, removed));
  }

  /** Everything is replayed: members have the time of a session to be heard of. */
  loaded(): void {
    for (const group of this.#groups.values()) {
      for (const member of group.members.values()) {
        this.#heard(group.groupId, member.memberId);
        this.#watchRevocation(group.groupId, member);
      }
    }
  }

  /** Groups look at their topics again with the next heartbeat. */
  metadataChanged(changes: readonly ImageChange[]): void {
    const names = new Set<string>();
    let isNew = false;
    for (const change of changes) {
      if (change.kind === "topic-created") isNew = true;
      else if (change.kind === "topic-removed") names.add(change.topic.name);
      else if (change.kind === "partition") {
        const topic = this.#context.image.topicById(change.topicId);
        if (topic !== undefined) names.add(topic.name);
      }
    }
    if (names.size === 0 && !isNew) return;
    for (const group of this.#groups.values()) {
      group.needsRefresh ||= isNew || names.values().some((name) => group.isSubscribedTo(name));
    }
  }

  // Heartbeats.

  /**
   * Takes a heartbeat.
   *
   * @param making records that make room for the group: of an empty one of the classic protocol
   * @param accepted called before anything is written, unless the heartbeat is refused
   */
  heartbeat(
    request: ConsumerGroupHeartbeatRequest,
    client: GroupClient,
    making: readonly GroupRecord[],
    accepted: () => void,
    respond: Respond<ConsumerGroupHeartbeatResponse>,
  ): void {
    const { groupId, memberEpoch } = request;
    const refuse = ({ error, message }: HeartbeatRefused) =>
      respond(failedHeartbeat(error, message));
    const fault = this.#check(request, client);
    if (fault !== undefined) return refuse(fault);
    const group = this.#groups.get(groupId) ??
      (memberEpoch === 0 ? new ConsumerGroup(groupId) : undefined);
    if (group === undefined) {
      return refuse(new HeartbeatRefused(ErrorCode.GROUP_ID_NOT_FOUND, `There is no ${groupId}`));
    }
    if (memberEpoch < 0) return this.#leave(group, request, respond);
    const memberId = request.memberId === "" ? this.#drawId() : request.memberId;
    const { groupConsumerMaxSize } = this.#context.config;
    const isKnown = group.members.has(memberId) ||
      request.instanceId !== null && group.staticMember(request.instanceId) !== undefined;
    if (group.members.size >= groupConsumerMaxSize && !isKnown) {
      const reason = `The group has ${groupConsumerMaxSize} members`;
      return refuse(new HeartbeatRefused(ErrorCode.GROUP_MAX_SIZE_REACHED, reason));
    }
    const decided = decideHeartbeat(group, memberId, request, client, this.#terms(groupId));
    if (decided instanceof HeartbeatRefused) return refuse(decided);
    const { records, response, member, isMoved } = decided;
    group.needsRefresh = false;
    accepted();
    if (records.some(({ kind }) => kind === "ConsumerGroupMetadata")) {
      this.#metrics.consumerRebalances.add(1);
    }
    this.#context.write({
      records: [...making, ...records],
      done: (error) => {
        if (error === ErrorCode.NONE) return respond(response);
        group.needsRefresh = true;
        this.#watchAgain(groupId, memberId);
        respond(failedHeartbeat(error, null));
      },
    });
    this.#heard(groupId, memberId);
    if (isMoved) this.#watchRevocation(groupId, member);
  }

  #drawId(): string {
    return this.#context.environment.random.stream("group member ids").uuid();
  }

  #configOf(groupId: string): ConsumerGroupConfig {
    const { image, config } = this.#context;
    return consumerGroupConfig(image.configs(CONFIG_RESOURCE.group, groupId), config);
  }

  #terms(groupId: string): GroupTerms {
    const { image, config } = this.#context;
    return {
      image,
      assignors: config.groupConsumerAssignors,
      heartbeatIntervalMs: this.#configOf(groupId).heartbeatIntervalMs,
      now: this.#context.now(),
    };
  }

  #check(
    request: ConsumerGroupHeartbeatRequest,
    { version }: GroupClient,
  ): HeartbeatRefused | undefined {
    const { memberEpoch, memberId, instanceId, serverAssignor, subscribedTopicRegex } = request;
    const invalid = (reason: string) => new HeartbeatRefused(ErrorCode.INVALID_REQUEST, reason);
    if (request.groupId === "") return invalid("The group id is empty");
    if (instanceId === "") return invalid("The instance id is empty");
    if (request.rackId === "") return invalid("The rack id is empty");
    if (memberEpoch < LEAVE_FOR_A_WHILE_EPOCH) return invalid(`Member epoch ${memberEpoch}`);
    const drawsOwnId = version >= OWN_MEMBER_IDS;
    if (memberId === "" && (memberEpoch !== 0 || drawsOwnId)) {
      return invalid("The member id is empty");
    }
    if (memberEpoch === LEAVE_FOR_A_WHILE_EPOCH && instanceId === null) {
      return invalid("Only a static member leaves for a while");
    }
    if (memberEpoch === 0) {
      const { rebalanceTimeoutMs, topicPartitions, subscribedTopicNames } = request;
      if (rebalanceTimeoutMs === -1) return invalid("Who joins says its rebalance timeout");
      if (topicPartitions === null || topicPartitions.length > 0) {
        return invalid("Who joins has no partitions");
      }
      if ((subscribedTopicNames ?? []).length === 0 && (subscribedTopicRegex ?? "") === "") {
        return invalid("Who joins subscribes to something");
      }
    }
    const { groupConsumerAssignors } = this.#context.config;
    if (serverAssignor !== null && !groupConsumerAssignors.includes(serverAssignor)) {
      const known = groupConsumerAssignors.join(", ");
      return new HeartbeatRefused(
        ErrorCode.UNSUPPORTED_ASSIGNOR,
        `There is no assignor ${serverAssignor}, but ${known}`,
      );
    }
    return checkPattern(subscribedTopicRegex ?? "");
  }

  // Leaving.

  #leave(
    group: ConsumerGroup,
    { memberId, memberEpoch, instanceId }: ConsumerGroupHeartbeatRequest,
    respond: Respond<ConsumerGroupHeartbeatResponse>,
  ): void {
    const member = instanceId === null
      ? group.members.get(memberId)
      : group.staticMember(instanceId);
    if (member === undefined) {
      const reason = `${instanceId ?? memberId} is not a member`;
      return respond(failedHeartbeat(ErrorCode.UNKNOWN_MEMBER_ID, reason));
    }
    if (member.memberId !== memberId) {
      const reason = `Instance ${instanceId} is member ${member.memberId} now`;
      return respond(failedHeartbeat(ErrorCode.FENCED_INSTANCE_ID, reason));
    }
    const left = (error: ErrorCode) =>
      respond({ ...failedHeartbeat(error, null), memberId, memberEpoch });
    if (memberEpoch === LEAVE_EPOCH) return this.#remove(group, member, left);
    this.#context.cancelTimer(revocationKey(group.groupId, memberId));
    this.#context.write({
      records: [decideLeaveForAWhile(group, member)],
      done: (error) => {
        if (error !== ErrorCode.NONE) this.#watchAgain(group.groupId, memberId);
        left(error);
      },
    });
  }

  #remove(group: ConsumerGroup, member: ConsumerMember, done: (error: ErrorCode) => void): void {
    const { groupId } = group;
    const { memberId } = member;
    this.#sessions.forget(sessionKey(groupId, memberId));
    this.#context.cancelTimer(revocationKey(groupId, memberId));
    this.#context.write({
      records: decideRemoval(group, member, this.#terms(groupId)),
      done: (error) => {
        // It is a member still.
        if (error !== ErrorCode.NONE) {
          this.#heard(groupId, memberId);
          this.#watchAgain(groupId, memberId);
        }
        done(error);
      },
    });
  }

  // Time-outs.

  /** The member's session begins anew. */
  #heard(groupId: string, memberId: string): void {
    const { sessionTimeoutMs } = this.#configOf(groupId);
    this.#sessions.heard(sessionKey(groupId, memberId), sessionTimeoutMs, () => {
      const group = this.#groups.get(groupId);
      const member = group?.members.get(memberId);
      if (group !== undefined && member !== undefined) this.#remove(group, member, () => {});
    });
  }

  /** What was to be is not: the member is where it was before. */
  #watchAgain(groupId: string, memberId: string): void {
    const member = this.#groups.get(groupId)?.members.get(memberId);
    if (member !== undefined) this.#watchRevocation(groupId, member);
  }

  /** A member that does not give up in time what it must is out. */
  #watchRevocation(groupId: string, member: ConsumerMember): void {
    const { memberId, memberEpoch, state, rebalanceTimeoutMs } = member;
    const key = revocationKey(groupId, memberId);
    if (state !== MEMBER_STATE.unrevoked) return this.#context.cancelTimer(key);
    this.#context.startTimer(key, Math.max(0, rebalanceTimeoutMs), () => {
      const group = this.#groups.get(groupId);
      const now = group?.members.get(memberId);
      if (group === undefined || now === undefined) return;
      if (now.memberEpoch !== memberEpoch || now.state !== MEMBER_STATE.unrevoked) return;
      this.#remove(group, now, () => {});
    });
  }
}

function checkPattern(pattern: string): HeartbeatRefused | undefined {
  if (pattern === "") return undefined;
  try {
    new TopicPattern(pattern);
    return undefined;
  } catch (error) {
    if (!(error instanceof InvalidPatternError)) throw error;
    return new HeartbeatRefused(ErrorCode.INVALID_REGULAR_EXPRESSION, error.message);
  }
}

function sessionKey(groupId: string, memberId: string): string {
  return `consumer session\0${groupId}\0${memberId}`;
}

function revocationKey(groupId: string, memberId: string): string {
  return `consumer revocation\0${groupId}\0${memberId}`;
}
