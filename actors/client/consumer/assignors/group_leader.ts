/**
 * What the member does that leads a classic group: it learns of all topics that anybody in the
 * group subscribes to, divides their partitions, and notices when they become others.
 *
 * @module
 */

import type { NodeId } from "../../../../storage/bytes/ids.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { type ClientError, errorForCode, InvalidConfigError } from "../../errors.ts";
import type { Metadata, TopicInfo } from "../../metadata.ts";
import type { AssignableTopic, Assignor, GroupAssignment, MemberSubscription } from "./assignor.ts";

/** What there is to say of the group's partitions. */
export type LeadResult =
  | { readonly kind: "nothing" }
  | { readonly kind: "assigned"; readonly assignment: GroupAssignment }
  /** The partitions are others than those that were divided. */
  | { readonly kind: "outdated" }
  | { readonly kind: "failed"; readonly error: ClientError };

const NOTHING: LeadResult = { kind: "nothing" };

/** Divides partitions for a group. */
export class GroupLeader {
  readonly #metadata: Metadata;
  readonly #assignors: ReadonlyMap<string, Assignor>;
  #assignor = "";
  #members: readonly MemberSubscription[] = [];
  /** What was divided last; undefined while it is still to be done. */
  #divided: string | undefined;

  constructor(metadata: Metadata, assignors: readonly Assignor[]) {
    this.#metadata = metadata;
    this.#assignors = new Map(assignors.map((assignor) => [assignor.name, assignor]));
  }

  /** Takes on a generation, which is assigned by the next call of `maybeAssign`, or a later one. */
  lead(assignor: string, members: readonly MemberSubscription[]): void {
    this.#assignor = assignor;
    this.#members = members;
    this.#divided = undefined;
    for (const topic of this.#topics) this.#metadata.want(topic);
  }

  /** Assigns, if that is to be done and every topic is known; else looks whether that is old. */
  maybeAssign(): LeadResult {
    if (this.#members.length === 0) return NOTHING;
    const infos = this.#topics.map((name) => this.#metadata.topic(name));
    if (infos.some((info) => info === undefined)) return NOTHING;
    const topics = (infos as TopicInfo[]).filter(({ partitions }) => partitions.length > 0)
      .map((info) => this.#assignable(info));
    const divided = JSON.stringify(topics);
    if (this.#divided !== undefined) {
      return this.#divided === divided ? NOTHING : { kind: "outdated" };
    }
    const assignor = this.#assignors.get(this.#assignor);
    const action = `Cannot assign partitions by ${this.#assignor}`;
    if (assignor === undefined) {
      return { kind: "failed", error: errorForCode(ErrorCode.UNSUPPORTED_ASSIGNOR, action) };
    }
    this.#divided = divided;
    try {
      const given = assignor.assign(topics, this.#members);
      // Somebody who gets nothing is told so.
      const assignment = new Map(
        this.#members.map(({ memberId }) => [memberId, given.get(memberId) ?? []]),
      );
      return { kind: "assigned", assignment };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      return { kind: "failed", error: new InvalidConfigError(`${action}: ${reason}`, { cause }) };
    }
  }

  get #topics(): string[] {
    return [...new Set(this.#members.flatMap(({ topics }) => topics))].sort();
  }

  #assignable({ name, partitions }: TopicInfo): AssignableTopic {
    const { brokers } = this.#metadata;
    // Where nobody asks for racks, it does not matter when brokers come and go.
    const hasRacks = this.#members.some(({ rackId }) => rackId !== null);
    const racksOf = (replicas: readonly NodeId[]) =>
      hasRacks ? replicas.flatMap((node) => brokers.get(node)?.rack ?? []) : [];
    return { name, racks: partitions.map(({ replicas }) => racksOf(replicas)) };
  }
}
