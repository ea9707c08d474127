/** What every assignment must be, and how little a sticky one moves. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type {
  AssignableTopic,
  AssignedPlace,
  Assignor,
  GroupAssignment,
  MemberSubscription,
} from "../../../../../actors/client/consumer/assignors/assignor.ts";
import { RANGE } from "../../../../../actors/client/consumer/assignors/range.ts";
import { ROUND_ROBIN } from "../../../../../actors/client/consumer/assignors/round_robin.ts";
import {
  COOPERATIVE_STICKY,
  STICKY,
} from "../../../../../actors/client/consumer/assignors/sticky.ts";

const ALL = [RANGE, ROUND_ROBIN, STICKY, COOPERATIVE_STICKY];

interface Group {
  readonly topics: readonly AssignableTopic[];
  readonly members: readonly { readonly id: string; readonly topics: readonly string[] }[];
}

const groups = (isUniform: boolean): fc.Arbitrary<Group> =>
  fc.record({
    sizes: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
    members: fc.array(fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 9,
    }),
  }).map(({ sizes, members }) => {
    const topics = sizes.map((size, i) => ({
      name: `t${i}`,
      racks: Array.from({ length: size }, () => []),
    }));
    return {
      topics,
      members: members.map((wanted, i) => ({
        id: `member-${i * 7919}`,
        topics: isUniform
          ? topics.map(({ name }) => name)
          : [...new Set(wanted.map((index) => `t${index % sizes.length}`))],
      })),
    };
  });

/** The members as they join after an assignment; `owned` tells what they keep meanwhile. */
function join(
  group: Group,
  assignor: Assignor,
  owned?: GroupAssignment,
  generationId = 1,
): MemberSubscription[] {
  return group.members.map(({ id, topics }) => {
    const partitions = owned?.get(id) ?? [];
    const knows = owned?.has(id) === true;
    return {
      memberId: id,
      groupInstanceId: null,
      rackId: null,
      topics,
      ownedPartitions: assignor.protocol === "cooperative" ? partitions : [],
      generationId: knows ? generationId : -1,
      userData: assignor.userData?.(knows ? { partitions, generationId } : undefined) ?? null,
    };
  });
}

const keyOf = ({ topic, partition }: AssignedPlace) => `${topic}-${partition}`;

function sizes(assignment: GroupAssignment): number[] {
  return [...assignment.values()].map(({ length }) => length);
}

function spread(assignment: GroupAssignment): number {
  return Math.max(...sizes(assignment)) - Math.min(...sizes(assignment));
}

for (const assignor of ALL) {
  Deno.test(`assignors: ${assignor.name} gives each partition to one member that subscribes`, () => {
    fc.assert(fc.property(groups(false), (group) => {
      const assignment = assignor.assign(group.topics, join(group, assignor));
      const seen = new Set<string>();
      for (const { id, topics } of group.members) {
        for (const place of assignment.get(id)!) {
          assert(topics.includes(place.topic));
          assert(!seen.has(keyOf(place)), `${keyOf(place)} is given twice`);
          seen.add(keyOf(place));
        }
      }
      const subscribed = new Set(group.members.flatMap(({ topics }) => topics));
      for (const { name, racks } of group.topics) {
        if (!subscribed.has(name)) continue;
        for (const partition of racks.keys()) assert(seen.has(`${name}-${partition}`));
      }
    }));
  });

  Deno.test(`assignors: ${assignor.name} does not hang on the order of members`, () => {
    fc.assert(fc.property(groups(false), (group) => {
      const members = join(group, assignor);
      const backwards = assignor.assign(group.topics.toReversed(), members.toReversed());
      for (const [id, places] of assignor.assign(group.topics, members)) {
        assertEquals(backwards.get(id), places);
      }
    }));
  });
}

for (const assignor of [ROUND_ROBIN, STICKY, COOPERATIVE_STICKY]) {
  Deno.test(`assignors: ${assignor.name} is balanced where all subscribe to the same`, () => {
    fc.assert(fc.property(groups(true), (group) => {
      assert(spread(assignor.assign(group.topics, join(group, assignor))) <= 1);
    }));
  });
}

for (const assignor of [STICKY, COOPERATIVE_STICKY]) {
  Deno.test(`assignors: ${assignor.name} moves nothing where nothing has changed`, () => {
    fc.assert(fc.property(groups(true), (group) => {
      const first = assignor.assign(group.topics, join(group, assignor));
      assertEquals(assignor.assign(group.topics, join(group, assignor, first)), first);
    }));
  });

  Deno.test(`assignors: ${assignor.name} takes from those who stay only what balance needs`, () => {
    fc.assert(fc.property(groups(true), fc.integer({ min: 1, max: 3 }), (group, left) => {
      fc.pre(group.members.length > left);
      const first = assignor.assign(group.topics, join(group, assignor));
      const rest = { ...group, members: group.members.slice(left) };
      const second = assignor.assign(rest.topics, join(rest, assignor, first));
      assert(spread(second) <= 1);
      // With fewer members nobody has to give anything up.
      for (const { id } of rest.members) {
        const after = new Set(second.get(id)!.map(keyOf));
        for (const place of first.get(id)!) assert(after.has(keyOf(place)));
      }
    }));
  });
}

Deno.test("assignors: cooperative-sticky gives nothing before its owner gave it up, and settles", () => {
  fc.assert(fc.property(groups(true), fc.integer({ min: 1, max: 3 }), (group, added) => {
    fc.pre(group.members.length > added);
    const few = { ...group, members: group.members.slice(added) };
    let owned = COOPERATIVE_STICKY.assign(few.topics, join(few, COOPERATIVE_STICKY));
    const before = owned;
    for (let generation = 1; generation <= 2; generation++) {
      const next = COOPERATIVE_STICKY.assign(
        group.topics,
        join(group, COOPERATIVE_STICKY, owned, generation),
      );
      const owners = new Map(
        [...owned].flatMap(([id, places]) => places.map((place) => [keyOf(place), id] as const)),
      );
      for (const [id, places] of next) {
        for (const place of places) {
          const owner = owners.get(keyOf(place));
          assert(owner === undefined || owner === id, `${keyOf(place)} goes from hand to hand`);
        }
      }
      owned = next;
    }
    assert(spread(owned) <= 1);
    const least = Math.min(...sizes(owned));
    for (const { id } of few.members) {
      const kept = new Set(owned.get(id)!.map(keyOf));
      const lost = before.get(id)!.filter((place) => !kept.has(keyOf(place)));
      assert(lost.length === 0 || owned.get(id)!.length <= least + 1);
      // Nobody gets something new and gives something up.
      const had = new Set(before.get(id)!.map(keyOf));
      const isGiver = lost.length > 0;
      assert(!isGiver || owned.get(id)!.every((place) => had.has(keyOf(place))));
    }
  }));
});
