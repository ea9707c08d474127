/** The judge of groups, over hand-made histories. */

import { assertEquals } from "@std/assert";
import {
  type GroupHistory,
  judgeGroup,
  type MemberLife,
  movesSince,
  ownedNow,
  type SeenOffset,
} from "../../scripts/chaos/groups/group_judge.ts";
import { type MemberEvent, readEvents } from "../../scripts/chaos/groups/member_events.ts";

function life(name: string, events: MemberEvent[], more: Partial<MemberLife> = {}): MemberLife {
  return { name, events, endedAt: Infinity, stoppedAt: [], ...more };
}

const assigned = (at: number, ...partitions: number[]) =>
  ({ kind: "assigned", at, partitions }) as const;
const revoked = (at: number, ...partitions: number[]) =>
  ({ kind: "revoked", at, partitions }) as const;
const processed = (at: number, from: number, to: number) =>
  ({ kind: "processed", at, partition: 0, from, to }) as const;
const committed = (at: number, offset: number) =>
  ({ kind: "committed", at, partition: 0, offset }) as const;
const seen = (askedAt: number, offset: number): SeenOffset => ({ askedAt, partition: 0, offset });

function judge(members: MemberLife[], more: Partial<GroupHistory> = {}): string[] {
  return judgeGroup({ members, ends: [0], seen: [], ...more });
}

Deno.test("group judge: a sound history has nothing against it", () => {
  const members = [
    life("a", [assigned(1, 0), processed(2, 0, 5), committed(3, 5), revoked(4, 0)]),
    life("b", [assigned(4, 0), processed(5, 3, 9), committed(6, 9), { kind: "left", at: 7 }]),
  ];
  assertEquals(judge(members, { ends: [9], seen: [seen(0, -1), seen(4, 5), seen(7, 9)] }), []);
});

Deno.test("group judge: a record that nobody processed is named, at an end or in between", () => {
  const members = [life("a", [processed(2, 0, 5), processed(3, 6, 9)])];
  assertEquals(judge(members, { ends: [9] }), ["partition 0: nobody processed offset 5 of 9"]);
  assertEquals(judge(members, { ends: [5] }), []);
  assertEquals(judge([], { ends: [1] }), ["partition 0: nobody processed offset 0 of 1"]);
});

Deno.test("group judge: two owners at once are named, unless one was stopped or had ended", () => {
  const other = life("b", [assigned(10, 0)]);
  const events = [assigned(1, 0), revoked(15, 0)];
  assertEquals(judge([life("a", events), other]), [
    "partition 0: a and b owned it together for 5 ms",
  ]);
  assertEquals(judge([life("a", events, { stoppedAt: [8] }), other]), []);
  assertEquals(judge([life("a", events, { stoppedAt: [12] }), other]).length, 1);
  assertEquals(judge([life("a", [assigned(1, 0)], { endedAt: 9 }), other]), []);
  assertEquals(judge([life("a", [assigned(1, 0)]), other]).length, 1);
});

Deno.test("group judge: of what came in the millisecond of a question nobody knows which was first", () => {
  const members = [life("a", [processed(1, 0, 9), committed(2, 5), committed(3, 9)])];
  assertEquals(judge(members, { ends: [9], seen: [seen(3, 5)] }), []);
  assertEquals(judge(members, { ends: [9], seen: [seen(4, 5)] }).length, 1);
});

Deno.test("group judge: a committed offset that goes back is named, seen or acknowledged", () => {
  assertEquals(judge([], { seen: [seen(1, 5), seen(2, 4)] }), [
    "partition 0: its committed offset was 4 after it had been 5",
  ]);
  const members = [life("a", [processed(1, 0, 7), committed(3, 7)])];
  assertEquals(judge(members, { seen: [seen(2, -1), seen(4, -1)] }), [
    "partition 0: its committed offset was -1 after it had been 7",
  ]);
});

Deno.test("group judge: moves are counted, and what each owns", () => {
  const members = [
    life("a", [assigned(1, 0, 1, 2), revoked(5, 2)]),
    life("b", [assigned(6, 2)]),
  ];
  assertEquals(movesSince(members, 0), { assigned: 4, revoked: 1 });
  assertEquals(movesSince(members, 6), { assigned: 1, revoked: 0 });
  assertEquals([...ownedNow(members)], [["a", [0, 1]], ["b", [2]]]);
});

Deno.test("group judge: a line that a kill has torn is left out", () => {
  assertEquals(readEvents('{"kind":"left","at":1}\n{"kind":"le'), [{ kind: "left", at: 1 }]);
});
