/** A node's two listeners, as startNode makes them. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  Admin,
  BrokerNotAvailableError,
  ClientError,
  ConfigError,
  Consumer,
  DiskError,
  Producer,
  startNode,
} from "../../mod.ts";

async function withFolder(run: (data: string) => Promise<void>): Promise<void> {
  const data = await Deno.makeTempDir();
  try {
    await run(data);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
}

Deno.test("startNode: what is produced by one encoding is consumed by the other", () =>
  withFolder(async (data) => {
    await using node = await startNode({ data, native: { port: 0 } });
    assertMatch(node.kafka ?? "", /^127\.0\.0\.1:\d+$/);
    const kafka = `kafka://${node.kafka}`;
    await using admin = await Admin.connect(kafka);
    await admin.createTopics([{ name: "t" }]);
    const { brokers } = await admin.describeCluster();
    assertEquals(brokers.map(({ host, port }) => `${host}:${port}`), [node.kafka]);
    for (const [from, to] of [[kafka, node.address], [node.address, kafka]] as const) {
      await using producer = await Producer.connect(from);
      const { offset } = await producer.send({ topic: "t", value: from });
      await using consumer = await Consumer.connect(to, {
        assign: [{ topic: "t", partition: 0, offset }],
      });
      for await (const record of consumer) {
        assertEquals(record.text(), from);
        break;
      }
    }
  }));

Deno.test("startNode: who takes one listener for the other is told its address", () =>
  withFolder(async (data) => {
    await using node = await startNode({ data, native: { port: 0 } });
    const { address, kafka = "" } = node;
    const isKafkas = `if it speaks Kafka's protocol there, its address is kafka://${kafka}`;
    await assertRejects(() => Admin.connect(kafka), BrokerNotAvailableError, isKafkas);
    const isNative = `if that is the native port of a node of Strom, its address is ${address}`;
    await assertRejects(() => Admin.connect(`kafka://${address}`), ClientError, isNative);
  }));

Deno.test("startNode: a data folder that is in use is named, and who uses it", () =>
  withFolder(async (data) => {
    await using _node = await startNode({ data, native: { port: 0 } });
    const inUse = `Data folder ${data} is in use by process ${Deno.pid}`;
    await assertRejects(() => startNode({ data, native: { port: 0 } }), DiskError, inUse);
  }));

Deno.test("startNode: a listener that others could reach asks for a secret, or for its address", () =>
  withFolder(async (data) => {
    const open = { data, native: { port: 0 }, kafka: { host: "0.0.0.0", port: 0 } };
    const reason =
      "Cannot listen on 0.0.0.0: without native.shared.secret only loopback is allowed";
    await assertRejects(() => startNode(open), ConfigError, reason);
    const properties = { "native.shared.secret": "open sesame" };
    const unnamed = "Cannot advertise 0.0.0.0: advertised.listeners must say where PLAINTEXT";
    await assertRejects(() => startNode({ ...open, properties }), ConfigError, unnamed);
    const advertisedKafka = { host: "broker.example.org", port: 9092 };
    await using node = await startNode({ ...open, properties, advertisedKafka });
    assertMatch(node.kafka ?? "", /^0\.0\.0\.0:\d+$/);
  }));

Deno.test("startNode: a list of listeners is all of them", () =>
  withFolder(async (data) => {
    const properties = { listeners: "NATIVE://127.0.0.1:0" };
    await using node = await startNode({ data, properties });
    assertEquals(node.kafka, undefined);
  }));
