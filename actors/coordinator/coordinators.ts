/**
 * The coordinators of this broker: one for each partition of an internal topic that it leads.
 *
 * Owns starting and stopping them as the metadata tell of leaders and leader epochs. A coordinator
 * lives in one leader epoch: what another leader may have written meanwhile is loaded. One that
 * failed is started anew after a while, which is the longer the more often that was of no use.
 *
 * @module
 */

import type { Epoch, NodeId, Uuid } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { BrokerConfig } from "../config/broker_config.ts";
import type { ClusterImage, ImageChange } from "../controller/cluster_image.ts";
import type { PartitionRequest } from "../partition/messages.ts";
import type { Actor, ActorContext, Behaviour } from "../runtime/actor.ts";
import type { Ref } from "../runtime/ref.ts";
import { coordinatorActor, type CoordinatorRequest } from "./coordinator_actor.ts";
import { partitionOfKey } from "./java_hash.ts";
import type { CoordinatorKind } from "./machine.ts";

/** A kind of coordinator whose requests and records are its own affair. */
// deno-lint-ignore no-explicit-any -- a table of kinds holds many request and record types
export type AnyCoordinatorKind = CoordinatorKind<any, any>;

/** Where the coordinators of this broker are: read by sessions, written by one actor. */
export class CoordinatorDirectory {
  readonly #image: Pick<ClusterImage, "topicByName">;
  readonly #nodeId: NodeId;
  readonly #refs = new Map<string, Ref<never>>();

  constructor(nodeId: NodeId, image: Pick<ClusterImage, "topicByName">) {
    this.#nodeId = nodeId;
    this.#image = image;
  }

  /** The partition of a key; undefined while the internal topic is not there. */
  partitionOf(topic: string, key: string): number | undefined {
    const found = this.#image.topicByName(topic);
    return found === undefined || found.partitions.length === 0
      ? undefined
      : partitionOfKey(key, found.partitions.length);
  }

  /** The coordinator of a key, or the error that says why it is not here. */
  find<Request>(topic: string, key: string): Ref<CoordinatorRequest<Request>> | ErrorCode {
    const partition = this.partitionOf(topic, key);
    if (partition === undefined) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    return this.at(topic, partition);
  }

  /** The coordinator of a partition, or the error that says why it is not here. */
  at<Request>(topic: string, partition: number): Ref<CoordinatorRequest<Request>> | ErrorCode {
    const ref = this.#refs.get(placeOf(topic, partition));
    if (ref !== undefined) return ref as Ref<CoordinatorRequest<Request>>;
    const leader = this.#image.topicByName(topic)?.partitions[partition]?.leader;
    // Led here, but not started yet, or failed.
    return leader === this.#nodeId
      ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
      : ErrorCode.NOT_COORDINATOR;
  }

  /** All coordinators on a topic that are here, in the order of partitions. */
  all<Request>(topic: string): Ref<CoordinatorRequest<Request>>[] {
    const partitions = this.#image.topicByName(topic)?.partitions ?? [];
    return partitions.flatMap((_, partition) => {
      const ref = this.#refs.get(placeOf(topic, partition));
      return ref === undefined ? [] : [ref as Ref<CoordinatorRequest<Request>>];
    });
  }

  set(topic: string, partition: number, ref: Ref<never> | undefined): void {
    if (ref === undefined) this.#refs.delete(placeOf(topic, partition));
    else this.#refs.set(placeOf(topic, partition), ref);
  }
}

function placeOf(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** What is told of the metadata: after they were applied, and once partitions are held. */
export interface CoordinatorsRequest {
  readonly kind: "metadata-changed";
  readonly changes: readonly ImageChange[];
}

/** What the actor is made from. */
export interface CoordinatorsOptions {
  readonly nodeId: NodeId;
  readonly image: ClusterImage;
  readonly kinds: readonly AnyCoordinatorKind[];
  readonly directory: CoordinatorDirectory;
  config(): BrokerConfig;
  /** The actor of a partition; undefined where none serves here. */
  logOf(topicId: Uuid, partition: number): Ref<PartitionRequest> | undefined;
}

type Message =
  | CoordinatorsRequest
  | { readonly kind: "ended"; readonly place: string; readonly ref: Ref<never> }
  | { readonly kind: "again" };

/** A coordinator that runs. */
interface Running {
  readonly kind: AnyCoordinatorKind;
  readonly topicId: Uuid;
  readonly partition: number;
  readonly leaderEpoch: Epoch;
  readonly log: Ref<PartitionRequest>;
  readonly ref: Ref<CoordinatorRequest<unknown>>;
  /** Monotonic. */
  readonly startedAt: number;
}

/** One that has failed. */
interface Failed {
  /** In another it begins anew. */
  readonly leaderEpoch: Epoch;
  readonly times: number;
  /** It is started again then; monotonic. */
  readonly dueAt: number;
}

/** Before what could not be started, or has failed, is started again: at first. */
const AGAIN_MS = 200;
/** What its log holds may be what ends it, and reading that takes the broker's time. */
const AGAIN_MS_MAX = 30_000;
/** Who has lived for so long was of use. */
const OF_USE_MS = 60_000;

/** The actor. */
export function coordinatorsActor(options: CoordinatorsOptions): Behaviour<CoordinatorsRequest> {
  return (context) => new CoordinatorsActor(context as unknown as ActorContext<Message>, options);
}

class CoordinatorsActor implements Actor<Message> {
  readonly #context: ActorContext<Message>;
  readonly #options: CoordinatorsOptions;
  readonly #running = new Map<string, Running>();
  readonly #failed = new Map<string, Failed>();
  #number = 0;
  /** When it is looked again. */
  #againAt = Infinity;

  constructor(context: ActorContext<Message>, options: CoordinatorsOptions) {
    this.#context = context;
    this.#options = options;
  }

  receive(message: Message): void {
    switch (message.kind) {
      case "metadata-changed":
        this.#follow();
        for (const { ref } of this.#running.values()) ref.tell(message);
        return;
      case "ended":
        return this.#ended(message.place, message.ref);
      case "again":
        this.#againAt = Infinity;
        return this.#follow();
    }
  }

  /** Has coordinators run where this broker leads, and nowhere else. */
  #follow(): void {
    for (const kind of this.#options.kinds) this.#followTopic(kind);
  }

  #followTopic(kind: AnyCoordinatorKind): void {
    const topic = this.#options.image.topicByName(kind.topic);
    for (const [place, running] of this.#running) {
      if (running.kind === kind && running.topicId !== topic?.id) this.#stop(place, running);
    }
    if (topic === undefined) return;
    topic.partitions.forEach(({ leader, leaderEpoch }, partition) => {
      const place = placeOf(kind.topic, partition);
      const running = this.#running.get(place);
      const log = leader === this.#options.nodeId
        ? this.#options.logOf(topic.id, partition)
        : undefined;
      const isSame = running?.leaderEpoch === leaderEpoch && running.log === log;
      if (running !== undefined && !isSame) this.#stop(place, running);
      if (leader !== this.#options.nodeId || running !== undefined && isSame) return;
      if (log === undefined) return this.#again(AGAIN_MS);
      const waitMs = (this.#failure(place, leaderEpoch)?.dueAt ?? 0) - this.#now();
      if (waitMs > 0) return this.#again(waitMs);
      this.#start({ kind, topicId: topic.id, partition, leaderEpoch, log });
    });
  }

  /** How it failed before, in this leader epoch. */
  #failure(place: string, leaderEpoch: Epoch): Failed | undefined {
    const failed = this.#failed.get(place);
    return failed?.leaderEpoch === leaderEpoch ? failed : undefined;
  }

  #now(): number {
    return this.#context.environment.clock.monotonic();
  }

  #start(wanted: Omit<Running, "ref" | "startedAt">): void {
    const { kind, partition, leaderEpoch, log } = wanted;
    const { image, config, directory } = this.#options;
    const place = placeOf(kind.topic, partition);
    const ref = this.#context.spawn<CoordinatorRequest<unknown>>(
      `${kind.name}-${partition}-${++this.#number}`,
      coordinatorActor<unknown, unknown>({ kind, partition, leaderEpoch, log, image, config }),
      // What clients ask is bounded by the budgets of their sessions; metadata must not be lost.
      { mailboxLimit: Number.MAX_SAFE_INTEGER },
    );
    this.#context.watch(ref, { kind: "ended", place, ref });
    this.#running.set(place, { ...wanted, ref, startedAt: this.#now() });
    directory.set(kind.topic, partition, ref);
  }

  #stop(place: string, { kind, partition, ref }: Running): void {
    this.#running.delete(place);
    this.#failed.delete(place);
    this.#options.directory.set(kind.topic, partition, undefined);
    this.#context.unwatch(ref);
    this.#context.stopChild(ref);
  }

  #ended(place: string, ref: Ref<never>): void {
    const running = this.#running.get(place);
    if (running === undefined || running.ref !== ref) return;
    this.#running.delete(place);
    this.#options.directory.set(running.kind.topic, running.partition, undefined);
    const now = this.#now();
    const wasOfUse = now - running.startedAt >= OF_USE_MS;
    const { leaderEpoch } = running;
    const times = wasOfUse ? 0 : this.#failure(place, leaderEpoch)?.times ?? 0;
    const waitMs = Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** times);
    this.#failed.set(place, { leaderEpoch, times: times + 1, dueAt: now + waitMs });
    this.#again(waitMs);
  }

  /** Looks again: each timer is the one that is due first. */
  #again(delayMs: number): void {
    const dueAt = this.#now() + delayMs;
    if (this.#againAt <= dueAt) return;
    this.#againAt = dueAt;
    this.#context.startTimer("again", delayMs, { kind: "again" });
  }
}
