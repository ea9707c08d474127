/** The judge of transactions, over hand-made histories. */

import { assertEquals } from "@std/assert";
import {
  judgeCopy,
  judgeEarlier,
  judgeTransfers,
} from "../../scripts/chaos/transactions/transaction_judge.ts";
import {
  halfOf,
  parseHalf,
  readTransferEvents,
  type TransferEvent,
} from "../../scripts/chaos/transactions/transactor_events.ts";

const begun = { kind: "begun", id: "a/1" } as const;
const ended = (kind: TransferEvent["kind"]) => [begun, { kind, id: "a/1" }] as const;
const both = [["a/1 0"], ["a/1 1"]];

Deno.test("transaction judge: a committed transfer is there whole, once", () => {
  assertEquals(judgeTransfers(ended("committed"), both), []);
  for (const read of [[], [["a/1 0"]], [["a/1 0", "a/1 0"], ["a/1 1"]]]) {
    assertEquals(judgeTransfers(ended("committed"), read).length, 1);
  }
});

Deno.test("transaction judge: an aborted transfer is nowhere", () => {
  assertEquals(judgeTransfers(ended("aborted"), []), []);
  assertEquals(judgeTransfers(ended("aborted"), [["a/1 1"]]), [
    "transfer a/1 was aborted, and its halves were read 0 and 1 times",
  ]);
});

Deno.test("transaction judge: a transfer of unknown outcome is there whole or not at all", () => {
  for (const events of [[begun], ended("unknown"), ended("fenced")]) {
    assertEquals(judgeTransfers(events, both), []);
    assertEquals(judgeTransfers(events, []), []);
    assertEquals(judgeTransfers(events, [["a/1 0"]]).length, 1);
  }
});

Deno.test("transaction judge: what nobody began is named", () => {
  assertEquals(judgeTransfers([], [["b/7 0"], ["b/7 1"]]), [
    "transfer b/7 was never begun, and was read",
  ]);
});

Deno.test("transaction judge: a copy is whole, in order, and has nothing twice", () => {
  const original = [["1", "2", "3"]];
  assertEquals(judgeCopy(original, [["1", "2", "3"]]), []);
  for (
    const copy of [[], ["1", "2"], ["1", "3", "2"], ["1", "2", "3", "3"], ["1", "1", "2", "3"]]
  ) {
    assertEquals(judgeCopy(original, [copy]).length, 1, String(copy));
  }
});

Deno.test("transaction judge: a reader that came earlier saw a beginning of what came later", () => {
  assertEquals(judgeEarlier([["1"], []], [["1", "2"], ["3"]], "t"), []);
  assertEquals(judgeEarlier([["2"]], [["1", "2"]], "t").length, 1);
});

Deno.test("transaction judge: halves and torn lines are read", () => {
  assertEquals(parseHalf(halfOf("a b/1", 1)), { id: "a b/1", half: 1 });
  assertEquals(readTransferEvents('{"kind":"begun","id":"a/1"}\n{"ki'), [begun]);
});
