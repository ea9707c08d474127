import { assert, assertEquals } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { batchOf, BrokerWorld } from "./broker_world.ts";

const HOUR_MS = 3_600_000;
const SEGMENTS = { "segment.bytes": "2500", "file.delete.delay.ms": "60000" };

function logFiles(world: BrokerWorld): string[] {
  return world.disk.list("orders-0").map(({ name }) => name).filter((name) =>
    name.includes(".log")
  );
}

Deno.test("retention: segments older than retention.ms go, with their files a little later", () => {
  const world = BrokerWorld.serving({ properties: { "log.retention.check.interval.ms": "60000" } });
  const client = world.client();
  world.createTopic(client, "orders", 1, { ...SEGMENTS, "retention.ms": String(HOUR_MS) });
  const now = () => ({ timestamp: world.node.clock.wall() });
  for (let i = 0; i < 8; i++) world.produce(client, "orders", batchOf(["x".repeat(1000)], now()));
  world.pass(HOUR_MS / 2);
  const second = world.client();
  world.produce(second, "orders", batchOf(["y"], now()));
  assertEquals(world.listOffset(second, "orders", -2).offset, 0);
  const before = logFiles(world).length;
  world.pass(HOUR_MS / 2 + 70_000);
  const third = world.client();
  // The last segment has the young record in it besides two old ones, and goes as a whole.
  assertEquals(world.listOffset(third, "orders", -2).offset, 6);
  assertEquals(world.fetch(third, "orders", 3).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE);
  world.pass(200_000);
  assert(logFiles(world).length < before);
  world.pass(HOUR_MS);
  const fourth = world.client();
  const { offset } = world.listOffset(fourth, "orders", -2);
  assertEquals(offset, 9);
  assertEquals(world.produce(fourth, "orders", batchOf(["z"], now())).baseOffset, 9);
});

Deno.test("retention: segments over retention.bytes go, oldest first", () => {
  const world = BrokerWorld.serving({ properties: { "log.retention.check.interval.ms": "60000" } });
  const client = world.client();
  world.createTopic(client, "orders", 1, {
    ...SEGMENTS,
    "retention.ms": "-1",
    "retention.bytes": "5000",
  });
  for (let i = 0; i < 10; i++) world.produce(client, "orders", batchOf(["x".repeat(1000)]));
  assertEquals(world.listOffset(client, "orders", -2).offset, 0);
  world.pass(70_000);
  const { offset } = world.listOffset(client, "orders", -2);
  assert(offset >= 4 && offset <= 6, `${offset}`);
  assertEquals(world.values(client, "orders").length, 10 - offset);
});

Deno.test("flush.ms: records become durable in time, without an append after them", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "flush.ms": "1000" });
  world.produce(client, "orders", batchOf(["durable"]));
  world.pass(1100);
  world.produce(client, "orders", batchOf(["not yet"]));
  world.pass(500);
  world.crash({ unwritten: "zeros", tornOf1024: 0 });
  world.start();
  assertEquals(world.values(world.client(), "orders")[0], "durable");
});
