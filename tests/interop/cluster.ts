/**
 * The cluster that clients are tried on: a process that takes orders on stdin.
 *
 * Prints its addresses as a line of JSON, and a line when an order was carried out: `{"kill": 1}`,
 * `{"restart": 1}`, `{"create": "topic", "partitions": 6}`. Ends in order when stdin does.
 *
 * Usage: deno run -A tests/interop/cluster.ts NODES
 */

import { Admin, startCluster } from "../../mod.ts";

const PROPERTIES = {
  // So that clients without an admin client find topics as the trials need them.
  "num.partitions": "1",
  "message.max.bytes": "12000000",
  "replica.fetch.max.bytes": "12000000",
  // Nobody has time to wait for members that might come.
  "group.initial.rebalance.delay.ms": "300",
  "group.consumer.session.timeout.ms": "6000",
  "group.consumer.heartbeat.interval.ms": "500",
  // A machine that is busy with clients must not look as if a node had died.
  "broker.session.timeout.ms": "6000",
  "broker.heartbeat.interval.ms": "500",
  "controller.quorum.fetch.timeout.ms": "5000",
};

const nodes = Number(Deno.args[0] ?? 1);
await using cluster = await startCluster({
  nodes,
  properties: {
    ...PROPERTIES,
    "default.replication.factor": String(nodes),
    "min.insync.replicas": nodes === 1 ? "1" : "2",
    ...Object.fromEntries(
      ["offsets.topic", "transaction.state.log"].flatMap((topic) => [
        [`${topic}.replication.factor`, String(nodes)],
        [`${topic}.num.partitions`, "10"],
      ]),
    ),
  },
  logLevel: "error",
});
console.log(JSON.stringify({ kafka: cluster.kafka, native: cluster.bootstrap }));

let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) await obey(JSON.parse(line));
}

interface Order {
  readonly kill?: number;
  readonly restart?: number;
  readonly create?: string;
  readonly partitions?: number;
}

async function obey({ kill, restart, create, partitions = 1 }: Order): Promise<void> {
  if (kill !== undefined) cluster.kill(kill);
  if (restart !== undefined) await cluster.restart(restart);
  if (create !== undefined) {
    await using admin = await Admin.connect(cluster.bootstrap);
    await admin.createTopics([{ name: create, partitions }]);
  }
  console.log("done");
}
