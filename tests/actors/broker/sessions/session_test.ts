import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { API_VERSIONS } from "../../../../net/messages/api_versions.ts";
import { METADATA } from "../../../../net/messages/metadata.ts";
import { PRODUCE } from "../../../../net/messages/produce.ts";
import { batchOf, beginFetch, beginProduce, BrokerWorld, valuesIn } from "../broker_world.ts";
import { requestFrame, type TestClient } from "../test_client.ts";

function assertQuiet(world: BrokerWorld, ...clients: TestClient[]): void {
  for (const client of clients) client.close();
  world.pass(100);
  world.assertNothingHeld();
}

Deno.test("session: thousands of requests in one go are all answered, and others get their turn", () => {
  const world = BrokerWorld.serving();
  const [client, other] = [world.client(), world.client()];
  world.createTopic(other, "orders");
  const pending = Array.from({ length: 3000 }, () => client.begin(API_VERSIONS, {}));
  const produced = world.settled(beginProduce(other, "orders", batchOf(["a"])));
  assertEquals(produced.responses[0]!.partitionResponses[0]!.errorCode, 0);
  assert(pending.some(({ isSettled }) => !isSettled), "the other did not have to wait for all");
  for (const one of pending) assertEquals(world.settled(one).errorCode, 0);
  assertQuiet(world, client, other);
});

Deno.test("session: appends of one connection are made in the order sent", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  const pending = Array.from(
    { length: 300 },
    (_, i) => beginProduce(client, "orders", batchOf([`${i}`])),
  );
  const offsets = pending.map((one) =>
    world.settled(one).responses[0]!.partitionResponses[0]!.baseOffset
  );
  assertEquals(offsets, Array.from({ length: 300 }, (_, i) => i));
});

Deno.test("session: more replies asked for than may wait are sent as the client reads", () => {
  const world = BrokerWorld.serving({ world: { linkKibPerMs: 100 } });
  const client = world.client();
  world.createTopic(client, "orders");
  for (let i = 0; i < 4; i++) world.produce(client, "orders", batchOf(["x".repeat(500_000)]));
  const pending = Array.from({ length: 60 }, () =>
    beginFetch(client, "orders", 0, {
      partitionMaxBytes: 2 << 20,
    }));
  for (const one of pending) {
    const { records } = world.settled(one).responses[0]!.partitions[0]!;
    assertEquals(valuesIn(records).length, 4);
  }
  assertEquals(client.ended.isSettled, false);
  assertQuiet(world, client);
});

Deno.test("session: a small budget for requests slows down, and loses none", () => {
  const properties = { "queued.max.request.bytes": "20000" };
  const world = BrokerWorld.serving({ properties });
  const clients = Array.from({ length: 10 }, () => world.client());
  world.createTopic(clients[0]!, "orders", 1, { "flush.before.ack": "true" });
  world.node.disk.slowSyncs(20);
  const pending = clients.flatMap((client) =>
    Array.from({ length: 20 }, () => beginProduce(client, "orders", batchOf(["x".repeat(5000)])))
  );
  let most = 0;
  world.simulation.afterEvent(() => {
    most = Math.max(most, world.booted.usage.requestBytes);
  });
  for (const one of pending) {
    assertEquals(world.settled(one).responses[0]!.partitionResponses[0]!.errorCode, 0);
  }
  // One request of each connection may be more than fits.
  assert(most < 20_000 + 10 * 7000, `${most}`);
  assertQuiet(world, ...clients);
});

Deno.test("session: fetches that wait leave the budget for requests to others", () => {
  const properties = { "queued.max.request.bytes": "100000" };
  const world = BrokerWorld.serving({ properties });
  const client = world.client();
  world.createTopic(client, "orders");
  const waiting = Array.from({ length: 5 }, () => world.client());
  for (const one of waiting) {
    for (let i = 0; i < 200; i++) beginFetch(one, "orders", 0, { maxWaitMs: 3_600_000 });
  }
  world.pass(1000);
  const started = world.simulation.nowMs;
  assertEquals(world.produce(client, "orders", batchOf(["a"])).errorCode, 0);
  assert(world.simulation.nowMs - started < 1000);
  assertQuiet(world, client, ...waiting);
});

Deno.test("session: a reader that takes a little at a time is kept, however long it takes", () => {
  const properties = { "socket.write.timeout.ms": "1000" };
  const world = BrokerWorld.serving({ properties });
  const client = world.client();
  world.createTopic(client, "orders");
  for (let i = 0; i < 8; i++) world.produce(client, "orders", batchOf(["x".repeat(900_000)]));
  const pending = beginFetch(client, "orders", 0, { partitionMaxBytes: 50 << 20 });
  for (let i = 0; i < 40; i++) {
    client.stopReading();
    world.pass(600);
    client.resumeReading();
    world.simulation.run({ events: 4 });
  }
  client.resumeReading();
  const { records } = world.settled(pending).responses[0]!.partitions[0]!;
  assertEquals(valuesIn(records).length, 8);
});

Deno.test("session: one that is idle is ended in time, with a line, one that works is not", () => {
  const world = BrokerWorld.serving({ properties: { "connections.max.idle.ms": "5000" } });
  const [idle, busy, waiting] = [world.client(), world.client(), world.client()];
  world.createTopic(busy, "orders");
  const parked = beginFetch(waiting, "orders", 0, { maxWaitMs: 20_000 });
  for (let i = 0; i < 6; i++) {
    world.pass(2000);
    world.ask(busy, METADATA, { topics: null });
  }
  assertEquals([idle, busy, waiting].map(({ ended }) => ended.isSettled), [true, false, false]);
  const lines = world.linesWith("connection closed");
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0]!, "idle for 5000 ms");
  assert(!parked.isSettled);
});

Deno.test("session: a negative connections.max.idle.ms keeps the idle", () => {
  const world = BrokerWorld.serving({ properties: { "connections.max.idle.ms": "-1" } });
  const client = world.client();
  world.pass(7_200_000);
  assertEquals(world.ask(client, METADATA, { topics: null }).topics, []);
});

Deno.test("session: a client that closes in order leaves no line and nothing behind", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  world.produce(client, "orders", batchOf(["a"]));
  assertQuiet(world, client);
  assertEquals(world.linesWith("connection closed"), []);
});

Deno.test("session: a client that closes with requests under way still has them done", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "flush.before.ack": "true" });
  world.node.disk.slowSyncs(100);
  beginProduce(client, "orders", batchOf(["a"]));
  client.close();
  world.pass(5000);
  world.assertNothingHeld();
  assertEquals(world.values(world.client(), "orders"), ["a"]);
});

Deno.test("session: what follows a refused frame is not acted upon", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  const bad = requestFrame(API_VERSIONS, {});
  bad.set([0x5a, 0x5a], 10);
  const append = requestFrame(PRODUCE, {
    acks: 0,
    timeoutMs: 1000,
    topicData: [{ name: "orders", partitionData: [{ index: 0, records: batchOf(["x"]) }] }],
  });
  const both = new Uint8Array(bad.length + append.length);
  both.set(bad);
  both.set(append, bad.length);
  client.raw(both);
  world.until(() => client.ended.isSettled, "the connection ends");
  assertEquals(world.listOffset(world.client(), "orders", -1).offset, 0);
});

Deno.test("session: large frames that never end share one bound, and are ended in time", () => {
  const world = BrokerWorld.serving();
  const [victim, large] = [world.client(), world.client()];
  world.createTopic(victim, "orders", 1, { "max.message.bytes": "4000000" });
  const part = new Uint8Array(40 << 20);
  new DataView(part.buffer).setUint32(0, 90 << 20);
  const hostile = Array.from({ length: 12 }, () => world.client());
  for (const one of hostile) one.raw(part);
  world.pass(1000);
  const { receivedBytes, lentBytes } = world.booted.usage;
  assert(receivedBytes > 100 << 20 && receivedBytes <= 256 << 20, `${receivedBytes}`);
  assert(lentBytes < (256 << 20) + (12 << 20), `${lentBytes}`);
  assertEquals(world.produce(victim, "orders", batchOf(["a"])).errorCode, 0);
  const pending = beginProduce(large, "orders", batchOf(["x".repeat(3_000_000)]));
  world.pass(61_000);
  assert(hostile.some(({ ended }) => ended.isSettled));
  world.pass(120_000);
  assertEquals(hostile.filter(({ ended }) => !ended.isSettled).length, 0);
  assertEquals(pending.response?.responses[0]?.partitionResponses[0]?.errorCode, 0);
  assertEquals(world.linesWith("a large frame did not come").length, hostile.length);
  assertQuiet(world, victim, large);
});

Deno.test("session: large requests of many connections at once all get through", () => {
  const world = BrokerWorld.serving();
  const clients = Array.from({ length: 20 }, () => world.client());
  world.createTopic(clients[0]!, "orders", 1, { "max.message.bytes": "20000000" });
  const batch = batchOf(["x".repeat(15_000_000)]);
  const pending = clients.map((client) => beginProduce(client, "orders", batch));
  for (const one of pending) {
    assertEquals(world.settled(one).responses[0]!.partitionResponses[0]!.errorCode, 0);
  }
  assertQuiet(world, ...clients);
});
