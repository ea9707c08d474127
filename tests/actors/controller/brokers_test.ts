import { assertEquals } from "@std/assert";
import {
  allocateProducerIds,
  PRODUCER_ID_BLOCK,
  registerBroker,
} from "../../../actors/controller/brokers.ts";
import {
  BROKER_REGISTRATION,
  type BrokerRegistrationRequest,
} from "../../../net/messages/broker_registration.ts";
import { make } from "../../../net/schema.ts";
import { commit, contextOf, imageOf, partitionRecord, topicRecord } from "./images.ts";

const FACTS = { now: 0, nextOffset: 42 };

function registration(brokerId: number, cleanShutdown: boolean): BrokerRegistrationRequest {
  return make(BROKER_REGISTRATION.request, {
    brokerId,
    listeners: [{ name: "NATIVE", host: "localhost", port: 1, securityProtocol: 0 }],
    previousBrokerEpoch: cleanShutdown ? 1 : -1,
  });
}

function image() {
  const records = ["a", "b"].flatMap((name) => {
    const id = name.repeat(22);
    return [topicRecord(name, id), partitionRecord(id, 0, [1]), partitionRecord(id, 1, [2])];
  });
  return imageOf(records);
}

Deno.test("brokers: a registration's epoch is the offset of its record", () => {
  const cluster = image();
  const response = commit(
    cluster,
    registerBroker(contextOf(cluster), registration(1, true), FACTS),
  );
  assertEquals(response.brokerEpoch, 42);
  assertEquals(cluster.brokers.get(1)?.epoch, 42);
  assertEquals(cluster.brokers.get(1)?.fenced, false);
});

Deno.test("brokers: after a clean end the leader epochs stay", () => {
  const cluster = image();
  commit(cluster, registerBroker(contextOf(cluster), registration(1, true), FACTS));
  for (const { partitions } of cluster.topics.values()) {
    assertEquals(partitions.map(({ leaderEpoch }) => leaderEpoch), [0, 0]);
  }
});

Deno.test("brokers: after an unclean end all that the broker leads gets a new leader epoch", () => {
  const cluster = image();
  commit(cluster, registerBroker(contextOf(cluster), registration(1, false), FACTS));
  for (const { partitions } of cluster.topics.values()) {
    assertEquals(partitions.map(({ leader }) => leader), [1, 2]);
    assertEquals(partitions.map(({ leaderEpoch }) => leaderEpoch), [1, 0]);
  }
});

Deno.test("brokers: producer ids are given once", () => {
  const cluster = image();
  const allocate = () =>
    commit(cluster, allocateProducerIds(contextOf(cluster), { brokerId: 1, brokerEpoch: 42 }));
  assertEquals([allocate(), allocate()].map((block) => block.producerIdStart), [
    0,
    PRODUCER_ID_BLOCK,
  ]);
});
