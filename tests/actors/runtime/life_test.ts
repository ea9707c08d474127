/** Section 3 of docs/semantics.md. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { ActorContext } from "../../../actors/runtime/actor.ts";
import { type Act, fail, type Puppet, restarting, Stage } from "./puppet.ts";

/** A puppet with children `a` and `b`, and `a` with a child `c`. */
function family(stage: Stage): { top: Puppet; a: Puppet; b: Puppet; c: Puppet } {
  const refs: Puppet[] = [];
  const top = stage.puppet("top");
  stage.act(top, (context) => {
    const a = context.spawn("a", stage.behaviour("a"));
    refs.push(a, context.spawn("b", stage.behaviour("b")));
    a.tell((inner) => void refs.push(inner.spawn("c", stage.behaviour("c"))));
  });
  const [a, b, c] = refs as [Puppet, Puppet, Puppet];
  return { top, a, b, c };
}

Deno.test("runtime 3.1: spawn calls the behaviour before it returns", () => {
  const stage = new Stage();
  stage.puppet("one", {}, stage.note("made"));
  assertEquals(stage.taken(), ["made"]);
});

Deno.test("runtime 3.2: a name that a living sibling has throws at the spawner, not elsewhere", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  assertThrows(() => stage.puppet("one"), Error, "Cannot spawn /one: the name is taken");
  for (const name of ["", "a/b", "/"]) assertThrows(() => stage.puppet(name), Error, "a name has");
  stage.act(one, (context) => {
    context.spawn("one", stage.behaviour("inner"));
    assertThrows(
      () => context.spawn("one", stage.behaviour("other")),
      Error,
      "Cannot spawn /one/one: the name is taken",
    );
  });
  stage.system.stop(one);
  stage.puppet("one");
  assertEquals(stage.taken(), ["inner stopped", "one stopped"]);
});

Deno.test("runtime 3.3: a ref to one that stopped refuses while another bears its path", () => {
  const stage = new Stage();
  const first = stage.puppet("one");
  stage.system.stop(first);
  const second = stage.puppet("one");
  assertEquals(second.address.path, first.address.path);
  assertNotEquals(second.address.incarnation, first.address.incarnation);
  assertEquals(first.tell(stage.note("first")), false);
  assertEquals(second.tell(stage.note("second")), true);
  stage.run();
  assertEquals(stage.taken(), ["one stopped", "second"]);
});

Deno.test("runtime 3.4: no message is handled after the stop, and what is queued is dropped", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  one.tell((context) => context.stop());
  for (let i = 0; i < 5; i++) one.tell(stage.note("after the stop"));
  stage.run();
  assertEquals(stage.taken(), ["one stopped"]);
});

Deno.test("runtime 3.4: an actor that stops takes nothing from its children that stop first", () => {
  const stage = new Stage();
  const told: boolean[] = [];
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    context.spawn("child", () => ({
      receive() {},
      stopped: () => void told.push(one.tell(stage.note("farewell"))),
    }));
    context.stop();
  });
  assertEquals([told, stage.taken()], [[false], ["one stopped"]]);
});

Deno.test("runtime 3.5: stop takes effect after the call in hand", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    context.stop();
    context.spawn("child", stage.behaviour("child"));
    stage.notes.push("still here");
  });
  assertEquals(stage.taken(), ["still here", "child stopped", "one stopped"]);
});

Deno.test("runtime 3.5: one that asks to stop while it is made stops after", () => {
  const stage = new Stage();
  const one = stage.puppet("one", {}, (context) => {
    context.stop();
    stage.notes.push("made");
  });
  assertEquals(stage.taken(), ["made", "one stopped"]);
  assertEquals(one.tell(() => {}), false);
});

Deno.test("runtime 3.5: a system stop of an actor whose child is in a call waits for its end", () => {
  const stage = new Stage();
  const { top, c } = family(stage);
  stage.act(c, () => {
    stage.system.stop(top);
    stage.notes.push("c goes on");
  });
  assertEquals(
    stage.taken(),
    ["c goes on", "b stopped", "c stopped", "a stopped", "top stopped"],
  );
});

Deno.test("runtime 3.6: children have stopped before their parent, the last spawned first", () => {
  const stage = new Stage();
  const { top } = family(stage);
  stage.act(top, (context) => context.stop());
  assertEquals(stage.taken(), ["b stopped", "c stopped", "a stopped", "top stopped"]);
});

Deno.test("runtime 3.7: when stopChild returns, the child and all below it have stopped", () => {
  const stage = new Stage();
  const { top, a, b } = family(stage);
  stage.act(top, (context) => {
    context.stopChild(a);
    stage.notes.push("returned");
    context.spawn("a", stage.behaviour("a"));
  });
  assertEquals(stage.taken(), ["c stopped", "a stopped", "returned"]);
  stage.act(b, (context) => {
    assertThrows(() => context.stopChild(top), Error, "Cannot stop /top: not a child of /top/b");
  });
});

Deno.test("runtime 3.8: stopped is the last call of each life, once, and its throw changes nothing", () => {
  const stage = new Stage();
  let contexts = 0;
  const one = stage.system.spawn<Act>("one", (context) => {
    contexts++;
    return {
      receive: (act) => act(context),
      stopped: () => {
        stage.notes.push("stopped");
        throw new Error("in stopped");
      },
    };
  }, restarting(1));
  const watcher = stage.puppet("watcher");
  stage.act(watcher, (context) => context.watch(one, stage.note("told")));
  one.tell(fail("first"));
  one.tell(stage.note("second life"));
  stage.run();
  assertEquals(stage.taken(), ["stopped", "second life"]);
  stage.system.stop(one);
  stage.system.stop(one);
  stage.run();
  assertEquals(stage.taken(), ["stopped", "told"]);
  assertEquals(contexts, 2);
  assertEquals(stage.environment.lines.map((line) => line.fields.decided), [
    "restart",
    "ignore",
    "ignore",
  ]);
});

Deno.test("runtime 3.9: an actor that asked to stop and then throws is not restarted", () => {
  const stage = new Stage();
  const one = stage.puppet("one", restarting(5), stage.note("made"));
  stage.act(one, (context) => {
    context.stop();
    throw new Error("after stop");
  });
  assertEquals(stage.taken(), ["made", "one stopped"]);
  assertEquals(one.tell(() => {}), false);
  assertEquals(stage.environment.lines.map((line) => line.fields.decided), ["stop"]);
});

Deno.test("runtime 3.9: an actor that fails by its child and then asks to stop is not restarted", () => {
  const stage = new Stage();
  const one = stage.puppet("one", restarting(5), stage.note("made"));
  stage.act(one, (context) => {
    context.spawn("child", () => {
      throw new Error("cannot be made");
    }, restarting(0));
    context.stop();
  });
  assertEquals(stage.taken(), ["made", "one stopped"]);
});

Deno.test("runtime 3.10: the context of an ended life does nothing, and its spawn throws", () => {
  for (const end of ["stop", "restart"] as const) {
    const stage = new Stage();
    const other = stage.puppet("other");
    const contexts: ActorContext<Act>[] = [];
    const one = stage.puppet("one", restarting(1), (context) => void contexts.push(context));
    const act: Act = end === "stop" ? (context) => context.stop() : fail("oh");
    stage.act(one, act);
    const context = contexts[0]!;
    assertThrows(() => context.spawn("x", stage.behaviour("x")), Error, "has stopped");
    context.stop();
    context.watch(other, stage.note("notice"));
    context.startTimer("key", 1, stage.note("timer"));
    context.cancelTimer("key");
    context.unwatch(other);
    context.ask(other, 1, () => stage.note("question"), () => stage.note("answer"));
    context.callback(() => stage.note("callback"))();
    assertEquals(context.adapt(() => stage.note("adapted")).tell(1), false);
    stage.system.stop(other);
    stage.environment.advance(10);
    assertEquals(stage.taken(), ["one stopped", "other stopped"]);
    assertEquals(one.tell(() => {}), end === "restart");
  }
});

Deno.test("runtime 3.10: while stopped runs, tells go out and nothing else does", () => {
  const stage = new Stage();
  const other = stage.puppet("other");
  const one = stage.system.spawn<Act>("one", (context) => ({
    receive: (act) => act(context),
    stopped: () => {
      assert(other.tell(stage.note("farewell")));
      assertEquals(context.self.tell(stage.note("to itself")), false);
      context.startTimer("key", 1, stage.note("timer"));
      context.spawn("child", stage.behaviour("child"));
    },
  }));
  stage.system.stop(one);
  stage.environment.advance(10);
  assertEquals(stage.taken(), ["farewell"]);
  assertEquals(stage.environment.lines.map((line) => line.fields.decided), ["ignore"]);
});

Deno.test("runtime 3.11: shutdown stops all, the last first, then calls done once, later", () => {
  const stage = new Stage();
  const { a } = family(stage);
  const last = stage.puppet("last");
  stage.act(last, (context) => {
    context.startTimer("key", 50, stage.note("timer"));
    context.environment.dispatcher.atEndOfTurn(stage.note("turn") as () => void);
  });
  stage.taken();
  a.tell(stage.note("dropped"));
  stage.system.shutdown(() => void stage.notes.push("done"));
  assertThrows(() => stage.puppet("new"), Error, "Cannot spawn /new: the actor system is shut");
  assertEquals(last.tell(() => {}), false);
  assertEquals(stage.taken(), [
    "last stopped",
    "b stopped",
    "c stopped",
    "a stopped",
    "top stopped",
  ]);
  stage.environment.advance(100);
  assertEquals(stage.taken(), ["done"]);
  assertEquals(stage.environment.world.timers, 0);
});

Deno.test("runtime 3.11: a shutdown from within a handler lets it finish", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  stage.act(one, () => {
    stage.system.shutdown(() => void stage.notes.push("done"));
    stage.notes.push("goes on");
  });
  assertEquals(stage.taken(), ["goes on", "one stopped", "done"]);
});

Deno.test("runtime 3.12: a crash ends all at once, and late callbacks and timers do nothing", () => {
  const stage = new Stage();
  const { top, a, b } = family(stage);
  let late!: () => void;
  stage.act(b, (context) => {
    late = context.callback(() => stage.note("callback"));
    context.startTimer("key", 5, stage.note("timer"));
    context.watch(a, stage.note("notice"));
    context.ask<Act, number>(a, 10, () => () => {}, () => stage.note("answer"));
  });
  a.tell(stage.note("queued"));
  stage.system.crash();
  late();
  assertEquals([top, a, b].map((ref) => ref.tell(() => {})), [false, false, false]);
  assertThrows(() => stage.puppet("new"), Error, "Cannot spawn /new");
  stage.environment.advance(100);
  assertEquals(stage.taken(), []);
  assertEquals(stage.environment.world.timers, 0);
  assertEquals(stage.environment.lines, []);
});

Deno.test("runtime 3.12: a crash in the middle of a handler leaves it without effect", () => {
  const stage = new Stage();
  const other = stage.puppet("other");
  const one = stage.puppet("one", restarting(5));
  stage.act(one, (context) => {
    stage.system.crash();
    assertEquals(other.tell(stage.note("told")), false);
    context.startTimer("key", 1, stage.note("timer"));
    context.stop();
    throw new Error("the world ends");
  });
  stage.environment.advance(10);
  assertEquals(stage.taken(), []);
  assertEquals(stage.environment.lines, []);
});
