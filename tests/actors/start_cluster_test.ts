/** A real cluster in this process: real sockets, folders and time. */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Admin, type Cluster, Consumer, Producer, startCluster } from "../../mod.ts";

/** Fails over quickly, as a test has no nine seconds to wait. */
const QUICK = {
  "broker.session.timeout.ms": "600",
  "broker.heartbeat.interval.ms": "100",
  "controller.quorum.election.timeout.ms": "200",
  "controller.quorum.fetch.timeout.ms": "400",
  "controller.quorum.request.timeout.ms": "400",
  "min.insync.replicas": "2",
};

async function consume(cluster: Cluster, topic: string, count: number): Promise<string[]> {
  await using consumer = await Consumer.connect(cluster.bootstrap, {
    topics: [topic],
    from: "earliest",
  });
  const texts: string[] = [];
  for await (const record of consumer) {
    texts.push(record.text());
    if (texts.length === count) break;
  }
  return texts.sort();
}

Deno.test("startCluster: three nodes serve, a leader is killed, and nothing is lost", async () => {
  await using cluster = await startCluster({ nodes: 3, properties: QUICK });
  assertEquals(cluster.running, [1, 2, 3]);
  await using admin = await Admin.connect(cluster.bootstrap);
  await admin.createTopics([{ name: "t", partitions: 3, replicationFactor: 3 }]);
  await using producer = await Producer.connect(cluster.bootstrap, { acks: "all" });
  const send = (i: number) => producer.send({ topic: "t", key: `k${i}`, value: `v${i}` });
  await Promise.all(Array.from({ length: 50 }, (_, i) => send(i)));
  const [topic] = await admin.describeTopics(["t"]);
  const { leader } = topic!.partitions[0]!;
  cluster.kill(leader);
  await Promise.all(Array.from({ length: 50 }, (_, i) => send(50 + i)));
  const [after] = await admin.describeTopics(["t"]);
  assertNotEquals(after!.partitions[0]!.leader, leader);
  const expected = Array.from({ length: 100 }, (_, i) => `v${i}`).sort();
  assertEquals(await consume(cluster, "t", 100), expected);
  await cluster.restart(leader);
  assertEquals(cluster.running, [1, 2, 3]);
});

/** The id of the cluster that answers there; undefined where none does. */
async function clusterAt(address: string): Promise<string | undefined> {
  try {
    await using admin = await Admin.connect(address);
    return (await admin.describeCluster()).clusterId;
  } catch {
    return undefined;
  }
}

Deno.test("startCluster: it answers nobody any more when it was closed", async () => {
  const cluster = await startCluster({ nodes: 1 });
  const { addresses, clusterId } = cluster;
  assert(clusterId.length === 22);
  assertEquals(await clusterAt(addresses[0]!), clusterId);
  await cluster.close();
  // By now the port may be another process's.
  assertNotEquals(await clusterAt(addresses[0]!), clusterId);
});

Deno.test("startCluster: nodes that are cut off from each other are healed again", async () => {
  await using cluster = await startCluster({ nodes: 3, properties: QUICK, inMemory: true });
  await using admin = await Admin.connect(cluster.bootstrap);
  await admin.createTopics([{ name: "t", assignments: [[1, 2, 3]] }]);
  await using producer = await Producer.connect(cluster.bootstrap, {
    acks: "all",
    requestTimeoutMs: 1000,
  });
  await producer.send({ topic: "t", value: "v0" });
  // Clients still reach node 1, which may acknowledge nothing any more.
  cluster.partition(1, 2);
  cluster.partition(3, 1);
  await producer.send({ topic: "t", value: "v1" });
  const leaderOf = async () => {
    const [topic] = await admin.describeTopics(["t"]);
    return topic!.partitions[0]!;
  };
  cluster.heal();
  while ((await leaderOf()).isr.length < 3) await admin.listTopics();
  assertEquals(await consume(cluster, "t", 2), ["v0", "v1"]);
});
