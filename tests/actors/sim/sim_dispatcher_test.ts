import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { SeededRandom } from "../../../actors/sim/random.ts";
import { SimulatedDispatcher } from "../../../actors/sim/sim_dispatcher.ts";
import { CALM_WORLD } from "../../../actors/sim/world_options.ts";

class Bench {
  readonly events: (() => void)[] = [];
  readonly whats: string[] = [];
  /** Whether what may belong to the event that runs does. */
  joins = false;
  readonly dispatcher: SimulatedDispatcher;
  #event = 0;
  #isRunning = false;

  constructor(seed: number | string = 1, drawn = 256, earlyTurnEnds = 0) {
    const event = () => this.#event;
    this.dispatcher = new SimulatedDispatcher({
      get event() {
        return event();
      },
      world: { ...CALM_WORLD, drawnMessagesOf256: drawn, earlyTurnEndsOf256: earlyTurnEnds },
      chance: new SeededRandom(seed).stream("dispatcher"),
      schedule: (_delay, what, _detail, run) => {
        this.whats.push(what);
        this.events.push(run);
      },
      handling: () => {},
      putBehind: (run) => {
        const follows = this.joins && this.#isRunning;
        if (follows) this.#behind.push(run);
        return follows;
      },
    });
  }
  readonly #behind: (() => void)[] = [];

  step(): boolean {
    assert(this.events.length <= 1, "more than one event scheduled");
    const event = this.events.shift();
    this.carry(() => event?.());
    return event !== undefined;
  }

  /** An event that brings something about. */
  carry(run: () => void): void {
    this.#event++;
    this.#isRunning = true;
    run();
    for (let run = this.#behind.shift(); run !== undefined; run = this.#behind.shift()) run();
    this.#isRunning = false;
  }

  drain(): void {
    while (this.step());
  }
}

Deno.test("simulated dispatcher: messages of one sender to one mailbox stay in order", () => {
  const tells = fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.boolean()), { maxLength: 100 });
  fc.assert(fc.property(tells, fc.nat(), fc.constantFrom(0, 64, 256), (tells, seed, drawn) => {
    const bench = new Bench(seed, drawn);
    const got = new Map<string, number[]>();
    const boxes = [0, 1, 2, 3].map((box) =>
      bench.dispatcher.mailbox<number>(1000, (message, sender) => {
        const key = `${sender}>${box}`;
        got.set(key, [...got.get(key) ?? [], message]);
      })
    );
    const sent = new Map<string, number[]>();
    tells.forEach(([sender, box, stepAfter], index) => {
      assert(boxes[box]!.push(sender, index));
      const key = `${sender}>${box}`;
      sent.set(key, [...sent.get(key) ?? [], index]);
      if (stepAfter) bench.step();
    });
    bench.drain();
    assertEquals(new Map([...got].sort()), new Map([...sent].sort()));
    assertEquals(bench.dispatcher.waiting, 0);
  }));
});

Deno.test("simulated dispatcher: the order across senders is drawn from the seed", () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const order = (): string => {
      const bench = new Bench(seed);
      const got: number[] = [];
      const box = bench.dispatcher.mailbox<number>(100, (_message, sender) => got.push(sender));
      for (let sender = 1; sender <= 4; sender++) box.push(sender, 0);
      bench.drain();
      return got.join("");
    };
    assertEquals(order(), order());
    orders.add(order());
  }
  assert(orders.size >= 8, `${orders.size} orders of 24 in 20 seeds`);
});

Deno.test("simulated dispatcher: undrawn senders take turns", () => {
  const bench = new Bench(1, 0);
  const got: number[] = [];
  const box = bench.dispatcher.mailbox<number>(100, (_message, sender) => got.push(sender));
  for (let i = 0; i < 30; i++) for (const sender of [1, 2, 3]) box.push(sender, i);
  for (let i = 0; i < 30; i++) bench.step();
  for (const sender of [1, 2, 3]) assertEquals(got.filter((one) => one === sender).length, 10);
});

Deno.test("simulated dispatcher: a message pushed while another is handled waits", () => {
  const bench = new Bench();
  let inside = false;
  let handled = 0;
  const box = bench.dispatcher.mailbox<number>(100, (left) => {
    assert(!inside, "nested");
    inside = true;
    handled++;
    if (left > 0) box.push(1, left - 1);
    inside = false;
  });
  box.push(0, 5);
  bench.drain();
  assertEquals(handled, 6);
});

Deno.test("simulated dispatcher: a full or closed mailbox refuses, a closed one forgets", () => {
  const bench = new Bench();
  const got: number[] = [];
  const box = bench.dispatcher.mailbox<number>(2, (message) => got.push(message));
  const other = bench.dispatcher.mailbox<number>(2, (message) => got.push(message));
  assert(box.push(1, 1));
  assert(box.push(2, 2));
  assertEquals(box.push(1, 3), false);
  assertEquals(box.length, 2);
  assert(other.push(1, 9));
  box.close();
  assertEquals(box.length, 0);
  assertEquals(box.push(1, 4), false);
  bench.drain();
  assertEquals(got, [9]);
});

Deno.test("simulated dispatcher: a turn ends after the messages that are ready", () => {
  const bench = new Bench(1, 256, 0);
  const order: string[] = [];
  const box = bench.dispatcher.mailbox<string>(100, (message) => {
    order.push(message);
    if (message === "a") {
      bench.dispatcher.atEndOfTurn(() => {
        order.push("end");
        box.push(1, "next turn");
      });
      box.push(1, "b");
    }
  });
  box.push(1, "a");
  box.push(2, "c");
  bench.drain();
  assertEquals(order.slice(-2), ["end", "next turn"]);
  assertEquals(order.slice(0, 3).sort(), ["a", "b", "c"]);
  assertEquals(bench.whats.filter((what) => what === "end of turn").length, 1);
});

Deno.test("simulated dispatcher: the end of a turn may belong to the event of its last message", () => {
  const bench = new Bench(1, 0, 0);
  bench.joins = true;
  const order: string[] = [];
  const box = bench.dispatcher.mailbox<string>(100, (message) => {
    order.push(message);
    if (message !== "c") bench.dispatcher.atEndOfTurn(() => order.push(`end of ${message}`));
  });
  box.push(1, "a");
  box.push(1, "b");
  bench.drain();
  assertEquals(order, ["a", "b", "end of a", "end of b"]);
  assertEquals(bench.whats, ["message", "message"]);
  box.push(1, "c");
  bench.drain();
  assertEquals(bench.whats.length, 3);
});

Deno.test("simulated dispatcher: end-of-turn work alone makes a turn, also one that ends early", () => {
  const bench = new Bench(1, 256, 256);
  const order: string[] = [];
  bench.dispatcher.atEndOfTurn(() => order.push("first"));
  bench.dispatcher.atEndOfTurn(() => order.push("second"));
  bench.drain();
  assertEquals(order, ["first", "second"]);
  const box = bench.dispatcher.mailbox<number>(10, (message) => {
    order.push(`message ${message}`);
    if (message === 1) bench.dispatcher.atEndOfTurn(() => order.push("early end"));
  });
  box.push(1, 1);
  box.push(1, 2);
  bench.drain();
  assertEquals(order.slice(2), ["message 1", "early end", "message 2"]);
});

Deno.test("simulated dispatcher: after its end it handles and takes nothing", () => {
  const bench = new Bench();
  const box = bench.dispatcher.mailbox<number>(10, () => assert(false, "handled"));
  box.push(1, 1);
  bench.dispatcher.atEndOfTurn(() => assert(false, "ended"));
  bench.dispatcher.end();
  bench.drain();
  assertEquals(box.push(1, 2), false);
  bench.dispatcher.atEndOfTurn(() => assert(false, "ended"));
  bench.drain();
});

Deno.test("simulated dispatcher: an event handles the first message that it brings, and no other", () => {
  const bench = new Bench();
  bench.joins = true;
  const got: string[] = [];
  const box = bench.dispatcher.mailbox<string>(10, (message) => {
    got.push(message);
    if (message === "first") box.push(9, "brought by the first");
  });
  bench.carry(() => {
    box.push(1, "first");
    box.push(2, "second");
    assertEquals(got, []);
  });
  assertEquals(got, ["first"]);
  bench.step();
  assertEquals(got.length, 2);
  bench.step();
  assertEquals(got.toSorted(), ["brought by the first", "first", "second"]);
  assertEquals(bench.whats, ["message", "message"]);

  // What waits already is not overtaken within an event that brings more.
  bench.joins = false;
  bench.carry(() => void box.push(1, "alone"));
  bench.joins = true;
  bench.carry(() => void box.push(2, "later"));
  assertEquals(got.length, 3);
  bench.drain();
  assertEquals(got.slice(3).toSorted(), ["alone", "later"]);
});
