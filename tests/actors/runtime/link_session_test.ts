/** What links leave behind, carry and refuse; the promises are in remoting_test.ts. */
import { assert, assertEquals } from "@std/assert";
import type { Address, Ref } from "../../../actors/runtime/ref.ts";
import { RuntimeRef, type Target } from "../../../actors/runtime/signal.ts";
import { act, ask, Pair, RemoteNode, type Word, word } from "./remote_stage.ts";

Deno.test("remoting: a name that was not published can be found once it is", () => {
  const pair = new Pair();
  pair.start(pair.two.puppet("puppet"));
  const early = pair.link!.find<Word>("late");
  assertEquals(pair.link!.find<Word>("late"), early);
  pair.world.run();
  assertEquals(early.tell(word("too early")), false);
  pair.two.remoting.publish("late", pair.two.puppet("late"));
  assert(pair.link!.find<Word>("late").tell(word("found")));
  pair.world.run();
  assertEquals(pair.two.taken(), ["found"]);
});

class CountingRef extends RuntimeRef<unknown> {
  registered = 0;
  readonly target: Target = {
    addWatch: () => ++this.registered > 0,
    removeWatch: () => void this.registered--,
    addAsk: () => void this.registered++,
    removeAsk: () => void this.registered--,
  };
  constructor(readonly address: Address) {
    super();
  }
  tell(): boolean {
    return true;
  }
}

Deno.test("remoting: when a link is lost nothing stays registered with what was given to it", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const given = new CountingRef(remote.address);
  remote.tell({ kind: "keep", ref: given });
  remote.tell({ kind: "keep", ref: given });
  pair.world.run();
  assertEquals(given.registered, 2);
  pair.cut();
  assertEquals(given.registered, 0);
});

Deno.test("remoting: a question and its answer are one write each", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const one = pair.one.puppet("one");
  ask(pair, one, remote);
  const writes = () => ["node-1", "node-2"].map((host) => pair.world.sent.get(host)?.length ?? 0);
  const [before1, before2] = writes();
  for (let i = 0; i < 10; i++) ask(pair, one, remote);
  const [after1, after2] = writes();
  assertEquals([after1! - before1!, after2! - before2!], [10, 10]);
});

Deno.test("remoting: closing a link that waits to try again tells nothing twice", () => {
  const pair = new Pair();
  pair.connect();
  assertEquals(pair.downs.length, 1);
  pair.close();
  pair.world.advance(100_000);
  assertEquals(pair.downs.length, 1);
});

Deno.test("remoting: a third node is told through the one in between", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const three = new RemoteNode(pair.world, 3);
  pair.one.listen();
  let link: { find<Message>(name: string): Ref<Message> } | undefined;
  pair.one.remoting.publish("two", remote);
  three.remoting.connect({
    name: "one",
    address: () => ({ host: "node-1", port: 9 }),
    up: (up) => void (link = up),
    down: () => {},
  });
  pair.world.run();
  const far = link!.find<Word>("two");
  const asker = three.puppet("asker");
  asker.tell(act((context) => {
    context.watch(far, word("gone"));
    context.ask<Word, string>(
      far,
      1000,
      (replyTo) => ({ kind: "answer", replyTo, times: 1 }),
      (result) => word(result.kind === "reply" ? result.reply : result.kind),
    );
  }));
  pair.world.run();
  assertEquals(three.taken(), ["answer 1"]);
  pair.cut();
  assertEquals(three.taken(), ["gone"]);
});

Deno.test("remoting: attachments large and small arrive whole and are the receiver's own", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const sizes = [0, 10, 70_000, 300_000];
  for (const size of sizes) {
    const blob = Uint8Array.from({ length: size }, (_, i) => (i * 31 + size) & 255);
    remote.tell({ kind: "note", text: `${size}`, blob });
  }
  pair.world.run();
  assertEquals(pair.two.taken(), sizes.map(String));
  for (const blob of pair.two.blobs) {
    assertEquals(blob.byteLength, blob.buffer.byteLength);
    assert(blob.every((byte, i) => byte === ((i * 31 + blob.length) & 255)));
  }
  pair.close();
  pair.world.run();
  for (const node of [pair.one, pair.two]) {
    assertEquals(node.buffers.statistics.lentBytes, 0, `node ${node.node} holds buffers`);
  }
});

Deno.test("remoting: refs that ended, and asks that were answered, leave neither table larger", () => {
  const pair = new Pair({ one: { limits: { refsMax: 5 } }, two: { limits: { refsMax: 5 } } });
  const remote = pair.start(pair.two.puppet("puppet"));
  const one = pair.one.puppet("one");
  for (let i = 0; i < 20; i++) ask(pair, one, remote);
  for (let i = 0; i < 20; i++) ask(pair, one, remote, 0, 1), pair.world.advance(1);
  for (let i = 0; i < 20; i++) {
    const passing = pair.one.puppet("passing");
    remote.tell({ kind: "keep", ref: passing });
    pair.one.system.stop(passing);
    pair.world.run();
  }
  assertEquals(pair.one.taken().filter((note) => note === "answer 1").length, 20);
  assertEquals(pair.two.kept.length, 20);
  for (let i = 0; i < 5; i++) ask(pair, one, remote, 0);
  ask(pair, one, remote, 0);
  assertEquals(pair.one.taken(), [...Array(20).fill("timed-out"), "refused"].slice(-1));
});

Deno.test("remoting: a stop or a crash while connecting leaves no connection open", () => {
  for (const end of ["stop", "connected", "up"] as const) {
    const pair = new Pair();
    pair.two.listen();
    pair.close = pair.one.remoting.connect({
      name: "two",
      address: () => ({ host: "node-2", port: 9 }),
      up: () => {},
      down: (reason) => void pair.downs.push(reason),
    });
    if (end === "up") pair.world.run();
    if (end === "connected") pair.world.fireOnly(0);
    pair.close();
    pair.world.run();
    assertEquals(pair.world.network.connectionsOf("node-1"), 0, end);
    assertEquals(pair.world.network.connectionsOf("node-2"), 0, end);
    pair.world.advance(100_000);
    assertEquals(pair.downs, ["this side stopped"], end);
    assertEquals(pair.world.timers, 0);
  }
});

Deno.test("remoting: connections past the limit are closed at once", () => {
  const pair = new Pair({ two: { limits: { acceptedMax: 0 } } });
  pair.two.listen();
  pair.connect();
  assertEquals([pair.link, pair.downs.length], [undefined, 1]);
});

Deno.test("remoting: a connection that has ended makes room for the next", () => {
  const pair = new Pair({ two: { limits: { acceptedMax: 1 } } });
  pair.start(pair.two.puppet("puppet"));
  for (let i = 0; i < 3; i++) {
    pair.cut();
    pair.world.advance(10_000);
    assert(pair.link !== undefined);
  }
});

Deno.test("remoting: a shutdown of a node ends its links, and the peer's watchers are told", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const one = pair.one.puppet("one");
  one.tell(act((context) => context.watch(remote, word("told"))));
  pair.world.run();
  let done = false;
  pair.two.system.shutdown(() => done = true);
  pair.world.run();
  assertEquals([done, pair.one.taken()], [true, ["told"]]);
});
