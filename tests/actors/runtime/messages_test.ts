/** Sections 1 and 8 of docs/semantics.md. */
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { ActorContext } from "../../../actors/runtime/actor.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { ManualEnvironment } from "./manual_environment.ts";
import { type Act, fail, Stage } from "./puppet.ts";

Deno.test("runtime 1.1: a message is handled once", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  one.tell(stage.note("handled"));
  stage.run();
  stage.environment.advance(1000);
  assertEquals(stage.taken(), ["handled"]);
});

Deno.test("runtime 1.2: messages of one pair keep their order through plain and adapted refs", () => {
  for (let seed = 0; seed < 50; seed++) {
    const order = new SeededStream(seed, 0, 0);
    const stage = new Stage({ choose: (below) => order.integer(below) });
    const one = stage.puppet("one");
    const two = stage.puppet("two");
    stage.act(two, (context) => {
      const adapted = context.adapt<string>(stage.note);
      const noted = context.adapt<string>((text) => () => stage.notes.push(text));
      assert(adapted !== noted);
      one.tell(() => {
        for (let i = 0; i < 6; i++) {
          if (i % 2 === 0) two.tell(stage.note(`${i}`));
          else noted.tell(`${i}`);
        }
      });
    });
    assertEquals(stage.taken(), ["0", "1", "2", "3", "4", "5"]);
  }
});

Deno.test("runtime 1.3: a tell does not run the receiver within the call", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  const two = stage.puppet("two");
  stage.act(one, () => {
    two.tell(stage.note("two"));
    stage.notes.push("one goes on");
  });
  assertEquals(stage.taken(), ["one goes on", "two"]);
});

Deno.test("runtime 1.4: no call of an actor runs inside another of its calls", () => {
  const stage = new Stage();
  const one = stage.puppet("one", {}, ({ self }) => {
    self.tell(stage.note("told in the making"));
    stage.notes.push("made");
  });
  stage.act(one, ({ self }) => {
    self.tell(stage.note("told to itself"));
    stage.notes.push("goes on");
  });
  stage.act(one, (context) => {
    context.stop();
    stage.notes.push("goes on after stop");
  });
  assertEquals(stage.taken(), [
    "made",
    "told in the making",
    "goes on",
    "told to itself",
    "goes on after stop",
    "one stopped",
  ]);
});

Deno.test("runtime 1.5: a tell that sends nothing returns false, any other true", () => {
  const stage = new Stage();
  const one = stage.puppet("one", { mailboxLimit: 1 });
  assertEquals(one.tell(stage.note("first")), true);
  assertEquals(one.tell(stage.note("refused")), false);
  stage.run();
  assertEquals(one.tell(stage.note("second")), true);
  stage.run();
  stage.system.stop(one);
  assertEquals(one.tell(stage.note("dead")), false);
  stage.run();
  assertEquals(stage.taken(), ["first", "second", "one stopped"]);
  assertEquals(stage.environment.metrics.counter("actor-messages-refused-total").value, 2);
});

Deno.test("runtime 1.6: a message that was queued is dropped when its receiver stops first", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  assertEquals(one.tell(stage.note("dropped")), true);
  stage.system.stop(one);
  stage.run();
  assertEquals(stage.taken(), ["one stopped"]);
});

Deno.test("runtime 1.7: a mailbox takes its limit, 10,000 unless told, and keeps what waits", () => {
  const stage = new Stage();
  let handled = 0;
  const count = () => void handled++;
  const usual = stage.puppet("usual");
  for (let i = 0; i < 10_000; i++) assert(usual.tell(count));
  assertEquals(usual.tell(count), false);
  stage.run();
  assertEquals(handled, 10_000);
  const small = stage.puppet("small", { mailboxLimit: 3 });
  assertEquals([1, 2, 3, 4].map(() => small.tell(count)), [true, true, true, false]);
  stage.run();
  assertEquals(handled, 10_003);
});

Deno.test("runtime 1.8: timers, notices, answers and callbacks enter a mailbox that is full", () => {
  const stage = new Stage();
  const other = stage.puppet("other");
  const one = stage.puppet("one", { mailboxLimit: 2 });
  stage.act(one, (context) => {
    const done = context.callback((text: string) => stage.note(text));
    context.startTimer("timer", 5, stage.note("timer"));
    context.watch(other, stage.note("notice"));
    context.ask<Act, string>(
      other,
      100,
      (replyTo) => (otherContext) => {
        assert(one.tell(stage.note("plain")) && one.tell(stage.note("plain")));
        assertEquals(one.tell(stage.note("refused")), false);
        replyTo.tell("answer");
        done("callback");
        otherContext.stop();
      },
      (result) => stage.note(result.kind === "reply" ? result.reply : result.kind),
    );
  });
  stage.environment.advance(5);
  assertEquals(stage.taken().filter((note) => note !== "other stopped").sort(), [
    "answer",
    "callback",
    "notice",
    "plain",
    "plain",
    "timer",
  ]);
});

Deno.test("runtime 1.9: what makes a message runs in the receiver's turn and fails the receiver", () => {
  const makers: ((context: ActorContext<Act>, other: Parameters<Act>[0]["self"]) => void)[] = [
    (context, other) => {
      const adapted = context.adapt<number>(() => {
        throw new TypeError("adapt");
      });
      other.tell(() => void adapted.tell(1));
    },
    (context, other) =>
      context.ask<Act, number>(other, 100, (replyTo) => () => replyTo.tell(1), () => {
        throw new TypeError("answered");
      }),
    (context, other) => {
      const done = context.callback(() => {
        throw new TypeError("callback");
      });
      other.tell(() => done());
    },
  ];
  for (const make of makers) {
    const stage = new Stage();
    const other = stage.puppet("other");
    const one = stage.puppet("one");
    stage.act(one, (context) => make(context, other));
    assertEquals(stage.taken(), ["one stopped"]);
    assertEquals(other.tell(stage.note("other lives")), true);
    assertEquals(stage.environment.lines.map((line) => line.fields.actor), ["/one"]);
  }
});

Deno.test("runtime 8.1: a tell from outside any call reaches the actor, from no sender", () => {
  const environment = new ManualEnvironment();
  const senders: number[] = [];
  const { dispatcher } = environment;
  const mailbox = dispatcher.mailbox.bind(dispatcher);
  dispatcher.mailbox = (limit, deliver) =>
    mailbox(limit, (message, sender) => {
      senders.push(sender);
      deliver(message as never, sender);
    });
  const system = new ActorSystem({ environment, node: 1 });
  const two = system.spawn<number>("two", () => ({ receive() {} }));
  const one = system.spawn<number>("one", () => ({ receive: (n) => void two.tell(n) }));
  one.tell(1);
  environment.run();
  assertEquals(senders.length, 2);
  assertEquals(senders[0], 0);
  assert(senders[1]! > 0);
});

Deno.test("runtime 8.2: an address names node, shard, path and incarnation; a path finds the living", () => {
  const stage = new Stage({ node: 7 });
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    const child = context.spawn("child", stage.behaviour("child"));
    assertEquals(child.address.path, "/one/child");
    assertEquals(stage.system.find("/one/child"), child);
  });
  const { node, shard, path, incarnation } = one.address;
  assertEquals({ node, shard, path }, { node: 7, shard: 0, path: "/one" });
  assert(Number.isSafeInteger(incarnation));
  assertEquals(stage.system.find("/one"), one);
  for (const wrong of ["", "one", "/", "/two", "/one/", "/one/two", "/one/child/x"]) {
    assertEquals(stage.system.find(wrong), undefined, wrong);
  }
  stage.system.stop(one);
  assertEquals(stage.system.find("/one"), undefined);
  assertEquals(stage.system.find("/one/child"), undefined);
});

Deno.test("runtime 8.3: an adapted ref has mailbox, limit, address and death of its actor", () => {
  const stage = new Stage();
  const one = stage.puppet("one", { mailboxLimit: 1 });
  let adapted!: { tell(text: string): boolean; address: unknown };
  stage.act(one, (context) => adapted = context.adapt<string>((text) => stage.note(text)));
  assertEquals(adapted.address, one.address);
  assertEquals(adapted.tell("a"), true);
  assertEquals(one.tell(stage.note("refused")), false);
  assertEquals(adapted.tell("refused"), false);
  stage.run();
  assertEquals(stage.taken(), ["a"]);
  stage.act(one, fail("oh"));
  assertEquals(adapted.tell("b"), false);
});

Deno.test("runtime: two systems, and two lives of a node, give out different incarnations", () => {
  const first = new Stage({ seed: 1 }).puppet("one");
  const second = new Stage({ seed: 2 }).puppet("one");
  assertNotEquals(first.address.incarnation, second.address.incarnation);
});

Deno.test("runtime: a probe sees each message first, and its throw is the actor's", () => {
  const environment = new ManualEnvironment();
  const seen: unknown[] = [];
  const system = new ActorSystem({
    environment,
    node: 1,
    probe: (actor, message) => {
      seen.push([actor.address.path, message]);
      if (message === 2) throw new Error("injected");
    },
  });
  const handled: number[] = [];
  const one = system.spawn<number>("one", () => ({ receive: (n) => void handled.push(n) }));
  for (const n of [1, 2, 3]) one.tell(n);
  environment.run();
  assertEquals(seen, [["/one", 1], ["/one", 2]]);
  assertEquals(handled, [1]);
  assertEquals(environment.lines.length, 1);
});
