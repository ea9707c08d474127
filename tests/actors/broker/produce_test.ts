import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { setBaseOffset } from "../../../storage/record_batch.ts";
import { RecordBatchBuilder } from "../../../storage/record_batch_builder.ts";
import { wrapDisk } from "./wrapped_disk.ts";
import { batchOf, beginFetch, beginProduce, BrokerWorld } from "./broker_world.ts";

for (const acks of [1, -1]) {
  Deno.test(`produce: acks=${acks} is answered with the offset, and the records are there`, () => {
    const world = BrokerWorld.serving();
    const client = world.client();
    world.createTopic(client, "orders");
    const first = world.produce(client, "orders", batchOf(["a", "b"]), { acks });
    assertEquals([first.errorCode, first.baseOffset, first.logAppendTimeMs], [0, 0, -1]);
    assertEquals(world.produce(client, "orders", batchOf(["c"]), { acks }).baseOffset, 2);
    assertEquals(world.values(client, "orders"), ["a", "b", "c"]);
    client.close();
    world.pass(10);
    world.assertNothingHeld();
  });
}

Deno.test("produce: acks=0 is not answered, and the records are there", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  const pending = beginProduce(client, "orders", batchOf(["a"]), { acks: 0 });
  assertEquals(world.values(client, "orders"), ["a"]);
  assertEquals(pending.isSettled, false);
});

Deno.test("produce: acks=0 that fails closes the connection, with a line that says why", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  const pending = beginProduce(client, "no-such", batchOf(["a"]), { acks: 0 });
  world.until(() => client.ended.isSettled, "the connection ends");
  assert(pending.lost);
  const lines = world.linesWith("connection closed");
  assertEquals(lines.length, 1);
  assertStringIncludes(lines[0]!, "produce without acks failed on partition 0");
});

Deno.test("produce: versions 3 to 11 append alike", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  const { min, max } = PRODUCE.versions;
  for (let version = min; version <= max; version++) {
    const { baseOffset } = world.produce(client, "orders", batchOf([`v${version}`]), { version });
    assertEquals(baseOffset, version - min);
  }
  assertEquals(world.values(client, "orders").at(-1), `v${max}`);
});

Deno.test("produce: each partition appends or refuses by itself, in the order asked", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 2);
  const part = (index: number, value: string) => ({ index, records: batchOf([value]) });
  const { responses } = world.ask(client, PRODUCE, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      { name: "orders", partitionData: [part(1, "b"), part(7, "x"), part(0, "a")] },
      { name: "none", partitionData: [part(0, "x")] },
      { name: "orders", partitionData: [{ index: 0, records: null }] },
    ],
  });
  const codes = responses.map(({ name, partitionResponses }) => [
    name,
    ...partitionResponses.map(({ index, errorCode }) => [index, errorCode]),
  ]);
  const { UNKNOWN_TOPIC_OR_PARTITION, INVALID_RECORD } = ErrorCode;
  assertEquals(codes, [
    ["orders", [1, 0], [7, UNKNOWN_TOPIC_OR_PARTITION], [0, 0]],
    ["none", [0, UNKNOWN_TOPIC_OR_PARTITION]],
    ["orders", [0, INVALID_RECORD]],
  ]);
  assertEquals(world.values(client, "orders", 0), ["a"]);
  assertEquals(world.values(client, "orders", 1), ["b"]);
});

function refusal(records: Uint8Array, configs = {}, acks = -1) {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, configs);
  const { errorCode, errorMessage, baseOffset } = world.produce(client, "orders", records, {
    acks,
  });
  assertEquals(baseOffset, -1);
  assertEquals(world.listOffset(client, "orders", -1).offset, 0);
  return { errorCode, errorMessage };
}

function damaged(records: Uint8Array, position: number): Uint8Array {
  records[position]! ^= 1;
  return records;
}

Deno.test("produce: what is no batch, or a bad one, is refused by Kafka's codes", () => {
  const whole = batchOf(["some value"]);
  const two = new Uint8Array([...whole, ...batchOf(["b"])]);
  const offset = batchOf(["a"]);
  setBaseOffset(offset, 0, 5);
  const cases: [string, Uint8Array, ErrorCode][] = [
    [
      "a flipped bit",
      damaged(batchOf(["some value"]), whole.length - 3),
      ErrorCode.CORRUPT_MESSAGE,
    ],
    ["a torn batch", whole.subarray(0, whole.length - 1), ErrorCode.CORRUPT_MESSAGE],
    ["noise", new Uint8Array(100).fill(7), ErrorCode.CORRUPT_MESSAGE],
    ["an old format", damaged(batchOf(["a"]), 16).fill(1, 16, 17), 43],
    ["two batches", two, ErrorCode.INVALID_RECORD],
    ["a base offset", offset, ErrorCode.INVALID_RECORD],
  ];
  for (const [what, records, code] of cases) {
    assertEquals([what, refusal(records).errorCode], [what, code]);
  }
});

Deno.test("produce: acks other than -1, 0 and 1 are refused", () => {
  assertEquals(refusal(batchOf(["a"]), {}, 2).errorCode, ErrorCode.INVALID_REQUIRED_ACKS);
});

Deno.test("produce: a batch over max.message.bytes is refused, and says the limit", () => {
  const { errorCode, errorMessage } = refusal(batchOf(["x".repeat(2000)]), {
    "max.message.bytes": "1000",
  });
  assertEquals(errorCode, ErrorCode.MESSAGE_TOO_LARGE);
  assertStringIncludes(errorMessage!, "1000");
});

Deno.test("produce: with LogAppendTime the broker's clock counts, in answer and records", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "message.timestamp.type": "LogAppendTime" });
  const before = world.node.clock.wall();
  const { logAppendTimeMs } = world.produce(client, "orders", batchOf(["a"], { timestamp: 5 }));
  assert(logAppendTimeMs >= before && logAppendTimeMs <= world.node.clock.wall());
  const { timestamp, offset } = world.listOffset(client, "orders", -3);
  assertEquals([timestamp, offset], [logAppendTimeMs, 0]);
});

Deno.test("produce: with flush.before.ack nothing is answered or visible before the sync", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "flush.before.ack": "true" });
  world.node.disk.slowSyncs(5000);
  const pending = beginProduce(client, "orders", batchOf(["a"]));
  const parked = beginFetch(client, "orders", 0, { maxWaitMs: 60_000 });
  world.pass(4000);
  assertEquals([pending.isSettled, parked.isSettled], [false, false]);
  assertEquals(world.listOffset(client, "orders", -1).offset, 0);
  assertEquals(world.fetch(client, "orders").records, null);
  world.pass(1100);
  assertEquals(pending.response?.responses[0]?.partitionResponses[0]?.errorCode, 0);
  assertEquals(parked.isSettled, true);
  assertEquals(world.values(client, "orders"), ["a"]);
});

Deno.test("produce: acks=1 waits for the sync too, where flush.before.ack is set", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "flush.before.ack": "true" });
  world.node.disk.slowSyncs(5000);
  const pending = beginProduce(client, "orders", batchOf(["a"]), { acks: 1 });
  world.pass(4000);
  assertEquals(pending.isSettled, false);
  world.pass(1100);
  assertEquals(pending.response?.responses[0]?.partitionResponses[0]?.errorCode, 0);
});

Deno.test("produce: what waits for a sync is answered when that is asked for no more", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "flush.before.ack": "true" });
  world.node.disk.slowSyncs(3000);
  client.begin(INCREMENTAL_ALTER_CONFIGS, {
    resources: [{
      resourceType: 2,
      resourceName: "orders",
      configs: [{ name: "flush.before.ack", configOperation: 0, value: "false" }],
    }],
  });
  world.pass(100);
  const pending = beginProduce(client, "orders", batchOf(["a"]));
  world.pass(6500);
  assertEquals(pending.response?.responses[0]?.partitionResponses[0]?.errorCode, 0);
});

Deno.test("produce: a transactional batch without a transactional id is refused", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  const builder = new RecordBatchBuilder(new Uint8Array(200));
  builder.tryAppend(world.node.clock.wall(), null, "a");
  const batch = builder.build({
    isTransactional: true,
    producerId: 1,
    producerEpoch: 0,
    baseSequence: 0,
  });
  const { errorCode } = world.produce(client, "orders", batch);
  assertEquals(errorCode, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
});

Deno.test("produce: a request that waits too long is answered as timed out, once", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "flush.before.ack": "true" });
  world.node.disk.slowSyncs(5000);
  const { errorCode } = world.produce(client, "orders", batchOf(["a"]), { timeoutMs: 100 });
  assertEquals(errorCode, ErrorCode.REQUEST_TIMED_OUT);
  world.pass(10_000);
  assertEquals(world.values(client, "orders"), ["a"]);
  assertEquals(client.ended.isSettled, false);
});

for (const end of ["times out", "disconnects"] as const) {
  Deno.test(`produce: records of a request that ${end} are not taken from another's buffer`, () => {
    const held: (() => void)[] = [];
    let holds = false;
    const world = BrokerWorld.serving({
      wrapDisk: (disk) =>
        wrapDisk(disk, {
          sync: (path, proceed) => {
            if (holds && path.startsWith("orders-0/")) held.push(proceed);
            else proceed();
          },
        }),
    });
    const before = world.client();
    world.createTopic(before, "orders", 1, { "flush.before.ack": "true" });
    world.createTopic(before, "others");
    world.produce(before, "orders", batchOf(["old"]));
    // After a crash the partition serves when what it found is durable: until then appends wait.
    world.crash();
    holds = true;
    world.start();
    const client = world.client();
    beginProduce(client, "orders", batchOf(["mine!"]), { timeoutMs: 10 });
    world.pass(end === "times out" ? 50 : 5);
    if (end === "disconnects") client.close(true);
    world.pass(50);
    for (let i = 0; i < 20; i++) {
      const other = end === "times out" ? client : world.client();
      world.produce(other, "others", batchOf(["other"]));
    }
    holds = false;
    for (const proceed of held) proceed();
    world.pass(100);
    const reader = world.client();
    assertEquals(world.values(reader, "orders"), ["old", "mine!"]);
  });
}
