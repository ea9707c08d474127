/**
 * Hands out producer ids, each once (KIP-98, KIP-730).
 *
 * Owns the block of ids that the controller has given this broker, and the fetching of the next.
 * Ids that are left when the broker stops are never used.
 *
 * Invariants: no id is handed out that no committed block of this broker holds; ids rise; one
 * allocation at a time; whoever asks is answered: with an id, or that it should ask again, here or
 * elsewhere.
 *
 * @module
 */

import type { NodeId, ProducerId } from "../../../storage/bytes/ids.ts";
import {
  ALLOCATE_PRODUCER_IDS,
  type AllocateProducerIdsResponse,
} from "../../../net/messages/allocate_producer_ids.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import { type Committed, type Decide, decide } from "../../controller/messages.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";

/** Asks for an id that no producer has. */
export interface NextProducerId {
  readonly kind: "next-producer-id";
  readonly replyTo: Ref<ProducerIdReply>;
}

export interface ProducerIdReply {
  readonly kind: "producer-id";
  /** NONE, or COORDINATOR_LOAD_IN_PROGRESS while there is none: then it is to be asked again. */
  readonly error: ErrorCode;
  /** -1 where there is an error. */
  readonly producerId: ProducerId;
}

export type ProducerIdsRequest = NextProducerId;

export interface ProducerIdsOptions {
  readonly nodeId: NodeId;
  /** Says the epoch that this broker is registered in. */
  readonly image: Pick<ClusterImage, "brokers">;
  /** Whom the broker has its requests to the active controller decided by. */
  readonly controller: Ref<Decide>;
}

type Allocation = AskResult<Committed<AllocateProducerIdsResponse>>;

type Message =
  | ProducerIdsRequest
  | { readonly kind: "allocated"; readonly result: Allocation };

/** The next block is asked for when so large a share of one is used up, as in Kafka. */
const PREFETCH_SHARE = 0.9;
/** A controller that says nothing for so long is not waited for: another broker may reach it. */
const ALLOCATION_TIMEOUT_MS = 5_000;
/** After a failure the controller is left alone for so long. */
const BACKOFF_MS = 50;
/** More than so many that wait are told to come again. */
const WAITING_MAX = 10_000;

/** The actor. */
export function producerIdsActor(options: ProducerIdsOptions): Behaviour<ProducerIdsRequest> {
  return (context) => new ProducerIdsActor(context as unknown as ActorContext<Message>, options);
}

class ProducerIdsActor implements Actor<Message> {
  readonly #context: ActorContext<Message>;
  readonly #options: ProducerIdsOptions;
  readonly #waiting: Ref<ProducerIdReply>[] = [];
  /** The next id to hand out, and the end of its block. */
  #next: ProducerId = 0;
  #end: ProducerId = 0;
  /** From here on the next block is wanted. */
  #prefetchAt: ProducerId = 0;
  /** The block after this one, once it is there. */
  #nextBlock: { readonly start: ProducerId; readonly length: number } | undefined;
  #isAllocating = false;
  /** Monotonic time before which the controller is not asked. */
  #notBefore = 0;

  constructor(context: ActorContext<Message>, options: ProducerIdsOptions) {
    this.#context = context;
    this.#options = options;
  }

  receive(message: Message): void {
    if (message.kind === "allocated") return this.#allocated(message.result);
    const producerId = this.#take();
    if (producerId >= 0) return answer(message.replyTo, producerId);
    this.#maybeAllocate();
    if (this.#isAllocating && this.#waiting.length < WAITING_MAX) {
      this.#waiting.push(message.replyTo);
    } else {
      refuse(message.replyTo);
    }
  }

  /** The next id, or -1. */
  #take(): ProducerId {
    if (this.#next === this.#end && this.#nextBlock !== undefined) {
      const { start, length } = this.#nextBlock;
      this.#nextBlock = undefined;
      this.#next = start;
      this.#end = start + length;
      this.#prefetchAt = start + Math.floor(length * PREFETCH_SHARE);
    }
    if (this.#next === this.#end) return -1;
    const producerId = this.#next++;
    if (this.#next > this.#prefetchAt && this.#nextBlock === undefined) this.#maybeAllocate();
    return producerId;
  }

  #maybeAllocate(): void {
    if (this.#isAllocating) return;
    if (this.#context.environment.clock.monotonic() < this.#notBefore) return;
    this.#isAllocating = true;
    const { nodeId, image, controller } = this.#options;
    const request = { brokerId: nodeId, brokerEpoch: image.brokers.get(nodeId)?.epoch ?? -1 };
    this.#context.ask<Decide, Committed<AllocateProducerIdsResponse>>(
      controller,
      ALLOCATION_TIMEOUT_MS,
      (replyTo) => decide(ALLOCATE_PRODUCER_IDS, request, replyTo),
      (result) => ({ kind: "allocated", result }),
    );
  }

  #allocated(result: Allocation): void {
    this.#isAllocating = false;
    const failure = this.#takeIn(result);
    if (failure !== undefined) {
      const { clock, logger } = this.#context.environment;
      this.#notBefore = clock.monotonic() + BACKOFF_MS;
      logger.log("warn", "no producer ids", { reason: failure });
    }
    for (const replyTo of this.#waiting.splice(0)) {
      const producerId = this.#take();
      if (producerId >= 0) answer(replyTo, producerId);
      // More waited than a block holds: its successor is on its way.
      else if (this.#isAllocating) this.#waiting.push(replyTo);
      else refuse(replyTo);
    }
  }

  /** Keeps the block; returns why there is none. */
  #takeIn(result: Allocation): string | undefined {
    if (result.kind !== "reply") return `The controller's answer: ${result.kind}`;
    const { response, error, errorMessage } = result.reply;
    if (response === undefined) return errorMessage ?? errorName(error);
    if (response.errorCode !== ErrorCode.NONE) return errorName(response.errorCode);
    const { producerIdStart: start, producerIdLen: length } = response;
    if (start < this.#end || length <= 0 || !Number.isSafeInteger(start + length)) {
      return `The controller gave ${length} ids from ${start} on, the last block ends at ${this.#end}`;
    }
    this.#nextBlock = { start, length };
    return undefined;
  }
}

function answer(replyTo: Ref<ProducerIdReply>, producerId: ProducerId): void {
  replyTo.tell({ kind: "producer-id", error: ErrorCode.NONE, producerId });
}

function refuse(replyTo: Ref<ProducerIdReply>): void {
  const error = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
  replyTo.tell({ kind: "producer-id", error, producerId: -1 });
}
