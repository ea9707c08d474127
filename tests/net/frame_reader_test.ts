import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { BufferPool } from "../../net/buffer_pool.ts";
import { type Frame, FrameReader } from "../../net/frame_reader.ts";
import { concat, feed, framed } from "./wire.ts";

const MIB = 1024 * 1024;

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index >> 3) * 7 + index + seed;
  return bytes;
}

function contents(frame: Frame): Uint8Array {
  return frame.source.subarray(frame.start, frame.end);
}

Deno.test("frame reader: frames come out as they went in, however the bytes arrive", () => {
  const lengths = fc.oneof(
    { weight: 5, arbitrary: fc.nat(300) },
    { weight: 2, arbitrary: fc.nat(3000) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(0, 1020, 1021, 65532, 65536, 262_140, 262_145, 700_000),
    },
  );
  const steps = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom(1024, 5000, 65536, 1e9));
  const releases = fc.constantFrom("at once", "late", "in turns");
  fc.assert(
    fc.property(
      fc.array(lengths, { minLength: 1, maxLength: 25, size: "max" }),
      steps,
      releases,
      (lengths, step, release) => {
        const pool = new BufferPool();
        const reader = new FrameReader(pool, { frameBytesMax: MIB });
        const payloads = lengths.map(pattern);
        const bytes = concat(payloads.map(framed));
        const held: { frame: Frame; payload: Uint8Array }[] = [];
        let count = 0;
        for (let at = 0; at < bytes.length;) {
          const space = reader.space();
          const read = Math.min(space.length, bytes.length - at, step);
          assert(read > 0);
          space.set(bytes.subarray(at, at + read));
          at += read;
          reader.filled(read);
          for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
            const payload = payloads[count++]!;
            assert(equal(contents(frame), payload));
            if (release === "at once" || (release === "in turns" && count % 2 === 0)) {
              frame.release();
            } else held.push({ frame, payload });
          }
        }
        assertEquals(count, payloads.length);
        assertEquals(reader.pendingBytes, 0);
        // Those not yet released still hold what they held.
        for (const { frame, payload } of held) {
          assert(equal(contents(frame), payload));
          frame.release();
        }
        reader.close();
        assertEquals(pool.statistics.lentBytes, 0);
      },
    ),
    { numRuns: 80 },
  );
});

function equal(a: Uint8Array, b: Uint8Array): boolean {
  let different = a.length ^ b.length;
  for (let index = 0; index < a.length; index++) different |= a[index]! ^ b[index]!;
  return different === 0;
}

Deno.test("frame reader: a connection that waits for its next frame holds 1 KiB", () => {
  const pool = new BufferPool();
  const reader = new FrameReader(pool, { frameBytesMax: 10 * MIB });
  assertEquals(reader.space().length, 1024);
  for (const length of [100, 5000, 200_000, 3 * MIB]) {
    for (const frame of feed(reader, framed(pattern(length, 0)))) frame.release();
    // One read that does not fill its space tells that nothing more is waiting.
    for (const frame of feed(reader, framed(pattern(10, 0)))) frame.release();
    assertEquals(reader.space().length, 1024);
    assertEquals(reader.heldBytes, 1024);
    assertEquals(pool.statistics.lentBytes, 1024);
  }
});

Deno.test("frame reader: a busy connection reads many frames into one slab", () => {
  const reader = new FrameReader(new BufferPool(), { frameBytesMax: MIB });
  const bytes = concat(Array.from({ length: 10_000 }, () => framed(pattern(96, 0))));
  let reads = 0;
  const sources = new Set<Uint8Array>();
  for (let at = 0; at < bytes.length; reads++) {
    const space = reader.space();
    const read = Math.min(space.length, bytes.length - at);
    space.set(bytes.subarray(at, at + read));
    at += read;
    reader.filled(read);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      sources.add(frame.source);
      frame.release();
    }
  }
  // A million bytes: 1 KiB, 64 KiB, then 256 KiB at a time.
  assert(reads <= 7, `${reads} reads`);
  assert(sources.size <= 4, `${sources.size} buffers`);
});

Deno.test("frame reader: a large claim allocates only as bytes arrive", () => {
  const pool = new BufferPool();
  const reader = new FrameReader(pool, { frameBytesMax: 200 * MIB });
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, 100 * MIB);
  feed(reader, head);
  let arrived = 4;
  while (arrived < 10 * MIB) {
    const space = reader.space();
    assert(space.length > 0);
    const read = Math.min(space.length, 50_000);
    reader.filled(read);
    arrived += read;
    assert(reader.next() === undefined);
    const bound = Math.max(64 * 1024, 4 * arrived);
    assert(pool.statistics.lentBytes <= bound, `${pool.statistics.lentBytes} for ${arrived}`);
  }
  // The buffer doubled: what is pending was not copied at each read.
  const { allocated, reused } = pool.statistics;
  assert(allocated + reused <= 12, `${allocated + reused} buffers`);
});

Deno.test("frame reader: a frame of a size that came before gets its buffer at once", () => {
  const reader = new FrameReader(new BufferPool(), { frameBytesMax: 10 * MIB });
  const readsFor = (bytes: Uint8Array) => {
    let reads = 0;
    for (let at = 0; at < bytes.length; reads++) {
      const space = reader.space();
      const read = Math.min(space.length, bytes.length - at);
      space.set(bytes.subarray(at, at + read));
      at += read;
      reader.filled(read);
      reader.next()?.release();
    }
    return reads;
  };
  const bytes = framed(pattern(4 * MIB, 0));
  assert(readsFor(bytes) > 5);
  assert(readsFor(bytes) <= 2);
});

Deno.test("frame reader: a slab is not written to while a frame in it is unreleased", () => {
  const pool = new BufferPool();
  const reader = new FrameReader(pool, { frameBytesMax: MIB });
  const [kept] = feed(reader, framed(pattern(900, 1)));
  for (let count = 0; count < 50; count++) {
    for (const frame of feed(reader, framed(pattern(900, count)))) frame.release();
  }
  assertEquals(contents(kept!), pattern(900, 1));
  kept!.release();
  assertThrows(() => kept!.release(), TypeError);
  reader.close();
  assertEquals(pool.statistics.lentBytes, 0);
});

Deno.test("frame reader: frames too long or too short end it, and the reason is data", () => {
  const options = { frameBytesMax: 100, frameBytesMin: 8 };
  const long = new FrameReader(new BufferPool(), options);
  assertEquals(feed(long, framed(pattern(100, 0))).length, 1);
  assertEquals(feed(long, framed(pattern(101, 0))), []);
  assertEquals(long.error, { kind: "too-large", reason: "a frame of 101 bytes, over 100" });
  assertEquals(long.space().length, 0);
  assertStrictEquals(long.next(), undefined);

  const short = new FrameReader(new BufferPool(), options);
  assertEquals(feed(short, concat([framed(pattern(8, 0)), framed(pattern(7, 0))])).length, 1);
  assertEquals(short.error, { kind: "malformed", reason: "a frame of 7 bytes, under 8" });

  // The first bytes of an HTTP request, read as a length.
  const http = new FrameReader(new BufferPool(), options);
  assertEquals(feed(http, new TextEncoder().encode("GET / HTTP/1.1\r\n")), []);
  assertEquals(http.error?.kind, "too-large");
});

Deno.test("frame reader: the longest frame can be raised after the handshake", () => {
  const reader = new FrameReader(new BufferPool(), { frameBytesMax: 10 });
  assertEquals(feed(reader, framed(pattern(10, 0))).length, 1);
  reader.frameBytesMax = 5000;
  assertEquals(feed(reader, framed(pattern(5000, 0))).length, 1);
});

Deno.test("frame reader: bytes of a torn frame stay pending", () => {
  const reader = new FrameReader(new BufferPool(), { frameBytesMax: 100 });
  assertEquals(feed(reader, framed(pattern(50, 0)).slice(0, 30)), []);
  assertEquals(reader.pendingBytes, 30);
  reader.close();
  assertEquals(reader.space().length, 0);
});
