/**
 * What the members of a group owned before, as far as they may be believed.
 *
 * Of two members that claim a partition the one of the later generation has it; two of the same
 * generation have both lost it.
 *
 * @module
 */

import type { AssignedPlace, MemberSubscription } from "./assignor.ts";
import { inHashOrder } from "./hash_order.ts";
import type { Place, Places } from "./places.ts";

/** What a member says it owns, however its assignor has it say so. */
export interface Claims {
  readonly partitions: readonly AssignedPlace[];
  /** Undefined where it says none. */
  readonly generationId: number | undefined;
}

/** Stands in for a generation that a member does not name. */
export const NO_GENERATION = -1;

/** A member, its claims and what is left of them. */
export interface StickyMember {
  readonly id: string;
  readonly subscription: MemberSubscription;
  readonly topics: ReadonlySet<string>;
  readonly claims: Claims;
  /** In no order. */
  readonly owned: Set<Place>;
}

/** All members, and what their claims come to together. */
export interface StickyGroup {
  /** In the order in which Kafka would come to them. */
  readonly members: readonly StickyMember[];
  /** Claimed by several members of one generation. */
  readonly doubled: ReadonlySet<Place>;
  /** The latest that any member claims. */
  readonly maxGeneration: number;
  /** Whether all subscribe to the same topics. */
  readonly isUniform: boolean;
}

export function stickyGroup(
  subscriptions: readonly MemberSubscription[],
  places: Places,
  claimsOf: (subscription: MemberSubscription) => Claims,
): StickyGroup {
  const members = inHashOrder(subscriptions, ({ memberId }) => memberId)
    .map((subscription): StickyMember => ({
      id: subscription.memberId,
      subscription,
      topics: new Set(subscription.topics),
      claims: claimsOf(subscription),
      owned: new Set(),
    }));
  const owners = new Map<Place, StickyMember>();
  const doubled = new Set<Place>();
  for (const member of members) {
    for (const claim of member.claims.partitions) {
      const place = places.at(claim);
      if (place !== undefined) settleClaim(member, place, owners, doubled);
    }
  }
  const [first] = members;
  return {
    members,
    doubled,
    maxGeneration: Math.max(
      NO_GENERATION,
      ...members.map(({ claims }) => claims.generationId ?? NO_GENERATION),
    ),
    isUniform: members.every(({ topics }) => isSame(topics, first!.topics)),
  };
}

function settleClaim(
  member: StickyMember,
  place: Place,
  owners: Map<Place, StickyMember>,
  doubled: Set<Place>,
): void {
  const other = owners.get(place);
  if (other === undefined) {
    member.owned.add(place);
    owners.set(place, member);
    return;
  }
  const generation = member.claims.generationId ?? NO_GENERATION;
  const otherGeneration = other.subscription.generationId;
  if (generation < otherGeneration) return;
  other.owned.delete(place);
  owners.set(place, member);
  if (generation === otherGeneration) doubled.add(place);
  else member.owned.add(place);
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}
