import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineSplitter, splitKey } from "../../scripts/commands/lines.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function split(...chunks: readonly (string | Uint8Array)[]): string[] {
  const splitter = new LineSplitter();
  const lines: string[] = [];
  for (const chunk of chunks) {
    const bytes = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
    splitter.push(bytes, (line) => void lines.push(decoder.decode(line)));
  }
  const last = splitter.end();
  if (last !== undefined) lines.push(decoder.decode(last));
  return lines;
}

Deno.test("lines: each ends at a newline, which is no part of it", () => {
  assertEquals(split("a\nb\n"), ["a", "b"]);
  assertEquals(split("a\nb"), ["a", "b"]);
  assertEquals(split(""), []);
  assertEquals(split("\n\n"), ["", ""]);
  assertEquals(split("a\r\n"), ["a\r"]);
});

Deno.test("lines: one that chunks cut is whole again", () => {
  assertEquals(split("a", "b", "c\nd", "\n"), ["abc", "d"]);
  assertEquals(split("a", "\nb"), ["a", "b"]);
});

Deno.test("lines: what is no UTF-8 stays as it is", () => {
  const splitter = new LineSplitter();
  const lines: number[][] = [];
  splitter.push(new Uint8Array([0xff, 0x0a, 0xc3]), (line) => void lines.push([...line]));
  assertEquals(lines, [[0xff]]);
  assertEquals([...splitter.end() ?? []], [0xc3]);
});

Deno.test("lines: however a text is cut into chunks, its lines are the same", () => {
  const text = fc.array(fc.constantFrom("a", "bc", "\n", "\r")).map((parts) => parts.join(""));
  fc.assert(fc.property(text, fc.array(fc.nat(40)), (text, cuts) => {
    const bytes = encoder.encode(text);
    const at = [
      0,
      ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
      bytes.length,
    ];
    const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
    const expected = text.split("\n");
    if (expected.at(-1) === "") expected.pop();
    assertEquals(split(...chunks), expected);
  }));
});

function keyed(line: string, separator: string): (string | null)[] {
  const { key, value } = splitKey(encoder.encode(line), encoder.encode(separator));
  return [key === null ? null : decoder.decode(key), decoder.decode(value)];
}

Deno.test("key separator: the first one parts key and value", () => {
  assertEquals(keyed("k:v", ":"), ["k", "v"]);
  assertEquals(keyed("k:v:w", ":"), ["k", "v:w"]);
  assertEquals(keyed(":v", ":"), ["", "v"]);
  assertEquals(keyed("k:", ":"), ["k", ""]);
});

Deno.test("key separator: a line without it has no key", () => {
  assertEquals(keyed("value", ":"), [null, "value"]);
  assertEquals(keyed("", ":"), [null, ""]);
});

Deno.test("key separator: it may be long, and begin again within itself", () => {
  assertEquals(keyed("a=>b", "=>"), ["a", "b"]);
  assertEquals(keyed("a==>b", "=>"), ["a=", "b"]);
  assertEquals(keyed("a=", "=>"), [null, "a="]);
  assertEquals(keyed("ключ→значение", "→"), ["ключ", "значение"]);
});
