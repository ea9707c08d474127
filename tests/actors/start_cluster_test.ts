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
  const begin = performance.now();
  await using cluster = await startCluster({ nodes: 3, properties: QUICK });
  const startedMs = performance.now() - begin;
  console.log(`started in ${startedMs} ms`);
  assertEquals(cluster.running, [1, 2, 3]);
  await using admin = await Admin.connect(cluster.bootstrap);
  await admin.createTopics([{ name: "t", partitions: 3, replicationFactor: 3 }]);
  await using producer = await Producer.connect(cluster.bootstrap, { acks: "all" });
  const send = (i: number) => producer.send({ topic: "t", key: `k${i}`, value: `v${i}` });
  await Promise.all(Array.from({ length: 50 }, (_, i) => send(i)));
  const [topic] = await admin.describeTopics(["t"]);
  const { leader } = topic!.partitions[0]!;
  cluster.kill(leader);
  const killed = performance.now();
  await Promise.all(Array.from({ length: 50 }, (_, i) => send(50 + i)));
  console.log(`sent again after ${performance.now() - killed} ms`);
  const [after] = await admin.describeTopics(["t"]);
  assertNotEquals(after!.partitions[0]!.leader, leader);
  const expected = Array.from({ length: 100 }, (_, i) => `v${i}`).sort();
  assertEquals(await consume(cluster, "t", 100), expected);
  await cluster.restart(leader);
  assertEquals(cluster.running, [1, 2, 3]);
});

Deno.test("startCluster: its folders are gone when it was closed, and its ports free", async () => {
  const cluster = await startCluster({ nodes: 1 });
  const { addresses, clusterId } = cluster;
  assert(clusterId.length === 22);
  await cluster.close();
  const port = Number(addresses[0]!.split(":")[1]);
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});
