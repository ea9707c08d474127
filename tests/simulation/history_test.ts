/** Each anomaly of Jepsen's Kafka checker: a history that has it, and what Kafka allows. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { History, type PollStep, type SendStep } from "../../actors/sim/history.ts";
import { checkHistory, type HistoryRules } from "../../actors/sim/history_checker.ts";

const P = "orders-0";
const Q = "orders-1";

function send(value: number, offset?: number, partition = P): SendStep {
  return { kind: "send", partition, value, offset };
}

/** `poll([0, 10], [1, 11])`: value 10 at offset 0, value 11 at offset 1. */
function poll(...records: (readonly [offset: number, value: number])[]): PollStep {
  return pollOf(P, ...records);
}

function pollOf(partition: string, ...records: (readonly [number, number])[]): PollStep {
  return {
    kind: "poll",
    partition,
    records: records.map(([offset, value]) => ({ offset, value })),
  };
}

function rulesBroken(make: (history: History) => void, rules: HistoryRules = { drained: true }) {
  const history = new History();
  make(history);
  const { violations } = checkHistory(history.operations, rules);
  return [...new Set(violations.map(({ rule }) => rule))].sort();
}

function sent(history: History, process: string, ...steps: SendStep[]): void {
  history.begin("send", process).end("ok", steps);
}

/** Four values acknowledged at the offsets 0 to 3, and read by somebody. */
function four(history: History): void {
  for (let value = 10; value < 14; value++) sent(history, "p", send(value, value - 10));
  history.polled("reader", [poll([0, 10], [1, 11], [2, 12], [3, 13])]);
}

const BAD: readonly [rule: string, history: (history: History) => void][] = [
  ["inconsistent-offsets", (history) => {
    history.polled("a", [poll([0, 1])]);
    history.polled("b", [poll([0, 2])]);
  }],
  ["inconsistent-offsets", (history) => {
    sent(history, "p", send(1, 0));
    history.polled("b", [poll([0, 2], [1, 1])]);
  }],
  ["duplicate", (history) => history.polled("a", [poll([0, 1], [1, 1])])],
  ["duplicate", (history) => {
    sent(history, "p", send(1, 0));
    history.polled("a", [poll([0, 1], [1, 2], [2, 1])]);
  }],
  ["lost-write", (history) => {
    sent(history, "p", send(1, 0));
    sent(history, "q", send(2, 1));
    history.polled("a", [poll([1, 2])]);
  }],
  ["lost-write", (history) => {
    // Of unknown outcome, but one of its values was read: all of it was committed.
    history.begin("txn", "p", [send(1, 0), send(2, 1)]);
    history.polled("a", [poll([1, 2])]);
  }],
  ["unseen", (history) => {
    history.polled("a", [poll([0, 1])]);
    sent(history, "p", send(2, 1));
  }],
  ["aborted-read", (history) => {
    history.begin("send", "p").end("fail", [send(1)]);
    history.polled("a", [poll([0, 1])]);
  }],
  ["aborted-read", (history) => {
    const open = history.begin("send", "p");
    history.polled("a", [poll([0, 1])]);
    open.end("fail", [send(1)]);
  }],
  ["precommitted-read", (history) => {
    history.begin("txn", "p").end("ok", [send(1, 0), poll([0, 1])]);
  }],
  ["poll-skip", (history) => {
    four(history);
    history.assign("a", [P]);
    history.polled("a", [poll([0, 10])]);
    history.polled("a", [poll([2, 12])]);
  }],
  ["nonmonotonic-poll", (history) => {
    four(history);
    history.assign("a", [P]);
    history.polled("a", [poll([0, 10], [1, 11])]);
    history.polled("a", [poll([1, 11])]);
  }],
  ["int-poll-skip", (history) => {
    four(history);
    history.polled("a", [poll([0, 10], [2, 12])]);
  }],
  ["int-poll-skip", (history) => {
    four(history);
    history.begin("txn", "a").end("ok", [poll([0, 10]), poll([2, 12])]);
  }],
  ["int-nonmonotonic-poll", (history) => {
    four(history);
    history.polled("a", [poll([2, 12], [1, 11])]);
  }],
  ["nonmonotonic-send", (history) => {
    sent(history, "p", send(1, 1));
    sent(history, "p", send(2, 0));
    history.polled("a", [poll([0, 2], [1, 1])]);
  }],
  ["int-nonmonotonic-send", (history) => {
    sent(history, "p", send(1, 1), send(2, 0));
    history.polled("a", [poll([0, 2], [1, 1])]);
  }],
];

for (const [index, [rule, make]] of BAD.entries()) {
  Deno.test(`history: bad history ${index} is found out as ${rule}`, () => {
    // A value at two offsets is read at its later one out of order too, and so on: others may join.
    assert(rulesBroken(make).includes(rule), `${rulesBroken(make)}`);
    assertEquals(
      rulesBroken(make, { drained: true, except: new Set([rule]) }).includes(rule),
      false,
    );
  });
}

const ALLOWED: readonly [what: string, history: (history: History) => void][] = [
  ["sends and polls in order", (history) => {
    four(history);
    history.assign("a", [P]);
    history.polled("a", [poll([0, 10], [1, 11])]);
    history.polled("a", [poll([2, 12])]);
  }],
  ["a send of unknown outcome that nobody read", (history) => {
    four(history);
    history.begin("send", "q").end("info", [send(99)]);
  }],
  ["a send of unknown outcome that was read", (history) => {
    history.begin("send", "q").end("info", [send(99)]);
    history.polled("a", [poll([0, 99])]);
  }],
  ["a refused send that nobody read", (history) => {
    four(history);
    history.begin("send", "q").end("fail", [send(99)]);
  }],
  ["offsets that hold nothing for clients (markers, compacted records)", (history) => {
    sent(history, "p", send(1, 0), send(2, 5));
    history.assign("a", [P]);
    history.polled("a", [poll([0, 1])]);
    history.polled("a", [poll([5, 2])]);
  }],
  ["sends of others between one's own", (history) => {
    sent(history, "p", send(1, 0));
    sent(history, "q", send(2, 1));
    sent(history, "p", send(3, 2));
    history.polled("a", [poll([0, 1], [1, 2], [2, 3])]);
  }],
  ["two transactions whose writes interleave (G0)", (history) => {
    history.begin("txn", "p").end("ok", [send(1, 0), send(2, 3, Q)]);
    history.begin("txn", "q").end("ok", [send(3, 1), send(4, 2, Q)]);
    history.polled("a", [poll([0, 1], [1, 3]), pollOf(Q, [2, 4], [3, 2])]);
  }],
  ["with subscribe, polls that go back and skip between operations", (history) => {
    four(history);
    history.subscribe("a", [P]);
    history.polled("a", [poll([2, 12])]);
    history.polled("a", [poll([0, 10])]);
    history.polled("a", [poll([3, 13])]);
  }],
  ["a partition that changed hands within an operation", (history) => {
    four(history);
    history.subscribe("a", [P]);
    const records = poll([3, 13], [0, 10]);
    history.begin("poll", "a").end("ok", [records], [P]);
  }],
  ["another start after an assign that does not keep the partition", (history) => {
    four(history);
    history.assign("a", [P]);
    history.polled("a", [poll([2, 12])]);
    history.assign("a", [Q]);
    history.assign("a", [P]);
    history.polled("a", [poll([0, 10])]);
  }],
  ["another process under the name of one that crashed", (history) => {
    four(history);
    history.polled("a", [poll([2, 12])]);
    history.crash("a");
    history.polled("a", [poll([0, 10])]);
  }],
  ["the same offset in two partitions", (history) => {
    sent(history, "p", send(1, 0), send(1, 0, Q));
    history.polled("a", [poll([0, 1]), pollOf(Q, [0, 1])]);
  }],
  ["polls whose outcome is unknown, for the order of polls", (history) => {
    four(history);
    history.begin("poll", "a").end("info", [poll([0, 10])]);
    history.polled("a", [poll([3, 13])]);
  }],
];

for (const [what, make] of ALLOWED) {
  Deno.test(`history: allowed are ${what}`, () => assertEquals(rulesBroken(make), []));
}

Deno.test("history: an assign keeps the positions of partitions that are still held", () => {
  assertEquals(
    rulesBroken((history) => {
      four(history);
      history.assign("a", [P]);
      history.polled("a", [poll([0, 10])]);
      history.assign("a", [P, Q]);
      history.polled("a", [poll([2, 12])]);
    }),
    ["poll-skip"],
  );
});

Deno.test("history: what may be lost is not missed, and only that", () => {
  const make = (history: History) => {
    sent(history, "p", send(1, 0), send(2, 1), send(3, 2));
    history.polled("a", [poll([2, 3])]);
  };
  assertEquals(rulesBroken(make), ["lost-write", "unseen"]);
  const mayBeLost = (_: string, offset: number) => offset < 2;
  assertEquals(rulesBroken(make, { drained: true, mayBeLost }), []);
  const onlyFirst = (_: string, offset: number) => offset < 1;
  assertEquals(rulesBroken(make, { drained: true, mayBeLost: onlyFirst }), [
    "lost-write",
    "unseen",
  ]);
});

Deno.test("history: nothing is unseen before everything was read to its end", () => {
  const make = (history: History) => sent(history, "p", send(1, 0));
  assertEquals(rulesBroken(make, { drained: false }), []);
  assertEquals(rulesBroken(make, { drained: true }), ["unseen"]);
});

Deno.test("history: counts tell operations by outcome, and what never ended is info", () => {
  const history = new History();
  history.begin("send", "p");
  history.begin("send", "p").end("ok", [send(1, 0)]);
  history.begin("send", "p").end("fail", [send(2)]);
  history.polled("a", [poll([0, 1])]);
  assertEquals(history.counts, {
    sends: { ok: 1, fail: 1, info: 1 },
    polls: { ok: 1, fail: 0, info: 0 },
    recordsRead: 1,
  });
  const open = history.begin("send", "p");
  open.end("info", []);
  assertThrows(() => open.end("ok", []), Error, "twice");
});

Deno.test("history: every rule says how often it was held against something", () => {
  const history = new History();
  four(history);
  history.assign("a", [P]);
  history.polled("a", [poll([0, 10], [1, 11])]);
  history.polled("a", [poll([2, 12])]);
  const { evaluations } = checkHistory(history.operations, { drained: true });
  for (const rule of ["inconsistent-offsets", "duplicate", "lost-write", "unseen", "poll-skip"]) {
    assert((evaluations[rule] ?? 0) > 0, rule);
  }
});
