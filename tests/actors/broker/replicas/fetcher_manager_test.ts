import { assertEquals } from "@std/assert";
import { BrokerMetrics } from "../../../../actors/broker/broker_metrics.ts";
import {
  fetcherManagerActor,
  type FetcherManagerRequest,
} from "../../../../actors/broker/replicas/fetcher_manager.ts";
import { ReplicationQuota } from "../../../../actors/broker/replicas/replication_quota.ts";
import { parseBrokerConfig } from "../../../../actors/config/broker_config.ts";
import { asFellow } from "../../../../actors/link/fellow.ts";
import type { Ref } from "../../../../actors/runtime/ref.ts";
import type { TakeFetched } from "../../../../actors/partition/messages.ts";
import { BufferPool } from "../../../../net/buffer_pool.ts";
import { Stage } from "../../runtime/puppet.ts";

const PARTITION = { topicId: "AAAAAAAAAAAAAAAAAAAAAQ", topic: "orders", partition: 0 };
const LEADER = 2;
const ADDRESSES = new Map([[LEADER, { host: "elsewhere", port: 9 }]]);
const POSITION = {
  kind: "fetch-position",
  leaderEpoch: 0,
  fetchOffset: 0,
  lastFetchedEpoch: -1,
  logStartOffset: 0,
  failed: false,
} as const;

function startFetchers(stage: Stage): Ref<FetcherManagerRequest> {
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
  return stage.system.spawn(
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
}

for (const order of [["first", "second"], ["second", "first"]] as const) {
  Deno.test(`fetcher manager: a replica that ends late takes nothing from the one made after it, heard of ${order.join(" before ")}`, () => {
    const stage = new Stage();
    const asked: string[] = [];
    const replica = (name: string) =>
      stage.system.spawn<TakeFetched>(name, () => ({ receive: () => void asked.push(name) }));
    const replicas = { first: replica("first"), second: replica("second") };
    const manager = startFetchers(stage);
    for (const name of order) {
      const replica = replicas[name];
      manager.tell({ kind: "follow", ...PARTITION, leader: LEADER, replica, position: POSITION });
    }
    manager.tell({ kind: "unfollow", ...PARTITION, replica: replicas.first });
    // Whoever follows is asked where it is, once it is known how to reach the leader.
    manager.tell({ kind: "broker-addresses", addresses: ADDRESSES });
    stage.run();
    assertEquals(asked, ["second"]);
  });
}

Deno.test("fetcher: a partition that waits is looked after though its timer was early by the clock", () => {
  const stage = new Stage();
  const { environment } = stage;
  // Timers are exact, and the clock is slow.
  Object.assign(environment, {
    clock: { ...environment.clock, monotonic: () => environment.world.now * 0.999 },
  });
  let connections = 0;
  const host = environment.world.network.host("elsewhere");
  host.listen({ host: "elsewhere", port: 9 }, () => connections++);
  const replica = stage.system.spawn<TakeFetched>("replica", () => ({
    // It could not do what it was told, and is to be left alone for a while.
    receive: ({ replyTo }) => void replyTo.tell({ ...POSITION, failed: true }),
  }));
  const manager = startFetchers(stage);
  manager.tell({ kind: "broker-epoch", brokerEpoch: 1 });
  manager.tell({ kind: "follow", ...PARTITION, leader: LEADER, replica, position: POSITION });
  manager.tell({ kind: "broker-addresses", addresses: ADDRESSES });
  stage.run();
  assertEquals(connections, 0);
  environment.advance(100);
  assertEquals(connections, 1);
});
