import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Admin } from "../../../../actors/client/admin/admin.ts";
import {
  ApiError,
  BrokerNotAvailableError,
  type ClientError,
  TimeoutError,
  UnknownTopicError,
} from "../../../../actors/client/errors.ts";
import { CREATE_PARTITIONS } from "../../../../net/messages/create_partitions.ts";
import { CREATE_TOPICS, type CreateTopicsRequest } from "../../../../net/messages/create_topics.ts";
import {
  DELETE_RECORDS,
  type DeleteRecordsRequest,
} from "../../../../net/messages/delete_records.ts";
import { DELETE_TOPICS } from "../../../../net/messages/delete_topics.ts";
import { DESCRIBE_CLUSTER } from "../../../../net/messages/describe_cluster.ts";
import {
  DESCRIBE_CONFIGS,
  type DescribeConfigsRequest,
} from "../../../../net/messages/describe_configs.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../../net/messages/incremental_alter_configs.ts";
import { METADATA } from "../../../../net/messages/metadata.ts";
import type { Api } from "../../../../net/schema.ts";
import { RecordBatchBuilder } from "../../../../storage/record_batch_builder.ts";
import { ClientWorld } from "../client_world.ts";

interface Setup {
  readonly world: ClientWorld;
  readonly admin: Admin;
}

async function setUp(brokers = 1, config = {}): Promise<Setup> {
  const world = new ClientWorld({ brokers });
  const { environment } = world;
  const admin = await world.settled(Admin.connect(world.bootstrap, { ...config, environment }));
  return { world, admin };
}

/** Has an API answered so, and tells the requests that came and the brokers they came to. */
function answer<Request>(
  { world }: Setup,
  api: Api<Request, unknown>,
  respond: (request: Request, node: number) => Record<string, unknown>,
): { readonly request: Request; readonly node: number }[] {
  const seen: { readonly request: Request; readonly node: number }[] = [];
  world.cluster.handlers.set(api as Api, (request, { nodeId }, reply) => {
    seen.push({ request, node: nodeId });
    reply(respond(request, nodeId));
  });
  return seen;
}

async function failure({ world }: Setup, promise: Promise<unknown>): Promise<ClientError> {
  try {
    await world.settled(promise);
  } catch (error) {
    return error as ClientError;
  }
  throw new Error("The promise was fulfilled");
}

Deno.test("admin: topics are created with what is given, the rest left to the broker", async () => {
  const setup = await setUp();
  const seen = answer(setup, CREATE_TOPICS, ({ topics }: CreateTopicsRequest) => ({
    topics: topics.map(({ name }) => ({ name })),
  }));
  await setup.world.settled(setup.admin.createTopics([
    { name: "plain" },
    { name: "shaped", partitions: 3, replicationFactor: 2, configs: { "retention.ms": "5" } },
    { name: "placed", assignments: [[1, 2], [2, 1]] },
  ], { validateOnly: true }));
  const { request } = seen[0]!;
  assertEquals(request.validateOnly, true);
  assertEquals(request.topics, [
    { name: "plain", numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] },
    {
      name: "shaped",
      numPartitions: 3,
      replicationFactor: 2,
      assignments: [],
      configs: [{ name: "retention.ms", value: "5" }],
    },
    {
      name: "placed",
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [
        { partitionIndex: 0, brokerIds: [1, 2] },
        { partitionIndex: 1, brokerIds: [2, 1] },
      ],
      configs: [],
    },
  ]);
  await setup.world.settled(setup.admin.close());
});

Deno.test("admin: an item's error rejects with its name, the item and the broker's words", async () => {
  const setup = await setUp();
  answer(setup, CREATE_TOPICS, () => ({
    topics: [
      { name: "fine" },
      { name: "t", errorCode: ErrorCode.TOPIC_ALREADY_EXISTS, errorMessage: "It is there" },
    ],
  }));
  const error = await failure(setup, setup.admin.createTopics([{ name: "fine" }, { name: "t" }]));
  assertInstanceOf(error, ApiError);
  assertEquals(error.errorName, "TOPIC_ALREADY_EXISTS");
  assertEquals(error.message, "Cannot create topic t: It is there (TOPIC_ALREADY_EXISTS)");
  await setup.world.settled(setup.admin.close());
});

Deno.test("admin: topics are listed by name, without the brokers' own, and described", async () => {
  const setup = await setUp(2);
  const { world, admin } = setup;
  world.cluster.createTopic("b", 2);
  world.cluster.createTopic("a", 1);
  assertEquals(await world.settled(admin.listTopics()), ["a", "b"]);
  const [topic] = await world.settled(admin.describeTopics(["b"]));
  assertEquals(topic!.name, "b");
  assertEquals(topic!.partitions.map(({ partition, leader }) => [partition, leader]), [
    [0, 1],
    [1, 2],
  ]);
  assertEquals((await world.settled(admin.describeTopics())).map(({ name }) => name), ["a", "b"]);
  const error = await failure(setup, admin.describeTopics(["a", "none"]));
  assertInstanceOf(error, UnknownTopicError);
  assert(error.message.includes("none"), error.message);
  await world.settled(admin.close());
});

Deno.test("admin: topics are deleted, partitions added", async () => {
  const setup = await setUp();
  const { world, admin } = setup;
  const deleted = answer(setup, DELETE_TOPICS, () => ({
    responses: [{ name: "a" }, { name: "b", errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }],
  }));
  assertInstanceOf(await failure(setup, admin.deleteTopics(["a", "b"])), UnknownTopicError);
  assertEquals(deleted[0]!.request.topics.map(({ name }) => name), ["a", "b"]);
  const added = answer(setup, CREATE_PARTITIONS, () => ({ results: [{ name: "a" }] }));
  await world.settled(admin.createPartitions([{ name: "a", count: 7 }]));
  assertEquals(added[0]!.request.topics, [{ name: "a", count: 7, assignments: null }]);
  await world.settled(admin.close());
});

Deno.test("admin: a broker's configs are asked of that broker, a topic's of any", async () => {
  const setup = await setUp(2);
  const { world, admin } = setup;
  const seen = answer(setup, DESCRIBE_CONFIGS, (request: DescribeConfigsRequest, node) => ({
    results: request.resources.map(({ resourceType, resourceName }) => ({
      resourceType,
      resourceName,
      configs: [{ name: "told.by", value: String(node) }],
    })),
  }));
  const described = await world.settled(admin.describeConfigs([
    { type: "broker", name: "2" },
    { type: "topic", name: "t", keys: ["retention.ms"] },
    { type: "broker", name: "1" },
  ]));
  assertEquals(described.map(({ type, name }) => `${type} ${name}`), [
    "broker 2",
    "topic t",
    "broker 1",
  ]);
  assertEquals(described[0]!.configs[0]!.value, "2");
  assertEquals(described[2]!.configs[0]!.value, "1");
  const ofTopic = seen.find(({ request }) => request.resources[0]!.resourceName === "t")!;
  assertEquals(ofTopic.request.resources[0]!.configurationKeys, ["retention.ms"]);
  const error = await failure(setup, admin.describeConfigs([{ type: "broker", name: "9" }]));
  assertInstanceOf(error, BrokerNotAvailableError);
  await world.settled(admin.close());
});

Deno.test("admin: configs are set, deleted, appended to and subtracted from", async () => {
  const setup = await setUp();
  const { world, admin } = setup;
  const seen = answer(setup, INCREMENTAL_ALTER_CONFIGS, () => ({ responses: [] }));
  await world.settled(admin.alterConfigs([{
    type: "topic",
    name: "t",
    set: { a: "1" },
    delete: ["b"],
    append: { c: "x" },
    subtract: { d: "y" },
  }]));
  assertEquals(seen[0]!.request.resources, [{
    resourceType: 2,
    resourceName: "t",
    configs: [
      { name: "a", configOperation: 0, value: "1" },
      { name: "b", configOperation: 1, value: null },
      { name: "c", configOperation: 2, value: "x" },
      { name: "d", configOperation: 3, value: "y" },
    ],
  }]);
  answer(setup, INCREMENTAL_ALTER_CONFIGS, () => ({
    responses: [{ errorCode: ErrorCode.INVALID_CONFIG, errorMessage: "No", resourceName: "t" }],
  }));
  const error = await failure(setup, admin.alterConfigs([{ type: "topic", name: "t" }]));
  assertEquals(error.errorName, "INVALID_CONFIG");
  await world.settled(admin.close());
});

Deno.test("admin: records are deleted by the leaders of their partitions", async () => {
  const setup = await setUp(2);
  const { world, admin } = setup;
  world.cluster.createTopic("t", 2);
  const seen = answer(setup, DELETE_RECORDS, ({ topics }: DeleteRecordsRequest, node) => ({
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, offset }) => ({
        partitionIndex,
        lowWatermark: offset + node,
      })),
    })),
  }));
  const deleted = await world.settled(admin.deleteRecords([
    { topic: "t", partition: 0, beforeOffset: 10 },
    { topic: "t", partition: 1, beforeOffset: 20 },
  ]));
  assertEquals(deleted, [
    { topic: "t", partition: 0, lowWatermark: 11 },
    { topic: "t", partition: 1, lowWatermark: 22 },
  ]);
  assertEquals(seen.map(({ node }) => node).sort(), [1, 2]);
  await world.settled(admin.close());
});

Deno.test("admin: offsets are listed by name and by time", async () => {
  const setup = await setUp();
  const { world, admin } = setup;
  const topic = world.cluster.createTopic("t", 1);
  const builder = new RecordBatchBuilder(new Uint8Array(1000));
  for (const timestamp of [100, 200, 300]) builder.tryAppend(timestamp, null, "x");
  topic.partitions[0]!.append(builder.build());
  const ats = ["earliest", "latest", { timestamp: 150 }, { timestamp: 999 }] as const;
  const offsets: number[] = [];
  for (const at of ats) {
    const [answer] = await world.settled(admin.listOffsets([{ topic: "t", partition: 0, at }]));
    offsets.push(answer!.offset);
  }
  assertEquals(offsets, [0, 3, 1, -1]);
  await world.settled(admin.close());
});

Deno.test("admin: the cluster is described", async () => {
  const setup = await setUp();
  answer(setup, DESCRIBE_CLUSTER, () => ({
    clusterId: "abc",
    controllerId: 1,
    brokers: [
      { brokerId: 1, host: "h", port: 5 },
      { brokerId: 2, host: "i", port: 6, rack: "r", isFenced: true },
    ],
  }));
  assertEquals(await setup.world.settled(setup.admin.describeCluster()), {
    clusterId: "abc",
    controllerId: 1,
    brokers: [
      { nodeId: 1, host: "h", port: 5, rack: null, isFenced: false },
      { nodeId: 2, host: "i", port: 6, rack: "r", isFenced: true },
    ],
  });
  await setup.world.settled(setup.admin.close());
});

/** The fake brokers hear of a change when they are asked of topics or configs a third time. */
function hearLate({ world }: Setup, change: () => void): void {
  let asked = 0;
  world.cluster.intercept = (api) => {
    if ((api === METADATA || api === DESCRIBE_CONFIGS) && ++asked === 3) change();
    return undefined;
  };
}

Deno.test("admin: who creates and deletes topics sees it at once, whatever brokers have heard", async () => {
  const setup = await setUp();
  const { world, admin } = setup;
  const { cluster } = world;
  answer(setup, CREATE_TOPICS, ({ topics }) => ({ topics: topics.map(({ name }) => ({ name })) }));
  answer(setup, DESCRIBE_CONFIGS, ({ resources }) => ({
    results: resources.map(({ resourceType, resourceName }) => {
      const errorCode = cluster.topics.has(resourceName) ? 0 : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return { resourceType, resourceName, errorCode };
    }),
  }));
  const create = async (name: string) => {
    await world.settled(admin.createTopics([{ name }]));
    hearLate(setup, () => cluster.createTopic(name, 1));
  };
  await create("described");
  assertEquals((await world.settled(admin.describeTopics(["described"]))).length, 1);
  await create("listed");
  assertEquals(await world.settled(admin.listTopics()), ["described", "listed"]);
  await create("configured");
  await world.settled(admin.describeConfigs([{ type: "topic", name: "configured" }]));

  answer(setup, DELETE_TOPICS, ({ topics }) => ({
    responses: topics.map(({ name }) => ({ name, topicId: cluster.topics.get(name!)!.topicId })),
  }));
  await world.settled(admin.deleteTopics(["listed"]));
  hearLate(setup, () => cluster.topics.delete("listed"));
  assertEquals(await world.settled(admin.listTopics()), ["configured", "described"]);
  await world.settled(admin.close());
});

Deno.test("admin: a topic that never comes to be known is unknown, after a while", async () => {
  const setup = await setUp();
  const { world, admin } = setup;
  answer(setup, CREATE_TOPICS, () => ({ topics: [{ name: "gone" }] }));
  await world.settled(admin.createTopics([{ name: "gone" }], { validateOnly: true }));
  const before = world.nowMs;
  assertInstanceOf(await failure(setup, admin.describeTopics(["gone"])), UnknownTopicError);
  assertEquals(world.nowMs - before < 100, true, "Nothing was created");
  await world.settled(admin.createTopics([{ name: "gone" }]));
  assertInstanceOf(await failure(setup, admin.describeTopics(["gone"])), UnknownTopicError);
  assertEquals(await world.settled(admin.listTopics()), []);
  const waited = world.nowMs - before;
  assert(waited >= 4900 && waited < 7000, `${waited} ms`);
  await world.settled(admin.close());
});

Deno.test("admin: an operation whose connection is lost is repeated, until its time is up", async () => {
  const setup = await setUp(1, { defaultApiTimeoutMs: 3000 });
  const { world, admin } = setup;
  let losses = 2;
  answer(setup, DESCRIBE_CLUSTER, () => ({ clusterId: "abc" }));
  world.cluster.intercept = (api) =>
    api === DESCRIBE_CLUSTER && losses-- > 0 ? { kind: "close" } : undefined;
  assertEquals((await world.settled(admin.describeCluster())).clusterId, "abc");
  losses = Infinity;
  const before = world.nowMs;
  const error = await failure(setup, admin.describeCluster());
  assert(error.retriable, String(error));
  const waited = world.nowMs - before;
  assert(waited >= 2900 && waited < 4500, `${waited} ms`);
  await world.settled(admin.close());
});

Deno.test("admin: what may have been done unheard is asked again, and is done where it was", async () => {
  const setup = await setUp(1, { defaultApiTimeoutMs: 3000 });
  const { world, admin } = setup;
  const errors: Record<string, number[]> = {
    fine: [0],
    doubtful: [ErrorCode.REQUEST_TIMED_OUT, ErrorCode.TOPIC_ALREADY_EXISTS],
    moved: [ErrorCode.NOT_CONTROLLER, 0],
    there: [ErrorCode.TOPIC_ALREADY_EXISTS],
  };
  const asked = answer(setup, CREATE_TOPICS, ({ topics }) => ({
    topics: topics.map(({ name }) => ({ name, errorCode: errors[name]!.shift() ?? -1 })),
  }));
  const names = ["fine", "doubtful", "moved"];
  await world.settled(admin.createTopics(names.map((name) => ({ name }))));
  assertEquals(asked.map(({ request }) => request.topics.map(({ name }) => name)), [
    names,
    ["doubtful", "moved"],
  ]);
  const error = await failure(setup, admin.createTopics([{ name: "there" }]));
  assert(error.message.includes("TOPIC_ALREADY_EXISTS"), error.message);
  let losses = 1;
  world.cluster.intercept = (api) =>
    api === DELETE_TOPICS && losses-- > 0 ? { kind: "close" } : undefined;
  const gone = (name: string) => ({ name, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
  answer(setup, DELETE_TOPICS, ({ topics }) => ({ responses: topics.map((t) => gone(t.name!)) }));
  await world.settled(admin.deleteTopics(["lost"]));
  assertInstanceOf(await failure(setup, admin.deleteTopics(["never"])), UnknownTopicError);
  await world.settled(admin.close());
});

Deno.test("admin: an operation that nobody answers is a TimeoutError", async () => {
  const setup = await setUp(1, { defaultApiTimeoutMs: 2000 });
  const { world, admin } = setup;
  world.cluster.intercept = (api) => api === DESCRIBE_CLUSTER ? { kind: "silence" } : undefined;
  assertInstanceOf(await failure(setup, admin.describeCluster()), TimeoutError);
  await world.settled(admin.close());
});
