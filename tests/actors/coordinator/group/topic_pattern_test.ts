/** Subscriptions by regular expression, beside the engine of the language. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  InvalidPatternError,
  TopicPattern,
} from "../../../../actors/coordinator/group/topic_pattern.ts";

const atom = fc.constantFrom("a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", "\\d", "\\w", "\\.", "");
const quantifier = fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "*?");
const piece = fc.tuple(atom, quantifier).map(([one, many]) => one === "" ? "" : one + many);
const sequence = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(""));
const group = fc.tuple(sequence, sequence, quantifier).map(([a, b, many]) => `(${a}|${b})${many}`);
const pattern = fc.tuple(sequence, group, sequence).map((parts) => parts.join(""));
const name = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", ".", "-"), maxLength: 8 });

Deno.test("topic pattern: matches what the language's own engine matches", () => {
  fc.assert(
    fc.property(pattern, fc.array(name, { minLength: 5, maxLength: 10 }), (text, names) => {
      const compiled = new TopicPattern(text);
      const own = new RegExp(`^(?:${text})$`);
      for (const one of names) assertEquals(compiled.matches(one), own.test(one), `${text} ${one}`);
    }),
    { numRuns: 500 },
  );
});

Deno.test("topic pattern: no expression keeps the broker busy", () => {
  // An engine that tries one way after the other would not come to an end.
  assert(!new TopicPattern("(a*)*(a|a)*(a?){50}b").matches("a".repeat(249)));
});

Deno.test("topic pattern: what is known of names is forgotten when it is too much", () => {
  // Each of the last ten characters may have been the a: over a thousand situations.
  const [compiled, own] = [new TopicPattern(".*a.{9}"), /^.*a.{9}$/];
  const names = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 100, maxLength: 200 });
  fc.assert(
    fc.property(names, (one) => assertEquals(compiled.matches(one), own.test(one))),
    { numRuns: 200 },
  );
});

Deno.test("topic pattern: what is not understood is refused", () => {
  for (
    const text of ["(", ")", "a**", "*a", "[a", "[b-a]", "\\1", "\\q", "(?=a)", "a{3,2}", "\\"]
  ) {
    assertThrows(() => new TopicPattern(text), InvalidPatternError, undefined, text);
  }
  assertThrows(() => new TopicPattern("((((a{1000}){1000}){1000}))"), InvalidPatternError);
  assertThrows(() => new TopicPattern("a".repeat(1001)), InvalidPatternError);
  // A broker that looks at each name in each of so many states does nothing else.
  assertThrows(() => new TopicPattern("(.?){600}"), InvalidPatternError);
});

Deno.test("topic pattern: anchors, names and classes as RE2 knows them", () => {
  const matches = (text: string, one: string) => new TopicPattern(text).matches(one);
  assert(matches("^orders-.*$", "orders-eu"));
  assert(matches("\\Aorders\\z", "orders"));
  assert(matches("(?P<region>eu|us)-orders", "eu-orders"));
  assert(matches("(?:eu|us)-[\\w.-]+", "us-a.b-c"));
  assert(!matches("orders", "orders-eu"));
  assert(!matches("a^b", "ab"));
});
