import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { crc32c, crc32cIsNative, crc32cPortable } from "../../../storage/bytes/crc32c.ts";

const both = [crc32c, crc32cPortable];

/** The examples of RFC 3720 (iSCSI), appendix B.4; the RFC lists the bytes lowest first. */
const RFC_3720: readonly (readonly [bytes: Uint8Array, crc: number])[] = [
  [new Uint8Array(32), 0x8a9136aa],
  [new Uint8Array(32).fill(0xff), 0x62a8ab43],
  [Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
  [Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
  [
    Uint8Array.fromHex(
      "01c000000000000000000000000000001400000000000400" +
        "000000140000001828000000000000000200000000000000",
    ),
    0xd9963a56,
  ],
];

Deno.test("crc32c: gives the checksums of RFC 3720 and the catalogue's check value", () => {
  for (const checksum of both) {
    for (const [bytes, crc] of RFC_3720) assertEquals(checksum(bytes), crc);
    assertEquals(checksum(new TextEncoder().encode("123456789")), 0xe3069283);
    assertEquals(checksum(new Uint8Array(0)), 0);
  }
});

Deno.test("crc32c: long inputs, where the native routine works, agree with plain TypeScript", () => {
  assertEquals(crc32cIsNative(), true);
  // Computed by the Python package crc32c over the same bytes.
  const bytes = Uint8Array.from({ length: 10_000 }, (_, index) => (index * 31) & 0xff);
  for (const checksum of both) assertEquals(checksum(bytes), 0x5aaa0327);
  const range = fc.tuple(fc.nat(3000), fc.nat(3000));
  fc.assert(fc.property(range, ([a, b]) => {
    const [from, to] = a < b ? [a, b] : [b, a];
    const expected = crc32cPortable(bytes.slice(from, to));
    assertEquals(crc32c(bytes, from, to), expected);
    assertEquals(crc32cPortable(bytes, from, to), expected);
  }));
});

Deno.test("crc32c: bounds outside the bytes are refused", () => {
  const bytes = new Uint8Array(1000);
  for (const checksum of both) {
    assertThrows(() => checksum(bytes, 0, 1001), RangeError, "there are 1000");
    assertThrows(() => checksum(bytes, -1, 10), RangeError, "there are 1000");
    assertThrows(() => checksum(bytes, 700, 600), RangeError, "there are 1000");
  }
});

Deno.test("crc32c: without leave to load native code, plain TypeScript takes over", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-env",
      new URL("crc32c_without_ffi.ts", import.meta.url).href,
    ],
  }).output();
  assertEquals(code, 0);
  const zeros = new Uint8Array(10_000);
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), {
    native: false,
    crc: crc32cPortable(zeros),
  });
});
