/** A node on a small file system of the system's own, which fills up, or is read-only. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { denoEnvironment } from "../../../actors/runtime/deno_environment.ts";
import type { Logger } from "../../../actors/runtime/environment.ts";
import { type Node, startNode } from "../../../actors/start_node.ts";
import { DenoNetwork } from "../../../net/deno_network.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { walkBatches } from "../../../storage/record_batch.ts";
import {
  growTmpfs,
  makeReadOnly,
  mountTmpfs,
  tmpfsSupported,
  unmountTmpfs,
} from "../../conformance/tmpfs.ts";
import { batchOf, beginFetch, beginProduce, valuesOf } from "./broker_world.ts";
import { TestClient } from "./test_client.ts";

const unsupported = tmpfsSupported();
const skipped = unsupported === undefined ? "" : ` (skipped: ${unsupported})`;

const BYTES = 4 << 20;
const BALLAST_BYTES = 1 << 20;
const SILENT: Logger = { log: () => {}, with: () => SILENT };

/** Runs with a folder on a file system of its own. */
function onSmallDisk(name: string, run: (folder: string) => Promise<void>): void {
  Deno.test({ name: `${name}${skipped}`, ignore: unsupported !== undefined }, async () => {
    const folder = await Deno.makeTempDir({ prefix: "strom-small-" });
    assertEquals(mountTmpfs(folder, BYTES), undefined);
    try {
      await run(folder);
    } finally {
      unmountTmpfs(folder);
      await Deno.remove(folder);
    }
  });
}

async function started(folder: string): Promise<[Node, TestClient]> {
  const data = `${folder}/data`;
  const environment = denoEnvironment({ dataRoot: data, logger: SILENT });
  const properties = { "log.segment.bytes": "500000", "log.retention.ms": "-1" };
  const node = await startNode({ data, native: { port: 0 }, properties, environment });
  const client = new TestClient();
  const [host, port] = node.address.split(":");
  await new Promise<void>((resolve) =>
    client.connect(new DenoNetwork(), { host: host!, port: Number(port) }, resolve)
  );
  assertEquals((await client.handshake().settled()).errorCode, 0);
  return [node, client];
}

async function stopped(node: Node, client: TestClient): Promise<void> {
  client.close(true);
  await client.ended.settled();
  await node.close();
}

async function send(client: TestClient, value: string) {
  const batch = batchOf([value.padEnd(10_000, ".")]);
  const { responses } = await beginProduce(client, "orders", batch).settled();
  return responses[0]!.partitionResponses[0]!;
}

async function allValues(client: TestClient, end: number): Promise<string[]> {
  const values: string[] = [];
  for (let offset = 0; offset < end;) {
    const { responses } = await beginFetch(client, "orders", offset).settled();
    const { errorCode, records } = responses[0]!.partitions[0]!;
    assertEquals(errorCode, 0);
    for (const batch of walkBatches(records!)) {
      values.push(...valuesOf(batch).map((value) => value.replace(/\.+$/, "")));
      offset = batch.nextOffset;
    }
  }
  return values;
}

async function createTopic(client: TestClient): Promise<void> {
  const topic = {
    name: "orders",
    numPartitions: 1,
    replicationFactor: 1,
    configs: [{ name: "flush.before.ack", value: "true" }],
  };
  const { topics } = await client.begin(CREATE_TOPICS, { timeoutMs: 5000, topics: [topic] })
    .settled();
  assertEquals(topics[0]!.errorCode, 0);
}

onSmallDisk(
  "small file system: full, it refuses; with space it serves; nothing acknowledged is lost",
  async (folder) => {
    await Deno.writeFile(`${folder}/ballast`, new Uint8Array(BALLAST_BYTES));
    const [node, client] = await started(folder);
    await createTopic(client);
    const acknowledged: string[] = [];
    const sendUntilFull = async () => {
      for (let refused = 0; refused < 5;) {
        const value = `value ${acknowledged.length}`;
        const { errorCode, errorMessage, baseOffset } = await send(client, value);
        if (errorCode === 0) {
          assertEquals(baseOffset, acknowledged.length);
          acknowledged.push(value);
        } else {
          assertEquals(errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
          assertStringIncludes(errorMessage!, "no space left on device");
          refused++;
        }
      }
    };
    await sendUntilFull();
    const first = acknowledged.length;
    assert(first > 100, `${first} records`);
    assertEquals(await allValues(client, first), acknowledged);
    await Deno.remove(`${folder}/ballast`);
    await sendUntilFull();
    assert(acknowledged.length > first + 50, `${acknowledged.length - first} records more`);
    assertEquals(await allValues(client, acknowledged.length), acknowledged);
    client.close(true);
    await client.ended.settled();
    // There may be no room for what closing writes; then the next start looks through the log.
    await node.close().catch((error) => assertStringIncludes(error.message, "no space left"));
    assertEquals(growTmpfs(folder, 2 * BYTES), undefined);
    const [again, reader] = await started(folder);
    assertEquals(await allValues(reader, acknowledged.length), acknowledged);
    await stopped(again, reader);
  },
);

onSmallDisk(
  "small file system: read-only, a node does not start, and says why in one line",
  async (folder) => {
    const [node, client] = await started(folder);
    await createTopic(client);
    await send(client, "a");
    await stopped(node, client);
    assertEquals(makeReadOnly(folder), undefined);
    const script = new URL("../../../scripts/strom.ts", import.meta.url).pathname;
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--allow-all", "--no-check", "--config", config, script],
        ...["node", "--data", `${folder}/data`, "--native", "127.0.0.1:0"],
      ],
    }).output();
    const text = new TextDecoder();
    assertEquals([code, text.decode(stdout)], [1, ""]);
    assertMatch(text.decode(stderr), /^[^\n]*the file system is read-only[^\n]*\n$/);
  },
);
