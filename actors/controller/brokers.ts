/**
 * The controller's decisions on brokers: registration, and the producer ids they hand out.
 *
 * @module
 */

import type { NodeId, Offset, ProducerId, Uuid } from "../../storage/bytes/ids.ts";
import type { BrokerEndPoint } from "./cluster_image.ts";
import type { Decision, DecisionContext } from "./decision.ts";
import type { MetadataRecord } from "./metadata_record.ts";

export interface BrokerRegistration {
  readonly brokerId: NodeId;
  /** Drawn anew by each process: tells a restarted broker from the one before. */
  readonly incarnationId: Uuid;
  readonly endPoints: readonly BrokerEndPoint[];
  readonly rack: string | null;
  readonly logDirs: readonly Uuid[];
  /** Whether the broker's logs are just as it closed them. */
  readonly cleanShutdown: boolean;
}

export interface BrokerRegistered {
  readonly brokerEpoch: Offset;
}

/**
 * Registers a broker under the epoch `nextOffset`, the offset of its registration record. A broker
 * that lost what it had not flushed gets new leader epochs for all that it leads, so that an offset
 * and its epoch never name two records.
 */
export function registerBroker(
  { image }: DecisionContext,
  registration: BrokerRegistration,
  nextOffset: Offset,
): Decision<BrokerRegistered> {
  const { brokerId, incarnationId, endPoints, rack, logDirs } = registration;
  const records: MetadataRecord[] = [{
    kind: "RegisterBrokerRecord",
    value: {
      brokerId,
      isMigratingZkBroker: false,
      incarnationId,
      brokerEpoch: nextOffset,
      endPoints: endPoints.map((endPoint) => ({ ...endPoint, securityProtocol: 0 })),
      features: [],
      rack,
      fenced: false,
      inControlledShutdown: false,
      logDirs,
    },
  }];
  if (!registration.cleanShutdown) {
    for (const topic of image.topics.values()) {
      topic.partitions.forEach((partition, partitionId) => {
        if (partition.leader !== brokerId) return;
        records.push(leaderAgain(topic.id, partitionId, brokerId));
      });
    }
  }
  return { records, response: { brokerEpoch: nextOffset } };
}

/** The same leader in a new epoch. */
function leaderAgain(topicId: Uuid, partitionId: number, leader: NodeId): MetadataRecord {
  return {
    kind: "PartitionChangeRecord",
    value: {
      partitionId,
      topicId,
      isr: null,
      leader,
      replicas: null,
      removingReplicas: null,
      addingReplicas: null,
      leaderRecoveryState: -1,
      directories: null,
      eligibleLeaderReplicas: null,
      lastKnownElr: null,
    },
  };
}

/** Producer ids that a broker gets at once. */
export const PRODUCER_ID_BLOCK = 1000;

export interface ProducerIdBlock {
  readonly first: ProducerId;
  readonly count: number;
}

/** AllocateProducerIds: the next block, never given again. */
export function allocateProducerIds(
  { image }: DecisionContext,
  brokerId: NodeId,
  brokerEpoch: Offset,
): Decision<ProducerIdBlock> {
  const first = image.nextProducerId;
  return {
    records: [{
      kind: "ProducerIdsRecord",
      value: { brokerId, brokerEpoch, nextProducerId: first + PRODUCER_ID_BLOCK },
    }],
    response: { first, count: PRODUCER_ID_BLOCK },
  };
}
