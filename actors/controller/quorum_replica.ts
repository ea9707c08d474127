/**
 * One replica of the metadata log: a synchronous Raft state machine (KIP-595, KIP-853, KIP-996).
 *
 * Takes requests, responses, the time and word of flushes; what it wants done goes out through
 * `QuorumPorts`. It owns epoch, role, voters and high watermark. What a node does in a role is in
 * election.ts, following.ts, replication.ts and resigning.ts; the rules are in quorum_rules.ts.
 *
 * Invariants: epoch and vote are written down before anything that depends on them leaves; the high
 * watermark never falls; whatever throws here is the end of the controller.
 *
 * @module
 */

import { type Epoch, type NodeId, NONE, type Offset } from "../../storage/bytes/ids.ts";
import type {
  BeginQuorumEpochRequest,
  BeginQuorumEpochResponse,
} from "../../net/messages/begin_quorum_epoch.ts";
import type {
  EndQuorumEpochRequest,
  EndQuorumEpochResponse,
} from "../../net/messages/end_quorum_epoch.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type { FetchRequest, FetchResponse } from "../../net/messages/fetch.ts";
import type {
  FetchSnapshotRequest,
  FetchSnapshotResponse,
} from "../../net/messages/fetch_snapshot.ts";
import type { VoteRequest, VoteResponse } from "../../net/messages/vote.ts";
import type { SocketAddress } from "../../net/network.ts";
import type { Api } from "../../net/schema.ts";
import { answerVote, ElectionRole } from "./election.ts";
import { FollowerRole, UnattachedRole } from "./following.ts";
import type { QuorumPeer } from "./messages.ts";
import {
  electionTimeout,
  type QuorumContext,
  type QuorumOptions,
  type Role,
} from "./quorum_context.ts";
import {
  epochResponse,
  failedFetch,
  failedSnapshot,
  fetchResponse,
  isMeant,
  type LeaderHint,
  leaderPeer,
  onlyPartition,
  snapshotResponse,
} from "./quorum_messages.ts";
import { METADATA_TOPIC } from "./metadata_topic.ts";
import { QuorumState } from "./quorum_state.ts";
import { LeaderRole } from "./replication.ts";
import { ResignedRole } from "./resigning.ts";
import type { ChangeDone } from "./voter_changes.ts";
import { type ReplicaKey, type Voter, VoterHistory, type VoterSet } from "./voters.ts";

/** At the start of a cluster each voter gives the ones before it so long. */
const BOOT_STAGGER_MS = 50;

export class QuorumReplica implements QuorumContext {
  readonly options: QuorumOptions;
  readonly state: QuorumState;
  readonly history: VoterHistory;
  readonly #addresses = new Map<NodeId, SocketAddress>();
  #role: Role = { deadline: Infinity, begin() {}, tick() {}, end() {} };
  #now = 0;
  #highWatermark: Offset = NONE;
  /** As many changes of the state are written down. */
  #persistedChanges = 0;
  /** Elections that it stood in since there was a leader. */
  #tries = 0;
  #resigning = false;

  constructor(options: QuorumOptions) {
    this.options = options;
    const { log, self, rules, persisted, voters } = options;
    this.history = new VoterHistory(voters, log.voterSets());
    for (const { id, address } of voters.voters) {
      if (address !== undefined) this.#addresses.set(id, address);
    }
    let boot = rules.boot(self, persisted, log.lastEpoch);
    if (boot.role === "candidate" && !this.mayStand) boot = { ...boot, role: "unattached" };
    this.state = new QuorumState(self, boot);
    if (log.snapshotId !== undefined) this.#highWatermark = log.snapshotId.endOffset;
  }

  get voters(): VoterSet {
    return this.history.latest;
  }

  /**
   * A voter does; and one that its own latest set leaves out, as long as that may not be committed:
   * it may be the only one that has all that is (Raft, section 4.2.2 of the thesis).
   */
  get mayStand(): boolean {
    const { isController, self } = this.options;
    if (!isController || this.#resigning) return false;
    if (this.voters.has(self)) return true;
    const { latestOffset, previous } = this.history;
    return latestOffset >= this.#highWatermark && latestOffset >= 0 && previous.has(self);
  }

  get now(): number {
    return this.#now;
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  /** When `tick` is to be called at the latest; Infinity if only something else can change. */
  get deadline(): number {
    return this.#role.deadline;
  }

  /** The epoch that this node leads, and where it began; undefined where it does not lead. */
  get leading(): LeaderRole | undefined {
    return this.#role instanceof LeaderRole ? this.#role : undefined;
  }

  /** Where the leader is, if this node knows it, or is it. */
  get leader(): QuorumPeer | undefined {
    const { leaderId, role } = this.state;
    return leaderId === NONE || role === "resigned" ? undefined : this.peer(leaderId);
  }

  /** Where others reach this node, if it knows. */
  get ownPeer(): QuorumPeer | undefined {
    const { self, address } = this.options;
    return address === undefined ? this.peer(self.id) : { id: self.id, address };
  }

  /** Begins; the only voter leads when this returns. */
  start(now: number): void {
    this.#now = now;
    const { log, ports, self } = this.options;
    if (log.flushedOffset < log.endOffset) ports.flush();
    if (this.#isOnlyVoter) return this.becomeCandidate();
    // Whoever has just begun disturbs nobody by asking soon, as a pre-vote changes nothing; one
    // after the other, so that the first is elected before the next one asks.
    const soon = Math.max(0, this.voters.ids.indexOf(self.id)) * BOOT_STAGGER_MS;
    switch (this.state.role) {
      case "follower":
        return this.#enter(new FollowerRole(this, this.state.leaderId));
      case "candidate":
        return this.#enter(new ElectionRole(this, false, this.#tries));
      case "resigned": {
        const others = this.voters.voters.filter(({ id }) => id !== self.id);
        return this.#enter(new ResignedRole(this, others, soon));
      }
      case "leader":
        return this.#enter(new LeaderRole(this, []));
      default:
        return this.#enter(new UnattachedRole(this, soon));
    }
  }

  /** Time has passed. */
  tick(now: number): void {
    this.#now = now;
    if (this.#role.deadline <= now) this.#role.tick();
  }

  /** What was in the log when a flush was asked for is durable. */
  flushed(now: number): void {
    this.#now = now;
    this.#role.tick();
  }

  /** The leader's shell has appended records to the log. */
  appended(now: number): void {
    this.#now = now;
    this.leading?.appended();
    this.options.ports.flush();
  }

  /**
   * Leads no more, and does not stand for election again. True where somebody is to be told of it:
   * `isResigned` says when they are.
   */
  resign(now: number): boolean {
    this.#now = now;
    this.#resigning = true;
    if (this.state.role === "leader") this.becomeResigned();
    return !this.isResigned;
  }

  /** Leads no more where others could; it may stand for election again, once it is its turn. */
  giveWay(now: number): void {
    this.#now = now;
    if (this.leading !== undefined && this.voters.voters.length > 1) this.becomeResigned();
  }

  get isResigned(): boolean {
    return this.#role instanceof ResignedRole ? this.#role.isKnown : this.state.role !== "leader";
  }

  handleVote(now: number, request: VoteRequest): VoteResponse {
    this.#now = now;
    const hasFetched = this.#role instanceof FollowerRole && this.#role.hasFetched;
    return answerVote(this, request, hasFetched, () => this.#hint());
  }

  handleBeginQuorumEpoch(now: number, request: BeginQuorumEpochRequest): BeginQuorumEpochResponse {
    this.#now = now;
    const partition = onlyPartition(request.topics);
    const problem = this.#problem(request.clusterId, partition);
    if (problem !== undefined || partition === undefined) {
      return { errorCode: problem ?? ErrorCode.NONE, topics: [], nodeEndpoints: [] };
    }
    const { leaderEpoch, leaderId, voterDirectoryId } = partition;
    if (leaderEpoch < this.state.epoch) return this.#answer(ErrorCode.FENCED_LEADER_EPOCH);
    this.learn(leaderEpoch, leaderId, leaderPeer(leaderId, request.leaderEndpoints));
    const { role, leaderId: known } = this.state;
    // The leader that it was about to replace lives.
    if (role === "prospective" && known === leaderId) this.becomeFollower(leaderEpoch, leaderId);
    const fits = isMeant(this.options.self, request.voterId, voterDirectoryId);
    return this.#answer(fits ? ErrorCode.NONE : ErrorCode.INVALID_VOTER_KEY);
  }

  handleEndQuorumEpoch(now: number, request: EndQuorumEpochRequest): EndQuorumEpochResponse {
    this.#now = now;
    const partition = onlyPartition(request.topics);
    const problem = this.#problem(request.clusterId, partition);
    if (problem !== undefined || partition === undefined) {
      return { errorCode: problem ?? ErrorCode.NONE, topics: [], nodeEndpoints: [] };
    }
    const { leaderEpoch, leaderId, preferredCandidates } = partition;
    if (leaderEpoch < this.state.epoch) return this.#answer(ErrorCode.FENCED_LEADER_EPOCH);
    this.learn(leaderEpoch, leaderId, leaderPeer(leaderId, request.leaderEndpoints));
    if (this.#role instanceof FollowerRole && this.state.leaderId === leaderId) {
      const { self } = this.options;
      const position = preferredCandidates.findIndex(({ candidateId, candidateDirectoryId }) =>
        candidateId === self.id && isMeant(self, candidateId, candidateDirectoryId)
      );
      this.#role.leaderResigned(this.#successionDelay(position, preferredCandidates.length));
    }
    return this.#answer(ErrorCode.NONE);
  }

  /** `reply` is called once, perhaps later. */
  handleFetch(now: number, request: FetchRequest, reply: (response: FetchResponse) => void): void {
    this.#now = now;
    const partition = request.topics[0]?.partitions[0];
    const problem = this.#problem(request.clusterId, partition);
    if (problem !== undefined || partition === undefined) {
      return reply(failedFetch(problem ?? ErrorCode.INVALID_REQUEST));
    }
    const errorCode = this.#leaderProblem(partition.currentLeaderEpoch);
    const leading = this.leading;
    if (leading === undefined || errorCode !== ErrorCode.NONE) {
      this.persist();
      return reply(fetchResponse({ errorCode }, this.#hint()));
    }
    leading.fetch(request, partition, (answer) => {
      this.persist();
      reply(fetchResponse(answer, this.#hint()));
    });
  }

  handleFetchSnapshot(now: number, request: FetchSnapshotRequest): FetchSnapshotResponse {
    this.#now = now;
    const topic = request.topics[0];
    const partition = topic?.name === METADATA_TOPIC ? topic.partitions[0] : undefined;
    const problem = this.#problem(request.clusterId, partition);
    if (problem !== undefined || partition === undefined) {
      return failedSnapshot(problem ?? ErrorCode.INVALID_REQUEST);
    }
    const { snapshotId, position, replicaDirectoryId } = partition;
    this.persist();
    const refuse = (errorCode: ErrorCode) =>
      snapshotResponse({ errorCode, snapshotId }, this.#hint());
    const errorCode = this.#leaderProblem(partition.currentLeaderEpoch);
    const leading = this.leading;
    if (leading === undefined || errorCode !== ErrorCode.NONE) return refuse(errorCode);
    if (position < 0) return refuse(ErrorCode.POSITION_OUT_OF_RANGE);
    const part = this.options.log.readSnapshot(snapshotId, position, request.maxBytes);
    if (part === undefined) return refuse(ErrorCode.SNAPSHOT_NOT_FOUND);
    if (position >= part.size) return refuse(ErrorCode.POSITION_OUT_OF_RANGE);
    leading.fetchedSnapshot({ id: request.replicaId, directoryId: replicaDirectoryId });
    const { size, bytes } = part;
    const answer = { errorCode: ErrorCode.NONE, snapshotId, size, position, bytes };
    return snapshotResponse(answer, this.#hint());
  }

  addVoter(now: number, voter: Voter, timeoutMs: number, done: ChangeDone): void {
    this.#now = now;
    const leading = this.leading;
    if (leading === undefined) return done(ErrorCode.NOT_LEADER_OR_FOLLOWER, null);
    leading.changes.add(voter, timeoutMs, done);
  }

  removeVoter(now: number, key: ReplicaKey, timeoutMs: number, done: ChangeDone): void {
    this.#now = now;
    const leading = this.leading;
    if (leading === undefined) return done(ErrorCode.NOT_LEADER_OR_FOLLOWER, null);
    leading.changes.remove(key, timeoutMs, done);
  }

  peer(id: NodeId): QuorumPeer | undefined {
    const address = this.#addresses.get(id) ?? this.voters.find(id)?.address;
    return address === undefined ? undefined : { id, address };
  }

  anybody(): QuorumPeer[] {
    const { self, bootstrapServers } = this.options;
    const others = this.voters.ids.filter((id) => id !== self.id);
    const peers = others.map((id) => this.peer(id)).filter((peer) => peer !== undefined);
    return [...peers, ...bootstrapServers.map((address) => ({ id: NONE, address }))];
  }

  send<Request, Response>(
    to: QuorumPeer,
    api: Api<Request, Response>,
    request: Request,
    done: (response: Response | undefined) => void,
  ): void {
    this.persist();
    const { ports, timeouts } = this.options;
    ports.send(to, api, request, timeouts.requestMs, (now, response) => {
      this.#now = now;
      done(response);
    });
  }

  persist(): void {
    const { changes } = this.state;
    if (this.#persistedChanges === changes) return;
    const { ports, rules } = this.options;
    ports.persist(this.state.persisted, rules.persistsDurably());
    this.#persistedChanges = changes;
  }

  learn(epoch: Epoch, leaderId: NodeId, addresses: readonly QuorumPeer[]): boolean {
    const { state, options: { self } } = this;
    if (epoch < state.epoch) return false;
    for (const { id, address } of addresses) this.#addresses.set(id, address);
    // One that led as this node, before its disk was wiped, is nobody to follow.
    const isKnown = leaderId >= 0 && leaderId !== self.id;
    if (epoch === state.epoch && (!isKnown || state.leaderId === leaderId)) return false;
    if (isKnown) this.becomeFollower(epoch, leaderId);
    else this.becomeUnattached(epoch);
    return true;
  }

  advanceHighWatermark(offset: Offset): void {
    if (offset <= this.#highWatermark) return;
    this.#highWatermark = offset;
    this.options.ports.committed(offset);
  }

  becomeUnattached(epoch: Epoch): void {
    this.state.becomeUnattached(epoch);
    this.#enter(new UnattachedRole(this));
  }

  becomeFollower(epoch: Epoch, leaderId: NodeId): void {
    this.state.becomeFollower(epoch, leaderId);
    this.#tries = 0;
    this.#enter(new FollowerRole(this, leaderId));
  }

  becomeProspective(): void {
    this.state.becomeProspective();
    if (this.#isOnlyVoter) return this.becomeCandidate();
    this.#enter(new ElectionRole(this, true, this.#tries));
  }

  becomeCandidate(): void {
    this.state.becomeCandidate(this.#isOnlyVoter);
    this.#enter(new ElectionRole(this, false, this.#tries++));
  }

  becomeLeader(granting: readonly NodeId[]): void {
    this.state.becomeLeader();
    this.#tries = 0;
    this.#enter(new LeaderRole(this, granting));
  }

  becomeResigned(): void {
    const successors = this.#successors();
    this.state.becomeResigned();
    this.#enter(new ResignedRole(this, successors, electionTimeout(this.options)));
  }

  get #isOnlyVoter(): boolean {
    return this.mayStand && this.voters.isOnly(this.options.self);
  }

  #enter(role: Role): void {
    this.#role.end();
    this.#role = role;
    this.options.ports.roleChanged();
    // Telling of the change may have led to another one.
    if (this.#role === role) role.begin();
  }

  /** The other voters, those that have most of the log first. */
  #successors(): readonly ReplicaKey[] {
    const leading = this.leading;
    const endOf = (key: ReplicaKey) => leading?.progressOf(key)?.endOffset ?? NONE;
    return this.voters.voters
      .filter(({ id }) => id !== this.options.self.id)
      .sort((a, b) => endOf(b) - endOf(a));
  }

  /** The first successor need not wait; the others give those before them time. */
  #successionDelay(position: number, count: number): number {
    if (position === 0) return 0;
    const { retryMs, backoffMaxMs } = this.options.timeouts;
    const place = position < 0 ? count : position;
    return Math.min(backoffMaxMs, retryMs * 2 ** (place + 1));
  }

  #hint(): LeaderHint {
    const { leaderId, epoch } = this.state;
    const peer = leaderId === this.options.self.id ? this.ownPeer : this.peer(leaderId);
    return { leaderId, epoch, endpoints: peer === undefined ? [] : [peer] };
  }

  #answer(errorCode: ErrorCode): BeginQuorumEpochResponse & EndQuorumEpochResponse {
    this.persist();
    return epochResponse(errorCode, this.#hint());
  }

  /** What is wrong with a request before its epoch is looked at. */
  #problem(clusterId: string | null, partition: unknown): ErrorCode | undefined {
    if (clusterId !== null && clusterId !== this.options.clusterId) {
      return ErrorCode.INCONSISTENT_CLUSTER_ID;
    }
    return partition === undefined ? ErrorCode.INVALID_REQUEST : undefined;
  }

  /** What is wrong with a request that only the leader of that epoch can answer. */
  #leaderProblem(epoch: Epoch): ErrorCode {
    if (epoch < this.state.epoch) return ErrorCode.FENCED_LEADER_EPOCH;
    if (epoch > this.state.epoch) return ErrorCode.UNKNOWN_LEADER_EPOCH;
    return this.state.role === "leader" ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }
}
