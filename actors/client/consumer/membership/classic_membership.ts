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

import type { Epoch } from "../../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import type { HeartbeatResponse } from "../../../../net/messages/heartbeat.ts";
import type { JoinGroupResponse } from "../../../../net/messages/join_group.ts";
import type { SyncGroupResponse } from "../../../../net/messages/sync_group.ts";
import type { Api } from "../../../../net/schema.ts";
import { backoffMs } from "../../../link/backoff.ts";
import type {
  AssignedPlace,
  Assignor,
  GroupAssignment,
  LastAssignment,
} from "../assignors/assignor.ts";
import { ClientError, errorForCode } from "../../errors.ts";
import {
  type Answer,
  assignmentOf,
  codeOf,
  heartbeatQuestion,
  joinQuestion,
  leaveQuestion,
  membersOf,
  type Question,
  syncQuestion,
} from "./classic_requests.ts";
import { encodeAssignment, encodeSubscription } from "./consumer_protocol.ts";
import {
  type Effect,
  type GroupMetadata,
  losesCoordinator,
  type Membership,
  type MembershipSettings,
  without,
} from "./membership.ts";

const NO_GENERATION = -1;

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
    this.#phase = "joining";
    this.#isAway = false;
    this.#mustJoin = false;
    this.#isLeader = false;
    this.#joinedTopics = this.#topics;
    const protocols = this.#assignors.map((assignor) => ({
      name: assignor.name,
      metadata: encodeSubscription({
        topics: this.#topics,
        userData: assignor.userData?.(this.#last) ?? null,
        ownedPartitions: this.#isCooperative ? this.#owned : [],
        generationId: this.#generationId,
        rackId: this.#settings.rackId,
      }),
    }));
    const question = joinQuestion(this.#settings, this.#memberId, protocols);
    this.#ask(question, (answer, now) => this.#joined(answer, now));
  }

  #joined(result: JoinGroupResponse | ClientError, now: number): void {
    const code = codeOf(result);
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

  #lead(response: JoinGroupResponse): void {
    this.#phase = "leading";
    const members = membersOf(response, this.#settings.groupId);
    if (members instanceof ClientError) return this.#fail(members);
    this.#effects.push({ kind: "lead", assignor: this.#protocolName, members });
  }

  #sync(
    assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[],
  ): void {
    this.#phase = "syncing";
    const question = syncQuestion(this.#settings, this.metadata, this.#protocolName, assignments);
    this.#ask(question, (answer, now) => this.#synced(answer, now));
  }

  #synced(result: SyncGroupResponse | ClientError, now: number): void {
    const code = codeOf(result);
    if (code !== ErrorCode.NONE) return this.#joinFailed(code, result, now);
    const assigned = assignmentOf(result as SyncGroupResponse, this.#settings.groupId);
    if (assigned instanceof ClientError) return this.#fail(assigned);
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
    const generationId = this.#generationId;
    this.#isHeartbeatAsked = true;
    this.#push(heartbeatQuestion(this.#settings, this.metadata), (answer, now) => {
      this.#isHeartbeatAsked = false;
      if (this.#generationId !== generationId || !this.#beats) return;
      this.#heartbeatAnswered(answer, now);
    });
  }

  #heartbeatAnswered(result: HeartbeatResponse | ClientError, now: number): void {
    const code = codeOf(result);
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
    this.#push(leaveQuestion(this.#settings, this.metadata, reason), () => {});
  }

  /** Asks what only the last of its kind is answered to. */
  #ask<Request, Response>(
    question: Question<Request, Response>,
    take: (answer: Answer<Response>, now: number) => void,
  ): void {
    const round = ++this.#round;
    this.#push(question, (answer, now) => {
      if (this.#round === round) take(answer, now);
    });
  }

  #push<Request, Response>(
    { api, request, timeoutMs }: Question<Request, Response>,
    take: (answer: Answer<Response>, now: number) => void,
  ): void {
    this.#effects.push({
      kind: "ask",
      api: api as Api,
      request,
      timeoutMs,
      done: (answer, now) => take(answer as Answer<Response>, now),
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
