import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ByteReader } from "../../../storage/bytes/byte_reader.ts";
import {
  sizeOfUnsignedVarint,
  sizeOfVarint,
  sizeOfVarlong,
  writeUnsignedVarint,
  writeVarint,
  writeVarlong,
} from "../../../storage/bytes/varint.ts";

const INT32_EDGES = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8192, -8193, 2 ** 20 - 1]
  .concat([2 ** 20, -(2 ** 20) - 1, 2 ** 27 - 1, 2 ** 27, -(2 ** 27) - 1, 2 ** 31 - 1, -(2 ** 31)]);

const LONG_EDGES = INT32_EDGES.concat([2 ** 31, -(2 ** 31) - 1, 2 ** 32, -(2 ** 32), 2 ** 34 - 1])
  .concat([2 ** 34, -(2 ** 34), -(2 ** 34) - 1, 2 ** 41, 2 ** 48, -(2 ** 48) - 1])
  .concat([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]);

function hex(write: (bytes: Uint8Array) => number): string {
  const bytes = new Uint8Array(16);
  return bytes.subarray(0, write(bytes)).toHex();
}

/** What the definition says, with bigints: zigzag of 64 bits, seven bits a byte, lowest first. */
function zigzagByDefinition(value: number): string {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Uint8Array.from([...bytes, Number(rest)]).toHex();
}

Deno.test("varint: writes the bytes of the protocol buffers documentation", () => {
  assertEquals(hex((bytes) => writeUnsignedVarint(bytes, 0, 1)), "01");
  assertEquals(hex((bytes) => writeUnsignedVarint(bytes, 0, 150)), "9601");
  assertEquals(hex((bytes) => writeUnsignedVarint(bytes, 0, 0xffffffff)), "ffffffff0f");
  assertEquals(hex((bytes) => writeVarint(bytes, 0, 0)), "00");
  assertEquals(hex((bytes) => writeVarint(bytes, 0, -1)), "01");
  assertEquals(hex((bytes) => writeVarint(bytes, 0, 1)), "02");
  assertEquals(hex((bytes) => writeVarint(bytes, 0, -2)), "03");
  assertEquals(hex((bytes) => writeVarint(bytes, 0, 0x7fffffff)), "feffffff0f");
  assertEquals(hex((bytes) => writeVarint(bytes, 0, -0x80000000)), "ffffffff0f");
});

Deno.test("varint: varint and varlong agree with the definition at every edge", () => {
  for (const value of INT32_EDGES) {
    assertEquals(hex((bytes) => writeVarint(bytes, 0, value)), zigzagByDefinition(value));
  }
  for (const value of LONG_EDGES) {
    assertEquals(hex((bytes) => writeVarlong(bytes, 0, value)), zigzagByDefinition(value));
  }
});

Deno.test("varint: any int32 reads back as written, in the size announced", () => {
  fc.assert(fc.property(fc.integer(), fc.nat(5), (value, position) => {
    const bytes = new Uint8Array(16);
    const end = writeVarint(bytes, position, value);
    assertEquals(end - position, sizeOfVarint(value));
    const reader = new ByteReader(bytes, position, end);
    assertEquals(reader.varint(), value);
    assertEquals(reader.remaining, 0);

    const unsignedEnd = writeUnsignedVarint(bytes, position, value >>> 0);
    assertEquals(unsignedEnd - position, sizeOfUnsignedVarint(value));
    assertEquals(new ByteReader(bytes, position, unsignedEnd).unsignedVarint(), value >>> 0);
  }));
});

Deno.test("varint: any safe integer reads back as written, in the size announced", () => {
  const examples = LONG_EDGES.map((value): [number] => [value]);
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const bytes = new Uint8Array(16);
      const end = writeVarlong(bytes, 0, value);
      assertEquals(end, sizeOfVarlong(value));
      assertEquals(bytes.subarray(0, end).toHex(), zigzagByDefinition(value));
      const reader = new ByteReader(bytes, 0, end);
      assertEquals(reader.varlong(), value);
      assertEquals(reader.position, end);
    }),
    { examples },
  );
});

Deno.test("varint: one byte short of the value is refused", () => {
  for (const value of LONG_EDGES) {
    const bytes = new Uint8Array(16);
    const end = writeVarlong(bytes, 0, value);
    assertThrows(() => new ByteReader(bytes, 0, end - 1).varlong(), RangeError, "are left");
  }
  for (const value of INT32_EDGES) {
    const bytes = new Uint8Array(16);
    const end = writeVarint(bytes, 0, value);
    assertThrows(() => new ByteReader(bytes, 0, end - 1).varint(), RangeError, "are left");
  }
});

Deno.test("varint: more than 5 bytes or 32 bits are refused", () => {
  const refused = ["808080808000", "ffffffff10", "ffffffffff01"];
  for (const encoded of refused) {
    const reader = new ByteReader(Uint8Array.fromHex(encoded));
    assertThrows(() => reader.varint(), RangeError, "longer than 32 bits");
  }
  assertEquals(new ByteReader(Uint8Array.fromHex("8080808000")).varint(), 0);
});

Deno.test("varint: a varlong of more than 10 bytes, 64 bits or the safe integers is refused", () => {
  const tooLong = ["8080808080808080808000", "ffffffffffffffffff02"];
  for (const encoded of tooLong) {
    const reader = new ByteReader(Uint8Array.fromHex(encoded));
    assertThrows(() => reader.varlong(), RangeError, "longer than 64 bits");
  }
  // 2^53, -(2^53) and the two ends of int64.
  const unsafe = [
    zigzagByDefinition(2 ** 53),
    zigzagByDefinition(-(2 ** 53)),
    "feffffffffffffffff01",
    "ffffffffffffffffff01",
  ];
  for (const encoded of unsafe) {
    const reader = new ByteReader(Uint8Array.fromHex(encoded));
    assertThrows(() => reader.varlong(), RangeError, "no safe integer");
  }
  assertEquals(new ByteReader(Uint8Array.fromHex("80808080808080808000")).varlong(), 0);
});
