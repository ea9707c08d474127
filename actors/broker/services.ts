/**
 * What the sessions of one event loop share: the metadata, where partitions are, whom to ask.
 *
 * Everything here is of this event loop: the image is the loop's own fold of the metadata log, and
 * partitions are known by refs.
 *
 * @module
 */

import type { NodeId, Uuid } from "../../storage/bytes/ids.ts";
import type { BufferPool } from "../../net/buffer_pool.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { ClusterImage, TopicImage } from "../controller/cluster_image.ts";
import type { ControllerRequest } from "../controller/controller_actor.ts";
import type { PartitionRequest } from "../partition/messages.ts";
import type { Environment } from "../runtime/environment.ts";
import type { Ref } from "../runtime/ref.ts";
import type { Authorizer, QuotaHook } from "./access.ts";
import type { BrokerRequest } from "./broker_actor.ts";

export interface BrokerServices {
  readonly nodeId: NodeId;
  readonly clusterId: Uuid;
  readonly environment: Environment;
  readonly config: BrokerConfig;
  readonly image: ClusterImage;
  readonly partitions: PartitionDirectory;
  readonly controller: Ref<ControllerRequest>;
  readonly broker: Ref<BrokerRequest>;
  /** Where the records of reads are put; whoever sends them gives the buffers back. */
  readonly buffers: BufferPool;
  readonly authorizer: Authorizer;
  readonly quota: QuotaHook;
  readonly requestBudget: RequestBudget;
}

/** The partitions that this node holds a replica of. */
export class PartitionDirectory {
  readonly #topics = new Map<Uuid, (Ref<PartitionRequest> | undefined)[]>();

  find(topicId: Uuid, partition: number): Ref<PartitionRequest> | undefined {
    return this.#topics.get(topicId)?.[partition];
  }

  set(topicId: Uuid, partition: number, ref: Ref<PartitionRequest>): void {
    let refs = this.#topics.get(topicId);
    if (refs === undefined) {
      refs = [];
      this.#topics.set(topicId, refs);
    }
    refs[partition] = ref;
  }

  remove(topicId: Uuid, partition: number): void {
    const refs = this.#topics.get(topicId);
    if (refs === undefined) return;
    refs[partition] = undefined;
    if (refs.every((ref) => ref === undefined)) this.#topics.delete(topicId);
  }

  /** The refs of a topic's partitions that are held here. */
  ofTopic(topicId: Uuid): readonly (Ref<PartitionRequest> | undefined)[] {
    return this.#topics.get(topicId) ?? [];
  }
}

/**
 * The bytes of requests that are being worked on, over all connections (`queued.max.request.bytes`;
 * -1 is no limit). A connection reads no further while they are more than that.
 */
export class RequestBudget {
  readonly #limit: number;
  #held = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit < 0 ? Number.MAX_SAFE_INTEGER : limit;
  }

  get exhausted(): boolean {
    return this.#held > this.#limit;
  }

  take(bytes: number): void {
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
    if (this.exhausted || this.#waiting.size === 0) return;
    const resumed = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of resumed) resume();
  }

  /** Has `resume` called, once, when there is room again. */
  wait(resume: () => void): void {
    this.#waiting.add(resume);
  }

  forget(resume: () => void): void {
    this.#waiting.delete(resume);
  }
}

/** The topic that a request names by id, or, in older versions, by name. */
export function findTopic(
  image: ClusterImage,
  topicId: Uuid | undefined,
  name: string,
): TopicImage | undefined {
  return topicId === undefined ? image.topicByName(name) : image.topicById(topicId);
}

/** Where a broker is reached under one of its listeners; undefined when it has no such listener. */
export function endPointOf(
  image: ClusterImage,
  nodeId: NodeId,
  listener: string,
): SocketAddress | undefined {
  return image.brokers.get(nodeId)?.endPoints.find(({ name }) => name === listener);
}
