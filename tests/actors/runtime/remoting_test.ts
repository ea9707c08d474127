/** Section 9 of docs/semantics.md. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { jsonMessages } from "../../../actors/runtime/json_messages.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { restarting } from "./puppet.ts";
import { act, ask, Pair, type Word, word } from "./remote_stage.ts";

Deno.test("runtime 9.1: what an actor tells a remote one comes once and in order", () => {
  for (let seed = 1; seed < 20; seed++) {
    const order = new SeededStream(seed, 0, 0);
    const choose = (below: number) => order.integer(below);
    const pair = new Pair({ one: { choose }, two: { choose } });
    const remote = pair.start(pair.two.puppet("puppet"));
    const one = pair.one.puppet("one");
    for (let i = 0; i < 20; i++) one.tell(act(() => void remote.tell(word(`${i}`))));
    pair.world.run();
    assertEquals(pair.two.taken(), Array.from({ length: 20 }, (_, i) => `${i}`));
  }
});

Deno.test("runtime 9.1: what was under way when the link was lost does not come later", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  assert(remote.tell(word("lost")));
  pair.cut();
  pair.world.advance(10_000);
  assert(pair.link!.find<Word>("puppet").tell(word("new link")));
  pair.world.run();
  assertEquals(pair.two.taken().filter((note) => note !== "lost"), ["new link"]);
});

Deno.test("runtime 9.2: a tell is refused while the link is down, or its queue is full", () => {
  const pair = new Pair({ one: { limits: { queuedBytesMax: 1000 } } });
  const remote = pair.start(pair.two.puppet("puppet"));
  let sent = 0;
  while (remote.tell(word(`note ${sent}`))) sent++;
  assert(sent > 10 && sent < 30, `${sent}`);
  pair.world.run();
  assertEquals(pair.two.taken().length, sent);
  assert(remote.tell(word("again")));
  pair.world.run();
  assertEquals(pair.two.taken(), ["again"]);
  pair.cut();
  assertEquals(remote.tell(word("down")), false);
});

Deno.test("runtime 9.2: a message too large for a frame is refused, and the link stays", () => {
  const pair = new Pair({ one: { limits: { frameBytesMax: 1000 } } });
  const remote = pair.start(pair.two.puppet("puppet"));
  assertEquals(remote.tell({ kind: "note", text: "", blob: new Uint8Array(1000) }), false);
  assert(remote.tell({ kind: "note", text: "small", blob: new Uint8Array(500) }));
  pair.world.run();
  assertEquals(pair.two.taken(), ["small"]);
  assertEquals(pair.one.events("message dropped").length, 1);
});

Deno.test("runtime 9.3: a lost link tells each watcher once, though the remote actor lives", () => {
  const pair = new Pair();
  const puppet = pair.two.puppet("puppet");
  const remote = pair.start(puppet);
  const one = pair.one.puppet("one");
  one.tell(act((context) => context.watch(remote, word("told"))));
  pair.world.run();
  assertEquals(pair.one.taken(), []);
  pair.cut();
  pair.world.advance(60_000);
  assertEquals(pair.one.taken(), ["told"]);
  assert(puppet.tell(word("lives")));
  one.tell(act((context) => context.watch(remote, word("told at once"))));
  pair.world.run();
  assertEquals(pair.one.taken(), ["told at once"]);
});

Deno.test("runtime 9.3: the side that was connected to is told of a lost link too", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  remote.tell({ kind: "keep", ref: pair.one.puppet("one") });
  pair.world.run();
  const watcher = pair.two.puppet("watcher");
  watcher.tell(act((context) => context.watch(pair.two.kept[0]!, word("told"))));
  pair.world.run();
  pair.close();
  pair.world.run();
  assertEquals(pair.two.taken(), ["told"]);
  assertEquals((pair.two.kept[0] as Ref<Word>).tell(word("late")), false);
});

Deno.test("runtime 9.4: a lost link fails every ask over it as terminated", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const one = pair.one.puppet("one");
  ask(pair, one, remote, 0);
  ask(pair, one, remote, 0);
  assertEquals(pair.one.taken(), []);
  pair.cut();
  assertEquals(pair.one.taken(), ["terminated", "terminated"]);
  ask(pair, one, remote);
  assertEquals(pair.one.taken(), ["refused"]);
});

Deno.test("runtime 9.5: a remote ref refuses after its link was lost, even when a new one is up", () => {
  const pair = new Pair();
  const old = pair.start(pair.two.puppet("puppet"));
  pair.cut();
  pair.world.advance(10_000);
  assert(pair.link !== undefined);
  assertEquals(old.tell(word("old")), false);
  assert(pair.link.find<Word>("puppet").tell(word("new")));
  pair.world.run();
  assertEquals(pair.two.taken(), ["new"]);
});

Deno.test("runtime 9.6: a remote stop is told after everything that the dead one told", () => {
  for (let seed = 1; seed < 20; seed++) {
    const order = new SeededStream(seed, 0, 0);
    const choose = (below: number) => order.integer(below);
    const pair = new Pair({ one: { choose }, two: { choose } });
    const puppet = pair.two.puppet("puppet");
    const remote = pair.start(puppet);
    const one = pair.one.puppet("one");
    one.tell(act((context) => context.watch(remote, word("told"))));
    remote.tell({ kind: "keep", ref: one });
    pair.world.run();
    puppet.tell(act((context) => {
      for (let i = 0; i < 5; i++) (pair.two.kept[0] as Ref<Word>).tell(word(`${i}`));
      context.stop();
    }));
    pair.world.run();
    assertEquals(pair.one.taken(), ["0", "1", "2", "3", "4", "told"]);
    assertEquals(remote.tell(word("late")), false);
  }
});

Deno.test("runtime 9.6: what was never published, or has stopped, is told as gone", () => {
  const pair = new Pair();
  const stopped = pair.two.puppet("stopped");
  pair.two.remoting.publish("stopped", stopped);
  pair.start(pair.two.puppet("puppet"));
  pair.two.system.stop(stopped);
  const one = pair.one.puppet("one");
  for (const name of ["stopped", "unknown"]) {
    const remote = pair.link!.find<Word>(name);
    one.tell(act((context) => context.watch(remote, word(`${name} is gone`))));
    ask(pair, one, remote);
    assertEquals(pair.one.taken().sort(), [`${name} is gone`, "terminated"].sort());
  }
});

Deno.test("runtime 9.7: a remote ask is answered once, and the reply ref then refuses", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  ask(pair, pair.one.puppet("one"), remote, 2);
  pair.world.advance(5000);
  assertEquals(pair.one.taken(), ["answer 1"]);
  assertEquals(pair.two.taken(), ["answer 1: true", "answer 2: false"]);
});

Deno.test("runtime 9.7: a remote ask fails when the one asked stops, fails or restarts", () => {
  for (const end of ["stop", "fail", "restart"] as const) {
    const pair = new Pair();
    const remote = pair.start(pair.two.puppet("puppet", end === "restart" ? restarting(2) : {}));
    const one = pair.one.puppet("one");
    for (const times of [0, 0]) ask(pair, one, remote, times);
    remote.tell({ kind: end === "stop" ? "stop" : "fail" });
    pair.world.run();
    assertEquals(pair.one.taken(), ["terminated", "terminated"], end);
    ask(pair, one, remote);
    assertEquals(pair.one.taken(), [end === "restart" ? "answer 1" : "refused"]);
    if (end !== "restart") continue;
    ask(pair, one, remote, 0);
    remote.tell({ kind: "fail" });
    pair.world.run();
    assertEquals(pair.one.taken(), ["terminated"]);
  }
});

Deno.test("runtime 9.7: a remote ask times out, and the reply ref then refuses and is told gone", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const one = pair.one.puppet("one");
  const watcher = pair.two.puppet("watcher");
  one.tell(act((context) =>
    context.ask<Word, string>(
      remote,
      100,
      (ref) => ({ kind: "keep", ref }),
      (result) => word(result.kind),
    )
  ));
  pair.world.run();
  const replyTo = pair.two.kept[0] as Ref<string>;
  watcher.tell(act((context) => context.watch(replyTo, word("nobody waits"))));
  pair.world.advance(99);
  assertEquals([pair.one.taken(), pair.two.taken()], [[], []]);
  pair.world.advance(1);
  assertEquals([pair.one.taken(), pair.two.taken()], [["timed-out"], ["nobody waits"]]);
  assertEquals(replyTo.tell("late"), false);
});

Deno.test("runtime 9.8: a link is tried again, after pauses that grow to a limit and differ", () => {
  const pair = new Pair({ one: { limits: { retryMinMs: 100, retryMaxMs: 1000 } } });
  const { environment } = pair.one;
  const attempts: number[] = [];
  const { connect } = environment.network;
  environment.network.connect = (options, done) => {
    attempts.push(pair.world.now);
    connect.call(environment.network, options, done);
  };
  pair.connect();
  pair.world.advance(20_000);
  const pauses = attempts.slice(1).map((at, i) => at - attempts[i]!);
  [100, 200, 400, 800, 1000, 1000, 1000].forEach((longest, i) => {
    assert(pauses[i]! >= longest / 2 && pauses[i]! <= longest + 1, `${pauses}`);
  });
  assert(new Set(pauses).size > 5, `${pauses}`);
  assertEquals(pair.downs.length, attempts.length);
  pair.two.remoting.publish("puppet", pair.two.puppet("puppet"));
  pair.two.listen();
  pair.world.advance(1000);
  assert(pair.link !== undefined);
  attempts.length = 0;
  pair.cut();
  pair.world.advance(101);
  assertEquals(attempts.length, 1);
});

Deno.test("runtime 9.9: a frame that cannot be decoded closes the link, and no actor sees it", () => {
  const pair = new Pair({
    two: {
      codec: {
        ...jsonMessages,
        decode: (envelope, attachments, refs) => {
          const message = jsonMessages.decode(envelope, attachments, refs) as Word;
          if (message.kind === "note" && message.text === "bad") throw new Error("Bad word");
          return message;
        },
      },
    },
  });
  const remote = pair.start(pair.two.puppet("puppet"));
  for (const text of ["good", "bad", "after"]) remote.tell(word(text));
  pair.world.run();
  assertEquals(pair.two.taken(), ["good"]);
  assertEquals(pair.two.events("link down"), ["Bad word"]);
  assertEquals(pair.downs.length, 1);
});

Deno.test("runtime 9.9: bytes that are no frame close the link", () => {
  const bad = [[], [3, 0], [9, 0, 0, 0, 1], [1, 0, 0, 0, 1, 0, 0], [
    1,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    9,
    0,
    0,
    0,
  ]];
  const tell = [1, 0, 0, 0, 1, 0, 0, 0, 1, 255, 255, 255, 255, 0];
  const find = [2, 128, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 65];
  const wrong = [[...find, 65], find.with(1, 0), find.with(12, 1)];
  for (const body of [...bad, tell, ...wrong]) {
    const pair = new Pair();
    pair.two.remoting.publish("A", pair.two.puppet("a"));
    pair.two.listen();
    const closed: boolean[] = [];
    pair.one.environment.network.connect({ host: "node-2", port: 9 }, (connection) => {
      if (connection instanceof Error) throw connection;
      connection.start({
        space: () => new Uint8Array(100),
        filled: () => {},
        closed: () => void closed.push(true),
      });
      const found = find.with(4, 2);
      for (const frame of [[1], [1], found, body.length === 0 ? found : body]) {
        connection.write(Uint8Array.of(0, 0, 0, frame.length, ...frame));
      }
    });
    pair.world.run();
    assertEquals(closed, [true], `${body}`);
    assertEquals(pair.two.events("link up").length, 1);
    assertEquals(pair.two.events("link down").length, 1);
  }
});

Deno.test("runtime 9.9: the side that made a link tells once that it closed it, and tries again", () => {
  const pair = new Pair({
    one: {
      codec: {
        ...jsonMessages,
        decode: () => {
          throw new Error("Bad word");
        },
      },
    },
  });
  const remote = pair.start(pair.two.puppet("puppet"));
  remote.tell({ kind: "keep", ref: pair.one.puppet("one") });
  pair.world.run();
  (pair.two.kept[0] as Ref<Word>).tell(word("bad"));
  pair.world.run();
  assertEquals(pair.downs, ["Bad word"]);
  pair.world.advance(1000);
  assert(pair.link !== undefined);
  assertEquals(pair.downs, ["Bad word"]);
});

Deno.test("runtime 9.10: a peer that the handshake refuses gets no message through", () => {
  const pair = new Pair({ two: { accepts: (peer) => peer !== 1 } });
  pair.two.remoting.publish("puppet", pair.two.puppet("puppet"));
  pair.two.listen();
  pair.connect();
  assertEquals(pair.link, undefined);
  assertEquals(pair.two.events("link down"), ["Peer refused: not 1"]);
  assertEquals(pair.downs.length, 1);
});

Deno.test("runtime 9.10: a handshake that is not done in time closes the connection", () => {
  const pair = new Pair({ two: { limits: { handshakeMs: 300 } } });
  pair.two.listen();
  let closedAt = -1;
  pair.one.environment.network.connect({ host: "node-2", port: 9 }, (connection) => {
    if (connection instanceof Error) throw connection;
    connection.start({
      space: () => new Uint8Array(100),
      filled: () => {},
      closed: () => closedAt = pair.world.now,
    });
  });
  pair.world.advance(299);
  assertEquals(closedAt, -1);
  pair.world.advance(2);
  assertEquals(closedAt, 300);
  assertEquals(pair.two.events("link down"), ["No handshake within 300 ms"]);
  assertEquals(pair.world.timers, 0);
});

Deno.test("runtime 9.10: a link that is up is past the deadline of its handshake", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  pair.world.advance(100_000);
  assert(remote.tell(word("still up")));
  pair.world.run();
  assertEquals([pair.two.taken(), pair.downs], [["still up"], []]);
});

Deno.test("runtime 9.11: a peer reaches what it was given, also over a third party, and no more", () => {
  const pair = new Pair();
  const secret = pair.two.puppet("secret");
  const remote = pair.start(pair.two.puppet("puppet"));
  assert(secret.address.path === "/secret");
  const one = pair.one.puppet("one");
  const reached = pair.link!.find<Word>("secret");
  one.tell(act((context) => context.watch(reached, word("not there"))));
  reached.tell(word("to a secret"));
  for (const number of [2 ** 33 + 1, -(2 ** 34), 0.5, NaN, 2 ** 33 - 1]) {
    assertThrows(() => refTable(pair).toRef(number), Error, "No ref has the number");
  }
  assertEquals(refTable(pair).toRef(-77).tell("x"), false);
  // A ref that goes there and back is the actor itself again.
  remote.tell({ kind: "keep", ref: one });
  pair.world.run();
  assertEquals([pair.one.taken(), pair.two.taken()], [["not there"], []]);
  const back = pair.two.kept[0] as Ref<Word>;
  back.tell({ kind: "keep", ref: back });
  pair.world.run();
  assertEquals(pair.one.kept, [one]);
});

/** The link as the codec sees it. */
function refTable(pair: Pair): { toRef(number: number): Ref<unknown> } {
  return pair.link as unknown as { toRef(number: number): Ref<unknown> };
}

Deno.test("runtime 9.3: who closes a link has its own watchers told", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const one = pair.one.puppet("one");
  one.tell(act((context) => context.watch(remote, word("told"))));
  pair.world.run();
  pair.close();
  pair.world.run();
  assertEquals([pair.one.taken(), pair.downs], [["told"], ["this side stopped"]]);
});

Deno.test("runtime 9.6: a ref to one that has stopped already arrives as gone", () => {
  const pair = new Pair();
  const remote = pair.start(pair.two.puppet("puppet"));
  const dead = pair.one.puppet("dead");
  pair.one.system.stop(dead);
  remote.tell({ kind: "keep", ref: dead });
  pair.world.run();
  const watcher = pair.two.puppet("watcher");
  watcher.tell(act((context) => context.watch(pair.two.kept[0]!, word("gone"))));
  pair.world.run();
  assertEquals(pair.two.taken(), ["gone"]);
});
