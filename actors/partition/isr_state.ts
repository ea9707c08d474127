/**
 * The in-sync replicas as a leader knows them: what the controller has committed, and the one
 * change that may be under way (KIP-497).
 *
 * Invariant: the maximal ISR holds every replica that the controller may take for in sync now.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import type { ProposeIsr } from "./messages.ts";

/** What a leader asks the controller for. */
export type IsrProposal = Pick<
  ProposeIsr,
  "leaderEpoch" | "partitionEpoch" | "newIsr" | "leaderRecoveryState"
>;

export class IsrState {
  #committed: readonly NodeId[] = [];
  #maximal: readonly NodeId[] = [];
  #pending: IsrProposal | undefined;
  #isSent = false;
  #isWithdrawing = false;

  get committed(): readonly NodeId[] {
    return this.#committed;
  }

  get maximal(): readonly NodeId[] {
    return this.#maximal;
  }

  get pending(): IsrProposal | undefined {
    return this.#pending;
  }

  /** Whether what is under way takes back what was proposed before. */
  get isWithdrawing(): boolean {
    return this.#isWithdrawing;
  }

  /** The controller has committed this; nothing is under way. */
  commit(isr: readonly NodeId[]): void {
    this.#committed = this.#maximal = isr;
    this.#pending = undefined;
    this.#isWithdrawing = false;
  }

  /** Whoever is proposed counts from now on; whoever is to leave counts until it is committed. */
  propose(proposal: IsrProposal): void {
    const added = proposal.newIsr
      .map(({ brokerId }) => brokerId)
      .filter((id) => !this.#committed.includes(id));
    this.#maximal = added.length === 0 ? this.#committed : [...this.#committed, ...added];
    this.#pending = proposal;
    this.#isSent = false;
    this.#isWithdrawing = false;
  }

  /** The proposal was refused, and another is made in its place; who was to join still counts. */
  withdraw(proposal: IsrProposal): void {
    this.#pending = proposal;
    this.#isSent = false;
    this.#isWithdrawing = true;
  }

  /** The proposal is known to have come to nothing. */
  rollBack(): void {
    this.commit(this.#committed);
  }

  /** The proposal under way, once. */
  takeUnsent(): IsrProposal | undefined {
    if (this.#isSent) return undefined;
    this.#isSent = true;
    return this.#pending;
  }
}
