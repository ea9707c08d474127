/**
 * Having led, and leading no more: in the same epoch, which nobody else will lead. The others are
 * told, so that they need not wait for the silence to be long enough (KIP-595).
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { END_QUORUM_EPOCH } from "../../net/messages/end_quorum_epoch.ts";
import { electionTimeout, type QuorumContext, type Role } from "./quorum_context.ts";
import { endRequest, onlyPartition, peersOf } from "./quorum_messages.ts";
import type { ReplicaKey, Voter } from "./voters.ts";

export class ResignedRole implements Role {
  readonly #context: QuorumContext;
  /** Who had most of the log, first. */
  readonly #successors: readonly ReplicaKey[];
  readonly #until: number;
  /** When to tell who has not been told. */
  readonly #tellAt = new Map<NodeId, number>();
  #ended = false;

  constructor(
    context: QuorumContext,
    successors: readonly ReplicaKey[],
    timeoutMs: number = electionTimeout(context.options),
  ) {
    this.#context = context;
    this.#successors = successors;
    this.#until = context.now + timeoutMs;
    for (const { id } of context.voters.voters) {
      if (id !== context.options.self.id) this.#tellAt.set(id, context.now);
    }
  }

  get deadline(): number {
    let deadline = this.#until;
    for (const at of this.#tellAt.values()) if (at < deadline) deadline = at;
    return deadline;
  }

  /** Whether every other voter knows. */
  get isKnown(): boolean {
    return this.#tellAt.size === 0;
  }

  begin(): void {
    this.#tell();
  }

  tick(): void {
    if (this.#context.now >= this.#until) {
      this.#context.becomeUnattached(this.#context.state.epoch + 1);
    } else this.#tell();
  }

  end(): void {
    this.#ended = true;
  }

  #tell(): void {
    const { voters, now } = this.#context;
    for (const voter of voters.voters) {
      const at = this.#tellAt.get(voter.id);
      if (at !== undefined && at <= now) this.#tellOne(voter);
    }
  }

  #tellOne(voter: Voter): void {
    const { options: { clusterId, self, address, timeouts }, state } = this.#context;
    const peer = this.#context.peer(voter.id);
    this.#tellAt.set(voter.id, Infinity);
    if (peer === undefined) return;
    const request = endRequest(clusterId, self.id, state.epoch, this.#successors, address);
    this.#context.send(peer, END_QUORUM_EPOCH, request, (response) => {
      if (this.#ended) return;
      const answer = response === undefined ? undefined : onlyPartition(response.topics);
      if (response === undefined || answer === undefined) {
        this.#tellAt.set(voter.id, this.#context.now + timeouts.retryMs);
        return;
      }
      this.#tellAt.delete(voter.id);
      const { leaderEpoch, leaderId } = answer;
      this.#context.learn(leaderEpoch, leaderId, peersOf(response.nodeEndpoints));
    });
  }
}
