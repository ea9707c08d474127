import { assertEquals } from "@std/assert";
import {
  allocateProducerIds,
  PRODUCER_ID_BLOCK,
  registerBroker,
} from "../../../actors/controller/brokers.ts";
import { ZERO_UUID } from "../../../storage/bytes/ids.ts";
import { commit, contextOf, imageOf, partitionRecord, topicRecord } from "./images.ts";

function registration(brokerId: number, cleanShutdown: boolean) {
  return {
    brokerId,
    incarnationId: ZERO_UUID,
    endPoints: [{ name: "NATIVE", host: "localhost", port: 1 }],
    rack: null,
    logDirs: [],
    cleanShutdown,
  };
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
  const response = commit(cluster, registerBroker(contextOf(cluster), registration(1, true), 42));
  assertEquals(response.brokerEpoch, 42);
  assertEquals(cluster.brokers.get(1)?.epoch, 42);
  assertEquals(cluster.brokers.get(1)?.fenced, false);
});

Deno.test("brokers: after a clean end the leader epochs stay", () => {
  const cluster = image();
  commit(cluster, registerBroker(contextOf(cluster), registration(1, true), 42));
  for (const { partitions } of cluster.topics.values()) {
    assertEquals(partitions.map(({ leaderEpoch }) => leaderEpoch), [0, 0]);
  }
});

Deno.test("brokers: after an unclean end all that the broker leads gets a new leader epoch", () => {
  const cluster = image();
  commit(cluster, registerBroker(contextOf(cluster), registration(1, false), 42));
  for (const { partitions } of cluster.topics.values()) {
    assertEquals(partitions.map(({ leader }) => leader), [1, 2]);
    assertEquals(partitions.map(({ leaderEpoch }) => leaderEpoch), [1, 0]);
  }
});

Deno.test("brokers: producer ids are given once", () => {
  const cluster = image();
  const allocate = () => commit(cluster, allocateProducerIds(contextOf(cluster), 1, 42));
  assertEquals(allocate(), { first: 0, count: PRODUCER_ID_BLOCK });
  assertEquals(allocate(), { first: PRODUCER_ID_BLOCK, count: PRODUCER_ID_BLOCK });
});
