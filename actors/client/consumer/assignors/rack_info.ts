/**
 * The racks of members and partitions, for the sticky assignors (KIP-881).
 *
 * @module
 */

import type { StickyMember } from "./owned_places.ts";
import { type Place, rackOf, racksMatter } from "./places.ts";

/** Who is near what. */
export class RackInfo {
  /** Whether racks make a difference at all; if not, everybody is near everything. */
  readonly matters: boolean;
  readonly #rackOf: ReadonlyMap<string, string>;
  readonly #membersInRack: ReadonlyMap<string, number>;

  constructor(members: readonly StickyMember[], places: readonly Place[]) {
    const subscriptions = members.map(({ subscription }) => subscription);
    this.matters = racksMatter(subscriptions, places);
    const racked = subscriptions.flatMap((member) => {
      const rack = rackOf(member);
      return rack === undefined ? [] : [[member.memberId, rack] as const];
    });
    this.#rackOf = new Map(this.matters ? racked : []);
    const membersInRack = new Map<string, number>();
    for (const [, rack] of racked) membersInRack.set(rack, (membersInRack.get(rack) ?? 0) + 1);
    this.#membersInRack = membersInRack;
  }

  /** Whether the member has a rack, and the partition no copy in it. */
  isFar(member: string, place: Place): boolean {
    const rack = this.#rackOf.get(member);
    return rack !== undefined && !place.racks.has(rack);
  }

  /** Whether the member has a rack, and the partition a copy in it. */
  isNear(member: string, place: Place): boolean {
    const rack = this.#rackOf.get(member);
    return rack !== undefined && place.racks.has(rack);
  }

  /** Those first that the fewest members are near to; otherwise as they were. */
  byNearMembers(places: readonly Place[]): Place[] {
    const near = (place: Place) =>
      [...place.racks].reduce((sum, rack) => sum + (this.#membersInRack.get(rack) ?? 0), 0);
    return places.toSorted((a, b) => near(a) - near(b));
  }

  /** The place in the list, from `first` on and round, of a member near the partition; or -1. */
  nextNear(place: Place, members: readonly string[], first: number): number {
    for (let i = 0; i < members.length; i++) {
      const index = (first + i) % members.length;
      if (this.isNear(members[index]!, place)) return index;
    }
    return -1;
  }
}
