/**
 * Elections that are asked for (KIP-183, KIP-460), or due because leadership has drifted away from
 * the preferred replicas.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  ElectLeadersRequest,
  ElectLeadersResponse,
  PartitionResult,
  TopicPartitions,
} from "../../net/messages/elect_leaders.ts";
import { type Decision, type DecisionContext, orRefuse, Refusal } from "./decision.ts";
import { electionTerms, partitionChange } from "./leaderships.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import type { ElectionTerms } from "./partition_change.ts";
import { hasLeader, type PartitionImage } from "./partition_image.ts";

/** What ElectLeaders can ask for. */
const ELECTION_TYPE = { preferred: 0, unclean: 1 } as const;

/** Elections that one look at the balance makes at most. */
const REBALANCED_MAX = 1000;

/** ElectLeaders: in the partitions named, or in all; of all only those are told that needed one. */
export function electLeaders(
  context: DecisionContext,
  request: ElectLeadersRequest,
): Decision<ElectLeadersResponse> {
  const { electionType, topicPartitions } = request;
  const errorCode = electionType === ELECTION_TYPE.preferred ||
      electionType === ELECTION_TYPE.unclean
    ? ErrorCode.NONE
    : ErrorCode.INVALID_REQUEST;
  const records: MetadataRecord[] = [];
  const done = new Set<string>();
  const named = errorCode === ErrorCode.NONE ? topicPartitions ?? allPartitions(context) : [];
  const results = named.map(({ topic, partitions }) => ({
    topic,
    partitionResult: partitions.map((partitionId) =>
      orRefuse<PartitionResult>(() => {
        const key = `${topic} ${partitionId}`;
        if (done.has(key)) {
          throw new Refusal(ErrorCode.ELECTION_NOT_NEEDED, "The partition is named twice");
        }
        done.add(key);
        records.push(...electLeader(context, topic, partitionId, electionType));
        return { partitionId, errorCode: ErrorCode.NONE, errorMessage: null };
      }, ({ code, message }) => ({ partitionId, errorCode: code, errorMessage: message }))
    ),
  }));
  const replicaElectionResults = topicPartitions === null
    ? results.map(({ topic, partitionResult }) => ({
      topic,
      partitionResult: partitionResult.filter((result) =>
        result.errorCode !== ErrorCode.ELECTION_NOT_NEEDED
      ),
    })).filter(({ partitionResult }) => partitionResult.length > 0)
    : results;
  return { records, response: { throttleTimeMs: 0, errorCode, replicaElectionResults } };
}

function allPartitions({ image }: DecisionContext): TopicPartitions[] {
  return [...image.topics.values()].map(({ name, partitions }) => ({
    topic: name,
    partitions: [...partitions.keys()],
  }));
}

function electLeader(
  context: DecisionContext,
  name: string,
  partitionId: number,
  electionType: number,
): MetadataRecord[] {
  const topic = context.image.topicByName(name);
  const partition = topic?.partitions[partitionId];
  if (topic === undefined || partition === undefined) {
    throw new Refusal(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      `There is no partition ${partitionId} of topic ${name}`,
    );
  }
  const isPreferred = electionType === ELECTION_TYPE.preferred;
  if (isPreferred ? partition.leader === partition.replicas[0] : hasLeader(partition)) {
    throw new Refusal(ErrorCode.ELECTION_NOT_NEEDED, "The leader needs no change");
  }
  const terms = electionTerms(context, name, {
    election: isPreferred ? "preferred" : "unclean",
  });
  const records = partitionChange(topic, partitionId, {}, terms);
  if (records.some(electsSomebody)) return records;
  throw isPreferred
    ? new Refusal(
      ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE,
      `The preferred leader ${partition.replicas[0]} is not available`,
    )
    : new Refusal(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "No replica is available");
}

function electsSomebody(record: MetadataRecord): boolean {
  return record.kind === "PartitionChangeRecord" && record.value.leader >= 0;
}

/**
 * Gives leadership back to preferred replicas that are in sync. Whether there may be more to do is
 * in the number of records: at most `REBALANCED_MAX` are made at once.
 */
export function rebalanceLeaders(
  context: DecisionContext,
  max: number = REBALANCED_MAX,
): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  for (const topic of context.image.topics.values()) {
    let terms: ElectionTerms | undefined;
    for (const [partitionId, partition] of topic.partitions.entries()) {
      if (!mayMoveBack(context, partition)) continue;
      if (records.length >= max) return records;
      terms ??= electionTerms(context, topic.name, { election: "preferred" });
      records.push(...partitionChange(topic, partitionId, {}, terms));
    }
  }
  return records;
}

function mayMoveBack({ image, rules }: DecisionContext, partition: PartitionImage): boolean {
  const [preferred = -1] = partition.replicas;
  return hasLeader(partition) && partition.leader !== preferred &&
    partition.isr.includes(preferred) && rules.isActive(image.brokers.get(preferred));
}
