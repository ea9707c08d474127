/** What is true of real sockets alone; what is true of every network is in tests/conformance. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { createConnection } from "node:net";
import { DenoNetwork } from "../../net/deno_network.ts";
import { type Connection, NetworkError } from "../../net/network.ts";
import { patterned, Recorder } from "../conformance/network_suite.ts";
import { AUTHORITY, CERTIFICATE, KEY } from "../conformance/tls_certificate.ts";

const HOST = "127.0.0.1";

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn === 20_000) throw new Error(`Waited for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

interface Server {
  readonly port: number;
  readonly accepted: Connection[];
  readonly recorders: Recorder[];
  close(): Promise<void>;
}

/** Listens, and starts each connection with a recorder. */
function serve(network: DenoNetwork, tls = false, spaceBytes = 1000): Server {
  const accepted: Connection[] = [];
  const recorders: Recorder[] = [];
  const options = { host: HOST, port: 0, ...(tls ? { tls: { cert: CERTIFICATE, key: KEY } } : {}) };
  const listener = network.listen(options, (connection) => {
    const recorder = new Recorder(spaceBytes);
    accepted.push(connection);
    recorders.push(recorder);
    connection.start(recorder);
  });
  return {
    port: listener.address.port,
    accepted,
    recorders,
    close: async () => {
      listener.close();
      for (const connection of accepted) connection.close({ abort: true });
      await until(
        () => recorders.every(({ closedCalls }) => closedCalls === 1),
        "all to be closed",
      );
    },
  };
}

function connect(
  network: DenoNetwork,
  options: Parameters<DenoNetwork["connect"]>[0],
): Promise<Connection | NetworkError> {
  return new Promise((resolve) => network.connect(options, resolve));
}

async function readAll(socket: Deno.Conn): Promise<number> {
  const space = new Uint8Array(4096);
  let total = 0;
  for (let count = await socket.read(space); count !== null; count = await socket.read(space)) {
    total += count;
  }
  return total;
}

Deno.test("deno network: a peer that only stops sending gets what is queued, then the end", async () => {
  const server = serve(new DenoNetwork());
  const socket = await Deno.connect({ hostname: HOST, port: server.port });
  await until(() => server.accepted.length === 1, "the connection");
  const reply = new Uint8Array(8_000_000);
  server.recorders[0]!.onFilled = () => server.accepted[0]!.write(reply);
  await socket.write(new Uint8Array(10));
  await socket.closeWrite();
  assertEquals(await readAll(socket), reply.length);
  await until(() => server.recorders[0]!.closedCalls === 1, "the end");
  assertEquals(server.recorders[0]!.error, undefined);
  assertEquals(server.recorders[0]!.received, 10);
  socket.close();
  await server.close();
});

Deno.test("deno network: a peer that breaks the connection is told as a reset", async () => {
  const server = serve(new DenoNetwork());
  const socket = createConnection(server.port, HOST);
  await until(() => server.accepted.length === 1, "the connection");
  socket.resetAndDestroy();
  await until(() => server.recorders[0]!.closedCalls === 1, "the end");
  const error = server.recorders[0]!.error;
  assertInstanceOf(error, NetworkError);
  assertEquals(error.kind, "reset");
  assert(/^Cannot (read from|write to) 127\.0\.0\.1:\d+: /.test(error.message), error.message);
  await server.close();
});

Deno.test("deno network: close does not wait for ever for a peer that does not close", async () => {
  const server = serve(new DenoNetwork({ lingerMs: 20 }));
  const socket = await Deno.connect({ hostname: HOST, port: server.port });
  await until(() => server.accepted.length === 1, "the connection");
  server.accepted[0]!.close();
  await until(() => server.recorders[0]!.closedCalls === 1, "the end");
  assertEquals(server.recorders[0]!.error, undefined);
  socket.close();
  await server.close();
});

Deno.test("deno network: a handler that throws costs its connection alone, and is told", async () => {
  const told: unknown[] = [];
  const network = new DenoNetwork({ uncaught: (error) => told.push(error) });
  const server = serve(network);
  const sockets = [];
  for (let i = 0; i < 2; i++) {
    sockets.push(await Deno.connect({ hostname: HOST, port: server.port }));
  }
  await until(() => server.accepted.length === 2, "the connections");
  const cause = new Error("Broken handler");
  server.recorders[0]!.onFilled = () => {
    throw cause;
  };
  for (const socket of sockets) await socket.write(new Uint8Array(5));
  await until(() => server.recorders[0]!.closedCalls === 1, "the end");
  await until(() => server.recorders[1]!.received === 5, "the other's bytes");
  assertEquals(told, [cause]);
  assertEquals(server.recorders[0]!.error?.cause, cause);
  assertEquals(server.recorders[1]!.closedCalls, 0);
  for (const socket of sockets) socket.close();
  await server.close();
});

Deno.test("deno network: an accepted callback that throws costs its connection alone", async () => {
  const told: unknown[] = [];
  let count = 0;
  const listener = new DenoNetwork({ uncaught: (error) => told.push(error) })
    .listen({ host: HOST, port: 0 }, (connection) => {
      if (count++ === 0) throw new Error("Broken callback");
      connection.close({ abort: true });
    });
  for (let i = 0; i < 2; i++) {
    const socket = await Deno.connect({ hostname: HOST, port: listener.address.port });
    assertEquals(await readAll(socket), 0);
    socket.close();
  }
  assertEquals([count, told.length], [2, 1]);
  listener.close();
});

Deno.test("deno network: a host that has no address fails, naming it", async () => {
  const host = "x".repeat(300); // Too long for a name server to be asked.
  const result = await connect(new DenoNetwork(), { host, port: 1 });
  assertInstanceOf(result, NetworkError);
  assert(result.message.startsWith(`Cannot connect to ${host}:1: `), result.message);
});

Deno.test("deno network: an address that is not ours cannot be listened on", () => {
  const error = assertThrows(
    () => new DenoNetwork().listen({ host: "192.0.2.1", port: 0 }, () => {}),
    NetworkError,
  ) as NetworkError;
  assertEquals(error.kind, "unreachable");
  assert(error.message.startsWith("Cannot listen on 192.0.2.1:0: "), error.message);
});

Deno.test("deno network: an IPv6 address is written in brackets", async () => {
  const result = await connect(new DenoNetwork(), { host: "::1", port: 1 });
  assertInstanceOf(result, NetworkError);
  assert(result.message.startsWith("Cannot connect to [::1]:1: "), result.message);
});

Deno.test("deno network: TLS with a peer that says nothing ends at the deadline", async () => {
  const silent = Deno.listen({ hostname: HOST, port: 0 });
  const { port } = silent.addr;
  const accepting = silent.accept();
  const network = new DenoNetwork({ connectTimeoutMs: 30 });
  const result = await connect(network, { host: HOST, port, tls: { caCerts: [AUTHORITY] } });
  assertInstanceOf(result, NetworkError);
  assertEquals(result.kind, "timed-out");
  assertEquals(result.message, `Cannot connect to ${HOST}:${port}: not connected after 30 ms`);
  (await accepting).close();
  silent.close();
});

Deno.test("deno network: TLS refuses a certificate that no authority it trusts has signed", async () => {
  const network = new DenoNetwork();
  const server = serve(network, true);
  const distrusted = await connect(network, { host: HOST, port: server.port, tls: {} });
  assertInstanceOf(distrusted, NetworkError);
  assertEquals(distrusted.kind, "other");
  const tls = { caCerts: [AUTHORITY], serverName: "elsewhere.example" };
  const misnamed = await connect(network, { host: HOST, port: server.port, tls });
  assertInstanceOf(misnamed, NetworkError);
  const named = await connect(network, {
    host: HOST,
    port: server.port,
    tls: { ...tls, serverName: "localhost" },
  });
  assert(!(named instanceof NetworkError), String(named));
  named.close({ abort: true });
  await server.close();
});

Deno.test("deno network: a client without TLS costs a TLS listener that connection alone", async () => {
  const network = new DenoNetwork();
  const server = serve(network, true);
  const plain = await Deno.connect({ hostname: HOST, port: server.port });
  await plain.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
  await until(() => server.recorders[0]?.closedCalls === 1, "the plain one to be closed");
  assertInstanceOf(server.recorders[0]!.error, NetworkError);
  assertEquals(server.recorders[0]!.received, 0);
  const options = { host: HOST, port: server.port, tls: { caCerts: [AUTHORITY] } };
  const secure = await connect(network, options);
  assert(!(secure instanceof NetworkError), String(secure));
  secure.write(patterned(100));
  await until(() => server.recorders[1]?.received === 100, "the bytes");
  secure.close({ abort: true });
  plain.close();
  await server.close();
});

Deno.test("deno network: TLS needs a certificate and the key that belongs to it", () => {
  const tls = { cert: "none", key: "none" };
  assertThrows(
    () => new DenoNetwork().listen({ host: HOST, port: 0, tls }, () => {}),
    NetworkError,
  );
});

Deno.test("deno network: a TLS reply of several records waits for no acknowledgement", async () => {
  const network = new DenoNetwork();
  const server = serve(network, true);
  const options = { host: HOST, port: server.port, tls: { caCerts: [AUTHORITY] } };
  const client = await connect(network, options);
  assert(!(client instanceof NetworkError), String(client));
  await until(() => server.recorders.length === 1, "the connection");
  const reply = new Uint8Array(20_000);
  server.recorders[0]!.onFilled = () => server.accepted[0]!.write(reply);
  const recorder = new Recorder(65_536);
  client.start(recorder);
  const rounds = 20;
  let fastestMs = Infinity;
  for (let attempt = 0; attempt < 3; attempt++) {
    const began = performance.now();
    for (let i = 0; i < rounds; i++) {
      const expected = recorder.received + reply.length;
      const replied = new Promise<void>((resolve) => {
        recorder.onFilled = () => recorder.received === expected && resolve();
      });
      client.write(new Uint8Array(100));
      await replied;
    }
    fastestMs = Math.min(fastestMs, performance.now() - began);
  }
  // With Nagle's algorithm each round takes the 40 ms of a delayed acknowledgement.
  assert(fastestMs < rounds * 20, `${fastestMs} ms for ${rounds} rounds`);
  client.close({ abort: true });
  await server.close();
});

Deno.test("deno network: a listener that runs out of descriptors goes on when there are some", async () => {
  const script = new URL("./descriptors_run.ts", import.meta.url).pathname;
  const command = `ulimit -n 60; exec "${Deno.execPath()}" run -A "${script}"`;
  const output = await new Deno.Command("sh", {
    args: ["-c", command],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const [stdout, stderr] = [output.stdout, output.stderr]
    .map((bytes) => new TextDecoder().decode(bytes).trim());
  assertEquals(stdout, "too-many-open-files, then accepted", stderr);
  assertEquals(output.code, 0, stderr);
});
