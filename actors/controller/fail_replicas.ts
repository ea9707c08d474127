/**
 * FailReplicas: replicas of a broker that lives on have failed.
 *
 * What a replica still has when it comes back is not known: it is in no ISR until it has caught up,
 * and not eligible. The last one that has what is committed stays: it leads again, in a new leader
 * epoch, in which it is well. One that was elected although it may lack records, and has not come
 * to lead before it failed, has no claim to that: nobody leads until an unclean election, which
 * others may win.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  FailReplicasRequest,
  FailReplicasResponse,
} from "../../net/messages/fail_replicas.ts";
import { currentBroker } from "./brokers.ts";
import type { TopicImage } from "./cluster_image.ts";
import { type Decision, type DecisionContext, orRefuse } from "./decision.ts";
import { electionTerms, partitionChange } from "./leaderships.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import {
  changedPartition,
  hasLeader,
  LEADER_RECOVERY_STATE,
  noChange,
  type PartitionImage,
} from "./partition_image.ts";

/** FailReplicas: what is gone, or has another leader epoch by now, is passed over. */
export function failReplicas(
  context: DecisionContext,
  { brokerId, brokerEpoch, topics }: FailReplicasRequest,
): Decision<FailReplicasResponse> {
  return orRefuse<Decision<FailReplicasResponse>>(() => {
    currentBroker(context, brokerId, brokerEpoch);
    const records: MetadataRecord[] = [];
    const done = new Set<string>();
    for (const { topicId, partitions } of topics) {
      const topic = context.image.topicById(topicId);
      for (const { partitionIndex, leaderEpoch } of partitions) {
        const partition = topic?.partitions[partitionIndex];
        const key = `${topicId} ${partitionIndex}`;
        if (topic === undefined || partition === undefined || done.has(key)) continue;
        if (partition.leaderEpoch !== leaderEpoch) continue;
        done.add(key);
        records.push(...failReplica(context, topic, partitionIndex, brokerId));
      }
    }
    return { records, response: { errorCode: ErrorCode.NONE } };
  }, ({ code }) => ({ records: [], response: { errorCode: code } }));
}

function failReplica(
  context: DecisionContext,
  topic: TopicImage,
  partitionId: number,
  brokerId: NodeId,
): MetadataRecord[] {
  const before = topic.partitions[partitionId] as PartitionImage;
  const concerned = [...before.isr, ...before.elr, before.leader].includes(brokerId);
  if (!concerned || !hasLeader(before)) return [];
  const terms = electionTerms(context, topic.name, {
    restartedUncleanly: brokerId,
    election: "online",
  });
  const isr = before.isr.filter((id) => id !== brokerId);
  const records = partitionChange(topic, partitionId, { isr }, terms);
  const [record] = records;
  const after = record?.kind === "PartitionChangeRecord"
    ? changedPartition(before, record.value)
    : before;
  if (hasLeader(after)) return records;
  const isRecovering = before.leaderRecoveryState === LEADER_RECOVERY_STATE.recovering;
  // Without ELR an ISR is never empty: nobody else could be elected.
  if (isRecovering && terms.elrEnabled) {
    return records.map(withoutLastKnown);
  }
  const value = { ...noChange(topic.id, partitionId), leader: before.leader };
  return [{ kind: "PartitionChangeRecord", value }];
}

/** Whoever led last is not to be elected for that. */
function withoutLastKnown(record: MetadataRecord): MetadataRecord {
  if (record.kind !== "PartitionChangeRecord") return record;
  return { ...record, value: { ...record.value, lastKnownElr: null } };
}
