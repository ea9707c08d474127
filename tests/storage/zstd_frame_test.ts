import { assertEquals, assertThrows } from "@std/assert";
import { compress, decompress } from "../../storage/compression.ts";
import {
  CorruptCompressionError,
  DecompressionBombError,
} from "../../storage/compression_errors.ts";
import { findZstdFrames } from "../../storage/zstd_frame.ts";

const MAGIC = "28b52ffd";

/** A raw block, the last one, of five bytes. */
const HELLO = "290000" + "68656c6c6f";

/** Window of 1 KiB, no content size, no checksum. */
const PLAIN = MAGIC + "00" + "00";

/** Written by the Python package zstandard 0.25.0: a checksum and no content size. */
const NO_SIZE = "28b52ffd04586500003068656c6c6f200100994b11175eae0d";

function text(hex: string, bytesMax = 1000): string {
  return new TextDecoder().decode(decompress("zstd", Uint8Array.fromHex(hex), bytesMax));
}

Deno.test("zstd: reads frames with and without content size, checksum and company", () => {
  assertEquals(text(PLAIN + HELLO), "hello");
  assertEquals(text(MAGIC + "20" + "05" + HELLO), "hello");
  // Written by the Python package zstandard 0.25.0: a checksum and no content size.
  assertEquals(
    text("28b52ffd04586500003068656c6c6f200100994b11175eae0d"),
    "hello hello hello hello",
  );
  assertEquals(text(PLAIN + HELLO + PLAIN + HELLO), "hellohello");
  assertEquals(text(NO_SIZE + NO_SIZE, 46).length, 46);
  assertThrows(() => text(NO_SIZE + NO_SIZE, 45), DecompressionBombError);
  const skipped = "5f2a4d18" + "03000000" + "aabbcc";
  assertEquals(text(skipped + PLAIN + HELLO + skipped), "hello");
  assertEquals(text(skipped), "");
  assertThrows(() => text(PLAIN + HELLO + PLAIN + HELLO, 9), DecompressionBombError);
});

Deno.test("zstd: no byte may be missing from the last frame nor follow it", () => {
  const frame = Uint8Array.fromHex(MAGIC + "20" + "05" + HELLO);
  for (let length = 0; length < frame.length; length++) {
    const cut = frame.slice(0, length);
    assertThrows(() => decompress("zstd", cut, 1000), CorruptCompressionError, "cut off");
  }
  assertThrows(() => text(PLAIN + HELLO + "00"), CorruptCompressionError, "cut off");
  assertThrows(() => text(PLAIN + HELLO + "00000000"), CorruptCompressionError, "no frame");
});

Deno.test("zstd: what the header makes impossible is refused before the library sees it", () => {
  const cases: [hex: string, reason: string][] = [
    ["1f8b0800" + "00", "no frame at its start"],
    [MAGIC + "08" + "00" + HELLO, "reserved bit"],
    [MAGIC + "21" + "07" + "05" + HELLO, "dictionary"],
    [PLAIN + "07" + "0000", "type 3"],
  ];
  for (const [hex, reason] of cases) {
    assertThrows(() => text(hex), CorruptCompressionError, reason);
  }
  // 131,072 bytes is the largest block; one more is none.
  findZstdFrames(Uint8Array.fromHex(PLAIN + "030010" + "00"), 131_072);
  const larger = Uint8Array.fromHex(PLAIN + "0b0010" + "00");
  assertThrows(() => findZstdFrames(larger, 2 ** 30), CorruptCompressionError, "131073 bytes");
});

Deno.test("zstd: sizes that are claimed are compared before anything is unpacked", () => {
  const claims = [
    MAGIC + "a0" + "00000040" + HELLO, // 1 GiB in four bytes
    MAGIC + "e0" + "ffffffffffffffff" + HELLO,
    MAGIC + "60" + "0003" + HELLO, // two bytes count from 256
  ];
  for (const claim of claims) {
    assertThrows(() => findZstdFrames(Uint8Array.fromHex(claim), 1000), DecompressionBombError);
  }
  findZstdFrames(Uint8Array.fromHex(MAGIC + "60" + "e802" + HELLO), 1000);
  // Runs of one byte, 131,072 times each: 4 bytes a block.
  const runs = Uint8Array.fromHex(PLAIN + "02001000".repeat(100) + "03001000");
  assertThrows(() => findZstdFrames(runs, 13_000_000), DecompressionBombError);
  findZstdFrames(runs, 101 * 131_072);
});

Deno.test("zstd: a frame may claim a large window for little content", () => {
  // As a producer at level 22 writes when it does not tell the size in advance: 128 MiB.
  assertEquals(text(MAGIC + "00" + "88" + HELLO, 5), "hello");
  assertThrows(() => text(MAGIC + "00" + "90" + HELLO), CorruptCompressionError, "memory");
});

Deno.test("zstd: what the library writes is found whole", () => {
  for (const length of [0, 1, 255, 256, 65_791, 65_792, 500_000]) {
    const compressed = compress("zstd", new Uint8Array(length).fill(7));
    findZstdFrames(compressed, length);
    assertEquals(decompress("zstd", compressed, length).length, length);
  }
});

Deno.test("zstd: more frames than any writer makes are refused", () => {
  assertEquals(text((PLAIN + HELLO).repeat(8)).length, 40);
  const flood = (PLAIN + HELLO).repeat(9);
  assertThrows(() => text(flood), CorruptCompressionError, "more than 8 frames");
});
