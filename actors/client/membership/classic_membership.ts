/**
 * Membership by the classic protocol: members join, one of them assigns, all are told, and any
 * change makes all join again.
 *
 * ```
 * out ──subscribe──▶ revoking ──▶ joining ──▶ leading ──▶ syncing ──▶ accepting ──▶ stable
 *  ▲                    ▲            (the leader only)                                 │
 *  │                    └──────────── rebalance, other topics or partitions ◀──────────┘
 *  └── the user is away for longer than max.poll.interval.ms, until it is back
 * any ──leave──▶ left          any ──a refusal that no repetition heals──▶ failed
 * ```
 *
 * Under an eager protocol a member gives up everything before it joins. Under a cooperative one
 * (KIP-429) it gives up what the assignment takes from it, and then joins again, so that others can
 * be given it.
 *
 * Invariants: at most one of join and sync is under way, and an answer to an older one is not
 * listened to; nothing is joined before what must go first is given up; a member that was put out
 * of its generation has lost what it owned.
 *
 * @module
 */

import type { Epoch } from "../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { HEARTBEAT, type HeartbeatResponse } from "../../../net/messages/heartbeat.ts";
import { JOIN_GROUP, type JoinGroupResponse } from "../../../net/messages/join_group.ts";
import { LEAVE_GROUP } from "../../../net/messages/leave_group.ts";
import { SYNC_GROUP, type SyncGroupResponse } from "../../../net/messages/sync_group.ts";
import type { Api } from "../../../net/schema.ts";
import { make } from "../../../net/schema/make.ts";
import { backoffMs } from "../../link/backoff.ts";
import type {
  AssignedPlace,
  Assignor,
  GroupAssignment,
  LastAssignment,
} from "../assignors/assignor.ts";
import { ClientError, errorForCode } from "../errors.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "./consumer_protocol.ts";
import {
  type Effect,
  type GroupMetadata,
  losesCoordinator,
  type Membership,
  type MembershipSettings,
  without,
} from "./membership.ts";

const PROTOCOL_TYPE = "consumer";
const NO_GENERATION = -1;
/** A join is answered when all have joined: so much later than they must have at the latest. */
const JOIN_MARGIN_MS = 5_000;

type Phase =
  | "out"
  | "revoking"
  | "joining"
  | "leading"
  | "syncing"
  | "accepting"
  | "stable"
  | "left"
  | "failed";

/** Phases in which the coordinator wants to hear that the member is alive. */
const HEARTENING: ReadonlySet<Phase> = new Set([
  "revoking",
  "leading",
  "syncing",
  "accepting",
  "stable",
]);

/** A member of a classic group. */
export class ClassicMembership implements Membership {
  readonly #settings: MembershipSettings;
  readonly #assignors: readonly Assignor[];
  readonly #isCooperative: boolean;
  readonly #effects: Effect[] = [];
  #phase: Phase = "out";
  #memberId = "";
  #generationId: Epoch = NO_GENERATION;
  #protocolName = "";
  #isLeader = false;
  #topics: readonly string[] = [];
  /** What the last join said. */
  #joinedTopics: readonly string[] = [];
  #owned: readonly AssignedPlace[] = [];
  #last: LastAssignment | undefined;
  /** What is to be had once what must go first is given up. */
  #assigned: readonly AssignedPlace[] = [];
  /** Of the last step that was asked for. */
  #step = 0;
  #mustJoin = false;
  /** Counts joins and syncs: answers to others than the last are old. */
  #round = 0;
  #failures = 0;
  #notBefore = 0;
  #isHeartbeatAsked = false;
  #heartbeatDue = 0;
  #heardAt = 0;
  #polledAt: number | undefined;
  #isUserWaiting = false;
  /** The user was away for too long. */
  #isAway = false;

  constructor(settings: MembershipSettings, assignors: readonly Assignor[]) {
    this.#settings = settings;
    this.#assignors = assignors;
    this.#isCooperative = assignors.every(({ protocol }) => protocol === "cooperative");
  }

  get metadata(): GroupMetadata {
    const { groupId, groupInstanceId } = this.#settings;
    return {
      groupId,
      groupInstanceId,
      memberId: this.#memberId,
      generationId: this.#generationId,
    };
  }

  get due(): number {
    if (this.#phase === "left" || this.#phase === "failed") return Infinity;
    let due = this.#pollDue;
    if (this.#beats && !this.#isHeartbeatAsked) due = Math.min(due, this.#heartbeatDue);
    if (this.#mayJoin) due = Math.min(due, this.#notBefore);
    return due;
  }

  takeEffects(): readonly Effect[] {
    return this.#effects.splice(0);
  }

  subscribe(topics: readonly string[], now: number): void {
    this.#topics = topics.toSorted();
    this.#polledAt ??= now;
    if (this.#phase === "out" || !isSame(this.#topics, this.#joinedTopics)) this.#rejoin(now);
  }

  tick(now: number): void {
    if (now >= this.#pollDue) return this.#leaveForNow();
    if (this.#beats && !this.#isHeartbeatAsked && now >= this.#heartbeatDue) this.#heartbeat();
    if (this.#mayJoin && now >= this.#notBefore) this.#prepareJoin();
  }

  polled(now: number, isWaiting: boolean): void {
    this.#polledAt = now;
    this.#isUserWaiting = isWaiting;
    // One that has to lose partitions first joins once that is done.
    if (!this.#isAway || this.#phase !== "out") return;
    this.#isAway = false;
    this.#rejoin(now);
  }

  released(step: number): void {
    if (step !== this.#step) return;
    if (this.#phase === "revoking") {
      this.#owned = this.#generationId === NO_GENERATION ? [] : this.#kept;
      this.#join();
    } else if (this.#phase === "accepting") {
      // Others can be given it when all have joined again.
      this.#mustJoin = true;
      this.#assign(this.#assigned);
    }
  }

  accepted(step: number, now: number): void {
    if (step !== this.#step || this.#phase !== "accepting") return;
    this.#phase = "stable";
    if (!isSame(this.#topics, this.#joinedTopics)) this.#mustJoin = true;
    if (this.#mustJoin) this.#rejoin(now);
  }

  /** As leader: the assignment that was made, of partitions as they are now. */
  led(assignment: GroupAssignment): void {
    if (this.#phase !== "leading") return;
    const assignments = Array.from(assignment, ([memberId, places]) => ({
      memberId,
      assignment: encodeAssignment(places),
    }));
    this.#sync(assignments);
  }

  /** As leader: there is no assignment, and never will be. */
  leadFailed(error: ClientError): void {
    if (this.#phase === "leading") this.#fail(error);
  }

  /** As leader: the partitions of the group's topics are others than those it divided. */
  groupMetadataChanged(now: number): void {
    if (this.#isLeader && this.#phase === "stable") this.#rejoin(now);
  }

  metadataChanged(): void {}

  commitRefused(code: number, generationId: Epoch, now: number): void {
    if (generationId !== this.#generationId) return;
    if (code === ErrorCode.REBALANCE_IN_PROGRESS) this.#rebalance(now);
    else if (this.#phase === "stable") this.#takeExpulsion(code, now);
  }

  leave(): void {
    const isJoined = this.#memberId !== "" && this.#phase !== "failed";
    this.#round++;
    this.#phase = "left";
    // A static member is expected back.
    if (isJoined && this.#settings.groupInstanceId === null) {
      this.#askToLeave("the consumer closed");
    }
    this.#memberId = "";
    this.#generationId = NO_GENERATION;
  }

  /** Whether this member divides the partitions. */
  get isLeader(): boolean {
    return this.#isLeader;
  }

  get #beats(): boolean {
    return HEARTENING.has(this.#phase) && this.#generationId !== NO_GENERATION;
  }

  get #mayJoin(): boolean {
    return this.#mustJoin && !this.#isAway && (this.#phase === "stable" || this.#phase === "out");
  }

  get #pollDue(): number {
    if (this.#isUserWaiting || this.#isAway || this.#memberId === "") return Infinity;
    return (this.#polledAt ?? Infinity) + this.#settings.maxPollIntervalMs;
  }

  /** What is kept while joining. */
  get #kept(): readonly AssignedPlace[] {
    if (!this.#isCooperative) return [];
    return this.#owned.filter(({ topic }) => this.#topics.includes(topic));
  }

  #rejoin(now: number): void {
    this.#mustJoin = true;
    if (this.#mayJoin && now >= this.#notBefore) this.#prepareJoin();
  }

  #prepareJoin(): void {
    const isLost = this.#generationId === NO_GENERATION;
    const partitions = isLost ? this.#owned : without(this.#owned, this.#kept);
    this.#phase = "revoking";
    if (partitions.length === 0) return this.#join();
    this.#effects.push({ kind: "revoke", id: ++this.#step, partitions, isLost });
  }

  #assign(partitions: readonly AssignedPlace[]): void {
    // It may be had from now on, and then it may be lost.
    this.#owned = partitions;
    this.#effects.push({ kind: "assign", id: ++this.#step, partitions });
  }

  #join(): void {
    const { groupId, groupInstanceId, sessionTimeoutMs, maxPollIntervalMs } = this.#settings;
    this.#phase = "joining";
    this.#isAway = false;
    this.#mustJoin = false;
    this.#isLeader = false;
    this.#joinedTopics = this.#topics;
    const request = make(JOIN_GROUP.request, {
      groupId,
      groupInstanceId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: maxPollIntervalMs,
      memberId: this.#memberId,
      protocolType: PROTOCOL_TYPE,
      protocols: this.#assignors.map((assignor) => ({
        name: assignor.name,
        metadata: this.#subscriptionFor(assignor),
      })),
    });
    const timeoutMs = Math.max(
      this.#settings.requestTimeoutMs,
      maxPollIntervalMs + JOIN_MARGIN_MS,
    );
    this.#ask(JOIN_GROUP, request, timeoutMs, (result, now) => this.#joined(result, now));
  }

  #subscriptionFor(assignor: Assignor): Uint8Array {
    return encodeSubscription({
      topics: this.#topics,
      userData: assignor.userData?.(this.#last) ?? null,
      ownedPartitions: this.#isCooperative ? this.#owned : [],
      generationId: this.#generationId,
      rackId: this.#settings.rackId,
    });
  }

  #joined(result: JoinGroupResponse | ClientError, now: number): void {
    const code = result instanceof ClientError ? result.code : result.errorCode;
    if (code === ErrorCode.MEMBER_ID_REQUIRED) {
      this.#memberId = (result as JoinGroupResponse).memberId;
      return this.#join();
    }
    if (code !== ErrorCode.NONE) return this.#joinFailed(code, result, now);
    const response = result as JoinGroupResponse;
    this.#failures = 0;
    this.#memberId = response.memberId;
    this.#generationId = response.generationId;
    this.#protocolName = response.protocolName ?? "";
    this.#isLeader = response.leader === response.memberId;
    this.#heard(now);
    if (this.#isLeader && !response.skipAssignment) this.#lead(response);
    else this.#sync([]);
  }

  #lead({ members }: JoinGroupResponse): void {
    this.#phase = "leading";
    try {
      this.#effects.push({
        kind: "lead",
        assignor: this.#protocolName,
        members: members.map(({ memberId, groupInstanceId, metadata }) => ({
          memberId,
          groupInstanceId,
          ...decodeSubscription(metadata),
        })),
      });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      const code = ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
      this.#fail(errorForCode(code, `Cannot lead group ${this.#settings.groupId}`, detail));
    }
  }

  #sync(
    assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
  ): void {
    const { groupId, groupInstanceId, maxPollIntervalMs, requestTimeoutMs } = this.#settings;
    this.#phase = "syncing";
    const request = make(SYNC_GROUP.request, {
      groupId,
      groupInstanceId,
      generationId: this.#generationId,
      memberId: this.#memberId,
      protocolType: PROTOCOL_TYPE,
      protocolName: this.#protocolName,
      assignments,
    });
    const timeoutMs = Math.max(requestTimeoutMs, maxPollIntervalMs + JOIN_MARGIN_MS);
    this.#ask(SYNC_GROUP, request, timeoutMs, (result, now) => this.#synced(result, now));
  }

  #synced(result: SyncGroupResponse | ClientError, now: number): void {
    const code = result instanceof ClientError ? result.code : result.errorCode;
    if (code !== ErrorCode.NONE) return this.#joinFailed(code, result, now);
    let assigned: AssignedPlace[];
    try {
      assigned = decodeAssignment((result as SyncGroupResponse).assignment);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      const action = `Cannot read the assignment in group ${this.#settings.groupId}`;
      return this.#fail(errorForCode(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, action, detail));
    }
    this.#heard(now);
    this.#phase = "accepting";
    this.#assigned = assigned;
    this.#last = { partitions: assigned, generationId: this.#generationId };
    const partitions = without(this.#owned, assigned);
    if (partitions.length === 0) return this.#assign(assigned);
    this.#effects.push({ kind: "revoke", id: ++this.#step, partitions, isLost: false });
  }

  /** A join or a sync was refused, or not answered. */
  #joinFailed(
    code: number,
    result: ClientError | { readonly errorCode: number },
    now: number,
  ): void {
    this.#phase = "out";
    this.#mustJoin = true;
    if (losesCoordinator(code)) this.#effects.push({ kind: "forget-coordinator" });
    const isExpelled = code === ErrorCode.UNKNOWN_MEMBER_ID ||
      code === ErrorCode.ILLEGAL_GENERATION;
    if (isExpelled) this.#expel(code);
    const mayTry = isExpelled || code === ErrorCode.REBALANCE_IN_PROGRESS;
    const error = result instanceof ClientError
      ? result
      : errorForCode(code, `Cannot join group ${this.#settings.groupId}`);
    if (!mayTry && !error.retriable) return this.#fail(error);
    this.#failures++;
    if (mayTry && this.#failures === 1) return this.#rejoin(now);
    const { retryBackoff, random } = this.#settings;
    this.#notBefore = now + backoffMs(retryBackoff, this.#failures, random);
  }

  #heartbeat(): void {
    const { groupId, groupInstanceId, requestTimeoutMs, sessionTimeoutMs } = this.#settings;
    const generationId = this.#generationId;
    const request = make(HEARTBEAT.request, {
      groupId,
      groupInstanceId,
      generationId,
      memberId: this.#memberId,
    });
    this.#isHeartbeatAsked = true;
    this.#effects.push({
      kind: "ask",
      api: HEARTBEAT as Api,
      request,
      timeoutMs: Math.min(requestTimeoutMs, sessionTimeoutMs),
      done: (result, now) => {
        this.#isHeartbeatAsked = false;
        if (this.#generationId !== generationId || !this.#beats) return;
        this.#heartbeatAnswered(result as HeartbeatResponse | ClientError, now);
      },
    });
  }

  #heartbeatAnswered(result: HeartbeatResponse | ClientError, now: number): void {
    const code = result instanceof ClientError ? result.code : result.errorCode;
    const { retryBackoff, random, groupId, sessionTimeoutMs } = this.#settings;
    if (code === ErrorCode.NONE) return this.#heard(now);
    if (code === ErrorCode.REBALANCE_IN_PROGRESS) {
      this.#heard(now);
      return this.#rebalance(now);
    }
    if (this.#takeExpulsion(code, now)) return;
    const isSilent = now - this.#heardAt > sessionTimeoutMs;
    if (losesCoordinator(code) || isSilent) this.#effects.push({ kind: "forget-coordinator" });
    const error = errorForCode(code, `Cannot stay in group ${groupId}`);
    if (!error.retriable) return this.#fail(error);
    this.#heartbeatDue = now + backoffMs(retryBackoff, 1, random);
  }

  #heard(now: number): void {
    this.#heardAt = now;
    this.#heartbeatDue = now + this.#settings.heartbeatIntervalMs;
  }

  /** The group rebalances: the member must join again. */
  #rebalance(now: number): void {
    // One that is joining or about to be assigned will be told again if that is too late.
    if (this.#phase === "stable" || this.#phase === "accepting") this.#rejoin(now);
  }

  /** Whether the error puts the member out of its generation. */
  #takeExpulsion(code: number, now: number): boolean {
    if (code === ErrorCode.FENCED_INSTANCE_ID) {
      this.#fail(errorForCode(code, `Cannot stay in group ${this.#settings.groupId}`));
      return true;
    }
    if (code !== ErrorCode.UNKNOWN_MEMBER_ID && code !== ErrorCode.ILLEGAL_GENERATION) return false;
    this.#expel(code);
    if (this.#phase === "revoking") return true;
    this.#round++;
    this.#phase = "out";
    this.#rejoin(now);
    return true;
  }

  #expel(code: number): void {
    this.#generationId = NO_GENERATION;
    if (code === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = "";
  }

  /** The user does not come back: others take over its partitions until it does. */
  #leaveForNow(): void {
    this.#isAway = true;
    this.#round++;
    if (this.#settings.groupInstanceId === null) {
      this.#askToLeave("the consumer did not poll within max.poll.interval.ms");
    }
    this.#memberId = "";
    this.#generationId = NO_GENERATION;
    const partitions = this.#owned;
    this.#phase = partitions.length === 0 ? "out" : "revoking";
    const id = ++this.#step;
    if (partitions.length > 0) this.#effects.push({ kind: "revoke", id, partitions, isLost: true });
  }

  #askToLeave(reason: string): void {
    const { groupId, groupInstanceId, requestTimeoutMs } = this.#settings;
    this.#effects.push({
      kind: "ask",
      api: LEAVE_GROUP as Api,
      request: make(LEAVE_GROUP.request, {
        groupId,
        members: [{ memberId: this.#memberId, groupInstanceId, reason }],
      }),
      timeoutMs: requestTimeoutMs,
      done: () => {},
    });
  }

  #ask<Request, Response>(
    api: Api<Request, Response>,
    request: Request,
    timeoutMs: number,
    take: (result: Response | ClientError, now: number) => void,
  ): void {
    const round = ++this.#round;
    this.#effects.push({
      kind: "ask",
      api: api as Api,
      request,
      timeoutMs,
      done: (result, now) => {
        if (this.#round === round) take(result as Response | ClientError, now);
      },
    });
  }

  #fail(error: ClientError): void {
    this.#round++;
    this.#phase = "failed";
    this.#effects.push({ kind: "fail", error });
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((topic, index) => topic === b[index]);
}
