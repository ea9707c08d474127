/** Section 5 of docs/semantics.md. */
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { fail, restarting, Stage } from "./puppet.ts";

Deno.test("runtime 5.1: a watcher is told once, of a stop and of a failure", () => {
  for (const end of [fail("oh"), (context: { stop(): void }) => context.stop()]) {
    const stage = new Stage();
    const one = stage.puppet("one");
    const watchers = [stage.puppet("a"), stage.puppet("b")];
    for (const watcher of watchers) {
      stage.act(watcher, (context) => context.watch(one, stage.note("told")));
    }
    stage.act(one, end);
    stage.system.stop(one);
    stage.environment.advance(1000);
    assertEquals(stage.taken(), ["one stopped", "told", "told"]);
  }
});

Deno.test("runtime 5.1: a child's end is told to the parent that watches it", () => {
  const stage = new Stage();
  const parent = stage.puppet("parent");
  stage.act(parent, (context) => {
    const child = context.spawn("child", stage.behaviour("child"));
    context.watch(child, () => {
      stage.notes.push("told");
      context.spawn("child", stage.behaviour("child"));
    });
    child.tell(fail("oh"));
  });
  assertEquals(stage.taken(), ["child stopped", "told"]);
});

Deno.test("runtime 5.2: watching one that is gone is told, after the call", () => {
  const stage = new Stage();
  const gone = stage.puppet("gone");
  stage.system.stop(gone);
  stage.taken();
  const one = stage.puppet("one");
  stage.act(one, (context) => {
    context.watch(gone, stage.note("told"));
    stage.notes.push("goes on");
  });
  assertEquals(stage.taken(), ["goes on", "told"]);
});

Deno.test("runtime 5.2: an adapted ref of a life that ended counts as gone", () => {
  const stage = new Stage();
  const one = stage.puppet("one", restarting(1));
  const watcher = stage.puppet("watcher");
  stage.act(one, (context) => {
    const adapted = context.adapt(() => () => {});
    watcher.tell((inner) => inner.watch(adapted, stage.note("told")));
    throw new Error("oh");
  });
  assertEquals(stage.taken(), ["one stopped", "told"]);
});

Deno.test("runtime 5.3: the notice comes after everything the dead one told the watcher", () => {
  for (let seed = 0; seed < 50; seed++) {
    const order = new SeededStream(seed, 0, 0);
    const stage = new Stage({ choose: (below) => order.integer(below) });
    const watcher = stage.puppet("watcher");
    const one = stage.system.spawn<number>("one", () => ({
      receive(count) {
        for (let i = 0; i < count; i++) watcher.tell(stage.note(`${i}`));
        throw new Error("oh");
      },
      stopped: () => void watcher.tell(stage.note("farewell")),
    }));
    stage.act(watcher, (context) => context.watch(one, stage.note("told")));
    one.tell(3);
    stage.run();
    assertEquals(stage.taken(), ["0", "1", "2", "farewell", "told"]);
  }
});

Deno.test("runtime 5.4: after unwatch no notice comes, not even one that was queued", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  const two = stage.puppet("two");
  const watcher = stage.puppet("watcher");
  stage.act(watcher, (context) => {
    context.watch(one, stage.note("told of one"));
    context.unwatch(one);
    context.watch(two, stage.note("told of two"));
    stage.system.stop(one);
    stage.system.stop(two);
    context.unwatch(two);
    context.unwatch(two);
  });
  assertEquals(stage.taken(), ["one stopped", "two stopped"]);
});

Deno.test("runtime 5.5: watching twice gives one notice, with the message given last", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  const watcher = stage.puppet("watcher");
  stage.act(watcher, (context) => {
    context.watch(one, stage.note("first"));
    context.watch(one, stage.note("second"));
    stage.system.stop(one);
    context.watch(one, stage.note("third"));
  });
  assertEquals(stage.taken(), ["one stopped", "third"]);
});

Deno.test("runtime 5.6: a watcher that stopped is not told, and watching oneself does nothing", () => {
  const stage = new Stage();
  const one = stage.puppet("one");
  const watcher = stage.puppet("watcher");
  stage.act(watcher, (context) => {
    context.watch(one, stage.note("told"));
    context.watch(context.self, stage.note("told of itself"));
    context.stop();
  });
  stage.act(one, (context) => context.stop());
  assertEquals(stage.taken(), ["watcher stopped", "one stopped"]);
});

Deno.test("watch: a ref that is not the runtime's cannot be watched", () => {
  const stage = new Stage();
  const watcher = stage.puppet("watcher");
  const stub = { address: watcher.address, tell: () => true };
  stage.act(watcher, (context) => {
    assertThrows(() => context.watch(stub, stage.note("told")), Error, "not the runtime's");
    context.unwatch(stub);
    stage.notes.push("checked");
  });
  assertEquals(stage.taken(), ["checked"]);
});
