/**
 * Membership by the consumer protocol (KIP-848): heartbeats say what the member subscribes to and
 * owns, and bring what it is to own; the coordinator divides the partitions, and nobody waits for
 * the others.
 *
 * ```
 * out ──▶ joining ──▶ stable ◀──▶ reconciling         (gives up, then takes on, then says so)
 *  ▲                    │  fenced, or put out
 *  ├────────────────────┴──▶ losing ──▶ joining       (everything is somebody else's now)
 *  └── the user is away for longer than max.poll.interval.ms, until it is back
 * any ──leave──▶ left          any ──a refusal that no repetition heals──▶ failed
 * ```
 *
 * Invariants: one heartbeat is under way at a time; what is owned is told only once it is had or
 * given up; a member that is fenced has lost all, and joins again with epoch 0.
 *
 * @module
 */

import type { Epoch, Uuid } from "../../../../storage/bytes/ids.ts";
import {
  CONSUMER_GROUP_HEARTBEAT,
  type ConsumerGroupHeartbeatRequest,
  type ConsumerGroupHeartbeatResponse,
} from "../../../../net/messages/consumer_group_heartbeat.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import type { Api } from "../../../../net/schema.ts";
import { make } from "../../../../net/schema/make.ts";
import { backoffMs } from "../../../link/backoff.ts";
import type { AssignedPlace } from "../assignors/assignor.ts";
import { ClientError, errorForCode } from "../../errors.ts";
import {
  type Effect,
  type GroupMetadata,
  isSameSet,
  losesCoordinator,
  type Membership,
  type MembershipSettings,
  without,
} from "./membership.ts";

export interface ConsumerMembershipSettings extends MembershipSettings {
  /** The member's own choice, the same for as long as it lives. */
  readonly memberId: string;
  /** The server's assignor; its own choice when null. */
  readonly serverAssignor: string | null;
  /** The name of a topic; undefined while only its id is known. */
  topicName(topicId: Uuid): string | undefined;
  /** The id of a topic that is known. */
  topicId(name: string): Uuid | undefined;
}

const JOIN_EPOCH = 0;
const LEAVE_EPOCH = -1;
/** A static member goes and is expected back. */
const LEAVE_STATIC_EPOCH = -2;

/** What a heartbeat said. */
interface Told {
  readonly topics: readonly string[];
  readonly had: readonly AssignedPlace[];
}

type Phase = "out" | "joining" | "stable" | "reconciling" | "losing" | "left" | "failed";
type Target = NonNullable<ConsumerGroupHeartbeatResponse["assignment"]>["topicPartitions"];

/** A member of a group of the consumer protocol. */
export class ConsumerMembership implements Membership {
  readonly #settings: ConsumerMembershipSettings;
  readonly #effects: Effect[] = [];
  #phase: Phase = "out";
  #epoch: Epoch = JOIN_EPOCH;
  #topics: readonly string[] = [];
  /** What may be had: it is lost with the membership. */
  #owned: readonly AssignedPlace[] = [];
  /** What the last reconciliation came to. */
  #had: readonly AssignedPlace[] = [];
  /** What the coordinator wants it to own, while that is not so. */
  #target: Target | undefined;
  /** What is being made of the target. */
  #next: readonly AssignedPlace[] = [];
  /** Of the last step that was asked for. */
  #step = 0;
  /** What the coordinator was told last; undefined when it must be told all. */
  #told: Told | undefined;
  #isAsked = false;
  #mustTell = false;
  #intervalMs: number;
  #heartbeatDue = 0;
  #failures = 0;
  /** How often it was put out since it was last well. */
  #fences = 0;
  #notBefore = 0;
  /** Answers to heartbeats of another life are not listened to. */
  #life = 0;
  #polledAt: number | undefined;
  #isUserWaiting = false;
  #isAway = false;

  constructor(settings: ConsumerMembershipSettings) {
    this.#settings = settings;
    this.#intervalMs = settings.heartbeatIntervalMs;
  }

  get metadata(): GroupMetadata {
    const { groupId, groupInstanceId, memberId } = this.#settings;
    const isMember = this.#phase === "stable" || this.#phase === "reconciling";
    return isMember
      ? { groupId, groupInstanceId, memberId, generationId: this.#epoch }
      : { groupId, groupInstanceId, memberId: "", generationId: -1 };
  }

  get due(): number {
    let due = this.#pollDue;
    if (this.#beats) due = Math.min(due, this.#heartbeatDue);
    return due;
  }

  takeEffects(): readonly Effect[] {
    return this.#effects.splice(0);
  }

  subscribe(topics: readonly string[], now: number): void {
    this.#topics = topics.toSorted();
    this.#polledAt ??= now;
    if (this.#phase === "out" && !this.#isAway) this.#join(now);
    else this.#heartbeatNow(now);
  }

  tick(now: number): void {
    if (now >= this.#pollDue) return this.#leaveForNow();
    if (this.#beats && now >= this.#heartbeatDue) this.#heartbeat();
  }

  polled(now: number, isWaiting: boolean): void {
    this.#polledAt = now;
    this.#isUserWaiting = isWaiting;
    // One that has to lose partitions first joins once that is done.
    if (!this.#isAway || this.#phase !== "out") return;
    this.#join(now);
  }

  released(step: number, now: number): void {
    if (step !== this.#step) return;
    if (this.#phase === "losing") {
      this.#owned = this.#had = [];
      this.#join(now);
    } else if (this.#phase === "reconciling") {
      this.#assign();
    }
  }

  accepted(step: number, now: number): void {
    if (step !== this.#step || this.#phase !== "reconciling") return;
    this.#phase = "stable";
    this.#had = this.#owned;
    // The coordinator waits for it: others may be given what this member has given up.
    this.#heartbeatNow(now);
    this.#reconcile();
  }

  metadataChanged(): void {
    this.#reconcile();
  }

  commitRefused(code: number, generationId: Epoch, now: number): void {
    if (generationId !== this.#epoch || this.#phase === "losing") return;
    if (code === ErrorCode.STALE_MEMBER_EPOCH) this.#heartbeatNow(now);
    else this.#takeFence(code, now);
  }

  leave(): void {
    const isMember = this.#isMember;
    this.#life++;
    this.#phase = "left";
    if (isMember) this.#askToLeave();
  }

  get #isMember(): boolean {
    return this.#phase === "joining" || this.#phase === "stable" || this.#phase === "reconciling";
  }

  get #beats(): boolean {
    return this.#isMember && !this.#isAsked;
  }

  get #pollDue(): number {
    if (this.#isUserWaiting || this.#isAway || !this.#isMember) return Infinity;
    return (this.#polledAt ?? Infinity) + this.#settings.maxPollIntervalMs;
  }

  #join(now: number): void {
    this.#phase = "joining";
    this.#isAway = false;
    this.#epoch = JOIN_EPOCH;
    this.#target = undefined;
    this.#told = undefined;
    this.#heartbeatNow(now);
  }

  #heartbeatNow(now: number): void {
    this.#mustTell = true;
    if (this.#failures > 0 || now < this.#notBefore) return;
    this.#heartbeatDue = now;
    if (this.#beats) this.#heartbeat();
  }

  #heartbeat(): void {
    const { requestTimeoutMs, sessionTimeoutMs } = this.#settings;
    const life = this.#life;
    const request = this.#request();
    this.#isAsked = true;
    this.#mustTell = false;
    const told = { topics: this.#topics, had: this.#had };
    this.#effects.push({
      kind: "ask",
      api: CONSUMER_GROUP_HEARTBEAT as Api,
      request,
      timeoutMs: Math.min(requestTimeoutMs, sessionTimeoutMs),
      done: (result, now) => {
        if (this.#life !== life) return;
        this.#isAsked = false;
        this.#answered(result as ConsumerGroupHeartbeatResponse | ClientError, told, now);
      },
    });
  }

  /** Everything at first and after a failure; later what the coordinator does not know yet. */
  #request(): ConsumerGroupHeartbeatRequest {
    const { groupId, memberId, groupInstanceId: instanceId } = this.#settings;
    const { rackId, serverAssignor, maxPollIntervalMs } = this.#settings;
    const told = this.#told;
    const draft = { groupId, memberId, instanceId, memberEpoch: this.#epoch };
    if (told === undefined) {
      // What is being taken on counts as had: the coordinator would give it to somebody else.
      const topicPartitions = this.#byId([...this.#had, ...without(this.#owned, this.#had)]);
      return make(CONSUMER_GROUP_HEARTBEAT.request, {
        ...draft,
        rackId,
        serverAssignor,
        rebalanceTimeoutMs: maxPollIntervalMs,
        subscribedTopicNames: this.#topics,
        topicPartitions,
      });
    }
    return make(CONSUMER_GROUP_HEARTBEAT.request, {
      ...draft,
      subscribedTopicNames: told.topics === this.#topics ? undefined : this.#topics,
      // What is had after a reconciliation is told even where it is the same: that ends it.
      topicPartitions: told.had === this.#had ? undefined : this.#byId(this.#had),
    });
  }

  #byId(places: readonly AssignedPlace[]): { topicId: Uuid; partitions: number[] }[] {
    const byTopic = Map.groupBy(places, ({ topic }) => topic);
    return [...byTopic].flatMap(([topic, places]) => {
      const topicId = this.#settings.topicId(topic);
      // A topic that is no more cannot be told of, and nobody waits for it.
      if (topicId === undefined) return [];
      return [{ topicId, partitions: places.map(({ partition }) => partition) }];
    });
  }

  #answered(
    result: ConsumerGroupHeartbeatResponse | ClientError,
    told: Told,
    now: number,
  ): void {
    if (!this.#isMember) return;
    const code = result instanceof ClientError ? result.code : result.errorCode;
    if (code !== ErrorCode.NONE) return this.#refused(code, result, now);
    const response = result as ConsumerGroupHeartbeatResponse;
    this.#failures = 0;
    if (this.#told !== undefined) this.#fences = 0;
    this.#told = told;
    this.#epoch = response.memberEpoch;
    if (response.heartbeatIntervalMs > 0) this.#intervalMs = response.heartbeatIntervalMs;
    this.#heartbeatDue = this.#mustTell ? now : now + this.#intervalMs;
    if (this.#phase === "joining") this.#phase = "stable";
    if (response.assignment !== null) this.#target = response.assignment.topicPartitions;
    this.#reconcile();
    if (this.#mustTell && this.#beats) this.#heartbeat();
  }

  #refused(
    code: number,
    result: ClientError | { readonly errorMessage: string | null },
    now: number,
  ): void {
    if (code === ErrorCode.UNSUPPORTED_VERSION && this.#told === undefined) {
      this.#phase = "failed";
      this.#effects.push({ kind: "unsupported" });
      return;
    }
    if (this.#takeFence(code, now)) return;
    if (losesCoordinator(code)) this.#effects.push({ kind: "forget-coordinator" });
    // What it has heard of is not known.
    this.#told = undefined;
    const action = `Cannot stay in group ${this.#settings.groupId}`;
    const error = result instanceof ClientError
      ? result
      : errorForCode(code, action, result.errorMessage);
    if (!error.retriable) {
      this.#life++;
      this.#phase = "failed";
      this.#effects.push({ kind: "fail", error });
      return;
    }
    this.#failures++;
    const { retryBackoff, random } = this.#settings;
    this.#heartbeatDue = now + backoffMs(retryBackoff, this.#failures, random);
  }

  /** Whether the error puts the member out. */
  #takeFence(code: number, now: number): boolean {
    if (code !== ErrorCode.FENCED_MEMBER_EPOCH && code !== ErrorCode.UNKNOWN_MEMBER_ID) {
      return false;
    }
    this.#fences++;
    this.#lose(now);
    return true;
  }

  #lose(now: number): void {
    this.#life++;
    this.#isAsked = false;
    this.#phase = "losing";
    this.#target = undefined;
    this.#failures = 0;
    const { retryBackoff, random } = this.#settings;
    // The first time may be a misunderstanding.
    const waitMs = this.#fences > 1 ? backoffMs(retryBackoff, this.#fences - 1, random) : 0;
    this.#heartbeatDue = this.#notBefore = now + waitMs;
    if (this.#owned.length === 0) return this.#join(now);
    const partitions = this.#owned;
    this.#effects.push({ kind: "revoke", id: ++this.#step, partitions, isLost: true });
  }

  /** Begins to make the target true, as far as its topics are known. */
  #reconcile(): void {
    if (this.#target === undefined || this.#phase !== "stable") return;
    let isWhole = true;
    const places = this.#target.flatMap(({ topicId, partitions }) => {
      const topic = this.#settings.topicName(topicId);
      if (topic === undefined) isWhole = false;
      return topic === undefined ? [] : partitions.map((partition) => ({ topic, partition }));
    });
    if (isWhole) this.#target = undefined;
    else this.#effects.push({ kind: "update-metadata" });
    if (!isWhole && isSameSet(places, this.#owned)) return;
    this.#next = places;
    this.#phase = "reconciling";
    const partitions = without(this.#owned, places);
    if (partitions.length === 0) return this.#assign();
    this.#effects.push({ kind: "revoke", id: ++this.#step, partitions, isLost: false });
  }

  #assign(): void {
    this.#owned = this.#next;
    this.#effects.push({ kind: "assign", id: ++this.#step, partitions: this.#next });
  }

  /** The user does not come back: others take over its partitions until it does. */
  #leaveForNow(): void {
    this.#life++;
    this.#isAsked = false;
    this.#isAway = true;
    this.#askToLeave();
    const partitions = this.#owned;
    this.#phase = partitions.length === 0 ? "out" : "losing";
    const id = ++this.#step;
    if (partitions.length > 0) this.#effects.push({ kind: "revoke", id, partitions, isLost: true });
  }

  #askToLeave(): void {
    const { groupId, memberId, groupInstanceId: instanceId, requestTimeoutMs } = this.#settings;
    const memberEpoch = instanceId === null ? LEAVE_EPOCH : LEAVE_STATIC_EPOCH;
    this.#effects.push({
      kind: "ask",
      api: CONSUMER_GROUP_HEARTBEAT as Api,
      request: make(CONSUMER_GROUP_HEARTBEAT.request, {
        groupId,
        memberId,
        instanceId,
        memberEpoch,
      }),
      timeoutMs: requestTimeoutMs,
      done: () => {},
    });
  }
}
