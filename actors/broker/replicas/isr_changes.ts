/**
 * Asks the controller for the in-sync replicas that partitions propose (KIP-497): all that are
 * proposed while one request is under way go into the next.
 *
 * Owns the request under way and the proposals that wait. What an answer means is the partition's
 * matter: it is told the controller's very word, or REQUEST_TIMED_OUT where nobody knows.
 *
 * Invariants: one AlterPartition of a broker is under way at a time; each proposal is answered
 * once; a request that got no answer of the controller may have been carried out, so it is sent
 * again as it was, and the controller's compare-and-set on the partition epoch decides.
 *
 * @module
 */

import type { NodeId, Offset } from "../../../storage/bytes/ids.ts";
import {
  ALTER_PARTITION,
  type AlterPartitionRequest,
  type AlterPartitionResponse,
  type ResponsePartitionData,
  type TopicData,
} from "../../../net/messages/alter_partition.ts";
import { ErrorCode, errorName } from "../../../net/messages/errors.ts";
import { type Committed, type Decide, decide } from "../../controller/messages.ts";
import type { IsrAnswer, ProposeIsr } from "../../partition/messages.ts";
import type { Actor, ActorContext, AskResult, Behaviour } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";

export interface IsrChangesOptions {
  readonly nodeId: NodeId;
  /** Of the broker's registration now; -1 before it. */
  readonly brokerEpoch: () => Offset;
  /** Has the active controller decide. */
  readonly controller: Ref<Decide>;
  /** After that the controller is asked again. */
  readonly timeoutMs: number;
}

type Message =
  | ProposeIsr
  | { readonly kind: "send" }
  | {
    readonly kind: "answered";
    readonly result: AskResult<Committed<AlterPartitionResponse>>;
  };

/** Waits after failures double from the one to the other. */
const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1000;

/** The actor that is told ProposeIsr. */
export function isrChangesActor(options: IsrChangesOptions): Behaviour<ProposeIsr> {
  return (context) => new IsrChanges(context as unknown as ActorContext<Message>, options);
}

class IsrChanges implements Actor<Message> {
  readonly #context: ActorContext<Message>;
  readonly #options: IsrChangesOptions;
  /** By partition: the latest proposal counts. */
  readonly #waiting = new Map<string, ProposeIsr>();
  /** What is under way, or is to be sent again. */
  #sent: ReadonlyMap<string, ProposeIsr> = new Map();
  #isAsking = false;
  #isSendTold = false;
  #failures = 0;

  constructor(context: ActorContext<Message>, options: IsrChangesOptions) {
    this.#context = context;
    this.#options = options;
  }

  receive(message: Message): void {
    switch (message.kind) {
      case "propose-isr":
        return this.#propose(message);
      case "send":
        this.#isSendTold = false;
        return this.#send();
      case "answered":
        this.#isAsking = false;
        return this.#answered(message.result);
    }
  }

  #propose(proposal: ProposeIsr): void {
    const key = keyOf(proposal.topicId, proposal.partition);
    const before = this.#waiting.get(key);
    if (before !== undefined) before.replyTo.tell(unknownOutcome());
    this.#waiting.set(key, proposal);
    this.#sendSoon();
  }

  /** What else is proposed in this turn goes along. */
  #sendSoon(): void {
    if (this.#isAsking || this.#isSendTold || this.#sent.size > 0) return;
    this.#isSendTold = true;
    this.#context.self.tell({ kind: "send" });
  }

  #send(): void {
    if (this.#isAsking) return;
    if (this.#sent.size === 0) {
      this.#sent = new Map(this.#waiting);
      this.#waiting.clear();
    }
    if (this.#sent.size === 0) return;
    this.#isAsking = true;
    this.#context.ask<Decide, Committed<AlterPartitionResponse>>(
      this.#options.controller,
      this.#options.timeoutMs,
      (replyTo) => decide(ALTER_PARTITION, this.#request(), replyTo),
      (result) => ({ kind: "answered", result }),
    );
  }

  #request(): AlterPartitionRequest {
    const { nodeId } = this.#options;
    const brokerEpoch = this.#options.brokerEpoch();
    const topics = new Map<string, { -readonly [Key in keyof TopicData]: TopicData[Key] }>();
    for (const proposal of this.#sent.values()) {
      const { topicId, partition: partitionIndex, leaderEpoch, partitionEpoch } = proposal;
      const newIsrWithEpochs = proposal.newIsr.map((member) =>
        member.brokerId === nodeId ? { ...member, brokerEpoch } : member
      );
      const partition = {
        partitionIndex,
        leaderEpoch,
        // Up to version 2 the field instead of the next one: without epochs nobody is let in.
        newIsr: [],
        newIsrWithEpochs,
        leaderRecoveryState: proposal.leaderRecoveryState,
        partitionEpoch,
      };
      const topic = topics.get(topicId);
      if (topic === undefined) {
        topics.set(topicId, { topicName: "", topicId, partitions: [partition] });
      } else topic.partitions = [...topic.partitions, partition];
    }
    return { brokerId: nodeId, brokerEpoch, topics: [...topics.values()] };
  }

  #answered(result: AskResult<Committed<AlterPartitionResponse>>): void {
    const response = result.kind === "reply" ? result.reply.response : undefined;
    const error = response?.errorCode ??
      (result.kind === "reply" ? result.reply.error : ErrorCode.REQUEST_TIMED_OUT);
    if (response === undefined || error !== ErrorCode.NONE) return this.#failed(error);
    this.#failures = 0;
    const sent = this.#sent;
    this.#sent = new Map();
    const answers = new Map<string, ResponsePartitionData>();
    for (const { topicId, partitions } of response.topics) {
      for (const answer of partitions) answers.set(keyOf(topicId, answer.partitionIndex), answer);
    }
    for (const [key, { replyTo }] of sent) {
      const answer = answers.get(key);
      replyTo.tell(answer === undefined ? unknownOutcome() : answerOf(answer));
    }
    if (this.#waiting.size > 0) this.#sendSoon();
  }

  /** Nothing is known of any of it: the same is sent again, under the broker's epoch of then. */
  #failed(error: number): void {
    const delayMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures);
    if (this.#failures === 0) {
      const reason = errorName(error);
      this.#context.environment.logger.log("warn", "in-sync replicas not changed yet", { reason });
    }
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#context.startTimer("send", delayMs, { kind: "send" });
    // Of a partition that has since proposed something else nobody waits for the first any more.
    const sent = new Map(this.#sent);
    for (const key of this.#waiting.keys()) {
      sent.get(key)?.replyTo.tell(unknownOutcome());
      sent.delete(key);
    }
    this.#sent = sent;
  }
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId}:${partition}`;
}

function unknownOutcome(): IsrAnswer {
  return {
    kind: "isr-answer",
    error: ErrorCode.REQUEST_TIMED_OUT,
    leader: -1,
    leaderEpoch: -1,
    partitionEpoch: -1,
    isr: [],
    leaderRecoveryState: 0,
  };
}

function answerOf(answer: ResponsePartitionData): IsrAnswer {
  return {
    kind: "isr-answer",
    error: answer.errorCode as ErrorCode,
    leader: answer.leaderId,
    leaderEpoch: answer.leaderEpoch,
    partitionEpoch: answer.partitionEpoch,
    isr: answer.isr,
    leaderRecoveryState: answer.leaderRecoveryState,
  };
}
