import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { RefTable } from "../../../actors/runtime/remoting.ts";
import { jsonMessages } from "../../../actors/runtime/json_messages.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { Pair } from "./remote_stage.ts";

/** Numbers refs in the order they come. */
function table(): RefTable {
  const refs: Ref<never>[] = [];
  return {
    toNumber: (ref) => refs.push(ref) - 1,
    toRef: (number) => {
      const ref = refs[number];
      if (ref === undefined) throw new RangeError(`No ref ${number}`);
      return ref as Ref<unknown>;
    },
  };
}

function roundTrip(message: unknown): unknown {
  const refs = table();
  const { envelope, attachments } = jsonMessages.encode(message, refs);
  return jsonMessages.decode(envelope, attachments, refs);
}

Deno.test("json messages: what JSON can carry comes back, with its bytes", () => {
  const bytes = fc.uint8Array({ maxLength: 10 }).map((array) => new Uint8Array(array));
  fc.assert(fc.property(fc.jsonValue(), bytes, (json, bytes) => {
    const expected = { json: JSON.parse(JSON.stringify(json)), deep: [{ bytes }] };
    assertEquals(roundTrip({ json, deep: [{ bytes }] }), expected);
  }));
});

Deno.test("json messages: a ref comes back as the ref that its number stands for", () => {
  const pair = new Pair();
  const ref = pair.one.puppet("puppet");
  const { replyTo } = roundTrip({ kind: "get", replyTo: ref }) as { replyTo: unknown };
  assert(replyTo === ref);
});

Deno.test("json messages: what would be taken for a ref or for bytes is refused, both ways", () => {
  for (const message of [{ $ref: 1 }, { deep: [{ $bytes: 0 }] }]) {
    assertThrows(() => jsonMessages.encode(message, table()), TypeError, "a key $ref or $bytes");
  }
  for (const text of ['{"$ref":7}', '{"a":{"$bytes":0}}', "{"]) {
    assertThrows(() => jsonMessages.decode(new TextEncoder().encode(text), [], table()));
  }
});
