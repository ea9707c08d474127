/**
 * What net/network.ts promises, as tests for any network.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
  type TlsOptions,
} from "../../net/network.ts";

/** A network to be tested: one host that listens, one that connects. */
export interface NetworkUnderTest {
  readonly server: Network;
  readonly client: Network;
  /** What the server listens on, and the client connects to. */
  readonly host: string;
  readonly serverTls?: TlsOptions;
  readonly clientTls?: TlsOptions;
  /** Lets the network work until the condition holds; fails when it does not come about. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Lets the network do all that it does by itself. */
  rest(): Promise<void>;
}

/** A handler that keeps all it is given, and checks the rules of being called. */
export class Recorder implements ConnectionHandler {
  readonly chunks: Uint8Array[] = [];
  received = 0;
  spaces = 0;
  closedCalls = 0;
  error: NetworkError | undefined;
  paused = false;
  /** Set by a test while it calls the connection: no call may come then. */
  static inCall = false;
  readonly #spaceBytes: (call: number) => number;
  #given: Uint8Array | undefined;

  constructor(spaceBytes: number | ((call: number) => number) = 4096) {
    this.#spaceBytes = typeof spaceBytes === "number" ? () => spaceBytes : spaceBytes;
  }

  space(): Uint8Array {
    this.#checkCall();
    assertEquals(this.#given, undefined, "space asked twice without filled");
    this.spaces++;
    if (this.paused) return new Uint8Array(0);
    this.#given = new Uint8Array(this.#spaceBytes(this.spaces));
    return this.#given;
  }

  filled(count: number): void {
    this.#checkCall();
    assert(this.#given !== undefined, "filled without space");
    assert(count > 0 && count <= this.#given.length, `filled(${count})`);
    this.chunks.push(this.#given.subarray(0, count));
    this.received += count;
    this.#given = undefined;
    this.onFilled?.();
  }

  closed(error: NetworkError | undefined): void {
    this.#checkCall();
    this.closedCalls++;
    this.error = error;
  }

  onFilled: (() => void) | undefined;

  get bytes(): Uint8Array {
    const all = new Uint8Array(this.received);
    let position = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, position);
      position += chunk.length;
    }
    return all;
  }

  #checkCall(): void {
    assert(!Recorder.inCall, "called inside a call to the connection");
    assertEquals(this.closedCalls, 0, "called after closed");
  }
}

/** Calls a connection while no call of its handler may come. */
function quietly(run: () => void): void {
  Recorder.inCall = true;
  try {
    run();
  } finally {
    Recorder.inCall = false;
  }
}

/** Bytes of which each tells where it stands. */
export function patterned(length: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (Math.imul(i, 0x9e3779b1) >>> 24) ^ (i + salt);
  return bytes;
}

function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length, "length");
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] !== expected[i]) throw new Error(`Bytes differ first at ${i}`);
  }
}

interface Pair {
  readonly listener: Listener;
  readonly client: Connection;
  readonly server: Connection;
}

async function connectPair(net: NetworkUnderTest): Promise<Pair> {
  const accepted: Connection[] = [];
  const listener = listen(net, (connection) => accepted.push(connection));
  let client: Connection | undefined;
  connect(net, listener.address.port, (result) => {
    if (result instanceof NetworkError) throw result;
    client = result;
  });
  await net.until(() => client !== undefined && accepted.length === 1, "a connection");
  return { listener, client: client!, server: accepted[0]! };
}

function listen(
  net: NetworkUnderTest,
  accepted: (connection: Connection) => void,
  port = 0,
): Listener {
  const options = { host: net.host, port };
  return net.server.listen(
    net.serverTls === undefined ? options : { ...options, tls: net.serverTls },
    accepted,
  );
}

function connect(
  net: NetworkUnderTest,
  port: number,
  done: (result: Connection | NetworkError) => void,
): void {
  const options = { host: net.host, port };
  net.client.connect(
    net.clientTls === undefined ? options : { ...options, tls: net.clientTls },
    done,
  );
}

async function closeAll(net: NetworkUnderTest, pair: Pair): Promise<void> {
  pair.listener.close();
  pair.client.close({ abort: true });
  pair.server.close({ abort: true });
  await net.rest();
}

type Check = (net: NetworkUnderTest) => Promise<void>;

const checks: Readonly<Record<string, Check>> = {
  "bytes arrive in order, both ways at once": async (net) => {
    const pair = await connectPair(net);
    const atClient = new Recorder((call) => 1 + (call * 977) % 5000);
    const atServer = new Recorder((call) => 1 + (call * 331) % 9000);
    pair.client.start(atClient);
    pair.server.start(atServer);
    const up = patterned(300_000, 1);
    const down = patterned(400_000, 2);
    for (let i = 0; i < 300; i++) pair.client.write(up.subarray(i * 1000, (i + 1) * 1000));
    for (let i = 0; i < 40; i++) pair.server.write(down.subarray(i * 10_000, (i + 1) * 10_000));
    await net.until(() => atServer.received === up.length, "all bytes at the server");
    await net.until(() => atClient.received === down.length, "all bytes at the client");
    sameBytes(atServer.bytes, up);
    sameBytes(atClient.bytes, down);
    await closeAll(net, pair);
  },

  "a write settles once, in the order of the writes, an empty one too": async (net) => {
    const pair = await connectPair(net);
    const atServer = new Recorder();
    pair.server.start(atServer);
    const settled: [number, boolean][] = [];
    const sizes = [10, 0, 100_000, 0, 1, 5000];
    quietly(() => {
      sizes.forEach((size, index) =>
        pair.client.write(new Uint8Array(size), (sent) => {
          assert(!Recorder.inCall, "settled inside a call to the connection");
          settled.push([index, sent]);
        })
      );
    });
    assertEquals(settled, []);
    await net.until(() => settled.length === sizes.length, "all settled");
    await net.rest();
    assertEquals(settled, sizes.map((_, index) => [index, true]));
    await closeAll(net, pair);
  },

  "no call of the handler comes inside a call to the connection": async (net) => {
    const pair = await connectPair(net);
    pair.client.write(patterned(100));
    await net.rest();
    const atServer = new Recorder();
    atServer.paused = true;
    quietly(() => pair.server.start(atServer));
    await net.until(() => atServer.spaces === 1, "space asked");
    atServer.paused = false;
    quietly(() => pair.server.resume());
    await net.until(() => atServer.received === 100, "the bytes");
    quietly(() => pair.server.write(new Uint8Array(10)));
    quietly(() => pair.server.close());
    quietly(() => pair.client.close());
    await net.until(() => atServer.closedCalls === 1, "closed");
    await closeAll(net, pair);
  },

  "an empty space pauses reading, resume asks again, and nothing is lost": async (net) => {
    const pair = await connectPair(net);
    const atServer = new Recorder(1000);
    pair.server.start(atServer);
    const sent = patterned(50_000);
    atServer.onFilled = () => {
      atServer.paused = atServer.chunks.length % 3 === 0;
    };
    pair.client.write(sent);
    while (atServer.received < sent.length) {
      await net.until(() => atServer.paused || atServer.received === sent.length, "a pause");
      await net.rest();
      const before = atServer.received;
      await net.rest();
      assertEquals(atServer.received, before, "read while paused");
      atServer.paused = false;
      pair.server.resume();
      await net.rest();
    }
    sameBytes(atServer.bytes, sent);
    await closeAll(net, pair);
  },

  "the bytes land in the space given, which is not touched after filled": async (net) => {
    const pair = await connectPair(net);
    const frame = new Uint8Array(3000);
    let position = 0;
    const seen: number[] = [];
    pair.server.start({
      space: () => frame.subarray(position),
      filled: (count) => {
        position += count;
        seen.push(count);
        if (position === frame.length) position = 0;
      },
      closed: () => {},
    });
    pair.client.write(patterned(3000, 5));
    await net.until(() => seen.length > 0 && position === 0, "a frame");
    sameBytes(frame, patterned(3000, 5));
    await closeAll(net, pair);
  },

  "a buffer may be used again once its write settled": async (net) => {
    const pair = await connectPair(net);
    const atServer = new Recorder(65_536);
    pair.server.start(atServer);
    const buffer = new Uint8Array(20_000);
    let round = 0;
    const next = () => {
      if (round === 50) return;
      buffer.fill(round++);
      pair.client.write(buffer, next);
    };
    next();
    await net.until(() => atServer.received === 50 * buffer.length, "all rounds");
    const bytes = atServer.bytes;
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== Math.floor(i / buffer.length)) throw new Error(`Wrong byte at ${i}`);
    }
    await closeAll(net, pair);
  },

  "close sends what is queued first, and the peer is told of the end": async (net) => {
    const pair = await connectPair(net);
    const atClient = new Recorder();
    const atServer = new Recorder(50_000);
    pair.client.start(atClient);
    pair.server.start(atServer);
    const sent = patterned(3_000_000);
    let settled: boolean | undefined;
    pair.client.write(sent, (ok) => settled = ok);
    pair.client.close();
    await net.until(() => atServer.closedCalls === 1, "the server to see the end");
    await net.until(() => atClient.closedCalls === 1, "the client to be closed");
    assertEquals(settled, true);
    assertEquals(atServer.error, undefined);
    assertEquals(atClient.error, undefined);
    sameBytes(atServer.bytes, sent);
    await net.rest();
    await closeAll(net, pair);
  },

  "close does not take back a reply because of what the peer still sends": async (net) => {
    const pair = await connectPair(net);
    // More than the systems' buffers hold, so that some waits to be sent at the close.
    const reply = patterned(8_000_000);
    const atClient = new Recorder(65_536);
    pair.client.start(atClient);
    const atServer = new Recorder();
    atServer.paused = true;
    pair.server.start(atServer);
    pair.client.write(new Uint8Array(30_000_000));
    await net.rest();
    pair.server.write(reply);
    pair.server.close();
    await net.until(() => atClient.closedCalls === 1, "the client to see the end");
    sameBytes(atClient.bytes, reply);
    await closeAll(net, pair);
  },

  "the peer's close is told after the bytes before it, also to one that paused": async (net) => {
    const pair = await connectPair(net);
    const atServer = new Recorder(100);
    atServer.paused = true;
    pair.server.start(atServer);
    pair.client.write(patterned(5000));
    pair.client.close();
    await net.rest();
    assertEquals(atServer.closedCalls, 0);
    atServer.paused = false;
    pair.server.resume();
    await net.until(() => atServer.closedCalls === 1, "the end");
    sameBytes(atServer.bytes, patterned(5000));
    assertEquals(atServer.error, undefined);
    await closeAll(net, pair);
  },

  "what was queued when the peer closed is settled, and closed comes once": async (net) => {
    const pair = await connectPair(net);
    const atServer = new Recorder();
    pair.server.start(atServer);
    const atClient = new Recorder();
    pair.client.start(atClient);
    pair.client.close();
    let settled = 0;
    for (let i = 0; i < 5; i++) pair.server.write(new Uint8Array(10), () => settled++);
    await net.until(() => atServer.closedCalls === 1, "the end");
    await net.until(() => atClient.closedCalls === 1, "the end at the client");
    await net.until(() => settled === 5, "all settled");
    await closeAll(net, pair);
  },

  "abort ends at once: what is queued settles as not sent": async (net) => {
    const pair = await connectPair(net);
    const atClient = new Recorder();
    const atServer = new Recorder();
    pair.client.start(atClient);
    const settled: boolean[] = [];
    for (let i = 0; i < 64; i++) {
      pair.client.write(new Uint8Array(1 << 20), (ok) => settled.push(ok));
    }
    await net.rest();
    quietly(() => pair.client.close({ abort: true }));
    await net.until(() => atClient.closedCalls === 1, "closed");
    await net.until(() => settled.length === 64, "all settled");
    assertEquals(settled.at(-1), false);
    assertEquals(settled.indexOf(false), settled.lastIndexOf(true) + 1, "sent after not sent");
    assertEquals(atClient.error, undefined);
    assertEquals(pair.client.pendingBytes, 0);
    pair.server.start(atServer);
    await net.until(() => atServer.closedCalls === 1, "the peer to learn of it");
    await closeAll(net, pair);
  },

  "abort after close ends a close that cannot finish": async (net) => {
    const pair = await connectPair(net);
    const atClient = new Recorder();
    pair.client.start(atClient);
    pair.client.write(new Uint8Array(64 << 20));
    pair.client.close();
    await net.rest();
    assertEquals(atClient.closedCalls, 0);
    pair.client.close({ abort: true });
    await net.until(() => atClient.closedCalls === 1, "closed");
    await closeAll(net, pair);
  },

  "a write after close settles as not sent": async (net) => {
    const pair = await connectPair(net);
    const atServer = new Recorder();
    pair.server.start(atServer);
    pair.client.start(new Recorder());
    const settled: boolean[] = [];
    pair.client.write(patterned(10), (ok) => settled.push(ok));
    pair.client.close();
    quietly(() => pair.client.write(patterned(20), (ok) => settled.push(ok)));
    await net.until(() => settled.length === 2, "both settled");
    await net.until(() => atServer.closedCalls === 1, "the end");
    quietly(() => pair.client.write(patterned(30), (ok) => settled.push(ok)));
    await net.until(() => settled.length === 3, "the third settled");
    assertEquals(settled, [true, false, false]);
    assertEquals(atServer.received, 10);
    await closeAll(net, pair);
  },

  "closed is told to a handler that starts after the close": async (net) => {
    const pair = await connectPair(net);
    pair.client.close({ abort: true });
    await net.rest();
    const late = new Recorder();
    quietly(() => pair.client.start(late));
    await net.until(() => late.closedCalls === 1, "closed");
    await closeAll(net, pair);
  },

  "bytes sent before start wait for it": async (net) => {
    const pair = await connectPair(net);
    pair.client.write(patterned(2000));
    await net.rest();
    const atServer = new Recorder();
    pair.server.start(atServer);
    await net.until(() => atServer.received === 2000, "the bytes");
    sameBytes(atServer.bytes, patterned(2000));
    await closeAll(net, pair);
  },

  "pendingBytes counts what the system has not taken, and falls to 0 as the peer reads": async (
    net,
  ) => {
    const pair = await connectPair(net);
    const size = 32 << 20;
    pair.client.write(new Uint8Array(size));
    assertEquals(pair.client.pendingBytes, size);
    await net.rest();
    const waiting = pair.client.pendingBytes;
    assert(waiting > 0 && waiting < size, `${waiting} pending of ${size}`);
    const space = new Uint8Array(1 << 20);
    let received = 0;
    pair.server.start({ space: () => space, filled: (n) => received += n, closed: () => {} });
    await net.until(() => received === size, "all bytes");
    await net.until(() => pair.client.pendingBytes === 0, "nothing pending");
    await closeAll(net, pair);
  },

  "a large transfer is whole, with back-pressure on the way": async (net) => {
    const pair = await connectPair(net);
    const atServer = new Recorder((call) => 1 + (call * 7919) % 65_536);
    pair.server.start(atServer);
    const sent = patterned(24_000_000);
    let position = 0;
    let turn = 0;
    const more = () => {
      while (position < sent.length && pair.client.pendingBytes < 1 << 20) {
        const size = 1 + (turn++ * 104_729) % 400_000;
        pair.client.write(sent.subarray(position, position + size), more);
        position += size;
      }
    };
    more();
    await net.until(() => atServer.received === sent.length, "all bytes");
    sameBytes(atServer.bytes, sent);
    await closeAll(net, pair);
  },

  "a port that nobody listens on refuses": async (net) => {
    const listener = listen(net, () => {});
    const port = listener.address.port;
    listener.close();
    await net.rest();
    const results: (Connection | NetworkError)[] = [];
    quietly(() => connect(net, port, (result) => results.push(result)));
    assertEquals(results, []);
    await net.until(() => results.length === 1, "an answer");
    assertInstanceOf(results[0], NetworkError);
    assertEquals(results[0].kind, "refused");
    assert(results[0].message.startsWith("Cannot connect to "), results[0].message);
    assert(results[0].message.includes(`:${port}`), results[0].message);
  },

  "a port listened on cannot be listened on again, until it is closed": async (net) => {
    const first = listen(net, () => {});
    assert(first.address.port > 0);
    const error = assertThrows(
      () => listen(net, () => {}, first.address.port),
      NetworkError,
    ) as NetworkError;
    assertEquals(error.kind, "address-in-use");
    assert(error.message.includes(`:${first.address.port}`), error.message);
    first.close();
    first.close();
    await net.rest();
    const second = listen(net, () => {}, first.address.port);
    assertEquals(second.address.port, first.address.port);
    second.close();
    await net.rest();
  },

  "a closed listener leaves its connections alone": async (net) => {
    const pair = await connectPair(net);
    pair.listener.close();
    const atServer = new Recorder();
    pair.server.start(atServer);
    pair.client.write(patterned(100));
    await net.until(() => atServer.received === 100, "the bytes");
    await closeAll(net, pair);
  },

  "each end knows its own address and its peer's": async (net) => {
    const pair = await connectPair(net);
    assertEquals(pair.client.remote.port, pair.listener.address.port);
    assertEquals(pair.server.local.port, pair.listener.address.port);
    assertEquals(pair.server.remote, pair.client.local);
    await closeAll(net, pair);
  },

  "many connections at once are kept apart": async (net) => {
    const count = 50;
    const servers: Recorder[] = [];
    const connections: Connection[] = [];
    const listener = listen(net, (connection) => {
      const recorder = new Recorder(64);
      servers.push(recorder);
      connections.push(connection);
      connection.start(recorder);
    });
    for (let i = 0; i < count; i++) {
      connect(net, listener.address.port, (result) => {
        assert(!(result instanceof NetworkError));
        connections.push(result);
        result.write(new Uint8Array(200).fill(i));
      });
    }
    const arrived = () => servers.length === count && servers.every((s) => s.received === 200);
    await net.until(arrived, "all bytes");
    const values = servers.map((server) => server.bytes[0]!).sort((a, b) => a - b);
    assertEquals(values, Array.from({ length: count }, (_, i) => i));
    for (const server of servers) assert(server.bytes.every((byte) => byte === server.bytes[0]));
    listener.close();
    for (const connection of connections) connection.close({ abort: true });
    await net.rest();
  },
};

/** Registers every check for a network, which is made anew for each. */
export function networkSuite(name: string, make: () => NetworkUnderTest): void {
  for (const [rule, check] of Object.entries(checks)) {
    Deno.test(`${name}: ${rule}`, () => check(make()));
  }
}
