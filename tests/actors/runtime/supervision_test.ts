/** Section 4 of docs/semantics.md. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { judge } from "../../../actors/runtime/supervision.ts";
import { type Act, fail, type Puppet, restarting, Stage } from "./puppet.ts";

Deno.test("runtime 4.1: a throw fails the actor, not whoever told, spawned or stopped it", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  const two = stage.puppet("two");
  stage.act(one, (context) => {
    two.tell(fail("told"));
    const child = context.spawn("child", () => {
      throw new Error("spawned");
    });
    assertEquals(child.tell("x" as never), false);
    const other = context.spawn<string>("other", () => ({
      receive() {},
      stopped() {
        throw new Error("stopped");
      },
    }));
    context.stopChild(other);
    context.spawn("child", stage.behaviour("child"));
    stage.notes.push("one goes on");
  });
  assertEquals(stage.taken(), ["one goes on", "two stopped"]);
  assert(one.tell(stage.note("lives")));
  assertEquals(stage.environment.lines.map((line) => line.fields.actor), [
    "/one/child",
    "/one/other",
    "/two",
  ]);
});

Deno.test("runtime 4.2: fail-stop, the default, stops the actor and what is below it", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  const watcher = stage.puppet("watcher");
  stage.act(one, (context) => void context.spawn("child", stage.behaviour("child")));
  stage.act(watcher, (context) => {
    context.watch(one, stage.note("told"));
    context.ask<Act, number>(one, 100, () => () => {}, (result) => stage.note(result.kind));
  });
  stage.act(one, fail("oh"));
  const [child, own, ...others] = stage.taken();
  assertEquals([child, own], ["child stopped", "one stopped"]);
  assertEquals(others.sort(), ["terminated", "told"]);
  assertEquals(one.tell(() => {}), false);
});

Deno.test("runtime 4.3: a restart makes it anew; the message in hand is lost, others wait", () => {
  const stage = new Stage();
  const one = stage.puppet("one", restarting(1), stage.note("made"));
  stage.act(one, (context) => void context.spawn("child", stage.behaviour("child")));
  one.tell(fail("oh"));
  one.tell(stage.note("next"));
  one.tell((context) => void context.spawn("child", stage.behaviour("child")));
  stage.run();
  assertEquals(stage.taken(), ["made", "child stopped", "one stopped", "made", "next"]);
});

Deno.test("runtime 4.4: a restart keeps ref, incarnation and watchers, who are told nothing", () => {
  const stage = new Stage();
  const one = stage.puppet("one", restarting(1));
  const { incarnation } = one.address;
  const watcher = stage.puppet("watcher");
  stage.act(watcher, (context) => context.watch(one, stage.note("told")));
  stage.act(one, fail("oh"));
  assertEquals(one.address.incarnation, incarnation);
  assertEquals(stage.system.find("/one"), one);
  assertEquals(stage.taken(), ["one stopped"]);
  stage.act(one, (context) => {
    assertEquals(context.self, one);
    context.stop();
  });
  assertEquals(stage.taken(), ["one stopped", "told"]);
});

Deno.test("runtime 4.5: a restart forgets what the life before had started, queued or not", () => {
  for (const queued of [false, true]) {
    const stage = new Stage();
    const other = stage.puppet("other");
    const one = stage.puppet("one", restarting(1));
    let done!: () => void;
    let adapted!: Ref<string>;
    stage.act(one, (context) => {
      done = context.callback(() => stage.note("callback"));
      adapted = context.adapt<string>(stage.note);
      context.startTimer("key", 0, stage.note("timer"));
      context.watch(other, stage.note("notice"));
      context.ask<Act, number>(other, 100, (replyTo) => (otherContext) => {
        if (!queued) one.tell(fail("oh"));
        if (queued) assertEquals(adapted.tell("adapted"), true);
        replyTo.tell(1);
        done();
        otherContext.stop();
        if (queued) throw new Error("and fails");
      }, () => stage.note("answer"));
      if (queued) {
        // What is queued behind the failure is there before it is handled.
        context.self.tell(() => {
          stage.environment.world.now += 1;
        });
        context.self.tell(fail("oh"));
      }
    });
    done();
    assertEquals(adapted.tell("adapted"), false);
    stage.environment.advance(200);
    const notes = stage.taken().filter((note) => !note.endsWith(" stopped"));
    assertEquals(notes, []);
    stage.act(one, stage.note("new life"));
    assertEquals(stage.taken(), ["new life"]);
  }
});

Deno.test("runtime 4.6: past its limit within the window the failure is the parent's", () => {
  const stage = new Stage();
  const parent = stage.puppet("parent", restarting(1), stage.note("parent made"));
  let child!: Puppet;
  const spawnChild: Act = (context) => {
    child = context.spawn("child", stage.behaviour("child"), restarting(2, 100));
  };
  stage.act(parent, spawnChild);
  for (let i = 0; i < 2; i++) stage.act(child, fail("within the limit"));
  stage.environment.advance(100);
  for (let i = 0; i < 2; i++) stage.act(child, fail("in the next window"));
  assertEquals(stage.taken(), ["parent made", ...Array(4).fill("child stopped")]);
  stage.act(child, fail("too many"));
  assertEquals(stage.taken(), ["child stopped", "parent stopped", "parent made"]);
  assertEquals(child.tell(() => {}), false);
  stage.act(parent, spawnChild);
  for (let i = 0; i < 3; i++) stage.act(child, fail("again"));
  assertEquals(parent.tell(() => {}), false);
  assertEquals(stage.environment.lines.map((line) => line.fields.decided), [
    ...Array(4).fill("restart"),
    "escalate",
    "restart",
    "restart",
    "restart",
    "escalate",
    "escalate",
  ]);
});

Deno.test("runtime 4.7: a behaviour that throws is a failure; restarts of it are limited too", () => {
  const stage = new Stage();
  let makings = 0;
  const behaviour = () => {
    makings++;
    throw new Error("cannot be made");
  };
  const stopping = stage.system.spawn("stopping", behaviour);
  assertEquals([makings, stopping.tell(0 as never)], [1, false]);
  const stubborn = stage.system.spawn("stubborn", behaviour, restarting(3));
  assertEquals([makings, stubborn.tell(0 as never)], [5, false]);
});

Deno.test("runtime 4.7: a parent whose child escalates within the parent's call fails after it", () => {
  const stage = new Stage();
  const parent = stage.puppet("parent");
  stage.act(parent, (context) => {
    context.spawn("child", () => {
      throw new Error("cannot be made");
    }, restarting(1));
    stage.notes.push("parent goes on");
  });
  assertEquals(stage.taken(), ["parent goes on", "parent stopped"]);
});

Deno.test("runtime 4.8: each failure is one line with path, error and decision", () => {
  const stage = new Stage();
  const one = stage.puppet("one", restarting(1));
  stage.act(one, fail("first"));
  stage.act(one, () => {
    // deno-lint-ignore no-throw-literal -- a handler may throw anything
    throw "no error";
  });
  const [first, second, ...rest] = stage.environment.lines;
  assertEquals([first?.level, first?.event], ["error", "actor failed"]);
  assertEquals(first?.fields.actor, "/one");
  assertEquals(String(first?.fields.error), "TypeError: first");
  assertEquals(first?.fields.decided, "restart");
  assertEquals(second?.fields, { actor: "/one", error: "no error", decided: "escalate" });
  assertEquals(rest, []);
  assertEquals(stage.environment.metrics.counter("actor-failures-total").value, 2);
});

Deno.test("supervision: fail-stop always stops", () => {
  assertEquals(judge({ kind: "fail-stop" }, [], 5), { kind: "stop" });
});

Deno.test("supervision: restarts are remembered within the window, at most the limit", () => {
  const rule = { kind: "restart", limit: 2, withinMs: 10 } as const;
  assertEquals(judge(rule, [], 5), { kind: "restart", restarts: [5] });
  assertEquals(judge(rule, [5], 7), { kind: "restart", restarts: [5, 7] });
  assertEquals(judge(rule, [5, 7], 14.9), { kind: "escalate" });
  assertEquals(judge(rule, [5, 7], 15), { kind: "restart", restarts: [7, 15] });
  assertEquals(judge({ ...rule, limit: 0 }, [], 5), { kind: "escalate" });
});

Deno.test("supervision: a sibling of one that escalates stops with their parent", () => {
  const stage = new Stage();
  const parent = stage.puppet("parent");
  const children: Puppet[] = [];
  stage.act(parent, (context) => {
    children.push(context.spawn("a", stage.behaviour("a"), restarting(0)));
    children.push(context.spawn("b", stage.behaviour("b")));
  });
  stage.act(children[0]!, fail("oh"));
  assertEquals(stage.taken(), ["a stopped", "b stopped", "parent stopped"]);
  assertThrows(() => stage.system.stop({ address: parent.address, tell: () => true }), Error);
});
