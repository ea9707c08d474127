/**
 * The sticky assignment of a group whose members subscribe to different topics: as balanced as can
 * be, and moving little.
 *
 * What members own and still subscribe to they keep; what is left goes to whoever has least of
 * those who may have it, then partitions move from who has more to who has less for as long as that
 * helps. Who owned a partition in an earlier generation comes first.
 *
 * @module
 */

import { NO_GENERATION, type StickyGroup, type StickyMember } from "./owned_places.ts";
import { PartitionMovements } from "./partition_movements.ts";
import { byText, type Place, type Places } from "./places.ts";
import { RackInfo } from "./rack_info.ts";
import type { StickyAssignment } from "./uniform_sticky.ts";

export function assignMixed(places: Places, group: StickyGroup): StickyAssignment {
  const builder = new MixedAssignment(places, group);
  builder.build();
  return { assignment: builder.assignment(), transferring: undefined };
}

/** A member while partitions are given to it and taken from it. */
interface Taker {
  readonly member: StickyMember;
  readonly topics: readonly string[];
  /** The most that it could have. */
  readonly most: number;
  places: Set<Place>;
}

class MixedAssignment {
  readonly #places: Places;
  readonly #racks: RackInfo;
  readonly #takers: readonly Taker[];
  /** Those who may have partitions of a topic. */
  readonly #takersOf = new Map<string, Taker[]>();
  /** Those between whom partitions may move, the one with the fewest first. */
  #order: Taker[] = [];
  readonly #ownerOf = new Map<Place, Taker>();
  readonly #earlierOwnerOf: ReadonlyMap<Place, Taker>;
  readonly #movements = new PartitionMovements();
  /** A member has something that it may not keep. */
  #mustRevoke = false;

  constructor(places: Places, group: StickyGroup) {
    this.#places = places;
    this.#racks = new RackInfo(group.members, places.all(places.topics));
    for (const topic of places.topics) this.#takersOf.set(topic, []);
    this.#takers = group.members.map((member) => {
      const topics = [...member.topics].filter((topic) => places.has(topic));
      const most = topics.reduce((sum, topic) => sum + places.of(topic).length, 0);
      const taker: Taker = { member, topics, most, places: new Set() };
      for (const topic of topics) this.#takersOf.get(topic)!.push(taker);
      return taker;
    });
    this.#earlierOwnerOf = earlierOwners(places, group, this.#takers);
  }

  assignment(): Map<string, Place[]> {
    return new Map(this.#takers.map(({ member, places }) => [member.id, [...places]]));
  }

  build(): void {
    this.#keepOwned();
    const topics = this.#places.topics.sort((a, b) =>
      this.#takersOf.get(a)!.length - this.#takersOf.get(b)!.length || byText(a, b)
    );
    const all = this.#places.all(topics);
    const unassigned = all.filter((place) => !this.#ownerOf.has(place));
    this.#order = this.#takers.toSorted(byCount);
    const isFirst = this.#order.at(-1)!.places.size === 0;
    this.#giveOut(unassigned);
    this.#balance(all, unassigned, isFirst);
  }

  #keepOwned(): void {
    for (const taker of this.#takers) {
      const { id, topics, owned } = taker.member;
      for (const place of owned) {
        if (!topics.has(place.topic) || this.#racks.isFar(id, place)) {
          this.#mustRevoke = true;
          continue;
        }
        taker.places.add(place);
        this.#ownerOf.set(place, taker);
      }
    }
  }

  #giveOut(unassigned: readonly Place[]): void {
    const far = this.#racks.matters
      ? unassigned.filter((place) =>
        !this.#giveToLeast(place, ({ id }) => !this.#racks.isFar(id, place))
      )
      : unassigned;
    for (const place of far) this.#giveToLeast(place, () => true);
  }

  #giveToLeast(place: Place, may: (member: StickyMember) => boolean): boolean {
    const taker = this.#order.find(({ member }) => member.topics.has(place.topic) && may(member));
    if (taker === undefined) return false;
    this.#change(taker, () => taker.places.add(place));
    this.#ownerOf.set(place, taker);
    return true;
  }

  /** Changes what a member has, and with it its place in the order. */
  #change(taker: Taker, change: () => void): void {
    const order = this.#order;
    order.splice(order.indexOf(taker), 1);
    change();
    const at = order.findIndex((other) => byCount(taker, other) < 0);
    order.splice(at < 0 ? order.length : at, 0, taker);
  }

  #balance(all: readonly Place[], unassigned: readonly Place[], isFirst: boolean): void {
    const mayMove = ({ topic }: Place) => this.#takersOf.get(topic)!.length >= 2;
    this.#order = this.#order.filter(({ places, most }) =>
      places.size < most || [...places].some(mayMove)
    );
    const before = this.#order.map((taker) => ({ taker, places: new Set(taker.places) }));
    const scoreBefore = this.#score();
    if (!this.#mustRevoke) this.#reassign(unassigned.filter(mayMove));
    const isChanged = this.#reassign(all.filter(mayMove));
    // What is not better than before is not worth moving for.
    if (isFirst || !isChanged || this.#score() < scoreBefore) return;
    for (const { taker, places } of before) taker.places = places;
  }

  /** By how much members differ, over all pairs. */
  #score(): number {
    const sizes = this.#order.map(({ places }) => places.size);
    let score = 0;
    for (let i = 0; i < sizes.length; i++) {
      for (let j = 0; j < i; j++) score += Math.abs(sizes[i]! - sizes[j]!);
    }
    return score;
  }

  /** Moves partitions until that does not help any more. */
  #reassign(places: readonly Place[]): boolean {
    let isChanged = false;
    for (let isModified = true; isModified;) {
      isModified = false;
      for (const place of places) {
        if (this.#isBalanced()) break;
        const to = this.#better(place);
        if (to === undefined) continue;
        this.#move(place, to);
        isModified = isChanged = true;
      }
    }
    return isChanged;
  }

  /** Who should rather have the partition. */
  #better(place: Place): Taker | undefined {
    const owner = this.#ownerOf.get(place)!;
    const earlier = this.#earlierOwnerOf.get(place);
    const isRicher = (other: Taker) => owner.places.size > other.places.size + 1;
    if (earlier !== undefined && isRicher(earlier) && this.#mayTake(earlier, place)) return earlier;
    if (!this.#takersOf.get(place.topic)!.some(isRicher)) return undefined;
    return this.#order.find(({ member }) => member.topics.has(place.topic));
  }

  /** Kafka does not ask whether who owned it before still subscribes. */
  #mayTake(taker: Taker, { topic }: Place): boolean {
    return taker.member.topics.has(topic) && this.#order.includes(taker);
  }

  #move(wanted: Place, to: Taker): void {
    const from = this.#ownerOf.get(wanted)!.member.id;
    const place = this.#movements.instead(wanted, from, to.member.id);
    const owner = this.#ownerOf.get(place)!;
    this.#movements.move(place, owner.member.id, to.member.id);
    this.#change(owner, () => owner.places.delete(place));
    this.#change(to, () => to.places.add(place));
    this.#ownerOf.set(place, to);
  }

  /** Whether no member could have one that somebody has who has two more. */
  #isBalanced(): boolean {
    const order = this.#order;
    if (order[0]!.places.size >= order.at(-1)!.places.size - 1) return true;
    return order.every(({ places, topics, most }) =>
      places.size === most ||
      topics.every((topic) =>
        this.#places.of(topic).every((place) =>
          places.has(place) || places.size + 1 >= this.#ownerOf.get(place)!.places.size
        )
      )
    );
  }
}

/** Who owned what in a generation before the last, the latest of them. */
function earlierOwners(
  places: Places,
  { members, maxGeneration }: StickyGroup,
  takers: readonly Taker[],
): Map<Place, Taker> {
  const owners = new Map<Place, Taker>();
  const generations = new Map<Place, number>();
  for (const [index, { claims }] of members.entries()) {
    const generation = claims.generationId ?? NO_GENERATION;
    if (generation >= maxGeneration) continue;
    for (const claim of claims.partitions) {
      const place = places.at(claim);
      if (place === undefined || generation <= (generations.get(place) ?? -Infinity)) continue;
      generations.set(place, generation);
      owners.set(place, takers[index]!);
    }
  }
  return owners;
}

/** Fewer partitions first. */
function byCount(a: Taker, b: Taker): number {
  return a.places.size - b.places.size || byText(a.member.id, b.member.id);
}
