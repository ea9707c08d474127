import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CompactionMap } from "../../storage/compaction_map.ts";

Deno.test("compaction map: it tells what a map of keys would, whatever the keys", () => {
  const puts = fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(2 ** 31)), {
    maxLength: 200,
  });
  fc.assert(fc.property(puts, fc.integer(), fc.constantFrom(0, 2 ** 40), (puts, seed, base) => {
    const map = new CompactionMap(1 << 20, puts.length, base, seed);
    const model = new Map<string, number>();
    for (const [key, place] of puts) {
      const padded = Uint8Array.of(1, 2, ...key, 9);
      const name = String(key);
      const offset = base + place * 1000;
      assert(map.put(padded, 2, key.length, offset));
      model.set(name, Math.max(model.get(name) ?? -1, offset));
    }
    assertEquals(map.size, model.size);
    for (const [key] of puts) {
      assertEquals(map.get(key, 0, key.length), model.get(String(key)));
      const longer = Uint8Array.of(...key, 0);
      assertEquals(map.get(longer, 0, longer.length), model.get(String(longer)) ?? -1);
    }
  }));
});

Deno.test("compaction map: it takes no more memory than it may, and refuses another key", () => {
  const map = new CompactionMap(24 * 100, 1e9, 0, 7);
  assert(map.sizeInBytes <= 2400);
  const key = new Uint8Array(4);
  const view = new DataView(key.buffer);
  let count = 0;
  for (;; count++) {
    view.setInt32(0, count);
    if (!map.put(key, 0, 4, count)) break;
  }
  assertEquals(count, map.capacity);
  assertEquals(map.size, 90);
  // Those it has may still rise.
  view.setInt32(0, 5);
  assert(map.put(key, 0, 4, 1000));
  assertEquals(map.get(key, 0, 4), 1000);
});

Deno.test("compaction map: similar keys are spread over all places", () => {
  const map = new CompactionMap(24 * 120_000, 100_000, 0, 3);
  const encoder = new TextEncoder();
  for (let index = 0; index < 100_000; index++) {
    const key = encoder.encode(`key-${String(index).padStart(8, "0")}`);
    assert(map.put(key, 0, key.length, index));
  }
  assertEquals(map.size, 100_000);
});
