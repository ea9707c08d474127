import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  boolean,
  checkConfig,
  ConfigError,
  double,
  int,
  list,
  long,
  LONG_MAX_TEXT,
  parseConfig,
  string,
} from "../../../actors/config/definition.ts";
import { nearestName } from "../../../actors/config/nearest_name.ts";
import { UNLIMITED } from "../../../storage/log_config.ts";

const SEGMENT_BYTES = int("segment.bytes", 100, "", { min: 14 });

const refused = [
  [SEGMENT_BYTES, "abc", "segment.bytes=abc is no whole number"],
  [SEGMENT_BYTES, "", "segment.bytes= is no whole number"],
  [SEGMENT_BYTES, "1.5", "segment.bytes=1.5 is no whole number"],
  [SEGMENT_BYTES, "1e3", "segment.bytes=1e3 is no whole number"],
  [SEGMENT_BYTES, "0x10", "segment.bytes=0x10 is no whole number"],
  [SEGMENT_BYTES, "13", "segment.bytes=13 is less than 14"],
  [SEGMENT_BYTES, "2147483648", "segment.bytes=2147483648 is more than 2147483647"],
  [long("a", 1, ""), "9223372036854775808", "a=9223372036854775808 is no 64-bit number"],
  [boolean("a", true, ""), "yes", "a=yes is neither true nor false"],
  [double("a", 0.5, "", { min: 0, max: 1 }), "1.5", "a=1.5 is more than 1"],
  [double("a", 0.5, ""), "NaN", "a=NaN is no number"],
  [double("a", 0.5, ""), "Infinity", "a=Infinity is no number"],
  [string("a", "x", "", { allowed: ["x", "y"] }), "z", "a=z is none of x, y"],
  [list("a", "x", "", { allowed: ["x", "y"] }), "x,z", "a=x,z names z, which is none of x, y"],
] as const;

for (const [definition, text, message] of refused) {
  Deno.test(`definition: type ${definition.type} refuses ${JSON.stringify(text)} with its name and value`, () => {
    assertEquals(checkConfig(definition, text), message);
    assertThrows(() => parseConfig<unknown>(definition, text), ConfigError, message);
  });
}

const accepted = [
  [SEGMENT_BYTES, " 14 ", 14],
  [SEGMENT_BYTES, "+15", 15],
  [long("a", 1, ""), "-1", -1],
  [long("a", 1, ""), LONG_MAX_TEXT, UNLIMITED],
  [boolean("a", true, ""), "FALSE", false],
  [boolean("a", true, ""), "true", true],
  [double("a", 0.5, ""), ".25", 0.25],
  [string("a", "x", ""), " b ", "b"],
  [list("a", "", ""), "", []],
  [list("a", "", ""), " x , y ", ["x", "y"]],
] as const;

for (const [definition, text, value] of accepted) {
  Deno.test(`definition: type ${definition.type} reads ${JSON.stringify(text)}`, () => {
    assertEquals<unknown>(parseConfig<unknown>(definition, text), value);
  });
}

Deno.test("definition: a sensitive value is not shown when it is refused", () => {
  const secret = { ...SEGMENT_BYTES, isSensitive: true };
  assertEquals(checkConfig(secret, "hunter2"), "segment.bytes=[hidden] is no whole number");
});

Deno.test("definition: any int of the range is read as itself", () => {
  fc.assert(fc.property(fc.integer({ min: 14, max: 0x7fffffff }), (value) => {
    assertEquals(parseConfig(SEGMENT_BYTES, String(value)), value);
  }));
});

Deno.test("definition: any text is either read or refused with its name", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const problem = checkConfig(SEGMENT_BYTES, text);
    if (problem === undefined) {
      assertEquals(Number.isInteger(parseConfig(SEGMENT_BYTES, text)), true);
    } else assertEquals(problem.startsWith("segment.bytes="), true);
  }));
});

const NAMES = ["segment.bytes", "segment.ms", "retention.ms", "flush.ms"];

Deno.test("nearest name: a slip of the hand finds the name", () => {
  assertEquals(nearestName("segmnet.bytes", NAMES), "segment.bytes");
  assertEquals(nearestName("segement.bytes", NAMES), "segment.bytes");
  assertEquals(nearestName("retention.m", NAMES), "retention.ms");
  assertEquals(nearestName("flush_ms", NAMES), "flush.ms");
  assertEquals(nearestName("tpoic", ["topic"]), "topic");
});

Deno.test("nearest name: what is like none has no suggestion", () => {
  assertEquals(nearestName("zookeeper.connect", NAMES), undefined);
  assertEquals(nearestName("", NAMES), undefined);
});

Deno.test("nearest name: of two the nearer is suggested", () => {
  assertEquals(nearestName("segment.mss", ["segment.bytes", "segment.ms"]), "segment.ms");
  assertEquals(nearestName("segment.ms", ["segment.bytes", "segment.ms"]), "segment.ms");
});
