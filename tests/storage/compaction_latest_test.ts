import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LatestRecords } from "../../storage/compaction_latest.ts";

const WIDTH = 100;

Deno.test("latest records: a range that is kept is kept whole, and nothing beside it", () => {
  const offsets = fc.integer({ min: -20, max: WIDTH + 20 });
  fc.assert(
    fc.property(fc.array(fc.tuple(offsets, offsets), { maxLength: 4 }), (ranges) => {
      const from = 1000;
      const latest = new LatestRecords(from, from + WIDTH);
      for (const [first, last] of ranges) latest.keep(from + first, from + last);
      for (let offset = 0; offset < WIDTH; offset++) {
        const wanted = ranges.some(([first, last]) => first <= offset && offset <= last);
        assertEquals(latest.has(from + offset), wanted, `offset ${offset}`);
        assertEquals(latest.hasAny(from + offset, from + offset), wanted);
      }
    }),
  );
});

Deno.test("latest records: the widest range is kept as fast as memory is filled", () => {
  const to = 2 ** 28;
  const latest = LatestRecords.of(0, to, 2 ** 25)!;
  latest.keep(3, to + 2 ** 31);
  assertEquals([latest.has(2), latest.has(3), latest.has(to - 1)], [false, true, true]);
  assertEquals(LatestRecords.of(0, to + 1, 2 ** 25), undefined);
  assertEquals(LatestRecords.of(0, 2 ** 30 + 1, Infinity), undefined);
});
