/** Every version of every API that is served is answered: with results, and with errors. */

import { assertEquals } from "@std/assert";
import { ServedApis } from "../../../actors/broker/apis/table.ts";
import { ALTER_CONFIGS } from "../../../net/messages/alter_configs.ts";
import { CREATE_PARTITIONS } from "../../../net/messages/create_partitions.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { DELETE_RECORDS } from "../../../net/messages/delete_records.ts";
import { DELETE_TOPICS } from "../../../net/messages/delete_topics.ts";
import { DESCRIBE_CONFIGS } from "../../../net/messages/describe_configs.ts";
import { FETCH } from "../../../net/messages/fetch.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import { LIST_OFFSETS } from "../../../net/messages/list_offsets.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../net/messages/offset_for_leader_epoch.ts";
import { PRODUCE } from "../../../net/messages/produce.ts";
import { versionsOf } from "../../net/arbitraries.ts";
import { batchOf, BrokerWorld } from "./broker_world.ts";

/** Requests about a topic that may be there or not. */
const REQUESTS: ReadonlyMap<number, (topic: string, topicId: string, version: number) => object> =
  new Map<number, (topic: string, topicId: string, version: number) => object>([
    [PRODUCE.key, (name) => ({
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name, partitionData: [{ index: 0, records: batchOf(["a"]) }] }],
    })],
    [FETCH.key, (topic, topicId, version) => ({
      minBytes: 1,
      topics: [{
        ...version >= 13 ? { topicId } : { topic },
        partitions: [{ partition: 0, partitionMaxBytes: 1000 }],
      }],
    })],
    [LIST_OFFSETS.key, (name) => ({
      topics: [{
        name,
        partitions: [-1, -2, -3, 5].map((timestamp) => ({ partitionIndex: 0, timestamp })),
      }],
    })],
    [METADATA.key, (name) => ({ topics: [{ name }] })],
    [CREATE_TOPICS.key, (name) => ({
      timeoutMs: 1000,
      topics: [{ name, numPartitions: 1, replicationFactor: 1 }],
    })],
    [DELETE_TOPICS.key, (name, _id, version) => ({
      timeoutMs: 1000,
      ...version >= 6 ? { topics: [{ name }] } : { topicNames: [name] },
    })],
    [DELETE_RECORDS.key, (name) => ({
      timeoutMs: 1000,
      topics: [{ name, partitions: [{ partitionIndex: 0, offset: 0 }] }],
    })],
    [OFFSET_FOR_LEADER_EPOCH.key, (topic) => ({
      topics: [{ topic, partitions: [{ partition: 0, leaderEpoch: 0 }] }],
    })],
    [DESCRIBE_CONFIGS.key, (resourceName, _id, version) => ({
      includeSynonyms: true,
      includeDocumentation: version >= 3,
      resources: [{ resourceType: 2, resourceName, configurationKeys: null }],
    })],
    [ALTER_CONFIGS.key, (resourceName) => ({ resources: [{ resourceType: 2, resourceName }] })],
    [CREATE_PARTITIONS.key, (name) => ({
      timeoutMs: 1000,
      topics: [{ name, count: 2, assignments: null }],
    })],
    [INCREMENTAL_ALTER_CONFIGS.key, (resourceName) => ({
      resources: [{ resourceType: 2, resourceName }],
    })],
  ]);

for (const api of new ServedApis().forClients) {
  Deno.test(`versions: all of ${api.name} are answered, of a topic that is there or not`, () => {
    const properties = { "auto.create.topics.enable": "false" };
    const world = BrokerWorld.serving({ properties });
    const client = world.client();
    for (const version of versionsOf(api.request)) {
      const name = `there-${version}`;
      const topicId = world.createTopic(client, name);
      world.produce(client, name, batchOf(["a"]));
      for (const topic of ["none", name]) {
        const id = topic === name ? topicId : "AAAAAAAAAAAAAAAAAAAABQ";
        const draft = REQUESTS.get(api.key)?.(topic, id, version) ?? {};
        const pending = client.begin(api, draft as never, version);
        world.until(() => pending.isSettled, "an answer");
        assertEquals(pending.lost, false, `version ${version}: ${world.logged.at(-1)}`);
      }
    }
    assertEquals(world.linesWith("closed"), []);
  });
}
