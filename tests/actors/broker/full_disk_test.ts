import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { batchOf, BrokerWorld } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";

const DURABLE = { "flush.before.ack": "true" };
const big = (text: string) => batchOf([text.padEnd(1000, ".")]);

function serving(configs: Readonly<Record<string, string>> = {}): [BrokerWorld, TestClient] {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, configs);
  return [world, client];
}

/** The values of a topic, without what they were padded with. */
function values(world: BrokerWorld, client: TestClient): string[] {
  return world.values(client, "orders").map((value) => value.replace(/\.+$/, ""));
}

Deno.test("full disk: a producer is told, nothing acknowledged is lost, and it goes on with space", () => {
  const [world, first] = serving(DURABLE);
  let client = first;
  const acknowledged: string[] = [];
  const send = (text: string) => {
    const { errorCode, errorMessage, baseOffset } = world.produce(client, "orders", big(text));
    if (errorCode === 0) {
      assertEquals(baseOffset, acknowledged.length);
      acknowledged.push(text);
    } else {
      assertEquals(errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
      assertStringIncludes(errorMessage!, "no space left on device");
    }
    return errorCode;
  };
  for (let round = 0; round < 3; round++) {
    world.node.disk.fill(5500);
    for (let i = 0; i < 10; i++) send(`${round}/${i}`);
    assert(acknowledged.length < 10 * (round + 1), "the disk was full");
    assertEquals(values(world, client), acknowledged);
    assertEquals(world.linesWith("appends fail").length, 2 * round + 1);
    world.node.disk.heal();
    assertEquals(send(`${round}/after`), 0);
    assertEquals(world.linesWith("appends fail").length, 2 * round + 2);
    world.crash(true);
    world.start();
    client.close();
    client = world.client();
    assertEquals(values(world, client), acknowledged);
    world.logged.splice(0);
    for (let line = 0; line < 2 * round + 2; line++) world.logged.push("appends fail");
  }
});

Deno.test("full disk: metadata is refused with its reason, the node goes on, and takes it later", () => {
  const [world, client] = serving();
  world.produce(client, "orders", big("a"));
  world.node.disk.fill(0);
  for (let i = 0; i < 3; i++) {
    const { topics } = world.ask(client, CREATE_TOPICS, {
      timeoutMs: 1000,
      topics: [{ name: "others", numPartitions: 1, replicationFactor: 1 }],
    });
    assertEquals(topics[0]!.errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
    assertStringIncludes(topics[0]!.errorMessage!, "no space left on device");
  }
  const { topics } = world.ask(client, METADATA, { topics: [{ name: "automatic" }] });
  assertEquals(topics[0]!.errorCode, ErrorCode.LEADER_NOT_AVAILABLE);
  assertEquals(values(world, client), ["a"]);
  assertEquals(world.failure, undefined);
  world.node.disk.heal();
  world.createTopic(client, "others");
  assertEquals(world.produce(client, "others", big("b")).errorCode, 0);
});

Deno.test("full disk: however much room is left, a new topic works once there is enough", () => {
  const outcomes = new Set<string>();
  for (let room = 0; room <= 900; room += 20) {
    const [world, client] = serving();
    world.node.disk.fill(room);
    const { topics } = world.ask(client, CREATE_TOPICS, {
      timeoutMs: 1000,
      topics: [{ name: "others", numPartitions: 1, replicationFactor: 1 }],
    });
    const wasMade = topics[0]!.errorCode === 0;
    const full = wasMade ? world.produce(client, "others", big("x")).errorCode : 0;
    outcomes.add(`${topics[0]!.errorCode} ${full}`);
    assertEquals(world.failure, undefined);
    world.node.disk.heal();
    if (!wasMade) world.createTopic(client, "others");
    assertEquals(world.produce(client, "others", big("b")).errorCode, 0, `with room ${room}`);
    world.crash(true);
    world.start();
  }
  assertEquals([...outcomes].sort(), [
    `0 ${ErrorCode.KAFKA_STORAGE_ERROR}`,
    `${ErrorCode.KAFKA_STORAGE_ERROR} 0`,
  ]);
});

Deno.test("full disk: checkpoints and retention that fail do no harm, and go on with space", () => {
  const [world, client] = serving({ ...DURABLE, "segment.bytes": "2500", "retention.ms": "-1" });
  for (let i = 0; i < 7; i++) world.produce(client, "orders", big(`${i}`));
  world.node.disk.fill(0);
  world.pass(3_600_000);
  assertEquals(world.failure, undefined);
  assertEquals(world.linesWith("partition offline"), []);
  const reader = world.client();
  assertEquals(values(world, reader).length, 7);
  world.node.disk.heal();
  world.pass(3_600_000);
  world.crash(true);
  world.start();
  const again = world.client();
  assertEquals(values(world, again).length, 7);
  assertEquals(world.produce(again, "orders", big("7")).baseOffset, 7);
});

Deno.test("full disk: retention makes room by itself", () => {
  const [world, client] = serving({
    "segment.bytes": "5000",
    "retention.bytes": "10000",
    "file.delete.delay.ms": "1000",
  });
  world.node.disk.fill(40_000);
  let refused = 0;
  for (let i = 0; i < 60; i++) {
    if (world.produce(client, "orders", big(`${i}`)).errorCode !== 0) refused++;
  }
  assert(refused > 0);
  world.pass(700_000);
  const again = world.client();
  assertEquals(world.produce(again, "orders", big("later")).errorCode, 0);
});

for (const [what, retentionMs] of [["some", "-1"], ["all", "1000"]] as const) {
  Deno.test(`full disk: deleting ${what} records makes room without writing metadata`, () => {
    const [world, client] = serving({
      "segment.bytes": "5000",
      "file.delete.delay.ms": "0",
      "retention.ms": retentionMs,
    });
    for (let i = 0; i < 20; i++) world.produce(client, "orders", big(`${i}`));
    world.node.disk.fill(0);
    const full = world.produce(client, "orders", big("x"));
    assertEquals(full.errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
    // Those that are older than they may get go along.
    const lowWatermark = what === "all" ? 20 : 15;
    assertEquals(world.deleteRecords(client, "orders", 15), [0, lowWatermark]);
    assertEquals(world.produce(client, "orders", big("later")).errorCode, 0);
  });
}

Deno.test("full disk: an orderly stop says what failed, and the next start has everything", () => {
  const [world, client] = serving();
  for (let i = 0; i < 5; i++) world.produce(client, "orders", big(`${i}`));
  world.node.disk.fill(0);
  world.stop();
  assert(world.closeFailures.length > 0);
  assertStringIncludes(world.closeFailures.join(), "no space left on device");
  world.node.disk.heal();
  world.start();
  assertEquals(values(world, world.client()).length, 5);
});

Deno.test("full disk: a node that cannot start for it says why, and starts once there is space", () => {
  const [world, client] = serving(DURABLE);
  world.produce(client, "orders", big("a"));
  for (const room of [0, 4, 50, 100, 200]) {
    world.crash(true);
    world.node.disk.fill(room);
    world.boot();
    world.pass(10_000);
    const reason = String(world.bootError ?? world.failure);
    assertStringIncludes(reason, "no space left on device", `with room ${room}`);
    if (world.node.state === "up") world.crash();
    world.node.disk.heal();
    world.start();
    assertEquals(values(world, world.client()), ["a"]);
  }
});

Deno.test("read-only disk: a running node refuses appends with the reason, and serves readers", () => {
  const [world, client] = serving();
  world.produce(client, "orders", big("a"));
  world.disk.readOnly = true;
  const { errorCode, errorMessage } = world.produce(client, "orders", big("b"));
  assertEquals(errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
  assertStringIncludes(errorMessage!, "read-only");
  assertEquals(values(world, client), ["a"]);
  const { topics } = world.ask(client, METADATA, { topics: [{ name: "automatic" }] });
  assertEquals(topics[0]!.errorCode, ErrorCode.LEADER_NOT_AVAILABLE);
  world.pass(3_600_000);
  assertEquals(world.failure, undefined);
  world.disk.readOnly = false;
  const reader = world.client();
  assertEquals(world.produce(reader, "orders", big("b")).errorCode, 0);
  world.createTopic(reader, "others");
});

Deno.test("read-only disk: a node does not start, and says why in one sentence", () => {
  const [world] = serving();
  world.stop();
  world.disk.readOnly = true;
  world.logged.splice(0);
  world.boot();
  world.pass(1000);
  const reason = world.bootError instanceof Error ? world.bootError.message : "";
  assertStringIncludes(reason, "the file system is read-only");
  assertEquals(world.logged, []);
  world.disk.readOnly = false;
  world.start();
});
