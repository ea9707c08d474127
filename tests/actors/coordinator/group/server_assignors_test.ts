/** The coordinator's assignors: legal, balanced, sticky. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  type Assignment,
  assignmentOf,
  listedOf,
  sizeOf,
} from "../../../../actors/coordinator/group/assignment.ts";
import {
  type AssignedMember,
  assignRange,
  assignUniform,
  type ServerAssignor,
  targetIn,
} from "../../../../actors/coordinator/group/server_assignors.ts";

const NONE: Assignment = new Map();

function member(memberId: string, topicIds: readonly string[], previous = NONE): AssignedMember {
  return { memberId, instanceId: null, topicIds: new Set(topicIds), previous };
}

/** Who gets what, as `topic:partitions` of each member. */
function shares(
  assignor: ServerAssignor,
  members: readonly AssignedMember[],
  counts: Readonly<Record<string, number>>,
): string[] {
  const targets = assignor(members, new Map(Object.entries(counts)));
  return members.map(({ memberId }) =>
    listedOf(targetIn(targets, memberId))
      .map(({ topicId, partitions }) => `${topicId}:${partitions.join("")}`).join(" ")
  );
}

Deno.test("range: neighbouring partitions of each topic, the first members get one more", () => {
  const members = ["b", "a", "c"].map((id) => member(id, ["t", "u"]));
  assertEquals(shares(assignRange, members, { t: 5, u: 2 }), ["t:23 u:1", "t:01 u:0", "t:4"]);
});

Deno.test("range: members get partitions only of topics that they want", () => {
  const members = [member("a", ["t"]), member("b", ["t", "u"])];
  assertEquals(shares(assignRange, members, { t: 3, u: 2 }), ["t:01", "t:2 u:01"]);
});

Deno.test("range: static members come first, by their instance", () => {
  const members = [member("a", ["t"]), { ...member("z", ["t"]), instanceId: "i" }];
  assertEquals(shares(assignRange, members, { t: 3 }), ["t:2", "t:01"]);
});

Deno.test("uniform: who comes takes no more than must be given up", () => {
  const a = assignmentOf([{ topicId: "t", partitions: [0, 1, 2, 3] }]);
  assertEquals(shares(assignUniform, [member("a", ["t"], a), member("b", ["t"])], { t: 4 }), [
    "t:01",
    "t:23",
  ]);
  // The one more stays where it is.
  assertEquals(shares(assignUniform, [member("b", ["t"]), member("a", ["t"], a)], { t: 5 }), [
    "t:34",
    "t:012",
  ]);
});

interface Case {
  readonly counts: Map<string, number>;
  readonly members: AssignedMember[];
}

const TOPICS = ["t", "u", "v"] as const;

const cases: fc.Arbitrary<Case> = fc.record({
  counts: fc.tuple(...TOPICS.map(() => fc.integer({ min: 1, max: 12 }))),
  wants: fc.array(
    fc.record({
      topics: fc.subarray([...TOPICS], { minLength: 1 }),
      previous: fc.array(fc.tuple(fc.constantFrom(...TOPICS), fc.nat(15)), { maxLength: 10 }),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  isAlike: fc.boolean(),
}).map(({ counts, wants, isAlike }) => {
  const members = wants.map(({ topics, previous }, index) =>
    member(
      `m${index}`,
      isAlike ? wants[0]!.topics : topics,
      assignmentOf(previous.map(([topicId, partition]) => ({ topicId, partitions: [partition] }))),
    )
  );
  const wanted = new Set(members.flatMap(({ topicIds }) => [...topicIds]));
  const entries = TOPICS.map((topic, index) => [topic, counts[index]!] as const);
  return { members, counts: new Map(entries.filter(([topic]) => wanted.has(topic))) };
});

function checkLegal({ members, counts }: Case, targets: ReadonlyMap<string, Assignment>): void {
  const given = new Set<string>();
  for (const { memberId, topicIds } of members) {
    for (const { topicId, partitions } of listedOf(targetIn(targets, memberId))) {
      assert(topicIds.has(topicId), "not wanted");
      for (const partition of partitions) {
        assert(partition < counts.get(topicId)!, "not there");
        assert(!given.has(`${topicId}${partition}`), "given twice");
        given.add(`${topicId}${partition}`);
      }
    }
  }
  assertEquals(given.size, counts.values().reduce((sum, count) => sum + count, 0));
}

for (const [name, assignor] of [["range", assignRange], ["uniform", assignUniform]] as const) {
  Deno.test(`${name}: gives each partition to one who wants it`, () => {
    fc.assert(fc.property(cases, (one) => checkLegal(one, assignor(one.members, one.counts))));
  });
}

Deno.test("uniform: no member could take one from another and both be better off", () => {
  fc.assert(fc.property(cases, ({ members, counts }) => {
    const targets = assignUniform(members, counts);
    for (const a of members) {
      for (const b of members) {
        const [of, to] = [targetIn(targets, a.memberId), targetIn(targets, b.memberId)];
        const wanted = listedOf(of).some(({ topicId }) => b.topicIds.has(topicId));
        if (wanted) assert(sizeOf(of) - sizeOf(to) < 2, `${sizeOf(of)} beside ${sizeOf(to)}`);
      }
    }
  }));
});

Deno.test("uniform: moves nothing where nothing changes", () => {
  fc.assert(fc.property(cases, ({ members, counts }) => {
    const targets = assignUniform(members, counts);
    const settled = members.map((one) => ({ ...one, previous: targetIn(targets, one.memberId) }));
    const again = assignUniform(settled, counts);
    for (const { memberId } of members) {
      assertEquals(listedOf(targetIn(again, memberId)), listedOf(targetIn(targets, memberId)));
    }
  }));
});

Deno.test("uniform: a member that goes moves nothing but what it had", () => {
  fc.assert(fc.property(cases, ({ members, counts }) => {
    const [topicIds] = members.map((one) => one.topicIds);
    const alike = members.map((one) => ({ ...one, topicIds: topicIds! }));
    const some = new Map([...counts].filter(([topic]) => topicIds!.has(topic)));
    const targets = assignUniform(alike, some);
    const rest = alike.slice(1).map((one) => ({
      ...one,
      previous: targetIn(targets, one.memberId),
    }));
    const after = assignUniform(rest, some);
    for (const { memberId, previous } of rest) {
      const now = targetIn(after, memberId);
      for (const [topicId, partitions] of previous) {
        for (const partition of partitions) assert(now.get(topicId)?.has(partition), "it moved");
      }
    }
  }));
});
