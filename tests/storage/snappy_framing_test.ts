import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CorruptCompressionError,
  DecompressionBombError,
} from "../../storage/compression_errors.ts";
import { compressSnappy, decompressSnappy } from "../../storage/snappy_framing.ts";

/** What a xerial stream starts with: magic, version 1, compatible with 1. */
const XERIAL = "82534e4150505900" + "00000001" + "00000001";

/** Five literal bytes, as the format description writes them. */
const HELLO = "05" + "10" + "68656c6c6f";

function decompress(hex: string, bytesMax = 1000): string {
  return new TextDecoder().decode(decompressSnappy(Uint8Array.fromHex(hex), bytesMax));
}

Deno.test("snappy: reads a raw block and xerial framing of no, one or several blocks", () => {
  assertEquals(decompress(HELLO), "hello");
  assertEquals(decompress("00"), "");
  assertEquals(decompress(XERIAL), "");
  assertEquals(decompress(XERIAL + "00000007" + HELLO), "hello");
  assertEquals(decompress(XERIAL + "00000007" + HELLO + "00000007" + HELLO), "hellohello");
});

Deno.test("snappy: writes a raw block, which no reader takes for xerial framing", () => {
  // 10,626 is the size whose varint starts as the framing does.
  const compressed = compressSnappy(new Uint8Array(10_626));
  assertEquals(compressed.subarray(0, 2).toHex(), XERIAL.slice(0, 4));
  assertEquals(decompressSnappy(compressed, 10_626).length, 10_626);
  // As a raw block the framing is no content at all.
  assertThrows(() => decompress(XERIAL.slice(0, 30)), CorruptCompressionError);
});

Deno.test("snappy: seven bytes that claim a gigabyte are refused at once, however much is allowed", () => {
  const claims = ["8080808004" + "1068", XERIAL + "00000007" + "8080808004" + "1068"];
  for (const claim of claims) {
    const before = Deno.memoryUsage().rss;
    assertThrows(() => decompress(claim, 2 ** 31), CorruptCompressionError, "cannot hold");
    assert(Deno.memoryUsage().rss - before < 64 * 1024 * 1024);
  }
});

Deno.test("snappy: the bytes allowed are those of all blocks together", () => {
  const three = XERIAL + ("00000007" + HELLO).repeat(3);
  assertEquals(decompress(three, 15), "hellohellohello");
  const error = assertThrows(() => decompress(three, 14), DecompressionBombError);
  assertEquals((error as DecompressionBombError).bytesMax, 14);
  assertThrows(() => decompress(HELLO, 4), DecompressionBombError);
});

Deno.test("snappy: what is cut off or malformed is refused by reason", () => {
  const cases: [hex: string, reason: string][] = [
    ["", "announces no size"],
    ["80", "announces no size"],
    ["ffffffffff01", "announces no size"],
    ["05" + "10" + "6865", "not well-formed"],
    ["06" + "10" + "68656c6c6f", "not well-formed"],
    // A copy from before the start.
    ["04" + "0101", "not well-formed"],
    [XERIAL + "000000", "block at 16 is cut off"],
    [XERIAL + "00000008" + HELLO, "block at 16 is cut off"],
    [XERIAL + "ffffffff" + HELLO, "block at 16 is cut off"],
    [XERIAL + "00000000", "announces no size"],
    [XERIAL + "00000007" + HELLO + "7fffffff", "block at 27 is cut off"],
  ];
  for (const [hex, reason] of cases) {
    assertThrows(() => decompress(hex), CorruptCompressionError, reason);
  }
});

Deno.test("snappy: a stream of very many very small blocks is refused", () => {
  const block = "00000007" + HELLO;
  assertEquals(decompress(XERIAL + block.repeat(16)).length, 80);
  const flood = XERIAL + block.repeat(10_000);
  assertThrows(() => decompress(flood, 100_000), CorruptCompressionError, "10000 blocks for 50000");
});
