/**
 * What the two ways to be a member of a group have in common: the classic protocol
 * (classic_membership.ts) and the consumer protocol (consumer_membership.ts, KIP-848).
 *
 * A membership is a plain state machine: it is told what happened and what time it is, and says
 * what is to be done. Who runs it (group_member.ts) asks the coordinator, gives partitions up and
 * takes them on at moments at which the user has none of their records in hand, and says so.
 *
 * @module
 */

import type { Epoch } from "../../../../storage/bytes/ids.ts";
import type { Api } from "../../../../net/schema.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import type { BackoffBounds } from "../../../link/backoff.ts";
import type { ClientError } from "../../../link/errors.ts";
import type { RandomStream } from "../../../runtime/environment.ts";
import type { AssignedPlace, MemberSubscription } from "../assignors/assignor.ts";

/** Who commits: the group, and the member with its generation or epoch. */
export interface GroupMetadata {
  /** The group. */
  readonly groupId: string;
  /** The generation, or the member's epoch; -1 outside of the group. */
  readonly generationId: Epoch;
  /** Empty outside of the group. */
  readonly memberId: string;
  /** `group.instance.id`, of static members. */
  readonly groupInstanceId: string | null;
}

/**
 * Something to be done at a moment at which the user has no records in hand. A later step takes the
 * place of one that was not begun.
 */
export type Step =
  /** Give up what is had of these, then say `released`; lost ones are somebody else's already. */
  | {
    readonly kind: "revoke";
    readonly id: number;
    readonly partitions: readonly AssignedPlace[];
    readonly isLost: boolean;
  }
  /** Have these partitions from now on, and no others; then say `accepted`. */
  | {
    readonly kind: "assign";
    readonly id: number;
    readonly partitions: readonly AssignedPlace[];
  };

/** Something to be done for a membership. */
export type Effect =
  /** Ask the coordinator; `done` is to be told what came of it, and the time. */
  | {
    readonly kind: "ask";
    readonly api: Api;
    readonly request: unknown;
    readonly timeoutMs: number;
    readonly done: (result: unknown, now: number) => void;
  }
  /** The coordinator is another now. */
  | { readonly kind: "forget-coordinator" }
  | Step
  /** Divide the partitions of the group among its members, then say `led`. */
  | {
    readonly kind: "lead";
    readonly assignor: string;
    readonly members: readonly MemberSubscription[];
  }
  /** Learn the names of topics of which only ids are known, then say `metadataChanged`. */
  | { readonly kind: "update-metadata" }
  /** The brokers do not serve this protocol. */
  | { readonly kind: "unsupported" }
  /** Tell the user. The membership is over. */
  | { readonly kind: "fail"; readonly error: ClientError };

export interface MembershipSettings {
  readonly groupId: string;
  readonly groupInstanceId: string | null;
  readonly rackId: string | null;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly maxPollIntervalMs: number;
  readonly requestTimeoutMs: number;
  readonly retryBackoff: BackoffBounds;
  readonly random: RandomStream;
}

/** A membership of either kind. Times are monotonic. */
export interface Membership {
  /** For commits. */
  readonly metadata: GroupMetadata;
  /** When `tick` is to be called, if nothing happens before. */
  readonly due: number;
  /** What is to be done; each effect is given once. */
  takeEffects(): readonly Effect[];
  /** Subscribes to these topics, and to no others. */
  subscribe(topics: readonly string[], now: number): void;
  /** Time has passed. */
  tick(now: number): void;
  /** The user is there: it waits for records from now on, or has gone with some. */
  polled(now: number, isWaiting: boolean): void;
  /** What the step says is given up. */
  released(step: number, now: number): void;
  /** What the step says is had. */
  accepted(step: number, now: number): void;
  /** The topics' partitions may be others than before. */
  metadataChanged(now: number): void;
  /** A commit of that generation was refused because of who the member is. */
  commitRefused(code: number, generationId: Epoch, now: number): void;
  /** Ends it; the effects say what to ask last. */
  leave(): void;
}

/** Answers after which the coordinator must be looked for. */
const LOST_COORDINATOR: ReadonlySet<number> = new Set([
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NETWORK_EXCEPTION,
  ErrorCode.REQUEST_TIMED_OUT,
]);

/** Whether the error says that the coordinator may be another broker. */
export function losesCoordinator(code: number): boolean {
  return LOST_COORDINATOR.has(code);
}

/** Those of `places` that are not in `others`. */
export function without(
  places: readonly AssignedPlace[],
  others: readonly AssignedPlace[],
): AssignedPlace[] {
  const keys = new Set(others.map(keyOf));
  return places.filter((place) => !keys.has(keyOf(place)));
}

/** Whether they are the same partitions, in whatever order. */
export function isSameSet(a: readonly AssignedPlace[], b: readonly AssignedPlace[]): boolean {
  return a.length === b.length && without(a, b).length === 0;
}

function keyOf({ topic, partition }: AssignedPlace): string {
  return `${topic}-${partition}`;
}
