/**
 * Changing who votes, one voter at a time (KIP-853): added and removed by hand, and bound to its
 * directory when it is first heard of.
 *
 * A change counts from its record on, before that is committed. So the next one waits until it is,
 * and the first one until the leader has committed something of its own epoch: two sets that count
 * at one time then always have a voter in common in any two of their majorities.
 *
 * @module
 */

import { type Offset, ZERO_UUID } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { QuorumContext } from "./quorum_context.ts";
import type { QuorumRecord } from "./quorum_log.ts";
import { type ReplicaKey, sameReplica, type Voter, type VoterSet } from "./voters.ts";

/** Is told what came of a change, once. */
export type ChangeDone = (error: ErrorCode, message: string | null) => void;

interface Change {
  readonly kind: "add" | "remove";
  readonly voter: Voter;
  readonly until: number;
  readonly done: ChangeDone;
  /** Where its record stands, once it does. */
  offset: Offset | undefined;
}

/** What changes need of the leader. */
interface Leading {
  readonly epochStart: Offset;
  append(records: readonly QuorumRecord[]): string | undefined;
  progressOf(key: ReplicaKey): { readonly key: ReplicaKey; readonly endOffset: Offset } | undefined;
}

export class VoterChanges {
  readonly #context: QuorumContext;
  readonly #leading: Leading;
  #change: Change | undefined;
  #busy = false;

  constructor(context: QuorumContext, leading: Leading) {
    this.#context = context;
    this.#leading = leading;
  }

  get deadline(): number {
    return this.#change?.until ?? Infinity;
  }

  /** Adds a replica that follows already, once it has caught up. */
  add(voter: Voter, timeoutMs: number, done: ChangeDone): void {
    const found = this.#context.voters.find(voter.id);
    if (found !== undefined) {
      const message = sameReplica(found, voter)
        ? `Node ${voter.id} is a voter already`
        : `Node ${voter.id} is a voter with directory ${found.directoryId}: remove that first`;
      return done(ErrorCode.DUPLICATE_VOTER, message);
    }
    this.#begin("add", voter, timeoutMs, done);
  }

  remove(key: ReplicaKey, timeoutMs: number, done: ChangeDone): void {
    const { voters } = this.#context;
    const voter = voters.find(key.id);
    if (voter === undefined || !sameReplica(voter, key)) {
      const message = `Node ${key.id} with directory ${key.directoryId} is no voter`;
      return done(ErrorCode.VOTER_NOT_FOUND, message);
    }
    if (voters.size === 1) return done(ErrorCode.INVALID_REQUEST, "It is the only voter");
    this.#begin("remove", voter, timeoutMs, done);
  }

  /** Goes on with what waits: the high watermark, a replica's progress or time may allow it. */
  tick(): void {
    if (this.#busy) return;
    this.#busy = true;
    try {
      this.#tick();
    } finally {
      this.#busy = false;
    }
  }

  end(): void {
    const change = this.#change;
    this.#change = undefined;
    if (change?.offset === undefined) {
      return change?.done(ErrorCode.NOT_LEADER_OR_FOLLOWER, "This node does not lead any more");
    }
    change.done(ErrorCode.REQUEST_TIMED_OUT, "Its lead ended before the change was committed");
  }

  /** The set with this node as it is: its directory, and where it is reached. */
  withSelf(voters: VoterSet): VoterSet {
    const { self, address } = this.#context.options;
    const own = voters.find(self.id);
    if (own === undefined || !sameReplica(own, self)) return voters;
    return voters.with({ ...self, address: address ?? own.address });
  }

  #begin(kind: Change["kind"], voter: Voter, timeoutMs: number, done: ChangeDone): void {
    if (this.#change !== undefined) {
      return done(ErrorCode.REQUEST_TIMED_OUT, "Another change of the voters is under way");
    }
    const until = this.#context.now + timeoutMs;
    this.#change = { kind, voter, until, done, offset: undefined };
    this.tick();
  }

  #tick(): void {
    const { highWatermark, now, history, options: { rules, self } } = this.#context;
    const change = this.#change;
    if (change?.offset !== undefined && change.offset < highWatermark) this.#committed(change);
    const { epochStart } = this.#leading;
    const mayChange = rules.mayChangeVoters(highWatermark, epochStart, history.latestOffset);
    // It led without a vote of its own until it was sure that the others can do without it.
    if (mayChange && !this.#context.voters.has(self)) return this.#context.becomeResigned();
    if (change !== this.#change) return;
    if (change !== undefined && now >= change.until) {
      this.#change = undefined;
      const message = change.offset === undefined
        ? "The voters did not come to where they can change"
        : "The change was not committed in time; it may yet be";
      return change.done(ErrorCode.REQUEST_TIMED_OUT, message);
    }
    if (change?.offset !== undefined) return;
    if (!mayChange) return;
    if (change === undefined) this.#maybeBind();
    else if (change.kind === "remove") this.#write(change, (set) => set.without(change.voter.id));
    else if ((this.#leading.progressOf(change.voter)?.endOffset ?? -1) >= highWatermark) {
      this.#write(change, (set) => set.with(change.voter));
    }
  }

  #write(change: Change, changed: (voters: VoterSet) => VoterSet): void {
    const { voters, history, options: { ports } } = this.#context;
    const problem = this.#leading.append([{ kind: "voters", voters: changed(voters) }]);
    if (problem !== undefined) {
      this.#change = undefined;
      return change.done(ErrorCode.KAFKA_STORAGE_ERROR, problem);
    }
    change.offset = history.latestOffset;
    const { ids } = this.#context.voters;
    ports.note("info", "voters changed", { voters: ids.join(","), offset: change.offset });
  }

  #committed(change: Change): void {
    this.#change = undefined;
    change.done(ErrorCode.NONE, null);
  }

  /** Notes the directory of a voter that has none yet, or that this node is reached elsewhere. */
  #maybeBind(): void {
    const { voters } = this.#context;
    let bound = this.withSelf(voters);
    const own = voters.find(this.#context.options.self.id);
    if (!changedAddress(own, bound.find(this.#context.options.self.id))) {
      const unbound = voters.voters.find((voter) =>
        voter.directoryId === ZERO_UUID && this.#leading.progressOf(voter) !== undefined
      );
      if (unbound === undefined) return;
      const { key } = this.#leading.progressOf(unbound)!;
      bound = voters.with({ ...unbound, directoryId: key.directoryId });
    }
    // A full disk refuses: the next progress tries again.
    this.#leading.append([{ kind: "voters", voters: bound }]);
  }
}

function changedAddress(before: Voter | undefined, after: Voter | undefined): boolean {
  return before?.directoryId !== after?.directoryId ||
    before?.address?.host !== after?.address?.host ||
    before?.address?.port !== after?.address?.port;
}
