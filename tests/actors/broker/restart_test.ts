import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { batchOf, beginFetch, beginProduce, BrokerWorld } from "./broker_world.ts";

const DURABLE = { "flush.before.ack": "true" };

Deno.test("restart: after an orderly stop all is there, in the same leader epoch", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const { clusterId } = world.booted;
  world.createTopic(client, "orders", 3);
  world.produce(client, "orders", batchOf(["a", "b"]), { partition: 1 });
  world.stop();
  assertEquals(world.closeFailures, []);
  world.start();
  const again = world.client();
  assertEquals(world.booted.clusterId, clusterId);
  assertEquals(world.values(again, "orders", 1), ["a", "b"]);
  assertEquals(world.leaderEpoch(again, "orders"), 0);
  assertEquals(world.produce(again, "orders", batchOf(["c"]), { partition: 1 }).baseOffset, 2);
});

Deno.test("restart: an orderly stop leaves nothing to scan, a crash does", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  world.produce(client, "orders", batchOf(["a"]));
  world.stop();
  assert(world.disk.status(".kafka_cleanshutdown") !== undefined);
  world.start();
  assertEquals(world.disk.status(".kafka_cleanshutdown"), undefined);
  world.crash();
  assertEquals(world.disk.status(".kafka_cleanshutdown"), undefined);
});

for (const powerLoss of [false, true]) {
  const how = powerLoss ? "a power cut" : "a crash";
  Deno.test(`restart: after ${how} what was acknowledged is there, in a higher leader epoch`, () => {
    const world = BrokerWorld.serving();
    let client = world.client();
    world.createTopic(client, "orders", 1, DURABLE);
    const sent: string[] = [];
    let epoch = world.leaderEpoch(client, "orders");
    for (let round = 1; round <= 5; round++) {
      for (let i = 0; i < 10; i++) {
        const value = `${round}/${i}`;
        assertEquals(world.produce(client, "orders", batchOf([value])).baseOffset, sent.length);
        sent.push(value);
      }
      world.crash(powerLoss);
      world.start();
      client = world.client();
      assert(world.leaderEpoch(client, "orders") > epoch);
      epoch = world.leaderEpoch(client, "orders");
      assertEquals(world.values(client, "orders"), sent);
    }
  });
}

Deno.test("restart: the high watermark that a reader saw does not fall", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, DURABLE);
  for (let i = 0; i < 5; i++) world.produce(client, "orders", batchOf([`${i}`]));
  world.crash();
  world.node.disk.slowSyncs(1000);
  world.start();
  assertEquals(world.listOffset(world.client(), "orders", -1).offset, 5);
});

Deno.test("restart: what was not acknowledged is there whole or not at all", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = BrokerWorld.serving({ seed });
    const client = world.client();
    world.createTopic(client, "orders", 1, DURABLE);
    world.produce(client, "orders", batchOf(["acknowledged"]));
    world.node.disk.slowSyncs(60_000);
    for (let i = 0; i < 5; i++) beginProduce(client, "orders", batchOf(["x", "y"]));
    world.pass(100);
    world.crash({ tornOf1024: 500, unwritten: "noise" });
    world.node.disk.heal();
    world.start();
    const values = world.values(world.client(), "orders");
    assertEquals(values[0], "acknowledged");
    assertEquals((values.length - 1) % 2, 0);
  }
});

Deno.test("restart: a node that was killed while it stopped starts again", () => {
  for (let events = 1; events < 60; events += 4) {
    const world = BrokerWorld.serving();
    const client = world.client();
    world.createTopic(client, "orders", 2, DURABLE);
    world.produce(client, "orders", batchOf(["a"]));
    world.node.stop();
    world.simulation.run({ events });
    world.crash(true);
    world.start();
    assertEquals(world.values(world.client(), "orders"), ["a"]);
  }
});

Deno.test("restart: what is under way when the node stops is answered or lost, not wrong", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, DURABLE);
  world.node.disk.slowSyncs(50);
  const pending = Array.from(
    { length: 5 },
    (_, i) => beginProduce(client, "orders", batchOf([`${i}`]), { timeoutMs: 1000 }),
  );
  const parked = beginFetch(client, "orders", 0, { maxWaitMs: 60_000 });
  world.pass(2);
  world.stop();
  world.pass(100);
  assert(parked.isSettled);
  world.start();
  const values = world.values(world.client(), "orders");
  for (const { response } of pending) {
    const answer = response?.responses[0]?.partitionResponses[0];
    if (answer?.errorCode === 0) assertEquals(values[answer.baseOffset], `${answer.baseOffset}`);
  }
});

Deno.test("failure: a failed sync ends the node, with a reason, and acknowledges nothing more", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, DURABLE);
  world.createTopic(client, "others", 1, DURABLE);
  world.node.disk.failSyncs(1000);
  const pending = [
    beginProduce(client, "orders", batchOf(["a"])),
    beginProduce(client, "others", batchOf(["b"])),
  ];
  world.until(() => world.failure !== undefined, "the node fails");
  assertMatch(world.failure!, /^Cannot make (orders|others)-0 durable: Cannot sync .*error$/);
  assertEquals(world.linesWith("broker failed").length, 1);
  world.pass(1000);
  assert(client.ended.isSettled, "its connections are closed");
  for (const one of pending) {
    assert(one.isSettled);
    assert(one.response?.responses[0]?.partitionResponses[0]?.errorCode !== 0);
  }
  const refused = world.connect();
  assert(refused.ended.isSettled);
  // Closing what has failed says so, and does not wait for ever.
  let failures: readonly string[] | undefined;
  world.booted.close((told) => failures = told);
  world.until(() => failures !== undefined, "close calls back");
  assertStringIncludes(failures![0]!, world.failure!);
});

Deno.test("failure: a failed sync of the metadata ends the node, with its reason", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.node.disk.failSyncs(1000);
  const pending = client.begin(METADATA, { topics: [{ name: "orders" }] });
  world.until(() => world.failure !== undefined, "the node fails");
  assertStringIncludes(world.failure!, "__cluster_metadata-0");
  world.pass(1000);
  assert(pending.isSettled && pending.response?.topics[0]?.errorCode !== 0);
});

Deno.test("failure: a handler that throws takes its partition offline; others serve", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 2);
  world.produce(client, "orders", batchOf(["a"]));
  world.produce(client, "orders", batchOf(["b"]), { partition: 1 });
  world.throwsAt = (path, kind) => path.endsWith("-0") && kind === "append";
  const { errorCode } = world.produce(client, "orders", batchOf(["c"]));
  assertEquals(errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER);
  world.throwsAt = undefined;
  world.pass(10);
  const lines = world.linesWith("partition offline");
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0]!, "partition=orders-0");
  const { topics } = world.ask(client, METADATA, { topics: [{ name: "orders" }] });
  assertEquals(topics[0]!.partitions.map(({ offlineReplicas }) => offlineReplicas), [[1], []]);
  const offline = world.produce(client, "orders", batchOf(["c"]));
  assertEquals(offline.errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
  assertStringIncludes(offline.errorMessage!, "orders-0");
  assertEquals(world.fetch(client, "orders").errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
  assertEquals(world.listOffset(client, "orders", -1).errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
  assertEquals(world.values(client, "orders", 1), ["b"]);
  assertEquals(world.produce(client, "orders", batchOf(["d"]), { partition: 1 }).errorCode, 0);
  client.close();
  world.pass(10);
  world.assertNothingHeld();
  world.stop();
  world.start();
  const again = world.client();
  assertEquals(world.values(again, "orders"), ["a"]);
  assertEquals(world.values(again, "orders", 1), ["b", "d"]);
  assert(world.leaderEpoch(again, "orders") > 0);
});

Deno.test("failure: an offline partition's topic can be deleted and made anew", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  world.produce(client, "orders", batchOf(["a"]));
  world.throwsAt = (path, kind) => path.includes("partition-") && kind === "append";
  world.produce(client, "orders", batchOf(["c"]));
  world.throwsAt = undefined;
  world.deleteTopic(client, "orders");
  world.pass(100);
  assertEquals(world.disk.status("orders-0"), undefined);
  world.createTopic(client, "orders");
  assertEquals(world.produce(client, "orders", batchOf(["new"])).errorCode, 0);
  assertEquals(world.values(client, "orders"), ["new"]);
});

Deno.test("failure: a session that throws ends its connection alone", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  const other = world.client();
  const parked = beginFetch(client, "orders", 0, { maxWaitMs: 60_000 });
  world.pass(10);
  world.throwsAt = (path, kind) => path.endsWith("session-1") && kind === "frames";
  const pending = beginProduce(client, "orders", batchOf(["a"]));
  world.until(() => client.ended.isSettled, "the connection ends");
  assert(pending.lost && parked.lost);
  assertEquals(world.produce(other, "orders", batchOf(["b"])).errorCode, 0);
  assertEquals(world.booted.usage.waitingPlaces, 0);
});

Deno.test("failure: damage in a log takes that partition offline, by name, and others serve", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 2, DURABLE);
  for (let i = 0; i < 3; i++) world.produce(client, "orders", batchOf([`value ${i}`]));
  world.pass(120_000);
  world.crash();
  world.disk.flipBit("orders-0/00000000000000000000.log", 8 * 140);
  world.start();
  world.pass(1000);
  const lines = world.linesWith("partition offline");
  assert(lines.length > 0);
  assertStringIncludes(lines[0]!, "orders-0");
  assertStringIncludes(lines[0]!, "checksum");
  const again = world.client();
  assertEquals(world.fetch(again, "orders").errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
  const { errorCode } = world.produce(again, "orders", batchOf(["b"]), { partition: 1 });
  assertEquals(errorCode, 0);
  // Nobody can repair it: it is not read again and again.
  world.pass(24 * 3_600_000);
  assertLess(world.linesWith("partition offline").length, 40);
});

Deno.test("failure: a folder that another process uses is refused, and says whose it is", () => {
  const world = BrokerWorld.serving();
  world.crash();
  world.disk.lock("", "process 4711");
  world.boot();
  world.pass(1);
  assertStringIncludes(String(world.bootError), "process 4711");
});
