import { assertEquals } from "@std/assert";
import { ClassicGroup } from "../../../../actors/coordinator/group/classic_group.ts";
import { ClassicRebalances } from "../../../../actors/coordinator/group/classic_rebalances.ts";
import type { GroupRecord } from "../../../../actors/coordinator/group/records.ts";
import type { CoordinatorContext } from "../../../../actors/coordinator/machine.ts";

Deno.test("rebalances: no more ids are given out than there is room for", () => {
  const timers = new Map<string, () => void>();
  const context = {
    startTimer: (key: string, _: number, run: () => void) => void timers.set(key, run),
    cancelTimer: (key: string) => void timers.delete(key),
  };
  const abandoned: string[] = [];
  const rebalances = new ClassicRebalances(
    // What is not here is not used.
    context as unknown as CoordinatorContext<GroupRecord>,
    ({ groupId }) => abandoned.push(groupId),
    3,
  );
  const groups = ["a", "b"].map((groupId) => new ClassicGroup(groupId, 0));
  const [a, b] = groups as [ClassicGroup, ClassicGroup];
  const give = (group: ClassicGroup, memberId: string) =>
    rebalances.awaitJoin(group, memberId, 1000);
  assertEquals([give(a, "1"), give(a, "2"), give(b, "3"), give(b, "4")], [true, true, true, false]);
  // One comes, the time of one is over, a group goes.
  rebalances.joined(a, "1");
  assertEquals([give(b, "4"), give(b, "5")], [true, false]);
  a.remove("1");
  timers.values().next().value?.();
  assertEquals([give(b, "5"), give(b, "6"), abandoned], [true, false, ["a"]]);
  rebalances.end(b);
  assertEquals(["6", "7", "8", "9"].map((id) => give(b, id)), [true, true, true, false]);
});
