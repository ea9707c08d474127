/**
 * The sticky assignment of a group whose members all subscribe to the same topics: perfectly
 * balanced, and moving as little as that allows.
 *
 * Members keep what they own up to their quota, the smaller one or, for as many members as the
 * division leaves over, the larger; what is left goes round, first to members near it.
 *
 * @module
 */

import type { StickyGroup } from "./owned_places.ts";
import { byPlace, byText, type Place, type Places } from "./places.ts";
import { RackInfo } from "./rack_info.ts";

/** What was decided, and what thereby moves from one member to another. */
export interface StickyAssignment {
  readonly assignment: ReadonlyMap<string, Place[]>;
  /** Undefined where that is to be worked out from the assignment. */
  readonly transferring: ReadonlyMap<Place, string> | undefined;
}

export function assignUniformly(places: Places, group: StickyGroup): StickyAssignment {
  const builder = new UniformAssignment(places, group);
  builder.build();
  return builder;
}

class UniformAssignment implements StickyAssignment {
  readonly assignment: Map<string, Place[]>;
  readonly transferring = new Map<Place, string>();
  readonly #places: Places;
  readonly #group: StickyGroup;
  readonly #racks: RackInfo;
  readonly #minQuota: number;
  readonly #maxQuota: number;
  /** Members that are to have more than the smaller quota. */
  readonly #oversExpected: number;
  #overs = 0;
  /** Members that have less than the smaller quota. */
  #unfilled: string[] = [];
  /** Members that have it and may yet get one more. */
  #filled: string[] = [];
  /** Partitions that their owner may have to give up. */
  readonly #released = new Map<Place, string>();

  constructor(places: Places, group: StickyGroup) {
    const { members } = group;
    this.#places = places;
    this.#group = group;
    this.#racks = new RackInfo(members, places.all(places.topics));
    this.#minQuota = Math.floor(places.count / members.length);
    this.#maxQuota = Math.ceil(places.count / members.length);
    this.#oversExpected = places.count % members.length;
    this.assignment = new Map(members.map(({ id }) => [id, []]));
  }

  build(): void {
    this.#keepOwned();
    const kept = new Set([...this.assignment.values()].flat());
    const all = this.#places.all(this.#places.topics);
    const left = this.#racks.byNearMembers(all.filter((place) => !kept.has(place)));
    this.#unfilled.sort(byText);
    this.#filled.sort(byText);
    this.#dealOut(this.#racks.matters ? this.#dealOutNear(left) : left);
  }

  #keepOwned(): void {
    for (const { id, owned } of this.#group.members) {
      const places: Place[] = [];
      for (const place of owned) {
        if (this.#racks.isFar(id, place)) this.#released.set(place, id);
        else if (!this.#group.doubled.has(place)) places.push(place);
      }
      places.sort((a, b) => a.partition - b.partition || byPlace(a, b));
      this.#keep(id, places);
    }
  }

  #keep(id: string, places: readonly Place[]): void {
    const mayExceed = this.#overs < this.#oversExpected;
    let quota = this.#minQuota;
    if (places.length < this.#minQuota) {
      this.#unfilled.push(id);
    } else if (places.length >= this.#maxQuota && mayExceed) {
      quota = this.#maxQuota;
      if (++this.#overs === this.#oversExpected) this.#filled = [];
    } else if (mayExceed) {
      this.#filled.push(id);
    }
    this.assignment.get(id)!.push(...places.slice(0, quota));
    for (const place of places.slice(quota)) this.#released.set(place, id);
  }

  /** Gives partitions to members near them within the quotas; returns those that have none. */
  #dealOutNear(left: readonly Place[]): Place[] {
    let next = 0;
    return left.filter((place) => {
      const index = this.#racks.nextNear(place, this.#unfilled, next);
      if (index >= 0) {
        next = this.#giveToUnfilled(place, index);
        return false;
      }
      const other = this.#racks.nextNear(place, this.#filled, 0);
      if (other < 0) return true;
      const id = this.#filled[other]!;
      if (this.assignment.get(id)!.length + 1 === this.#maxQuota) {
        this.#filled.splice(other, 1);
        if (++this.#overs === this.#oversExpected) this.#filled = [];
      }
      this.#give(place, id);
      return false;
    });
  }

  /** Returns where the search for the next goes on. */
  #giveToUnfilled(place: Place, index: number): number {
    const id = this.#unfilled[index]!;
    const count = this.assignment.get(id)!.length + 1;
    let next = index + 1;
    if (count >= this.#minQuota) {
      next = index;
      this.#unfilled.splice(index, 1);
      if (count < this.#maxQuota && this.#overs < this.#oversExpected) this.#filled.push(id);
    }
    this.#give(place, id);
    return this.#unfilled.length === 0 ? 0 : next % this.#unfilled.length;
  }

  /** One to each member in turn, until all have the smaller quota; then one more to some. */
  #dealOut(left: readonly Place[]): void {
    let next = 0;
    for (const place of left) {
      if (next >= this.#unfilled.length) next = 0;
      const id = this.#unfilled.length === 0 ? this.#filled.shift() : this.#unfilled[next];
      if (id === undefined) throw new Error("Cannot assign partition: every member is full");
      this.#give(place, id);
      if (this.assignment.get(id)!.length === this.#minQuota) {
        this.#unfilled.splice(next, 1);
        this.#filled.push(id);
      } else {
        next++;
      }
    }
  }

  #give(place: Place, id: string): void {
    this.assignment.get(id)!.push(place);
    const owner = this.#released.get(place);
    const isMoved = owner !== undefined && owner !== id;
    if (isMoved || this.#group.doubled.has(place)) this.transferring.set(place, id);
  }
}
