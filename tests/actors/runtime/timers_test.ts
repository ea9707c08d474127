/** Section 7 of docs/semantics.md. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Deadline, TimerQueue } from "../../../actors/runtime/timers.ts";
import { ManualEnvironment } from "./manual_environment.ts";
import { Stage } from "./puppet.ts";

Deno.test("runtime 7.1: a timer's message comes once, and not before its time", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    context.startTimer("key", 10.5, stage.note("due"));
    context.startTimer("now", 0, stage.note("now"));
    context.startTimer("past", -5, stage.note("past"));
    stage.notes.push("goes on");
  });
  assertEquals(stage.taken(), ["goes on", "now", "past"]);
  stage.environment.advance(10.49);
  assertEquals(stage.taken(), []);
  stage.environment.advance(0.01);
  assertEquals(stage.taken(), ["due"]);
  stage.environment.advance(1000);
  assertEquals(stage.taken(), []);
});

Deno.test("runtime 7.1: a timer of the environment that fires early delivers nothing early", () => {
  const stage = new Stage();
  const { world, timers } = stage.environment;
  timers.schedule = (delayMs, run) => world.schedule(delayMs / 2, run);
  const one = stage.puppet("one");
  let at = -1;
  stage.act(one, (context) => context.startTimer("key", 10, () => at = world.now));
  stage.environment.advance(20);
  assert(at >= 9.999 && at < 10.001, `${at}`);
});

Deno.test("runtime 7.2: starting a timer again replaces it, even when it was due and queued", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    context.startTimer("later", 10, stage.note("first"));
    context.startTimer("later", 20, stage.note("second"));
    context.startTimer("sooner", 30, stage.note("third"));
    context.startTimer("sooner", 5, stage.note("fourth"));
  });
  stage.environment.advance(19);
  assertEquals(stage.taken(), ["fourth"]);
  stage.environment.advance(100);
  assertEquals(stage.taken(), ["second"]);

  stage.act(one, (context) => context.startTimer("key", 10, stage.note("queued")));
  one.tell((context) => context.startTimer("key", 10, stage.note("replaced")));
  stage.environment.world.fireOnly(10);
  stage.run();
  assertEquals(stage.taken(), []);
  stage.environment.advance(10);
  assertEquals(stage.taken(), ["replaced"]);
});

Deno.test("runtime 7.3: after cancelTimer the message does not come, even when it was queued", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    context.startTimer("a", 10, stage.note("a"));
    context.startTimer("b", 10, stage.note("b"));
    context.cancelTimer("a");
    context.cancelTimer("unknown");
  });
  one.tell((context) => context.cancelTimer("b"));
  stage.environment.world.fireOnly(10);
  stage.environment.advance(100);
  assertEquals(stage.taken(), []);
});

Deno.test("runtime 7.4: timers due together come by due time, then in the order of their starts", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    context.startTimer("c", 3, stage.note("3"));
    context.startTimer("a", 2, stage.note("2"));
    context.startTimer("b", 1, stage.note("1"));
    context.startTimer("d", 2, stage.note("2 again"));
    context.startTimer("e", 1, stage.note("1 again"));
  });
  stage.environment.world.now += 5;
  stage.run();
  assertEquals(stage.taken(), ["1", "1 again", "2", "2 again", "3"]);
});

Deno.test("runtime 7.5: a node whose timers are cancelled or done holds none of the environment", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  assertEquals(stage.environment.world.timers, 0);
  stage.act(one, (context) => {
    for (let i = 0; i < 100; i++) context.startTimer(`${i}`, 10 + i, stage.note("due"));
  });
  assertEquals(stage.environment.world.timers, 1);
  stage.act(one, (context) => {
    for (let i = 1; i < 100; i++) context.cancelTimer(`${i}`);
  });
  assertEquals(stage.environment.world.timers, 1);
  stage.environment.advance(10);
  assertEquals([stage.taken(), stage.environment.world.timers], [["due"], 0]);
  stage.act(one, (context) => {
    context.startTimer("key", 10, stage.note("due"));
    context.cancelTimer("key");
  });
  assertEquals(stage.environment.world.timers, 0);
  stage.act(one, (context) => {
    context.startTimer("key", 10, stage.note("due"));
    context.stop();
  });
  assertEquals(stage.environment.world.timers, 0);
});

Deno.test("timers: replacing a timer costs no timer of the environment", () => {
  const stage = new Stage();
  const { timers } = stage.environment;
  let scheduled = 0;
  const { schedule } = timers;
  timers.schedule = (delayMs, run) => {
    scheduled++;
    return schedule(delayMs, run);
  };
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    for (let i = 0; i < 1000; i++) context.startTimer("key", 10 + i, stage.note("due"));
  });
  assertEquals(scheduled, 1);
});

class Note implements Deadline {
  due = 0;
  order = 0;
  index = -1;
  constructor(readonly name: number, readonly expired: (name: number) => void) {}
  expire(): void {
    this.expired(this.name);
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("start" as const),
      name: fc.nat(39),
      delay: fc.nat(200),
    }),
    fc.record({ kind: fc.constant("cancel" as const), name: fc.nat(39), delay: fc.constant(0) }),
    fc.record({ kind: fc.constant("wait" as const), name: fc.constant(0), delay: fc.nat(20) }),
  ),
  { maxLength: 200, size: "max" },
);

Deno.test("timers: any starts, moves and cancels expire as a plain list says", () => {
  fc.assert(fc.property(steps, (steps) => {
    const environment = new ManualEnvironment();
    const queue = new TimerQueue(environment);
    const got: string[] = [];
    const notes = Array.from({ length: 40 }, (_, name) =>
      new Note(name, (name) => {
        got.push(`${name} at ${environment.world.now}`);
      }));
    const model = new Map<number, { due: number; order: number }>();
    const expected: string[] = [];
    const pass = (until: number) => {
      const due = [...model].filter(([, { due }]) => due <= until)
        .sort(([, a], [, b]) => a.due - b.due || a.order - b.order);
      for (const [name, entry] of due) {
        expected.push(`${name} at ${entry.due}`);
        model.delete(name);
      }
      environment.advance(until - environment.world.now);
    };
    steps.forEach(({ kind, name, delay }, order) => {
      const now = environment.world.now;
      if (kind === "wait") pass(now + delay);
      else if (kind === "cancel") {
        queue.cancel(notes[name]!);
        model.delete(name);
      } else {
        queue.start(notes[name]!, delay);
        model.set(name, { due: now + delay, order });
      }
    });
    pass(environment.world.now + 1000);
    assertEquals(got, expected);
    assertEquals(environment.world.timers, 0);
  }));
});
