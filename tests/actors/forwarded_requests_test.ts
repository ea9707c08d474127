/**
 * What the controller decides may be asked of any broker, in any version: the answer and what comes
 * of it are the same, whether the broker is the controller or hands the request on.
 */

import { assertEquals } from "@std/assert";
import { ALTER_CLIENT_QUOTAS } from "../../net/messages/alter_client_quotas.ts";
import { ALTER_CONFIGS } from "../../net/messages/alter_configs.ts";
import { ALTER_PARTITION_REASSIGNMENTS } from "../../net/messages/alter_partition_reassignments.ts";
import { ADD_RAFT_VOTER } from "../../net/messages/add_raft_voter.ts";
import { API_VERSIONS } from "../../net/messages/api_versions.ts";
import { CREATE_PARTITIONS } from "../../net/messages/create_partitions.ts";
import { CREATE_TOPICS } from "../../net/messages/create_topics.ts";
import { DELETE_TOPICS } from "../../net/messages/delete_topics.ts";
import { DESCRIBE_CLIENT_QUOTAS } from "../../net/messages/describe_client_quotas.ts";
import { DESCRIBE_CONFIGS } from "../../net/messages/describe_configs.ts";
import { DESCRIBE_QUORUM } from "../../net/messages/describe_quorum.ts";
import { ELECT_LEADERS } from "../../net/messages/elect_leaders.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../net/messages/incremental_alter_configs.ts";
import { METADATA } from "../../net/messages/metadata.ts";
import { REMOVE_RAFT_VOTER } from "../../net/messages/remove_raft_voter.ts";
import { UNREGISTER_BROKER } from "../../net/messages/unregister_broker.ts";
import { UPDATE_FEATURES } from "../../net/messages/update_features.ts";
import type { Api } from "../../net/schema.ts";
import type { Draft } from "../../net/schema/make.ts";
import { versionsOf } from "../net/arbitraries.ts";
import { TestClient } from "./broker/test_client.ts";
import { ClusterWorld } from "./cluster_world.ts";

const TOPIC = 2;
const BROKER = 4;
const TIMEOUT_MS = 5000;

/** A broker that is asked, and a topic that nobody else uses. */
interface Stage {
  readonly topic: string;
  readonly topicId: string;
  ask<Request, Response>(
    api: Api<Request, Response>,
    draft: Draft<Request>,
    version?: number,
  ): Response;
}

/** Requests with every field that the version has, and what shows what came of them. */
const REQUESTS: readonly {
  readonly api: Api;
  readonly drafts: (stage: Stage, version: number) => readonly object[];
  readonly shows?: (stage: Stage) => unknown;
}[] = [
  {
    api: CREATE_TOPICS,
    drafts: ({ topic }) => [
      creation(topic, { numPartitions: 1, replicationFactor: 1 }),
      creation(`${topic}-dry`, { numPartitions: -1, replicationFactor: -1 }, true),
      creation(`${topic}-placed`, {
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [3, 2] }],
        configs: [{ name: "retention.ms", value: "12345" }],
      }),
      creation(`${topic}-default`, { numPartitions: -1, replicationFactor: -1 }),
      creation(`${topic}-bad`, { numPartitions: 0, replicationFactor: 9 }),
    ],
    shows: (stage) =>
      ["-dry", "-placed", "-default", "-bad"].map((end) => shape(stage, stage.topic + end)),
  },
  {
    api: DELETE_TOPICS,
    drafts: ({ topic, topicId }, version) =>
      version < 6
        ? [{ topicNames: [topic, "none"], timeoutMs: TIMEOUT_MS }]
        : [{ topics: [{ topicId }, { name: "none" }], timeoutMs: TIMEOUT_MS }],
    shows: shape,
  },
  {
    api: CREATE_PARTITIONS,
    drafts: ({ topic }) =>
      [true, false].map((validateOnly) => ({
        timeoutMs: TIMEOUT_MS,
        validateOnly,
        topics: [
          { name: topic, count: 2, assignments: [{ brokerIds: [2, 1] }] },
          { name: "none", count: 4, assignments: null },
        ],
      })),
    shows: shape,
  },
  {
    api: ALTER_CONFIGS,
    drafts: ({ topic }) => [
      altered(topic, { name: "retention.ms", value: "777" }),
      altered(topic, { name: "retention.ms", value: "-9" }),
      { ...altered(topic, { name: "retention.bytes", value: "5" }), validateOnly: true },
    ],
    shows: configs,
  },
  {
    api: INCREMENTAL_ALTER_CONFIGS,
    drafts: ({ topic }) => [
      altered(topic, { name: "retention.ms", value: "777", configOperation: 0 }),
      altered(topic, { name: "retention.bytes", value: null, configOperation: 1 }),
      altered(topic, { name: "cleanup.policy", value: "compact", configOperation: 2 }),
      {
        ...altered(topic, { name: "segment.ms", value: "5", configOperation: 0 }),
        validateOnly: true,
      },
    ],
    shows: configs,
  },
  {
    api: ELECT_LEADERS,
    drafts: ({ topic }, version) =>
      (version === 0 ? [0] : [0, 1]).map((electionType) => ({
        electionType,
        timeoutMs: TIMEOUT_MS,
        topicPartitions: [{ topic, partitions: [0] }, { topic: "none", partitions: [3] }],
      })),
    shows: shape,
  },
  {
    api: ALTER_PARTITION_REASSIGNMENTS,
    drafts: ({ topic }) =>
      [[3, 2], null, [99]].map((replicas) => ({
        timeoutMs: TIMEOUT_MS,
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, replicas }] }],
      })),
  },
  {
    api: ALTER_CLIENT_QUOTAS,
    drafts: ({ topic }) =>
      [true, false].map((validateOnly) => ({
        validateOnly,
        entries: [
          {
            entity: [{ entityType: "client-id", entityName: topic }],
            ops: [
              { key: "producer_byte_rate", value: 1234.5, remove: false },
              { key: "consumer_byte_rate", value: 0, remove: true },
            ],
          },
          { entity: [{ entityType: "none", entityName: null }], ops: [] },
        ],
      })),
    shows: ({ ask, topic }) =>
      ask(DESCRIBE_CLIENT_QUOTAS, {
        components: [{ entityType: "client-id", matchType: 0, match: topic }],
      }),
  },
  {
    api: UPDATE_FEATURES,
    drafts: (_stage, version) => [
      update(
        "transaction.version",
        1,
        version === 0 ? { allowDowngrade: true } : { upgradeType: 2 },
      ),
      update("transaction.version", 0, {}),
      update("none", 1, {}),
      ...version === 0 ? [] : [{ ...update("transaction.version", 2, {}), validateOnly: true }],
    ],
    shows: ({ ask }) => {
      const { finalizedFeatures } = ask(API_VERSIONS, {});
      ask(UPDATE_FEATURES, update("transaction.version", 2, {}));
      return finalizedFeatures;
    },
  },
  { api: UNREGISTER_BROKER, drafts: () => [{ brokerId: 99 }] },
  {
    api: ADD_RAFT_VOTER,
    drafts: () => [{
      clusterId: "another",
      timeoutMs: TIMEOUT_MS,
      voterId: 9,
      voterDirectoryId: "AAAAAAAAAAAAAAAAAAAACQ",
      listeners: [{ name: "native", host: "node-9", port: 1 }],
    }],
  },
  {
    api: REMOVE_RAFT_VOTER,
    drafts: () => [{ clusterId: null, voterId: 9, voterDirectoryId: "AAAAAAAAAAAAAAAAAAAACQ" }],
  },
  {
    api: DESCRIBE_QUORUM,
    drafts: () => [{
      topics: [{ topicName: "__cluster_metadata", partitions: [{ partitionIndex: 0 }] }],
    }],
  },
];

const world = () => {
  const cluster = ClusterWorld.serving({ properties: { "default.replication.factor": "2" } });
  cluster.until(() => cluster.active !== undefined, "there is a controller");
  const controller = cluster.active!;
  const other = cluster.nodes.find((node) => node !== controller)!;
  return { cluster, controller, other };
};

for (const { api, drafts, shows } of REQUESTS) {
  Deno.test(`forwarded requests: ${api.name} says and does the same by any broker, in all versions`, () => {
    const { cluster, controller, other } = world();
    for (const version of versionsOf(api.request)) {
      const outcomes = [controller, other].map((node) => {
        const ask = asking(cluster, node.name);
        const topic = `v${version}-of-${node.name}`;
        ask(CREATE_TOPICS, creation(`${topic}-x`, { numPartitions: 1, replicationFactor: 2 }));
        const made = { assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }] };
        const { topics } = ask(CREATE_TOPICS, creation(topic, made));
        const stage = { ask, topic, topicId: topics[0]!.topicId };
        const answers = drafts(stage, version).map((draft) => ask(api, draft as never, version));
        return comparable([answers, shows?.(stage)], topic);
      });
      assertEquals(outcomes[1], outcomes[0], `version ${version}`);
    }
  });
}

function asking(cluster: ClusterWorld, host: string): Stage["ask"] {
  const client = new TestClient();
  let connected = false;
  client.connect(cluster.environment.network, { host, port: 9192 }, () => connected = true);
  cluster.until(() => connected, "the client connects");
  const handshake = client.handshake();
  cluster.until(() => handshake.isSettled, "the client may ask");
  return (api, draft, version) => {
    const pending = client.begin(api, draft, version);
    cluster.until(() => pending.isSettled, `an answer to ${api.name}`);
    if (pending.response === undefined) throw new Error(`${api.name} ended the connection`);
    return pending.response;
  };
}

/** Without what differs from topic to topic, and from time to time. */
function comparable(outcome: unknown, topic: string): unknown {
  const unlike = new Set(["topicId", "topicAuthorizedOperations", "leaderEpoch", "leaderId"]);
  const text = JSON.stringify(outcome, (name, value) => {
    if (unlike.has(name) || /Offset|Timestamp|Watermark/i.test(name)) return undefined;
    return value;
  });
  return JSON.parse(text.replaceAll(topic, "TOPIC"));
}

function creation(name: string, topic: object, validateOnly = false) {
  const whole = { numPartitions: -1, replicationFactor: -1, ...topic, name };
  return { timeoutMs: TIMEOUT_MS, validateOnly, topics: [whole] };
}

function altered(resourceName: string, config: object) {
  return {
    resources: [
      { resourceType: TOPIC, resourceName, configs: [config] },
      { resourceType: BROKER, resourceName: "77", configs: [config] },
    ],
  };
}

function update(feature: string, maxVersionLevel: number, how: object) {
  return { timeoutMs: TIMEOUT_MS, featureUpdates: [{ feature, maxVersionLevel, ...how }] };
}

/** What there is of a topic. */
function shape({ ask, topic }: Stage, name = topic): unknown {
  const [described] = ask(METADATA, { topics: [{ name }] }).topics;
  return [
    described?.errorCode,
    described?.partitions.map(({ replicaNodes }) => replicaNodes.length),
  ];
}

function configs({ ask, topic }: Stage): unknown {
  const { results } = ask(DESCRIBE_CONFIGS, {
    resources: [{ resourceType: TOPIC, resourceName: topic, configurationKeys: null }],
  });
  return results.map(({ configs }) => configs.filter(({ configSource }) => configSource === 1));
}
