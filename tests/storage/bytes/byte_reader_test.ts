import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ByteReader } from "../../../storage/bytes/byte_reader.ts";

Deno.test("byte reader: reads values one after the other and stops at its end", () => {
  const source = Uint8Array.fromHex("aa" + "ff" + "fffe" + "80000000" + "80000000" + "0102" + "bb");
  const reader = new ByteReader(source, 1, source.length - 1);
  assertEquals(reader.int8(), -1);
  assertEquals(reader.int16(), -2);
  assertEquals(reader.int32(), -(2 ** 31));
  assertEquals(reader.uint32(), 2 ** 31);
  assertEquals(reader.uint8(), 1);
  assertEquals(reader.remaining, 1);
  reader.skip(1);
  assertThrows(() => reader.uint8(), RangeError, "Cannot read 1 bytes at 14: 0 are left");
});

Deno.test("byte reader: a slice shares memory and is bounded by the end of the range", () => {
  const source = new Uint8Array(10);
  const reader = new ByteReader(source, 2, 6);
  const slice = reader.bytes(3);
  assertStrictEquals(slice.buffer, source.buffer);
  assertEquals(slice.byteOffset, 2);
  assertThrows(() => reader.bytes(2), RangeError, "1 are left");
  assertThrows(() => reader.bytes(-1), RangeError, "Cannot read -1 bytes");
  assertThrows(() => reader.skip(-1), RangeError, "Cannot read -1 bytes");
  assertEquals(reader.position, 5);
});

Deno.test("byte reader: a range outside the source is refused", () => {
  const source = new Uint8Array(4);
  assertThrows(() => new ByteReader(source, 0, 5), RangeError, "there are 4");
  assertThrows(() => new ByteReader(source, -1), RangeError, "there are 4");
  assertThrows(() => new ByteReader(source, 3, 2), RangeError, "there are 4");
});

Deno.test("byte reader: random bytes give numbers or RangeError, and never a byte past the end", () => {
  const reads: ((reader: ByteReader) => unknown)[] = [
    (reader) => reader.int64(),
    (reader) => reader.varint(),
    (reader) => reader.varlong(),
    (reader) => reader.unsignedVarint(),
    (reader) => reader.bytes(reader.varint()),
  ];
  const choices = fc.array(fc.nat(reads.length - 1), { maxLength: 20 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), choices, (source, picks) => {
    const reader = new ByteReader(source);
    try {
      for (const pick of picks) {
        reads[pick]!(reader);
        assertEquals(reader.position <= reader.end, true);
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }));
});
