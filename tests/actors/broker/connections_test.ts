/** A real node with as many real connections as the system allows, up to ten thousand. */

import { assert, assertEquals } from "@std/assert";
import { DenoNetwork } from "../../../net/deno_network.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { batchOf, beginProduce } from "./broker_world.ts";
import { descriptorsMax, TestProcess } from "./processes/spawn.ts";
import { TestClient } from "./test_client.ts";

const BYTES_PER_CONNECTION_MAX = 20 * 1024;
/** What the garbage collector may be behind, whatever the number of connections. */
const SLACK_BYTES = 8 << 20;
/** Descriptors that a process needs besides its connections. */
const OTHER_DESCRIPTORS = 300;

const connections = Math.min(10_000, descriptorsMax() - OTHER_DESCRIPTORS);

function portOf(address: string): number {
  return Number(address.split(":")[1]);
}

async function connected(port: number): Promise<TestClient> {
  const client = new TestClient();
  await new Promise<void>((resolve) =>
    client.connect(new DenoNetwork(), { host: "127.0.0.1", port }, resolve)
  );
  assertEquals((await client.handshake().settled()).errorCode, 0);
  return client;
}

for (const listener of ["native", "kafka"] as const) {
  Deno.test(`connections: ${connections} silent ones, ${listener}, cost 20 KiB each at most, and nobody else notices`, () =>
    crowded(listener));
}

async function crowded(listener: "native" | "kafka"): Promise<void> {
  const data = await Deno.makeTempDir();
  const node = new TestProcess(
    "node_process.ts",
    [data, "native.handshake.timeout.ms=600000"],
    ["--v8-flags=--expose-gc"],
  );
  try {
    const { address, kafka } = await node.line<{ address: string; kafka: string }>();
    const victim = await connected(portOf(address));
    const topic = { name: "orders", numPartitions: 1, replicationFactor: 1 };
    await victim.begin(CREATE_TOPICS, { timeoutMs: 10_000, topics: [topic] }).settled();
    const before = (await node.next<{ rss: number }>()).rss;

    const port = String(portOf(listener === "kafka" ? kafka : address));
    const crowd = new TestProcess("silent_clients.ts", [port, String(connections), listener]);
    let isOpen = false;
    const opened = crowd.line<{ opened: number; refused: string }>().finally(() => isOpen = true);
    let sent = 0;
    let longestMs = 0;
    while (!isOpen) {
      const asked = performance.now();
      const { responses } = await beginProduce(victim, "orders", batchOf(["v"])).settled();
      longestMs = Math.max(longestMs, performance.now() - asked);
      assertEquals(responses[0]!.partitionResponses[0]!.baseOffset, sent++);
    }
    assertEquals(await opened, { opened: connections, refused: "" });
    const { rss } = await node.next<{ rss: number }>();
    const figures = `${Math.round((rss - before) / connections)} bytes a connection, ` +
      `${sent} records meanwhile, the slowest in ${Math.round(longestMs)} ms`;
    const allowed = before + connections * BYTES_PER_CONNECTION_MAX + SLACK_BYTES;
    assert(rss <= allowed, figures);
    assert(longestMs < 2000, figures);
    if (Deno.env.get("STROM_FIGURES") !== undefined) console.log(figures);

    await crowd.end();
    const { responses } = await beginProduce(victim, "orders", batchOf(["v"])).settled();
    assertEquals(responses[0]!.partitionResponses[0]!.baseOffset, sent);
    victim.close(true);
    await victim.ended.settled();
    assertEquals((await node.end()).code, 0);
  } catch (error) {
    await node.kill();
    throw error;
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}
