import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  jsonDeserializer,
  jsonSerializer,
  textDeserializer,
  textOf,
} from "../../../actors/client/serializers.ts";

const encoder = new TextEncoder();

Deno.test("serializers: text comes back as it was, whatever its length and its letters", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom("", "ü", "\ufeffwith a mark", "aé漢😀", "a".repeat(1000)),
  );
  fc.assert(fc.property(text, (text) => {
    assertEquals(textOf(encoder.encode(text)), text);
    assertEquals(textDeserializer("t", encoder.encode(text)), text);
  }));
});

Deno.test("serializers: what is no UTF-8 becomes replacement characters", () => {
  assertEquals(textOf(Uint8Array.of(0x61, 0xff)), "a\ufffd");
});

Deno.test("serializers: JSON comes back as it was", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const written = jsonSerializer("t", value);
    const read = jsonDeserializer("t", encoder.encode(written));
    assertEquals(JSON.stringify(read), JSON.stringify(value));
  }));
});
