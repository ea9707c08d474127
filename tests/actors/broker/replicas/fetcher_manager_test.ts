import { assertEquals } from "@std/assert";
import { BrokerMetrics } from "../../../../actors/broker/broker_metrics.ts";
import { fetcherManagerActor } from "../../../../actors/broker/replicas/fetcher_manager.ts";
import { ReplicationQuota } from "../../../../actors/broker/replicas/replication_quota.ts";
import { parseBrokerConfig } from "../../../../actors/config/broker_config.ts";
import { asFellow } from "../../../../actors/link/fellow.ts";
import type { TakeFetched } from "../../../../actors/partition/messages.ts";
import { BufferPool } from "../../../../net/buffer_pool.ts";
import { Stage } from "../../runtime/puppet.ts";

const PARTITION = { topicId: "AAAAAAAAAAAAAAAAAAAAAQ", topic: "orders", partition: 0 };
const LEADER = 2;

Deno.test("fetcher manager: a replica that ends late takes nothing from the one made after it", () => {
  const stage = new Stage();
  const config = parseBrokerConfig({ "node.id": "1" });
  const fellow = asFellow({
    nodeId: 1,
    clusterId: "c",
    purpose: "fetcher",
    secret: "",
    requestTimeoutMs: 1000,
    retryBackoffMs: 50,
    retryBackoffMaxMs: 1000,
  });
  const asked: string[] = [];
  const replica = (name: string) =>
    stage.system.spawn<TakeFetched>(name, () => ({ receive: () => void asked.push(name) }));
  const [first, second] = [replica("first"), replica("second")];
  const manager = stage.system.spawn(
    "fetchers",
    fetcherManagerActor({
      nodeId: 1,
      config: () => config,
      fellow,
      buffers: new BufferPool(),
      quota: new ReplicationQuota(1, () => Infinity),
      metrics: new BrokerMetrics(stage.environment.metrics),
    }),
  );
  const position = {
    kind: "fetch-position",
    leaderEpoch: 0,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    logStartOffset: 0,
    failed: false,
  } as const;
  for (const replica of [first, second]) {
    manager.tell({ kind: "follow", ...PARTITION, leader: LEADER, replica, position });
  }
  manager.tell({ kind: "unfollow", ...PARTITION, replica: first });
  // Whoever follows is asked where it is, once it is known how to reach the leader.
  const addresses = new Map([[LEADER, { host: "elsewhere", port: 9 }]]);
  manager.tell({ kind: "broker-addresses", addresses });
  stage.run();
  assertEquals(asked, ["second"]);
});
