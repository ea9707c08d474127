/** Section 2 of docs/semantics.md. */
import { assert, assertEquals } from "@std/assert";
import {
  type DispatcherOptions,
  FifoDispatcher,
  IO_MS,
  MAILBOX_BATCH,
  TURN_MESSAGES,
} from "../../../actors/runtime/dispatcher.ts";

class Crank {
  now = 0;
  readonly soon: (() => void)[] = [];
  readonly later: (() => void)[] = [];
  readonly afterIo: (() => void)[] = [];
  readonly stalls: number[] = [];
  readonly failures: unknown[] = [];
  readonly dispatcher: FifoDispatcher;

  constructor(options: Partial<DispatcherOptions> = {}) {
    this.dispatcher = new FifoDispatcher({
      soon: (run) => void this.soon.push(run),
      later: (run) => void this.later.push(run),
      afterIo: (run) => void this.afterIo.push(run),
      now: () => this.now,
      stalled: (duration) => void this.stalls.push(duration),
      failed: (error) => void this.failures.push(error),
      ...options,
    });
  }

  /** One turn, from wherever it is scheduled. */
  turn(): void {
    assertEquals(this.soon.length + this.later.length + this.afterIo.length, 1);
    (this.soon.shift() ?? this.later.shift() ?? this.afterIo.shift())?.();
  }

  mailbox(deliver: (message: number) => void) {
    return this.dispatcher.mailbox<number>(1_000_000, deliver);
  }
}

Deno.test("runtime 2.1: a turn handles at most 1,000 messages, and leaves the rest", () => {
  const crank = new Crank();
  let handled = 0;
  const mailboxes = Array.from({ length: 30 }, () => crank.mailbox(() => void handled++));
  for (let i = 0; i < 1500; i++) mailboxes[i % 30]?.push(0, i);
  assertEquals([crank.soon.length, crank.later.length], [1, 0]);
  crank.turn();
  assertEquals(handled, TURN_MESSAGES);
  assertEquals([crank.soon.length, crank.later.length], [0, 1]);
  crank.turn();
  assertEquals(handled, 1500);
});

Deno.test("runtime 2.1: a turn lasts 2 ms, whether messages cost much or little", () => {
  for (const cost of [0.005, 0.1, 0.5, 5]) {
    const crank = new Crank();
    const mailbox = crank.mailbox(() => void (crank.now += cost));
    for (let i = 0; i < 1000; i++) mailbox.push(0, i);
    crank.turn();
    assert(crank.now >= 2, `a turn of ${crank.now} ms at ${cost} ms a message`);
    assert(crank.now <= Math.max(4 + cost, 2 + cost), `${crank.now} ms at ${cost} ms a message`);
    assertEquals(crank.afterIo.length, 1);
  }
});

Deno.test("runtime 2.2: a mailbox has at most 64 messages handled in a row while others wait", () => {
  for (const at of [1, 30, 200, 600]) {
    const crank = new Crank();
    let handled = 0;
    let inARow = -1;
    const quiet = crank.mailbox(() => inARow = handled - at);
    const busy = crank.mailbox(() => {
      if (++handled === at) quiet.push(0, 1);
    });
    for (let i = 0; i < 990; i++) busy.push(0, i);
    crank.turn();
    assert(inARow >= 0 && inARow <= MAILBOX_BATCH, `${inARow} from ${at} on`);
    assertEquals(handled, 990);
  }
});

Deno.test("runtime 2.3: end-of-turn work runs once, in order, after messages, before I/O", () => {
  const crank = new Crank();
  const done: string[] = [];
  const two = crank.mailbox(() => void done.push("two"));
  const one = crank.mailbox(() => {
    done.push("one");
    crank.dispatcher.atEndOfTurn(() => {
      done.push("first");
      throw new Error("oh");
    });
    crank.dispatcher.atEndOfTurn(() => void done.push("second"));
    two.push(0, 1);
  });
  one.push(0, 1);
  crank.turn();
  assertEquals(done, ["one", "two", "first", "second"]);
  assertEquals(crank.failures.map(String), ["Error: oh"]);
  assertEquals([crank.soon.length, crank.later.length], [0, 0]);
});

Deno.test("runtime 2.3: end-of-turn work given outside a turn makes one", () => {
  const crank = new Crank();
  let runs = 0;
  crank.dispatcher.atEndOfTurn(() => void runs++);
  assertEquals(runs, 0);
  crank.turn();
  assertEquals(runs, 1);
});

Deno.test("runtime 2.4: what is told at the end of a turn is handled in another", () => {
  const crank = new Crank();
  const done: string[] = [];
  const one = crank.mailbox(() => void done.push("one"));
  crank.dispatcher.atEndOfTurn(() => {
    one.push(0, 1);
    crank.dispatcher.atEndOfTurn(() => void done.push("end"));
  });
  crank.turn();
  assertEquals(done, []);
  assertEquals([crank.soon.length, crank.later.length], [0, 1]);
  one.push(0, 2);
  assertEquals([crank.soon.length, crank.later.length], [0, 1]);
  crank.turn();
  assertEquals(done, ["one", "one", "end"]);
});

Deno.test("runtime 2.5: a turn of 10 ms or more is measured as a stall, a shorter one is not", () => {
  const crank = new Crank();
  const mailbox = crank.mailbox((ms) => void (crank.now += ms));
  for (const ms of [9, 10, 25]) {
    mailbox.push(0, ms);
    crank.turn();
  }
  assertEquals(crank.stalls, [10, 25]);
});

Deno.test("runtime 2.6: when nothing waits no turn is scheduled, and the next message makes one", () => {
  const crank = new Crank();
  const mailbox = crank.mailbox(() => {});
  assertEquals([crank.soon.length, crank.later.length], [0, 0]);
  for (let i = 0; i < 3; i++) {
    mailbox.push(0, i);
    mailbox.push(0, i);
    crank.turn();
    assertEquals([crank.soon.length, crank.later.length, mailbox.length], [0, 0, 0]);
  }
});

Deno.test("runtime 2.7: turns follow each other for a millisecond, then I/O is let in", () => {
  for (const cost of [0.125, 0.25, 0.5, 3]) {
    const crank = new Crank();
    const again = () => {
      crank.now += cost;
      crank.dispatcher.atEndOfTurn(again);
    };
    crank.dispatcher.atEndOfTurn(again);
    const sinceIo: number[] = [];
    for (let turn = 0, since = 0; turn < 40; turn++) {
      crank.turn();
      since += cost;
      if (crank.afterIo.length === 0) continue;
      sinceIo.push(since);
      since = 0;
    }
    assertEquals(new Set(sinceIo), new Set([Math.max(IO_MS, cost)]));
  }
});

Deno.test("runtime 2.7: I/O that was let in while nothing waited counts too", () => {
  const crank = new Crank();
  const mailbox = crank.mailbox(() => {});
  mailbox.push(0, 1);
  crank.turn();
  crank.now += 100;
  crank.dispatcher.atEndOfTurn(() => mailbox.push(0, 2));
  crank.turn();
  assertEquals([crank.later.length, crank.afterIo.length], [1, 0]);
});

Deno.test("dispatcher: a push within a delivery is handled after it, in the same turn", () => {
  const crank = new Crank();
  const done: string[] = [];
  const one = crank.mailbox((n) => {
    done.push(`begin ${n}`);
    if (n < 3) one.push(0, n + 1);
    done.push(`end ${n}`);
  });
  one.push(0, 1);
  crank.turn();
  assertEquals(done, ["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]);
});

Deno.test("dispatcher: a mailbox keeps the order, and senders, through growth and wrapping", () => {
  const crank = new Crank();
  const got: [number, number][] = [];
  const mailbox = crank.dispatcher.mailbox<number>(
    5000,
    (message, sender) => void got.push([message, sender]),
  );
  let next = 0;
  let waiting = 0;
  for (let round = 0; round < 200; round++) {
    const count = (round * 37) % 91;
    for (let i = 0; i < count; i++, next++) assert(mailbox.push(next % 7, next));
    waiting += count;
    assertEquals(mailbox.length, waiting);
    if (round % 3 !== 0 || waiting === 0) continue;
    while (crank.soon.length + crank.later.length > 0) crank.turn();
    waiting = 0;
  }
  while (crank.soon.length + crank.later.length > 0) crank.turn();
  assertEquals(got, Array.from({ length: next }, (_, i) => [i, i % 7]));
});

Deno.test("dispatcher: a mailbox that grows while it is emptied keeps the order", () => {
  const crank = new Crank();
  const got: number[] = [];
  let next = 5;
  const mailbox = crank.mailbox((n) => {
    got.push(n);
    for (let i = 0; i < 3 && next < 500; i++) mailbox.push(0, next++);
  });
  for (let i = 0; i < 5; i++) mailbox.push(0, i);
  while (crank.soon.length + crank.later.length > 0) crank.turn();
  assertEquals(got, Array.from({ length: 500 }, (_, i) => i));
});

Deno.test("dispatcher: a full or closed mailbox refuses, and a closed one drops what waits", () => {
  const crank = new Crank();
  const got: number[] = [];
  const mailbox = crank.dispatcher.mailbox<number>(2, (message) => void got.push(message));
  assertEquals([1, 2, 3].map((n) => mailbox.push(0, n)), [true, true, false]);
  mailbox.close();
  assertEquals(mailbox.length, 0);
  assertEquals(mailbox.push(0, 4), false);
  crank.turn();
  assertEquals(got, []);
});

Deno.test("dispatcher: a mailbox closed by its own delivery hands over nothing more", () => {
  const crank = new Crank();
  const got: number[] = [];
  const mailbox = crank.dispatcher.mailbox<number>(10, (message) => {
    got.push(message);
    if (message === 2) mailbox.close();
  });
  for (const n of [1, 2, 3]) mailbox.push(0, n);
  crank.turn();
  assertEquals(got, [1, 2]);
});

Deno.test("dispatcher: a throw out of a delivery is reported, and the turn goes on", () => {
  const crank = new Crank();
  const got: number[] = [];
  const mailbox = crank.mailbox((n) => {
    if (n === 1) throw new Error("oh");
    got.push(n);
  });
  for (const n of [1, 2, 3]) mailbox.push(0, n);
  crank.turn();
  assertEquals(got, [2, 3]);
  assertEquals(crank.failures.length, 1);
});

Deno.test("dispatcher: it counts what it has handled, also what threw, and nothing else", () => {
  const crank = new Crank();
  const mailbox = crank.mailbox((message) => {
    if (message === 1) throw new Error("no");
  });
  assertEquals(crank.dispatcher.handled, 0);
  for (const message of [0, 0, 0]) mailbox.push(0, message);
  assertEquals(crank.dispatcher.handled, 0, "they wait");
  crank.turn();
  assertEquals(crank.dispatcher.handled, 3);
  crank.dispatcher.atEndOfTurn(() => {});
  crank.turn();
  assertEquals(crank.dispatcher.handled, 3);
  mailbox.push(0, 1);
  crank.turn();
  assert(crank.dispatcher.handled > 3);
});

Deno.test("runtime 2.8: work after I/O runs once, in order, at the end of a turn after I/O", () => {
  const crank = new Crank();
  const seen: string[] = [];
  const mailbox = crank.mailbox(() => void seen.push("message"));
  crank.dispatcher.afterIo(() => void seen.push("first"));
  crank.dispatcher.afterIo(() => void seen.push("second"));
  assertEquals([crank.soon.length, crank.later.length, crank.afterIo.length], [0, 0, 1]);
  // What came in meanwhile.
  mailbox.push(0, 1);
  crank.afterIo.shift()!();
  assertEquals(seen, []);
  crank.soon.shift()!();
  assertEquals(seen, ["message", "first", "second"]);
  crank.dispatcher.afterIo(() => void seen.push("third"));
  crank.afterIo.shift()!();
  crank.soon.shift()!();
  assertEquals(seen.slice(3), ["third"]);
});
