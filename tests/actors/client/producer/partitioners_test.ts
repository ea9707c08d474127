import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  murmur2,
  murmur2Ascii,
  nextStickyPartition,
  partitionOfHash,
} from "../../../../actors/client/producer/partitioners.ts";
import type { RandomStream } from "../../../../actors/runtime/environment.ts";

const encoder = new TextEncoder();

/** Kafka's own vectors (UtilsTest), as signed 32-bit numbers. */
const VECTORS: readonly (readonly [string, number])[] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
  ["0", 971027396],
  ["1", -1993445489],
  ["", 275646681],
];

Deno.test("partitioners: murmur2 gives the values of Kafka's client", () => {
  for (const [text, hash] of VECTORS) {
    assertEquals(murmur2(encoder.encode(text)), hash, text);
    assertEquals(murmur2Ascii(text), hash, text);
  }
});

Deno.test("partitioners: the hash of an ASCII text is that of its bytes, of another it is none", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ maxLength: 40 }), fc.constantFrom("é", "aé", "abcd漢", "😀12345")),
      (text) => {
        const bytes = encoder.encode(text);
        const isAscii = bytes.every((byte) => byte < 0x80);
        assertEquals(murmur2Ascii(text), isAscii ? murmur2(bytes) : undefined);
      },
    ),
  );
});

Deno.test("partitioners: murmur2 of a range is that of the bytes in it", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 30 }), fc.nat(8), (bytes, before) => {
    const padded = new Uint8Array(before + bytes.length + 3).fill(0xee);
    padded.set(bytes, before);
    assertEquals(murmur2(padded, before, before + bytes.length), murmur2(bytes));
  }));
});

Deno.test("partitioners: a negative hash gives a partition by its lower 31 bits", () => {
  assertEquals(partitionOfHash(-973932308, 3), (-973932308 & 0x7fffffff) % 3);
  assertEquals(partitionOfHash(-1, 1000), 0x7fffffff % 1000);
});

/** A stream of chance that counts up. */
function counting(): RandomStream {
  let next = 0;
  return {
    integer: (below) => next++ % below,
    chance: () => false,
    bytes: (length) => new Uint8Array(length),
    uuid: () => "AAAAAAAAAAAAAAAAAAAAAA",
  };
}

Deno.test("partitioners: without a key the least loaded partition that has a leader is next", () => {
  const loads = [4, 1, 0, 2];
  const next = nextStickyPartition(
    {
      partitionCount: 4,
      isAvailable: (partition) => partition !== 2,
      load: (partition) => loads[partition]!,
    },
    -1,
    counting(),
  );
  assertEquals(next, 1);
});

Deno.test("partitioners: equally loaded partitions take turns by chance", () => {
  const random = counting();
  const seen = new Set<number>();
  for (let i = 0; i < 5; i++) {
    const loads = { partitionCount: 5, isAvailable: () => true, load: () => 0 };
    seen.add(nextStickyPartition(loads, -1, random));
  }
  assertEquals(seen.size, 5);
});

Deno.test("partitioners: without any leader a partition is chosen all the same", () => {
  const loads = { partitionCount: 3, isAvailable: () => false, load: () => 0 };
  const next = nextStickyPartition(loads, -1, counting());
  assert(next >= 0 && next < 3);
});

Deno.test("partitioners: of many partitions only some are compared", () => {
  let asked = 0;
  nextStickyPartition(
    {
      partitionCount: 10_000,
      isAvailable: () => true,
      load: () => asked++,
    },
    -1,
    counting(),
  );
  assert(asked <= 16, `${asked} were asked`);
});

Deno.test("partitioners: the next batch goes elsewhere, unless there is nowhere else", () => {
  const loads = { partitionCount: 3, load: (partition: number) => partition === 1 ? 0 : 9 };
  const anywhere = { ...loads, isAvailable: () => true };
  assert(nextStickyPartition(anywhere, 1, counting()) !== 1);
  const onlyThere = { ...loads, isAvailable: (partition: number) => partition === 1 };
  assertEquals(nextStickyPartition(onlyThere, 1, counting()), 1);
});
