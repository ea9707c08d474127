import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { incrementalAlterConfigs } from "../../../actors/controller/configs.ts";
import { createPartitions, createTopics, deleteTopics } from "../../../actors/controller/topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import type { CreatableTopic } from "../../../net/messages/create_topics.ts";
import type { DeleteTopicState } from "../../../net/messages/delete_topics.ts";
import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { brokerRecord, commit, contextOf, idOf, imageOf, topicRecords } from "./images.ts";

function topic(name: string, changes: Partial<CreatableTopic> = {}): CreatableTopic {
  return {
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...changes,
  };
}

function creation(...topics: CreatableTopic[]) {
  return { topics, timeoutMs: 1000, validateOnly: false };
}

Deno.test("topics: a topic is created with the broker's defaults", () => {
  const image = imageOf(brokerRecord(1));
  const context = contextOf(image, { "num.partitions": "3" });
  const response = commit(image, createTopics(context, creation(topic("orders"))));
  const created = response.topics[0];
  assertEquals(created?.errorCode, ErrorCode.NONE);
  assertEquals([created?.numPartitions, created?.replicationFactor], [3, 1]);
  assertEquals(image.topicByName("orders")?.id, created?.topicId);
  const partitions = image.topicByName("orders")?.partitions;
  assertEquals(partitions?.map(({ leader, isr }) => [leader, isr]), [[1, [1]], [1, [1]], [1, [1]]]);
});

Deno.test("topics: the topic's own configs are written", () => {
  const image = imageOf(brokerRecord(1));
  const configs = [{ name: "retention.ms", value: "5" }];
  commit(image, createTopics(contextOf(image), creation(topic("a", { configs }))));
  assertEquals([...image.configs(2, "a")], [["retention.ms", "5"]]);
});

Deno.test("topics: a check alone writes nothing", () => {
  const context = contextOf(imageOf(brokerRecord(1)));
  const decision = createTopics(context, { ...creation(topic("a")), validateOnly: true });
  assertEquals(decision.records, []);
  assertEquals(decision.response.topics[0]?.errorCode, ErrorCode.NONE);
});

const refusedTopics: readonly (readonly [string, CreatableTopic, ErrorCode])[] = [
  ["exists", topic("taken"), ErrorCode.TOPIC_ALREADY_EXISTS],
  ["has no name", topic(""), ErrorCode.INVALID_TOPIC_EXCEPTION],
  ["is named ..", topic(".."), ErrorCode.INVALID_TOPIC_EXCEPTION],
  ["has a blank in its name", topic("a b"), ErrorCode.INVALID_TOPIC_EXCEPTION],
  ["climbs out of its folder", topic("../x"), ErrorCode.INVALID_TOPIC_EXCEPTION],
  ["is the metadata log", topic("__cluster_metadata"), ErrorCode.TOPIC_AUTHORIZATION_FAILED],
  ["has a name of 250 letters", topic("a".repeat(250)), ErrorCode.INVALID_TOPIC_EXCEPTION],
  ["differs from another by a dot", topic("with_dot"), ErrorCode.INVALID_TOPIC_EXCEPTION],
  ["has no partition", topic("a", { numPartitions: 0 }), ErrorCode.INVALID_PARTITIONS],
  ["has too many partitions", topic("a", { numPartitions: 10_001 }), ErrorCode.INVALID_PARTITIONS],
  [
    "wants more replicas than there are brokers",
    topic("a", { replicationFactor: 2 }),
    ErrorCode.INVALID_REPLICATION_FACTOR,
  ],
  [
    "wants no replica",
    topic("a", { replicationFactor: 0 }),
    ErrorCode.INVALID_REPLICATION_FACTOR,
  ],
  [
    "has an unknown config",
    topic("a", { configs: [{ name: "retention", value: "1" }] }),
    ErrorCode.INVALID_CONFIG,
  ],
  [
    "has a config without a value",
    topic("a", { configs: [{ name: "retention.ms", value: null }] }),
    ErrorCode.INVALID_CONFIG,
  ],
  [
    "is placed on a broker that is not there",
    topic("a", { assignments: [{ partitionIndex: 0, brokerIds: [7] }] }),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
  ],
  [
    "is placed with a gap",
    topic("a", { assignments: [{ partitionIndex: 1, brokerIds: [1] }] }),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
  ],
  [
    "is placed by hand and by numbers",
    topic("a", { numPartitions: 1, assignments: [{ partitionIndex: 0, brokerIds: [1] }] }),
    ErrorCode.INVALID_REQUEST,
  ],
  [
    "is placed by hand on too many partitions",
    topic("a", {
      assignments: Array.from({ length: 10_001 }, (_, partitionIndex) => ({
        partitionIndex,
        brokerIds: [1],
      })),
    }),
    ErrorCode.INVALID_PARTITIONS,
  ],
];

for (const [name, refused, code] of refusedTopics) {
  Deno.test(`topics: one that ${name} is refused, the others are created`, () => {
    const image = imageOf(brokerRecord(1), topicRecords("taken", 1), topicRecords("with.dot", 1));
    const request = creation(topic("before"), refused, topic("after"));
    const { topics } = commit(image, createTopics(contextOf(image), request));
    assertEquals(topics.map(({ errorCode }) => errorCode), [0, code, 0]);
    assertEquals(topics[1]?.topicId, ZERO_UUID);
    assertEquals([...image.topics.keys()], ["taken", "with.dot", "before", "after"]);
  });
}

Deno.test("topics: one named twice in a request is refused, once", () => {
  const image = imageOf(brokerRecord(1));
  const { topics } = commit(
    image,
    createTopics(contextOf(image), creation(topic("a"), topic("a"))),
  );
  assertEquals(topics.map(({ errorCode }) => errorCode), [ErrorCode.INVALID_REQUEST]);
  assertEquals(image.topics.size, 0);
});

Deno.test("topics: names that collide are refused within one request too", () => {
  const image = imageOf(brokerRecord(1));
  const request = creation(topic("a.b"), topic("a_b"));
  const { topics } = commit(image, createTopics(contextOf(image), request));
  assertEquals(topics.map(({ errorCode }) => errorCode), [0, ErrorCode.INVALID_TOPIC_EXCEPTION]);
});

Deno.test("topics: the partitions of one request are limited over all its topics", () => {
  const image = imageOf(brokerRecord(1));
  const request = creation(
    topic("a", { numPartitions: 6000 }),
    topic("b", { numPartitions: 6000 }),
    topic("c", { numPartitions: 4000 }),
  );
  const { topics } = createTopics(contextOf(image), request).response;
  assertEquals(topics.map(({ errorCode }) => errorCode), [0, ErrorCode.INVALID_PARTITIONS, 0]);
});

Deno.test("topics: one is deleted by name or by id", () => {
  const image = imageOf(brokerRecord(1), topicRecords("a", 1), topicRecords("b", 1));
  const { responses } = commit(
    image,
    deleteTopics(contextOf(image), {
      topics: [
        { name: "a", topicId: ZERO_UUID },
        { name: null, topicId: idOf("b") },
        { name: "none", topicId: ZERO_UUID },
        { name: null, topicId: idOf("none") },
      ],
      topicNames: [],
      timeoutMs: 1000,
    }),
  );
  assertEquals(responses.map(({ errorCode }) => errorCode), [
    ErrorCode.NONE,
    ErrorCode.NONE,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode.UNKNOWN_TOPIC_ID,
  ]);
  assertEquals(image.topics.size, 0);
});

const none = { name: null, topicId: ZERO_UUID };
const byName = { name: "a", topicId: ZERO_UUID };
const byId = { name: null, topicId: idOf("a") };
const notDeleted: readonly (readonly [string, readonly DeleteTopicState[]])[] = [
  ["twice by name", [byName, byName]],
  ["by name and by id", [byName, byId]],
  ["by both at once", [{ name: "a", topicId: idOf("a") }]],
  ["by neither", [none]],
];
for (const [how, topics] of notDeleted) {
  Deno.test(`topics: one that is to be deleted ${how} is refused, once, and stays`, () => {
    const image = imageOf(brokerRecord(1), topicRecords("a", 1));
    const request = { topics, topicNames: [], timeoutMs: 1000 };
    const { responses } = commit(image, deleteTopics(contextOf(image), request));
    assertEquals(responses.map(({ errorCode }) => errorCode), [ErrorCode.INVALID_REQUEST]);
    assertEquals(image.topics.size, 1);
  });
}

Deno.test("topics: none is deleted where delete.topic.enable is false", () => {
  const image = imageOf(brokerRecord(1), topicRecords("a", 1));
  const context = contextOf(image, { "delete.topic.enable": "false" });
  const request = { topics: [], topicNames: ["a"], timeoutMs: 1000 };
  const { responses } = commit(image, deleteTopics(context, request));
  assertEquals(responses[0]?.errorCode, ErrorCode.TOPIC_DELETION_DISABLED);
  assertEquals(image.topics.size, 1);
});

function growth(name: string, count: number, assignments: { brokerIds: number[] }[] | null = null) {
  return { topics: [{ name, count, assignments }], timeoutMs: 1000, validateOnly: false };
}

Deno.test("topics: partitions are added after those that there are", () => {
  const image = imageOf(brokerRecord(1), topicRecords("a", 2));
  const { results } = commit(image, createPartitions(contextOf(image), growth("a", 5)));
  assertEquals(results[0]?.errorCode, ErrorCode.NONE);
  assertEquals(image.topicByName("a")?.partitions.length, 5);
});

Deno.test("topics: added partitions stand where they are placed by hand", () => {
  const image = imageOf(brokerRecord(1), brokerRecord(2), topicRecords("a", 1));
  commit(image, createPartitions(contextOf(image), growth("a", 2, [{ brokerIds: [2] }])));
  assertEquals(image.topicByName("a")?.partitions[1]?.leader, 2);
});

const refusedGrowth: readonly (readonly [string, ReturnType<typeof growth>, ErrorCode])[] = [
  ["of no topic", growth("b", 3), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ["to as many as there are", growth("a", 2), ErrorCode.INVALID_PARTITIONS],
  ["to fewer", growth("a", 1), ErrorCode.INVALID_PARTITIONS],
  ["by too many", growth("a", 20_000), ErrorCode.INVALID_PARTITIONS],
  [
    "with too few places",
    growth("a", 4, [{ brokerIds: [1] }]),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
  ],
  [
    "on a broker that is not there",
    growth("a", 3, [{ brokerIds: [9] }]),
    ErrorCode.INVALID_REPLICA_ASSIGNMENT,
  ],
];

for (const [name, request, code] of refusedGrowth) {
  Deno.test(`topics: to add partitions ${name} is refused`, () => {
    const image = imageOf(brokerRecord(1), topicRecords("a", 2));
    const { results } = commit(image, createPartitions(contextOf(image), request));
    assertEquals(results[0]?.errorCode, code);
    assertEquals(image.partitionCount, 2);
  });
}

Deno.test("topics: whatever is asked in whatever order, what is decided can be replayed", () => {
  const name = fc.constantFrom("a", "b.c", "b_c", "", "d e");
  const count = fc.integer({ min: -2, max: 4 });
  const ask = fc.record({ kind: fc.nat(3), names: fc.array(name, { maxLength: 4 }), count });
  fc.assert(fc.property(fc.array(ask, { maxLength: 12 }), (asks) => {
    const image = imageOf(brokerRecord(1), brokerRecord(2));
    const context = contextOf(image);
    for (const { kind, names, count } of asks) {
      const request = { timeoutMs: 1, validateOnly: false };
      if (kind === 0) {
        const topics = names.map((name) => topic(name, { numPartitions: count }));
        commit(image, createTopics(context, { ...request, topics }));
      } else if (kind === 1) {
        commit(image, deleteTopics(context, { ...request, topics: [], topicNames: names }));
      } else if (kind === 2) {
        const topics = names.map((name) => ({ name, count, assignments: null }));
        commit(image, createPartitions(context, { ...request, topics }));
      } else {
        const configs = [{ name: "flush.ms", configOperation: 0, value: String(count) }];
        const resources = names.map((resourceName) => ({ resourceType: 2, resourceName, configs }));
        commit(image, incrementalAlterConfigs(context, { ...request, resources }));
      }
    }
    const partitions = [...image.topics.values()].flatMap((topic) => topic.partitions);
    assertEquals(image.partitionCount, partitions.length);
  }));
});
