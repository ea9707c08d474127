import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ConfigError } from "../../../actors/config/definition.ts";
import { parseProperties } from "../../../actors/config/properties_file.ts";

Deno.test("properties file: comments, blanks, trimming, separators and both kinds of line end", () => {
  const text =
    "\uFEFF# a comment\r\n! another\r\n\r\n  a = 1  \nb:2\nc=\nd=x=y # not a comment\n  # e=5\n";
  assertEquals(parseProperties(text, "f"), { a: "1", b: "2", c: "", d: "x=y # not a comment" });
});

Deno.test("properties file: a backslash at the end goes on in the next line", () => {
  assertEquals(parseProperties("a=1,\\\n   2,\\\n   3\nb=4", "f"), { a: "1,2,3", b: "4" });
  assertEquals(parseProperties("a=1\\\n# no comment here", "f"), { a: "1# no comment here" });
  assertEquals(parseProperties("a=c:\\\\\nb=2", "f"), { a: "c:\\\\", b: "2" });
  assertEquals(parseProperties("a=1\\", "f"), { a: "1" });
});

Deno.test("properties file: each bad line is named by its number", () => {
  const error = assertThrows(
    () => parseProperties("a=1\n\nno separator\n=2\nb=\\\n3\na=4\n", "node.properties"),
    ConfigError,
  );
  assertEquals(error.problems, [
    "node.properties:3: no separator has no = between key and value",
    "node.properties:4: =2 has no key",
    "node.properties:7: a is set already in line 1",
  ]);
});

Deno.test("properties file: keys and values of any plain text come back", () => {
  const word = fc.stringMatching(/^[a-z.]{1,10}$/);
  const value = fc.stringMatching(/^[a-zA-Z0-9,.:=-]{0,20}$/);
  fc.assert(fc.property(fc.dictionary(word, value), (properties) => {
    const text = Object.entries(properties).map(([key, value]) => `${key}=${value}`).join("\n");
    assertEquals({ ...parseProperties(text, "f") }, { ...properties });
  }));
});
