/**
 * Leading: serving the log to whoever fetches it, knowing from where they fetch what a majority
 * holds, and giving up when no majority is heard of (KIP-595).
 *
 * Owns what is known of each replica, the fetches that wait, and the high watermark's advance. The
 * rules themselves stand in quorum_rules.ts.
 *
 * Invariants: only a valid fetch tells where a replica's log ends; the leader's own log counts as
 * far as it is durable; nothing of earlier epochs is committed before a record of this one.
 *
 * @module
 */

import type { NodeId, Offset } from "../../storage/bytes/ids.ts";
import { BEGIN_QUORUM_EPOCH } from "../../net/messages/begin_quorum_epoch.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { FetchRequest } from "../../net/messages/fetch.ts";
import type { QuorumContext, Role } from "./quorum_context.ts";
import type { QuorumRecord } from "./quorum_log.ts";
import { beginRequest, type FetchAnswer, onlyPartition, peersOf } from "./quorum_messages.ts";
import { type ReplicaKey, sameReplica, type Voter, type VoterSet } from "./voters.ts";
import { VoterChanges } from "./voter_changes.ts";

/** What a leader knows of a replica that has fetched in its epoch. */
export interface ReplicaProgress {
  readonly key: ReplicaKey;
  /** All before it is durable there. */
  endOffset: Offset;
  /** When it last fetched, by the clock that never goes back. */
  fetchedAt: number;
  /** When it last had all that the leader had. */
  caughtUpAt: number;
  /** The high watermark that it was told last. */
  told: Offset;
  /** Its fetch that waits for something to tell. */
  parked: ParkedFetch | undefined;
}

interface ParkedFetch {
  readonly until: number;
  readonly maxBytes: number;
  readonly answer: (answer: FetchAnswer) => void;
}

type FetchedFrom = FetchRequest["topics"][number]["partitions"][number];

/** Replicas that are no voters of which something is known, at most. */
const OBSERVERS_MAX = 1000;

/** The leader of an epoch. */
export class LeaderRole implements Role {
  readonly #context: QuorumContext;
  readonly #granting: readonly NodeId[];
  readonly #startedAt: number;
  readonly #progress = new Map<string, ReplicaProgress>();
  readonly #beginAt = new Map<NodeId, number>();
  readonly changes: VoterChanges;
  /** The offset of its LeaderChange. */
  readonly epochStart: Offset;
  #ended = false;

  constructor(context: QuorumContext, granting: readonly NodeId[]) {
    this.#context = context;
    this.#granting = granting;
    this.#startedAt = context.now;
    this.epochStart = context.options.log.endOffset;
    this.changes = new VoterChanges(context, this);
  }

  get deadline(): number {
    let deadline = Math.min(this.#quorumLostAt, this.changes.deadline);
    for (const at of this.#beginAt.values()) if (at < deadline) deadline = at;
    for (const { parked } of this.#progress.values()) {
      if (parked !== undefined && parked.until < deadline) deadline = parked.until;
    }
    return deadline;
  }

  /** What is known of the replicas that fetch, voters or not. */
  get replicas(): Iterable<ReplicaProgress> {
    return this.#progress.values();
  }

  /** Opens the epoch with its first record. */
  begin(): void {
    const { options: { log, self }, state, voters, history } = this.#context;
    log.assignEpoch(state.epoch);
    const records: QuorumRecord[] = [{
      kind: "leader-change",
      leaderId: self.id,
      voters: voters.voters,
      granting: voters.voters.filter(({ id }) => this.#granting.includes(id)),
    }];
    if (history.recordedBefore(log.endOffset) === undefined) {
      records.push({ kind: "kraft-version", version: 1 });
      records.push({ kind: "voters", voters: this.changes.withSelf(voters) });
    }
    const problem = this.append(records);
    if (problem === undefined) return this.tick();
    // With others there is somebody else to lead, or a later try.
    if (voters.isOnly(self)) throw new Error(problem);
    this.#context.becomeResigned();
  }

  tick(): void {
    const { now } = this.#context;
    if (now >= this.#quorumLostAt) {
      const { ports } = this.#context.options;
      ports.note("warn", "controller lost its quorum", { epoch: this.#context.state.epoch });
      return this.#context.becomeResigned();
    }
    this.#maybeAdvance();
    if (this.#ended) return;
    this.#tellEpoch();
    for (const progress of [...this.#progress.values()]) {
      if (progress.parked !== undefined && progress.parked.until <= now) this.#release(progress);
    }
    this.changes.tick();
  }

  end(): void {
    this.#ended = true;
    for (const progress of this.#progress.values()) {
      const { parked } = progress;
      progress.parked = undefined;
      parked?.answer({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER });
    }
    this.changes.end();
  }

  /** Appends records of the quorum's own; why it could not, where that may pass. */
  append(records: readonly QuorumRecord[]): string | undefined {
    const { options: { log, ports }, state, history } = this.#context;
    this.#context.persist();
    const first = log.endOffset;
    const problem = log.appendAsLeader(records, state.epoch);
    if (problem !== undefined) return problem;
    records.forEach((record, index) => {
      if (record.kind === "voters") history.add({ offset: first + index, voters: record.voters });
    });
    ports.flush();
    this.appended();
    return undefined;
  }

  /** Something stands at the end of the log: those who wait for it get it. */
  appended(): void {
    const { endOffset } = this.#context.options.log;
    for (const progress of [...this.#progress.values()]) {
      if (progress.parked !== undefined && progress.endOffset < endOffset) this.#release(progress);
    }
  }

  /** What is known of a voter: of whoever fetched last, where its directory is not known. */
  progressOf(key: ReplicaKey): ReplicaProgress | undefined {
    let found: ReplicaProgress | undefined;
    for (const progress of this.#progress.values()) {
      if (!sameReplica(key, progress.key)) continue;
      if (found === undefined || progress.fetchedAt >= found.fetchedAt) found = progress;
    }
    return found;
  }

  /** A replica fetches; it is answered once, perhaps later. */
  fetch(request: FetchRequest, from: FetchedFrom, answer: (answer: FetchAnswer) => void): void {
    const { options: { log, rules }, now } = this.#context;
    const verdict = rules.validateFetch(log, from.fetchOffset, from.lastFetchedEpoch);
    if (verdict.kind === "diverging") return answer({ diverging: verdict.end });
    if (verdict.kind === "snapshot") return answer({ snapshot: verdict.id });
    const key = { id: request.replicaState.replicaId, directoryId: from.replicaDirectoryId };
    if (key.id < 0) key.id = request.replicaId;
    const progress = this.#fetched(key, from.fetchOffset);
    if (this.#ended) return answer({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER });
    const { highWatermark } = this.#context;
    const maxBytes = Math.min(request.maxBytes, from.partitionMaxBytes);
    const parked = { until: now + request.maxWaitMs, maxBytes, answer };
    const before = progress.parked;
    progress.parked = parked;
    // One fetch of a replica waits: the one before it was given up.
    before?.answer({ highWatermark, logStartOffset: log.startOffset });
    const hasNews = log.endOffset > from.fetchOffset || highWatermark > progress.told;
    if (hasNews || request.maxWaitMs <= 0) this.#release(progress);
  }

  /** A replica fetches a snapshot: it lives, though it does not say where its log ends. */
  fetchedSnapshot(key: ReplicaKey): void {
    this.#noted(key).fetchedAt = this.#context.now;
  }

  /** A valid fetch: where that replica's log ends, and so perhaps what a majority has. */
  #fetched(key: ReplicaKey, fetchOffset: Offset): ReplicaProgress {
    const { options: { log }, now } = this.#context;
    const progress = this.#noted(key);
    progress.fetchedAt = now;
    progress.endOffset = fetchOffset;
    if (fetchOffset >= log.endOffset) progress.caughtUpAt = now;
    this.#maybeAdvance();
    return progress;
  }

  #noted(key: ReplicaKey): ReplicaProgress {
    const name = `${key.id}:${key.directoryId}`;
    let progress = this.#progress.get(name);
    if (progress === undefined) {
      const { now, voters } = this.#context;
      if (this.#progress.size >= OBSERVERS_MAX) this.#forgetObserver(voters);
      progress = {
        key,
        endOffset: -1,
        fetchedAt: now,
        caughtUpAt: -1,
        told: -1,
        parked: undefined,
      };
      this.#progress.set(name, progress);
    }
    return progress;
  }

  #forgetObserver(voters: VoterSet): void {
    for (const [name, { key, parked }] of this.#progress) {
      if (voters.has(key) || parked !== undefined) continue;
      this.#progress.delete(name);
      return;
    }
  }

  #release(progress: ReplicaProgress): void {
    const { parked } = progress;
    if (parked === undefined) return;
    const { options: { log }, highWatermark } = this.#context;
    progress.parked = undefined;
    progress.told = highWatermark;
    const { startOffset: logStartOffset, endOffset } = log;
    if (progress.endOffset >= endOffset) return parked.answer({ highWatermark, logStartOffset });
    // A snapshot was made since: the next fetch is told of it.
    if (progress.endOffset < logStartOffset) {
      return parked.answer({ highWatermark, logStartOffset });
    }
    const records = log.read(progress.endOffset, parked.maxBytes);
    parked.answer({ highWatermark, logStartOffset, records });
  }

  #maybeAdvance(): void {
    const { options: { log, rules, self }, voters, highWatermark } = this.#context;
    const ends = voters.voters.map((voter) =>
      sameReplica(voter, self) ? rules.ownEndOffset(log) : this.progressOf(voter)?.endOffset ?? -1
    );
    const advanced = rules.highWatermark(ends, this.epochStart, highWatermark);
    if (advanced > highWatermark) {
      this.#context.advanceHighWatermark(advanced);
      if (this.#ended) return;
      for (const progress of [...this.#progress.values()]) {
        if (progress.told < advanced) this.#release(progress);
      }
    }
    this.changes.tick();
  }

  /** When this leader has heard of no majority for too long. */
  get #quorumLostAt(): number {
    const { options: { self, timeouts }, voters, now } = this.#context;
    if (voters.size === 0 || voters.isOnly(self)) return Infinity;
    const heard = voters.voters.map((voter) =>
      sameReplica(voter, self) ? now : this.progressOf(voter)?.fetchedAt ?? this.#startedAt
    );
    heard.sort((a, b) => b - a);
    return heard[voters.majority - 1]! + 1.5 * timeouts.fetchMs;
  }

  /** Tells voters of the epoch that do not fetch: they may not know of it. */
  #tellEpoch(): void {
    const { options: { self, timeouts }, voters, now } = this.#context;
    const every = timeouts.fetchMs / 2;
    for (const id of [...this.#beginAt.keys()]) {
      if (voters.find(id) === undefined) this.#beginAt.delete(id);
    }
    for (const voter of voters.voters) {
      if (voter.id === self.id || (this.#beginAt.get(voter.id) ?? now) > now) continue;
      const fetchedAt = this.progressOf(voter)?.fetchedAt ?? -Infinity;
      this.#beginAt.set(voter.id, Math.max(now, fetchedAt) + every);
      if (fetchedAt + every <= now) this.#tellEpochTo(voter);
    }
  }

  #tellEpochTo(voter: Voter): void {
    const { options: { clusterId, self, address, ports }, state } = this.#context;
    const peer = this.#context.peer(voter.id);
    if (peer === undefined) return;
    const request = beginRequest(clusterId, voter, self.id, state.epoch, address);
    this.#context.send(peer, BEGIN_QUORUM_EPOCH, request, (response) => {
      const answer = response === undefined ? undefined : onlyPartition(response.topics);
      if (this.#ended || response === undefined) return;
      if (answer === undefined) {
        const { errorCode } = response;
        return ports.note("warn", "epoch refused", { voter: voter.id, errorCode });
      }
      const { leaderEpoch, leaderId } = answer;
      this.#context.learn(leaderEpoch, leaderId, peersOf(response.nodeEndpoints));
    });
  }
}
