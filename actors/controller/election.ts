/**
 * Elections: asking the voters whether they would vote for this node (KIP-996), then for their
 * votes; and answering who asks this node.
 *
 * Owns the tally. Whether a vote may be given stands in quorum_rules.ts.
 *
 * @module
 */

import type { NodeId } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { VOTE, type VoteRequest, type VoteResponse } from "../../net/messages/vote.ts";
import {
  electionBackoff,
  electionTimeout,
  type QuorumContext,
  type Role,
} from "./quorum_context.ts";
import {
  isMeant,
  type LeaderHint,
  onlyPartition,
  peersOf,
  voteRequest,
  voteResponse,
} from "./quorum_messages.ts";
import type { Voter } from "./voters.ts";

interface Asked {
  readonly voter: Voter;
  underWay: boolean;
  /** When to ask (again); Infinity once it has answered. */
  at: number;
}

/** A node that asks for votes: as prospective candidate, or as candidate. */
export class ElectionRole implements Role {
  readonly #context: QuorumContext;
  readonly #preVote: boolean;
  /** How many elections were lost before, since there was a leader. */
  readonly #tries: number;
  readonly #granted = new Set<NodeId>();
  readonly #rejected = new Set<NodeId>();
  #asked: Asked[] = [];
  #until: number;
  #ended = false;

  constructor(context: QuorumContext, preVote: boolean, tries: number) {
    this.#context = context;
    this.#preVote = preVote;
    this.#tries = tries;
    this.#until = context.now + electionTimeout(context.options);
  }

  get deadline(): number {
    let deadline = this.#until;
    for (const { underWay, at } of this.#asked) if (!underWay && at < deadline) deadline = at;
    return deadline;
  }

  begin(): void {
    const { options: { self }, voters, now } = this.#context;
    // One that takes itself out of the voters may still be needed to see that through.
    if (voters.has(self)) this.#granted.add(self.id);
    this.#asked = voters.voters
      .filter(({ id }) => id !== self.id)
      .map((voter) => ({ voter, underWay: false, at: now }));
    if (!this.#maybeWin()) this.#ask();
  }

  tick(): void {
    if (this.#context.now >= this.#until) this.#lose();
    else this.#ask();
  }

  end(): void {
    this.#ended = true;
  }

  #ask(): void {
    const { now } = this.#context;
    for (const asked of this.#asked) {
      if (!asked.underWay && asked.at <= now) this.#askOne(asked);
    }
  }

  #askOne(asked: Asked): void {
    const { options: { clusterId, self, log, timeouts }, state } = this.#context;
    const peer = this.#context.peer(asked.voter.id);
    if (peer === undefined) {
      asked.at = this.#context.now + timeouts.retryMs;
      return;
    }
    asked.underWay = true;
    const request = voteRequest({
      clusterId,
      voter: asked.voter,
      candidate: self,
      epoch: state.epoch,
      lastEpoch: log.lastEpoch,
      lastOffset: log.endOffset,
      preVote: this.#preVote,
    });
    this.#context.send(peer, VOTE, request, (response) => {
      if (this.#ended) return;
      asked.underWay = false;
      this.#answered(asked, response);
    });
  }

  #answered(asked: Asked, response: VoteResponse | undefined): void {
    const { options: { timeouts, ports }, now } = this.#context;
    const partition = response === undefined ? undefined : onlyPartition(response.topics);
    if (response === undefined || partition === undefined) {
      if (response !== undefined) {
        const { errorCode } = response;
        ports.note("warn", "vote refused", { voter: asked.voter.id, errorCode });
      }
      asked.at = now + timeouts.retryMs;
      return;
    }
    const { leaderEpoch, leaderId, errorCode, voteGranted } = partition;
    if (this.#context.learn(leaderEpoch, leaderId, peersOf(response.nodeEndpoints))) return;
    asked.at = Infinity;
    const granted = errorCode === ErrorCode.NONE && voteGranted;
    (granted ? this.#granted : this.#rejected).add(asked.voter.id);
    if (!this.#maybeWin()) this.#maybeLose();
  }

  #maybeWin(): boolean {
    const { voters } = this.#context;
    const granting = voters.ids.filter((id) => this.#granted.has(id));
    if (granting.length < voters.majority) return false;
    if (this.#preVote) this.#context.becomeCandidate();
    else this.#context.becomeLeader(granting);
    return true;
  }

  #maybeLose(): void {
    const { voters, options, now } = this.#context;
    if (voters.size - this.#rejected.size >= voters.majority) return;
    if (this.#preVote) return this.#lose();
    // It stands no chance in this epoch any more, but need not hurry into the next one.
    for (const asked of this.#asked) asked.at = Infinity;
    this.#until = Math.min(this.#until, now + electionBackoff(options, this.#tries));
  }

  #lose(): void {
    const { state } = this.#context;
    if (!this.#preVote) this.#context.becomeProspective();
    else if (state.leaderId < 0) this.#context.becomeUnattached(state.epoch);
    else this.#context.becomeFollower(state.epoch, state.leaderId);
  }
}

/** Answers a request for a vote, having written down what it promises. */
export function answerVote(
  context: QuorumContext,
  request: VoteRequest,
  hasFetched: boolean,
  hint: () => LeaderHint,
): VoteResponse {
  const { options, state } = context;
  const { self, clusterId, log, rules, ports } = options;
  if (request.clusterId !== null && request.clusterId !== clusterId) {
    return { errorCode: ErrorCode.INCONSISTENT_CLUSTER_ID, topics: [], nodeEndpoints: [] };
  }
  const asked = onlyPartition(request.topics);
  if (asked === undefined) {
    return { errorCode: ErrorCode.INVALID_REQUEST, topics: [], nodeEndpoints: [] };
  }
  const refuse = (errorCode: ErrorCode) => voteResponse(errorCode, false, hint());
  const { candidateEpoch, candidateId, candidateDirectoryId, preVote } = asked;
  const last = { epoch: asked.lastOffsetEpoch, offset: asked.lastOffset };
  const isAhead = preVote ? last.epoch > candidateEpoch : last.epoch >= candidateEpoch;
  if (last.epoch < 0 || last.offset < 0 || isAhead) return refuse(ErrorCode.INVALID_REQUEST);
  if (candidateEpoch < state.epoch) return refuse(ErrorCode.FENCED_LEADER_EPOCH);
  if (candidateEpoch > state.epoch) context.becomeUnattached(candidateEpoch);
  if (!isMeant(self, request.voterId, asked.voterDirectoryId)) {
    return refuse(ErrorCode.INVALID_VOTER_KEY);
  }
  const candidate = { id: candidateId, directoryId: candidateDirectoryId };
  const facts = {
    role: state.role,
    leaderId: state.leaderId,
    voted: state.voted,
    hasFetched,
    candidate,
    logOk: rules.logOk(last, { epoch: log.lastEpoch, offset: log.endOffset }),
  };
  const granted = preVote ? rules.grantsPreVote(facts) : rules.grantsVote(facts);
  if (granted && !preVote && state.voted === undefined) state.vote(candidate);
  context.persist();
  const what = preVote ? "pre-vote asked" : "vote asked";
  ports.note("info", what, { candidate: candidateId, epoch: candidateEpoch, granted });
  return voteResponse(ErrorCode.NONE, granted, hint());
}
