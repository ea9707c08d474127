import { assertEquals } from "@std/assert";
import { type CachedIndex, IndexCache } from "../../storage/index_cache.ts";

class FakeIndex implements CachedIndex {
  referenced = false;
  slot = -1;
  heldBytes = 0;
  mayUnload = true;
  unloads = 0;

  constructor(readonly cache: IndexCache) {}

  load(bytes: number): void {
    this.heldBytes += bytes;
    this.cache.charge(this, bytes);
  }

  unload(): boolean {
    if (!this.mayUnload) return false;
    this.unloads++;
    this.cache.forget(this, this.heldBytes);
    this.heldBytes = 0;
    return true;
  }
}

Deno.test("index cache: within the budget nothing is unloaded", () => {
  const cache = new IndexCache(100);
  const indexes = [1, 2, 3].map(() => new FakeIndex(cache));
  for (const index of indexes) index.load(30);
  assertEquals(cache.bytes, 90);
  assertEquals(cache.size, 3);
  assertEquals(indexes.map(({ unloads }) => unloads), [0, 0, 0]);
});

Deno.test("index cache: past the budget the index that was not used goes, not the one in use", () => {
  const cache = new IndexCache(100);
  const [old, used, inUse] = [1, 2, 3].map(() => new FakeIndex(cache));
  old!.load(40);
  used!.load(40);
  old!.referenced = false;
  inUse!.load(40);
  assertEquals([old!.unloads, used!.unloads, inUse!.unloads], [1, 0, 0]);
  assertEquals(cache.bytes, 80);
});

Deno.test("index cache: the index in use stays even when it alone is past the budget", () => {
  const cache = new IndexCache(10);
  const index = new FakeIndex(cache);
  index.load(50);
  assertEquals(index.unloads, 0);
  assertEquals(cache.bytes, 50);
});

Deno.test("index cache: an index that cannot be unloaded now stays, and another goes", () => {
  const cache = new IndexCache(100);
  const [stuck, other, inUse] = [1, 2, 3].map(() => new FakeIndex(cache));
  stuck!.mayUnload = false;
  stuck!.load(40);
  other!.load(40);
  inUse!.load(40);
  assertEquals([stuck!.unloads, other!.unloads], [0, 1]);
});

Deno.test("index cache: what is held always adds up", () => {
  const cache = new IndexCache(500);
  const indexes = Array.from({ length: 20 }, () => new FakeIndex(cache));
  for (let turn = 0; turn < 1000; turn++) {
    indexes[(turn * 7) % 20]!.load((turn * 13) % 50);
    assertEquals(cache.bytes, indexes.reduce((sum, { heldBytes }) => sum + heldBytes, 0));
  }
});
