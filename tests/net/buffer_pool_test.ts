import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { BufferPool, POOLED_BYTES_MAX } from "../../net/buffer_pool.ts";

Deno.test("buffer pool: a buffer has the next power of two bytes, 1 KiB at least", () => {
  const pool = new BufferPool();
  const sizes = [0, 1, 1024, 1025, 4096, 65537, POOLED_BYTES_MAX].map((size) =>
    pool.take(size).length
  );
  assertEquals(sizes, [1024, 1024, 1024, 2048, 4096, 131072, POOLED_BYTES_MAX]);
});

Deno.test("buffer pool: what was given back is taken again, by those of its size", () => {
  const pool = new BufferPool();
  const first = pool.take(5000);
  pool.give(first);
  assertNotStrictEquals(pool.take(20_000), first);
  assertStrictEquals(pool.take(8192), first);
  assertNotStrictEquals(pool.take(8192), first);
  assertEquals(pool.statistics, {
    reused: 1,
    allocated: 3,
    dropped: 0,
    lentBytes: 32768 + 8192 + 8192,
    keptBytes: 0,
  });
});

Deno.test("buffer pool: only what was lent is taken back, and once", () => {
  const pool = new BufferPool();
  const buffer = pool.take(1024);
  assertThrows(() => pool.give(new Uint8Array(1024)), TypeError);
  assertThrows(() => pool.give(buffer.subarray(0)), TypeError);
  assertThrows(() => new BufferPool().give(buffer), TypeError);
  pool.give(buffer);
  assertThrows(() => pool.give(buffer), TypeError);
});

Deno.test("buffer pool: no more than the limit is kept, and nothing over 16 MiB", () => {
  const pool = new BufferPool({ keptBytesMax: 3000 });
  const buffers = [
    pool.take(1024),
    pool.take(1024),
    pool.take(1024),
    pool.take(POOLED_BYTES_MAX + 1),
  ];
  assertEquals(buffers[3]!.length, POOLED_BYTES_MAX + 1);
  for (const buffer of buffers) pool.give(buffer);
  const { keptBytes, dropped, lentBytes } = pool.statistics;
  assertEquals({ keptBytes, dropped, lentBytes }, { keptBytes: 2048, dropped: 2, lentBytes: 0 });
});

Deno.test("slab: it returns to the pool with its last holder", () => {
  const pool = new BufferPool();
  const slab = pool.slab(1024);
  slab.retain();
  slab.release();
  assertEquals(pool.statistics.keptBytes, 0);
  slab.release();
  assertEquals(pool.statistics.keptBytes, 1024);
  assertThrows(() => slab.release(), TypeError);
  assertThrows(() => slab.retain(), TypeError);
  assert(slab.holders === 0);
});
