/** What the metadata say of a partition reaches it, whatever clients want of it at the time. */

import { assertEquals } from "@std/assert";
import { DELETE_TOPICS } from "../../../../net/messages/delete_topics.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../../net/messages/incremental_alter_configs.ts";
import { OFFSET_FOR_LEADER_EPOCH } from "../../../../net/messages/offset_for_leader_epoch.ts";
import { batchOf, BrokerWorld } from "../broker_world.ts";
import type { TestClient } from "../test_client.ts";

/** More than a partition's mailbox takes. */
const QUESTIONS = 12_000;

/** A world whose partition is full of questions that it does not get to. */
function full(): { readonly world: BrokerWorld; readonly client: TestClient } {
  const world = BrokerWorld.serving();
  const client = world.client();
  world.createTopic(client, "orders", 1);
  world.produce(client, "orders", batchOf(["a"]));
  world.node.holdMessages("end-of-epoch");
  const partitions = Array.from({ length: QUESTIONS }, () => ({ leaderEpoch: 0 }));
  const topics = [{ topic: "orders", partitions }];
  world.client().begin(OFFSET_FOR_LEADER_EPOCH, { replicaId: -1, topics });
  world.pass(100);
  const { errorCode } = world.listOffset(client, "orders", -1);
  assertEquals(errorCode, ErrorCode.NOT_LEADER_OR_FOLLOWER);
  return { world, client };
}

Deno.test("replica manager: the deletion of a topic reaches a partition whose mailbox is full", () => {
  const { world, client } = full();
  world.ask(client, DELETE_TOPICS, { topics: [{ name: "orders" }], timeoutMs: 1000 });
  world.pass(100);
  world.node.releaseMessages();
  world.pass(1000);
  assertEquals(world.disk.list("").filter(({ name }) => name.startsWith("orders")), []);
  world.createTopic(client, "orders", 1);
  assertEquals(world.produce(client, "orders", batchOf(["b"])).baseOffset, 0);
});

Deno.test("replica manager: new configs reach a partition whose mailbox is full, the last ones", () => {
  const { world, client } = full();
  for (const value of ["100", "50"]) {
    world.ask(client, INCREMENTAL_ALTER_CONFIGS, {
      resources: [{
        resourceType: 2,
        resourceName: "orders",
        configs: [{ name: "max.message.bytes", configOperation: 0, value }],
      }],
    });
  }
  world.pass(100);
  world.node.releaseMessages();
  world.pass(100);
  const { errorCode } = world.produce(client, "orders", batchOf(["a"]));
  assertEquals(errorCode, ErrorCode.MESSAGE_TOO_LARGE);
});

Deno.test("replica manager: a node ends in order though a partition's mailbox is full", () => {
  const { world } = full();
  let isStopped = false;
  world.node.stop(() => isStopped = true);
  world.pass(100);
  assertEquals(isStopped, false);
  world.node.releaseMessages();
  world.pass(5000);
  assertEquals([isStopped, world.closeFailures], [true, []]);
});
