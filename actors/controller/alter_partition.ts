/**
 * AlterPartition: the leader of a partition asks for another ISR (KIP-497, KIP-841, KIP-903).
 *
 * The order of the checks is Kafka's, and matters: each answer tells the leader something else to
 * do. What it knows better than this controller is never taken for an error of its own.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AlterPartitionRequest,
  AlterPartitionResponse,
  PartitionData,
  ResponsePartitionData,
} from "../../net/messages/alter_partition.ts";
import { currentBroker } from "./brokers.ts";
import type { TopicImage } from "./cluster_image.ts";
import type { ProposedMember } from "./controller_rules.ts";
import { type Decision, type DecisionContext, orRefuse, Refusal } from "./decision.ts";
import { electionTerms, partitionChange } from "./leaderships.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import {
  changedPartition,
  LEADER_RECOVERY_STATE,
  noChange,
  type PartitionImage,
} from "./partition_image.ts";

/** AlterPartition: each partition by itself. */
export function alterPartition(
  context: DecisionContext,
  request: AlterPartitionRequest,
): Decision<AlterPartitionResponse> {
  const { brokerId, brokerEpoch } = request;
  return orRefuse<Decision<AlterPartitionResponse>>(() => {
    currentBroker(context, brokerId, brokerEpoch);
    const records: MetadataRecord[] = [];
    const changed = new Set<string>();
    const topics = request.topics.map(({ topicName, topicId, partitions }) => ({
      topicName,
      topicId,
      partitions: partitions.map((data) =>
        orRefuse(() => {
          const topic = context.image.topicById(topicId);
          if (topic === undefined) {
            throw new Refusal(ErrorCode.UNKNOWN_TOPIC_ID, `There is no topic with id ${topicId}`);
          }
          const key = `${topicId} ${data.partitionIndex}`;
          if (changed.has(key)) {
            throw new Refusal(ErrorCode.INVALID_REQUEST, "The partition is named twice");
          }
          const change = alterOne(context, topic, brokerId, data);
          if (change.records.length > 0) changed.add(key);
          records.push(...change.records);
          return change.response;
        }, ({ code }) => refusedPartition(data.partitionIndex, code))
      ),
    }));
    return { records, response: { throttleTimeMs: 0, errorCode: ErrorCode.NONE, topics } };
  }, ({ code }) => ({
    records: [],
    // A broker that is not registered any more has no epoch at all: Kafka's answer for both.
    response: {
      throttleTimeMs: 0,
      errorCode: code === ErrorCode.BROKER_ID_NOT_REGISTERED ? ErrorCode.STALE_BROKER_EPOCH : code,
      topics: [],
    },
  }));
}

function alterOne(
  context: DecisionContext,
  topic: TopicImage,
  brokerId: NodeId,
  data: PartitionData,
): Decision<ResponsePartitionData> {
  const { partitionIndex, leaderRecoveryState } = data;
  const before = topic.partitions[partitionIndex];
  if (before === undefined) {
    throw new Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "There is no such partition");
  }
  const members = membersOf(data);
  checkEpochs(context, before, brokerId, data);
  checkProposal(before, brokerId, members, leaderRecoveryState);
  for (const member of members) {
    const broker = context.image.brokers.get(member.brokerId);
    if (!context.rules.mayBeInSync(broker, member, before.isr)) {
      throw new Refusal(
        ErrorCode.INELIGIBLE_REPLICA,
        `Broker ${member.brokerId} may not be in the ISR`,
      );
    }
  }
  const isr = members.map((member) => member.brokerId);
  const terms = electionTerms(context, topic.name);
  const changes = partitionChange(topic, partitionIndex, { isr, leaderRecoveryState }, terms);
  // Its leader takes back what it proposed before: no copy of that may be accepted any more.
  const records = changes.length > 0 ? changes : [newEpoch(topic, partitionIndex, before)];
  const after = replayed(before, records);
  if (after.leader !== brokerId) {
    // The change was made: it has completed a reassignment, which moved the leader.
    return { records, response: refusedPartition(partitionIndex, ErrorCode.NEW_LEADER_ELECTED) };
  }
  return {
    records,
    response: {
      partitionIndex,
      errorCode: ErrorCode.NONE,
      leaderId: after.leader,
      leaderEpoch: after.leaderEpoch,
      isr: after.isr,
      leaderRecoveryState: after.leaderRecoveryState,
      partitionEpoch: after.partitionEpoch,
    },
  };
}

/** Whether the proposal is one of the present leader, who knows the partition as it is. */
function checkEpochs(
  { rules }: DecisionContext,
  partition: PartitionImage,
  brokerId: NodeId,
  { leaderEpoch, partitionEpoch }: PartitionData,
): void {
  if (rules.isFromTheFuture(partition, { leaderEpoch, partitionEpoch })) {
    throw new Refusal(ErrorCode.NOT_CONTROLLER, "The partition was changed by a later controller");
  }
  if (!rules.isLeaderEpochCurrent(partition, leaderEpoch)) {
    throw new Refusal(ErrorCode.FENCED_LEADER_EPOCH, `The leader epoch ${leaderEpoch} is over`);
  }
  if (!rules.isLedBy(partition, brokerId)) {
    throw new Refusal(ErrorCode.INVALID_REQUEST, `Broker ${brokerId} does not lead the partition`);
  }
  if (!rules.isPartitionEpochCurrent(partition, partitionEpoch)) {
    throw new Refusal(
      ErrorCode.INVALID_UPDATE_VERSION,
      `The partition epoch is ${partition.partitionEpoch}, not ${partitionEpoch}`,
    );
  }
}

/** Whether the proposal makes sense in itself. */
function checkProposal(
  { replicas, leaderRecoveryState }: PartitionImage,
  leader: NodeId,
  members: readonly ProposedMember[],
  proposedState: number,
): void {
  const refuse = (reason: string) => {
    throw new Refusal(ErrorCode.INVALID_REQUEST, `The ISR ${reason}`);
  };
  const isr = new Set(members.map(({ brokerId }) => brokerId));
  if (isr.size < members.length) refuse("names a replica twice");
  if (![...isr].every((id) => replicas.includes(id))) refuse("is not part of the replicas");
  if (!isr.has(leader)) refuse("lacks the leader");
  const { recovered, recovering } = LEADER_RECOVERY_STATE;
  if (proposedState !== recovered && proposedState !== recovering) {
    refuse(`has the recovery state ${proposedState}, which is unknown`);
  }
  if (proposedState === recovering && isr.size > 1) refuse("is larger than a recovering leader");
  if (proposedState === recovering && leaderRecoveryState === recovered) {
    refuse("has a leader that has recovered before");
  }
}

/** Before version 3 a proposal says nothing of broker epochs: nobody can join by it. */
function membersOf({ newIsr, newIsrWithEpochs }: PartitionData): readonly ProposedMember[] {
  if (newIsrWithEpochs.length > 0) return newIsrWithEpochs;
  return newIsr.map((brokerId) => ({ brokerId, brokerEpoch: -1 }));
}

/** Changes nothing but the partition epoch. */
function newEpoch(
  { id }: TopicImage,
  partition: number,
  { isr }: PartitionImage,
): MetadataRecord {
  return { kind: "PartitionChangeRecord", value: { ...noChange(id, partition), isr } };
}

function replayed(before: PartitionImage, records: readonly MetadataRecord[]): PartitionImage {
  const [record] = records;
  return record?.kind === "PartitionChangeRecord" ? changedPartition(before, record.value) : before;
}

function refusedPartition(partitionIndex: number, errorCode: ErrorCode): ResponsePartitionData {
  return {
    partitionIndex,
    errorCode,
    leaderId: 0,
    leaderEpoch: 0,
    isr: [],
    leaderRecoveryState: LEADER_RECOVERY_STATE.recovered,
    partitionEpoch: 0,
  };
}
