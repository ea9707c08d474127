/** What the network in memory adds to a network: time, faults, crashes, and the same run again. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FAULTLESS, type LinkFaults, MemoryNetwork } from "../../net/memory_network.ts";
import { type Connection, type Network, NetworkError } from "../../net/network.ts";
import { patterned, Recorder } from "../conformance/network_suite.ts";

interface Step {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  readonly host: string;
  readonly what: string;
}

/** Hosts, links that can be broken, and time that goes as far as it is told. */
class World {
  now = 0;
  steps: Step[] = [];
  readonly blocked = new Set<string>();
  delayMs = 5;
  resetNext = false;
  bytesPerMs = Infinity;
  readonly network: MemoryNetwork;
  readonly observed: string[] = [];
  #order = 0;

  constructor(faults: Partial<LinkFaults> = {}) {
    this.network = new MemoryNetwork({
      connectTimeoutMs: 3000,
      retransmitTimeoutMs: 10_000,
      windowBytes: 10_000,
      observe: (from, to, bytes) => this.observed.push(`${from}>${to} ${bytes.length}`),
      scheduler: {
        now: () => this.now,
        schedule: (delayMs, run, host, what) => {
          this.steps.push({ at: this.now + delayMs, order: this.#order++, run, host, what });
        },
      },
      faults: {
        delay: () => this.delayMs,
        partitioned: (from, to) => this.blocked.has(`${from}>${to}`),
        bandwidth: () => this.bytesPerMs,
        resets: () => {
          const reset = this.resetNext;
          this.resetNext = false;
          return reset;
        },
        chunk: FAULTLESS.chunk,
        ...faults,
      },
    });
  }

  /** Lets so many milliseconds pass. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.steps.filter(({ at }) => at <= end);
      if (due.length === 0) break;
      const next = due.reduce((a, b) =>
        b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a
      );
      this.steps.splice(this.steps.indexOf(next), 1);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }

  block(from: string, to: string, both = false): void {
    this.blocked.add(`${from}>${to}`);
    if (both) this.blocked.add(`${to}>${from}`);
  }

  /** A connection from `a` to `b`, with a recorder at each end. */
  join(): Joined {
    const a = this.network.host("a");
    const b = this.network.host("b");
    let server: Connection | undefined;
    const results: (Connection | NetworkError)[] = [];
    b.listen({ host: "b", port: 7 }, (connection) => server = connection);
    a.connect({ host: "b", port: 7 }, (result) => results.push(result));
    this.pass(50);
    const [client] = results;
    assert(client !== undefined && !(client instanceof NetworkError) && server !== undefined);
    const [atClient, atServer] = [new Recorder(), new Recorder()];
    client.start(atClient);
    server.start(atServer);
    return { a, b, client, server, atClient, atServer };
  }
}

interface Joined {
  readonly a: Network;
  readonly b: Network;
  readonly client: Connection;
  readonly server: Connection;
  readonly atClient: Recorder;
  readonly atServer: Recorder;
}

Deno.test("memory network: bytes take the delay of their link", () => {
  const world = new World();
  const { client, atServer } = world.join();
  client.write(new Uint8Array(10));
  world.pass(4.9);
  assertEquals(atServer.received, 0);
  world.pass(0.2);
  assertEquals(atServer.received, 10);
});

Deno.test("memory network: later packets do not overtake earlier ones that are slower", () => {
  const delays = [1, 1, 100, 1, 50, 1];
  const world = new World({ delay: () => delays.shift() ?? 1 });
  const { client, atServer } = world.join();
  const sent = patterned(30);
  for (let i = 0; i < 3; i++) {
    client.write(sent.slice(i * 10, (i + 1) * 10));
    world.pass(1);
  }
  world.pass(90);
  assertEquals(atServer.received, 0);
  world.pass(10);
  assertEquals(atServer.bytes, sent);
});

Deno.test("memory network: a link of some bandwidth takes its time over many bytes", () => {
  const world = new World();
  world.bytesPerMs = 100;
  const { client, atServer } = world.join();
  client.write(new Uint8Array(5000));
  world.pass(54);
  assertEquals(atServer.received, 0);
  world.pass(2);
  assertEquals(atServer.received, 5000);
});

Deno.test("memory network: bytes are copied, at the moment the write settles", () => {
  const world = new World();
  const { client, atServer } = world.join();
  const buffer = new Uint8Array(10).fill(1);
  client.write(buffer, () => buffer.fill(3));
  buffer.fill(2); // Too early: a real socket might send this, too.
  world.pass(20);
  assertEquals(atServer.bytes, new Uint8Array(10).fill(2));
});

Deno.test("memory network: reads end where chance says, down to single bytes, and nothing is lost", () => {
  const chunks = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 });
  const writes = fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 20 });
  fc.assert(fc.property(chunks, writes, (chunks, writes) => {
    let reads = 0;
    const world = new World({ chunk: () => chunks[reads++ % chunks.length]! });
    const { client, atServer } = world.join();
    const sent = patterned(writes.reduce((sum, size) => sum + size, 0));
    let position = 0;
    for (const size of writes) client.write(sent.subarray(position, position += size));
    world.pass(1000);
    assertEquals(atServer.bytes, sent);
    atServer.chunks.forEach((chunk, index) =>
      assert(chunk.length <= chunks[index % chunks.length]!)
    );
  }));
});

Deno.test("memory network: a partition holds bytes back, and they come whole when it heals", () => {
  const world = new World();
  const { client, server, atServer, atClient } = world.join();
  world.block("a", "b", true);
  client.write(patterned(100));
  server.write(patterned(50));
  world.pass(5000);
  assertEquals([atServer.received, atClient.received], [0, 0]);
  world.blocked.clear();
  world.pass(4000);
  assertEquals(atServer.bytes, patterned(100));
  assertEquals(atClient.bytes, patterned(50));
  assertEquals(atServer.closedCalls + atClient.closedCalls, 0);
});

Deno.test("memory network: a partition that outlasts patience breaks the connection of who sends", () => {
  const world = new World();
  const { client, atServer, atClient } = world.join();
  world.block("a", "b", true);
  client.write(patterned(100));
  world.pass(20_000);
  assertEquals(atClient.error?.kind, "timed-out");
  assertEquals(atServer.closedCalls, 0);
  world.blocked.clear();
  world.pass(10_000);
  assertEquals(atServer.received, 0, "bytes of a connection that was given up");
});

Deno.test("memory network: one that was not told of the end learns it when it sends", () => {
  const world = new World();
  const { client, server, atServer, atClient } = world.join();
  world.block("a", "b", true);
  client.write(patterned(100));
  world.pass(20_000);
  assertEquals(atClient.closedCalls, 1);
  world.blocked.clear();
  server.write(patterned(10));
  world.pass(50);
  assertEquals(atServer.error?.kind, "reset");
  assertEquals(atClient.received, 0);
});

Deno.test("memory network: a one-way partition lets the other way through, unacknowledged", () => {
  const world = new World();
  const { client, server, atServer, atClient } = world.join();
  world.block("b", "a");
  client.write(patterned(100));
  server.write(patterned(100));
  world.pass(50);
  assertEquals(atServer.received, 100);
  assertEquals(atClient.received, 0);
  world.pass(20_000);
  assertEquals(atClient.error?.kind, "timed-out");
  assertEquals(atServer.error?.kind, "timed-out");
});

Deno.test("memory network: an idle connection outlives any partition", () => {
  const world = new World();
  const { client, atServer } = world.join();
  world.block("a", "b", true);
  world.pass(1_000_000);
  world.blocked.clear();
  client.write(patterned(10));
  world.pass(50);
  assertEquals(atServer.received, 10);
});

Deno.test("memory network: connecting into a partition succeeds when it heals in time, else times out", () => {
  const world = new World();
  const [a, b] = [world.network.host("a"), world.network.host("b")];
  const results: (Connection | NetworkError)[] = [];
  b.listen({ host: "b", port: 7 }, (connection) => connection.start(new Recorder()));
  for (const direction of ["a>b", "b>a"]) {
    world.blocked.add(direction);
    a.connect({ host: "b", port: 7 }, (result) => results.push(result));
    world.pass(5000);
    const result = results.pop();
    assertInstanceOf(result, NetworkError);
    assertEquals(result.kind, "timed-out");
    assertEquals(result.message, "Cannot connect to b:7: no answer within 3000 ms");
    a.connect({ host: "b", port: 7 }, (result) => results.push(result));
    world.pass(1000);
    world.blocked.clear();
    world.pass(2000);
    assertEquals(results.length, 1);
    assert(!(results.pop() instanceof NetworkError));
  }
});

Deno.test("memory network: a host that never was is unreachable", () => {
  const world = new World();
  const results: (Connection | NetworkError)[] = [];
  world.network.host("a").connect({ host: "nowhere", port: 1 }, (result) => results.push(result));
  assertEquals(results, []);
  world.pass(1);
  assertInstanceOf(results[0], NetworkError);
  assertEquals(results[0].kind, "unreachable");
});

Deno.test("memory network: a host reaches itself by loopback, whatever its links", () => {
  const world = new World();
  world.block("a", "a");
  const a = world.network.host("a");
  const recorder = new Recorder();
  a.listen({ host: "0.0.0.0", port: 7 }, (connection) => connection.start(recorder));
  a.connect({ host: "127.0.0.1", port: 7 }, (result) => {
    assert(!(result instanceof NetworkError));
    result.write(patterned(10));
  });
  world.pass(1);
  assertEquals(recorder.received, 10);
});

Deno.test("memory network: one side with TLS and one without do not connect", () => {
  const world = new World();
  const [a, b] = [world.network.host("a"), world.network.host("b")];
  b.listen({ host: "b", port: 7, tls: {} }, () => assert(false, "accepted"));
  const results: (Connection | NetworkError)[] = [];
  a.connect({ host: "b", port: 7 }, (result) => results.push(result));
  world.pass(50);
  assertInstanceOf(results[0], NetworkError);
});

Deno.test("memory network: a reset loses what is under way, and only that", () => {
  const world = new World();
  const { client, atServer, atClient } = world.join();
  client.write(patterned(100));
  world.pass(20);
  client.write(patterned(100));
  world.pass(1);
  world.network.reset("a", "b");
  world.pass(50);
  assertEquals(atServer.bytes, patterned(100));
  assertEquals([atClient.error?.kind, atServer.error?.kind], ["reset", "reset"]);
  assertEquals(world.network.connectionsOf("a") + world.network.connectionsOf("b"), 0);
});

Deno.test("memory network: a reset may be told to one side, the other learns it when it sends", () => {
  const world = new World();
  const { server, atServer, atClient } = world.join();
  world.network.reset("a", "b", "a");
  world.pass(5000);
  assertEquals(atClient.error?.kind, "reset");
  assertEquals(atServer.closedCalls, 0);
  server.write(patterned(10));
  world.pass(50);
  assertEquals(atServer.error?.kind, "reset");
});

Deno.test("memory network: a link may break a connection as a packet leaves", () => {
  const world = new World();
  const { client, atServer, atClient } = world.join();
  const settled: boolean[] = [];
  world.resetNext = true;
  for (let i = 0; i < 3; i++) client.write(patterned(10), (sent) => settled.push(sent));
  world.pass(50);
  assertEquals([atClient.error?.kind, atServer.error?.kind], ["reset", "reset"]);
  assertEquals(atServer.received, 0);
  assertEquals(settled.length, 3);
  assertEquals(settled.slice(1), [false, false]);
});

Deno.test("memory network: a process that dies is called no more; its peer sees the end", () => {
  const world = new World();
  const { client, server, atServer, atClient, b } = world.join();
  client.write(patterned(10));
  server.write(patterned(20), () => {});
  world.pass(1);
  world.network.crash("b");
  world.pass(50);
  assertEquals([atServer.received, atServer.closedCalls], [0, 0]);
  assertEquals(atClient.received, 20, "what the system had taken is sent");
  assertEquals(atClient.closedCalls, 1);
  server.write(patterned(5), () => assert(false, "settled for the dead"));
  server.close();
  b.listen({ host: "b", port: 8 }, () => assert(false, "accepted by the dead"));
  const results: (Connection | NetworkError)[] = [];
  for (const port of [7, 8]) {
    world.network.host("a").connect({ host: "b", port }, (result) => results.push(result));
  }
  world.pass(50);
  assertEquals(results.map((result) => result instanceof NetworkError && result.kind), [
    "refused",
    "refused",
  ]);
});

Deno.test("memory network: the end of a process that had bytes to read is a reset", () => {
  const world = new World();
  const { a } = world.join();
  let server: Connection | undefined;
  world.network.host("b").listen({ host: "b", port: 9 }, (connection) => server = connection);
  const recorder = new Recorder();
  a.connect({ host: "b", port: 9 }, (result) => {
    assert(!(result instanceof NetworkError));
    result.start(recorder);
    result.write(patterned(10));
  });
  world.pass(50);
  assert(server !== undefined);
  world.network.crash("b");
  world.pass(50);
  assertEquals(recorder.error?.kind, "reset");
});

Deno.test("memory network: a host without power says nothing, until it is back", () => {
  const world = new World();
  const { client, atServer, atClient, a } = world.join();
  world.network.crash("b", { power: true });
  world.pass(100_000);
  assertEquals(atClient.closedCalls, 0, "an idle peer learns nothing");
  const results: (Connection | NetworkError)[] = [];
  a.connect({ host: "b", port: 7 }, (result) => results.push(result));
  world.pass(5000);
  assertEquals(results[0] instanceof NetworkError && results[0].kind, "timed-out");
  client.write(patterned(10));
  world.pass(1000);
  world.network.host("b");
  world.pass(4000);
  assertEquals(atClient.error?.kind, "reset");
  assertEquals([atServer.received, atServer.closedCalls], [0, 0]);
});

Deno.test("memory network: bytes to a host that stays without power time out", () => {
  const world = new World();
  const { client, atClient } = world.join();
  world.network.crash("b", { power: true });
  client.write(patterned(10));
  world.pass(15_000);
  assertEquals(atClient.error?.kind, "timed-out");
});

Deno.test("memory network: a reader that does not read stops its writer at the window", () => {
  const world = new World();
  const { client, server, a, b } = world.join();
  assert(server !== undefined && a !== undefined && b !== undefined);
  const recorder = new Recorder();
  recorder.paused = true;
  let slow: Connection | undefined;
  b.listen({ host: "b", port: 9 }, (connection) => (slow = connection).start(recorder));
  let writer: Connection | undefined;
  a.connect({ host: "b", port: 9 }, (result) => writer = result as Connection);
  world.pass(50);
  writer!.write(new Uint8Array(25_000));
  world.pass(1000);
  assertEquals(writer!.pendingBytes, 15_000);
  recorder.paused = false;
  slow!.resume();
  world.pass(1000);
  assertEquals(recorder.received, 25_000);
  assertEquals(writer!.pendingBytes, 0);
  client.close();
});

Deno.test("memory network: every step names the host where it happens", () => {
  const world = new World();
  const { client } = world.join();
  client.write(patterned(10));
  assertEquals(world.steps.map(({ host, what }) => `${host} ${what}`).sort(), [
    "a net.read",
    "a net.send",
    "b net.read",
  ]);
  world.pass(1);
  assertEquals(world.steps.map(({ host, what }) => `${host} ${what}`), ["b net.arrive"]);
  assertEquals(world.observed, ["a>b 10"]);
});

Deno.test("memory network: without a scheduler it runs by itself, in virtual time", () => {
  const network = new MemoryNetwork({ faults: { ...FAULTLESS, delay: () => 3_600_000 } });
  const recorder = new Recorder();
  network.host("b").listen({ host: "b", port: 7 }, (connection) => connection.start(recorder));
  network.host("a").connect({ host: "b", port: 7 }, (result) => {
    assert(!(result instanceof NetworkError));
    result.write(patterned(10));
  });
  assert(network.run() > 0);
  assertEquals(recorder.received, 10);
  assertEquals(network.run(), 0);
  assertThrows(() => new World().network.run(), TypeError);
});

Deno.test("memory network: a run that never ends is an error, not a hang", () => {
  const network = new MemoryNetwork();
  const echo = (connection: Connection) => {
    const space = new Uint8Array(10);
    connection.start({
      space: () => space,
      filled: (count) => connection.write(space.slice(0, count)),
      closed: () => {},
    });
  };
  network.host("b").listen({ host: "b", port: 7 }, echo);
  network.host("a").connect({ host: "b", port: 7 }, (result) => {
    assert(!(result instanceof NetworkError));
    echo(result);
    result.write(new Uint8Array(1));
  });
  assertThrows(() => network.run(10_000), RangeError);
});
