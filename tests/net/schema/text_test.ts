import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { encodeText, readText } from "../../../net/schema/text.ts";
import { unicode } from "../arbitraries.ts";

Deno.test("text: what was encoded is read back, also when texts share a slot of the seen ones", () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 80, size: "max" }),
    unicode(40),
    fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 12 }),
  );
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 20 }), (texts) => {
      for (const text of texts) {
        const bytes = encodeText(text);
        assertEquals(readText(bytes, 0, bytes.length), text);
      }
    }),
    { numRuns: 200 },
  );
});

Deno.test("text: a short name that was seen before is the very same string", () => {
  const bytes = new TextEncoder().encode("xx-orders-xx");
  const first = readText(bytes, 3, 9);
  assertEquals(first, "orders");
  assertStrictEquals(readText(bytes, 3, 9), first);
});

Deno.test("text: a byte order mark is text like any other", () => {
  const bytes = encodeText("\ufeffa");
  assertEquals(readText(bytes, 0, bytes.length), "\ufeffa");
});

Deno.test("text: bytes that are not UTF-8 are refused, not replaced", () => {
  const bad = ["ff", "c328", "c0af", "eda080", "f4908080", "e282", "61".repeat(70) + "80"];
  for (const hex of bad) {
    const bytes = Uint8Array.fromHex(hex);
    assertThrows(() => readText(bytes, 0, bytes.length), Error, "not UTF-8");
  }
  assertThrows(() => encodeText("a\udc00"), Error, "lone surrogate");
  assert(encodeText("é".repeat(16383)).length === 32766);
  assertThrows(() => encodeText("é".repeat(16384)), Error, "over 32767");
});
