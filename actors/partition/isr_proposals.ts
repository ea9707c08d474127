/**
 * Asking the controller for other in-sync replicas, on behalf of a leader.
 *
 * Owns that each proposal is sent, and sent again while nobody knows what became of it. What is
 * proposed, and what an answer means, is the replica's to say.
 *
 * Invariant: only the proposal that the replica waits for is sent, always as it was made.
 *
 * @module
 */

import type { Ref } from "../runtime/ref.ts";
import type { IsrProposal } from "./isr_state.ts";
import type { IsrAnswer, ProposeIsr, TopicPartition } from "./messages.ts";
import type { Replica } from "./replica.ts";

/** What was not answered for good is sent again after so long. */
const RESEND_MS = 50;

export interface IsrProposalsOptions {
  readonly replica: Replica;
  readonly partition: TopicPartition;
  /** Absent where nobody asks the controller. */
  readonly to: Ref<ProposeIsr> | undefined;
  /** A ref that has `run` called in the partition's turn. */
  adapt(run: (answer: IsrAnswer) => void): Ref<IsrAnswer>;
  /** Has `run` called in the partition's turn, instead of what was to be called before. */
  after(delayMs: number, run: () => void): void;
  /** Hands an answer to the replica; returns whether to send again. */
  answered(proposal: IsrProposal, answer: IsrAnswer): boolean;
}

export class IsrProposals {
  readonly #options: IsrProposalsOptions;
  /** The proposal that was under way when the lag was checked last. */
  #overdue: IsrProposal | undefined;
  #latest: IsrProposal | undefined;

  constructor(options: IsrProposalsOptions) {
    this.#options = options;
  }

  /** Sends what the replica has come to propose, if anything. */
  sendNew(): void {
    const proposal = this.#options.replica.takeProposal();
    if (proposal === undefined) return;
    this.#latest = proposal;
    this.#send(proposal);
  }

  /** Now and then: an answer may have been lost. */
  sendOverdue(): void {
    const proposal = this.#latest;
    if (proposal === undefined || !this.#options.replica.isPending(proposal)) {
      this.#latest = this.#overdue = undefined;
    } else if (proposal === this.#overdue) {
      this.#send(proposal);
    } else {
      this.#overdue = proposal;
    }
  }

  #send(proposal: IsrProposal): void {
    const { partition: { topicId, partition }, to, adapt } = this.#options;
    if (to === undefined) return;
    const replyTo = adapt((answer) => this.#answered(proposal, answer));
    if (!to.tell({ kind: "propose-isr", topicId, partition, ...proposal, replyTo })) {
      this.#sendAgain(proposal);
    }
  }

  #answered(proposal: IsrProposal, answer: IsrAnswer): void {
    if (this.#options.answered(proposal, answer)) this.#sendAgain(proposal);
  }

  #sendAgain(proposal: IsrProposal): void {
    const { replica, after } = this.#options;
    after(RESEND_MS, () => {
      if (replica.isPending(proposal)) this.#send(proposal);
    });
  }
}
