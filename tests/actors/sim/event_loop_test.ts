import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  ANY_INCARNATION,
  EventLoop,
  microseconds,
  type Owner,
} from "../../../actors/sim/event_loop.ts";

function owner(name: string, id: number): Owner {
  return { name, id, incarnation: 0, paused: false, actor: undefined, held: [] };
}

function loop(permute?: number): EventLoop {
  return new EventLoop({ permute, instantMax: 1000 });
}

function drain(events: EventLoop): void {
  for (let event = events.take(); event !== undefined; event = events.take()) event.run?.();
}

Deno.test("event loop: events run by time, and in the order scheduled at equal times", () => {
  fc.assert(fc.property(fc.array(fc.nat(50), { maxLength: 200 }), (delays) => {
    const events = loop();
    const a = owner("a", 1);
    const ran: [number, number][] = [];
    delays.forEach((delay, index) => {
      events.schedule(delay, a, 0, "x", 0, () => ran.push([events.now, index]));
    });
    drain(events);
    const expected = delays.map((delay, index) => [delay, index] as [number, number])
      .sort((x, y) => x[0] - y[0] || x[1] - y[1]);
    assertEquals(ran, expected);
  }));
});

Deno.test("event loop: a permutation reorders owners, never the events of one", () => {
  const orders = new Set<string>();
  for (let salt = 0; salt < 20; salt++) {
    const events = loop(salt);
    const ran: string[] = [];
    for (let i = 0; i < 3; i++) {
      for (let id = 1; id <= 3; id++) {
        events.schedule(5, owner(`n${id}`, id), 0, "x", 0, () => ran.push(`${id}.${i}`));
      }
    }
    drain(events);
    for (let id = 1; id <= 3; id++) {
      const own = ran.filter((name) => name.startsWith(`${id}.`));
      assertEquals(own, [`${id}.0`, `${id}.1`, `${id}.2`]);
    }
    orders.add(ran.join(" "));
  }
  assert(orders.size > 3, `${orders.size} orders`);
});

Deno.test("event loop: time jumps to the next event, and counts what is scheduled meanwhile", () => {
  const events = loop();
  const a = owner("a", 1);
  const seen: number[] = [];
  events.schedule(microseconds(3_600_000), a, 0, "x", 0, () => {
    seen.push(events.now);
    events.schedule(7, a, 0, "x", 0, () => seen.push(events.now));
  });
  drain(events);
  assertEquals(seen, [3_600_000_000, 3_600_000_007]);
  assertEquals(events.handled, 2);
});

Deno.test("event loop: a cancelled event does not run and does not count", () => {
  const events = loop();
  const event = events.schedule(1, owner("a", 1), 0, "x", 0, () => assert(false));
  event.run = undefined;
  assertEquals(events.take(), undefined);
  assertEquals(events.handled, 0);
  assertEquals(events.now, 0);
});

Deno.test("event loop: events of an incarnation that is over are dropped, those of none are not", () => {
  const events = loop();
  const a = owner("a", 1);
  const ran: string[] = [];
  events.schedule(1, a, 0, "x", 0, () => ran.push("old"));
  events.schedule(1, a, 1, "x", 0, () => ran.push("new"));
  events.schedule(1, a, ANY_INCARNATION, "x", 0, () => ran.push("any"));
  a.incarnation = 1;
  drain(events);
  assertEquals(ran, ["new", "any"]);
});

Deno.test("event loop: what comes due while its owner is paused happens at the release, in order", () => {
  const events = loop();
  const a = owner("a", 1);
  const b = owner("b", 2);
  const ran: string[] = [];
  for (const delay of [30, 10, 20]) {
    events.schedule(delay, a, 0, "x", 0, () => ran.push(`${delay} at ${events.now}`));
  }
  events.schedule(90, b, 0, "x", 0, () => ran.push("b"));
  events.schedule(200, a, 0, "x", 0, () => ran.push("late"));
  a.paused = true;
  events.take()?.run?.();
  assertEquals(ran, ["b"]);
  a.paused = false;
  events.release(a);
  drain(events);
  assertEquals(ran, ["b", "10 at 90", "20 at 90", "30 at 90", "late"]);
});

Deno.test("event loop: events that never let time pass are an error, not a hang", () => {
  const events = loop();
  const a = owner("a", 1);
  const again = () => {
    events.schedule(0, a, 0, "x", 0, again);
  };
  again();
  const error = assertThrows(() => drain(events), Error) as Error;
  assert(error.message.includes("without time passing"), error.message);
});

Deno.test("event loop: advance stops at the next event", () => {
  const events = loop();
  events.schedule(50, owner("a", 1), 0, "x", 0, () => {});
  events.advance(20);
  assertEquals(events.now, 20);
  events.advance(70);
  assertEquals(events.now, 50);
});

Deno.test("microseconds: never less than the delay, and none for what is no delay", () => {
  assertEquals(microseconds(0.0001), 1);
  assertEquals(microseconds(1.5), 1500);
  assertEquals(microseconds(-3), 0);
  assertEquals(microseconds(NaN), 0);
  assert(microseconds(Infinity) > 1e12);
});
