/**
 * The partitions of one assignment, one object for each, to be told apart by identity.
 *
 * @module
 */

import type {
  AssignableTopic,
  AssignedPlace,
  GroupAssignment,
  MemberSubscription,
} from "./assignor.ts";

/** A partition that is to be assigned. */
export interface Place extends AssignedPlace {
  /** The racks that hold a copy. */
  readonly racks: ReadonlySet<string>;
}

/** The partitions of topics that somebody subscribes to and that have any. */
export class Places {
  readonly #byTopic = new Map<string, readonly Place[]>();
  #count = 0;

  constructor(topics: readonly AssignableTopic[], members: readonly MemberSubscription[]) {
    const wanted = new Set(members.flatMap((member) => member.topics));
    for (const { name, racks } of topics) {
      if (!wanted.has(name) || racks.length === 0) continue;
      const places = racks.map((racks, partition) => ({
        topic: name,
        partition,
        racks: new Set(racks),
      }));
      this.#byTopic.set(name, places);
      this.#count += places.length;
    }
  }

  /** How many partitions there are. */
  get count(): number {
    return this.#count;
  }

  /** The topics, by their names. */
  get topics(): string[] {
    return [...this.#byTopic.keys()].sort(byText);
  }

  /** The partitions of a topic, in order; none where it is not known. */
  of(topic: string): readonly Place[] {
    return this.#byTopic.get(topic) ?? [];
  }

  has(topic: string): boolean {
    return this.#byTopic.has(topic);
  }

  /** The partition as it stands here; undefined where it is no more. */
  at({ topic, partition }: AssignedPlace): Place | undefined {
    return this.#byTopic.get(topic)?.[partition];
  }

  /** All of them, topic after topic. */
  all(topics: readonly string[]): Place[] {
    return topics.flatMap((topic) => this.of(topic));
  }
}

/** Java's order of texts, which is that of their UTF-16 units. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** By topic, then by number. */
export function byPlace(a: AssignedPlace, b: AssignedPlace): number {
  return byText(a.topic, b.topic) || a.partition - b.partition;
}

/** What was decided, without what only the deciding needed, each member's partitions in order. */
export function settled(assignment: ReadonlyMap<string, readonly Place[]>): GroupAssignment {
  return new Map(
    Array.from(assignment, ([memberId, places]) => [
      memberId,
      places.map(({ topic, partition }) => ({ topic, partition })).sort(byPlace),
    ]),
  );
}

/** Static members by their instance ids, before all others by their member ids. */
export function byIdentity(a: MemberSubscription, b: MemberSubscription): number {
  if (a.groupInstanceId !== null && b.groupInstanceId !== null) {
    return byText(a.groupInstanceId, b.groupInstanceId);
  }
  if (a.groupInstanceId !== null) return -1;
  return b.groupInstanceId !== null ? 1 : byText(a.memberId, b.memberId);
}

/** Whether the racks of some members and partitions make a difference (KIP-881). */
export function racksMatter(
  members: readonly MemberSubscription[],
  places: readonly Place[],
): boolean {
  const ofMembers = members.map(rackOf).filter((rack) => rack !== undefined);
  if (ofMembers.length === 0) return false;
  const ofPlaces = new Set(places.flatMap(({ racks }) => [...racks]));
  if (!ofMembers.some((rack) => ofPlaces.has(rack))) return false;
  return places.some(({ racks }) => racks.size !== ofPlaces.size);
}

/** A member's rack; an empty one is none. */
export function rackOf({ rackId }: MemberSubscription): string | undefined {
  return rackId === null || rackId === "" ? undefined : rackId;
}
