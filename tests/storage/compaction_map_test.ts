import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CompactionMap, NEW_KEY, NO_ROOM } from "../../storage/compaction_map.ts";

Deno.test("compaction map: it tells what a map of keys would, whatever the keys", () => {
  const puts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 200 });
  fc.assert(fc.property(puts, fc.integer(), fc.constantFrom(0, 2 ** 40), (puts, seed, base) => {
    const map = new CompactionMap(1 << 20, base, seed);
    const model = new Map<string, number>();
    let offset = base;
    for (const key of puts) {
      offset += 2 ** 30;
      const padded = Uint8Array.of(1, 2, ...key, 9);
      const name = String(key);
      assertEquals(map.put(padded, 2, key.length, offset), model.get(name) ?? NEW_KEY);
      model.set(name, offset);
    }
    assertEquals(map.size, model.size);
    for (const key of puts) {
      assertEquals(map.get(key, 0, key.length), model.get(String(key)));
      const longer = Uint8Array.of(...key, 0);
      assertEquals(map.get(longer, 0, longer.length), model.get(String(longer)) ?? -1);
    }
  }));
});

Deno.test("compaction map: it takes no more memory than it may, and refuses another key", () => {
  const map = new CompactionMap(24 * 100, 0, 7);
  assert(map.sizeInBytes <= 2400);
  const key = new Uint8Array(4);
  const view = new DataView(key.buffer);
  let count = 0;
  for (;; count++) {
    view.setInt32(0, count);
    if (map.put(key, 0, 4, count) === NO_ROOM) break;
  }
  assertEquals(map.size, count);
  assert(count >= 73 && count <= 75, `${count} keys in 100 places`);
  // Those it has may still rise.
  view.setInt32(0, 5);
  assertEquals(map.put(key, 0, 4, 1000), 5);
  assertEquals(map.get(key, 0, 4), 1000);
});

Deno.test("compaction map: it grows with its keys, and gives room to most that there is room for", () => {
  const bytesMax = 3e6;
  const map = new CompactionMap(bytesMax, 0, 3);
  const encoder = new TextEncoder();
  const key = (index: number) => encoder.encode(`key-${String(index).padStart(8, "0")}`);
  const first = map.sizeInBytes;
  let count = 0;
  for (let bytes = key(0); map.put(bytes, 0, bytes.length, count) !== NO_ROOM;) {
    bytes = key(++count);
  }
  assertEquals(map.size, count);
  assert(map.sizeInBytes > 10 * first && map.sizeInBytes <= bytesMax);
  assert(count > 0.36 * bytesMax / 24, `${count} keys`);
  for (let index = 0; index < count; index++) {
    const bytes = key(index);
    assertEquals(map.get(bytes, 0, bytes.length), index);
  }
});
