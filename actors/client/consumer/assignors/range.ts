/**
 * The range assignor: of each topic a run of partitions to each member, so that partitions of the
 * same number in topics of the same size meet at one member.
 *
 * Where racks make a difference (KIP-881) partitions go first to members in a rack that has a copy,
 * as far as the balance of each topic and the meeting of numbers allow; the rest as without racks.
 *
 * @module
 */

import type { Assignor, MemberSubscription } from "./assignor.ts";
import { byIdentity, type Place, Places, rackOf, racksMatter, settled } from "./places.ts";

/** Divides each topic by itself into runs of partitions. */
export const RANGE: Assignor = {
  name: "range",
  protocol: "eager",
  assign(topics, members) {
    const places = new Places(topics, members);
    const assignment = new Map<string, Place[]>(members.map(({ memberId }) => [memberId, []]));
    const states = places.topics.map((topic) =>
      new TopicState(
        places.of(topic),
        members.filter((member) => member.topics.includes(topic)).sort(byIdentity),
        assignment,
      )
    );
    if (states.some(({ needsRacks }) => needsRacks)) assignByRacks(states);
    for (const state of states) state.assignRanges(() => true);
    return settled(assignment);
  },
};

/** One topic while it is divided. */
class TopicState {
  readonly places: readonly Place[];
  /** Those who subscribe, in order, and their racks. */
  readonly members: readonly { readonly id: string; readonly rack: string | undefined }[];
  readonly needsRacks: boolean;
  /** Whether any of the members has a rack. */
  readonly hasRacks: boolean;
  readonly #assignment: ReadonlyMap<string, Place[]>;
  readonly #unassigned: Set<Place>;
  readonly #counts = new Map<string, number>();
  readonly #quota: number;
  /** Members that may have one more than the quota. */
  #extras: number;

  constructor(
    places: readonly Place[],
    members: readonly MemberSubscription[],
    assignment: ReadonlyMap<string, Place[]>,
  ) {
    this.places = places;
    this.members = members.map((member) => ({ id: member.memberId, rack: rackOf(member) }));
    this.needsRacks = racksMatter(members, places);
    this.hasRacks = this.members.some(({ rack }) => rack !== undefined);
    this.#assignment = assignment;
    this.#unassigned = new Set(places);
    this.#quota = Math.floor(places.length / members.length);
    this.#extras = places.length % members.length;
  }

  /** What topics must have in common to be divided together. */
  get kind(): string {
    return JSON.stringify([this.places.length, this.members]);
  }

  /** How many more a member may get. */
  room(member: string): number {
    const most = this.#quota + (this.#extras > 0 ? 1 : 0);
    return Math.max(0, most - (this.#counts.get(member) ?? 0));
  }

  assign(member: string, places: readonly Place[]): void {
    this.#assignment.get(member)!.push(...places);
    const count = (this.#counts.get(member) ?? 0) + places.length;
    this.#counts.set(member, count);
    if (count > this.#quota) this.#extras--;
    for (const place of places) this.#unassigned.delete(place);
  }

  /** Gives each member, in order, the first of what is left that it may have. */
  assignRanges(mayAssign: (rack: string | undefined, place: Place) => boolean): void {
    for (const { id, rack } of this.members) {
      const places = [...this.#unassigned].filter((place) => mayAssign(rack, place))
        .slice(0, this.room(id));
      if (places.length > 0) this.assign(id, places);
    }
  }
}

function isNear(rack: string | undefined, place: Place): boolean {
  return rack === undefined || place.racks.has(rack);
}

/** Topics of the same members and size are divided alike, so that their partitions meet. */
function assignByRacks(states: readonly TopicState[]): void {
  const near = states.filter(({ hasRacks }) => hasRacks);
  for (const together of Map.groupBy(near, ({ kind }) => kind).values()) {
    if (together.length > 1) assignTogether(together);
    else if (together[0]!.needsRacks) together[0]!.assignRanges(isNear);
  }
}

function assignTogether(states: readonly TopicState[]): void {
  const [first] = states;
  let members = [...first!.members];
  for (let partition = 0; partition < first!.places.length; partition++) {
    const member = members.find(({ id, rack }) =>
      states.every((state) => isNear(rack, state.places[partition]!) && state.room(id) > 0)
    );
    if (member === undefined) continue;
    for (const state of states) state.assign(member.id, [state.places[partition]!]);
    if (states.every((state) => state.room(member.id) === 0)) {
      members = members.filter((other) => other !== member);
    }
  }
}
