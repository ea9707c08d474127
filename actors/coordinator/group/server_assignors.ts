/**
 * The assignors of the coordinator (KIP-848): `range` and `uniform`. Plain functions of who wants
 * what, and who has what.
 *
 * Invariant: each partition of a topic that somebody wants is given to one member that wants the
 * topic, and no other is.
 *
 * @module
 */

import type { Uuid } from "../../../storage/bytes/ids.ts";
import { type Assignment, NO_PARTITIONS } from "./assignment.ts";
import { LeastLoaded } from "./least_loaded.ts";

/** A member to assign to. */
export interface AssignedMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** The topics that it wants and that are there. */
  readonly topicIds: ReadonlySet<Uuid>;
  /** Its last target. */
  readonly previous: Assignment;
}

/** Shares out all partitions of the topics that members want. */
export type ServerAssignor = (
  members: readonly AssignedMember[],
  partitionCounts: ReadonlyMap<Uuid, number>,
) => Map<string, Assignment>;

type Targets = Map<string, Map<Uuid, Set<number>>>;

/** Neighbouring partitions of each topic to each member, alike in topics that are alike. */
export const assignRange: ServerAssignor = (members, partitionCounts) => {
  const sorted = members.toSorted(byInstanceThenId);
  const targets: Targets = new Map(sorted.map(({ memberId }) => [memberId, new Map()]));
  for (const [topicId, count] of partitionCounts) {
    const takers = sorted.filter(({ topicIds }) => topicIds.has(topicId));
    const least = Math.floor(count / takers.length);
    let extra = count % takers.length;
    let first = 0;
    for (const { memberId } of takers) {
      const end = first + least + (extra-- > 0 ? 1 : 0);
      for (; first < end; first++) give(targets, memberId, topicId, first);
    }
  }
  return targets;
};

/** Static members first, so that who comes back has the same again. */
function byInstanceThenId(a: AssignedMember, b: AssignedMember): number {
  if (a.instanceId !== null && b.instanceId !== null) return a.instanceId < b.instanceId ? -1 : 1;
  if (a.instanceId !== null) return -1;
  if (b.instanceId !== null) return 1;
  return a.memberId < b.memberId ? -1 : 1;
}

/** As many to each as can be, and as few moved as that allows. */
export const assignUniform: ServerAssignor = (members, partitionCounts) => {
  const [first] = members;
  if (first === undefined) return new Map();
  const isHomogeneous = members.every(({ topicIds }) =>
    topicIds.size === first.topicIds.size && topicIds.isSubsetOf(first.topicIds)
  );
  return isHomogeneous
    ? assignAlike(members, partitionCounts)
    : assignDifferent(members, partitionCounts);
};

interface TopicPartition {
  readonly topicId: Uuid;
  readonly partition: number;
}

/** All want the same: quotas differ by one, the larger go to those who have more. */
function assignAlike(
  members: readonly AssignedMember[],
  partitionCounts: ReadonlyMap<Uuid, number>,
): Map<string, Assignment> {
  const total = [...partitionCounts.values()].reduce((sum, count) => sum + count, 0);
  const least = Math.floor(total / members.length);
  let extra = total % members.length;
  const targets: Targets = new Map();
  const open = new Open(partitionCounts);
  const owned = members.map((member) => ({ member, kept: open.ownedBy(member) }));
  // Those who have more than the least keep more, as long as there is more to keep.
  const sorted = owned.toSorted((a, b) => b.kept.length - a.kept.length);
  const unfilled: { readonly memberId: string; room: number }[] = [];
  for (const { member: { memberId }, kept } of sorted) {
    const quota = least + (extra > 0 ? 1 : 0);
    extra--;
    targets.set(memberId, new Map());
    for (const { topicId, partition } of kept.slice(0, quota)) {
      open.take(topicId, partition);
      give(targets, memberId, topicId, partition);
    }
    if (kept.length < quota) unfilled.push({ memberId, room: quota - kept.length });
  }
  const left = open.left();
  for (const { memberId, room } of unfilled) {
    for (let index = 0; index < room; index++) {
      const next = left.next();
      if (next.done === true) return targets;
      give(targets, memberId, next.value.topicId, next.value.partition);
    }
  }
  return targets;
}

/** They want different things: what is open goes to whoever has least, then some is moved. */
function assignDifferent(
  members: readonly AssignedMember[],
  partitionCounts: ReadonlyMap<Uuid, number>,
): Map<string, Assignment> {
  const targets: Targets = new Map(members.map(({ memberId }) => [memberId, new Map()]));
  const loads = new Map(members.map(({ memberId }) => [memberId, 0]));
  const load = (memberId: string) => loads.get(memberId) as number;
  const owners = new Map<Uuid, string[]>();
  const move = (memberId: string, topicId: Uuid, partition: number) => {
    give(targets, memberId, topicId, partition);
    loads.set(memberId, load(memberId) + 1);
    const ofTopic = owners.get(topicId);
    if (ofTopic === undefined) throw new Error(`Cannot assign topic ${topicId}: it is unknown`);
    ofTopic[partition] = memberId;
  };
  for (const [topicId, count] of partitionCounts) owners.set(topicId, new Array(count));
  const open = new Open(partitionCounts);
  for (const member of members) {
    for (const { topicId, partition } of open.ownedBy(member)) {
      open.take(topicId, partition);
      move(member.memberId, topicId, partition);
    }
  }
  const takersOf = new Map<Uuid, readonly string[]>();
  for (const topicId of partitionCounts.keys()) {
    const takers = members.filter(({ topicIds }) => topicIds.has(topicId));
    takersOf.set(topicId, takers.map(({ memberId }) => memberId));
  }
  const leastOf = (topicId: Uuid) => new LeastLoaded(takersOf.get(topicId) ?? [], load);
  // Topics that few want come first: who takes them has no choice.
  const scarce = [...Map.groupBy(open.left(), ({ topicId }) => topicId)].sort(([a], [b]) =>
    (takersOf.get(a)?.length ?? 0) - (takersOf.get(b)?.length ?? 0)
  );
  for (const [topicId, partitions] of scarce) {
    const least = leastOf(topicId);
    for (const { partition } of partitions) {
      const to = least.first as string;
      move(to, topicId, partition);
      least.changed(to);
    }
  }
  // Each move brings two loads nearer to each other: that ends.
  for (let moved = true; moved;) {
    moved = false;
    for (const [topicId, ofTopic] of owners) {
      const least = leastOf(topicId);
      for (let partition = 0; partition < ofTopic.length; partition++) {
        const from = ofTopic[partition] as string;
        const to = least.first as string;
        if (load(from) - load(to) < 2) continue;
        drop(targets, from, topicId, partition);
        loads.set(from, load(from) - 1);
        move(to, topicId, partition);
        least.changed(from);
        least.changed(to);
        moved = true;
      }
    }
  }
  return targets;
}

/** The partitions that nobody has been given yet. */
class Open {
  readonly #partitionCounts: ReadonlyMap<Uuid, number>;
  readonly #taken = new Map<Uuid, Set<number>>();
  /** Partitions that somebody has, by whoever was asked first. */
  readonly #claimed = new Map<Uuid, Set<number>>();

  constructor(partitionCounts: ReadonlyMap<Uuid, number>) {
    this.#partitionCounts = partitionCounts;
  }

  /** What a member has and still wants, that is there, and that nobody before has claimed. */
  ownedBy({ previous, topicIds }: AssignedMember): TopicPartition[] {
    const owned: TopicPartition[] = [];
    for (const [topicId, partitions] of previous) {
      const count = this.#partitionCounts.get(topicId) ?? 0;
      if (!topicIds.has(topicId)) continue;
      for (const partition of partitions) {
        if (partition >= count || !add(this.#claimed, topicId, partition)) continue;
        owned.push({ topicId, partition });
      }
    }
    return owned;
  }

  take(topicId: Uuid, partition: number): void {
    add(this.#taken, topicId, partition);
  }

  *left(): Generator<TopicPartition, undefined> {
    for (const [topicId, count] of this.#partitionCounts) {
      const taken = this.#taken.get(topicId);
      for (let partition = 0; partition < count; partition++) {
        if (taken?.has(partition) !== true) yield { topicId, partition };
      }
    }
    return undefined;
  }
}

/** Whether it was not there before. */
function add(to: Map<Uuid, Set<number>>, topicId: Uuid, partition: number): boolean {
  let partitions = to.get(topicId);
  if (partitions === undefined) to.set(topicId, partitions = new Set());
  if (partitions.has(partition)) return false;
  partitions.add(partition);
  return true;
}

function give(targets: Targets, memberId: string, topicId: Uuid, partition: number): void {
  let topics = targets.get(memberId);
  if (topics === undefined) targets.set(memberId, topics = new Map());
  add(topics, topicId, partition);
}

function drop(targets: Targets, memberId: string, topicId: Uuid, partition: number): void {
  const topics = targets.get(memberId);
  const partitions = topics?.get(topicId);
  partitions?.delete(partition);
  if (partitions?.size === 0) topics?.delete(topicId);
}

/** The assignors by their names. */
export const SERVER_ASSIGNORS: ReadonlyMap<string, ServerAssignor> = new Map([
  ["uniform", assignUniform],
  ["range", assignRange],
]);

/** The target of a member; nothing where there is none. */
export function targetIn(targets: ReadonlyMap<string, Assignment>, memberId: string): Assignment {
  return targets.get(memberId) ?? NO_PARTITIONS;
}
