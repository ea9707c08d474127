import { assertEquals } from "@std/assert";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../net/messages/offset_for_leader_epoch.ts";
import { compressWith } from "./damaged_batches.ts";
import { batchOf, beginProduce, BrokerWorld } from "./broker_world.ts";
import type { TestClient } from "./test_client.ts";

const NOTHING = { errorCode: 0, timestamp: -1, offset: -1 };

/** Three batches of two records, at times 1000, 3000 and 2000. */
function timed(configs: Readonly<Record<string, string>> = {}): [BrokerWorld, TestClient] {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1, { "retention.ms": "-1", ...configs });
  for (const timestamp of [1000, 3000, 2000]) {
    world.produce(client, "orders", batchOf(["a", "b"], { timestamp }));
  }
  return [world, client];
}

function found(world: BrokerWorld, client: TestClient, timestamp: number) {
  const { errorCode, timestamp: time, offset } = world.listOffset(client, "orders", timestamp);
  return { errorCode, timestamp: time, offset };
}

Deno.test("list offsets: -1 is the high watermark, -2 and -4 the log start", () => {
  const [world, client] = timed();
  assertEquals(found(world, client, -1), { ...NOTHING, offset: 6 });
  assertEquals(found(world, client, -2), { ...NOTHING, offset: 0 });
  assertEquals(found(world, client, -4), { ...NOTHING, offset: 0 });
  assertEquals(found(world, client, -5), NOTHING);
});

Deno.test("list offsets: -3 is the first record of the largest timestamp", () => {
  const [world, client] = timed();
  assertEquals(found(world, client, -3), { errorCode: 0, timestamp: 3000, offset: 2 });
});

Deno.test("list offsets: a time gives the first record at that time or later, or none", () => {
  const [world, client] = timed();
  assertEquals(found(world, client, 0), { errorCode: 0, timestamp: 1000, offset: 0 });
  assertEquals(found(world, client, 1001), { errorCode: 0, timestamp: 3000, offset: 2 });
  assertEquals(found(world, client, 3001), NOTHING);
});

Deno.test("list offsets: an empty partition has no time, an unknown one an error", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders");
  assertEquals(found(world, client, 0), NOTHING);
  assertEquals(found(world, client, -3), NOTHING);
  const { errorCode } = world.listOffset(client, "none", -1);
  assertEquals(errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
});

Deno.test("list offsets: a special timestamp that the version does not know is refused", () => {
  const world = BrokerWorld.serving({ kafka: true });
  const client = world.kafkaClient();
  world.createTopic(world.client(), "orders");
  const codesOf = (timestamp: number) =>
    [1, 6, 7, 8, 9].map((version) => {
      const topics = [{ name: "orders", partitions: [{ partitionIndex: 0, timestamp }] }];
      const request = { replicaId: -1, topics };
      const answer = world.settled(client.begin(LIST_OFFSETS, request, version));
      return answer.topics[0]?.partitions[0]?.errorCode;
    });
  const refused = ErrorCode.UNSUPPORTED_VERSION;
  assertEquals(codesOf(-2), [0, 0, 0, 0, 0]);
  assertEquals(codesOf(-3), [refused, refused, 0, 0, 0]);
  assertEquals(codesOf(-4), [refused, refused, refused, 0, 0]);
  assertEquals(codesOf(-5), [refused, refused, refused, refused, 0]);
  assertEquals(codesOf(-6), [refused, refused, refused, refused, refused]);
  assertEquals(codesOf(-77), [refused, refused, refused, refused, refused]);
});

Deno.test("list offsets: a partition that is named twice has no answer but that", () => {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 3);
  const at = (...indexes: number[]) =>
    indexes.map((partitionIndex) => ({ partitionIndex, timestamp: -1 }));
  const topics = [
    { name: "orders", partitions: at(0, 1, 0) },
    { name: "none", partitions: at(0, 0) },
    { name: "orders", partitions: at(2, 1) },
  ];
  const answer = world.ask(client, LIST_OFFSETS, { replicaId: -1, topics });
  const refused = ErrorCode.INVALID_REQUEST;
  assertEquals(
    answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCode)),
    [[refused, refused], [refused], [0]],
  );
});

Deno.test("list offsets: what is not visible has no offset yet", () => {
  const [world, client] = timed({ "flush.before.ack": "true" });
  world.node.disk.slowSyncs(5000);
  beginProduce(client, "orders", batchOf(["late"], { timestamp: 9000 }));
  world.pass(10);
  assertEquals(found(world, client, -1).offset, 6);
  assertEquals(found(world, client, 9000), NOTHING);
  world.pass(6000);
  assertEquals(found(world, client, 9000), { errorCode: 0, timestamp: 9000, offset: 6 });
});

Deno.test("list offsets: a leader epoch that is not the leader's is refused", () => {
  const [world, client] = timed();
  const { topics } = world.ask(client, LIST_OFFSETS, {
    replicaId: -1,
    topics: [{ name: "orders", partitions: [{ timestamp: -1, currentLeaderEpoch: 5 }] }],
  });
  assertEquals(topics[0]!.partitions[0]!.errorCode, ErrorCode.UNKNOWN_LEADER_EPOCH);
});

Deno.test("list offsets: a batch that cannot be decompressed is an error of its own", () => {
  const [world, client] = timed();
  for (const kind of ["garbage", "bomb"] as const) {
    const batch = compressWith(kind, 5000);
    assertEquals(world.produce(client, "orders", batch).errorCode, 0);
    assertEquals(found(world, client, 5000).errorCode, ErrorCode.CORRUPT_MESSAGE);
    // What does not have to look into it goes on.
    assertEquals(found(world, client, 2500), { errorCode: 0, timestamp: 3000, offset: 2 });
    assertEquals(world.produce(client, "orders", batchOf(["c"])).errorCode, 0);
  }
  assertEquals(world.linesWith("offline"), []);
});

Deno.test("delete records: raises the log start, and older records are out of range", () => {
  const [world, client] = timed();
  assertEquals(world.deleteRecords(client, "orders", 3), [0, 3]);
  assertEquals(found(world, client, -2).offset, 3);
  assertEquals(world.fetch(client, "orders", 2).errorCode, ErrorCode.OFFSET_OUT_OF_RANGE);
  assertEquals(world.fetch(client, "orders", 3).logStartOffset, 3);
  assertEquals(world.deleteRecords(client, "orders", 1), [0, 3]);
  assertEquals(world.deleteRecords(client, "orders", -1), [0, 6]);
  assertEquals(found(world, client, -2).offset, 6);
});

Deno.test("delete records: stays so over an orderly restart", () => {
  const [world, client] = timed();
  world.deleteRecords(client, "orders", 3);
  world.stop();
  world.start();
  assertEquals(found(world, world.client(), -2).offset, 3);
});

Deno.test("delete records: past the high watermark, or of nothing, is refused", () => {
  const [world, client] = timed();
  assertEquals(world.deleteRecords(client, "orders", 7), [ErrorCode.OFFSET_OUT_OF_RANGE, -1]);
  assertEquals(world.deleteRecords(client, "orders", -2), [ErrorCode.OFFSET_OUT_OF_RANGE, -1]);
  const unknown = world.deleteRecords(client, "none", 1);
  assertEquals(unknown, [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1]);
});

Deno.test("delete records: of a compacted topic is against its policy", () => {
  const [world, client] = timed({ "cleanup.policy": "compact" });
  assertEquals(world.deleteRecords(client, "orders", 3), [ErrorCode.POLICY_VIOLATION, -1]);
});

Deno.test("offset for leader epoch: where each epoch ends, found again after a crash", () => {
  const [world, client] = timed();
  world.crash();
  world.start();
  const again = world.client();
  world.produce(again, "orders", batchOf(["c"]));
  const endOf = (leaderEpoch: number, currentLeaderEpoch = -1) => {
    const { topics } = world.ask(again, OFFSET_FOR_LEADER_EPOCH, {
      topics: [{ topic: "orders", partitions: [{ leaderEpoch, currentLeaderEpoch }] }],
    });
    const { errorCode, leaderEpoch: epoch, endOffset } = topics[0]!.partitions[0]!;
    return [errorCode, epoch, endOffset];
  };
  client.close();
  assertEquals(endOf(0), [0, 0, 6]);
  // In epoch 1 nobody led.
  assertEquals(endOf(1), [0, 0, 6]);
  assertEquals(endOf(2), [0, 2, 7]);
  assertEquals(endOf(3), [0, -1, -1]);
  assertEquals(endOf(2, 0), [ErrorCode.FENCED_LEADER_EPOCH, -1, -1]);
  assertEquals(endOf(2, 3), [ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1]);
});
