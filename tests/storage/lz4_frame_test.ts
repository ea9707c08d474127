import { assertEquals, assertThrows } from "@std/assert";
import {
  CorruptCompressionError,
  DecompressionBombError,
} from "../../storage/compression_errors.ts";
import { compressLz4, decompressLz4 } from "../../storage/lz4_frame.ts";

const END = "00000000";

/** Written by the Python package lz4 4.4.5, with content size, block and content checksums. */
const CHECKED =
  "04224d187c401700000000000000f00f0000006868656c6c6f2006005068656c6c6fa90f8a3700000000f26b" +
  "940b";

/** The same, of "ab" 70,000 times: a second block that refers back to the first. */
const LINKED = "04224d184040c00c0100002f61620200" + "ff".repeat(256) +
  "e65062616261620a0100000f0200" + "ff".repeat(256) + "e85062616261622c0000000f0200" +
  "ff".repeat(34) + "ea50626162616200000000";

function decompress(hex: string, bytesMax = 1000): string {
  return new TextDecoder().decode(decompressLz4(Uint8Array.fromHex(hex), bytesMax));
}

Deno.test("lz4 frame: writes independent blocks and the header checksum that Java looks for", () => {
  // Version 1, independent blocks, nothing else; blocks of 64 KiB or 4 MiB. The third byte is
  // (xxh32(the two before) >> 8) & 0xff, as the reference implementation computes it.
  assertEquals(compressLz4(new Uint8Array(100)).subarray(0, 7).toHex(), "04224d18604082");
  assertEquals(compressLz4(new Uint8Array(1_000_000)).subarray(0, 7).toHex(), "04224d18607073");
  assertEquals(compressLz4(new Uint8Array(100)).subarray(-4).toHex(), END);
});

Deno.test("lz4 frame: reads stored blocks, checksums and content sizes", () => {
  const hello = "05000080" + "68656c6c6f";
  assertEquals(decompress("04224d18604082" + hello + END), "hello");
  assertEquals(decompress("04224d18604082" + hello + hello + END), "hellohello");
  assertEquals(decompress(CHECKED), "hello hello hello hello");
  assertEquals(decompress(LINKED, 200_000).length, 140_000);
});

Deno.test("lz4 frame: a wrong checksum anywhere is refused", () => {
  const hello = "05000080" + "68656c6c6f";
  assertThrows(() => decompress("04224d18604083" + hello + END), CorruptCompressionError);
  const checked = Uint8Array.fromHex(CHECKED);
  for (const position of [14, checked.length - 9, checked.length - 1]) {
    const changed = checked.slice();
    changed[position]! ^= 1;
    assertThrows(() => decompressLz4(changed, 1000), CorruptCompressionError);
  }
});

Deno.test("lz4 frame: what is no whole frame of version 1 is refused before native code", () => {
  const cases: [hex: string, reason: string][] = [
    ["", "cut off"],
    ["04224d19604082" + END, "no frame at its start"],
    // The legacy format, and a frame to be skipped.
    ["02214c1804000000" + END, "no frame at its start"],
    ["502a4d1800000000", "no frame at its start"],
    ["04224d18204082" + END, "flags 0x20"],
    ["04224d18624082" + END, "flags 0x62"],
    ["04224d18614082" + "00000000" + END, "dictionary"],
    ["04224d18603082" + END, "no block size"],
    ["04224d18604082" + "01000100", "block of 65537 bytes"],
    ["04224d18604082" + "ffffffff", "block of 2147483647 bytes"],
    ["04224d18604082" + "05000080" + "68656c", "cut off"],
    ["04224d18604082" + "02000000" + "50aa" + END, "within a sequence"],
    ["04224d18604082" + "02000000" + "f0ff" + END, "within a sequence"],
    ["04224d18604082" + "03000000" + "10aa01" + END, "within a sequence"],
    ["04224d18604082" + END + "00", "1 bytes follow"],
  ];
  for (const [hex, reason] of cases) {
    assertThrows(() => decompress(hex), CorruptCompressionError, reason);
  }
  // A match that reaches before the start is for the native code to find.
  const before = "04224d18604082" + "0a000000" + "10aaff00" + "500102030405" + END;
  assertThrows(() => decompress(before), CorruptCompressionError, "not well-formed");
});

Deno.test("lz4 frame: sizes that are claimed are not believed", () => {
  const gibibyte = "0000004000000000";
  const exbibyte = "0000000000000010";
  for (const size of [gibibyte, exbibyte]) {
    assertThrows(
      () => decompress("04224d186840" + size + "00" + END, 1_000_000),
      DecompressionBombError,
    );
  }
  // A match of 255 × 1000 bytes from one literal.
  const length = 1000 + 6;
  const block = "1faa0100" + "ff".repeat(length - 6) + "00" + "00";
  const size = new Uint8Array(4);
  new DataView(size.buffer).setInt32(0, block.length / 2, true);
  const frame = "04224d18604082" + size.toHex() + block + END;
  assertThrows(() => decompress(frame, 255_000), DecompressionBombError);
});
