import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { BufferPool } from "../../net/buffer_pool.ts";
import { FrameWriter, UNCOPIED_BYTES_MIN } from "../../net/frame_writer.ts";
import { concat, drain } from "./wire.ts";

/** Writes the bytes the way a codec does: at the position, in the buffer. */
function write(target: FrameWriter, bytes: Uint8Array): void {
  target.reserve(bytes.length);
  target.bytes.set(bytes, target.position);
  target.advance(target.position + bytes.length);
}

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = index * 31 + seed;
  return bytes;
}

Deno.test("frame writer: bytes leave in the order in which they were queued", () => {
  const piece = fc.record({
    kind: fc.constantFrom("write", "append", "take"),
    length: fc.oneof(fc.nat(200), fc.nat(5000), fc.constantFrom(65536, 262_143, 262_144, 300_000)),
  });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30, size: "max" }), (pieces) => {
      const pool = new BufferPool();
      const target = new FrameWriter(pool);
      const expected: Uint8Array[] = [];
      const actual: Uint8Array[] = [];
      const settlings: (() => void)[] = [];
      const take = () => {
        const queued = target.queuedBytes;
        const chunks = target.take();
        assertEquals(chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0), queued);
        for (const { bytes, settled } of chunks) {
          actual.push(bytes);
          settlings.push(() => settled(true));
        }
      };
      pieces.forEach(({ kind, length }, index) => {
        const bytes = pattern(length, index);
        if (kind === "take") return take();
        expected.push(bytes);
        if (kind === "write") write(target, bytes);
        else target.append(bytes);
      });
      take();
      assertEquals(concat(actual).toHex(), concat(expected).toHex());
      for (const settle of settlings) settle();
      assertEquals(pool.statistics.lentBytes, 0);
    }),
    { numRuns: 40 },
  );
});

Deno.test("frame writer: blobs of 256 KiB and more are queued by themselves, uncopied", () => {
  const target = new FrameWriter(new BufferPool());
  const large = pattern(UNCOPIED_BYTES_MIN, 1);
  const small = pattern(UNCOPIED_BYTES_MIN - 1, 2);
  write(target, pattern(10, 0));
  target.append(large);
  target.append(small);
  const chunks = target.take();
  assertEquals(chunks[0]!.bytes.length, 10);
  assertStrictEquals(chunks[1]!.bytes, large);
  assert(chunks.slice(2).every((chunk) => chunk.bytes.buffer !== small.buffer));
});

Deno.test("frame writer: a turn's frames share buffers, which grow with what was written", () => {
  const pool = new BufferPool();
  const target = new FrameWriter(pool);
  const turn = () => {
    for (let frame = 0; frame < 3000; frame++) write(target, pattern(100, frame));
    const chunks = target.take();
    for (const chunk of chunks) chunk.settled(true);
    return chunks.length;
  };
  assert(turn() <= 8);
  assertEquals(turn(), 1);
});

Deno.test("frame writer: a buffer is given back when its last write settled, sent or not", () => {
  const pool = new BufferPool();
  const target = new FrameWriter(pool);
  write(target, pattern(100, 0));
  target.append(pattern(UNCOPIED_BYTES_MIN, 0));
  write(target, pattern(100, 0));
  const [first, second, third] = target.take();
  assertStrictEquals(first!.bytes.buffer, third!.bytes.buffer);
  first!.settled(true);
  second!.settled(false);
  assert(pool.statistics.lentBytes > 0);
  third!.settled(false);
  assertEquals(pool.statistics.lentBytes, 0);
});

Deno.test("frame writer: an idle writer holds no buffer", () => {
  const pool = new BufferPool();
  const target = new FrameWriter(pool);
  write(target, pattern(100, 0));
  drain(target);
  assertEquals(pool.statistics.lentBytes, 0);
  assertEquals(target.take(), []);
});

Deno.test("frame writer: `afterwards` waits for the bytes queued before it, and no others", () => {
  const target = new FrameWriter(new BufferPool());
  const log: string[] = [];
  target.append(pattern(UNCOPIED_BYTES_MIN, 0));
  target.afterwards(() => log.push("blob"));
  write(target, pattern(10, 0));
  target.afterwards(() => log.push("small"));
  target.append(pattern(UNCOPIED_BYTES_MIN, 0));
  const [blob, small, last] = target.take();
  assertEquals(log, []);
  blob!.settled(true);
  assertEquals(log, ["blob"]);
  small!.settled(true);
  assertEquals(log, ["blob", "small"]);
  last!.settled(true);
  assertEquals(log, ["blob", "small"]);
  target.afterwards(() => log.push("nothing"));
  target.take();
  assertEquals(log, ["blob", "small", "nothing"]);
});

Deno.test("frame writer: what was not advanced over is not queued", () => {
  const target = new FrameWriter(new BufferPool());
  target.reserve(100);
  target.bytes.fill(7);
  assertEquals(drain(target).length, 0);
});
