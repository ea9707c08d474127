import { assert, assertEquals, assertThrows } from "@std/assert";
import { SeededStream, uuidFrom } from "../../../actors/runtime/random_stream.ts";

Deno.test("random stream: the same seed draws the same, another seed something else", () => {
  const draw = (seed: number) => {
    const stream = new SeededStream(seed, 2, 3);
    return Array.from({ length: 20 }, () => stream.next());
  };
  assertEquals(draw(1), draw(1));
  assert(draw(1).every((value, i) => value !== draw(2)[i]));
});

Deno.test("random stream: draws are those of sfc32 in C", () => {
  // Seeds 1, 2, 3 with a counter of 1, after 12 draws thrown away; from PractRand's sfc32.
  const stream = new SeededStream(1, 2, 3);
  const drawn = Array.from({ length: 4 }, () => stream.next());
  assertEquals(drawn, referenceSfc32(1, 2, 3, 12, 4));
});

/** sfc32 as PractRand writes it, with 64-bit numbers cut back to 32 bits. */
function referenceSfc32(a: number, b: number, c: number, skip: number, count: number): number[] {
  const cut = (value: bigint) => value & 0xffffffffn;
  let [x, y, z, counter] = [BigInt(a), BigInt(b), BigInt(c), 1n];
  const drawn: number[] = [];
  for (let i = 0; i < skip + count; i++) {
    const sum = cut(x + y + counter++);
    x = y ^ (y >> 9n);
    y = cut(z + (z << 3n));
    z = cut(cut((z << 21n) | (z >> 11n)) + sum);
    if (i >= skip) drawn.push(Number(sum));
  }
  return drawn;
}

Deno.test("random stream: integers fill their range and nothing else, evenly", () => {
  const stream = new SeededStream(7, 8, 9);
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[stream.integer(10)]++;
  for (const count of counts) assert(count > 800 && count < 1200, `${counts}`);
  assertEquals(stream.integer(1), 0);
  assert(stream.integer(2 ** 32) < 2 ** 32);
  for (const below of [0, -1, 2 ** 32 + 1, NaN]) {
    assertThrows(() => stream.integer(below), RangeError, "Cannot draw an integer below");
  }
});

Deno.test("random stream: a range that does not divide 2^32 is drawn without bias", () => {
  const stream = new SeededStream(7, 8, 9);
  const below = 3 * 2 ** 30;
  let low = 0;
  for (let i = 0; i < 3000; i++) if (stream.integer(below) < 2 ** 30) low++;
  assert(low > 850 && low < 1150, `${low}`);
});

Deno.test("random stream: a chance comes as often as it says", () => {
  const stream = new SeededStream(1, 1, 1);
  let hits = 0;
  for (let i = 0; i < 9000; i++) if (stream.chance(1, 3)) hits++;
  assert(hits > 2800 && hits < 3200, `${hits}`);
  assert(!stream.chance(0, 5));
  assert(stream.chance(5, 5));
});

Deno.test("random stream: bytes have the length asked for and vary", () => {
  const stream = new SeededStream(1, 2, 4);
  for (const length of [0, 1, 3, 4, 5, 100]) assertEquals(stream.bytes(length).length, length);
  assert(new Set(stream.bytes(1000)).size > 200);
});

Deno.test("random stream: ids are version 4, in 22 letters, never beginning with a dash", () => {
  const stream = new SeededStream(1, 2, 5);
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) {
    const id = stream.uuid();
    assert(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/.test(id), id);
    const bytes = Uint8Array.fromBase64(id, { alphabet: "base64url" });
    assertEquals([bytes.length, bytes[6]! >> 4, bytes[8]! >> 6], [16, 4, 2]);
    seen.add(id);
  }
  assertEquals(seen.size, 2000);
});

Deno.test("random stream: an id that would begin with a dash is drawn again", () => {
  const draws = [0xf8, 0x00];
  const id = uuidFrom((length) => new Uint8Array(length).fill(draws.shift()!));
  assertEquals(id, "AAAAAAAAQACAAAAAAAAAAA");
});
