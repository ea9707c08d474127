/** What clients are told that they may do, in the numbers of Apache Kafka 4.1.0's answers. */

import { assertEquals } from "@std/assert";
import type { Access } from "../../../actors/broker/sessions/access.ts";
import { OPERATIONS_NOT_ASKED as NOT_ASKED } from "../../../net/messages/acl_operations.ts";
import { CONSUMER_GROUP_DESCRIBE } from "../../../net/messages/consumer_group_describe.ts";
import { DESCRIBE_CLUSTER } from "../../../net/messages/describe_cluster.ts";
import { DESCRIBE_GROUPS } from "../../../net/messages/describe_groups.ts";
import { DESCRIBE_TOPIC_PARTITIONS } from "../../../net/messages/describe_topic_partitions.ts";
import { FIND_COORDINATOR } from "../../../net/messages/find_coordinator.ts";
import { METADATA } from "../../../net/messages/metadata.ts";
import { BrokerWorld } from "./broker_world.ts";

const ALL_OF_TOPIC = 3576;
const ALL_OF_CLUSTER = 8096;
const ALL_OF_GROUP = 3400;
/** As bits. */
const [READ, DESCRIBE] = [1 << 3, 1 << 8];

function serving(allows: (access: Access) => boolean) {
  let isOpen = true;
  const world = BrokerWorld.serving({
    authorizer: { allows: (_principal, access) => isOpen || allows(access) },
  });
  const client = world.client();
  world.createTopic(client, "orders");
  const coordinator = () =>
    world.ask(client, FIND_COORDINATOR, { coordinatorKeys: ["billing"] }).coordinators[0]!;
  world.until(() => coordinator().errorCode === 0, "a coordinator serves");
  isOpen = false;
  return { world, client };
}

const cases: readonly (readonly [string, (access: Access) => boolean, readonly number[]])[] = [
  ["everything", () => true, [ALL_OF_TOPIC, ALL_OF_CLUSTER, ALL_OF_GROUP]],
  [
    "to read and describe",
    ({ operation }) => operation === "read" || operation === "describe",
    [READ | DESCRIBE, DESCRIBE, READ | DESCRIBE],
  ],
];
for (const [what, allows, [ofTopic, ofCluster, ofGroup]] of cases) {
  Deno.test(`authorized operations: of one who may do ${what}`, () => {
    const { world, client } = serving(allows);
    const { topics, clusterAuthorizedOperations } = world.ask(client, METADATA, {
      topics: [{ name: "orders" }],
      includeTopicAuthorizedOperations: true,
      includeClusterAuthorizedOperations: true,
    }, 8);
    assertEquals([topics[0]!.topicAuthorizedOperations, clusterAuthorizedOperations], [
      ofTopic!,
      ofCluster!,
    ]);
    const pages = world.ask(client, DESCRIBE_TOPIC_PARTITIONS, { topics: [{ name: "orders" }] });
    assertEquals(pages.topics[0]!.topicAuthorizedOperations, ofTopic);
    const cluster = world.ask(client, DESCRIBE_CLUSTER, {
      includeClusterAuthorizedOperations: true,
    });
    assertEquals(cluster.clusterAuthorizedOperations, ofCluster);
    // Up to version 5 a group that is not there is a dead one, and no error.
    const groups = world.ask(client, DESCRIBE_GROUPS, {
      groups: ["billing"],
      includeAuthorizedOperations: true,
    }, 5);
    assertEquals(groups.groups[0]!.authorizedOperations, ofGroup);
  });
}

Deno.test("authorized operations: nothing of a cluster that one may not describe", () => {
  const { world, client } = serving(({ resourceType, operation }) =>
    resourceType !== "cluster" || operation !== "describe"
  );
  const { clusterAuthorizedOperations } = world.ask(client, METADATA, {
    topics: [],
    includeClusterAuthorizedOperations: true,
  }, 8);
  assertEquals(clusterAuthorizedOperations, 0);
});

Deno.test("authorized operations: nothing where nobody asks, nor beside an error", () => {
  const { world, client } = serving(() => true);
  const { topics, clusterAuthorizedOperations } = world.ask(client, METADATA, {
    topics: [{ name: "orders" }],
  }, 8);
  assertEquals(topics[0]!.topicAuthorizedOperations, NOT_ASKED);
  assertEquals(clusterAuthorizedOperations, NOT_ASKED);
  const cluster = world.ask(client, DESCRIBE_CLUSTER, {});
  assertEquals(cluster.clusterAuthorizedOperations, NOT_ASKED);
  const asked = { includeAuthorizedOperations: true };
  const groups = world.ask(client, DESCRIBE_GROUPS, { groups: ["billing"], ...asked }, 6);
  assertEquals(groups.groups[0]!.authorizedOperations, NOT_ASKED);
  const consumers = world.ask(client, CONSUMER_GROUP_DESCRIBE, { groupIds: ["billing"], ...asked });
  assertEquals(consumers.groups[0]!.authorizedOperations, NOT_ASKED);
});
