/**
 * Following: how a node that does not lead comes to the leader's log, by fetching (KIP-595).
 *
 * The offset that it fetches from tells the leader what it holds for good, so that the next fetch
 * waits until what the last one brought is durable. A log that diverges is cut, in as many rounds
 * as it takes; one that is too far behind begins anew from a snapshot (KIP-630).
 *
 * Invariants: one request is under way at a time; nothing below the high watermark is cut; a
 * response that does not fit the log as it is now is dropped.
 *
 * @module
 */

import type { Epoch, NodeId, Offset } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import { FETCH, type FetchResponse } from "../../net/messages/fetch.ts";
import { FETCH_SNAPSHOT, type FetchSnapshotResponse } from "../../net/messages/fetch_snapshot.ts";
import type { QuorumPeer } from "./messages.ts";
import { electionTimeout, type QuorumContext, type Role } from "./quorum_context.ts";
import {
  type FetchedPartition,
  fetchedPartition,
  fetchRequest,
  peersOf,
  snapshotRequest,
} from "./quorum_messages.ts";
import type { SnapshotId } from "./quorum_log.ts";

/** Between two questions of a node that looks for the leader, at most. */
const DISCOVERY_MS_MAX = 250;

/**
 * Fetches in a row that end without an answer before the leader counts as gone: its process has
 * ended, or a whole request timeout has passed. Others that still hear of it deny the pre-vote.
 */
const FAILURES_MAX = 3;

/** Between two followers that ask for votes then: two that ask at once would get none. */
const STAGGER_MS = 100;

/** A node that knows no leader: it asks around, and, as a voter, stands for election in the end. */
export class UnattachedRole implements Role {
  readonly #context: QuorumContext;
  readonly #electionAt: number;
  #asking = false;
  #askAt: number;
  #asked: number;
  #tries = 0;
  #ended = false;

  constructor(context: QuorumContext, timeoutMs: number = electionTimeout(context.options)) {
    this.#context = context;
    this.#electionAt = context.now + timeoutMs;
    this.#askAt = context.now;
    this.#asked = context.options.random(1024);
  }

  get deadline(): number {
    const electionAt = this.#context.mayStand ? this.#electionAt : Infinity;
    return this.#asking ? electionAt : Math.min(electionAt, this.#askAt);
  }

  begin(): void {
    this.#ask();
  }

  tick(): void {
    const { mayStand, now } = this.#context;
    if (mayStand && now >= this.#electionAt) this.#context.becomeProspective();
    else this.#ask();
  }

  end(): void {
    this.#ended = true;
  }

  #ask(): void {
    const { now, options: { log, rules, timeouts } } = this.#context;
    if (this.#asking || now < this.#askAt) return;
    const others = this.#context.anybody();
    const peer = others[this.#asked++ % Math.max(1, others.length)];
    this.#askAt = now + Math.min(DISCOVERY_MS_MAX, timeouts.retryMs * 2 ** this.#tries++);
    // Whoever leads takes a fetch for the word that all before it is kept.
    if (peer === undefined || !rules.mayFetch(log)) return;
    this.#asking = true;
    sendFetch(this.#context, peer, 0, (response) => {
      if (this.#ended) return;
      this.#asking = false;
      const partition = response === undefined ? undefined : fetchedPartition(response);
      if (response === undefined || partition === undefined) return;
      const { leaderEpoch, leaderId } = partition.currentLeader;
      this.#context.learn(leaderEpoch, leaderId, peersOf(response.nodeEndpoints));
    });
  }
}

const NOT_TAKEN_IN = "metadata not taken in";

/** A snapshot that is being fetched. */
interface Fetching {
  readonly id: SnapshotId;
  position: number;
}

/** A node that follows the leader of its epoch. */
export class FollowerRole implements Role {
  readonly #context: QuorumContext;
  readonly #leaderId: NodeId;
  #leaderlessAt: number;
  #asking = false;
  #askAt: number;
  #hasFetched = false;
  /** Whether what came last could not be written. */
  #isTroubled = false;
  #failures = 0;
  #snapshot: Fetching | undefined;
  /** How often the leader was silent; an observer asks others then. */
  #misses = 0;
  #asked = 0;
  #ended = false;

  constructor(context: QuorumContext, leaderId: NodeId) {
    this.#context = context;
    this.#leaderId = leaderId;
    this.#leaderlessAt = context.now + context.options.timeouts.fetchMs;
    this.#askAt = context.now;
  }

  get deadline(): number {
    const { options: { log, rules } } = this.#context;
    if (this.#asking || !rules.mayFetch(log)) return this.#leaderlessAt;
    return Math.min(this.#leaderlessAt, this.#askAt);
  }

  /** Whether the leader has answered a fetch. */
  get hasFetched(): boolean {
    return this.#hasFetched;
  }

  begin(): void {
    this.#ask();
  }

  tick(): void {
    const { now, mayStand, options: { timeouts } } = this.#context;
    if (now >= this.#leaderlessAt) {
      if (mayStand) return this.#context.becomeProspective();
      this.#misses++;
      this.#leaderlessAt = now + timeouts.fetchMs;
    }
    this.#ask();
  }

  end(): void {
    this.#ended = true;
  }

  /** The leader has resigned: this voter stands for election after so long. */
  leaderResigned(delayMs: number): void {
    this.#leaderlessAt = Math.min(this.#leaderlessAt, this.#context.now + delayMs);
    this.#hasFetched = false;
  }

  #ask(): void {
    const { now, options: { log, rules } } = this.#context;
    if (this.#asking || now < this.#askAt || !rules.mayFetch(log)) return;
    const peer = this.#target();
    if (peer === undefined) return this.#retry();
    this.#asking = true;
    if (this.#snapshot !== undefined) return this.#askForSnapshot(peer, this.#snapshot);
    const { endOffset } = log;
    sendFetch(this.#context, peer, this.#context.options.timeouts.fetchWaitMs, (response) => {
      if (this.#ended) return;
      this.#asking = false;
      this.#fetched(endOffset, response);
    });
  }

  #target(): QuorumPeer | undefined {
    const leader = this.#context.peer(this.#leaderId);
    if (this.#misses % 2 === 0 && leader !== undefined) return leader;
    const others = this.#context.anybody();
    return others[this.#asked++ % Math.max(1, others.length)] ?? leader;
  }

  #retry(): void {
    this.#askAt = this.#context.now + this.#context.options.timeouts.retryMs;
  }

  #fetched(fetchOffset: Offset, response: FetchResponse | undefined): void {
    const partition = response === undefined ? undefined : fetchedPartition(response);
    if (response === undefined) this.#failed();
    if (response === undefined || partition === undefined) return this.#retry();
    const { leaderEpoch, leaderId } = partition.currentLeader;
    if (this.#context.learn(leaderEpoch, leaderId, peersOf(response.nodeEndpoints))) return;
    const { options: { log }, state } = this.#context;
    const isOfNow = leaderEpoch === state.epoch && fetchOffset === log.endOffset;
    if (partition.errorCode !== ErrorCode.NONE || !isOfNow) return this.#retry();
    this.#heardOfLeader();
    if (partition.divergingEpoch.epoch >= 0) this.#truncate(partition.divergingEpoch);
    else if (partition.snapshotId.epoch >= 0) this.#beginSnapshot(partition.snapshotId);
    else this.#takeIn(partition);
    if (!this.#ended) this.#ask();
  }

  #failed(): void {
    const isGone = ++this.#failures === FAILURES_MAX && this.#hasFetched;
    const { mayStand, voters, options: { self } } = this.#context;
    if (!isGone || !mayStand) return;
    const followers = voters.ids.filter((id) => id !== this.#leaderId);
    this.leaderResigned(Math.max(0, followers.indexOf(self.id)) * STAGGER_MS);
  }

  #heardOfLeader(): void {
    const { now, options: { timeouts } } = this.#context;
    this.#hasFetched = true;
    this.#failures = 0;
    this.#misses = 0;
    this.#leaderlessAt = now + timeouts.fetchMs;
  }

  #takeIn({ records, highWatermark }: FetchedPartition): void {
    const { options: { log, ports }, history, state } = this.#context;
    if (records !== null && records.length > 0) {
      const { problem, voters } = log.appendAsFollower(records, state.epoch);
      if (problem !== undefined) {
        if (!this.#isTroubled) ports.note("warn", NOT_TAKEN_IN, { reason: problem });
        this.#isTroubled = true;
        return this.#retry();
      }
      if (this.#isTroubled) ports.note("warn", NOT_TAKEN_IN, { reason: "no longer" });
      this.#isTroubled = false;
      for (const entry of voters) history.add(entry);
      ports.flush();
    }
    this.#context.advanceHighWatermark(Math.min(log.endOffset, highWatermark));
  }

  #truncate({ epoch, endOffset }: { readonly epoch: Epoch; readonly endOffset: Offset }): void {
    const { options: { log, rules, ports }, highWatermark, history } = this.#context;
    const to = rules.truncationOffset(log, { epoch, offset: endOffset });
    if (endOffset < highWatermark || to < highWatermark) {
      throw new Error(
        `Cannot follow node ${this.#leaderId}: it says that epoch ${epoch} ends at ${endOffset}, ` +
          `below ${highWatermark}, up to where all is committed`,
      );
    }
    const before = log.endOffset;
    const after = log.truncateTo(to);
    history.truncate(after);
    ports.note("info", "metadata truncated", { from: before, to: after, epoch });
    ports.truncated(after);
    ports.flush();
  }

  #beginSnapshot(id: SnapshotId): void {
    const { options: { log, ports }, highWatermark } = this.#context;
    if (id.endOffset < highWatermark) {
      throw new Error(
        `Cannot load snapshot ${id.endOffset}-${id.epoch}: it ends below ${highWatermark}`,
      );
    }
    ports.note("info", "snapshot fetched", { offset: id.endOffset, epoch: id.epoch });
    this.#snapshot = { id, position: 0 };
    log.beginSnapshot(id);
  }

  #askForSnapshot(peer: QuorumPeer, fetching: Fetching): void {
    const { options: { clusterId, self, timeouts }, state } = this.#context;
    const request = snapshotRequest({
      clusterId,
      self,
      epoch: state.epoch,
      snapshotId: fetching.id,
      position: fetching.position,
      maxBytes: timeouts.fetchBytes,
    });
    this.#context.send(peer, FETCH_SNAPSHOT, request, (response) => {
      if (this.#ended) return;
      this.#asking = false;
      this.#fetchedSnapshot(fetching, response);
    });
  }

  #fetchedSnapshot(fetching: Fetching, response: FetchSnapshotResponse | undefined): void {
    const part = response?.topics[0]?.partitions[0];
    if (response === undefined || part === undefined) return this.#retry();
    const { leaderEpoch, leaderId } = part.currentLeader;
    if (this.#context.learn(leaderEpoch, leaderId, peersOf(response.nodeEndpoints))) return;
    const { snapshotId: id } = part;
    const isGone = part.errorCode === ErrorCode.SNAPSHOT_NOT_FOUND ||
      part.errorCode === ErrorCode.POSITION_OUT_OF_RANGE;
    if (isGone) this.#snapshot = undefined;
    if (part.errorCode !== ErrorCode.NONE) return this.#retry();
    if (
      leaderEpoch !== this.#context.state.epoch || part.position !== fetching.position ||
      id.endOffset !== fetching.id.endOffset || id.epoch !== fetching.id.epoch
    ) return this.#retry();
    this.#heardOfLeader();
    this.#takeInPart(fetching, part.size, part.unalignedRecords);
    if (!this.#ended) this.#ask();
  }

  #takeInPart(fetching: Fetching, size: number, bytes: Uint8Array): void {
    const { log, ports } = this.#context.options;
    const problem = log.appendToSnapshot(fetching.position, bytes);
    if (problem !== undefined) {
      ports.note("warn", "snapshot not taken in", { reason: problem });
      return this.#retry();
    }
    fetching.position += bytes.length;
    if (fetching.position < size) return;
    this.#snapshot = undefined;
    const adopted = log.adoptSnapshot();
    if (adopted.problem !== undefined) {
      ports.note("warn", "snapshot not adopted", { reason: adopted.problem });
      return this.#retry();
    }
    this.#context.history.restart(adopted.voters.at(-1));
    ports.snapshotLoaded(fetching.id);
    this.#context.advanceHighWatermark(fetching.id.endOffset);
  }
}

function sendFetch(
  context: QuorumContext,
  peer: QuorumPeer,
  maxWaitMs: number,
  done: (response: FetchResponse | undefined) => void,
): void {
  const { options: { clusterId, self, log, timeouts }, state } = context;
  const request = fetchRequest({
    clusterId,
    self,
    epoch: state.epoch,
    fetchOffset: log.endOffset,
    lastFetchedEpoch: log.lastEpoch,
    maxWaitMs,
    maxBytes: timeouts.fetchBytes,
  });
  context.send(peer, FETCH, request, done);
}
