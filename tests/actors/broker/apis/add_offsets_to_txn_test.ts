import { assertEquals } from "@std/assert";
import { ADD_OFFSETS_TO_TXN } from "../../../../net/messages/add_offsets_to_txn.ts";
import { ErrorCode } from "../../../../net/messages/errors.ts";
import { FIND_COORDINATOR } from "../../../../net/messages/find_coordinator.ts";
import { INIT_PRODUCER_ID } from "../../../../net/messages/init_producer_id.ts";
import { METADATA } from "../../../../net/messages/metadata.ts";
import { OFFSETS_TOPIC } from "../../../../actors/coordinator/internal_topics.ts";
import { BrokerWorld } from "../broker_world.ts";

Deno.test("add offsets to txn: the group may be the first that anybody uses", () => {
  const world = BrokerWorld.serving({
    properties: {
      "offsets.topic.num.partitions": "2",
      "transaction.state.log.num.partitions": "2",
    },
  });
  const client = world.client();
  const transactionalId = "first";
  world.ask(client, FIND_COORDINATOR, { keyType: 1, coordinatorKeys: [transactionalId] });
  const init = { transactionalId, transactionTimeoutMs: 60_000 };
  let producer = world.ask(client, INIT_PRODUCER_ID, init);
  while (producer.errorCode === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) {
    world.pass(10);
    producer = world.ask(client, INIT_PRODUCER_ID, init);
  }
  assertEquals(producer.errorCode, ErrorCode.NONE);
  const { topics } = world.ask(client, METADATA, { topics: null });
  assertEquals(topics.some(({ name }) => name === OFFSETS_TOPIC), false);
  const { producerId, producerEpoch } = producer;
  const draft = { transactionalId, producerId, producerEpoch, groupId: "readers" };
  for (const version of [0, 4]) {
    const { errorCode } = world.ask(client, ADD_OFFSETS_TO_TXN, draft, version);
    assertEquals(errorCode, ErrorCode.NONE, `version ${version}`);
  }
});
