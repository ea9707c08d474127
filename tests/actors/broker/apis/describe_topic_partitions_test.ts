import { assertEquals } from "@std/assert";
import {
  DESCRIBE_TOPIC_PARTITIONS,
  type DescribeTopicPartitionsResponse,
} from "../../../../net/messages/describe_topic_partitions.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { BrokerWorld } from "../broker_world.ts";

/** `name` and the indexes of the partitions that are told of. */
function told({ topics }: DescribeTopicPartitionsResponse): [string | null, number[]][] {
  return topics.map(({ name, partitions }) => [
    name,
    partitions.map(({ partitionIndex }) => partitionIndex),
  ]);
}

function withTopics() {
  const world = BrokerWorld.serving();
  const client = world.client();
  for (const [name, partitions] of [["b", 3], ["a", 2], ["c", 1]] as const) {
    world.createTopic(client, name, partitions);
  }
  return { world, client };
}

Deno.test("describe topic partitions: leader, replicas and who else may lead", () => {
  const { world, client } = withTopics();
  const { topics, nextCursor } = world.ask(client, DESCRIBE_TOPIC_PARTITIONS, {
    topics: [{ name: "c" }],
  });
  assertEquals(nextCursor, null);
  const [{ topicId, partitions, ...topic }] = topics as [typeof topics[number]];
  assertEquals(topicId.length, 22);
  assertEquals([topic.errorCode, topic.name, topic.isInternal], [0, "c", false]);
  assertEquals(partitions, [{
    errorCode: 0,
    partitionIndex: 0,
    leaderId: 1,
    leaderEpoch: 0,
    replicaNodes: [1],
    isrNodes: [1],
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
    offlineReplicas: [],
  }]);
});

Deno.test("describe topic partitions: page by page, by name, each partition once", () => {
  const { world, client } = withTopics();
  const pages: [string | null, number[]][][] = [];
  let cursor: DescribeTopicPartitionsResponse["nextCursor"] = null;
  do {
    const page: DescribeTopicPartitionsResponse = world.ask(client, DESCRIBE_TOPIC_PARTITIONS, {
      topics: [],
      responsePartitionLimit: 2,
      cursor,
    });
    pages.push(told(page));
    cursor = page.nextCursor;
  } while (cursor !== null);
  assertEquals(pages, [[["a", [0, 1]]], [["b", [0, 1]]], [["b", [2]], ["c", [0]]]]);
});

Deno.test("describe topic partitions: max.request.partition.size.limit holds whatever is asked", () => {
  const properties = { "max.request.partition.size.limit": "1" };
  const world = BrokerWorld.serving({ properties });
  const client = world.client();
  world.createTopic(client, "a", 2);
  const page = world.ask(client, DESCRIBE_TOPIC_PARTITIONS, { topics: [] });
  assertEquals(told(page), [["a", [0]]]);
  assertEquals(page.nextCursor, { topicName: "a", partitionIndex: 1 });
});

Deno.test("describe topic partitions: what is not there is said so, and a cursor must be of it", () => {
  const { world, client } = withTopics();
  const { topics } = world.ask(client, DESCRIBE_TOPIC_PARTITIONS, {
    topics: [{ name: "none" }, { name: "a" }],
  });
  assertEquals(topics.map(({ name, errorCode }) => [name, errorCode]), [
    ["a", ErrorCode.NONE],
    ["none", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ]);
  const cursors = [
    { topicName: "b", partitionIndex: 0 },
    { topicName: "a", partitionIndex: -1 },
  ];
  for (const cursor of cursors) {
    const refused = world.ask(client, DESCRIBE_TOPIC_PARTITIONS, {
      topics: [{ name: "a" }],
      cursor,
    });
    assertEquals(refused.topics.map(({ errorCode }) => errorCode), [ErrorCode.INVALID_REQUEST]);
  }
});
