/**
 * What the sessions of one event loop share: the metadata, where partitions are, whom to ask.
 *
 * Everything here is of this event loop: the image is the loop's own fold of the metadata log, and
 * partitions are known by refs.
 *
 * @module
 */

import type { NodeId, Offset, Uuid } from "../../storage/bytes/ids.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { ClusterImage } from "../controller/cluster_image.ts";
import type { ControllerRequest, Decide } from "../controller/messages.ts";
import type { CoordinatorDirectory } from "../coordinator/coordinators.ts";
import type { InternalTopicsRequest } from "../coordinator/internal_topics.ts";
import type { PartitionRequest } from "../partition/messages.ts";
import type { Environment } from "../runtime/environment.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Authorizer, QuotaHook } from "./sessions/access.ts";
import type { ServedApis } from "./apis/table.ts";
import type { BrokerRequest } from "./broker_actor.ts";
import type { BrokerMetrics } from "./broker_metrics.ts";
import type { SessionBudgets } from "./sessions/budget.ts";
import type { FetchSessions } from "./fetching/fetch_sessions.ts";
import type { ProducerIdsRequest } from "./transactions/producer_ids.ts";
import type { ReplicationQuotas } from "./replicas/replication_quota.ts";
import type { TransactionsRequest } from "./transactions/transactions.ts";

export interface BrokerServices {
  readonly nodeId: NodeId;
  readonly clusterId: Uuid;
  readonly environment: Environment;
  /** As it stands now: what is set live counts. */
  readonly config: BrokerConfig;
  readonly apis: ServedApis;
  readonly image: ClusterImage;
  /** Up to where of the metadata log the image has come. */
  readonly metadataEndOffset: Offset;
  readonly partitions: PartitionDirectory;
  /** Has the active controller decide, wherever that is. */
  readonly controller: Ref<Decide>;
  /** The controller of this node. */
  readonly quorum: Ref<ControllerRequest>;
  readonly broker: Ref<BrokerRequest>;
  readonly producerIds: Ref<ProducerIdsRequest>;
  /** Of groups and of transactions: those that are here. */
  readonly coordinators: CoordinatorDirectory;
  /** Makes the topics that coordinators live on. */
  readonly internalTopics: Ref<InternalTopicsRequest>;
  /** Writes markers wherever partitions are, and asks coordinators about transactions. */
  readonly transactions: Ref<TransactionsRequest>;
  /** Where the records of reads are put; whoever sends them gives the buffers back. */
  readonly buffers: BufferPool;
  readonly authorizer: Authorizer;
  readonly quota: QuotaHook;
  readonly budgets: SessionBudgets;
  readonly fetchSessions: FetchSessions;
  readonly replicationQuotas: ReplicationQuotas;
  readonly metrics: BrokerMetrics;
}

/** A replica that failed: it serves again when the node has restarted and its log recovered. */
export const OFFLINE = "offline";

type HeldPartition = Ref<PartitionRequest> | typeof OFFLINE | undefined;

/** The partitions that this node holds a replica of. */
export class PartitionDirectory {
  readonly #topics = new Map<Uuid, HeldPartition[]>();

  /** Undefined where this node holds no replica. */
  find(topicId: Uuid, partition: number): HeldPartition {
    return this.#topics.get(topicId)?.[partition];
  }

  set(topicId: Uuid, partition: number, held: Ref<PartitionRequest> | typeof OFFLINE): void {
    let all = this.#topics.get(topicId);
    if (all === undefined) {
      all = [];
      this.#topics.set(topicId, all);
    }
    all[partition] = held;
  }

  remove(topicId: Uuid, partition: number): void {
    const all = this.#topics.get(topicId);
    if (all === undefined) return;
    all[partition] = undefined;
    if (all.every((held) => held === undefined)) this.#topics.delete(topicId);
  }

  /** The refs of a topic's partitions that are held here and serve. */
  ofTopic(topicId: Uuid): readonly Ref<PartitionRequest>[] {
    const all = this.#topics.get(topicId) ?? [];
    return all.filter((held) => held !== undefined && held !== OFFLINE);
  }
}

/** Where a broker is reached under one of its listeners; undefined when it has no such listener. */
export function endPointOf(
  image: ClusterImage,
  nodeId: NodeId,
  listener: string,
): SocketAddress | undefined {
  return image.brokers.get(nodeId)?.endPoints.find(({ name }) => name === listener);
}
