/** The partition of a key, as Java reckons it. */

import { assertEquals } from "@std/assert";
import { javaHashCode, partitionOfKey } from "../../../actors/coordinator/java_hash.ts";

Deno.test("java hash: of texts is that of Java", () => {
  // From the documentation and folklore of java.lang.String.
  const known: readonly (readonly [string, number])[] = [
    ["", 0],
    ["a", 97],
    ["Aa", 2112],
    ["BB", 2112],
    ["hello", 99162322],
    ["polygenelubricants", -2147483648],
    ["Hello, world!", -1880044555],
    ["\u{1f600}", 1772899],
  ];
  for (const [text, hash] of known) assertEquals(javaHashCode(text), hash, text);
});

Deno.test("java hash: the smallest int counts as 0", () => {
  assertEquals(partitionOfKey("polygenelubricants", 50), 0);
  assertEquals(partitionOfKey("Hello, world!", 50), 1880044555 % 50);
});
