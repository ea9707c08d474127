import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  isSafeInt64,
  readInt16,
  readInt32,
  readInt64,
  readUint32,
  writeInt16,
  writeInt32,
  writeInt64,
} from "../../../storage/bytes/big_endian.ts";

Deno.test("big endian: every width agrees with DataView, both ways", () => {
  fc.assert(fc.property(fc.maxSafeInteger(), fc.integer(), fc.nat(7), (long, int, position) => {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);

    writeInt64(bytes, position, long);
    assertEquals(view.getBigInt64(position), BigInt(long));
    assertEquals(readInt64(bytes, position), long);
    assertEquals(isSafeInt64(bytes, position), true);

    writeInt32(bytes, position, int);
    assertEquals(view.getInt32(position), int);
    assertEquals(readInt32(bytes, position), int);
    assertEquals(readUint32(bytes, position), int >>> 0);

    writeInt16(bytes, position, int);
    assertEquals(view.getInt16(position), (int << 16) >> 16);
    assertEquals(readInt16(bytes, position), (int << 16) >> 16);
  }));
});

Deno.test("big endian: an int64 beyond the safe integers is refused by value, both ways", () => {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
    view.setBigInt64(0, value);
    assertEquals(isSafeInt64(bytes, 0), false);
    assertThrows(() => readInt64(bytes, 0), RangeError, `${value}`);
    assertThrows(() => writeInt64(bytes, 0, Number(value)), RangeError, "no safe integer");
  }
  assertThrows(() => writeInt64(bytes, 0, 1.5), RangeError, "Cannot write int64 1.5");
  assertThrows(() => writeInt64(bytes, 0, NaN), RangeError, "Cannot write int64 NaN");
});

Deno.test("big endian: the ends of the safe integers, -1 and -2^32 are kept", () => {
  const bytes = new Uint8Array(8);
  const kept = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -1, -(2 ** 32), -(2 ** 32) - 1];
  for (const value of kept) {
    writeInt64(bytes, 0, value);
    assertEquals(readInt64(bytes, 0), value);
  }
});
