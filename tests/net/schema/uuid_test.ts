import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { isUuid, readUuid, writeUuid } from "../../../net/schema/uuid.ts";
import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { uuidText } from "../arbitraries.ts";

Deno.test("uuid: text and bytes are each other's, wherever the bytes lie", () => {
  const ids = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(ids, fc.nat(5), (id, offset) => {
      const bytes = new Uint8Array(30);
      bytes.set(id, offset);
      const text = readUuid(bytes, offset);
      assertEquals(text, uuidText(id));
      const back = new Uint8Array(30);
      assert(writeUuid(back, offset, text));
      assertEquals(back, bytes);
    }),
    { numRuns: 3000 },
  );
  assertStrictEquals(readUuid(new Uint8Array(16), 0), ZERO_UUID);
});

Deno.test("uuid: ids that share a slot of the table of seen ones are not confused", () => {
  // More ids than slots, which differ in one of the four words only.
  for (const word of [0, 4, 8, 12]) {
    for (let index = 0; index < 5000; index++) {
      const id = new Uint8Array(16);
      new DataView(id.buffer).setUint32(word, index);
      assertEquals(readUuid(id, 0), uuidText(id));
    }
  }
});

Deno.test("uuid: text that no 16 bytes have is refused", () => {
  const good = "mE8kYx1dQqWqH0dJt1v3Bg";
  assert(isUuid(good));
  const bad = [
    "",
    good.slice(1),
    good + "A",
    good.replace("m", "+"),
    good.replace("m", "é"),
    good.replace("m", "\u{1f600}").slice(0, 22),
    // Four bits too many in the last character.
    good.slice(0, 21) + "h",
    good.slice(0, 21) + "/",
  ];
  for (const text of bad) assert(!isUuid(text), text);
});
