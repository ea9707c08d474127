/**
 * Replicas that have failed on a broker that lives on: how they come back.
 *
 * The controller is told, so that another leads, or in a later leader epoch the same: in the epoch
 * in which it failed a replica never leads again, as it may have lost what it gave out. Once its
 * partition has another leader or epoch it is made again, after a wait that doubles with each
 * failure: for a partition's only replica up to an hour, as nobody can give it what it misses.
 *
 * Owns what is offline, what the controller was told of it, and the waits.
 *
 * @module
 */

import type { Epoch, NodeId, Offset, Uuid } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import {
  FAIL_REPLICAS,
  type FailReplicasRequest,
  type FailReplicasResponse,
} from "../../../net/messages/fail_replicas.ts";
import { type Committed, type Decide, decide } from "../../controller/messages.ts";
import type { ActorContext, AskResult } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";
import type { NewReplica } from "./replica_manager.ts";

export interface OfflineReplicasOptions {
  readonly nodeId: NodeId;
  /** Of this broker's registration; -1 before it. */
  brokerEpoch(): Offset;
  /** Has the active controller decide; absent where there is none. */
  readonly controller?: Ref<Decide> | undefined;
  /** It is time to make a replica again that failed in that epoch; it is not offline any more. */
  respawn(folder: string, replica: NewReplica, failedInEpoch: Epoch): void;
}

export type OfflineReplicasMessage =
  | { readonly kind: "respawn"; readonly folder: string }
  | { readonly kind: "tell-failures" }
  | {
    readonly kind: "failures-told";
    readonly told: readonly OfflineReplica[];
    readonly result: AskResult<Committed<FailReplicasResponse>>;
  };

/** A replica that failed. */
export interface OfflineReplica {
  /** As the metadata say now. */
  replica: NewReplica;
  /** The leader epoch of the life that failed. */
  readonly failedInEpoch: Epoch;
  readonly failures: number;
  /** Whether the controller knows. */
  isTold: boolean;
  isRespawning: boolean;
}

const BACKOFF_MIN_MS = 1000;
const BACKOFF_MAX_MS = 30_000;
const BACKOFF_MAX_ALONE_MS = 3_600_000;

/** A replica that lived for so long before it failed has failed for the first time. */
const LONG_LIFE_MS = 10 * BACKOFF_MAX_MS;

/** The controller has so long to decide. */
const TELL_TIMEOUT_MS = 10_000;

export class OfflineReplicas {
  readonly #context: ActorContext<OfflineReplicasMessage>;
  readonly #options: OfflineReplicasOptions;
  readonly #offline = new Map<string, OfflineReplica>();
  /** How often a replica has failed, and when it was made again last. */
  readonly #failures = new Map<string, { readonly count: number; readonly at: number }>();
  #isTelling = false;
  #isTellPlanned = false;
  #tellFailures = 0;

  constructor(context: ActorContext<OfflineReplicasMessage>, options: OfflineReplicasOptions) {
    this.#context = context;
    this.#options = options;
  }

  get size(): number {
    return this.#offline.size;
  }

  get(folder: string): OfflineReplica | undefined {
    return this.#offline.get(folder);
  }

  /** All that are offline. */
  get all(): Iterable<OfflineReplica> {
    return this.#offline.values();
  }

  /** A replica has failed. */
  add(folder: string, replica: NewReplica): void {
    const before = this.#failures.get(folder);
    const isLate = before !== undefined && this.#now() - before.at > LONG_LIFE_MS;
    const failures = isLate ? 1 : (before?.count ?? 0) + 1;
    const offline = {
      replica,
      failedInEpoch: replica.assignment.leaderEpoch,
      failures,
      isTold: false,
      isRespawning: false,
    };
    this.#offline.set(folder, offline);
    this.#planTell(0);
    this.#maybeRespawn(folder, offline);
  }

  /** The metadata say something new of it. */
  update(folder: string, replica: NewReplica): void {
    const offline = this.#offline.get(folder);
    if (offline === undefined) return;
    offline.replica = replica;
    this.#maybeRespawn(folder, offline);
  }

  /** It is no replica of this broker any more. Gives what it was. */
  delete(folder: string): OfflineReplica | undefined {
    this.#failures.delete(folder);
    const offline = this.#offline.get(folder);
    this.#offline.delete(folder);
    return offline;
  }

  received(message: OfflineReplicasMessage): void {
    switch (message.kind) {
      case "respawn":
        return this.#respawn(message.folder);
      case "tell-failures":
        this.#isTellPlanned = false;
        return this.#tell();
      case "failures-told":
        return this.#told(message.told, message.result);
    }
  }

  #now(): number {
    return this.#context.environment.clock.monotonic();
  }

  #maybeRespawn(folder: string, offline: OfflineReplica): void {
    if (offline.isRespawning || !this.#mayRespawn(offline)) return;
    offline.isRespawning = true;
    const isAlone = offline.replica.assignment.replicas.length === 1;
    const delayMs = backoffMs(offline.failures, isAlone ? BACKOFF_MAX_ALONE_MS : BACKOFF_MAX_MS);
    this.#context.startTimer(`respawn-${folder}`, delayMs, { kind: "respawn", folder });
  }

  #mayRespawn({ replica, failedInEpoch }: OfflineReplica): boolean {
    const { leader, leaderEpoch } = replica.assignment;
    return leaderEpoch > failedInEpoch || leader !== this.#options.nodeId;
  }

  #respawn(folder: string): void {
    const offline = this.#offline.get(folder);
    if (offline === undefined) return;
    offline.isRespawning = false;
    if (!this.#mayRespawn(offline)) return;
    this.#offline.delete(folder);
    this.#failures.set(folder, { count: offline.failures, at: this.#now() });
    this.#options.respawn(folder, offline.replica, offline.failedInEpoch);
  }

  /** What else fails in this turn goes along. */
  #planTell(delayMs: number): void {
    if (this.#isTelling || this.#isTellPlanned || this.#options.controller === undefined) return;
    this.#isTellPlanned = true;
    this.#context.startTimer("tell-failures", delayMs, { kind: "tell-failures" });
  }

  #tell(): void {
    const { controller } = this.#options;
    const told = [...this.#offline.values()].filter(({ isTold, replica, failedInEpoch }) =>
      !isTold && replica.assignment.leaderEpoch === failedInEpoch
    );
    if (told.length === 0 || controller === undefined) return;
    this.#isTelling = true;
    this.#context.ask<Decide, Committed<FailReplicasResponse>>(
      controller,
      TELL_TIMEOUT_MS,
      (replyTo) => decide(FAIL_REPLICAS, this.#request(told), replyTo),
      (result) => ({ kind: "failures-told", told, result }),
    );
  }

  #request(told: readonly OfflineReplica[]): FailReplicasRequest {
    const { nodeId, brokerEpoch } = this.#options;
    const topics = new Map<Uuid, { partitionIndex: number; leaderEpoch: Epoch }[]>();
    for (const { replica, failedInEpoch } of told) {
      const { topicId, partition } = replica;
      const partitions = topics.get(topicId) ?? [];
      topics.set(topicId, partitions);
      partitions.push({ partitionIndex: partition, leaderEpoch: failedInEpoch });
    }
    return {
      brokerId: nodeId,
      brokerEpoch: brokerEpoch(),
      topics: Array.from(topics, ([topicId, partitions]) => ({ topicId, partitions })),
    };
  }

  #told(
    told: readonly OfflineReplica[],
    result: AskResult<Committed<FailReplicasResponse>>,
  ): void {
    this.#isTelling = false;
    const { error, response } = result.kind === "reply" ? result.reply : NO_ANSWER;
    if (error === ErrorCode.NONE && response?.errorCode === ErrorCode.NONE) {
      this.#tellFailures = 0;
      for (const offline of told) offline.isTold = true;
      // What failed meanwhile.
      return this.#planTell(0);
    }
    this.#planTell(backoffMs(++this.#tellFailures));
  }
}

const NO_ANSWER = { error: ErrorCode.REQUEST_TIMED_OUT, response: undefined } as const;

function backoffMs(failures: number, maxMs = BACKOFF_MAX_MS): number {
  return Math.min(maxMs, BACKOFF_MIN_MS * 2 ** Math.min(failures - 1, 20));
}
