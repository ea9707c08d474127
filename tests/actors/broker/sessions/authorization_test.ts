/** Who may do what: each element is decided by itself where Kafka does so. */

import { assert, assertEquals } from "@std/assert";
import type { Access } from "../../../../actors/broker/sessions/access.ts";
import { deleteTopics } from "../../../../actors/broker/apis/delete_topics.ts";
import { authorize } from "../../../../actors/broker/sessions/authorization.ts";
import { ClusterImage } from "../../../../actors/controller/cluster_image.ts";
import type { NodeUsage } from "../../../../actors/booted_node.ts";
import { ALTER_CONFIGS } from "../../../../net/messages/alter_configs.ts";
import { CREATE_PARTITIONS } from "../../../../net/messages/create_partitions.ts";
import { CREATE_TOPICS } from "../../../../net/messages/create_topics.ts";
import { DELETE_RECORDS } from "../../../../net/messages/delete_records.ts";
import { DELETE_TOPICS } from "../../../../net/messages/delete_topics.ts";
import { DESCRIBE_CONFIGS } from "../../../../net/messages/describe_configs.ts";
import { DESCRIBE_CLUSTER } from "../../../../net/messages/describe_cluster.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FETCH } from "../../../../net/messages/fetch.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../../net/messages/incremental_alter_configs.ts";
import { LIST_OFFSETS } from "../../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../../net/messages/metadata.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../../net/messages/offset_for_leader_epoch.ts";
import { PRODUCE } from "../../../../net/messages/produce.ts";
import { UPDATE_FEATURES } from "../../../../net/messages/update_features.ts";
import { ZERO_UUID } from "../../../../storage/bytes/ids.ts";
import { batchOf, BrokerWorld } from "../broker_world.ts";

const { NONE, TOPIC_AUTHORIZATION_FAILED: DENIED } = ErrorCode;
const IDLE: NodeUsage = {
  lentBytes: 0,
  requestBytes: 0,
  fetchedBytes: 0,
  receivedBytes: 0,
  waitingPlaces: 0,
};

/** A node on which "secret" is nobody's, nor what else the test refuses. */
function guarded(refuses: (access: Access) => boolean = () => false) {
  let isOpen = true;
  const world = BrokerWorld.serving({
    properties: { "auto.create.topics.enable": "true" },
    authorizer: {
      allows: (_principal, access) =>
        isOpen || access.resourceName !== "secret" && !refuses(access),
    },
  });
  const client = world.client();
  const ids = new Map(["open", "secret"].map((name) => [name, world.createTopic(client, name)]));
  isOpen = false;
  const id = (name: string) => ids.get(name)!;
  return { world, client, id };
}

/** Each result's name and error. */
function errorsOf<T extends { readonly errorCode: number }>(
  results: readonly T[],
  nameOf: (result: T) => string | null,
): [string | null, number][] {
  return results.map((result): [string | null, number] => [nameOf(result), result.errorCode])
    .sort(([a], [b]) => `${a}`.localeCompare(`${b}`));
}

const BOTH = [["open", NONE], ["secret", DENIED]];

Deno.test("authorization: records are taken for the topics that one may write to", () => {
  const { world, client } = guarded();
  const partitionData = [{ index: 0, records: batchOf(["a"]) }];
  const topicData = ["secret", "open"].map((name) => ({ name, partitionData }));
  const { responses } = world.ask(client, PRODUCE, { acks: -1, timeoutMs: 1000, topicData });
  const errors = responses.map(({ name, partitionResponses }) =>
    [name, partitionResponses[0]!.errorCode] as const
  ).sort();
  assertEquals(errors as unknown, BOTH);
  assertEquals(world.values(client, "open"), ["a"]);
  client.close();
  world.pass(100);
  assertEquals(world.booted.usage, IDLE);
});

Deno.test("authorization: records are shown of the topics that one may read, by name and by id", () => {
  const { world, client, id } = guarded();
  for (const version of [12, 17]) {
    const byName = version === 12;
    const topics = ["secret", "open"].map((name) => ({
      topic: byName ? name : "",
      topicId: byName ? "AAAAAAAAAAAAAAAAAAAAAA" : id(name),
      partitions: [{ partition: 0, partitionMaxBytes: 1000 }],
    }));
    const { responses } = world.ask(client, FETCH, { maxWaitMs: 0, topics }, version);
    const errors = responses.map(({ topic, topicId, partitions }) => [
      byName ? topic : topicId === id("open") ? "open" : "secret",
      partitions[0]!.errorCode,
    ]).sort();
    assertEquals(errors as unknown, BOTH, `version ${version}`);
  }
});

Deno.test("authorization: offsets, epochs and deletions of records are decided by topic", () => {
  const { world, client } = guarded();
  const listed = world.ask(client, LIST_OFFSETS, {
    replicaId: -1,
    topics: ["secret", "open"].map((name) => ({
      name,
      partitions: [{ partitionIndex: 0, timestamp: -1 }],
    })),
  });
  const flat = listed.topics.map(({ name, partitions: [partition] }) => ({ name, ...partition! }));
  assertEquals(errorsOf(flat, ({ name }) => name) as unknown, BOTH);
  const epochs = world.ask(client, OFFSET_FOR_LEADER_EPOCH, {
    topics: ["secret", "open"].map((topic) => ({
      topic,
      partitions: [{ partition: 0, leaderEpoch: 0 }],
    })),
  });
  const ends = epochs.topics.map(({ topic, partitions: [partition] }) => ({
    topic,
    ...partition!,
  }));
  assertEquals(errorsOf(ends, ({ topic }) => topic) as unknown, BOTH);
  const deleted = world.ask(client, DELETE_RECORDS, {
    timeoutMs: 1000,
    topics: ["secret", "open"].map((name) => ({
      name,
      partitions: [{ partitionIndex: 0, offset: 0 }],
    })),
  });
  const marks = deleted.topics.map(({ name, partitions: [partition] }) => ({
    name,
    ...partition!,
  }));
  assertEquals(errorsOf(marks, ({ name }) => name) as unknown, BOTH);
});

Deno.test("authorization: metadata show what one may know of, and of all topics no more", () => {
  const { world, client, id } = guarded();
  const named = world.ask(client, METADATA, { topics: [{ name: "secret" }, { name: "open" }] });
  assertEquals(errorsOf(named.topics, ({ name }) => name) as unknown, BOTH);
  assertEquals(named.topics.find(({ name }) => name === "secret")!.partitions, []);
  const all = world.ask(client, METADATA, { topics: null });
  assertEquals(all.topics.map(({ name }) => name), ["open"]);
  const byId = world.ask(client, METADATA, {
    topics: [
      { name: null, topicId: id("secret") },
      { name: null, topicId: "AAAAAAAAAAAAAAAAAAAABQ" },
    ],
  });
  assertEquals(
    byId.topics.map(({ errorCode }) => errorCode).sort(),
    [DENIED, ErrorCode.UNKNOWN_TOPIC_ID].sort(),
  );
});

Deno.test("authorization: a topic is made on the way only by who may make it", () => {
  const { world, client } = guarded(({ operation, resourceType, resourceName }) =>
    operation === "create" && (resourceType === "cluster" || resourceName === "forbidden")
  );
  const { topics } = world.ask(client, METADATA, {
    topics: [{ name: "forbidden" }, { name: "new" }, { name: "open" }],
  });
  assertEquals(errorsOf(topics, ({ name }) => name), [
    ["forbidden", DENIED],
    ["new", NONE],
    ["open", NONE],
  ]);
  const all = world.ask(client, METADATA, { topics: null });
  assertEquals(all.topics.map(({ name }) => name).sort(), ["new", "open"]);
});

Deno.test("authorization: topics and partitions are made, and configs set, one by one", () => {
  const { world, client } = guarded(({ resourceName }) => resourceName === "hidden");
  const made = world.ask(client, CREATE_TOPICS, {
    timeoutMs: 1000,
    topics: ["hidden", "mine"].map((name) => ({ name, numPartitions: 1, replicationFactor: 1 })),
  });
  assertEquals(errorsOf(made.topics, ({ name }) => name), [["hidden", DENIED], ["mine", NONE]]);
  const grown = world.ask(client, CREATE_PARTITIONS, {
    timeoutMs: 1000,
    topics: ["secret", "open"].map((name) => ({ name, count: 2, assignments: null })),
  });
  assertEquals(errorsOf(grown.results, ({ name }) => name) as unknown, BOTH);
  const resources = ["secret", "open"].map((resourceName) => ({ resourceType: 2, resourceName }));
  for (const api of [ALTER_CONFIGS, INCREMENTAL_ALTER_CONFIGS]) {
    const { responses } = world.ask(client, api, { resources });
    assertEquals(errorsOf(responses, ({ resourceName }) => resourceName) as unknown, BOTH);
  }
  const { results } = world.ask(client, DESCRIBE_CONFIGS, { resources });
  assertEquals(errorsOf(results, ({ resourceName }) => resourceName) as unknown, BOTH);
});

Deno.test("authorization: the error is of the kind of resource that was refused", () => {
  const { world, client } = guarded(({ resourceType }) => resourceType === "cluster");
  const { results } = world.ask(client, DESCRIBE_CONFIGS, {
    resources: [
      { resourceType: 4, resourceName: "1" },
      { resourceType: 2, resourceName: "open" },
      { resourceType: 2, resourceName: "secret" },
      { resourceType: 32, resourceName: "secret" },
    ],
  });
  assertEquals(
    errorsOf(results, ({ resourceName, resourceType }) => `${resourceType} ${resourceName}`),
    [
      ["2 open", NONE],
      ["2 secret", DENIED],
      ["32 secret", ErrorCode.GROUP_AUTHORIZATION_FAILED],
      ["4 1", ErrorCode.CLUSTER_AUTHORIZATION_FAILED],
    ],
  );
  const denied = ErrorCode.CLUSTER_AUTHORIZATION_FAILED;
  assertEquals(world.ask(client, DESCRIBE_CLUSTER, {}).errorCode, denied);
  assertEquals(world.ask(client, UPDATE_FEATURES, { timeoutMs: 1000 }).errorCode, denied);
});

Deno.test("authorization: topics are deleted one by one, by name or by id", () => {
  const { world, client, id } = guarded();
  const byName = world.ask(client, DELETE_TOPICS, {
    timeoutMs: 1000,
    topicNames: ["secret", "none"],
  }, 5);
  assertEquals(errorsOf(byName.responses, ({ name }) => name), [
    ["none", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ["secret", DENIED],
  ]);
  const byId = world.ask(client, DELETE_TOPICS, {
    timeoutMs: 1000,
    topics: [
      { name: null, topicId: id("secret") },
      { name: "secret" },
      { name: null, topicId: id("open") },
    ],
  });
  assertEquals(
    byId.responses.map(({ errorCode }) => errorCode).sort(),
    [NONE, DENIED, DENIED].sort(),
  );
  const left = world.ask(client, METADATA, { topics: [{ name: "secret" }] });
  assertEquals(left.topics[0]!.errorCode, DENIED);
});

Deno.test("authorization: elements are counted through all lists of a request", () => {
  const { access, elements, failed } = deleteTopics;
  const handler = { access, elements, failed } as typeof deleteTopics;
  const request = {
    timeoutMs: 0,
    topics: ["a", "secret"].map((name) => ({ name, topicId: ZERO_UUID })),
    topicNames: ["secret", "b"],
  };
  const authorized = authorize(
    handler,
    request,
    new ClusterImage(),
    ({ resourceName }) => resourceName !== "secret",
  );
  assert(authorized.kind === "part");
  assertEquals(authorized.request, {
    ...request,
    topics: [request.topics[0]],
    topicNames: ["b"],
  });
});
