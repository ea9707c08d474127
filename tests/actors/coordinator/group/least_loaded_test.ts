import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LeastLoaded } from "../../../../actors/coordinator/group/least_loaded.ts";

Deno.test("least loaded: it is the first of those who have least, however loads change", () => {
  const change = fc.record({ member: fc.nat(7), load: fc.nat(5) });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(change), (count, changes) => {
      const members = Array.from({ length: count }, (_, index) => `m${index}`);
      const loads = new Map(members.map((memberId) => [memberId, 0]));
      const least = new LeastLoaded(members, (memberId) => loads.get(memberId)!);
      for (const { member, load } of changes) {
        const memberId = `m${member}`;
        // Of others it is told, too.
        if (loads.has(memberId)) loads.set(memberId, load);
        least.changed(memberId);
        const fewest = Math.min(...loads.values());
        assertEquals(least.first, members.find((one) => loads.get(one) === fewest));
      }
    }),
  );
});

Deno.test("least loaded: of nobody there is none", () => {
  assertEquals(new LeastLoaded([], () => 0).first, undefined);
});
